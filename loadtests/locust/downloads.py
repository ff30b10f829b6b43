"""A player that downloads: whole, the beginning, a middle, and again with what it knows already."""

import random

from locust import HttpUser, between, task

from gateway.units import KiB
from loadtests.locust.target import BODY, SIZES, presigned, shared_name

_PIECE = 64 * KiB


class RangeDownloader(HttpUser):
    """Reads what others write; what it gets must be what they sent."""

    wait_time = between(0.05, 0.3)

    def on_start(self) -> None:
        """Something of its own to read, whose ETag it knows."""
        self.own = f"readers/{random.getrandbits(64):x}"
        self.size = max(SIZES)
        answer = self.client.put(presigned("PUT", self.own), data=BODY, name="PUT before reading")
        self.etag = answer.headers.get("etag", "")

    @task(4)
    def seek(self) -> None:
        """A range, as a player asks for when it jumps."""
        first = random.randrange(self.size - _PIECE)
        asked = {"Range": f"bytes={first}-{first + _PIECE - 1}"}
        with self.client.get(
            presigned("GET", self.own), headers=asked, name="GET range, 64 KiB", catch_response=True
        ) as answer:
            if answer.status_code != 206 or answer.content != BODY[first : first + _PIECE]:
                answer.failure(
                    f"{answer.status_code}, {len(answer.content)} bytes that are not those asked for"
                )

    @task
    def whole(self) -> None:
        """An object that others replace meanwhile: always one whole version."""
        with self.client.get(
            presigned("GET", shared_name()), name="GET whole", catch_response=True
        ) as answer:
            if answer.status_code == 404:
                answer.success()  # nobody has written it yet
            elif answer.status_code == 200 and answer.content != BODY[: len(answer.content)]:
                answer.failure("not what was uploaded")

    @task
    def unchanged(self) -> None:
        """A conditional request for what it has."""
        with self.client.get(
            presigned("GET", self.own),
            headers={"If-None-Match": self.etag},
            name="GET unchanged",
            catch_response=True,
        ) as answer:
            if answer.status_code == 304:
                answer.success()
            else:
                answer.failure(f"{answer.status_code} instead of 304")
