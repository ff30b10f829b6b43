"""Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload-12), versions: gateway.protocol.interim.

An upload begins with any request to an object's URL that has content and says whether this is all of it
(``Upload-Complete``); the same headers on ``/-/uploads/{bucket}[/{key}]`` begin one as well. Where a POST's URL names
a bucket alone, the key is the file name of Content-Disposition. What finishes it is answered as a plain PUT is.
"""

from dataclasses import replace
from typing import ClassVar, Final

from gateway.errors import (
    BadRequest,
    GatewayError,
    InconsistentLength,
    OffsetMismatch,
    TooLarge,
    UnsupportedMediaType,
)
from gateway.model import Attributes, ObjectKey
from gateway.protocol.commands import (
    ObjectStored,
    RequestHead,
    ResponseHead,
    Target,
)
from gateway.protocol.conditions import read_conditions
from gateway.protocol.digests import read_repr_digests, read_wanted
from gateway.protocol.error_heads import challenge
from gateway.protocol.interim import (
    INVERTED,
    absolute,
    complete_header,
    interop_version,
    limit_header,
    read_complete,
    version_of,
)
from gateway.protocol.methods import read_question
from gateway.protocol.object_heads import Headers, media_type, object_key, read_length, wire
from gateway.protocol.paths import check_key
from gateway.protocol.problems import render_problem
from gateway.protocol.serving import safe_filename, stored_filename
from gateway.protocol.structured_fields import read_size
from gateway.protocol.upload_commands import (
    AnyCommand,
    AnyReply,
    AppendUpload,
    CancelUpload,
    CreateUpload,
    InspectUpload,
    Limits,
    UploadAppended,
    UploadCancelled,
    UploadMade,
    UploadShown,
    UploadStatus,
)
from gateway.protocol.upload_heads import (
    NO_STORE,
    idempotency_name,
    read_content_digest,
    read_object_attributes,
    refuse_framing,
    shown_status,
    stored_headers,
    whole_length,
)

PARTIAL_TYPE: Final = "application/partial-upload"

_CREATING: Final = ("PUT", "POST", "PATCH", "OPTIONS")
_GOING_ON: Final = ("HEAD", "GET", "PATCH", "DELETE", "OPTIONS")


class RufhDialect:
    """The codec of the IETF's protocol."""

    name: ClassVar[str] = "rufh"
    methods: ClassVar[tuple[str, ...]] = (
        "PUT",
        "POST",
        "PATCH",
        "HEAD",
        "GET",
        "DELETE",
        "OPTIONS",
    )

    def parse(self, head: RequestHead, target: Target) -> AnyCommand:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        method = head.method
        allowed = _CREATING if target.upload is None else _GOING_ON
        question = read_question(head, target.key, allowed)
        if question is not None:
            return question
        if target.upload is None:
            return _parse_creation(head, target)
        if method == "PATCH":
            return _parse_append(head, target.upload)
        if method == "DELETE":
            return CancelUpload(upload=target.upload)
        return InspectUpload(upload=target.upload, takes_over="always")

    def render(
        self, head: RequestHead, command: AnyCommand, reply: AnyReply, request_id: str
    ) -> ResponseHead:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        version = version_of(head)
        own: Headers = ((b"x-request-id", wire(request_id)),)
        match reply:
            case UploadMade(status=status):
                own += ((b"location", absolute(head, reply.location)),)
                if status.stored is not None:
                    return _final(own, status, status.stored, version)
                return ResponseHead(
                    201, (*own, *_state(status, version), (b"content-length", b"0"))
                )
            case UploadAppended(status=status):
                if status.stored is not None:
                    return _final(own, status, status.stored, version)
                headers = own + _state(status, version)
                # Before version 8 an append that was not the last one was answered as a creation.
                if version < 7:
                    return ResponseHead(201, (*headers, (b"content-length", b"0")))
                return ResponseHead(204, headers)
            case UploadShown(status=status):
                return ResponseHead(204, own + _state(status, version) + NO_STORE)
            case UploadCancelled():
                return ResponseHead(204, own)
            case _:  # pragma: no cover - the shell answers OPTIONS; nothing else is parsed here
                raise AssertionError(f"{type(reply).__name__} is no reply of this protocol")

    def render_error(self, head: RequestHead, error: GatewayError, request_id: str) -> ResponseHead:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        version = version_of(head)
        extra = challenge(error)
        if head.method in ("PUT", "POST", "PATCH"):
            extra += complete_header(version, error.final)
        extra += _error_facts(error, version)
        status = shown_status(error, head)
        return render_problem(head, error, request_id, status=status, extra=extra)


def _error_facts(error: GatewayError, version: int) -> Headers:
    expected = error.members.get("expected")
    if isinstance(error, OffsetMismatch) and expected is not None:
        return ((b"upload-offset", str(expected).encode()),)
    if isinstance(error, TooLarge):
        most = error.members.get("max_size")
        if isinstance(most, int):
            return limit_header(Limits(max_size=most), version)
    return ()


def _state(status: UploadStatus, version: int) -> Headers:
    """Offset, completeness, length and limits of an upload."""
    headers: Headers = (
        *complete_header(version, status.complete),
        (b"upload-offset", str(status.offset).encode()),
    )
    if status.length is not None:
        headers += ((b"upload-length", str(status.length).encode()),)
    return headers + limit_header(status.limits, version)


def _final(own: Headers, status: UploadStatus, stored: ObjectStored, version: int) -> ResponseHead:
    """What a plain PUT of the whole would have been answered."""
    headers: Headers = (
        *own,
        *complete_header(version, True),
        (b"upload-offset", str(status.offset).encode()),
        *stored_headers(stored),
    )
    if stored.created:
        return ResponseHead(201, (*headers, (b"content-length", b"0")))
    return ResponseHead(204, headers)


def _parse_creation(head: RequestHead, target: Target) -> CreateUpload:
    complete = read_complete(head)
    if complete is None:
        raise BadRequest("Upload-Complete is missing: ?1 if the body is all, ?0 if more will come.")
    refuse_framing(head)
    attributes = _read_attributes(head)
    key = _object_key(head, target, attributes)
    told, body = read_size(head, b"upload-length"), read_length(head)
    length = whole_length(told, body if complete else None)
    if length is not None and body is not None and body > length:
        raise InconsistentLength(f"The body has {body} bytes, the whole upload only {length}.")
    return CreateUpload(
        key=key,
        length=length,
        body=body,
        complete=complete,
        attributes=attributes,
        conditions=read_conditions(head),
        digests=read_repr_digests(head),
        want_digests=read_wanted(head),
        body_digest=read_content_digest(head),
        name=idempotency_name(head, b"idempotency-key", "rufh", key, length),
        interim=interop_version(head),
    )


def _read_attributes(head: RequestHead) -> Attributes:
    """The object's. Clients of version 6 type the first bytes as they do the following ones: that says nothing."""
    attributes = read_object_attributes(head)
    kind = media_type(head)
    if kind == PARTIAL_TYPE:
        return replace(attributes, content_type=None)
    if head.method == "POST" and kind.startswith("multipart/"):
        raise UnsupportedMediaType(
            "A form is not stored as an object: send the file itself as the body."
        )
    return attributes


def _object_key(head: RequestHead, target: Target, attributes: Attributes) -> ObjectKey:
    if head.method != "POST":
        return object_key(target)
    if target.key is None:
        raise BadRequest("This request needs an object: /{bucket}/{key}.")
    if target.key.name:
        return target.key
    name = stored_filename(attributes.content_disposition or "")
    if not name:
        raise BadRequest("Name the object: in the URL, or as the file name of Content-Disposition.")
    return ObjectKey(target.key.bucket, check_key(safe_filename(name), strict=True))


def _parse_append(head: RequestHead, upload: str) -> AppendUpload:
    version = version_of(head)
    if version >= 6 and media_type(head) != PARTIAL_TYPE:
        raise UnsupportedMediaType(f"Bytes are appended as {PARTIAL_TYPE}.")
    offset, complete = read_size(head, b"upload-offset"), read_complete(head)
    if complete is None and version == INVERTED:
        complete = True
    if offset is None or complete is None:
        raise BadRequest("An append tells Upload-Offset and Upload-Complete.")
    refuse_framing(head)
    body = read_length(head)
    ends = None if body is None else offset + body
    length = whole_length(read_size(head, b"upload-length"), ends if complete else None)
    if length is not None and max(offset, ends or 0) > length:
        raise InconsistentLength(
            f"The body would end at {max(offset, ends or 0)} bytes, beyond the upload's {length}."
        )
    return AppendUpload(
        upload=upload,
        offset=offset,
        body=body,
        length=length,
        complete=complete,
        body_digest=read_content_digest(head),
        want_digests=read_wanted(head),
        interim=interop_version(head),
    )
