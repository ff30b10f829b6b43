"""A chat: its server signs an upload slot, the sender puts the file, others fetch it without a signature."""

import random

from locust import HttpUser, between, task

from gateway.protocol.signatures.slot_token import sign_v2
from gateway.units import KiB
from loadtests.locust.target import BODY, SIZES, SLOT_BASE, SLOT_SECRET

_TYPE = "image/jpeg"


class ChatUser(HttpUser):
    """Shares a picture; some friends look at it."""

    wait_time = between(0.2, 1.0)

    @task
    def share(self) -> None:
        """One picture."""
        size = random.choice(SIZES[:2])
        path = f"{random.getrandbits(96):024x}/picture.jpg"
        token = sign_v2(SLOT_SECRET, path, size, _TYPE)
        put = self.client.put(
            f"{SLOT_BASE}{path}?v2={token}",
            data=BODY[:size],
            headers={"Content-Type": _TYPE},
            name=f"PUT slot, {size // KiB} KiB",
        )
        if not put.ok:
            return
        for _ in range(random.randrange(4)):
            with self.client.get(
                f"{SLOT_BASE}{path}", name="GET slot", catch_response=True
            ) as answer:
                if answer.content != BODY[:size]:
                    answer.failure(f"{answer.status_code}, not what was uploaded")
