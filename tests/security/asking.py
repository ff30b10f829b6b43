"""Asking a running gateway byte by byte: with good signatures, spoiled ones, or none."""

import json
import socket
from dataclasses import dataclass, field

from tests.protocol.signatures.wire import HOST, Wire
from tests.server.lab import Client
from tests.servers.gateway import GatewayProcess


@dataclass
class Answer:
    """A response; ``code`` is the error's, of a problem or of S3's XML. ``closed``: so was the connection."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes
    interim: list[int]

    @property
    def code(self) -> str:
        if self.headers.get("content-type") == "application/problem+json":
            return str(json.loads(self.body)["type"]).rpartition("/")[2]
        return self.body.decode("utf-8", "replace").partition("<Code>")[2].partition("</Code>")[0]


class Asker:
    """Speaks to one gateway, a connection for each request."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.gateway = gateway

    def connect(self) -> Client:
        port = int(self.gateway.url.rpartition(":")[2])
        return Client(socket.create_connection(("127.0.0.1", port), timeout=10))

    def raw(self, data: bytes, *, bodiless: bool = False) -> Answer:
        """Bytes as they are."""
        client = self.connect()
        try:
            client.send(data)
            reply = client.reply(bodiless=bodiless)
            return Answer(reply.status, reply.headers, reply.body, reply.interim)
        finally:
            client.close()

    def send(self, wire: Wire, body: bytes = b"") -> Answer:
        """A request, with a Content-Length where it has none and may need one."""
        return self.raw(bytes_of(wire, body), bodiless=wire.method == "HEAD")

    def plain(
        self, method: str, target: str, *headers: tuple[str, str], body: bytes = b""
    ) -> Answer:
        """A request without a signature."""
        return self.send(unsigned(method, target, *headers), body)


def unsigned(method: str, target: str, *headers: tuple[str, str]) -> Wire:
    """A request that nobody signed."""
    path, _, query = target.partition("?")
    lines = [(b"host", HOST.encode())] if not any(n.lower() == "host" for n, _ in headers) else []
    lines += [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return Wire(method, path.encode(), query.encode(), tuple(lines))


def bytes_of(wire: Wire, body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    target = wire.path + (b"?" + wire.query if wire.query else b"")
    lines = list(wire.headers)
    if (body or wire.method in ("PUT", "POST")) and not any(
        name in (b"content-length", b"transfer-encoding") for name, _ in lines
    ):
        lines.append((b"content-length", str(len(body)).encode()))
    head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
    return wire.method.encode() + b" " + target + b" HTTP/1.1\r\n" + head + b"\r\n" + body
