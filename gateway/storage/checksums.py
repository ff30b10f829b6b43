"""Digests of bytes, running or whole.

``crc32``, ``crc32c`` and ``crc64nvme`` are big-endian values as S3 sends them (before base64), the
others are plain hash digests. The CRCs use the processor's instructions.
"""

import copy
import hashlib
import zlib
from collections.abc import Callable, Iterable, Sequence
from hmac import compare_digest
from typing import Final, Protocol, Self

from gateway.errors import DigestMismatch, InvalidDigest
from gateway.model import Digest, Views


def crc32c(data: memoryview, value: int = 0) -> int:
    """CRC-32C, going on from ``value``."""
    # awscrt is imported where it is used: it costs 8 MB, and many stores verify no checksum.
    from awscrt import checksums

    return int(checksums.crc32c(data, value))


def crc64nvme(data: memoryview, value: int = 0) -> int:
    """CRC-64/NVME, going on from ``value``."""
    from awscrt import checksums

    return int(checksums.crc64nvme(data, value))


class _Hash(Protocol):
    def update(self, data: memoryview, /) -> None: ...

    def digest(self) -> bytes: ...

    def copy(self) -> Self: ...


class _Crc:
    """A CRC with hashlib's face; big-endian, as on the wire of S3."""

    def __init__(self, function: Callable[[memoryview, int], int], width: int) -> None:
        self._function = function
        self._width = width
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width, "big")

    def copy(self) -> Self:
        return copy.copy(self)


_HASHES: Final = {"sha-256": "sha256", "sha-512": "sha512", "sha1": "sha1", "md5": "md5"}
#: Function, bytes of the value, whether it is costly. awscrt's two run at memory speed; zlib's doesn't, but it
#: is faster than awscrt's CRC-32.
_CRCS: Final[dict[str, tuple[Callable[[memoryview, int], int], int, bool]]] = {
    "crc32": (zlib.crc32, 4, True),
    "crc32c": (crc32c, 4, False),
    "crc64nvme": (crc64nvme, 8, False),
}
#: What can be computed, by the names of :class:`~gateway.model.Digest`.
ALGORITHMS: Final = frozenset((*_HASHES, *_CRCS))


class Checksum:
    """A digest of bytes that are still coming. ``algorithm`` as in :class:`~gateway.model.Digest`.

    ``costly``: an update is worth leaving the event loop for, and releases the interpreter lock.

    Raises:
        InvalidDigest: the algorithm is not one of :data:`ALGORITHMS`.
    """

    def __init__(self, algorithm: str) -> None:
        self.algorithm: Final = algorithm
        self.costly = True
        if algorithm in _HASHES:
            self._state: _Hash = hashlib.new(_HASHES[algorithm], usedforsecurity=False)
        elif algorithm in _CRCS:
            function, width, self.costly = _CRCS[algorithm]
            self._state = _Crc(function, width)
        else:
            raise InvalidDigest(
                f"The digest algorithm {algorithm!r} is not one of {', '.join(sorted(ALGORITHMS))}."
            )

    def update(self, data: memoryview, /) -> None:
        """See the next bytes."""
        self._state.update(data)

    def digest(self) -> Digest:
        """The digest of all bytes so far."""
        return Digest(self.algorithm, self._state.digest())

    def copy(self) -> Self:
        """Another one that has seen the same bytes."""
        made = copy.copy(self)
        made._state = self._state.copy()
        return made


def compute(algorithm: str, views: Iterable[memoryview]) -> Digest:
    """The digest of ``views`` in a row.

    Raises:
        InvalidDigest: the algorithm is not one of :data:`ALGORITHMS`.
    """
    checksum = Checksum(algorithm)
    for view in views:
        checksum.update(view)
    return checksum.digest()


def verify(views: Views, digests: Sequence[Digest]) -> None:
    """Check every digest against ``views``.

    Raises:
        DigestMismatch: one of them is another.
        InvalidDigest: an algorithm is unknown.
    """
    for digest in digests:
        if not compare_digest(compute(digest.algorithm, views).value, digest.value):
            raise DigestMismatch(
                f"The bytes that reached the store do not have the {digest.algorithm} that was sent with them. "
                "Send them again."
            )
