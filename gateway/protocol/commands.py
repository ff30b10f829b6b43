"""The vocabulary between dialects and the rest: heads, commands, replies, and the Dialect seam.

A dialect is a codec: ``parse`` turns a request head into a command, ``render`` a reply into a
response head, ``render_error`` an error into a head with its body. It decides nothing else:
authentication, authorisation, admission and storage belong to the shell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import ClassVar, Final, Protocol, TypeAlias

from gateway.errors import BadRequest, GatewayError
from gateway.model import Attributes, ByteRange, Digest, ObjectInfo, ObjectKey
from gateway.protocol.shapes import Common

RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]


class RequestHead:
    """A request without its body, as it came over the wire.

    ``raw_path`` and ``raw_query`` are still percent-encoded; header names are lower-case, values
    raw with surrounding white space removed. ``scheme`` and ``host`` are those the client used,
    as far as trusted proxies say so. ``common`` is what it has in common with others, where that is
    known. Treat it as immutable.
    """

    __slots__ = (
        "__dict__",
        "common",
        "headers",
        "method",
        "peer",
        "raw_path",
        "raw_query",
        "scheme",
    )

    def __init__(
        self,
        method: str,
        raw_path: bytes,
        raw_query: bytes = b"",
        headers: RawHeaders = (),
        *,
        scheme: str = "http",
        peer: str | None = None,
        common: Common | None = None,
    ) -> None:
        self.common: Final = common
        self.method: Final = method
        self.raw_path: Final = raw_path
        self.raw_query: Final = raw_query
        self.headers: Final = tuple(headers)
        self.scheme: Final = scheme
        self.peer: Final = peer

    @cached_property
    def index(self) -> dict[bytes, list[bytes]]:
        """Header values by lower-case name, in the order they came."""
        index: dict[bytes, list[bytes]] = {}
        for name, value in self.headers:
            index.setdefault(name, []).append(value)
        return index

    def get(self, name: bytes) -> str | None:
        """The header's only value as Latin-1 text, or None.

        Raises:
            BadRequest: the header occurs more than once.
        """
        values = self.index.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise BadRequest(f"The header {name.decode('latin-1')} was sent more than once.")
        return values[0].decode("latin-1")

    def joined(self, name: bytes) -> str | None:
        """All values of a list-valued header, joined by ``", "`` (RFC 9110, 5.3), or None."""
        values = self.index.get(name)
        return None if values is None else b", ".join(values).decode("latin-1")

    def has(self, name: bytes) -> bool:
        """Whether the header was sent at all."""
        return name in self.index


@dataclass(slots=True)  # not frozen: see gateway.model
class ResponseHead:
    """A response: status, headers in order, and the body where it is known at once."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


@dataclass(slots=True)  # not frozen: see gateway.model
class Target:
    """Where a request points, before anything is decided about it.

    ``dialect`` is the name of the codec that reads it, ``key`` the object (``name`` empty: the
    bucket itself; None: the service), ``slot`` the slot section whose ``base_path`` matched. ``upload``
    is the id of the upload whose URL this is, and ``mac`` the capability in that URL; ``key`` is then
    None, because only the upload knows it.
    """

    dialect: str
    key: ObjectKey | None
    slot: str | None = None
    upload: str | None = None
    mac: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preconditions:
    """RFC 9110 section 13 as sent. Entity tags keep their ``W/`` prefix and quotes; ``("*",)`` is
    the wildcard; an empty tuple means the header was absent."""

    if_match: tuple[str, ...] = ()
    if_none_match: tuple[str, ...] = ()
    if_modified_since: datetime | None = None
    if_unmodified_since: datetime | None = None

    def __bool__(self) -> bool:
        return bool(
            self.if_match
            or self.if_none_match
            or self.if_modified_since
            or self.if_unmodified_since
        )


@dataclass(slots=True, kw_only=True)  # not frozen: see gateway.model
class PutObject:
    """Store the body under ``key``. ``digests`` are the client's claims about the whole body;
    ``tell_created`` asks for ``ObjectStored.created`` to be right, which may cost a HEAD."""

    key: ObjectKey
    length: int | None
    attributes: Attributes
    conditions: Preconditions = Preconditions()
    digests: tuple[Digest, ...] = ()
    want_digests: tuple[str, ...] = ()
    tell_created: bool = False


@dataclass(slots=True, kw_only=True)  # not frozen: see gateway.model
class GetObject:
    """Read an object. ``range_header`` and ``if_range`` are raw; ``overrides`` are response headers
    (name, value) that a signed request may set."""

    key: ObjectKey
    range_header: str | None = None
    if_range: str | None = None
    conditions: Preconditions = Preconditions()
    overrides: tuple[tuple[bytes, bytes], ...] = ()
    head_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteObject:
    """Remove an object; that it was missing is no error."""

    key: ObjectKey
    conditions: Preconditions = Preconditions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe:
    """OPTIONS: what can be done here. Also a CORS preflight, when ``origin`` is given."""

    key: ObjectKey | None
    origin: str | None = None


Command: TypeAlias = PutObject | GetObject | DeleteObject | Describe


@dataclass(slots=True, kw_only=True)  # not frozen: see gateway.model
class ObjectStored:
    """The object is complete and readable. ``created`` is False when it replaced another."""

    info_etag: str
    size: int
    created: bool
    version: str | None = None
    digests: tuple[Digest, ...] = ()


@dataclass(slots=True, kw_only=True)  # not frozen: see gateway.model
class ObjectOpened:
    """Bytes follow (unless ``head_only``): ``range`` is None for the whole object, else what a 206
    delivers. ``serving`` are headers that policy adds (Cache-Control, CSP, ...); they come after the
    object's own and replace those of the same name."""

    info: ObjectInfo
    range: ByteRange | None = None
    serving: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(slots=True)  # not frozen: see gateway.model
class NotModified:
    """304: the client's copy is current."""

    info: ObjectInfo
    serving: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Deleted:
    """The object is not there (any more)."""


@dataclass(frozen=True, slots=True)
class Described:
    """The methods that exist here."""

    methods: tuple[str, ...]


Reply: TypeAlias = ObjectStored | ObjectOpened | NotModified | Deleted | Described


class Dialect(Protocol):
    """A codec between one protocol's heads and our commands. Pure; one instance serves all."""

    name: ClassVar[str]
    #: Methods that exist on an object: for OPTIONS, preflights and 405.
    methods: ClassVar[tuple[str, ...]]

    def parse(self, head: RequestHead, target: Target) -> Command:
        """Read a command off a head. Called only after the request was authenticated.

        Raises:
            BadRequest: the head contradicts itself or the protocol.
            MethodNotAllowed: no such method here.
            NotImplementedHere: an operation of the protocol that Sluice does not offer.
        """
        ...

    def render(
        self, head: RequestHead, command: Command, reply: Reply, request_id: str
    ) -> ResponseHead:
        """Write a reply as the protocol does. For an ObjectOpened the body is sent by the shell."""
        ...

    def render_error(self, head: RequestHead, error: GatewayError, request_id: str) -> ResponseHead:
        """Write an error in the protocol's own format. For HEAD the body is empty."""
        ...
