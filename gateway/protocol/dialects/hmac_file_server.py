"""HMAC File Server's ``/chunked-upload`` and ``/upload-status``, for clients that were written for it.

``POST`` or ``PUT`` with ``X-Filename`` and ``X-Total-Size`` begins; with ``X-Upload-Session-ID`` and
``X-Chunk-Number`` (from 0) it brings a chunk, of the size that the beginning was answered. ``GET`` of the other path
asks how far it is. What differs from that server: every request needs the credential of who began, the file's name is
a key that policies judge, and all headers that are sent have to agree.
"""

from typing import Any, ClassVar

from gateway.errors import BadRequest, GatewayError
from gateway.model import Attributes
from gateway.protocol.commands import RequestHead, ResponseHead, Target
from gateway.protocol.error_heads import challenge
from gateway.protocol.legacy_paths import LEGACY, STATUS, file_name
from gateway.protocol.methods import read_question
from gateway.protocol.object_heads import object_key, read_content_type, read_length
from gateway.protocol.problems import render_problem
from gateway.protocol.ranges import parse_content_range
from gateway.protocol.upload_commands import (
    AnyCommand,
    AnyReply,
    CreateUpload,
    InspectUpload,
    PutNumberedChunk,
    UploadAppended,
    UploadMade,
    UploadShown,
    UploadStatus,
)
from gateway.protocol.upload_heads import (
    json_head,
    missing_chunks,
    read_content_digest,
    read_decimal,
    refuse_framing,
)


class HmacFileServerDialect:
    """The codec of the mount."""

    name: ClassVar[str] = LEGACY
    methods: ClassVar[tuple[str, ...]] = ("POST", "PUT", "GET", "OPTIONS")

    def parse(self, head: RequestHead, target: Target) -> AnyCommand:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        allowed = ("GET",) if head.raw_path == STATUS else ("POST", "PUT")
        question = read_question(head, target.key, allowed)
        if question is not None:
            return question
        if target.upload is None:
            return _parse_beginning(head, target)
        if head.raw_path == STATUS:
            return InspectUpload(upload=target.upload)
        return _parse_chunk(head, target.upload)

    def render(
        self, head: RequestHead, command: AnyCommand, reply: AnyReply, request_id: str
    ) -> ResponseHead:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        match reply:
            case UploadMade(status=status):
                document = {
                    "session_id": status.id,
                    "chunk_size": status.chunk_size,
                    "total_chunks": status.chunks,
                }
                return json_head(201, document, request_id)
            case UploadAppended(status=status):
                assert isinstance(command, PutNumberedChunk)
                document = {"success": True, "chunk": command.number, **_progress(status)}
                if status.complete:
                    document |= {"filename": _name(status), "size": status.length}
                return json_head(200, document, request_id)
            case UploadShown(status=status):
                there = (status.chunks or 0) - len(list(missing_chunks(status)))
                document = {"session_id": status.id, "filename": _name(status), "chunks": there}
                return json_head(200, document | _progress(status), request_id)
            case _:  # pragma: no cover - the shell answers OPTIONS; nothing else is parsed here
                raise AssertionError(f"{type(reply).__name__} is no reply of this mount")

    def render_error(self, head: RequestHead, error: GatewayError, request_id: str) -> ResponseHead:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        return render_problem(head, error, request_id, extra=challenge(error))


def _name(status: UploadStatus) -> str | None:
    return None if status.target is None else status.target.name


def _progress(status: UploadStatus) -> dict[str, Any]:
    """How far it is: ``progress`` from 0 to 1."""
    return {
        "uploaded_bytes": status.received,
        "total_size": status.length,
        "progress": round(status.received / status.length, 6) if status.length else 1.0,
        "completed": status.complete,
    }


def _parse_beginning(head: RequestHead, target: Target) -> CreateUpload:
    total = read_decimal(head, b"x-total-size")
    if target.key is None or total is None:
        raise BadRequest("A session begins with X-Filename and X-Total-Size.")
    if head.has(b"x-chunk-number"):
        raise BadRequest("A chunk names its session: X-Upload-Session-ID is missing.")
    if read_length(head) not in (None, 0) or head.has(b"transfer-encoding"):
        raise BadRequest("A session begins without a body; its chunks come after.")
    return CreateUpload(
        key=object_key(target),
        length=total,
        attributes=Attributes(content_type=read_content_type(head)),
    )


def _parse_chunk(head: RequestHead, upload: str) -> PutNumberedChunk:
    number = read_decimal(head, b"x-chunk-number")
    if number is None:
        raise BadRequest("X-Chunk-Number is missing: which chunk of the session this is, from 0.")
    refuse_framing(head)
    text = head.get(b"content-range")
    part, told = (None, None) if text is None else parse_content_range(text)
    return PutNumberedChunk(
        upload=upload,
        number=number,
        body=read_length(head),
        totals=tuple(
            total for total in (told, read_decimal(head, b"x-total-size")) if total is not None
        ),
        chunks=read_decimal(head, b"x-total-chunks"),
        range=part,
        name=file_name(head),
        body_digest=read_content_digest(head),
    )
