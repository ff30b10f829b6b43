"""Upload slots as XMPP servers hand them out (XEP-0363): PUT a file once, then GET it.

A slot's PUT never replaces anything (409), needs a Content-Length because the signature covers it
(411), and keeps of the request's headers only what describes the bytes. XEP-0363 lets a slot carry
Authorization, Cookie and Expires; the last has no effect here: slot files never change, so their
caching is fixed.
"""

from typing import ClassVar, assert_never

from gateway.errors import (
    GatewayError,
    LengthRequired,
    PreconditionFailed,
    Unauthenticated,
)
from gateway.model import Attributes, ObjectKey
from gateway.protocol.commands import (
    Command,
    Deleted,
    DeleteObject,
    Described,
    NotModified,
    ObjectOpened,
    ObjectStored,
    PutObject,
    Reply,
    RequestHead,
    ResponseHead,
    Target,
)
from gateway.protocol.digests import read_digests
from gateway.protocol.methods import read_question
from gateway.protocol.object_heads import (
    Headers,
    not_modified_headers,
    object_key,
    opened_headers,
    quoted,
    read_content_encoding,
    read_content_type,
    read_get,
    read_length,
    refuse_partial,
    wire,
)
from gateway.protocol.problems import render_problem
from gateway.protocol.query import refuse_overrides


class SlotDialect:
    """The codec of upload slots."""

    name: ClassVar[str] = "slot"
    methods: ClassVar[tuple[str, ...]] = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")

    def parse(self, head: RequestHead, target: Target) -> Command:
        """See :class:`~gateway.protocol.commands.Dialect`."""
        method = head.method
        question = read_question(head, target.key, self.methods)
        if question is not None:
            return question
        key = object_key(target)
        if method == "PUT":
            return _parse_put(head, key)
        if method == "DELETE":
            return DeleteObject(key=key)
        refuse_overrides(head.raw_query)
        return read_get(head, key)

    def render(
        self, head: RequestHead, command: Command, reply: Reply, request_id: str
    ) -> ResponseHead:
        """See :class:`~gateway.protocol.commands.Dialect`."""
        own: Headers = ((b"x-request-id", wire(request_id)),)
        match reply:
            case ObjectStored():
                headers = (*own, (b"etag", quoted(reply.info_etag)), (b"content-length", b"0"))
                return ResponseHead(201, headers)
            case ObjectOpened():
                headers = own + opened_headers(reply, None)
                return ResponseHead(200 if reply.range is None else 206, headers)
            case NotModified():
                return ResponseHead(304, own + not_modified_headers(reply.info, reply.serving))
            case Deleted():
                return ResponseHead(204, own)
            case Described():
                return ResponseHead(204, (*own, (b"allow", ", ".join(reply.methods).encode())))
            case _:
                assert_never(reply)

    def render_error(self, head: RequestHead, error: GatewayError, request_id: str) -> ResponseHead:
        """See :class:`~gateway.protocol.commands.Dialect`. A missing token is 403, as XMPP clients expect."""
        status = 403 if isinstance(error, Unauthenticated) else None
        return render_problem(head, error, request_id, status=status)


def _parse_put(head: RequestHead, key: ObjectKey) -> PutObject:
    refuse_partial(head)
    if head.has(b"if-match"):
        raise PreconditionFailed("If-Match cannot hold: a slot never replaces a file.")
    length = read_length(head)
    if length is None:
        raise LengthRequired("A slot's upload needs a Content-Length: the signature covers it.")
    return PutObject(
        key=key,
        length=length,
        attributes=Attributes(
            content_type=read_content_type(head), content_encoding=read_content_encoding(head)
        ),
        digests=read_digests(head),
    )
