"""Chunked sessions: ``/-/chunked/{bucket}/{key}``, chunks in any order and in parallel, repeats harmless.

``PUT`` brings a chunk and tells five ways what it is: ``X-Upload-Session-ID``, ``X-Chunk-Number`` (from 0) of
``X-Total-Chunks``, ``Content-Range`` and Content-Length; all that are sent have to agree. ``POST`` with
``X-Total-Size`` asks for a session, ``GET`` for what is missing, ``DELETE`` aborts. Answers are JSON.
"""

from typing import ClassVar

from gateway.errors import (
    BadRequest,
    GatewayError,
    InconsistentLength,
)
from gateway.model import ByteRange, ObjectKey
from gateway.protocol.commands import RequestHead, ResponseHead, Target
from gateway.protocol.conditions import read_conditions
from gateway.protocol.digests import read_repr_digests
from gateway.protocol.error_heads import challenge
from gateway.protocol.methods import read_question
from gateway.protocol.object_heads import Headers, object_key, read_length, wire
from gateway.protocol.problems import render_problem
from gateway.protocol.ranges import parse_content_range
from gateway.protocol.upload_commands import (
    AnyCommand,
    AnyReply,
    CancelChunks,
    CreateUpload,
    InspectChunks,
    PutChunk,
    UploadAppended,
    UploadCancelled,
    UploadMade,
    UploadShown,
    UploadStatus,
)
from gateway.protocol.upload_heads import (
    idempotency_name,
    json_head,
    read_content_digest,
    read_decimal,
    read_object_attributes,
    read_session,
    refuse_framing,
    stored_headers,
    upload_document,
    whole_length,
)


class ChunkedDialect:
    """The codec of chunked sessions."""

    name: ClassVar[str] = "chunked"
    methods: ClassVar[tuple[str, ...]] = ("POST", "PUT", "GET", "DELETE", "OPTIONS")

    def parse(self, head: RequestHead, target: Target) -> AnyCommand:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        method = head.method
        question = read_question(head, target.key, self.methods)
        if question is not None:
            return question
        key, session = object_key(target), read_session(head)
        if method == "POST":
            return _parse_request(head, key, session)
        if session is None:
            raise BadRequest("X-Upload-Session-ID is missing: make one up, or ask with POST.")
        if method == "PUT":
            return _parse_chunk(head, key, session)
        if method == "DELETE":
            return CancelChunks(key=key, session=session)
        return InspectChunks(key=key, session=session)

    def render(
        self, head: RequestHead, command: AnyCommand, reply: AnyReply, request_id: str
    ) -> ResponseHead:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        match reply:
            case UploadMade(status=status):
                location: Headers = ((b"location", reply.location.encode("ascii")),)
                document = upload_document(status)
                return json_head(201, document, request_id, location + _stored(status))
            case UploadAppended(status=status):
                answered = 202 if status.stored is None else 201
                document = upload_document(status)
                # What is missing can be long; who wants to know asks.
                del document["missing"]
                document.pop("missing_chunks", None)
                return json_head(answered, document, request_id, _stored(status))
            case UploadShown(status=status):
                return json_head(200, upload_document(status), request_id, _stored(status))
            case UploadCancelled():
                return ResponseHead(204, ((b"x-request-id", wire(request_id)),))
            case _:  # pragma: no cover - the shell answers OPTIONS; nothing else is parsed here
                raise AssertionError(f"{type(reply).__name__} is no reply of chunked sessions")

    def render_error(self, head: RequestHead, error: GatewayError, request_id: str) -> ResponseHead:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        return render_problem(head, error, request_id, extra=challenge(error))


def _stored(status: UploadStatus) -> Headers:
    return () if status.stored is None else stored_headers(status.stored)


def _parse_request(head: RequestHead, key: ObjectKey, session: str | None) -> CreateUpload:
    """A session asked for: its name is the client's own, or an idempotency key's."""
    total = read_decimal(head, b"x-total-size")
    if total is None:
        raise BadRequest("X-Total-Size is missing: how many bytes the object will have.")
    if read_length(head) not in (None, 0) or head.has(b"transfer-encoding"):
        raise BadRequest("A session is asked for without a body; chunks are PUT.")
    chunks = read_decimal(head, b"x-total-chunks")
    if chunks is not None and not 1 <= chunks <= max(1, total):
        raise BadRequest(f"X-Total-Chunks cannot be {chunks} for {total} bytes.")
    return CreateUpload(
        key=key,
        length=total,
        attributes=read_object_attributes(head),
        conditions=read_conditions(head),
        digests=read_repr_digests(head),
        name=session or idempotency_name(head, b"idempotency-key", "chunked", key, total),
    )


def _parse_chunk(head: RequestHead, key: ObjectKey, session: str) -> PutChunk:
    text = head.get(b"content-range")
    if text is None:
        raise BadRequest("Content-Range is missing: bytes FIRST-LAST/LENGTH.")
    part, told = parse_content_range(text)
    if part is None:
        raise BadRequest("A chunk has bytes; what is missing is asked with GET.")
    refuse_framing(head)
    total = whole_length(told, read_decimal(head, b"x-total-size"))
    if total is not None and part.stop > total:
        raise InconsistentLength(f"The chunk ends at {part.stop} bytes, the whole at {total}.")
    body = read_length(head)
    if body is not None and body != part.size:
        raise BadRequest(f"Content-Range has {part.size} bytes, Content-Length says {body}.")
    number = read_decimal(head, b"x-chunk-number")
    chunks = read_decimal(head, b"x-total-chunks")
    return PutChunk(
        key=key,
        range=part,
        total=total,
        body=body,
        session=session,
        number=number,
        chunks=chunks,
        chunk_size=chunk_size(part, total, number, chunks),
        attributes=read_object_attributes(head),
        conditions=read_conditions(head),
        digests=read_repr_digests(head),
        body_digest=read_content_digest(head),
    )


def chunk_size(
    part: ByteRange, total: int | None, number: int | None, chunks: int | None
) -> int | None:
    """The size of all chunks but the last, in bytes, that follows from one chunk's headers; None where they do not
    number it.

    Raises:
        BadRequest: only one of number and count, or the two contradict the range or the length.
    """
    if number is None and chunks is None:
        return None
    if number is None or chunks is None:
        raise BadRequest("X-Chunk-Number and X-Total-Chunks come together.")
    if number >= chunks:
        raise BadRequest(f"There is no chunk {number} of {chunks}: the first is chunk 0.")
    last = number == chunks - 1
    if last and total is not None and part.stop != total:
        raise BadRequest(f"The last chunk ends with the object, at {total} bytes.")
    # The last one may be short, so its size says nothing: where it begins does.
    size = part.start // number if last and number else part.size
    if part.start != number * size or part.size > size:
        raise BadRequest(f"Chunk {number} of {chunks} cannot be bytes {part.start} to {part.stop}.")
    if total is not None and -(-total // size) != chunks:
        raise BadRequest(f"{total} bytes in chunks of {size} are not {chunks} chunks.")
    return size
