"""A fleet in this process: whole gateways that share a store and sessions in memory, spoken to in ASGI. Each can be
made to fail at a call to the store, or to die there: then nothing more that it does reaches the others."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from weakref import WeakSet

import pytest

import gateway.app
from gateway.app import Gateway
from gateway.drain import Drain
from gateway.model import MultipartRef, Part, PartReceipt
from gateway.runtime import Runtime
from gateway.sessions.memory import MemorySessions
from gateway.settings import Settings
from gateway.storage import memory
from gateway.storage.retry import Retrier
from gateway.telemetry import Instrument
from gateway.transfer import exclusive
from gateway.transfer.placement import Placements
from gateway.transfer.resumable import takeover
from gateway.transfer.sweeper import Sweeper
from gateway.units import KiB
from gateway.web.streams import Message
from tests.chaos.fate import Fate, Fated
from tests.chaos.line import NO_ANSWER, Answer, Break, Call
from tests.protocol.signatures.wire import KEY_ID, REGION, SECRET
from tests.transfer.resumable.lab import CountingStore, StrictStore

BUCKET: Final = "photos"
#: Size of parts, and how long uploads live, in seconds.
PART: Final = 64 * KiB
TTL: Final = 3600.0
_PIECE: Final = 32 * KiB


#: Which process a task belongs to.
_PROCESS: ContextVar["Process | None"] = ContextVar("process", default=None)


class Process:
    """One gateway, from its start to its end; a :class:`~tests.chaos.line.Line` to itself."""

    def __init__(self, fleet: "Inside", name: str) -> None:
        self.fate = Fate()
        self.name = name
        self._fleet = fleet
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self.requests: set[asyncio.Task[Any]] = set()
        self._inbox: asyncio.Queue[Any] = asyncio.Queue()
        settings = fleet.settings.model_copy(
            update={
                "memory": fleet.settings.memory.model_copy(
                    update={"spool": fleet.folder / f"spool-{name}"}
                )
            }
        )
        self.drain = Drain()
        self.app = Gateway(settings, self.drain)

    async def start(self) -> None:
        """Until it serves."""
        outbox: asyncio.Queue[Any] = asyncio.Queue()
        self._fleet.opening = self
        lifespan = self.app({"type": "lifespan"}, self._inbox.get, outbox.put)
        self._lifespan = self._own(lifespan)
        await self._inbox.put({"type": "lifespan.startup"})
        message = await outbox.get()
        assert message["type"] == "lifespan.startup.complete", message

    def _own(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run it as this process does: so do all tasks that it starts."""
        before = _PROCESS.set(self)
        try:
            return asyncio.create_task(work)
        finally:
            _PROCESS.reset(before)

    async def stop(self) -> None:
        """In order."""
        self.drain.begin()
        while self.requests:
            await asyncio.wait(self.requests)
        await self._inbox.put({"type": "lifespan.shutdown"})
        await self._lifespan

    async def kill(self) -> None:
        """As kill -9 does: what it still does reaches nobody."""
        self.fate.die()
        while left := [task for task in self.tasks if not task.done()]:
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=0.01)

    def writes(self, upload: str) -> bool:
        """Whether one of its requests has this upload, serially."""
        assert self.app._endpoint is not None
        return self.app._endpoint._door.uploads.engine._takeovers.writer(upload) is not None

    async def sweep(self) -> None:
        """What it does every few minutes."""
        assert self.app._endpoint is not None
        await self.app._endpoint._door.uploads.engine.endings.sweep()
        fleet = self._fleet
        store = Fated(fleet.store, self.fate)
        await Sweeper({"main": store}, fleet.sessions, now=fleet.clock).sweep()

    async def send(self, call: Call, broken: Break | None = None) -> Answer:
        """See Line. ``silence`` of a break is not waited for here."""
        body = call.body if broken is None else call.body[: broken.after]
        coming = messages(body, whole=broken is None)

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            return next(coming)

        return await self.speak(call, receive)

    async def speak(self, call: Call, receive: Callable[[], Awaitable[dict[str, Any]]]) -> Answer:
        """The same, with a body that comes as ``receive`` has it."""
        answer = Answer()
        if self.fate.dead:
            return answer
        path, _, query = call.target.partition("?")
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in call.headers]
        headers += [(b"host", b"127.0.0.1:8080")]
        if call.body or call.method in ("PUT", "POST", "PATCH"):
            headers.append((b"content-length", str(len(call.body)).encode()))
        scope: dict[str, Any] = {
            "type": "http",
            "method": call.method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
            "scheme": "http",
            "client": ("127.0.0.1", 4711),
            "extensions": {"sluice.interim": lambda _, lines: answer.early.append(_named(lines))},
        }

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], _named(message["headers"])
            else:
                answer.body += message.get("body", b"")

        task = self._own(self.app(scope, receive, send))
        self.requests.add(task)
        task.add_done_callback(self.requests.discard)
        died = asyncio.create_task(self.fate.died.wait())
        await asyncio.wait((task, died), return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        if self.fate.dead:
            answer.status = NO_ANSWER
        else:
            task.result()
        return answer


class Hashing(CountingStore):
    """Its parts' ETags are of their bytes, as S3's are: who brings the same again changes nothing."""

    def _keep(self, ref: MultipartRef, part: Part) -> PartReceipt:
        etag = hashlib.md5(b"".join(part.views)).hexdigest()
        receipt = replace(super()._keep(ref, part), etag=etag)
        parts = self._upload(ref).parts
        parts[part.number] = receipt, parts[part.number][1]
        return receipt


class StrictHashing(Hashing, StrictStore):
    """It takes all its parts or none besides."""


class _Sessions(MemorySessions):
    """At a time of their own."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock

    def now(self) -> float:
        """The fleet's."""
        return self._clock()


class Inside:
    """The fleet: ``gateways`` by number, and what they share. ``strict``: a store that takes all parts or none."""

    def __init__(self, folder: Path, *, strict: bool = False) -> None:
        self.folder = folder
        self.store = StrictHashing() if strict else Hashing()
        self.sessions = _Sessions(self.clock)
        self.now = time.time()
        self.gateways: list[Process] = []
        self.opening: Process | None = None
        self._count = 0
        self._reviving = asyncio.Lock()
        self.settings = Settings.model_validate(
            {
                "server": {"data_dir": folder / "data", "region": REGION},
                "storage": {"main": {"kind": "memory"}},
                "buckets": {BUCKET: {"storage": "main"}},
                "compatibility": {"hmac_file_server": BUCKET},
                "keys": {KEY_ID: {"secret": SECRET}},
                "sessions": {"url": "redis://nowhere", "ttl": TTL},
                "memory": {"budget": "32MiB"},
                "transfer": {"part_size": PART},
                "sweep": {"interval": 0},
                "retry": {"attempts": 3, "base": 0.0, "cap": 0.0, "budget": 1.0}
                | {"breaker_failures": 1_000_000},
                "log": {"level": "error"},
            }
        )

    def clock(self) -> float:
        """Unix seconds."""
        return self.now

    def today(self, zone: tzinfo) -> datetime:
        """The store's clock, which agrees."""
        return datetime.fromtimestamp(self.now, zone)

    async def start(self, count: int = 2) -> None:
        """All of them."""
        asyncio.get_running_loop().set_task_factory(_make_task)
        for _ in range(count):
            self.gateways.append(await self._started())

    async def _started(self) -> Process:
        self._count += 1
        made = Process(self, f"gateway-{self._count}")
        await made.start()
        return made

    async def kill(self, number: int) -> None:
        """Kill a gateway, and start another in its place. Its leases have run out then; the living renew theirs."""
        process = self.gateways[number]
        await process.kill()
        for name, lease in list(self.sessions._leases.items()):
            if lease.holder.startswith(f"{process.name}/"):
                del self.sessions._leases[name]
        self.gateways[number] = await self._started()

    async def revive(self) -> None:
        """Start another one in the place of each that has died."""
        async with self._reviving:
            for number, process in enumerate(self.gateways):
                if process.fate.dead:
                    await self.kill(number)

    async def restart(self, number: int) -> None:
        """In order."""
        await self.gateways[number].stop()
        self.gateways[number] = await self._started()

    async def stop(self) -> None:
        """All of them, in order as far as they live."""
        for process in self.gateways:
            if not process.fate.dead:
                await process.stop()
        await self.end()

    async def end(self) -> None:
        """All of them, at once."""
        for process in self.gateways:
            await process.kill()
        asyncio.get_running_loop().set_task_factory(None)

    def sha256(self, key: str) -> str | None:
        """Of a stored object."""
        found = [data for each, data in self._objects() if each == key]
        return hashlib.sha256(found[0]).hexdigest() if found else None

    def names(self) -> set[str]:
        """Of all objects, segments too."""
        return {key for key, _ in self._objects()}

    def _objects(self) -> Iterator[tuple[str, bytes]]:
        return ((key.name, found.data) for key, found in self.store._objects.items())

    @asynccontextmanager
    async def runtime(self, settings: Settings, instrument: Instrument) -> AsyncIterator[Runtime]:
        """What :func:`gateway.runtime.open_runtime` is, for a process of this fleet."""
        assert self.opening is not None
        process = self.opening
        store: Any = Fated(self.store, process.fate)
        sessions: Any = Fated(self.sessions, process.fate)
        stores = {"main": store}
        yield Runtime(
            stores=stores,
            retriers={"main": Retrier("main", settings.retry, instrument)},
            sessions=sessions,
            placements=Placements(settings, stores),
            sweeper=Sweeper(stores, sessions, instrument, now=self.clock),
            targets=(),
            owner=process.name,
        )


@contextmanager
def inside(folder: Path, *, strict: bool = False) -> Iterator[Inside]:
    """A fleet to be started, whose clock is its own and whose patience is short."""
    fleet = Inside(folder, strict=strict)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateway.app, "open_runtime", fleet.runtime)
        patch.setattr(memory, "datetime", SimpleNamespace(now=fleet.today))
        patch.setattr(takeover, "PATIENCE", 0.03)
        patch.setattr(takeover, "FINISH", 0.01)
        patch.setattr(takeover, "LOOK", 0.01)
        patch.setattr(takeover, "LANDING", 0.05)
        patch.setattr(exclusive, "_PAUSE", 0.01)
        yield fleet


def _named(lines: Any) -> dict[str, str]:
    return {name.decode().lower(): value.decode("latin-1") for name, value in lines}


def _make_task(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> "asyncio.Task[Any]":
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **more)
    process = _PROCESS.get()
    if process is not None:
        process.tasks.add(task)
    return task


def messages(body: bytes, *, whole: bool) -> Iterator[dict[str, Any]]:
    """A body as ASGI has it; one that is not ``whole`` ends with the connection."""
    for at in range(0, len(body), _PIECE):
        more = not whole or at + _PIECE < len(body)
        yield {"type": "http.request", "body": body[at : at + _PIECE], "more_body": more}
    if whole and not body:
        yield {"type": "http.request", "body": b"", "more_body": False}
    while True:
        yield {"type": "http.disconnect"}
