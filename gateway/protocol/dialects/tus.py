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
    OffsetMismatch,
    PayloadHashMismatch,
    TooLarge,
    UnsupportedMediaType,
    UnsupportedProtocolVersion,
)
from gateway.protocol.commands import RequestHead, ResponseHead, Target
from gateway.protocol.discovery import TUS_VERSION
from gateway.protocol.error_heads import challenge, error_headers
from gateway.protocol.interim import absolute, complete_header, limit_header, version_of
from gateway.protocol.methods import read_question
from gateway.protocol.object_heads import Headers, media_type, read_length, replaced, wire
from gateway.protocol.tus_creation import OFFSET_TYPE, parse_creation, read_checksum
from gateway.protocol.upload_commands import (
    AnyCommand,
    AnyReply,
    AppendUpload,
    CancelUpload,
    InspectUpload,
    UploadAppended,
    UploadCancelled,
    UploadMade,
    UploadShown,
    UploadStatus,
    WatchUpload,
)
from gateway.protocol.upload_heads import (
    NO_STORE,
    event_stream_head,
    expires_header,
    json_head,
    read_decimal,
    shown_status,
    upload_document,
)

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

    def parse(self, head: RequestHead, target: Target) -> AnyCommand:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        method = head.method
        allowed = _CREATING if target.upload is None else _GOING_ON
        question = read_question(head, target.key, allowed)
        if question is not None:
            return question
        _check_version(head)
        if target.upload is None:
            return parse_creation(head, target)
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
        self, head: RequestHead, command: AnyCommand, reply: AnyReply, request_id: str
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
            case _:  # pragma: no cover - the shell answers OPTIONS; nothing else is parsed here
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
            *challenge(error),
            *_error_facts(error),
        )
        if head.method == "HEAD":
            return ResponseHead(status, headers)
        body = f"{error.detail}\n\n({error.code}, request {request_id})\n".encode()
        return ResponseHead(status, (*headers, (b"content-length", str(len(body)).encode())), body)


def _error_facts(error: GatewayError) -> Headers:
    if isinstance(error, UnsupportedProtocolVersion):
        return ((b"tus-version", TUS_VERSION),)
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
    checksum, trailing = read_checksum(head)
    return AppendUpload(
        upload=upload,
        offset=offset,
        body=body,
        length=length,
        body_digest=checksum,
        trailing=trailing,
    )


def _location(head: RequestHead, path: str) -> bytes:
    """Where the upload is: a path, which stays right behind every proxy, or a URL for clients that can't follow one."""
    told = head.index.get(b"user-agent", [b""])[0]
    return absolute(head, path) if _NO_PATHS in told and head.has(b"host") else path.encode("ascii")


def _offset_header(status: UploadStatus) -> Headers:
    return ((b"upload-offset", str(status.offset).encode()),)


def _shown(
    head: RequestHead,
    command: AnyCommand,
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
