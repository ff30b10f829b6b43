"""Clients of one upload: they send, break off, ask and go on, and hold every answer to what they were told before."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tests.chaos.dialects import SERIAL, Subject, Told, append, ask, begin, chunk, location, told
from tests.chaos.ledger import Broken, Ledger
from tests.chaos.line import NO_ANSWER, PASSING, Answer, Break, Call, Line

#: How long a client waits after a refusal that passes, in seconds, and how often it tries.
PAUSE: Final = 0.01
TRIES: Final = 400


@dataclass(frozen=True)
class Move:
    """One request: ``size`` bytes through gateway ``gateway``. ``asks``: the dialect in which the offset is asked for
    before ("": it is remembered); ``digest``: "", "right" or "wrong"; ``cut``: the share of the body after which the
    client breaks off (None: it does not), after a silence of so many seconds."""

    size: int
    gateway: int = 0
    asks: str = ""
    digest: str = ""
    cut: float | None = None
    silence: float = 0.0

    def broken(self, body: bytes) -> Break | None:
        """How this request ends."""
        return None if self.cut is None else Break(int(len(body) * self.cut), self.silence)


@dataclass
class Client:
    """All clients of one upload: they share what they know. ``line`` gives the way to a gateway by its number."""

    subject: Subject
    dialect: str
    line: Callable[[int], Line]
    pause: float = PAUSE
    ledger: Ledger = field(init=False)
    refused: int = 0
    #: Whether a request from byte 0 without a name may still be on its way. One that arrives after the end begins
    #: another upload, and whoever asks afterwards is told of that one.
    stray: bool = False

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.subject.length)

    async def say(
        self, gateway: int, dialect: str, call: Call, broken: Break | None = None, digest: str = ""
    ) -> tuple[Answer, Told]:
        """One request, its answer, and what it tells. ``digest`` as in :class:`Move`.

        Raises:
            Broken: it contradicts what was told before, or refuses what may not be refused.
        """
        since = self.ledger.since()
        answer = await self.line(gateway).send(call, broken)
        found = told(dialect, self.subject, call, answer)
        if self.stray and self.ledger.done and not found.done:
            found = Told()
        if self.subject.url is None and dialect in SERIAL:
            self.subject.url = location(answer)
        self.ledger.hear(since, found)
        mismatch = answer.status == 460 or b"digest-mismatch" in answer.body
        if digest == "wrong" and 0 < answer.status < 400 and answer.status != 308:
            raise Broken(f"a body with another digest was taken: {answer}")
        unknown = answer.status == 404 and not since.floor and not since.kept and not since.done
        passes = answer.status in PASSING or unknown or (mismatch and digest == "wrong")
        if answer.status >= 400 and not passes:
            raise Broken(f"{call.method} {call.target} {call.headers[:4]}: {answer}")
        if passes:
            self.refused += 1
            await asyncio.sleep(self.pause)
        return answer, found

    async def run(
        self, writers: Sequence[Sequence[Move]], chunks: Sequence[tuple[int, int]]
    ) -> None:
        """Upload it with these writers; in parallel dialects in these chunks.

        Raises:
            Broken: a promise was broken, or it does not end.
        """
        if self.dialect in SERIAL:
            tasks = [self._serial(moves, number) for number, moves in enumerate(writers)]
        else:
            todo = list(chunks)
            tasks = [self._parallel(moves, todo, number) for number, moves in enumerate(writers)]
        await asyncio.gather(*tasks)
        if not self.ledger.done:
            raise Broken(f"it does not end: {self.ledger}")

    # --- in order ---

    async def _serial(self, moves: Sequence[Move], number: int) -> None:
        at = 0
        for tries in range(TRIES):
            if self.ledger.done:
                return
            move = moves[tries % len(moves)]
            if self.subject.url is None:
                if number:  # the others wait for the first
                    await asyncio.sleep(self.pause)
                    continue
                found = await self._begin(move)
            elif move.asks or at < self.ledger.floor:
                found = await self.ask(move)
            else:
                found = await self._append(move, at)
            at = self.ledger.floor if found.offset is None else found.offset

    async def _begin(self, move: Move) -> Told:
        body = self.subject.data[: move.size] if move.digest != "wrong" else b""
        whole = len(body) == self.subject.length
        call = begin(self.dialect, self.subject, b"" if whole and body else body)
        named = ("Idempotency-Key", self.subject.session)
        call = replace(call, headers=(*call.headers, named))
        _, found = await self.say(move.gateway, self.dialect, call, move.broken(call.body))
        return found

    async def _append(self, move: Move, at: int) -> Told:
        body = self.subject.data[at : at + move.size]
        digest = move.digest if body else ""
        call = append(self.dialect, self.subject, at, body, *([digest] if digest else []))
        _, found = await self.say(move.gateway, self.dialect, call, move.broken(body), digest)
        return found

    async def ask(self, move: Move) -> Told:
        """How far it is, and go on from there."""
        dialect = move.asks or self.dialect
        if dialect != "range" and dialect != "chunked" and self.subject.url is None:
            dialect = self.dialect
        _, found = await self.say(move.gateway, dialect, ask(dialect, self.subject))
        if found.offset is None or self.ledger.done or not move.asks:
            return found
        return await self._append(move, found.offset)

    # --- in any order ---

    async def _parallel(
        self, moves: Sequence[Move], todo: list[tuple[int, int]], number: int
    ) -> None:
        for tries in range(TRIES):
            if self.ledger.done:
                return
            move = moves[tries % len(moves)]
            # The bytes from 0 begin a new upload where it has no name and is finished: only one sends them.
            if todo and (todo[0][0] or not number or self.dialect != "range"):
                await self._chunk(move, todo, todo.pop(0))
            else:
                await self._missing(move, todo, number)

    async def _chunk(self, move: Move, todo: list[tuple[int, int]], span: tuple[int, int]) -> None:
        start, stop = span
        body = self.subject.data[start:stop]
        digests = (move.digest,) if move.digest else ()
        call = chunk(self.dialect, self.subject, start, body, *digests)
        answer, _ = await self.say(move.gateway, self.dialect, call, move.broken(body), move.digest)
        unheard = answer.status == NO_ANSWER
        self.stray |= self.dialect == "range" and start == 0 and unheard
        if answer.status in (200, 201, 202) and self.dialect == "chunked":
            self.ledger.keep(start, stop)
        elif answer.status not in (200, 201, 308):
            todo.append(span)

    async def _missing(self, move: Move, todo: list[tuple[int, int]], number: int) -> None:
        """Ask what is missing and send it. Where nothing is, whoever was to finish has died: the last bytes again."""
        answer, found = await self.say(move.gateway, self.dialect, ask(self.dialect, self.subject))
        if self.ledger.done or answer.status in PASSING:
            return
        length = self.subject.length
        missing = ((0, length),) if answer.status == 404 else found.missing
        if self.dialect == "range":
            offset = found.offset or 0
            missing = ((offset, length),) if offset < length else ()
        if number and missing and missing[0][0] == 0:
            await asyncio.sleep(self.pause)  # who begins is the first writer's business
            return
        for start, stop in missing or ((max(0, length - move.size), length),):
            todo.append((start, min(stop, start + move.size)))
