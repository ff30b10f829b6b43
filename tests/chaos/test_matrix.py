"""One fault at every call to the store of an upload of ten parts, by one to three writers, in every dialect: the stored
bytes are the source's, no offset goes back, nothing is left."""

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.client import Client, Move
from tests.chaos.credential import bearer
from tests.chaos.dialects import DIALECTS, Subject
from tests.chaos.fate import FAULTS, Plan
from tests.chaos.inside import BUCKET, PART, TTL, Inside, inside
from tests.chaos.line import PASSING, Answer, Break, Call
from tests.protocol.signatures.wire import KEY_ID, SECRET

DATA = random.Random(10).randbytes(9 * PART + 777)
#: Of a call: how often in a row it fails. Three are all attempts that there are.
TIMES = (1, 3)
CREDENTIAL = bearer(BUCKET, KEY_ID, SECRET)

#: What each writer sends at a time: whole slices and odd bytes; the second one asks as others do.
MOVES = (
    (Move(2 * PART + 99), Move(PART // 3), Move(PART)),
    (Move(PART + 5, 1), Move(3 * PART, 0, "json"), Move(PART // 2, 1)),
    (Move(PART // 2, 1, "json"), Move(4 * PART, 1), Move(PART, 0)),
)


@pytest.fixture(params=[False, True], ids=["any parts", "all parts"])
async def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Inside]:
    with inside(tmp_path, strict=request.param) as made:
        await made.start()
        try:
            yield made
        finally:
            await made.stop()


def spans(writers: int) -> list[tuple[int, int]]:
    """Chunks that cross the bounds of slices, some of them twice."""
    step = PART + 7_000
    found = [(at, min(at + step, len(DATA))) for at in range(0, len(DATA), step)]
    rng = random.Random(writers)
    rest = found[1:]
    rng.shuffle(rest)
    return [found[0], *rest, *rng.sample(rest, 2)]


async def uploaded(fleet: Inside, dialect: str, writers: int, key: str) -> Client:
    """By so many writers. A gateway that dies is replaced."""
    subject = Subject(BUCKET, key, DATA, f"session-{key}", CREDENTIAL)

    client = Client(subject, dialect, lambda number: Reviving(fleet, number), pause=0.001)
    await client.run(MOVES[:writers], spans(writers))
    assert fleet.sha256(key) == subject.sha256
    return client


class Reviving:
    """The way to a gateway, or to the one that takes its place."""

    def __init__(self, fleet: Inside, number: int) -> None:
        self._fleet, self._number = fleet, number

    async def send(self, call: Call, broken: Break | None = None) -> Answer:
        answer = await self._fleet.gateways[self._number].send(call, broken)
        await self._fleet.revive()
        return answer


async def every_call(
    fleet: Inside,
    upload: Callable[[str], Awaitable[object]],
    fault: str,
    times: int,
) -> int:
    """The fault at the first call of an upload under each key, the second, ..., as long as there is one. Answers how
    many calls there were."""
    at, cases, reached = 0, 0, True
    while reached:
        at += 1
        await fleet.revive()
        plan = Plan(dict.fromkeys(range(at, at + times), fault))
        for process in fleet.gateways:  # which of them makes the call differs from run to run
            process.fate.plan = plan
        await upload(f"{times}-{at}")
        reached = at not in plan.faults
        cases += reached
    for process in fleet.gateways:
        process.fate.plan = Plan()
    return cases


async def nothing_is_left(fleet: Inside) -> None:
    await fleet.revive()
    for _ in range(2):
        fleet.now += TTL + 1
        for process in fleet.gateways:
            await process.sweep()
    assert {key for key in fleet.names() if "." in key} == set()
    assert fleet.store.unfinished == 0
    assert await fleet.sessions.intents() == []
    assert fleet.sessions._uploads == {}


@pytest.mark.ci
@pytest.mark.parametrize("dialect", ["tus", "rufh-8", "chunked"])
async def test_a_gateway_that_dies_at_any_call_costs_nothing(fleet: Inside, dialect: str) -> None:
    upload = partial(uploaded, fleet, dialect, 1)
    assert await every_call(fleet, upload, "kill after", 1) > 10
    await nothing_is_left(fleet)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("writers", [1, 2, 3])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_fault_at_any_call_costs_nothing(
    fleet: Inside, dialect: str, writers: int, fault: str
) -> None:
    upload = partial(uploaded, fleet, dialect, writers)
    for times in TIMES if "kill" not in fault else (1,):
        assert await every_call(fleet, upload, fault, times) > 10
    await nothing_is_left(fleet)


async def mounted(fleet: Inside, writers: int, key: str) -> None:
    """By clients of HMAC File Server, which know their chunks by number and are told how many are there."""
    ways = [Reviving(fleet, number) for number in (0, 1)]
    begin = (("X-Filename", key), ("X-Total-Size", str(len(DATA))), *CREDENTIAL)
    begun = await _until(201, ways[0], Call("POST", "/chunked-upload", begin))
    session, size = begun["session_id"], begun["chunk_size"]
    todo = list(range(begun["total_chunks"]))
    random.Random(key).shuffle(todo)
    told = [0]

    async def write(number: int) -> None:
        while todo:
            chunk = todo.pop()
            body = DATA[chunk * size : (chunk + 1) * size]
            named = ("X-Upload-Session-ID", session), ("X-Chunk-Number", str(chunk))
            since = told[-1]
            call = Call("PUT", "/chunked-upload", (*named, *CREDENTIAL), body)
            answer = await _until(200, ways[number % 2], call)
            assert answer["uploaded_bytes"] >= since
            told.append(max(told[-1], answer["uploaded_bytes"]))

    await asyncio.gather(*(write(number) for number in range(writers)))
    status = Call("GET", f"/upload-status?session_id={session}", CREDENTIAL)
    found = await _until(200, ways[1], status)
    if not found["completed"]:  # whoever was to finish it has died: the last one again
        todo.append(begun["total_chunks"] - 1)
        await write(0)
        found = await _until(200, ways[1], status)
    assert (found["completed"], found["uploaded_bytes"]) == (True, len(DATA))
    assert fleet.sha256(key) == hashlib.sha256(DATA).hexdigest()


async def _until(status: int, way: Reviving, call: Call) -> dict[str, Any]:
    """The answer of this status; others have to pass."""
    for _ in range(50):
        answer = await way.send(call)
        if answer.status == status:
            found: dict[str, Any] = json.loads(answer.body)
            return found
        assert answer.status in PASSING, answer
        await asyncio.sleep(0.001)
    raise AssertionError("it does not end")


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("writers", [1, 2, 3])
async def test_a_fault_at_any_call_costs_clients_of_the_mount_nothing(
    fleet: Inside, writers: int, fault: str
) -> None:
    upload = partial(mounted, fleet, writers)
    for times in TIMES if "kill" not in fault else (1,):
        assert await every_call(fleet, upload, fault, times) > 10
    await nothing_is_left(fleet)
