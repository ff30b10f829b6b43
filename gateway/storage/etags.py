"""ETags that S3 computes from the bytes: how one's own object is known again."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Final

from gateway.model import PartReceipt

_MD5: Final = re.compile(r"[0-9a-f]{32}\Z")
_COMPUTED: Final = re.compile(r"[0-9a-f]{32}(?:-[0-9]+)?\Z")


def is_computed(etag: str) -> bool:
    """Whether it has the form of one that is computed from the bytes (with KMS encryption, and in some stores, it is
    not; then it still may have that form)."""
    return _COMPUTED.match(etag) is not None


def multipart_etag(receipts: Sequence[PartReceipt]) -> str | None:
    """The ETag of an object in parts: the MD5 of the parts' MD5s, a hyphen, their count. None where a part's ETag is
    no MD5."""
    if not all(_MD5.match(receipt.etag) for receipt in receipts):
        return None
    joined = b"".join(bytes.fromhex(receipt.etag) for receipt in receipts)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(receipts)}"


def whole_etag(views: Iterable[memoryview]) -> str:
    """The ETag of an object in one piece: its MD5."""
    state = hashlib.md5(usedforsecurity=False)
    for view in views:
        state.update(view)
    return state.hexdigest()
