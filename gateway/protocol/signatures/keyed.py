"""HMAC-SHA-256 (RFC 2104) of many texts with one key.

Half of what an HMAC hashes depends on the key alone, and is hashed once here. ``hmac.digest`` also has OpenSSL look
the algorithm up with every call: for texts as short as those that are signed, this takes less than half the time.
"""

from hashlib import sha256
from typing import Final

_BLOCK: Final = 64
_INNER: Final = bytes(each ^ 0x36 for each in range(256))
_OUTER: Final = bytes(each ^ 0x5C for each in range(256))


class KeyedHash:
    """HMAC-SHA-256 with ``key``."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = (key if len(key) <= _BLOCK else sha256(key).digest()).ljust(_BLOCK, b"\0")
        self._inner = sha256(block.translate(_INNER))
        self._outer = sha256(block.translate(_OUTER))

    def hexdigest(self, text: bytes) -> str:
        """The code of ``text``, in lower-case hex."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.hexdigest()
