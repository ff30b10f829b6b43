"""A tus server in memory that does what the suite asks for, so that every check is known to be passable; and that does
any one thing wrong on order, so that it is known to be able to fail. For tests of the suite, nothing else."""

import asyncio
import base64
import binascii
import hashlib
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import h11

from tests.conformance.tus.checksum import DIGESTS

BODY: Final = b"application/offset+octet-stream"
MAX: Final = 10**13
#: A status that nobody sees.
BROKEN_OFF: Final = 499
EXTENSIONS: Final = (
    "creation,creation-with-upload,creation-defer-length,checksum,checksum-trailer,termination,"
    "concatenation"
)
TOLD: Final = [
    ("Tus-Version", "1.0.0"), ("Tus-Extension", EXTENSIONS), ("Tus-Max-Size", str(MAX)),
    ("Tus-Checksum-Algorithm", "sha1,sha256,crc32"), ("Access-Control-Allow-Methods", "POST,PATCH,HEAD,DELETE"),
    ("Access-Control-Allow-Headers", "*"),
]  # fmt: skip

Headers = list[tuple[str, str]]


class Refused(Exception):
    """A status, and headers beside."""

    def __init__(self, status: int, *headers: tuple[str, str]) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers


@dataclass
class Kept:
    """An upload."""

    length: int | None
    metadata: str | None = None
    concat: str | None = None
    data: bytearray = field(default_factory=bytearray)
    writer: int = 0


@dataclass
class Asked:
    """A request, and the rest of its connection."""

    request: h11.Request
    connection: h11.Connection
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    trailers: Headers = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """The lines of a header."""
        return [v.decode("utf-8", "replace") for k, v in self.request.headers if k == name.encode()]

    def get(self, name: str) -> str | None:
        """A header's value.

        Raises:
            Refused: there are two.
        """
        found = self.all(name)
        if len(set(found)) > 1:
            raise Refused(400)
        return found[0] if found else None

    async def event(self) -> h11.Event | type[h11.PAUSED] | None:
        """What comes next; None: the client is gone."""
        while True:
            if self.connection.they_are_waiting_for_100_continue:
                go = h11.InformationalResponse(status_code=100, headers=[])
                self.writer.write(self.connection.send(go) or b"")
            event = self.connection.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]
            data = await self.reader.read(65536)
            if not data:
                return None
            self.connection.receive_data(data)

    async def pieces(self) -> "list[bytes] | None":
        """The next piece, an empty list at the end; None: it broke off."""
        event = await self.event()
        if isinstance(event, h11.Data):
            return [bytes(event.data)]
        if isinstance(event, h11.EndOfMessage):
            self.trailers = [(k.decode(), v.decode()) for k, v in event.headers]
            return []
        return None


def decimal(text: str | None) -> int:
    """A plain number.

    Raises:
        Refused: it is something else.
    """
    if text is None or not (text.isascii() and text.isdigit()):
        raise Refused(400)
    return int(text)


def check_metadata(text: str | None) -> None:
    """Raises:
    Refused: it is malformed.
    """
    keys = []
    for pair in (text or "").split(",") if text else []:
        words = pair.split(" ")
        if not words[0] or len(words) > 2 or not words[0].isascii():
            raise Refused(400)
        keys.append(words[0])
        try:
            base64.b64decode(words[1] if len(words) == 2 else "", validate=True)
        except binascii.Error:
            raise Refused(400) from None
    if len(set(keys)) < len(keys):
        raise Refused(400)


@dataclass
class ReferenceServer:
    """See the module's text. ``flaws``: what it does wrong, by the names that its code asks for."""

    flaws: frozenset[str] = frozenset()
    uploads: dict[str, Kept] = field(default_factory=dict)
    again: dict[str, str] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=65536)
        try:
            request = await Asked(None, connection, reader, writer).event()  # type: ignore[arg-type]
            if not isinstance(request, h11.Request):
                return
            asked = Asked(request, connection, reader, writer)
            try:
                status, headers, body = await self.answer(asked)
            except Refused as refused:
                status, headers, body = refused.status, list(refused.headers), b""
            own = [("Tus-Resumable", "1.0.0"), ("X-Content-Type-Options", "nosniff"), ("Connection", "close"),
                   ("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "*")]  # fmt: skip
            length = [] if status == 204 else [("Content-Length", str(len(body)))]
            shown = h11.Response(status_code=status, headers=[*own, *headers, *length])
            writer.write(connection.send(shown) or b"")
            if body and request.method != b"HEAD":
                writer.write(connection.send(h11.Data(data=body)) or b"")
            await writer.drain()
        except (OSError, h11.ProtocolError):
            pass
        finally:
            writer.close()

    async def answer(self, asked: Asked) -> tuple[int, Headers, bytes]:
        """Status, headers, body.

        Raises:
            Refused: with something else.
        """
        method = asked.get("x-http-method-override") or asked.request.method.decode()
        path = urlsplit(asked.request.target.decode()).path
        if method == "OPTIONS":
            return 204, TOLD, b""
        version = asked.get("tus-resumable")
        if version != "1.0.0" and not (version is None and method in {"HEAD", "GET"}):
            raise Refused(412, ("Tus-Version", "1.0.0"))
        if method == "POST":
            return await self.create(asked)
        upload = self.uploads.get(path)
        if upload is None:
            raise Refused(404)
        match method:
            case "HEAD":
                return 200, self.shown(upload), b""
            case "GET":
                return 200, [], bytes(upload.data)
            case "DELETE":
                upload.writer += 1
                del self.uploads[path]
                return 204, [], b""
            case "PATCH":
                return await self.append(asked, upload)
            case _:
                allowed = "HEAD, GET, PATCH, DELETE, OPTIONS"
                raise Refused(405, ("Allow", allowed))

    def shown(self, upload: Kept) -> Headers:
        """What HEAD says."""
        headers = [("Upload-Offset", str(len(upload.data))), ("Cache-Control", "no-store")]
        headers.append(
            ("Upload-Defer-Length", "1")
            if upload.length is None
            else ("Upload-Length", str(upload.length))
        )
        metadata = upload.metadata
        if metadata and "metadata-sorted" in self.flaws:
            metadata = ",".join(sorted(metadata.split(",")))
        headers += [("Upload-Metadata", metadata)] if metadata else []
        headers += (
            [("Upload-Concat", upload.concat)]
            if upload.concat and "concat-silent" not in self.flaws
            else []
        )
        return headers

    async def create(self, asked: Asked) -> tuple[int, Headers, bytes]:
        """POST."""
        key = asked.get("idempotency-key")
        if key is not None and key in self.again:
            return 201, [("Location", self.again[key])], b""
        metadata, concat = asked.get("upload-metadata"), asked.get("upload-concat")
        check_metadata(metadata)
        if concat is not None and concat != "partial":
            upload = self.joined(asked, concat)
        else:
            length, defer = asked.get("upload-length"), asked.get("upload-defer-length")
            if (length is None) == (defer is None) or defer not in {None, "1"}:
                raise Refused(400)
            upload = Kept(None if length is None else decimal(length), concat=concat)
        if (upload.length or 0) > MAX:
            raise Refused(413)
        upload.metadata = metadata
        told: Headers = []
        path = f"/files/{secrets.token_urlsafe(24)}"
        if asked.get("content-type") == BODY.decode():
            self.again.update({key: path} if key else {})
            self.uploads[path] = upload
            try:
                await self.take(asked, upload)
            except Refused as refused:
                if refused.status != BROKEN_OFF:
                    del self.uploads[path]
                raise
            told = [("Upload-Offset", str(len(upload.data)))]
        self.again.update({key: path} if key else {})
        self.uploads[path] = upload
        return 201, [("Location", path), *told], b""

    def joined(self, asked: Asked, concat: str) -> Kept:
        """The final upload."""
        kind, _, urls = concat.partition(";")
        parts = [self.uploads.get(urlsplit(url).path) for url in urls.split()]
        if kind != "final" or not parts or None in parts:
            raise Refused(400)
        if asked.get("upload-length") is not None and "final-length" not in self.flaws:
            raise Refused(400)
        found = [part for part in parts if part is not None]
        if any(part.concat != "partial" for part in found) and "final-of-any" not in self.flaws:
            raise Refused(403)
        if any(len(part.data) != part.length for part in found):
            raise Refused(400)
        if "final-backwards" in self.flaws:
            found.reverse()
        data = bytearray(b"".join(part.data for part in found))
        return Kept(len(data), concat=concat, data=data)

    async def append(self, asked: Asked, upload: Kept) -> tuple[int, Headers, bytes]:
        """PATCH."""
        if upload.concat is not None and upload.concat != "partial":
            raise Refused(403 if "final-patch" not in self.flaws else 409)
        if asked.get("content-type") != BODY.decode():
            raise Refused(415)
        offset, length = decimal(asked.get("upload-offset")), asked.get("upload-length")
        if offset != len(upload.data):
            raise Refused(409, ("Upload-Offset", str(len(upload.data))))
        if length is not None:
            told = decimal(length)
            if told > MAX:
                raise Refused(413)
            if told < offset or upload.length not in {None, told}:
                raise Refused(400)
            upload.length = told
        await self.take(asked, upload)
        return 204, [("Upload-Offset", str(len(upload.data)))], b""

    async def take(self, asked: Asked, upload: Kept) -> None:
        """The body: at once, or when its checksum is right."""
        room = MAX if upload.length is None else upload.length - len(upload.data)
        size = asked.get("content-length")
        if size is not None and int(size) > room:
            raise Refused(413)
        claim = asked.get("upload-checksum")
        trailing = asked.get("trailer") is not None
        if claim is not None:
            self.read_claim(claim)
        if claim is not None and trailing:
            raise Refused(400)
        staging = bytearray() if claim is not None or trailing else None
        upload.writer += 1
        mine, taken = upload.writer, 0
        while pieces := await asked.pieces():
            taken += len(pieces[0])
            if taken > room:
                raise Refused(413)
            if upload.writer != mine:
                raise Refused(409)
            (
                upload.data if staging is None or "checksum-unstaged" in self.flaws else staging
            ).extend(pieces[0])
        if pieces is None or upload.writer != mine:
            raise Refused(BROKEN_OFF)
        if staging is not None and "checksum-unstaged" not in self.flaws:
            self.settle(claim or dict(asked.trailers).get("upload-checksum", ""), staging, upload)

    def settle(self, claim: str, staging: bytearray, upload: Kept) -> None:
        """Keep what is right."""
        algorithm, digest = self.read_claim(claim)
        if DIGESTS[algorithm](bytes(staging)) != digest and "checksum-ignored" not in self.flaws:
            raise Refused(460)
        upload.data.extend(staging)

    def read_claim(self, claim: str) -> tuple[str, bytes]:
        """Algorithm and digest."""
        algorithm, _, text = claim.partition(" ")
        try:
            digest = base64.b64decode(text, validate=True)
        except binascii.Error:
            raise Refused(400) from None
        if algorithm not in {"sha1", "sha256", "crc32"}:
            raise Refused(400)
        size = 4 if algorithm == "crc32" else hashlib.new(algorithm).digest_size
        if len(digest) != size:
            raise Refused(400)
        return algorithm, digest


@contextmanager
def reference(*flaws: str) -> Iterator[str]:
    """One that runs in a thread of its own; answers its creation URL."""
    loop = asyncio.new_event_loop()
    listening = asyncio.start_server(
        ReferenceServer(frozenset(flaws)).serve, "127.0.0.1", 0, limit=1 << 20
    )
    server = loop.run_until_complete(listening)
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/files"
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    mine = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not mine]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
