"""Heads between ASGI and our own vocabulary."""

from typing import Any

import pytest

from gateway.errors import BadRequest
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.web.channel import AsgiChannel
from gateway.web.exchange import Exchange
from gateway.web.forwarded import TrustedProxies
from gateway.web.heads import request_head, send_head

NOBODY = TrustedProxies([])
SCOPE: dict[str, Any] = {
    "method": "GET",
    "raw_path": b"/b/%41?no",
    "query_string": b"a=%20",
    "headers": [(b"Host", b" h "), (b"X-Two", b"1"), (b"x-two", b"2")],
}


def test_a_head_keeps_the_bytes_of_its_target() -> None:
    head = request_head(SCOPE, NOBODY)

    assert (head.method, head.raw_path, head.raw_query) == ("GET", b"/b/%41", b"a=%20")
    assert head.headers == ((b"host", b"h"), (b"x-two", b"1"), (b"x-two", b"2"))
    assert (head.peer, head.scheme) == (None, "http")


def test_proxies_are_asked_about_scheme_host_and_peer() -> None:
    told = [
        (b"host", b"inner"),
        (b"x-forwarded-for", b"1.2.3.4"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"outer"),
    ]
    head = request_head(
        SCOPE | {"client": ("10.0.0.1", 1), "headers": told}, TrustedProxies(["10.0.0.1"])
    )

    assert (head.peer, head.scheme, head.get(b"host")) == ("1.2.3.4", "https", "outer")


def test_case_58_without_the_raw_path_nothing_is_guessed() -> None:
    with pytest.raises(BadRequest):
        request_head({**SCOPE, "raw_path": None}, NOBODY)


async def receive() -> Any:
    raise AssertionError("nobody asks for the body")


async def test_a_head_that_the_server_refuses_is_no_answer() -> None:
    exchange = Exchange(RequestHead("GET", b"/"))

    async def refuse(message: Any) -> None:
        raise RuntimeError("Invalid response header.")

    with pytest.raises(RuntimeError):
        await send_head(AsgiChannel({}, receive, refuse), exchange, ResponseHead(200, (), b"x"))
    assert (exchange.status, exchange.sent) == (0, 0)


async def test_a_head_is_sent_with_its_body_or_without_an_end() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    whole, begun = Exchange(RequestHead("GET", b"/")), Exchange(RequestHead("GET", b"/"))
    await send_head(
        AsgiChannel({}, receive, send), whole, ResponseHead(404, ((b"a", b"b"),), b"xyz")
    )
    await send_head(AsgiChannel({}, receive, send), begun, ResponseHead(200), more=True)

    assert [message["type"].rpartition(".")[2] for message in sent] == ["start", "body", "start"]
    assert (whole.status, whole.sent) == (404, 3)
    assert (begun.status, begun.sent) == (200, 0)
