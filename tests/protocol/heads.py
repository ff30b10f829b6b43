"""Heads written as text, for golden tables: what goes in and what comes out reads like a capture."""

from datetime import UTC, datetime
from typing import Final

from gateway.model import Attributes, ObjectInfo, ObjectKey
from gateway.protocol.commands import RequestHead, ResponseHead

KEY: Final = ObjectKey("photos", "a/b.txt")
MODIFIED: Final = datetime(1994, 11, 6, 8, 49, 37, 500_000, tzinfo=UTC)


def request(text: str) -> RequestHead:
    """Read ``METHOD target`` and header lines; Host is added where the text has none."""
    first, *lines = text.strip("\n").split("\n")
    method, _, target = first.partition(" ")
    path, _, query = target.partition("?")
    headers = []
    for line in lines:
        name, _, value = line.strip().partition(":")
        headers.append((name.strip().lower().encode("latin-1"), value.strip().encode("latin-1")))
    if not any(name == b"host" for name, _ in headers):
        headers.insert(0, (b"host", b"127.0.0.1:8080"))
    return RequestHead(method, path.encode("latin-1"), query.encode("latin-1"), headers)


def shown(response: ResponseHead) -> str:
    """A response's status and headers, one a line, then its body after an empty line."""
    lines = [str(response.status)]
    lines += [f"{name.decode()}: {value.decode('latin-1')}" for name, value in response.headers]
    if response.body:
        lines += ["", response.body.decode()]
    return "\n".join(lines)


def lines(text: str) -> str:
    """A golden block without the indentation of the test it stands in."""
    return "\n".join(line.strip() for line in text.strip().split("\n"))


def info(
    *,
    size: int = 10,
    etag: str = "abc",
    key: ObjectKey = KEY,
    modified: datetime = MODIFIED,
    attributes: Attributes | None = None,
) -> ObjectInfo:
    """An object of ten bytes, modified half a second after the date of RFC 9110's examples."""
    return ObjectInfo(
        key=key, size=size, etag=etag, modified=modified, attributes=attributes or Attributes()
    )
