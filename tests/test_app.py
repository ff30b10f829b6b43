"""The composition root: everything together, without a server."""

import asyncio
import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway, make_apps, render_refusal
from gateway.drain import Drain
from gateway.errors import HeadTooLarge, SessionsUnavailable
from gateway.protocol.commands import RequestHead
from gateway.sessions.memory import MemorySessions
from tests.web import lab


async def test_an_object_goes_in_and_comes_out(tmp_path: Path) -> None:
    async with lab.gateway(tmp_path) as client:
        stored = await client.signed("PUT", "/photos/a.txt", b"hello", now=time.time())
        found = await client.signed("GET", "/photos/a.txt", now=time.time())

        assert (stored.status, found.status, found.body) == (200, 200, b"hello")


async def test_paths_of_our_own_are_no_objects(tmp_path: Path) -> None:
    async with lab.gateway(tmp_path) as client:
        assert (await client.send("GET", "/-/healthz")).status == 200
        assert (await client.send("GET", "/-")).status == 404
        assert (await client.send("GET", "/-/nothing")).status == 404
        # Not decoded before it is judged: this is a bucket's name, and a bad one.
        assert (await client.send("GET", "/%2d/healthz")).code == "invalid-bucket-name"


async def test_a_slash_too_many_redirects_nowhere(tmp_path: Path) -> None:
    async with lab.gateway(tmp_path) as client:
        answer = await client.send("GET", "/-/healthz/", headers=[("host", "evil.example")])

        assert (answer.status, answer.get("location")) == (404, None)


async def test_case_95_metrics_may_have_a_listener_of_their_own(tmp_path: Path) -> None:
    server = {"data_dir": tmp_path, "metrics_listen": "127.0.0.1:0"}
    apps = make_apps(lab.settings(tmp_path, server=server), Drain())
    assert apps.metrics is not None
    beside = await lab.Client(apps.metrics).send("GET", "/-/metrics")
    main = await lab.Client(apps.main).send("GET", "/-/metrics")
    other = await lab.Client(apps.metrics).send("GET", "/photos/a")

    assert b"sluice_requests_running" in beside.body
    assert (main.status, other.status) == (404, 404)


async def test_what_keeps_it_from_starting_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Any, owner: str, expires: float) -> None:
        raise SessionsUnavailable("no sessions")

    monkeypatch.setattr(MemorySessions, "beat", broken)
    with pytest.raises(RuntimeError, match="^sessions-unavailable: no sessions$"):
        async with lab.running(Gateway(lab.settings(tmp_path), Drain())):
            raise AssertionError("it started")


async def test_a_start_that_takes_long_says_what_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = MemorySessions.start

    async def slow(self: MemorySessions) -> None:
        await asyncio.sleep(0.05)
        await started(self)

    monkeypatch.setattr(MemorySessions, "start", slow)
    monkeypatch.setattr("gateway.app.PATIENCE", 0.01)
    main = {"kind": "s3", "endpoint_url": "http://user:hidden@127.0.0.1:1"}
    found = lab.settings(tmp_path, storage={"main": main})
    with contextlib.suppress(Exception):
        async with lab.running(Gateway(found, Drain())):
            pass
    (line,) = [line for line in lab.lines(capsys.readouterr().out) if line["event"] == "waiting"]
    assert line["detail"] == (
        "still opening the sessions (memory://) and storage.main (http://127.0.0.1:1)"
    )


async def test_a_heartbeat_outlives_the_next_whatever_the_grace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives: list[float] = []

    async def noted(self: Any, owner: str, expires: float) -> None:
        lives.append(expires - time.time())

    monkeypatch.setattr(MemorySessions, "beat", noted)
    for grace in (1, 60):
        app = Gateway(lab.settings(tmp_path, sweep={"grace": grace}), Drain())
        async with lab.running(app):
            pass
    assert [round(life) for life in lives if life > 0][:: len(lives) // 2 or 1] == [15, 60]


async def test_a_wrong_place_is_told_in_a_line_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for section, complaint in (
        ({"sessions": {"url": "mysql://x"}}, "^sessions.url: there is no store 'mysql'"),
        ({"memory": {"spool": tmp_path / "file"}}, "File exists"),
    ):
        with pytest.raises(RuntimeError, match=complaint):
            async with lab.running(Gateway(lab.settings(tmp_path, **section), Drain())):
                raise AssertionError("it started")


async def test_readiness_tells_of_a_crash_in_the_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def buggy(self: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("gateway.sessions.heartbeat.Heartbeat.run", buggy)
    async with lab.gateway(tmp_path) as client:
        answer = await client.send("GET", "/-/readyz")
        served = await client.signed("PUT", "/photos/a", b"x", now=time.time())

    assert answer.status == 503
    assert json.loads(answer.body)["detail"] == "Not ready: internal-error."
    assert served.status == 200
    bugs = [line for line in lab.lines(capsys.readouterr().out) if line["event"] == "bug"]
    assert [(bug["task"], bug["exception"][0]["exc_type"]) for bug in bugs] == [
        ("heartbeat", "ZeroDivisionError")
    ]


@pytest.mark.parametrize(
    ("head", "type_"),
    [
        (None, b"application/problem+json"),
        (RequestHead("GET", b"/a/b"), b"application/problem+json"),
        (RequestHead("GET", b"/a/b", headers=[(b"x-amz-date", b"")]), b"application/xml"),
        (RequestHead("GET", b"/a/b", b"X-Amz-Signature=1"), b"application/xml"),
        (
            RequestHead("GET", b"/a/b", headers=[(b"authorization", b"AWS4-HMAC-SHA256 x")]),
            b"application/xml",
        ),
    ],
)
def test_what_the_front_refuses_is_worded_as_the_dialect_would(
    head: RequestHead | None, type_: bytes
) -> None:
    answer = render_refusal(head, HeadTooLarge("Too long."))

    assert dict(answer.headers)[b"content-type"] == type_


async def test_a_drain_is_told_so_that_nobody_thinks_it_hangs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drain = Drain()
    async with lab.running(Gateway(lab.settings(tmp_path), drain)):
        drain.begin()
    (line,) = [line for line in lab.lines(capsys.readouterr().out) if line["event"] == "draining"]
    assert line["seconds"] == 30
    assert "a second signal ends at once" in line["detail"]


async def test_an_end_at_once_is_an_end_like_another(tmp_path: Path) -> None:
    said: list[str] = []
    started = asyncio.Event()
    begin = iter([{"type": "lifespan.startup"}])

    async def receive() -> Any:
        return next(begin, None) or await asyncio.Event().wait()

    async def send(message: Any) -> None:
        said.append(message["type"])
        started.set()

    life = asyncio.create_task(
        Gateway(lab.settings(tmp_path), Drain())({"type": "lifespan"}, receive, send)
    )
    await started.wait()
    life.cancel()
    await life
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
