"""All users at once, in the proportions of a chat service with an app and a media page."""

from loadtests.locust.downloads import RangeDownloader
from loadtests.locust.slots import ChatUser
from loadtests.locust.uploads import SignedPutApp

SignedPutApp.weight = 3
RangeDownloader.weight = 5
ChatUser.weight = 2

__all__ = ["ChatUser", "RangeDownloader", "SignedPutApp"]
