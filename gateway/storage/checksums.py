"""Digests of views, for the stores that verify them themselves.

``crc32``, ``crc32c`` and ``crc64nvme`` are big-endian values as S3 sends them (before base64), the
others are plain hash digests. The CRCs come from awscrt, which uses the processor's instructions.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from hmac import compare_digest
from typing import Final, Protocol

from gateway.errors import DigestMismatch, InvalidDigest
from gateway.model import Digest, Views


def crc32(data: memoryview, value: int = 0) -> int:
    """CRC-32, going on from ``value``."""
    # awscrt is imported where it is used: it costs 8 MB, and many stores verify no checksum.
    from awscrt import checksums

    return int(checksums.crc32(data, value))


def crc32c(data: memoryview, value: int = 0) -> int:
    """CRC-32C, going on from ``value``."""
    from awscrt import checksums

    return int(checksums.crc32c(data, value))


def crc64nvme(data: memoryview, value: int = 0) -> int:
    """CRC-64/NVME, going on from ``value``."""
    from awscrt import checksums

    return int(checksums.crc64nvme(data, value))


class _Running(Protocol):
    def update(self, data: memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    """A CRC with the interface of hashlib."""

    def __init__(self, step: Callable[[memoryview, int], int], width: int) -> None:
        self._step = step
        self._width = width
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width, "big")


_ALGORITHMS: Final[dict[str, Callable[[], _Running]]] = {
    "crc32": partial(_Crc, crc32, 4),
    "crc32c": partial(_Crc, crc32c, 4),
    "crc64nvme": partial(_Crc, crc64nvme, 8),
    "md5": partial(hashlib.md5, usedforsecurity=False),
    "sha1": partial(hashlib.sha1, usedforsecurity=False),
    "sha-256": hashlib.sha256,
    "sha-512": hashlib.sha512,
}

#: What :func:`verify` knows, by the names of :class:`~gateway.model.Digest`.
ALGORITHMS: Final = frozenset(_ALGORITHMS)


class Running:
    """A digest of bytes that are still coming.

    Raises:
        InvalidDigest: the algorithm is not one of :data:`ALGORITHMS`.
    """

    def __init__(self, algorithm: str) -> None:
        make = _ALGORITHMS.get(algorithm)
        if make is None:
            raise InvalidDigest(
                f"The digest algorithm {algorithm!r} is not one of {', '.join(sorted(ALGORITHMS))}."
            )
        self.algorithm: Final = algorithm
        self._state = make()

    def update(self, data: memoryview, /) -> None:
        """See the next bytes."""
        self._state.update(data)

    def digest(self) -> Digest:
        """Of all bytes so far."""
        return Digest(self.algorithm, self._state.digest())


def compute(algorithm: str, views: Views) -> Digest:
    """The digest of ``views`` in a row.

    Raises:
        InvalidDigest: the algorithm is not one of :data:`ALGORITHMS`.
    """
    running = Running(algorithm)
    for view in views:
        running.update(view)
    return running.digest()


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
