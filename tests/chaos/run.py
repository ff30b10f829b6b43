"""One run: an upload after its plan, through a fleet that fails; afterwards the object is what was sent."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from tests.chaos import dialects
from tests.chaos.client import TRIES, Client
from tests.chaos.dialects import (
    JOINED,
    SERIAL,
    WHOLE,
    Subject,
    ask,
    begin,
    cancel,
    chunk,
    join,
    whole,
)
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
            if plan.dialect in WHOLE:
                await _whole(client, plan)
            elif plan.dialect == JOINED:
                await _joined(client, plan)
            elif plan.end == "finished":
                await client.run(plan.writers, plan.chunks)
                await _same_everywhere(client, len(ports))
            else:
                await _unfinished(client, plan)
        await _stored(fleet, subject, plan)
    except (Broken, TimeoutError) as error:
        failure = f"{type(error).__name__}: {error}"
    met = tuple(fleet.lanes[lane].met)
    return Outcome(plan, time.monotonic() - began, client.refused, failure, met)


async def _whole(client: Client, plan: Plan) -> None:
    """One request, again and again until it is answered that the object is there."""
    for tries in range(TRIES):
        move = plan.writers[0][tries % len(plan.writers[0])]
        call = whole(plan.dialect, client.subject)
        answer, _ = await client.say(move.gateway, plan.dialect, call, move.broken(call.body))
        if answer.status in (200, 201, 204):
            return
    raise Broken("it does not end")


async def _joined(client: Client, plan: Plan) -> None:
    """Two partial uploads at a time, and then what they make together."""
    subject, halves = client.subject, []
    for number, data in enumerate(_cut(subject.data)):
        name = f"{subject.session}-{number}"
        half = Subject(subject.bucket, subject.key, data, name, subject.credential, partial=True)
        halves.append(Client(half, "tus", client.line, PAUSE))
    await asyncio.gather(*(half.run(plan.writers[:1], ()) for half in halves))
    call = join(subject, [str(half.subject.url) for half in halves])
    for tries in range(TRIES):
        move = plan.writers[0][tries % len(plan.writers[0])]
        answer, _ = await client.say(move.gateway, "tus", call)
        if answer.status == 201:
            return
    raise Broken("its parts can't be joined")


def _cut(data: bytes) -> tuple[bytes, bytes]:
    return data[: len(data) // 3], data[len(data) // 3 :]


async def _same_everywhere(client: Client, gateways: int) -> None:
    """All gateways say that it is finished, in another dialect as well."""
    spoken = "json" if client.subject.url is not None else client.dialect
    for number in range(gateways):
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
