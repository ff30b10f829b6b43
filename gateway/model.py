"""The nouns that more than one room speaks of. Values only: no I/O, no clock.

Three words are kept apart everywhere: ``length`` is what was declared (may be unknown), ``size``
is what was counted, ``offset`` is what is durable. Ranges are half-open; the inclusive form of
HTTP exists only in :mod:`gateway.protocol.ranges`.

Values never change once they are made, here and in all rooms, and most are frozen. Those of which every request makes
some are not declared so, because making a frozen one costs a call for each field (docs/decisions/0014).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

from gateway.units import GiB, MiB

EMPTY: Final[Mapping[str, str]] = MappingProxyType({})

#: Bytes to send, in order, without copies. The owner keeps them unchanged until the call returns.
Views: TypeAlias = Sequence[memoryview]


@dataclass(slots=True, unsafe_hash=True)  # not frozen: see below
class ObjectKey:
    """A bucket and a name in it.

    ``name`` is text whose UTF-8 encoding is the key's bytes exactly; it is never normalised.
    """

    bucket: str
    name: str

    def __str__(self) -> str:
        return f"{self.bucket}/{self.name}"


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``start`` (included) to ``stop`` (excluded), 0 <= start < stop."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many bytes it covers."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class From:
    """A range request ``first-`` or ``first-last``: ``stop`` is None for the open form."""

    start: int
    stop: int | None = None


@dataclass(frozen=True, slots=True)
class Suffix:
    """A range request ``-size``: the last ``size`` bytes."""

    size: int


RangeRequest: TypeAlias = From | Suffix


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest of bytes. ``algorithm`` is the lower-case name of RFC 9530 or of S3's checksums:
    ``sha-256``, ``sha-512``, ``md5``, ``crc32``, ``crc32c``, ``crc64nvme``, ``sha1``."""

    algorithm: str
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What is stored with an object besides its bytes.

    The first block is the client's, the last three fields come from the bucket's configuration.
    Header values are as sent (no CR, LF or NUL), metadata names are lower-case without a prefix.
    """

    content_type: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    cache_control: str | None = None
    expires: str | None = None
    metadata: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    storage_class: str | None = None
    sse: str | None = None
    sse_kms_key_id: str | None = None


@dataclass(slots=True, kw_only=True)  # not frozen: see above
class ObjectInfo:
    """An object as its store describes it. ``etag`` is without quotes and always strong; ``digests`` are
    those of the whole object that the store keeps."""

    key: ObjectKey
    size: int
    etag: str
    modified: datetime
    attributes: Attributes = field(default_factory=Attributes)
    version: str | None = None
    digests: tuple[Digest, ...] = ()


@dataclass(slots=True, kw_only=True)  # not frozen: see above
class Stored:
    """A store's answer to a finished write. ``replaced`` is None where the store cannot tell."""

    etag: str
    size: int
    version: str | None = None
    replaced: bool | None = None


@dataclass(frozen=True, slots=True)
class WriteCondition:
    """When a write may take effect: only if nothing is there, or only if ``etag`` is there."""

    absent: bool = False
    etag: str | None = None

    def __bool__(self) -> bool:
        return self.absent or self.etag is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLimits:
    """What a store accepts as parts of a multipart upload. Sizes in bytes.

    The defaults are Amazon S3's. ``uniform``: all parts but the last must have equal size (R2).
    """

    min_size: int = 5 * MiB
    max_size: int = 5 * GiB
    max_parts: int = 10_000
    uniform: bool = False

    @property
    def max_object(self) -> int:
        """The largest object: 48.8 TiB with the defaults."""
        return self.max_size * self.max_parts


@dataclass(frozen=True, slots=True)
class Part:
    """A numbered slice of an object, given to the store.

    ``number`` counts from 1. Immutable and re-readable until its receipt arrives, so a retry
    never touches the client.
    """

    number: int
    offset: int
    size: int
    views: tuple[memoryview, ...]
    digests: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True)
class PartReceipt:
    """The store's acknowledgment of a part."""

    number: int
    offset: int
    size: int
    etag: str
    digests: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True)
class MultipartRef:
    """A multipart upload in a store. It lives and dies in that store; ``key`` is the store's."""

    store: str
    key: ObjectKey
    upload_id: str


@dataclass(frozen=True, slots=True)
class MultipartListing:
    """A multipart upload as ListMultipartUploads shows it."""

    ref: MultipartRef
    initiated: datetime


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts. ``id`` is stable over key rotation; ``key_id`` is the access key that signed."""

    id: str
    key_id: str | None = None


ANONYMOUS: Final = Principal("anonymous")

Action = Literal["read", "write", "delete", "list"]


class Source(Protocol):
    """Where bytes come from: pulled, never pushed."""

    @property
    def length(self) -> int | None:
        """Bytes still to come, where that is known."""
        ...

    async def read_into(self, view: memoryview, /) -> int:
        """Fill ``view`` (at least one byte long) from its start; answer how many bytes were put there, 0 at the end.

        It waits for at least one byte, not for a full view.

        Raises:
            GatewayError: the bytes cannot be had (ClientGone, IncompleteBody, StorageError, ...).
        """
        ...

    async def aclose(self) -> None:
        """Give up what is left. May be called more than once."""
        ...


@runtime_checkable
class PromptSource(Source, Protocol):
    """A source whose :meth:`read_into` waits for more than one byte, where that is cheaper."""

    async def read_some(self, view: memoryview, /) -> int:
        """As :meth:`read_into`, but what is there is answered at once, and the first that comes if nothing is."""
        ...


@dataclass(slots=True)  # not frozen: see above
class Opened:
    """An object opened for reading: ``range`` is what ``source`` will deliver (None: nothing, an
    empty object has no range). ``received``: all of it is here already, so that reading it cannot fail."""

    info: ObjectInfo
    range: ByteRange | None
    source: Source
    received: bool = False
