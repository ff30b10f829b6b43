"""The users of `make load`: an app that uploads by presigned URLs, and one that downloads with ranges."""

import os
import random
import time
from typing import Final

from locust import HttpUser, between, task

from gateway.client import Account
from gateway.model import ObjectKey
from gateway.units import KiB, MiB

ACCOUNT: Final = Account(
    endpoint=os.environ["LOAD_ENDPOINT"],
    access_key_id=os.environ["LOAD_KEY_ID"],
    secret=os.environ["LOAD_SECRET"],
)
BODY: Final = os.urandom(2 * MiB)
NAMES: Final = [f"object-{number}" for number in range(100)]


def signed(method: str, name: str) -> str:
    """A presigned URL, as an app gets it from its own server."""
    return ACCOUNT.presigned(method, ObjectKey("bench", name), expires=600, now=time.time())


class Uploader(HttpUser):
    """Sends photos of 16 KiB to 2 MiB."""

    wait_time = between(0.1, 0.5)

    @task
    def upload(self) -> None:
        """One object."""
        size = random.choice((16 * KiB, 256 * KiB, 2 * MiB))
        url = signed("PUT", random.choice(NAMES))
        self.client.put(url, data=BODY[:size], name=f"PUT {size // KiB} KiB")


class Downloader(HttpUser):
    """Reads them, mostly a beginning."""

    wait_time = between(0.1, 0.5)

    def on_start(self) -> None:
        """Something to read."""
        self.name = random.choice(NAMES)
        self.client.put(signed("PUT", self.name), data=BODY[: 256 * KiB], name="PUT 256 KiB")

    @task
    def download(self) -> None:
        """The first 64 KiB."""
        headers = {"Range": f"bytes=0-{64 * KiB - 1}"}
        self.client.get(signed("GET", self.name), headers=headers, name="GET 64 KiB")
