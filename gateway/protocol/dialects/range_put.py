"""Plain ``PUT`` with ``Content-Range`` to an object's URL, for clients that know only that, as Google's stores take it.

``bytes a-b/total`` brings bytes, ``bytes */total`` asks. Until all are there the answer is 308 with a ``Range`` of what
is kept from the first byte (none where nothing is). There is no session id: who is the same, and sends to the same
key an object of the same length, goes on with the same upload.
"""

from typing import ClassVar

from gateway.errors import BadRequest, GatewayError
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
    InspectChunks,
    PutChunk,
    UploadAppended,
    UploadShown,
)
from gateway.protocol.upload_heads import (
    NO_STORE,
    read_content_digest,
    read_object_attributes,
    refuse_framing,
    stored_headers,
)


class RangePutDialect:
    """The codec of PUT with Content-Range."""

    name: ClassVar[str] = "range"
    methods: ClassVar[tuple[str, ...]] = ("PUT", "OPTIONS")

    def parse(self, head: RequestHead, target: Target) -> AnyCommand:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        question = read_question(head, target.key, self.methods)
        if question is not None:
            return question
        key = object_key(target)
        part, total = parse_content_range(head.get(b"content-range") or "")
        body = read_length(head)
        if part is None:
            if body not in (None, 0) or head.has(b"transfer-encoding"):
                raise BadRequest("A question (bytes */LENGTH) has no body.")
            return InspectChunks(key=key, session=None, total=total)
        refuse_framing(head)
        if body is not None and body != part.size:
            raise BadRequest(f"Content-Range has {part.size} bytes, Content-Length says {body}.")
        return PutChunk(
            key=key,
            range=part,
            total=total,
            body=body,
            attributes=read_object_attributes(head),
            conditions=read_conditions(head),
            digests=read_repr_digests(head),
            body_digest=read_content_digest(head),
        )

    def render(
        self, head: RequestHead, command: AnyCommand, reply: AnyReply, request_id: str
    ) -> ResponseHead:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        assert isinstance(reply, UploadAppended | UploadShown)
        own: Headers = ((b"x-request-id", wire(request_id)), (b"content-length", b"0"), *NO_STORE)
        status = reply.status
        if status.stored is not None:
            answered = 201 if status.stored.created else 200
            return ResponseHead(answered, own + stored_headers(status.stored))
        if status.offset:
            own += ((b"range", f"bytes=0-{status.offset - 1}".encode()),)
        return ResponseHead(308, own)

    def render_error(self, head: RequestHead, error: GatewayError, request_id: str) -> ResponseHead:
        """See :class:`~gateway.protocol.upload_commands.UploadDialect`."""
        return render_problem(head, error, request_id, extra=challenge(error))
