"""A state machine over all dialects of one upload at a time: begun in one, continued through any, by gateways that
fail, die and pass it on to each other. The model is small: what was acknowledged, what was sent, whether it is open."""

import asyncio
import json
import random
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.chaos import dialects
from tests.chaos.credential import bearer
from tests.chaos.dialects import DIALECTS, PARALLEL, SERIAL, Subject, Told, told
from tests.chaos.fate import FAULTS, Plan
from tests.chaos.inside import BUCKET, PART, TTL, Inside, inside
from tests.chaos.ledger import Broken, Ledger
from tests.chaos.line import PASSING, Answer, Break, Call
from tests.chaos.stalled import Stalled
from tests.protocol.signatures.wire import KEY_ID, SECRET

T = TypeVar("T")

CREDENTIAL: Final = bearer(BUCKET, KEY_ID, SECRET)
SIZES: Final = (1, 5000, PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 777)
STEPS: Final = (1, 999, 20_000, PART, PART + 5, 2 * PART + 99, 10 * PART)
#: Of the time that uploads live, how much passes at once.
WAITS: Final = (0.2, 0.6)

GATEWAYS = st.integers(0, 1)
SHARES = st.sampled_from((None, None, 0.0, 0.5, 0.99))


class Uploads(RuleBasedStateMachine):
    """One upload after the other."""

    strict = False

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self._folder = tempfile.TemporaryDirectory()
        self._inside = inside(Path(self._folder.name), strict=self.strict)
        self.fleet: Inside = self._inside.__enter__()
        self.do(self.fleet.start())
        self.count = 0
        self.finished: dict[str, str] = {}
        self.live = False
        self.stalled: Stalled | None = None

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Let it happen; what still runs afterwards stands still."""
        return self.loop.run_until_complete(asyncio.wait_for(work, 30))

    # --- beginning ---

    @initialize(dialect=st.sampled_from(DIALECTS), size=st.sampled_from(SIZES), said=st.booleans())
    def first(self, dialect: str, size: int, said: bool) -> None:
        """There is always an upload at the beginning."""
        self._begin(dialect, size, said, 0)

    @precondition(lambda self: not self.live)
    @rule(
        dialect=st.sampled_from(DIALECTS),
        size=st.sampled_from(SIZES),
        said=st.booleans(),
        first=st.sampled_from((0, *STEPS)),
    )
    def begin(self, dialect: str, size: int, said: bool, first: int) -> None:
        """The next one, perhaps with its first bytes."""
        self._begin(dialect, size, said, first)

    def _begin(self, dialect: str, size: int, said: bool, first: int) -> None:
        self.count += 1
        data = random.Random(self.count).randbytes(size)
        self.garbage = bytes(byte ^ 0xFF for byte in data)
        self.dialect = dialect
        said = said or dialect == "range"
        name = f"upload{self.count}"
        self.subject = Subject(BUCKET, name, data, name, CREDENTIAL, told=said)
        self.ledger = Ledger(size)
        self.sent = [False] * 0
        self.reached: list[tuple[int, int]] = []
        self.pieces: list[tuple[int, int]] = []
        self.alive = self.fleet.now
        self.live = True
        self.holes = False
        first = min(first, size - 1)
        if dialect in SERIAL:
            self._start(data[:first])
        else:
            self._send_chunk(0, max(0, size // 3), max(1, size // 2), "")

    def _start(self, body: bytes) -> None:
        self.reached.append((0, len(body)))
        call = dialects.begin(self.dialect, self.subject, body)
        named = (*call.headers, ("Idempotency-Key", self.subject.session))
        answer, _ = self.say(0, self.dialect, replace(call, headers=named))
        self.subject.url = dialects.location(answer)

    # --- speaking ---

    def say(
        self, gateway: int, dialect: str, call: Call, broken: Break | None = None
    ) -> tuple[Answer, Told]:
        """One request, held to what was told before."""
        since = self.ledger.since()
        before = self.fleet.now
        answer = self.do(self.fleet.gateways[gateway].send(call, broken))
        self.do(self.fleet.revive())
        found = told(dialect, self.subject, call, answer)
        self.ledger.hear(since, found)
        self._judge(call, answer)
        if answer.status in range(200, 300) and found.offset != since.floor and call.body:
            self.alive = before  # repeated bytes keep nothing alive
        if self.ledger.done:
            self._is_done()
        return answer, found

    def _judge(self, call: Call, answer: Answer) -> None:
        if answer.status >= 400 and answer.status not in PASSING | {460}:
            digest = answer.status == 400 and b"digest-mismatch" in answer.body
            if not digest:
                raise Broken(f"{call.method} {call.target} {call.headers}: {answer}")
        if b"storage-corrupt" in answer.body or b"StorageCorrupt" in answer.body:
            raise Broken(f"bytes are lost: {answer}")
        if answer.status == 500:
            raise Broken(f"a bug: {answer}")

    def _is_done(self) -> None:
        self.live = False
        self.finished[self.subject.key] = self.subject.sha256
        if self.fleet.sha256(self.subject.key) != self.subject.sha256:
            raise Broken(f"{self.subject.key} is not what was sent")

    def look(self, gateway: int) -> dict[str, Any] | None:
        """The status that disturbs nobody; None where nobody answers."""
        dialect = "json" if self.subject.url is not None else "chunked"
        call = dialects.ask(dialect, self.subject)
        if self.dialect == "range":
            self.say(gateway, "range", dialects.ask("range", self.subject))
            return None
        answer, _ = self.say(gateway, dialect, call)
        document: dict[str, Any] | None = None
        if answer.status == 200:
            document = json.loads(answer.body)
        return document

    def offset(self, gateway: int) -> int | None:
        """Where it ends now, as far as anybody says."""
        asked = "range" if self.dialect == "range" else "json"
        if self.dialect == "chunked" and self.subject.url is None:
            asked = "chunked"
        _, found = self.say(gateway, asked, dialects.ask(asked, self.subject))
        return found.offset

    @invariant()
    def nothing_is_taken_back(self) -> None:
        """Whoever is asked tells of all that was acknowledged, and of nothing that was never sent."""
        if not self.live or (self.dialect in SERIAL and self.subject.url is None):
            return
        for gateway in (0, 1):
            document = self.look(gateway)
            if document is None or not self.live:
                return
            covered = _covered(self.reached)
            if document["received"] > covered:
                raise Broken(f"{document['received']} bytes received of {covered} that were sent")
            run = _run(self.reached)
            if document["offset"] > run:
                raise Broken(f"the offset is {document['offset']}, and {run} bytes were sent")

    # --- bytes ---

    def serial(self) -> bool:
        """Whether appends are in order now."""
        return self.live and self.subject.url is not None and not self.holes

    @precondition(serial)
    @rule(
        gateway=GATEWAYS,
        dialect=st.sampled_from(SERIAL),
        step=st.sampled_from(STEPS),
        digest=st.sampled_from(("", "", "right", "wrong")),
        cut=SHARES,
    )
    def append(self, gateway: int, dialect: str, step: int, digest: str, cut: float | None) -> None:
        """Bytes at the offset that is told, through any of the serial dialects."""
        offset = self.offset(gateway)
        if offset is None or not self.live:
            return
        self._append(gateway, dialect, offset, step, digest, cut)

    def _append(
        self, gateway: int, dialect: str, offset: int, step: int, digest: str, cut: float | None
    ) -> None:
        body = self.subject.data[offset : offset + step]
        wrong = digest == "wrong"
        if not wrong:
            self.reached.append((offset, offset + len(body)))
        call = dialects.append(dialect, self.subject, offset, body, *(d for d in (digest,) if d))
        if wrong:
            call = replace(call, body=self.garbage[offset : offset + step])
        broken = None if cut is None else Break(int(len(body) * cut))
        answer, found = self.say(gateway, dialect, call, broken)
        self._overtake()
        if answer.status == 409 and found.offset not in (None, offset, self.subject.length):
            raise Broken(f"{offset} was told, and then {found.offset}")
        if wrong and answer.status < 400 and answer.status:
            raise Broken(f"a body with another digest was taken: {answer}")
        if answer.status < 300 and answer.status and not self.ledger.done:
            if found.offset not in (None, offset + len(body)):
                raise Broken(f"{len(body)} bytes at {offset} were kept up to {found.offset}")
            self.ledger.hear(self.ledger.since(), Told(offset + len(body)))

    @precondition(lambda self: self.live)
    @rule(
        gateway=GATEWAYS,
        start=st.floats(0, 1),
        step=st.sampled_from(STEPS),
        digest=st.sampled_from(("", "", "right", "wrong")),
    )
    def chunk(self, gateway: int, start: float, step: int, digest: str) -> None:
        """Any bytes of an upload, also of one that another dialect has begun, and also once more."""
        if self.dialect in SERIAL and (self.subject.url is None or self.stalled is not None):
            return
        if self.dialect == "range" and self.ledger.done:
            return
        self._send_chunk(gateway, int(start * (self.subject.length - 1)), step, digest)

    def _send_chunk(self, gateway: int, start: int, step: int, digest: str) -> None:
        if step >= PART:  # some of them are whole slices
            start -= start % PART
        body = self.subject.data[start : start + step]
        wrong = digest == "wrong"
        new = not any(a < start + len(body) and start < b for a, b in self.reached)
        if not wrong:
            self.reached.append((start, start + len(body)))
        self.holes = True
        dialect = "range" if self.dialect == "range" else "chunked"
        subject = self._named()
        call = dialects.chunk(dialect, subject, start, body, *(d for d in (digest,) if d))
        if wrong:
            call = replace(call, body=self.garbage[start : start + step])
        answer, _ = self.say(gateway, dialect, call)
        if wrong and 0 < answer.status < 400 and answer.status != 308:
            raise Broken(f"a chunk with another digest was taken: {answer}")
        if answer.status in (201, 202) and dialect == "chunked":
            self.ledger.keep(start, start + len(body))
            if new:
                self.alive = self.fleet.now
                self.pieces.append((start, start + len(body)))
        if self.subject.url is None and dialect == "chunked" and answer.status == 202:
            self.holes = True

    def _named(self) -> Subject:
        """What chunks call it: its client's name, or else its id."""
        if self.dialect in PARALLEL:
            return self.subject
        assert self.subject.url is not None
        return replace(self.subject, session=self.subject.url.split("/")[3].split(".")[0])

    @precondition(lambda self: self.live and self.pieces)
    @rule(gateway=GATEWAYS, which=st.integers(0, 1000))
    def other_bytes(self, gateway: int, which: int) -> None:
        """For a chunk that is there already are refused."""
        start, stop = self.pieces[which % len(self.pieces)]
        call = dialects.chunk("chunked", self._named(), start, self.garbage[start:stop])
        answer, _ = self.say(gateway, "chunked", call)
        if answer.status in (200, 201, 202):
            raise Broken(f"other bytes for {start}-{stop} were taken: {answer}")

    # --- two at once ---

    @precondition(lambda self: self.serial() and self.stalled is None)
    @rule(
        gateway=GATEWAYS,
        dialect=st.sampled_from(SERIAL),
        step=st.sampled_from((20_000, PART + 5, 2 * PART + 99)),
    )
    def stall(self, gateway: int, dialect: str, step: int) -> None:
        """A writer sends half of its bytes, and then nothing more for a while."""
        offset = self.offset(gateway)
        if offset is None or not self.live or offset + 2 > self.subject.length:
            return
        body = self.subject.data[offset : offset + step]
        self.reached.append((offset, offset + len(body)))
        call = dialects.append(dialect, self.subject, offset, body)
        self.stalled = Stalled(self.fleet.gateways[gateway], call, offset)
        self.do(self.stalled.begin(len(body) // 2))

    def _overtake(self) -> None:
        if self.stalled is not None:
            self.stalled.overtaken = True

    @precondition(lambda self: self.stalled is not None)
    @rule()
    def late(self) -> None:
        """The bytes that it still sends: other ones, if somebody else has written meanwhile."""
        stalled, self.stalled = self.stalled, None
        assert stalled is not None
        garbage = self.garbage[stalled.offset :] if stalled.overtaken else None
        since = self.ledger.since()
        answer = self.do(stalled.end(garbage))
        self.do(self.fleet.revive())
        if stalled.overtaken and answer.status in (200, 201, 204):
            raise Broken(f"an overtaken writer was told that its bytes were kept: {answer}")
        if not stalled.overtaken and self.live:
            dialect = "tus" if dict(stalled.call.headers).get("Tus-Resumable") else "rufh-8"
            self.ledger.hear(since, told(dialect, self.subject, stalled.call, answer))
            if self.ledger.done:
                self._is_done()

    @precondition(lambda self: self.serial() and self.stalled is None)
    @rule(gateway=GATEWAYS, dialects=st.tuples(*[st.sampled_from(SERIAL)] * 2))
    def duel(self, gateway: int, dialects: tuple[str, str]) -> None:
        """A writer stalls, somebody asks elsewhere so as to take over, and then the first one's bytes come."""
        self.stall(gateway, dialects[0], 20_000)
        if self.stalled is not None and self.live:
            self.ask(1 - gateway, dialects[1])
        if self.stalled is not None:
            self.late()

    # --- questions ---

    @precondition(lambda self: self.serial())
    @rule(gateway=GATEWAYS, dialect=st.sampled_from(SERIAL))
    def ask(self, gateway: int, dialect: str) -> None:
        """The IETF's protocol takes the upload over by asking."""
        answer, _ = self.say(gateway, dialect, dialects.ask(dialect, self.subject))
        if dialect != "tus" and answer.status == 204:
            self._overtake()

    # --- what goes wrong ---

    @rule(
        gateway=GATEWAYS,
        fault=st.sampled_from(FAULTS),
        call=st.integers(1, 6),
        times=st.sampled_from((1, 3)),
    )
    def fault(self, gateway: int, fault: str, call: int, times: int) -> None:
        """One of the next calls to the store fails, or the process dies there."""
        plan = Plan(dict.fromkeys(range(call, call + times), fault))
        self.fleet.gateways[gateway].fate.plan = plan

    @rule(gateway=GATEWAYS)
    def kill(self, gateway: int) -> None:
        """kill -9, and another one in its place."""
        self.do(self.fleet.kill(gateway))

    @rule(gateway=GATEWAYS)
    def restart(self, gateway: int) -> None:
        """In order: what stalls there keeps what it has."""
        self.do(self._restart(gateway))

    async def _restart(self, gateway: int) -> None:
        await self.fleet.restart(gateway)

    @precondition(lambda self: self.live)
    @rule(share=st.sampled_from(WAITS), gateway=GATEWAYS)
    def time_passes(self, share: float, gateway: int) -> None:
        """And somebody sweeps: what nobody has written to for too long ends, and nothing else."""
        self._wait(share)
        self._sweep(gateway)

    @precondition(serial)
    @rule(gateway=GATEWAYS, dialect=st.sampled_from(SERIAL))
    def slowly(self, gateway: int, dialect: str) -> None:
        """A few bytes now and then keep it alive."""
        for _ in range(3):
            if self.serial():
                self.append(gateway, dialect, 1, "", None)
                self._wait(0.6)
                self._sweep(gateway)

    def _wait(self, share: float) -> None:
        self.fleet.now += TTL * share
        if self.fleet.now >= self.alive + TTL - 200:
            self._expire()

    def _expire(self) -> None:
        self.fleet.now = max(self.fleet.now, self.alive + 2 * TTL)
        self.live = False

    def _sweep(self, gateway: int) -> None:
        with suppress(asyncio.CancelledError):  # it died
            self.do(self.fleet.gateways[gateway].sweep())
        self.do(self.fleet.revive())

    @precondition(lambda self: self.live and self.dialect != "range")
    @rule(gateway=GATEWAYS, dialect=st.sampled_from((*SERIAL, "chunked")))
    def cancel(self, gateway: int, dialect: str) -> None:
        """By its client; in a third of the cases, or nothing would ever be finished."""
        nameless = self.subject.url is None
        if self.count % 3 or (nameless and (dialect, self.dialect) != ("chunked", "chunked")):
            return
        call = dialects.cancel(dialect, self._named() if dialect == "chunked" else self.subject)
        answer = self.do(self.fleet.gateways[gateway].send(call))
        self.do(self.fleet.revive())
        if answer.status not in PASSING | {204, 404, 410}:
            raise Broken(f"it can't be cancelled: {answer}")
        self.live = False

    # --- the end ---

    @precondition(lambda self: self.live)
    @rule(gateway=GATEWAYS)
    def finish(self, gateway: int) -> None:
        """All that is missing."""
        self._finish(gateway)

    def _finish(self, gateway: int) -> None:
        for _ in range(12):
            if self.live:
                self._go_on(gateway)
        if self.live and not self._troubled():
            raise Broken("it does not end")

    @precondition(lambda self: self.live)
    @rule(gateway=GATEWAYS, fault=st.sampled_from(FAULTS), call=st.integers(1, 4))
    def end_badly(self, gateway: int, fault: str, call: int) -> None:
        """All that is missing, and something goes wrong at the end."""
        self.fault(gateway, fault, call, 3)
        self._go_on(gateway)

    def _troubled(self) -> bool:
        return any(process.fate.plan.faults for process in self.fleet.gateways)

    def _go_on(self, gateway: int) -> None:
        """What a client does next."""
        if self.dialect in SERIAL and self.subject.url is None:
            self._start(b"")
        elif self.dialect in SERIAL and not self.holes:
            offset = self.offset(gateway)
            if self.live and offset is not None:
                self._append(gateway, self.dialect, offset, self.subject.length, "", None)
        else:
            self._fill(gateway)

    def _fill(self, gateway: int) -> None:
        dialect = "range" if self.dialect == "range" else "chunked"
        answer, found = self.say(gateway, dialect, dialects.ask(dialect, self._named()))
        if answer.status == 404:  # it never began
            self._send_chunk(gateway, 0, self.subject.length, "")
        if not self.live or answer.status in PASSING:
            return
        length = self.subject.length
        missing = found.missing
        if dialect == "range":
            missing = ((found.offset or 0, length),) if (found.offset or 0) < length else ()
        for start, stop in missing or ((length - 1, length),):
            if self.live:
                self.reached.append((start, stop))
                body = self.subject.data[start:stop]
                self.say(gateway, dialect, dialects.chunk(dialect, self._named(), start, body))

    def teardown(self) -> None:
        """Whatever happened: it can be finished, and then nothing is left but objects."""
        try:
            self._end()
        finally:
            self.do(self.fleet.end())
            self._inside.__exit__(None, None, None)
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()
            self._folder.cleanup()

    def _end(self) -> None:
        if self.stalled is not None:
            self.do(self.stalled.end(None))
            self.stalled = None
        for process in self.fleet.gateways:
            process.fate.plan = Plan()
        if self.live:
            self._finish(1)
        for _ in range(2):
            self.fleet.now += 2 * TTL
            for number in (0, 1):
                self._sweep(number)
        for key, digest in self.finished.items():
            if self.fleet.sha256(key) != digest:
                raise Broken(f"{key} is not what was sent")
        stray = self.fleet.names() - set(self.finished)
        left = self.do(self.fleet.sessions.intents())
        if any("." in key for key in stray) or self.fleet.store.unfinished or left:
            raise Broken(f"something is left: {stray} {self.fleet.store.unfinished} {left}")


def _covered(spans: list[tuple[int, int]]) -> int:
    """How many bytes are in at least one of the spans."""
    end = total = 0
    for start, stop in sorted(spans):
        total += max(0, stop - max(start, end))
        end = max(end, stop)
    return total


def _run(spans: list[tuple[int, int]]) -> int:
    """Where the unbroken run from 0 ends."""
    end = 0
    for start, stop in sorted(spans):
        if start > end:
            break
        end = max(end, stop)
    return end
