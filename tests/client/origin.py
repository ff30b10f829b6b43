"""A small S3 server for the client's tests: real sockets, real signatures, faults on demand.

It holds objects in memory, verifies every request's SigV4 as the gateway does, honours Range and If-Match,
and before each answer takes one fault off ``faults`` if there is any.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import unquote

from gateway.client import Account
from gateway.protocol.commands import RequestHead
from gateway.protocol.signatures import sigv4
from gateway.protocol.signatures.authorization import read_header
from gateway.protocol.signatures.canonical import CanonicalQuery

ACCOUNT_ID = "SLUICETESTKEY0000001"
SECRET = "a test secret"

Fault: TypeAlias = Callable[["Handler"], bool]


class Stored:
    """An object: bytes and the headers that are answered with them."""

    def __init__(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.body = body
        self.headers = {"ETag": f'"{hashlib.md5(body).hexdigest()}"'} | dict(headers or {})


class Origin(ThreadingHTTPServer):
    """The server. ``requests`` has (method, path, headers) of all that came."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, Stored] = {}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.ranges = True

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def account(self) -> Account:
        """The account that it knows."""
        return Account(endpoint=self.endpoint, access_key_id=ACCOUNT_ID, secret=SECRET)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is what the tests are about."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Origin
    #: How many bytes of the next answer's body are sent; None: all.
    cut: int | None = None

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def do_PUT(self) -> None:
        if (payload := self._verified()) is None:
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if hashlib.sha256(body).hexdigest() != payload:
            self.refuse(400, "XAmzContentSHA256Mismatch")
            return
        kept = {k: v for k, v in self.headers.items() if k.lower().startswith("x-amz-meta-")}
        self.server.objects[self._key] = Stored(
            body, kept | {"Content-Type": self.headers["Content-Type"]}
        )
        self.answer(200, {"ETag": self.server.objects[self._key].headers["ETag"]})

    def do_GET(self) -> None:
        if self._verified() is None:
            return
        stored = self.server.objects.get(self._key)
        if stored is None:
            self.refuse(404, "NoSuchKey", "There is no <such> & key.")
            return
        if self.headers.get("If-Match", stored.headers["ETag"]) != stored.headers["ETag"]:
            self.refuse(412, "PreconditionFailed")
            return
        first, wanted = 0, self.headers.get("Range") if self.server.ranges else None
        headers = dict(stored.headers)
        if wanted is not None:
            first = int(wanted.removeprefix("bytes=").removesuffix("-"))
            last = len(stored.body) - 1
            headers["Content-Range"] = f"bytes {first}-{last}/{len(stored.body)}"
        self.answer(200 if wanted is None else 206, headers, stored.body[first:])

    def answer(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Send a whole answer, or as much of it as a fault lets through."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.cut])
        if self.cut is not None:
            self.drop()

    def refuse(self, status: int, code: str, message: str = "", **headers: str) -> None:
        """Answer an error as S3 does."""
        text = message.replace("&", "&amp;").replace("<", "&lt;")
        body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>".encode()
        self.close_connection = True
        self.send_response(status)
        for name, value in (headers | {"Connection": "close"}).items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def drop(self) -> None:
        """End the connection here."""
        self.wfile.flush()
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(2)

    @property
    def _key(self) -> str:
        return unquote(self.path)[1:]

    def _verified(self) -> str | None:
        """The payload's digest that was signed; None when this request has been answered already."""
        self.cut = None
        self.server.requests.append(
            (self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
        )
        if self.server.faults and self.server.faults.pop(0)(self):
            return None
        head = RequestHead(
            self.command,
            self.path.encode(),
            headers=[(k.lower().encode(), v.encode("latin-1")) for k, v in self.headers.items()],
        )
        claim = read_header(
            head, CanonicalQuery(b""), region="us-east-1", now=time.time(), max_skew=900
        )
        if claim.key_id != ACCOUNT_ID:
            self.refuse(403, "InvalidAccessKeyId", "No such key.")
            return None
        sigv4.verify(claim, SECRET)
        return claim.payload


def dropped(handler: Handler) -> bool:
    """A fault: the connection ends without an answer."""
    handler.drop()
    return True


def refused(status: int, code: str = "SlowDown", **headers: str) -> Fault:
    """A fault: an error answer, before the body is read."""

    def fault(handler: Handler) -> bool:
        handler.refuse(status, code, "Later.", **headers)
        return True

    return fault


def cut_at(size: int) -> Fault:
    """A fault: the answer's body ends after ``size`` bytes."""

    def fault(handler: Handler) -> bool:
        handler.cut = size
        return False

    return fault


@contextmanager
def serving() -> Iterator[Origin]:
    """A running origin; ended with the block."""
    origin = Origin()
    thread = threading.Thread(target=origin.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield origin
    finally:
        origin.shutdown()
        thread.join()
        origin.server_close()
