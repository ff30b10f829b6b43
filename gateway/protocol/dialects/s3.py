"""Objects as S3 speaks of them: PUT, GET, HEAD and DELETE. Every other operation of S3 is 501.

What of its headers and parameters is honoured, ignored or refused stands in
:mod:`gateway.protocol.s3_surface`.
"""

from dataclasses import replace
from typing import ClassVar, Final, assert_never

from gateway.errors import (
    GatewayError,
    InvalidArgument,
    LengthRequired,
    MethodNotAllowed,
    NotImplementedHere,
)
from gateway.model import Digest, ObjectKey
from gateway.protocol.commands import (
    Command,
    Deleted,
    DeleteObject,
    Describe,
    Described,
    GetObject,
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
from gateway.protocol.digests import agreed, checksum_headers, one_checksum, read_digests
from gateway.protocol.object_heads import (
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
from gateway.protocol.query import has_signature, parse_query, single
from gateway.protocol.s3_surface import (
    amz_headers,
    check_headers,
    check_query,
    checksums,
    metadata_headers,
    named_algorithm,
    read_overrides,
)
from gateway.protocol.s3xml import render_s3_error

_META: Final = b"x-amz-meta-"


class S3Dialect:
    """The S3 codec for objects."""

    name: ClassVar[str] = "s3"
    methods: ClassVar[tuple[str, ...]] = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")

    def parse(self, head: RequestHead, target: Target) -> Command:
        """See :class:`~gateway.protocol.commands.Dialect`."""
        method, key = head.method, target.key
        if method == "OPTIONS":
            return Describe(key=key, origin=head.get(b"origin"))
        if method not in self.methods and method != "POST":
            raise MethodNotAllowed("S3 has no such method here.", allow=self.methods)
        if key is None or not key.name:
            raise NotImplementedHere("Operations on buckets and the service are not offered.")
        common = head.common
        known = None if common is None else common.facts.get(S3Dialect)
        if known is not None and common is not None:
            return _repeated(known, key, common.length)
        command = self._read(head, key)
        if common is not None:
            common.facts[S3Dialect] = command
        return command

    def _read(self, head: RequestHead, key: ObjectKey) -> Command:
        method = head.method
        query = single(parse_query(head.raw_query))
        amz = amz_headers(head, query)
        reading = method in ("GET", "HEAD")
        check_query(query, reading=reading, ranged=head.has(b"range"))
        check_headers(amz, writing=method == "PUT")
        if reading:
            overrides = read_overrides(query, signed=has_signature(head, tuple(query.items())))
            return read_get(head, key, ranged_head=True, overrides=overrides)
        if method == "PUT":
            return self._parse_put(head, key, query, amz)
        if method == "DELETE":
            return DeleteObject(key=key, conditions=read_conditions(head))
        raise MethodNotAllowed("POST on an object needs a subresource.", allow=self.methods)

    def _parse_put(
        self, head: RequestHead, key: ObjectKey, query: dict[str, str], amz: dict[str, str]
    ) -> PutObject:
        refuse_partial(head)
        length = read_length(head)
        if length is None and not head.has(b"transfer-encoding"):
            raise LengthRequired("Send Content-Length, or a chunked body.")
        checksum, named = one_checksum(checksums(amz)), named_algorithm(amz)
        if checksum is not None and named not in (None, checksum.algorithm):
            raise InvalidArgument("The checksum sent is not of the algorithm that is named.")
        claimed = () if checksum is None else (checksum,)
        return PutObject(
            key=key,
            length=length,
            attributes=read_attributes(head, _META, metadata_headers(head, query)),
            conditions=read_conditions(head),
            digests=agreed((*claimed, *read_digests(head))),
            want_digests=() if named is None or claimed else (named,),
        )

    def render(
        self, head: RequestHead, command: Command, reply: Reply, request_id: str
    ) -> ResponseHead:
        """See :class:`~gateway.protocol.commands.Dialect`."""
        own: Headers = ((b"x-amz-request-id", request_id.encode("ascii")),)
        match reply:
            case ObjectStored():
                headers = (
                    (b"etag", quoted(reply.info_etag)),
                    *_version(reply.version),
                    *(checksum_headers(_asked(command, reply.digests)) if reply.digests else ()),
                    (b"content-length", b"0"),
                )
                return ResponseHead(200, own + headers)
            case ObjectOpened():
                return ResponseHead(
                    200 if reply.range is None else 206, own + _opened(head, command, reply)
                )
            case NotModified():
                return ResponseHead(304, own + not_modified_headers(reply.info, reply.serving))
            case Deleted():
                return ResponseHead(204, own)
            case Described():
                allow = ", ".join(reply.methods).encode("ascii")
                return ResponseHead(200, (*own, (b"allow", allow), (b"content-length", b"0")))
            case _:
                assert_never(reply)

    def render_error(self, head: RequestHead, error: GatewayError, request_id: str) -> ResponseHead:
        """See :class:`~gateway.protocol.commands.Dialect`."""
        return render_s3_error(head, error, request_id)


def _repeated(known: Command, key: ObjectKey, length: int | None) -> Command:
    """What a request of the same shape asked for, asked for ``key`` with a body of ``length`` bytes."""
    match known:
        case PutObject():
            return PutObject(
                key=key,
                length=length,
                attributes=known.attributes,
                conditions=known.conditions,
                digests=known.digests,
                want_digests=known.want_digests,
            )
        case GetObject():
            return GetObject(
                key=key,
                range_header=known.range_header,
                if_range=known.if_range,
                conditions=known.conditions,
                overrides=known.overrides,
                head_only=known.head_only,
            )
        case _:
            return replace(known, key=key)


def _asked(command: Command, digests: tuple[Digest, ...]) -> tuple[Digest, ...]:
    """The checksum that the client sent or named. Others, such as the payload hash of its signature,
    stay untold: S3 answers with one."""
    if not isinstance(command, PutObject):
        return ()
    named = command.want_digests or tuple(digest.algorithm for digest in command.digests)
    return tuple(digest for digest in digests if digest.algorithm in named)


def _version(version: str | None) -> Headers:
    return () if version is None else ((b"x-amz-version-id", wire(version)),)


def _opened(head: RequestHead, command: Command, reply: ObjectOpened) -> Headers:
    """A GET's headers. Checksums are of the whole object, so a range must not carry them: SDKs would
    hold them against the part."""
    overrides = command.overrides if isinstance(command, GetObject) else ()
    headers = opened_headers(reply, _META, overrides) + _version(reply.info.version)
    attributes = reply.info.attributes
    if attributes.storage_class not in (None, "STANDARD"):
        headers += ((b"x-amz-storage-class", wire(attributes.storage_class)),)
    if attributes.sse is not None:
        headers += ((b"x-amz-server-side-encryption", wire(attributes.sse)),)
    if reply.info.digests and reply.range is None and _wants_checksums(head):
        headers += checksum_headers(reply.info.digests)
    return headers


def _wants_checksums(head: RequestHead) -> bool:
    amz = amz_headers(head, single(parse_query(head.raw_query)))
    return amz.get("x-amz-checksum-mode") == "ENABLED"
