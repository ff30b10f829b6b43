"""One run: an upload after its plan, through a fleet that fails; afterwards the object is what was sent."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from tests.chaos import dialects
from tests.chaos.client import Client
from tests.chaos.dialects import SERIAL, Subject, ask, begin, cancel, chunk
from tests.chaos.ledger import Broken
from tests.chaos.line import PASSING
from tests.chaos.outside import Outside
from tests.chaos.plan import Plan
from tests.chaos.source import content
from tests.chaos.wire import Wire

#: How long one run may take, in seconds: a lease of a killed gateway lasts thirty.
LIMIT: Final = 150.0
#: Between two requests of a client that was refused, in seconds.
PAUSE: Final = 0.1


@dataclass(frozen=True)
class Outcome:
    """How a run ended: ``failure`` None where every promise was kept. ``kept``: whether its object is to be there."""

    plan: Plan
    seconds: float
    refused: int
    failure: str | None
    met: tuple[str, ...]


async def run(
    fleet: Outside, lane: str, plan: Plan, seed: int, credential: dialects.Headers
) -> Outcome:
    """Carry out a plan in a lane that nobody else uses."""
    data = content(plan.length, f"{seed}/{plan.number}")
    key = f"run{plan.number:05}.bin"
    subject = Subject(lane, key, data, f"session-{seed}-{plan.number}", credential, plan.told)
    ports = [member.port for member in fleet.members]
    client = Client(subject, plan.dialect, lambda number: Wire(ports[number]), PAUSE)
    fleet.lanes[lane].begin(plan.faults)
    began, failure = time.monotonic(), None
    try:
        async with asyncio.timeout(LIMIT):
            if plan.end == "finished":
                await client.run(plan.writers, plan.chunks)
                await _same_everywhere(client)
            else:
                await _unfinished(client, plan)
        await _stored(fleet, subject, plan)
    except (Broken, TimeoutError) as error:
        failure = f"{type(error).__name__}: {error}"
    met = tuple(fleet.lanes[lane].met)
    return Outcome(plan, time.monotonic() - began, client.refused, failure, met)


async def _same_everywhere(client: Client) -> None:
    """Both gateways say that it is finished, in another dialect as well."""
    spoken = "json" if client.subject.url is not None else client.dialect
    for number in (0, 1):
        for _ in range(200):
            answer, found = await client.say(number, spoken, ask(spoken, client.subject))
            if found.done or client.stray:
                break
            if answer.status not in PASSING:
                raise Broken(f"gateway {number} does not know that it is finished: {answer}")
        else:
            raise Broken(f"gateway {number} does not answer")


async def _unfinished(client: Client, plan: Plan) -> None:
    """Some bytes, and then it is cancelled or forgotten."""
    subject, move = client.subject, plan.writers[0][0]
    part = subject.data[: max(1, subject.length // 2)]
    if subject.length == 1:
        part = b""
    if plan.dialect in SERIAL:
        await client.say(move.gateway, plan.dialect, begin(plan.dialect, subject, part))
    elif part:
        call = chunk(plan.dialect, subject, 0, part)
        await client.say(move.gateway, plan.dialect, call)
    named = subject.url is not None or plan.dialect == "chunked"
    if plan.end != "cancelled" or not named or not (part or plan.dialect in SERIAL):
        return
    for number in range(200):
        answer = await Wire(_port(client, number % 2)).send(cancel(plan.dialect, subject))
        if answer.status in (204, 404, 410):
            return
        if answer.status not in PASSING:
            raise Broken(f"it can't be cancelled: {answer}")
        await asyncio.sleep(PAUSE)


def _port(client: Client, number: int) -> int:
    line = client.line(number)
    assert isinstance(line, Wire)
    return line.port


async def _stored(fleet: Outside, subject: Subject, plan: Plan) -> None:
    """The object in the store is the source, or there is none; it is removed, to keep room."""
    there = f"{subject.bucket}/{subject.key}"
    found = await asyncio.to_thread(fleet.shelf.sha256, there)
    wanted = subject.sha256 if plan.end == "finished" else None
    if found != wanted:
        raise Broken(f"the object has SHA-256 {found}, the source {wanted}")
    if wanted is not None:
        await asyncio.to_thread(
            fleet.shelf.client.delete_object, Bucket=fleet.shelf.bucket, Key=there
        )
