"""URLs of resumable uploads: ``/-/uploads/{id}.{mac}``, ``/-/uploads/{bucket}[/{key}]``, ``/-/chunked/{bucket}/{key}``.

An upload's id and a bucket's name can look alike, so the shape alone does not tell an upload from a place
where uploads begin. The method does: only POST begins one, and nothing is POSTed to an upload.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

from gateway.errors import GatewayError
from gateway.model import ObjectKey
from gateway.protocol.paths import check_bucket, split_path

UPLOADS: Final = b"/-/uploads"
CHUNKED: Final = b"/-/chunked"

#: An id is at least 128 random bits in base64url, a mac likewise. No dot, so that one separates them.
_PIECE: Final = r"[A-Za-z0-9_-]{22,64}"
_UPLOAD: Final = re.compile(rf"(?P<id>{_PIECE})(?:\.(?P<mac>{_PIECE}))?", re.ASCII)
_CAPABILITY: Final = re.compile(
    rb"((?:/|%2[Ff])-(?:(?:/|%2[Ff])+)uploads(?:(?:/|%2[Ff])+)[A-Za-z0-9_-]{22,64})(?:\.|%2[Ee])[^/]*"
)


@dataclass(frozen=True, slots=True)
class UploadRef:
    """An upload as a URL names it. ``mac`` is the capability, None in the owner's bare form."""

    id: str
    mac: str | None = None


def is_upload_path(raw_path: bytes) -> bool:
    """Whether a raw path is one of the three kinds above: all others under ``/-/`` are somebody else's."""
    return raw_path.startswith(b"/-/") and any(
        raw_path == base or raw_path.startswith(base + b"/") for base in (UPLOADS, CHUNKED)
    )


def is_chunked_path(raw_path: bytes) -> bool:
    """Whether a raw path lies under ``/-/chunked``."""
    return raw_path == CHUNKED or raw_path.startswith(CHUNKED + b"/")


def upload_ref(raw_path: bytes, method: str) -> UploadRef | None:
    """The upload that a request under ``/-/uploads`` is for; None where it is for a bucket or a key in one."""
    segment = raw_path[len(UPLOADS) + 1 :].decode("latin-1")
    match = _UPLOAD.fullmatch(segment)
    if match is None or (method == "POST" and _is_bucket(segment)):
        return None
    return UploadRef(match["id"], match["mac"])


def place(raw_path: bytes) -> ObjectKey | None:
    """The object that ``/-/uploads/{bucket}/{key}`` or ``/-/chunked/{bucket}/{key}`` names: ``name`` is empty where
    only the bucket is named, None where not even that.

    Raises:
        InvalidUri, InvalidBucketName, KeyTooLong: it names nothing that can exist.
    """
    base = CHUNKED if is_chunked_path(raw_path) else UPLOADS
    return split_path(raw_path[len(base) :] or b"/", strict=True)


def referred_upload(reference: str, raw_path: bytes) -> UploadRef | None:
    """The upload that a URI reference in a request to ``raw_path`` means (RFC 3986, section 5); None where it is no
    upload's. The host is not looked at: who is asked is us."""
    try:
        path = urlsplit(urljoin(raw_path.decode("latin-1"), reference)).path
    except ValueError:
        return None
    raw = path.encode("utf-8")
    return upload_ref(raw, "HEAD") if raw.startswith(UPLOADS + b"/") else None


def without_capability(raw_path: bytes) -> bytes:
    """The path as logs may carry it: an upload's URL without its mac, whatever stands before or behind it."""
    return _CAPABILITY.sub(rb"\1", raw_path)


def _is_bucket(name: str) -> bool:
    try:
        check_bucket(name)
    except GatewayError:
        return False
    return True
