"""The data plane over raw connections: UploadPart, PutObject, GetObject and HeadObject at nginx's price.

Everything else stays with aiobotocore. Proxies named by the environment (HTTP_PROXY and the like) are not used
here: where the store is behind an egress proxy, set ``data_plane = "aiobotocore"``.
"""

from collections.abc import Sequence
from typing import Final

from gateway.errors import StorageUnavailable
from gateway.model import (
    Attributes,
    Digest,
    MultipartRef,
    ObjectInfo,
    ObjectKey,
    Opened,
    Part,
    PartReceipt,
    RangeRequest,
    Stored,
    Views,
    WriteCondition,
)
from gateway.protocol.ranges import format_range
from gateway.protocol.signatures.canonical import encode
from gateway.protocol.signatures.sigv4 import EMPTY_SHA256
from gateway.storage.s3 import fields, wire_headers
from gateway.storage.s3.body import UNSIGNED, hash_here, sha256_of
from gateway.storage.s3.connection import Connection
from gateway.storage.s3.wire_answer import Answer
from gateway.storage.s3.wire_begun import BegunGet, BegunPut, size_of
from gateway.storage.s3.wire_body import Body, drop
from gateway.storage.s3.wire_call import Call, Caller
from gateway.storage.s3.wire_outcome import described, etag, opened, stored
from gateway.storage.s3.wire_passage import Framing, WirePassage, open_passage


class WirePlane:
    """A :class:`~gateway.storage.s3.plane.DataPlane` with connections of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._hashes: Final = connection.endpoint.hash_payload
        self._caller = Caller(connection)

    async def aclose(self) -> None:
        """End all connections; running calls fail."""
        self._caller.close()

    @property
    def passages(self) -> "WirePlane | None":
        """Itself, where no hash of the whole body is signed."""
        return None if self._hashes else self

    @property
    def prompt(self) -> "WirePlane":
        """Itself."""
        return self

    async def put(
        self,
        key: ObjectKey,
        views: Views,
        attributes: Attributes,
        *,
        condition: WriteCondition,
        digests: Sequence[Digest],
        sent: Sequence[Digest],
    ) -> Stored:
        """PutObject."""
        call = self._put(key, attributes, condition)
        call.headers += wire_headers.of_digests(sent)
        call.body = views
        call.payload = await self._payload(views, digests)
        return stored(await self._carried_out(call), size_of(views))

    def begin_put(
        self,
        key: ObjectKey,
        views: Views,
        attributes: Attributes,
        *,
        condition: WriteCondition,
        digests: Sequence[Digest],
        sent: Sequence[Digest],
    ) -> BegunPut | None:
        """See PlanePrompt. Its answer is owed: it publishes."""
        call = self._put(key, attributes, condition)
        call.body = views
        if sent:
            call.headers += wire_headers.of_digests(sent)
        if self._hashes:
            call.payload = (_hash_at_hand(digests) or hash_here(views)).hex()
        begun = self._caller.begin_at_once(call, owed=True)
        return None if begun is None else BegunPut(self._caller, call, begun)

    async def open_put(
        self,
        key: ObjectKey,
        size: int,
        attributes: Attributes,
        *,
        condition: WriteCondition,
        trailer: str | None,
    ) -> WirePassage[Stored]:
        """See PlanePassages."""
        return await open_passage(
            self._caller,
            self._put(key, attributes, condition),
            Framing(size, trailer),
            lambda answer: stored(answer, size),
        )

    async def upload_part(
        self, ref: MultipartRef, part: Part, *, sent: Sequence[Digest]
    ) -> PartReceipt:
        """UploadPart."""
        call = _part(ref, part.number)
        call.headers = wire_headers.of_digests(sent)
        call.body = part.views
        call.payload = await self._payload(part.views, part.digests)
        answer = await self._carried_out(call)
        name = etag("UploadPart", answer)
        return PartReceipt(part.number, part.offset, part.size, name, tuple(sent))

    async def open_part(
        self, ref: MultipartRef, number: int, offset: int, size: int, *, trailer: str | None
    ) -> WirePassage[PartReceipt]:
        """See PlanePassages."""
        framing = Framing(size, trailer)
        return await open_passage(
            self._caller,
            _part(ref, number),
            framing,
            lambda answer: PartReceipt(
                number, offset, size, etag("UploadPart", answer), framing.digests()
            ),
        )

    async def get(
        self, key: ObjectKey, *, range: RangeRequest | None, if_match: str | None
    ) -> Opened:
        """GetObject."""
        call = _get(key, range, if_match)
        answer, body = await self._caller.make(call)
        return await self._opened(call, range, answer, body)

    def begin_get(
        self, key: ObjectKey, *, range: RangeRequest | None, if_match: str | None
    ) -> BegunGet | None:
        """See PlanePrompt."""
        call = _get(key, range, if_match)
        begun = self._caller.begin_at_once(call, owed=False)
        return None if begun is None else BegunGet(self._caller, call, begun, range, self._opened)

    async def _opened(
        self, call: Call, range: RangeRequest | None, answer: Answer, body: Body
    ) -> Opened:
        try:
            length = await self._length(call.key, answer)
            return opened(call.key, range, answer, body, length)
        except BaseException:
            body.close()
            raise

    async def head(self, key: ObjectKey) -> ObjectInfo:
        """HeadObject."""
        call = Call(operation="HeadObject", method="HEAD", key=key, payload=EMPTY_SHA256)
        answer, _ = await self._caller.make(call)
        return described(key, answer)

    def _put(self, key: ObjectKey, attributes: Attributes, condition: WriteCondition) -> Call:
        return Call(
            operation="PutObject",
            method="PUT",
            key=key,
            headers=[
                *wire_headers.of_attributes(attributes),
                *wire_headers.of_condition(condition, bare_etags=self._connection.bare_etags),
            ],
            payload=UNSIGNED,
            # A repeated one would find its own object in the way.
            repeatable=not condition,
            condition_on_etag=condition.etag is not None,
        )

    async def _carried_out(self, call: Call) -> Answer:
        """A write's answer, its body (mostly empty) out of the way."""
        answer, body = await self._caller.make(call)
        await drop(body)
        return answer

    async def _length(self, key: ObjectKey, answer: Answer) -> int:
        """Bytes that will come. An answer in chunks says it in Content-Range; else a HEAD does, of the same version."""
        if answer.length is not None:
            return answer.length
        first, _, rest = (
            answer.headers.get("content-range", "").removeprefix("bytes ").partition("-")
        )
        last = rest.partition("/")[0]
        if first.isdecimal() and last.isdecimal():
            return int(last) - int(first) + 1
        found = await self.head(key)
        if found.etag != fields.etag_of(wire_headers.named(answer.headers)):
            raise StorageUnavailable("GetObject: the object was replaced meanwhile.")
        return found.size

    async def _payload(self, views: Views, digests: Sequence[Digest]) -> str:
        """The value of X-Amz-Content-SHA256: from a digest at hand where there is one."""
        if not self._hashes:
            return UNSIGNED
        return (_hash_at_hand(digests) or await sha256_of(views)).hex()


def _part(ref: MultipartRef, number: int) -> Call:
    return Call(
        operation="UploadPart",
        method="PUT",
        key=ref.key,
        query=b"partNumber=%d&uploadId=%b" % (number, encode(ref.upload_id.encode())),
        payload=UNSIGNED,
    )


def _get(key: ObjectKey, range: RangeRequest | None, if_match: str | None) -> Call:
    headers = [] if if_match is None else [(b"if-match", b'"%b"' % if_match.encode())]
    if range is not None:
        headers.append((b"range", format_range(range).encode()))
    return Call(operation="GetObject", method="GET", key=key, headers=headers, payload=EMPTY_SHA256)


def _hash_at_hand(digests: Sequence[Digest]) -> bytes | None:
    return next((digest.value for digest in digests if digest.algorithm == "sha-256"), None)
