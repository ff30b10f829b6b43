"""The Python client: files to and from a gateway, signed, verified, tried again."""

from gateway.client.account import Account
from gateway.client.backoff import Backoff
from gateway.client.client import Client
from gateway.client.download import Downloaded
from gateway.client.failures import Corrupt, FileTrouble, Interrupted, Refused, TransferFailed
from gateway.client.upload import Progress, Uploaded

__all__ = [
    "Account",
    "Backoff",
    "Client",
    "Corrupt",
    "Downloaded",
    "FileTrouble",
    "Interrupted",
    "Progress",
    "Refused",
    "TransferFailed",
    "Uploaded",
]
