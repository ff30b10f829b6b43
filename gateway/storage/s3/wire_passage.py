"""PutObject and UploadPart whose bodies are sent while they are still coming.

A signature over a body's hash cannot be made for these, so they go as ``UNSIGNED-PAYLOAD``; or, where the store
verifies a checksum, with that as a trailer (``STREAMING-UNSIGNED-PAYLOAD-TRAILER``: one aws-chunk around all of the
body, as Amazon's CRT sends it, then the checksum. AmazonS3/latest/API/sigv4-streaming-trailers.html).

``Expect: 100-continue`` is always sent: what the store refuses it refuses before it has a byte, when nothing is
lost and all may be tried again.
"""

from base64 import b64encode
from collections.abc import Callable
from typing import Final, Generic, NoReturn, TypeVar

from botocore.exceptions import BotoCoreError

from gateway.model import Digest, Views
from gateway.storage.checksums import Checksum
from gateway.storage.s3.body import UNSIGNED
from gateway.storage.s3.errors import raise_for
from gateway.storage.s3.wire_answer import Answer
from gateway.storage.s3.wire_body import drop
from gateway.storage.s3.wire_call import Call, Caller
from gateway.storage.s3.wire_headers import checksum_header
from gateway.storage.s3.wire_link import Link
from gateway.storage.s3.wire_owed import Coming
from gateway.storage.s3.wire_refusal import read_refusal

T = TypeVar("T")

_TRAILED: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class Framing:
    """What stands around a body of ``size`` bytes on the wire: nothing, or one aws-chunk with a checksum behind it."""

    def __init__(self, size: int, algorithm: str | None) -> None:
        self._checksum = None if algorithm is None else Checksum(algorithm)
        self._begun = algorithm is None
        self._open = b"" if algorithm is None else b"%x\r\n" % size
        self.size: Final = size + len(self._open) + len(self._close())
        self._decoded = size

    @property
    def payload(self) -> str:
        """The value of X-Amz-Content-SHA256."""
        return UNSIGNED if self._checksum is None else _TRAILED

    def dress(self, call: Call) -> Call:
        """Add the headers that announce it."""
        call.payload = self.payload
        if self._checksum is not None:
            name = checksum_header(self._checksum.algorithm)
            encoding = [value for header, value in call.headers if header == b"content-encoding"]
            call.headers = [
                *(entry for entry in call.headers if entry[0] != b"content-encoding"),
                (b"content-encoding", b",".join((*encoding, b"aws-chunked"))),
                (b"x-amz-decoded-content-length", b"%d" % self._decoded),
                (b"x-amz-trailer", name),
            ]
        return call

    def around(self, views: Views, *, last: bool) -> Views:
        """The next bytes as they are on the wire."""
        if self._checksum is None:
            return views
        for view in views:
            self._checksum.update(view)
        before = () if self._begun else (memoryview(self._open),)
        self._begun = True
        return (*before, *views, *((memoryview(self._close()),) if last else ()))

    def digests(self) -> tuple[Digest, ...]:
        """What the trailer says."""
        return () if self._checksum is None else (self._checksum.digest(),)

    def _close(self) -> bytes:
        if self._checksum is None:
            return b""
        digest = self._checksum.digest()
        return b"\r\n0\r\n%b:%b\r\n\r\n" % (
            checksum_header(digest.algorithm),
            b64encode(digest.value),
        )


class WirePassage(Generic[T]):
    """A :class:`~gateway.storage.passages.Passage`. ``made`` turns a success into what it means."""

    def __init__(
        self,
        caller: Caller,
        call: Call,
        framing: Framing,
        opened: tuple[Link, Coming],
        made: Callable[[Answer], T],
    ) -> None:
        self._caller = caller
        self._call = call
        self._framing = framing
        self._link, self._answer = opened
        self._made = made

    async def send(self, views: Views) -> None:
        """See Passage."""
        if not self._answer.done():
            await self._link.feed(self._framing.around(views, last=False), last=False)
        if self._answer.done():
            await self._answered()  # raises: a success before the end is an error to the link

    async def finish(self, views: Views) -> T:
        """See Passage."""
        if not self._answer.done():
            await self._link.feed(self._framing.around(views, last=True), last=True)
        try:
            return self._made(await self._answered())
        finally:
            self.abandon()

    def abandon(self) -> None:
        """See Passage."""
        self._link.sever()

    async def _answered(self) -> Answer:
        """A success."""
        try:
            answer, body = await self._answer
            if answer.status < 300:
                await drop(body)
                return answer
            refusal = await read_refusal(answer, body)
        except OSError as error:
            _failed(self._caller, self._call, error)
        raise self._caller.error(self._call, refusal)


async def open_passage(
    caller: Caller, call: Call, framing: Framing, made: Callable[[Answer], T]
) -> WirePassage[T]:
    """Begin ``call``; what can be mended is mended, as :meth:`Caller.make` does.

    Raises:
        GatewayError: it was refused, or there is no connection. No byte of the body was sent.
    """
    framing.dress(call)
    mended: set[str] = set()
    while True:
        try:
            link, answer = await caller.begin(call, framing.size)
            if not answer.done():
                return WirePassage(caller, call, framing, (link, answer), made)
            refusal = await read_refusal(*await answer)
            link.sever()
            what = await caller.mend(refusal)
        except (OSError, BotoCoreError) as error:
            _failed(caller, call, error)
        if what is None or what in mended:
            raise caller.error(call, refusal)
        mended.add(what)


def _failed(caller: Caller, call: Call, error: Exception) -> NoReturn:
    caller.failed(call)
    raise_for(call.operation, error)
