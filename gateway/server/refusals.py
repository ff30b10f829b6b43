"""Answers that the front gives by itself, when no dialect was asked yet."""

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from math import ceil
from typing import TypeAlias

from gateway.errors import GatewayError, MethodNotAllowed
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.server.head import Head

#: Renders an error for the request it belongs to; None: not even the head could be read.
Render: TypeAlias = Callable[[RequestHead | None, GatewayError], ResponseHead]


def render_problem(head: RequestHead | None, error: GatewayError) -> ResponseHead:
    """A short problem+json body (RFC 9457), whatever the request was."""
    del head
    problem = {
        "type": f"urn:sluice:problem:{error.code}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
    }
    headers: list[tuple[bytes, bytes]] = [(b"content-type", b"application/problem+json")]
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", ", ".join(error.allow).encode("ascii")))
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % ceil(error.retry_after)))
    return ResponseHead(error.status, tuple(headers), json.dumps(problem).encode("ascii"))


def final_response(
    rendered: ResponseHead, head: Head | None, defaults: Iterable[tuple[bytes, bytes]]
) -> bytes:
    """The bytes of the last response on a connection; for HEAD without its body."""
    lines = [f"HTTP/1.1 {rendered.status} {HTTPStatus(rendered.status).phrase}\r\n".encode("ascii")]
    lines += [b"%b: %b\r\n" % pair for pair in (*defaults, *rendered.headers)]
    lines.append(b"content-length: %d\r\nconnection: close\r\n\r\n" % len(rendered.body))
    if head is None or head.method != "HEAD":
        lines.append(rendered.body)
    return b"".join(lines)
