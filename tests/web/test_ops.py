"""What operators ask."""

import asyncio
import json
from typing import Any

import pytest

from gateway import __version__
from gateway.drain import Drain
from gateway.errors import StorageUnavailable
from gateway.web import ops
from gateway.web.metrics import Metrics
from gateway.web.ops import Ops, pages
from tests.web.lab import Client


class Checks:
    """Counts how often it is asked, and fails on order."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None

    async def __call__(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error


class Pages:
    def __init__(self, **more: Any) -> None:
        self.drain, self.checks = Drain(), Checks()
        self.ops = Ops(self.drain, Metrics(1), more.pop("check", self.checks))
        self.client = Client(pages(self.ops.routes(metrics=True)))


async def test_health_is_about_the_process_alone() -> None:
    pages = Pages()
    pages.checks.error = StorageUnavailable("away")
    pages.drain.begin()

    assert (await pages.client.send("GET", "/-/healthz")).status == 200
    assert pages.checks.asked == 0


async def test_ready_is_who_can_reach_everything() -> None:
    assert (await Pages().client.send("GET", "/-/readyz")).body == b"ready\n"


async def test_who_drains_is_not_ready() -> None:
    pages = Pages()
    pages.drain.begin()
    answer = await pages.client.send("GET", "/-/readyz")

    assert (answer.status, answer.get("retry-after")) == (503, "1")
    assert answer.get("content-type") == "application/problem+json"
    assert json.loads(answer.body)["type"] == "/-/errors/draining"


async def test_who_lost_a_store_is_not_ready_until_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ops, "READY_FRESH", 0.0)
    pages = Pages()
    pages.checks.error = StorageUnavailable("It said: secret host 10.1.2.3")
    lost = await pages.client.send("GET", "/-/readyz")
    pages.checks.error = None

    assert json.loads(lost.body)["detail"] == "Not ready: storage-unavailable."
    assert (await pages.client.send("GET", "/-/readyz")).status == 200


async def test_a_store_that_does_not_answer_makes_it_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def silence() -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(ops, "READY_TIMEOUT", 0.01)
    answer = await Pages(check=silence).client.send("GET", "/-/readyz")

    told = json.loads(answer.body)["detail"]
    assert told == "Not ready: the stores or the sessions do not answer."


async def test_many_who_ask_cost_the_stores_one_look() -> None:
    pages = Pages()
    await asyncio.gather(*(pages.client.send("GET", "/-/readyz") for _ in range(20)))

    assert pages.checks.asked == 1


async def test_version_metrics_and_errors_have_their_pages() -> None:
    client = Pages().client
    version = await client.send("GET", "/-/version")
    metrics = await client.send("GET", "/-/metrics")
    error = await client.send("GET", "/-/errors/object-not-found")
    errors = await client.send("GET", "/-/errors/")
    nothing = await client.send("GET", "/-/errors/no-such")

    assert b"\nobject-not-found (HTTP 404)\n" in errors.body
    assert len(set(errors.body.splitlines())) == len(errors.body.splitlines())
    assert __version__.encode() in version.body
    assert b"sluice_memory_budget_bytes 1.0" in metrics.body
    assert b"object-not-found (HTTP 404)" in error.body
    assert b"What to do: " in error.body
    assert nothing.status == 404


async def test_pages_are_read_only() -> None:
    assert (await Pages().client.send("POST", "/-/healthz")).status == 405


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/-/nowhere", 404, "not-found"),
        ("GET", "/-/healthz/", 404, "not-found"),
        ("GET", "/-/errors/no-such", 404, "not-found"),
        ("POST", "/-/healthz", 405, "method-not-allowed"),
        ("DELETE", "/-/metrics", 405, "method-not-allowed"),
    ],
)
async def test_case_93_refusals_are_problems_here_too(
    method: str, path: str, status: int, code: str
) -> None:
    answer = await Pages().client.send(method, path)

    assert (answer.status, answer.get("content-type")) == (status, "application/problem+json")
    problem = json.loads(answer.body)
    assert problem["type"] == f"/-/errors/{code}"
    assert problem["request_id"] == answer.get("x-request-id")
    assert answer.get("allow") == ("GET, HEAD" if status == 405 else None)


async def test_a_refused_head_has_no_body() -> None:
    answer = await Pages().client.send("HEAD", "/-/nowhere")

    assert (answer.status, answer.body) == (404, b"")
