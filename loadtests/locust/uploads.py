"""An app that uploads: by presigned URL, and signing each request itself with the body's SHA-256."""

import random
import time

from locust import HttpUser, between, task

from gateway.client.account import raw_path
from gateway.model import ObjectKey
from gateway.protocol.signatures.authorization import sign_headers
from gateway.units import KiB
from loadtests.locust.target import ACCOUNT, BODY, BUCKET, SIZES, presigned, sha256, shared_name


class SignedPutApp(HttpUser):
    """Sends thumbnails, photos and short videos."""

    wait_time = between(0.1, 0.5)

    @task(3)
    def put_by_url(self) -> None:
        """The usual way."""
        size = random.choice(SIZES)
        self.client.put(
            presigned("PUT", shared_name()),
            data=BODY[:size],
            name=f"PUT presigned, {size // KiB} KiB",
        )

    @task
    def put_signed(self) -> None:
        """As an S3 client does: verified before anything is visible."""
        body = BODY[: random.choice(SIZES)]
        path = raw_path(ObjectKey(BUCKET, shared_name()))
        headers = dict(
            sign_headers(
                "PUT",
                path,
                b"",
                [(b"host", ACCOUNT.host.encode())],
                ACCOUNT.credentials,
                payload=sha256(body),
                now=time.time(),
            )
        )
        self.client.put(
            path.decode(), data=body, headers=headers, name=f"PUT signed, {len(body) // KiB} KiB"
        )
