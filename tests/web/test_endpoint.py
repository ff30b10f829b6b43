"""The shell: one order for every request, and what happens when something goes wrong in it."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.drain import Drain
from gateway.errors import GatewayError, StorageCorrupt, StorageUnavailable
from gateway.model import ObjectInfo, ObjectKey, Opened, Source
from gateway.protocol.dialects.plain import PlainDialect
from gateway.storage.memory import MemoryStore
from gateway.transfer.downloads import Downloads
from gateway.web.carry import AT_ONCE
from gateway.web.log import flush
from tests.protocol.signatures.wire import botocore_presigned
from tests.web import lab

ORIGIN = "https://app.example.org"
CORS = {"origins": [ORIGIN]}


class Broken:
    """A source that gives its first bytes and then fails for good."""

    def __init__(self, source: Source, error: Exception) -> None:
        self.source, self.error, self.given = source, error, False

    @property
    def length(self) -> int | None:
        return self.source.length

    async def read_into(self, view: memoryview, /) -> int:
        if self.given:
            raise self.error
        self.given = True
        return await self.source.read_into(view[:5])

    async def aclose(self) -> None:
        await self.source.aclose()


class Store(MemoryStore):
    """A store in memory that fails on order."""

    def __init__(self) -> None:
        super().__init__("main")
        self.asked: list[str] = []
        self.head_error: Exception | None = None
        self.read_error: Exception | None = None

    async def head(self, key: ObjectKey) -> ObjectInfo:
        self.asked.append("head")
        if self.head_error is not None:
            raise self.head_error
        return await super().head(key)

    async def get(self, key: ObjectKey, **more: Any) -> Opened:
        self.asked.append("get")
        opened = await super().get(key, **more)
        if self.read_error is None:
            return opened
        return Opened(opened.info, opened.range, Broken(opened.source, self.read_error))

    async def put(self, *args: Any, **more: Any) -> Any:
        self.asked.append("put")
        return await super().put(*args, **more)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store()
    monkeypatch.setattr("gateway.runtime.open_store", lambda name, section: made)
    return made


@pytest.fixture
async def client(tmp_path: Path, store: Store) -> AsyncIterator[lab.Client]:
    async with lab.gateway(tmp_path, cors=CORS, retry={"attempts": 1}) as running:
        await running.signed("PUT", "/public/a.txt", b"hello world", now=time.time())
        store.asked.clear()
        flush()
        yield running


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    flush()
    return lab.lines(capsys.readouterr().out)


# --- the order ---


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "BREW"])
@pytest.mark.parametrize(
    "target", ["/photos/a", "/photos", "/", "/photos?uploads", "/photos/a?acl"]
)
async def test_nothing_is_reached_without_a_credential(
    client: lab.Client, store: Store, method: str, target: str
) -> None:
    body: Any = [{"type": "http.request", "body": b"x", "more_body": True}]
    answer = await client.send(method, target, body if method == "PUT" else b"")

    assert answer.status == 401
    assert store.asked == []


async def test_a_policy_is_asked_before_the_store(client: lab.Client, store: Store) -> None:
    answer = await client.send("PUT", "/public/b", b"x")

    assert (answer.status, answer.code) == (403, "forbidden")
    assert store.asked == []


async def test_a_request_that_cannot_be_parsed_is_refused_only_with_a_credential(
    client: lab.Client,
) -> None:
    bad = [("content-range", "bytes 0-1/2")]
    without = await client.send("PUT", "/photos/a", b"x", bad)
    signed = await client.signed("PUT", "/photos/a", b"x", bad, now=time.time())

    assert (without.status, signed.status) == (401, 400)


@pytest.mark.parametrize(
    ("method", "target", "lines"),
    [
        ("POST", "/-/uploads/photos/b", [("tus-resumable", "1.0.0"), ("upload-length", "1")]),
        ("PUT", "/photos/b", [("upload-complete", "?0")]),
        ("PUT", "/photos/b", [("content-range", "bytes 0-0/2")]),
    ],
)
async def test_an_upload_in_pieces_needs_a_credential_too(
    client: lab.Client, store: Store, method: str, target: str, lines: list[tuple[str, str]]
) -> None:
    body = b"" if method == "POST" else b"x"
    without = await client.send(method, target, body, lines)

    assert without.status == 401
    headers = dict(without.headers)
    assert headers["www-authenticate"].startswith("Bearer")
    assert ("tus-resumable" in headers) == (method == "POST")
    assert store.asked == []


async def test_a_server_without_raw_paths_is_refused(client: lab.Client) -> None:
    scope = client.scope("GET", "/public/a.txt")
    del scope["raw_path"]
    answer = await client.send("GET", "", scope=scope)

    assert (answer.status, answer.code) == (400, "bad-request")


async def test_case_90_who_may_not_list_does_not_learn_what_is_missing(client: lab.Client) -> None:
    hidden = await client.send("GET", "/public/none")
    condition = await client.send("GET", "/public/none", headers=[("if-match", '"x"')])
    head = await client.send("HEAD", "/public/none")
    shown = await client.signed("GET", "/public/none", now=time.time())

    assert (hidden.status, hidden.code) == (403, "forbidden")
    assert (condition.status, head.status, head.body) == (403, 403, b"")
    assert (shown.status, shown.code) == (404, "NoSuchKey")


# --- bugs and breaks ---


async def test_a_bug_is_a_500_without_detail_and_one_traceback(
    client: lab.Client, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.head_error = ZeroDivisionError("what nobody should read")
    answer = await client.send("HEAD", "/public/a.txt")
    read = await client.send("GET", "/public/a.txt", headers=[("if-match", "*")])
    lines = told(capsys)

    assert (answer.status, answer.body) == (500, b"")
    assert (read.status, read.code) == (500, "internal-error")
    assert b"nobody" not in read.body
    bugs = [line for line in lines if line["event"] == "bug"]
    requests = [line for line in lines if line["event"] == "request"]
    assert [bug["request_id"] for bug in bugs] == [line["request_id"] for line in requests]
    assert [line["error"] for line in requests] == ["internal-error"] * 2


async def test_what_a_dialect_cannot_render_is_a_500(
    client: lab.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> Any:
        raise LookupError("a bug")

    monkeypatch.setattr(PlainDialect, "render", broken)

    assert (await client.send("GET", "/public/a.txt")).status == 500


@pytest.mark.parametrize("error", [StorageCorrupt("other bytes"), ZeroDivisionError("a bug")])
async def test_a_failure_after_the_head_breaks_the_answer_and_is_told(
    client: lab.Client, store: Store, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    large = "/public/large.bin"  # a small body leaves only when all of it is there
    await client.signed("PUT", large, bytes(AT_ONCE + 1), now=time.time())
    told(capsys)
    store.read_error = error
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    # The server cuts the connection at a GatewayError, quietly.
    with pytest.raises(GatewayError):
        await client.app(client.scope("GET", large), receive, send)
    lines = told(capsys)

    assert [message.get("more_body") for message in sent] == [None, True]
    assert sent[1]["body"] == bytes(5)
    code = error.code if isinstance(error, GatewayError) else "internal-error"
    assert [line["event"] for line in lines].count("bug") == (code == "internal-error")
    assert lines[-1] | {"status": 200, "sent": 5, "error": code} == lines[-1]


async def test_a_failure_in_a_small_body_is_an_answer_of_its_own(
    client: lab.Client, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.read_error = StorageCorrupt("other bytes")
    answer = await client.send("GET", "/public/a.txt")

    assert answer.status == 502
    assert b"hello" not in answer.body
    assert told(capsys)[-1]["error"] == "storage-corrupt"


async def test_a_client_that_leaves_is_answered_by_nobody(
    client: lab.Client, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    gone: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    ]
    answer = await client.send(
        "PUT", "/photos/a?" + await presigned("PUT", "/photos/a"), gone, [("content-length", "9")]
    )

    assert answer.status == 0
    assert "put" not in store.asked
    assert told(capsys)[-1] | {"status": 499, "error": "client-gone", "received": 4}


async def presigned(method: str, path: str) -> str:
    wire = botocore_presigned(method, path.encode(), now=time.time())
    return wire.query.decode()


async def test_a_request_that_is_cut_off_is_told(
    client: lab.Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reached = asyncio.Event()

    async def hang(self: Any, command: Any, principal: str) -> Any:
        reached.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(Downloads, "open", hang)
    task = asyncio.create_task(client.send("GET", "/public/a.txt"))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert told(capsys)[-1]["error"] == "cut-off"


async def test_a_store_that_is_away_is_a_503_with_a_time(client: lab.Client, store: Store) -> None:
    store.head_error = StorageUnavailable("away", retry_after=7)
    plain = await client.send("GET", "/public/a.txt", headers=[("if-match", "*")])
    s3 = await client.signed("HEAD", "/public/a.txt", now=time.time())

    assert (plain.status, plain.get("retry-after"), plain.code) == (503, "7", "storage-unavailable")
    assert (s3.status, s3.get("retry-after")) == (503, "7")


# --- draining ---


async def test_who_drains_refuses_in_the_dialects_form(tmp_path: Path, store: Store) -> None:
    drain = Drain()
    async with lab.gateway(tmp_path, drain) as client:
        drain.begin()
        plain = await client.send("PUT", "/photos/a", b"x")
        s3 = await client.signed("PUT", "/photos/a", b"x", now=time.time())

    assert (plain.status, plain.code, s3.status, s3.code) == (503, "draining", 503, "SlowDown")
    for answer in (plain, s3):
        assert (answer.get("retry-after"), answer.get("connection")) == ("1", "close")
    assert store.asked == []


# --- browsers ---


async def test_options_asks_for_no_credential_and_tells_what_exists(client: lab.Client) -> None:
    answer = await client.send("OPTIONS", "/photos/secret")

    assert (answer.status, answer.body) == (204, b"")
    assert answer.get("allow") == "GET, HEAD, PUT, POST, DELETE, OPTIONS"
    assert answer.get("access-control-allow-origin") is None


async def test_case_87_a_preflight_is_answered_for_listed_origins_only(client: lab.Client) -> None:
    def asked(origin: str) -> list[tuple[str, str]]:
        return [
            ("origin", origin),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "content-type, x-amz-date"),
        ]

    ours = await client.send("OPTIONS", "/photos/a", headers=asked(ORIGIN))
    theirs = await client.send("OPTIONS", "/photos/a", headers=asked("https://evil.example"))

    assert ours.get("access-control-allow-origin") == ORIGIN
    assert "PUT" in (ours.get("access-control-allow-methods") or "")
    assert ours.get("access-control-allow-headers") == "content-type, x-amz-date"
    assert theirs.get("access-control-allow-origin") is None
    for answer in (ours, theirs):
        assert "Origin" in (answer.get("vary") or "")
        assert answer.get("access-control-allow-credentials") is None


@pytest.mark.parametrize("target", ["/public/a.txt", "/public/none", "/photos/a", "/%ff", "//"])
async def test_case_87_errors_carry_cors_headers_too(client: lab.Client, target: str) -> None:
    answer = await client.send("GET", target, headers=[("origin", ORIGIN)])
    other = await client.send("GET", target, headers=[("origin", "https://evil.example")])

    assert answer.get("access-control-allow-origin") == ORIGIN
    assert other.get("access-control-allow-origin") is None
    assert answer.get("vary") == other.get("vary") == "Origin"


async def test_case_28_a_wrong_checksum_is_told_to_the_page_that_sent_it(
    client: lab.Client,
) -> None:
    headers = [("x-amz-checksum-crc32", "AAAAAA=="), ("origin", ORIGIN)]
    wire = botocore_presigned("PUT", b"/photos/a", b"", headers[:1], now=time.time())
    answer = await client.send("PUT", f"/photos/a?{wire.query.decode()}", b"body", headers)

    assert (answer.status, answer.code) == (400, "BadDigest")
    assert answer.get("access-control-allow-origin") == ORIGIN
    assert b"requestChecksumCalculation" in answer.body
