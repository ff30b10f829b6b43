"""Plain HTTP: an object is a resource, PUT stores it, GET reads it; errors are problem+json.

``POST`` with a raw body to an object's URL is the same as PUT. User metadata travels as
``Sluice-Meta-<name>``: a name of our own, because ``x-amz-*`` would make the request S3's. Query
parameters mean nothing here, except that ``response-*`` is refused on reads: only S3's requests
may set response headers.
"""

from typing import ClassVar, assert_never

from gateway.errors import (
    GatewayError,
    MethodNotAllowed,
    UnsupportedMediaType,
)
from gateway.model import ObjectKey
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
from gateway.protocol.conditions import read_conditions
from gateway.protocol.digests import format_digest_field, read_digests, read_wanted, repr_digest
from gateway.protocol.error_heads import challenge
from gateway.protocol.methods import read_question
from gateway.protocol.object_heads import (
    META,
    Headers,
    not_modified_headers,
    opened_headers,
    quoted,
    read_attributes,
    read_get,
    read_length,
    refuse_partial,
    wire,
)
from gateway.protocol.problems import render_problem
from gateway.protocol.query import refuse_overrides


class PlainDialect:
    """The plain HTTP codec."""

    name: ClassVar[str] = "plain"
    methods: ClassVar[tuple[str, ...]] = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS")

    def parse(self, head: RequestHead, target: Target) -> Command:
        """See :class:`~gateway.protocol.commands.Dialect`."""
        method, key = head.method, target.key
        question = read_question(head, key, self.methods)
        if question is not None:
            return question
        if key is None or not key.name:
            if method == "POST" and key is not None:
                raise UnsupportedMediaType(
                    "What is posted to a bucket is a form: multipart/form-data, its file last."
                )
            raise MethodNotAllowed(
                "Only objects can be read and written: /{bucket}/{key}.", allow=("OPTIONS",)
            )
        if method in ("GET", "HEAD"):
            refuse_overrides(head.raw_query)
            return read_get(head, key)
        if method == "DELETE":
            return DeleteObject(key=key, conditions=read_conditions(head))
        return _parse_write(head, key)

    def render(
        self, head: RequestHead, command: Command, reply: Reply, request_id: str
    ) -> ResponseHead:
        """See :class:`~gateway.protocol.commands.Dialect`."""
        own: Headers = ((b"x-request-id", wire(request_id)),)
        match reply:
            case ObjectStored():
                headers = (
                    *own,
                    (b"etag", quoted(reply.info_etag)),
                    *repr_digest(format_digest_field(reply.digests)),
                )
                if reply.created:
                    return ResponseHead(201, (*headers, (b"content-length", b"0")))
                return ResponseHead(204, headers)
            case ObjectOpened():
                headers = own + opened_headers(reply, META)
                headers += repr_digest(format_digest_field(reply.info.digests))
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
        """See :class:`~gateway.protocol.commands.Dialect`."""
        return render_problem(head, error, request_id, extra=challenge(error))


def _parse_write(head: RequestHead, key: ObjectKey) -> PutObject:
    refuse_partial(head)
    attributes = read_attributes(head, META)
    if head.method == "POST" and (attributes.content_type or "").lower().startswith("multipart/"):
        raise UnsupportedMediaType(
            "A form is not stored as an object: post it to /{bucket}, or send the file itself."
        )
    return PutObject(
        key=key,
        length=read_length(head),
        attributes=attributes,
        conditions=read_conditions(head),
        digests=read_digests(head),
        want_digests=read_wanted(head),
        tell_created=True,
    )
