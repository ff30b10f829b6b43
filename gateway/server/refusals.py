"""Answers that the front gives by itself, before the application saw the request."""

import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeAlias

from gateway.errors import GatewayError
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.protocol.problems import render_problem
from gateway.server.head import Head

#: Renders an error for the request it belongs to; None: not even the head could be read.
Render: TypeAlias = Callable[[RequestHead | None, GatewayError], ResponseHead]


def render_refusal(head: RequestHead | None, error: GatewayError) -> ResponseHead:
    """A problem+json body, whatever the request was; applications may bring a renderer of theirs."""
    return render_problem(head or RequestHead("GET", b"/"), error, secrets.token_hex(8))


def final_response(rendered: ResponseHead, head: Head | None, defaults: bytes) -> bytes:
    """The bytes of the last response on a connection; for HEAD without its body. ``defaults``: lines of every one."""
    lines = [f"HTTP/1.1 {rendered.status} {HTTPStatus(rendered.status).phrase}\r\n".encode("ascii")]
    lines.append(defaults)
    lines += [b"%b: %b\r\n" % pair for pair in with_length(rendered)]
    lines.append(b"connection: close\r\n\r\n")
    if head is None or head.method != "HEAD":
        lines.append(rendered.body)
    return b"".join(lines)


def with_length(rendered: ResponseHead) -> list[tuple[bytes, bytes]]:
    """The response's headers, with a Content-Length in any case."""
    headers = list(rendered.headers)
    if not any(name.lower() == b"content-length" for name, _ in headers):
        headers.append((b"content-length", b"%d" % len(rendered.body)))
    return headers
