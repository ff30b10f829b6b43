"""Commands and replies of resumable uploads: what tus, the IETF protocol, chunked sessions and plain
Content-Range all come down to. The codecs are in :mod:`gateway.protocol.dialects`.

Upload ids here are bare; the capability that an upload URL carries besides (``{id}.{mac}``) is taken off
before a codec sees it, and put back by :attr:`UploadMade.location`.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias

from gateway.errors import GatewayError
from gateway.model import Attributes, ByteRange, Digest, ObjectKey
from gateway.protocol.commands import (
    Command,
    ObjectStored,
    Preconditions,
    Reply,
    RequestHead,
    ResponseHead,
    Target,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUpload:
    """Begin an upload, perhaps with its first bytes, or all of them.

    ``length`` is the whole representation's, None when not known yet. ``body`` is the length of this
    request's body (None: chunked, of unknown length). ``complete`` says whether the body ends the
    representation: True or False where the protocol says so (IETF), None where reaching ``length``
    does (tus). ``name`` is an idempotency key or the client's own session id. ``chunk_size`` is the
    size of every chunk but the last, where the client fixes one. ``metadata`` is kept as received.
    ``digests`` are claims about the whole; ``body_digest`` about this request's body alone; ``trailing`` as in
    :class:`AppendUpload`. A ``partial`` upload's key may have no name: it becomes no object of its own.
    """

    key: ObjectKey
    length: int | None
    body: int | None = 0
    complete: bool | None = None
    attributes: Attributes = Attributes()
    conditions: Preconditions = Preconditions()
    digests: tuple[Digest, ...] = ()
    want_digests: tuple[str, ...] = ()
    body_digest: Digest | None = None
    name: str | None = None
    chunk_size: int | None = None
    metadata: str | None = None
    partial: bool = False
    trailing: bool = False
    #: Whether interim responses (104) may be sent, and the interop version to send in them.
    interim: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinUploads:
    """tus's final upload: one object out of finished partial ones, in order."""

    key: ObjectKey
    sources: tuple[str, ...]
    attributes: Attributes = Attributes()
    metadata: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendUpload:
    """Add the body at ``offset``. ``length`` is the whole's where this request tells it; ``body`` this body's.
    ``complete`` as in :class:`CreateUpload`. ``trailing``: an ``Upload-Checksum`` comes as a trailer, of which only
    :func:`~gateway.protocol.digests.parse_upload_checksum` will tell the algorithm (SHA-1, SHA-256 or CRC-32).
    A body whose digest does not match leaves the offset where it was."""

    upload: str
    offset: int
    body: int | None
    length: int | None = None
    complete: bool | None = None
    body_digest: Digest | None = None
    trailing: bool = False
    want_digests: tuple[str, ...] = ()
    interim: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectUpload:
    """Ask for the offset. ``takes_over``: a writer that is still at it is overtaken first ("always"), only when it
    has been silent for a while ("stale"), or never."""

    upload: str
    takes_over: str = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelUpload:
    """Drop the upload and what was kept of it; a running writer is stopped first."""

    upload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchUpload:
    """Follow the progress: as server-sent events, or once as JSON."""

    upload: str
    events: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PutChunk:
    """Bytes ``range`` of the object ``key``, in any order, from a session that the client may have named.

    ``total`` is the whole's length (None: ``*``), ``chunk_size`` the size of all chunks but the last
    where the headers fix it. ``session`` None: the upload is told by principal, key and total.
    ``attributes``, ``conditions`` and ``digests`` (claims about the whole) count for the chunk that begins the upload.
    """

    key: ObjectKey
    range: ByteRange
    total: int | None
    body: int | None
    session: str | None = None
    number: int | None = None
    chunks: int | None = None
    chunk_size: int | None = None
    attributes: Attributes = Attributes()
    conditions: Preconditions = Preconditions()
    digests: tuple[Digest, ...] = ()
    body_digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutNumberedChunk:
    """Chunk ``number`` (from 0) of an upload whose chunk size the server has told. ``totals``, ``chunks``, ``range``
    and ``name`` (the object's key) are what the request says besides; all of it has to be right."""

    upload: str
    number: int
    body: int | None
    totals: tuple[int, ...] = ()
    chunks: int | None = None
    range: ByteRange | None = None
    name: str | None = None
    body_digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectChunks:
    """Ask what is missing of a chunked session (``total`` None with ``session`` None: not known)."""

    key: ObjectKey
    session: str | None
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelChunks:
    """Abort a chunked session."""

    key: ObjectKey
    session: str


UploadCommand: TypeAlias = (
    CreateUpload
    | JoinUploads
    | AppendUpload
    | InspectUpload
    | CancelUpload
    | WatchUpload
    | PutChunk
    | PutNumberedChunk
    | InspectChunks
    | CancelChunks
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the server takes. Sizes in bytes, ``max_age`` in seconds from now; None: no such limit."""

    max_size: int | None = None
    max_age: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadStatus:
    """An upload as it durably is. ``stored`` once its object is there. ``missing`` and ``received`` are bytes."""

    id: str
    offset: int
    length: int | None
    complete: bool
    expires: float | None
    limits: Limits = Limits()
    metadata: str | None = None
    partial: bool = False
    sources: tuple[str, ...] = ()
    stored: ObjectStored | None = None
    received: int = 0
    missing: tuple[ByteRange, ...] = ()
    chunk_size: int | None = None
    chunks: int | None = None
    session: str | None = None
    target: ObjectKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadMade:
    """The upload exists. ``location`` is the path of its URL, capability included (`/-/uploads/{id}.{mac}`)."""

    status: UploadStatus
    location: str
    was_there: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadAppended:
    """The body was kept, up to the status's offset."""

    status: UploadStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadShown:
    """The answer to a question."""

    status: UploadStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadCancelled:
    """It is no more."""


UploadReply: TypeAlias = UploadMade | UploadAppended | UploadShown | UploadCancelled

#: What a dialect of uploads reads and writes: whole requests are in it, too.
AnyCommand: TypeAlias = Command | UploadCommand
AnyReply: TypeAlias = Reply | UploadReply


class UploadDialect(Protocol):
    """A :class:`~gateway.protocol.commands.Dialect` that also speaks of uploads."""

    name: ClassVar[str]
    #: Methods that exist in it: for OPTIONS, preflights and 405.
    methods: ClassVar[tuple[str, ...]]

    def parse(self, head: RequestHead, target: Target) -> AnyCommand:
        """Read a command off a head whose method is the effective one
        (:func:`~gateway.protocol.routing.effective_head`).

        Raises:
            GatewayError: a client's mistake; nothing was done.
        """
        ...

    def render(
        self, head: RequestHead, command: AnyCommand, reply: AnyReply, request_id: str
    ) -> ResponseHead:
        """Write a reply as the protocol does."""
        ...

    def render_error(self, head: RequestHead, error: GatewayError, request_id: str) -> ResponseHead:
        """Write an error in the protocol's own format. For HEAD the body is empty."""
        ...
