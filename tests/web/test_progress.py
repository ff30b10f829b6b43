"""Following an upload."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.web import progress
from gateway.web.progress import Pace, event, follow
from tests.transfer.resumable.lab import PART, Fleet, content, fleet

DATA = content(4 * PART)


@pytest.fixture
async def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    monkeypatch.setattr(progress, "EVERY", 0.01)
    async with fleet(tmp_path) as made:
        yield made


class Watcher:
    """Somebody who follows, until he leaves."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.messages: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.messages.append(message)

    @property
    def told(self) -> list[tuple[str, dict[str, Any]]]:
        found = []
        for message in self.messages:
            for block in message.get("body", b"").decode().split("\n\n"):
                if block.startswith("event: "):
                    name, data = block.split("\n")
                    found.append((name[7:], json.loads(data[6:])))
        return found

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.told) < count:
                await asyncio.sleep(0.005)


def test_the_pace_follows_what_comes() -> None:
    pace = Pace(0.0, 0)
    assert pace.at(0.0, 0) == 0
    assert pace.at(1.0, 1000) == 1000
    assert 1000 < pace.at(2.0, 3000) < 2000
    assert pace.at(100.0, 3000) < 10


def test_an_event_is_one_block() -> None:
    assert event("progress", {"a": 1}) == b'event: progress\ndata: {"a": 1}\n\n'


async def test_events_come_when_something_changed_and_end_with_the_upload(team: Fleet) -> None:
    gateway, watcher = await team.gateway(), Watcher()
    made = await gateway.create(len(DATA))
    task = asyncio.create_task(
        follow(
            gateway.engine,
            lambda: gateway.engine.find(made.id),
            watcher.receive,
            watcher.send,
            lambda: False,
        )
    )
    await watcher.until(1)
    await asyncio.sleep(0.05)
    assert len(watcher.told) == 1
    await gateway.append(made.id, 0, DATA[: PART + 5])
    async with asyncio.timeout(5):
        while watcher.told[-1][1]["durable"] != PART + 5:
            await asyncio.sleep(0.005)
    middle = watcher.told[-1][1]
    await gateway.append(made.id, PART + 5, DATA[PART + 5 :])
    sent = await asyncio.wait_for(task, 5)
    assert sent == sum(len(message["body"]) for message in watcher.messages)
    (first, begun), *_, (last, done) = watcher.told
    assert (first, begun["durable"], begun["parts"]) == ("progress", 0, 0)
    assert (middle["durable"], middle["parts"], middle["length"]) == (PART + 5, 1, len(DATA))
    assert (last, done["complete"], done["durable"]) == ("done", True, len(DATA))
    assert watcher.messages[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.mark.parametrize("why", ["client", "drain", "cancel", "forgotten"])
async def test_it_ends_when_there_is_nobody_or_nothing_to_follow(team: Fleet, why: str) -> None:
    gateway, watcher = await team.gateway(), Watcher()
    made = await gateway.create(len(DATA))
    draining = False
    task = asyncio.create_task(
        follow(
            gateway.engine,
            lambda: gateway.engine.find(made.id),
            watcher.receive,
            watcher.send,
            lambda: draining,
        )
    )
    await watcher.until(1)
    if why == "client":
        watcher.left.set()
    elif why == "drain":
        draining = True
    elif why == "cancel":
        await gateway.engine.cancel(await gateway.engine.find(made.id))
    else:
        await team.sessions.forget_upload(made.id, 0)
    await asyncio.wait_for(task, 5)
    names = [name for name, _ in watcher.told]
    assert names == (["progress", "gone"] if why in ("cancel", "forgotten") else ["progress"])


async def test_who_waits_long_hears_that_we_are_still_there(
    team: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "ALIVE", 0.02)
    gateway, watcher = await team.gateway(), Watcher()
    made = await gateway.create(len(DATA))
    looking = follow(
        gateway.engine,
        lambda: gateway.engine.find(made.id),
        watcher.receive,
        watcher.send,
        lambda: len(watcher.messages) > 3,
    )
    await asyncio.wait_for(looking, 5)
    assert len(watcher.told) == 1
    assert watcher.messages[1]["body"].startswith(b":")
