"""tus 1.0 (https://tus.io/protocols/resumable-upload) with the extensions that :mod:`gateway.protocol.discovery` names.

Uploads begin with ``POST /-/uploads/{bucket}[/{key}]`` and go on at their own URL. An upload's URL without
the headers of any protocol is read here too, and answered so that clients of the IETF protocol find theirs.
"""

from dataclasses import replace
from typing import ClassVar, Final

from gateway.errors import (
    BadRequest,
    DigestMismatch,
    GatewayError,
    MethodNotAllowed,
    OffsetMismatch,
    PayloadHashMismatch,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
    UnsupportedProtocolVersion,
)
from gateway.model import Digest, ObjectKey
from gateway.protocol.commands import Command, Describe, Reply, RequestHead, ResponseHead, Target
from gateway.protocol.digests import parse_upload_checksum
from gateway.protocol.discovery import TUS_VERSION
from gateway.protocol.error_heads import CHALLENGE, error_headers
from gateway.protocol.interim import absolute, complete_header, limit_header, version_of
from gateway.protocol.object_heads import Headers, media_type, read_length, replaced, wire
from gateway.protocol.tus_metadata import TusMetadata, parse_metadata
from gateway.protocol.upload_commands import (
    AppendUpload,
    CancelUpload,
    CreateUpload,
    InspectUpload,
    JoinUploads,
    UploadAppended,
    UploadCancelled,
    UploadCommand,
    UploadMade,
    UploadReply,
    UploadShown,
    UploadStatus,
    WatchUpload,
)
from gateway.protocol.upload_heads import (
    NO_STORE,
    event_stream_head,
    expires_header,
    idempotency_name,
    json_head,
    read_decimal,
    shown_status,
    upload_document,
)
from gateway.protocol.upload_paths import referred_upload

OFFSET_TYPE: Final = "application/offset+octet-stream"

_OWN: Final[Headers] = ((b"tus-resumable", TUS_VERSION),)
_NOSNIFF: Final[Headers] = ((b"x-content-type-options", b"nosniff"),)
#: What aiotus calls itself. It puts a path behind the URL that it sent the creation to, or fails over it (1.1.0).
_NO_PATHS: Final = b"aiohttp/"
_CREATING: Final = ("POST", "OPTIONS")
_GOING_ON: Final = ("HEAD", "GET", "PATCH", "DELETE", "OPTIONS")


class TusDialect:
    """The tus codec."""

    name: ClassVar[str] = "tus"
    methods: ClassVar[tuple[str, ...]] = ("POST", "HEAD", "GET", "PATCH", "DELETE", "OPTIONS")

    def parse(self, head: RequestHead, target: Target) -> Command | UploadCommand:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        method = head.method
        if method == "OPTIONS":
            return Describe(key=target.key, origin=head.get(b"origin"))
        allowed = _CREATING if target.upload is None else _GOING_ON
        if method not in allowed:
            raise MethodNotAllowed("There is no such method here.", allow=allowed)
        _check_version(head)
        if target.upload is None:
            return _parse_creation(head, target)
        match method:
            case "PATCH":
                return _parse_append(head, target.upload)
            case "DELETE":
                return CancelUpload(upload=target.upload)
            case "HEAD":
                return InspectUpload(upload=target.upload, takes_over="stale")
            case _:
                events = "text/event-stream" in (head.joined(b"accept") or "").lower()
                return WatchUpload(upload=target.upload, events=events)

    def render(
        self,
        head: RequestHead,
        command: Command | UploadCommand,
        reply: Reply | UploadReply,
        request_id: str,
    ) -> ResponseHead:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        own: Headers = (*_OWN, *_NOSNIFF, (b"x-request-id", wire(request_id)))
        match reply:
            case UploadMade(status=status):
                headers = (
                    *own,
                    (b"location", _location(head, reply.location)),
                    *_offset_header(status),
                    *expires_header(status),
                    *NO_STORE,
                    (b"content-length", b"0"),
                )
                return ResponseHead(201, headers)
            case UploadAppended(status=status):
                headers = own + _offset_header(status) + expires_header(status) + NO_STORE
                return ResponseHead(204, headers)
            case UploadShown(status=status):
                return _shown(head, command, status, request_id, own)
            case UploadCancelled():
                return ResponseHead(204, own)
            case (
                _
            ):  # pragma: no cover - the shell answers OPTIONS; other commands are never parsed here
                raise AssertionError(f"{type(reply).__name__} is no reply of tus")

    def render_error(self, head: RequestHead, error: GatewayError, request_id: str) -> ResponseHead:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`: plain text."""
        status = shown_status(error, head)
        if isinstance(error, DigestMismatch) and not isinstance(error, PayloadHashMismatch):
            status = 460
        headers: Headers = (
            *_OWN,
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"x-request-id", wire(request_id)),
            *error_headers(error, status),
            *_error_facts(error),
        )
        if head.method == "HEAD":
            return ResponseHead(status, headers)
        body = f"{error.detail}\n\n({error.code}, request {request_id})\n".encode()
        return ResponseHead(status, (*headers, (b"content-length", str(len(body)).encode())), body)


def _error_facts(error: GatewayError) -> Headers:
    if isinstance(error, UnsupportedProtocolVersion):
        return ((b"tus-version", TUS_VERSION),)
    if isinstance(error, Unauthenticated):
        return CHALLENGE
    expected = error.members.get("expected")
    if isinstance(error, OffsetMismatch) and expected is not None:
        return ((b"upload-offset", str(expected).encode()),)
    return ()


def _check_version(head: RequestHead) -> None:
    """GET and HEAD may come from what does not speak tus: a version that is not told is none too many."""
    told = head.get(b"tus-resumable")
    if told is None and head.method in ("GET", "HEAD"):
        return
    if told != TUS_VERSION.decode():
        raise UnsupportedProtocolVersion("This server speaks tus 1.0.0: send Tus-Resumable: 1.0.0.")


def _parse_creation(head: RequestHead, target: Target) -> CreateUpload | JoinUploads:
    if target.key is None:
        raise BadRequest("An upload begins at /-/uploads/{bucket} or /-/uploads/{bucket}/{key}.")
    metadata = parse_metadata(head.get(b"upload-metadata"))
    kind, _, sources = (head.get(b"upload-concat") or "").partition(";")
    if kind not in ("", "partial", "final") or (sources and kind != "final"):
        raise BadRequest("Upload-Concat is partial, or final; and the URLs of the partial uploads.")
    if kind == "final":
        return _parse_final(head, target.key, metadata, sources)
    key = _object_key(target.key, metadata, nameless=kind == "partial")
    length = _creation_length(head)
    body = _creation_body(head)
    if length is not None and body is not None and body > length:
        raise TooLarge(f"The body has {body} bytes, the whole upload only {length}.")
    checksum, trailing = _read_checksum(head)
    return CreateUpload(
        key=key,
        length=length,
        body=body,
        attributes=metadata.attributes(),
        body_digest=checksum,
        name=_name(head, key, length, metadata, kind),
        metadata=metadata.raw,
        partial=kind == "partial",
        trailing=trailing,
    )


def _parse_final(
    head: RequestHead, key: ObjectKey, metadata: TusMetadata, sources: str
) -> JoinUploads:
    if head.has(b"upload-length") or head.has(b"upload-defer-length"):
        raise BadRequest("A final upload tells no length: it is the sum of its parts'.")
    if _creation_body(head) != 0:
        raise BadRequest("A final upload has no body: it is made of partial ones.")
    refs = [referred_upload(url, head.raw_path) for url in sources.split()]
    found = tuple(ref.id for ref in refs if ref is not None)
    if not found or len(found) != len(refs):
        raise BadRequest("Upload-Concat: after final; come the URLs of partial uploads made here.")
    key = _object_key(key, metadata, nameless=False)
    return JoinUploads(
        key=key,
        sources=found,
        attributes=metadata.attributes(),
        metadata=metadata.raw,
        name=_name(head, key, None, metadata, sources),
    )


def _object_key(place: ObjectKey, metadata: TusMetadata, *, nameless: bool) -> ObjectKey:
    """The object to be made. The URL's key counts over the metadata's, which may not contradict it."""
    if place.name:
        if metadata.pairs.get("key", place.name.encode()) != place.name.encode():
            raise BadRequest("The URL and Upload-Metadata name different keys.")
        return place
    name = metadata.key()
    if name is None and not nameless:
        raise BadRequest("Name the object: in the URL, or as key or filename in Upload-Metadata.")
    return ObjectKey(place.bucket, name or "")


def _name(
    head: RequestHead, key: ObjectKey, length: int | None, metadata: TusMetadata, concat: str
) -> str | None:
    """The name by which a repeated creation is known: an idempotency key's, or else a request id's."""
    facts = ("tus", key, length, metadata.raw, concat)
    return idempotency_name(head, b"idempotency-key", *facts) or idempotency_name(
        head, b"x-request-id", *facts
    )


def _creation_length(head: RequestHead) -> int | None:
    length, deferred = read_decimal(head, b"upload-length"), head.get(b"upload-defer-length")
    if (length is None) == (deferred is None):
        raise BadRequest("Send either Upload-Length or Upload-Defer-Length: 1.")
    if deferred not in (None, "1"):
        raise BadRequest("Upload-Defer-Length is 1 or absent.")
    return length


def _creation_body(head: RequestHead) -> int | None:
    """The body's length; 0 where there is none."""
    length = read_length(head)
    if length == 0:
        return 0
    if media_type(head) == OFFSET_TYPE:
        return length
    if length is None and not head.has(b"transfer-encoding"):
        return 0
    raise UnsupportedMediaType(f"The first bytes of an upload are sent as {OFFSET_TYPE}.")


def _parse_append(head: RequestHead, upload: str) -> AppendUpload:
    if media_type(head) != OFFSET_TYPE:
        raise UnsupportedMediaType(f"Bytes are appended as {OFFSET_TYPE}.")
    offset = read_decimal(head, b"upload-offset")
    if offset is None:
        raise BadRequest("Upload-Offset is missing: where the bytes begin.")
    length, body = read_decimal(head, b"upload-length"), read_length(head)
    if length is not None and offset > length:
        raise BadRequest("Upload-Length lies before Upload-Offset.")
    if length is not None and body is not None and offset + body > length:
        raise TooLarge(
            f"The body would end at {offset + body} bytes, beyond the upload's {length}."
        )
    checksum, trailing = _read_checksum(head)
    return AppendUpload(
        upload=upload,
        offset=offset,
        body=body,
        length=length,
        body_digest=checksum,
        trailing=trailing,
    )


def _read_checksum(head: RequestHead) -> tuple[Digest | None, bool]:
    """The digest of the body, or whether it comes behind it as a trailer."""
    text = head.get(b"upload-checksum")
    announced = (name.strip().lower() for name in (head.joined(b"trailer") or "").split(","))
    trailing = "upload-checksum" in announced
    if trailing and text is not None:
        raise BadRequest("Upload-Checksum comes before the body or as a trailer, not both.")
    if trailing and not head.has(b"transfer-encoding"):
        raise BadRequest("A trailer needs a chunked body.")
    return (None if text is None else parse_upload_checksum(text)), trailing


def _location(head: RequestHead, path: str) -> bytes:
    """Where the upload is: a path, which stays right behind every proxy, or a URL for clients that can't follow one."""
    told = head.index.get(b"user-agent", [b""])[0]
    return absolute(head, path) if _NO_PATHS in told and head.has(b"host") else path.encode("ascii")


def _offset_header(status: UploadStatus) -> Headers:
    return ((b"upload-offset", str(status.offset).encode()),)


def _shown(
    head: RequestHead,
    command: Command | UploadCommand,
    status: UploadStatus,
    request_id: str,
    own: Headers,
) -> ResponseHead:
    if isinstance(command, WatchUpload) and command.events:
        stream = event_stream_head(request_id)
        return replace(stream, headers=replaced(stream.headers, own))
    facts = _facts(head, status)
    if isinstance(command, WatchUpload):
        return json_head(200, upload_document(status), request_id, (*_OWN, *_NOSNIFF, *facts))
    return ResponseHead(200, (*own, *facts, *NO_STORE, (b"content-length", b"0")))


def _facts(head: RequestHead, status: UploadStatus) -> Headers:
    """An upload's state as headers. A final upload has no offset before it is one object."""
    headers: Headers = ()
    if not status.sources or status.complete:
        headers += _offset_header(status)
    if status.length is None:
        headers += ((b"upload-defer-length", b"1"),)
    else:
        headers += ((b"upload-length", str(status.length).encode()),)
    if status.metadata is not None:
        headers += ((b"upload-metadata", status.metadata.encode("latin-1")),)
    if status.partial:
        headers += ((b"upload-concat", b"partial"),)
    elif status.sources:
        urls = " ".join(f"/-/uploads/{source}" for source in status.sources)
        headers += ((b"upload-concat", f"final;{urls}".encode("ascii")),)
    headers += expires_header(status)
    if not head.has(b"tus-resumable"):
        headers += complete_header(version_of(head), status.complete) + limit_header(status.limits)
    return headers
