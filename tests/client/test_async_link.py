"""Requests in asyncio."""

import asyncio
from pathlib import Path

import httpx
import pytest

from gateway.client.async_link import AsyncLink
from gateway.client.link import Link
from gateway.client.uploading.steps import Answer, Broken, Request
from gateway.client.wire import MAX_ANSWER
from gateway.protocol.signatures.sigv4 import EMPTY_SHA256
from tests.client.origin import Handler, Origin, Stored, dropped

GET = Request(method="GET", path=b"/b/k", payload=EMPTY_SHA256)


def exchange(origin: Origin, request: Request = GET) -> Answer | Broken:
    """The same from both links."""

    async def ask() -> Answer | Broken:
        link = AsyncLink(origin.account, timeout=httpx.Timeout(2))
        try:
            return await link.exchange(request, None, lambda span, count: None)
        finally:
            await link.close()

    faults = list(origin.faults)
    found = asyncio.run(ask())
    origin.faults = faults
    link = Link(origin.account, timeout=httpx.Timeout(2))
    other = link.exchange(request, None, lambda span, count: None)
    link.close()
    assert type(found) is type(other)
    if isinstance(found, Answer) and isinstance(other, Answer):
        assert (found.status, found.body, found.sha256) == (
            other.status,
            other.body,
            other.sha256,
        )
    return found


def test_an_answer_is_read_whole_or_hashed(origin: Origin) -> None:
    origin.objects["b/k"] = Stored(b"abc")
    found = exchange(origin)
    assert isinstance(found, Answer)
    assert (found.status, found.body, found.headers["content-length"]) == (200, b"abc", "3")


def test_an_endless_answer_is_not_read_to_its_end(origin: Origin) -> None:
    origin.objects["b/k"] = Stored(bytes(3 * MAX_ANSWER))
    found = exchange(origin)
    assert isinstance(found, Answer)
    assert len(found.body) == MAX_ANSWER


def test_a_connection_that_ends_is_told_as_an_event(origin: Origin) -> None:
    origin.faults = [dropped]
    found = exchange(origin)
    assert isinstance(found, Broken)
    assert str(found.error).startswith(origin.endpoint)


def test_a_redirect_is_an_answer_and_not_followed(origin: Origin) -> None:
    def moved(handler: Handler) -> bool:
        handler.refuse(307, "TemporaryRedirect", "Go there.", Location="http://example.org/")
        return True

    origin.faults = [moved]
    found = exchange(origin)
    assert isinstance(found, Answer)
    assert found.status == 307


def test_a_second_credential_is_never_picked_up_from_netrc(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    exchange(origin)
    for _, _, headers in origin.requests:
        assert headers["authorization"].startswith("AWS4-HMAC-SHA256")
