"""The whole gateway in this process, spoken to in ASGI: no socket, no server."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.app import Gateway
from gateway.drain import Drain
from gateway.settings import Settings
from gateway.web.streams import Message, Scope
from tests.protocol.signatures.wire import KEY_ID, REGION, SECRET, botocore_presigned

HOST = "127.0.0.1:8080"


@dataclass
class Answer:
    """What came back. ``complete``: the body's end came."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False

    def get(self, name: str) -> str | None:
        """All values of a header, joined."""
        values = [value for found, value in self.headers if found == name]
        return ", ".join(values) if values else None

    @property
    def code(self) -> str:
        """The error's code: of a problem, or of S3's XML."""
        if self.get("content-type") == "application/problem+json":
            return str(json.loads(self.body)["type"]).rpartition("/")[2]
        return self.body.decode().partition("<Code>")[2].partition("</Code>")[0]


class Client:
    """Sends requests to an ASGI application."""

    def __init__(self, app: Any, peer: str = "127.0.0.1") -> None:
        self.app = app
        self.peer = peer

    def scope(
        self, method: str, target: str, headers: Iterable[tuple[str, str]] = ()
    ) -> dict[str, Any]:
        path, _, query = target.partition("?")
        lines = [(n.lower().encode(), v.encode("latin-1")) for n, v in headers]
        if not any(name == b"host" for name, _ in lines):
            lines.insert(0, (b"host", HOST.encode()))
        return {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": lines,
            "scheme": "http",
            "client": (self.peer, 4711),
            "root_path": "",
        }

    async def send(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[dict[str, Any]] = b"",
        headers: Iterable[tuple[str, str]] = (),
        *,
        scope: Scope | None = None,
    ) -> Answer:
        """One request; ``body`` may be the ASGI messages themselves, whose last one repeats."""
        answer = Answer()
        lines = list(headers)
        if isinstance(body, bytes):
            if body or method in ("PUT", "POST"):
                lines.append(("content-length", str(len(body))))
            body = [{"type": "http.request", "body": body, "more_body": False}]
        messages: list[Message] = list(body)

        async def receive() -> Message:
            await asyncio.sleep(0)
            return messages.pop(0) if len(messages) > 1 else messages[0]

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = [(n.decode(), v.decode("latin-1")) for n, v in message["headers"]]
            else:
                answer.body += message.get("body", b"")
                answer.complete = not message.get("more_body", False)

        await self.app(scope or self.scope(method, target, lines), receive, send)
        return answer

    async def signed(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Iterable[tuple[str, str]] = (),
        *,
        now: float,
    ) -> Answer:
        """A request that botocore presigned."""
        parts = urlsplit(target)
        wire = botocore_presigned(
            method, parts.path.encode(), parts.query.encode(), headers, now=now
        )
        return await self.send(method, f"{parts.path}?{wire.query.decode()}", body, headers)


def settings(folder: Path, **sections: Any) -> Settings:
    """A gateway with one store in memory; ``sections`` replace or add to it."""
    return Settings.model_validate(
        {
            "server": {"data_dir": folder / "data", "region": REGION},
            "storage": {"main": {"kind": "memory"}},
            "buckets": {
                "photos": {"storage": "main"},
                "public": {"storage": "main", "anonymous": "public-read"},
            },
            "keys": {KEY_ID: {"secret": SECRET}},
            "sessions": {"url": "memory:"},
            "memory": {"spool": folder / "spool", "budget": "32MiB"},
            "log": {"format": "json"},
        }
        | sections
    )


@asynccontextmanager
async def running(app: Any) -> AsyncIterator[None]:
    """ASGI's lifespan around a block.

    Raises:
        RuntimeError: the application does not start, or does not end well.
    """
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message] = asyncio.Queue()
    task = asyncio.create_task(app({"type": "lifespan"}, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    message = await outbox.get()
    if message["type"] != "lifespan.startup.complete":
        await task
        raise RuntimeError(message["message"])
    try:
        yield
    finally:
        await inbox.put({"type": "lifespan.shutdown"})
        await task
        assert (await outbox.get())["type"] == "lifespan.shutdown.complete"


@asynccontextmanager
async def gateway(
    folder: Path, drain: Drain | None = None, **sections: Any
) -> AsyncIterator[Client]:
    """A running gateway."""
    app = Gateway(settings(folder, **sections), drain or Drain())
    async with running(app):
        yield Client(app)


def lines(output: str) -> list[dict[str, Any]]:
    """The log, line by line."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]
