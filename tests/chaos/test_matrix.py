"""One fault at every call to the store of an upload of ten parts, by one to three writers, in every dialect: the stored
bytes are the source's, no offset goes back, nothing is left."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chaos.client import Client, Move
from tests.chaos.credential import bearer
from tests.chaos.dialects import DIALECTS, Subject
from tests.chaos.inside import BUCKET, FAULTS, PART, TTL, Inside, inside
from tests.chaos.line import Answer, Break, Call
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


async def every_call(fleet: Inside, dialect: str, writers: int, fault: str, times: int) -> int:
    """The fault at the first call, the second, ..., as long as there is one. Answers how many there were."""
    at, cases = 0, 0
    reached = True
    while reached:
        at += 1
        reached = False
        for number in range(min(writers, 2)):
            fate = fleet.gateways[number].fate
            fate.calls, fate.faults = 0, dict.fromkeys(range(at, at + times), fault)
            await uploaded(fleet, dialect, writers, f"{times}-{at}-{number}")
            reached |= at not in fate.faults
            cases += at not in fate.faults
            fate.faults = {}
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


@pytest.mark.parametrize("dialect", ["tus", "rufh-8", "chunked"])
async def test_a_gateway_that_dies_at_any_call_costs_nothing(fleet: Inside, dialect: str) -> None:
    assert await every_call(fleet, dialect, 1, "kill after", 1) > 10
    await nothing_is_left(fleet)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("writers", [1, 2, 3])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_fault_at_any_call_costs_nothing(
    fleet: Inside, dialect: str, writers: int, fault: str
) -> None:
    for times in TIMES if "kill" not in fault else (1,):
        assert await every_call(fleet, dialect, writers, fault, times) > 5
    await nothing_is_left(fleet)
