"""The gateway that the users load: where, whose key, what to send and how to check what comes."""

import hashlib
import os
import random
import time
from typing import Final

from gateway.client.account import Account
from gateway.model import ObjectKey
from gateway.units import KiB, MiB

BUCKET: Final = os.environ.get("LOAD_BUCKET", "load")
SLOT_BASE: Final = os.environ.get("LOAD_SLOT_BASE", "/upload/")
SLOT_SECRET: Final = os.environ.get("LOAD_SLOT_SECRET", "")
ACCOUNT: Final = Account(
    endpoint=os.environ.get("LOAD_ENDPOINT", "http://127.0.0.1:8080"),
    access_key_id=os.environ.get("LOAD_KEY_ID", ""),
    secret=os.environ.get("LOAD_SECRET", ""),
)
#: Thumbnails, photos, short videos.
SIZES: Final = (16 * KiB, 256 * KiB, 2 * MiB)
BODY: Final = os.urandom(max(SIZES))
#: Objects that are read again and again, so that readers and writers meet.
NAMES: Final = 200


def shared_name() -> str:
    """An object that others use as well."""
    return f"shared/{random.randrange(NAMES)}"


def presigned(method: str, name: str) -> str:
    """The URL that an app gets from its own server."""
    return ACCOUNT.presigned(method, ObjectKey(BUCKET, name), expires=600, now=time.time())


def sha256(body: bytes) -> str:
    """In hex, as SigV4 has it."""
    return hashlib.sha256(body).hexdigest()
