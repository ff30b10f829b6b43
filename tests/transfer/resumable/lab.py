"""Resumable uploads without HTTP: gateways that share a store and sessions, and count what they cost."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.drain import Drain
from gateway.errors import ClientGone, GatewayError
from gateway.model import (
    Attributes,
    MultipartRef,
    ObjectKey,
    Opened,
    Part,
    PartReceipt,
    Principal,
    Source,
    Stored,
)
from gateway.pipeline.spool import Spool
from gateway.protocol.commands import Preconditions
from gateway.protocol.upload_commands import AppendUpload
from gateway.sessions.memory import MemorySessions
from gateway.sessions.uploads import UploadSession
from gateway.settings.sections import TransferSection
from gateway.transfer.exclusive import ConditionalWrites
from gateway.transfer.resumable.creating import Allowed, Wish
from gateway.transfer.resumable.engine import Resumables
from gateway.transfer.resumable.site import Works
from gateway.transfer.resumable.tail_cache import TailCache
from gateway.transfer.resumable.tails import LocalTails, StoreTails, TailStore
from gateway.units import KiB, MiB
from tests.transfer.lab import KEY, Bench, Bytes, Store

ALICE = Allowed(principal=Principal("alice", "ALICE"), policy="full-access")
PART = 64 * KiB
SMALL = TransferSection(part_size=PART)
TTL = 3600.0


def content(size: int, seed: int = 0) -> bytes:
    """Bytes that differ everywhere."""
    block = b"".join(
        hashlib.sha256(b"%d:%d" % (seed, index)).digest()
        for index in range(min(size, MiB) // 32 + 1)
    )
    return (block * (size // len(block) + 1))[:size]


class CountingStore(Store):
    """A store that counts all calls and the bytes that move."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.moved = 0

    async def put(self, key: ObjectKey, views: Any, attributes: Attributes, **more: Any) -> Stored:
        self.moved += sum(len(view) for view in views)
        stored: Stored = await super().put(key, views, attributes, **more)
        return stored

    async def get(self, key: ObjectKey, **more: Any) -> Opened:
        opened = await super().get(key, **more)
        self.moved += opened.source.length or 0
        return opened

    async def delete_many(self, keys: Sequence[ObjectKey]) -> None:
        await self._called("delete-many")
        for key in keys:
            self._objects.pop(key, None)

    async def create_multipart(self, key: ObjectKey, attributes: Attributes) -> MultipartRef:
        await self._called("create")
        return await super().create_multipart(key, attributes)

    async def upload_part(self, ref: MultipartRef, part: Part) -> PartReceipt:
        await self._called("part")
        self.moved += part.size
        return await super().upload_part(ref, part)

    async def abort_multipart(self, ref: MultipartRef) -> None:
        await self._called("abort")
        await super().abort_multipart(ref)

    async def list_parts(self, ref: MultipartRef) -> list[PartReceipt]:
        await self._called("list-parts")
        return await super().list_parts(ref)

    @property
    def keys(self) -> set[str]:
        return {key.name for key in self._objects}


class Yes:
    """An authority that allows, until it is told not to."""

    def __init__(self) -> None:
        self.refusal: GatewayError | None = None
        self.asked: list[int] = []
        self.overwrite = True

    def confirm(self, session: UploadSession, size: int) -> bool:
        self.asked.append(size)
        if self.refusal is not None:
            raise self.refusal
        return self.overwrite


@dataclass
class Fleet:
    """What gateways share, and how they are made."""

    folder: Path
    store: CountingStore
    sessions: MemorySessions
    local: bool
    settings: TransferSection = SMALL
    now: float = field(default_factory=time.time)
    authority: Yes = field(default_factory=Yes)
    gateways: list["Gateway"] = field(default_factory=list)
    spools: list[Spool] = field(default_factory=list)

    async def gateway(self, **machinery: Any) -> "Gateway":
        spool = Spool(self.folder / f"spool{len(self.gateways)}", 64 * MiB)
        await spool.start()
        self.spools.append(spool)
        made = Gateway(self, spool, f"gateway-{len(self.gateways)}", **machinery)
        self.gateways.append(made)
        return made


class Gateway:
    """One process's engine."""

    def __init__(self, fleet: Fleet, spool: Spool, owner: str, **machinery: Any) -> None:
        self.fleet = fleet
        sessions = machinery.pop("sessions", fleet.sessions)
        self.bench = Bench(fleet.store, spool, settings=fleet.settings, **machinery)
        self.bench.conditional = ConditionalWrites(
            sessions, self.bench.retriers, owner, lambda: fleet.now
        )
        self.drain = Drain()
        self.cache = TailCache(self.bench.pool, 8 * MiB)
        works = Works(
            machinery=self.bench.machinery,
            stores={"main": fleet.store},
            journal=sessions,
            tails=self.tails(owner, sessions),
            cache=self.cache,
            clock=lambda: fleet.now,
        )
        self.works = works
        self.engine = Resumables(
            works,
            sessions,
            self.bench.placements,
            self.bench.conditional,
            self.bench.uploads,
            fleet.authority,
            owner=owner,
            drain=self.drain,
            ttl=TTL,
        )

    def tails(self, owner: str, sessions: MemorySessions) -> TailStore:
        fleet = self.fleet
        if fleet.local:
            return LocalTails(fleet.folder / "data" / "tails", "process")
        return StoreTails(
            self.bench.placements,
            self.bench.retriers,
            sessions,
            owner,
            lambda: fleet.now,
        )

    async def create(self, length: int | None = None, **wish: Any) -> UploadSession:
        allowed = wish.pop("allowed", ALICE)
        wish.setdefault("conditions", Preconditions())
        made, _ = await self.engine.create(
            Wish(
                dialect=wish.pop("dialect", "tus"),
                key=wish.pop("key", KEY),
                length=length,
                **wish,
            ),
            allowed,
        )
        return made

    async def append(
        self, upload: str, offset: int, data: bytes | Source, trailer: Any = None, **command: Any
    ) -> UploadSession:
        source = Bytes(data) if isinstance(data, bytes) else data
        command.setdefault("body", source.length)
        session = await self.engine.find(upload)
        return await self.engine.append(
            session, AppendUpload(upload=upload, offset=offset, **command), source, trailer
        )

    async def offset(self, upload: str) -> int:
        return (await self.engine.find(upload)).offset

    async def send(self, upload: str, data: bytes, step: int) -> UploadSession:
        """All of it in requests of ``step`` bytes."""
        session = await self.engine.find(upload)
        for at in range(0, len(data), step):
            session = await self.append(upload, at, data[at : at + step])
        return session

    def clean(self) -> None:
        """Nothing is held but what the cache remembers."""
        self.cache.clear()
        statistics = self.bench.pool.statistics()
        assert (statistics.used, statistics.accounts) == (0, 0)


class Hanging:
    """A body of which some bytes come, and then nothing."""

    def __init__(self, data: bytes, length: int | None = None) -> None:
        self.data, self.sent = data, 0
        self.total = length
        self.hangs = asyncio.Event()
        self.release = asyncio.Event()

    @property
    def length(self) -> int | None:
        return None if self.total is None else self.total - self.sent

    async def read_into(self, view: memoryview, /) -> int:
        if self.sent == len(self.data):
            self.hangs.set()
            await self.release.wait()
            raise ClientGone("It went away at last.")
        piece = self.data[self.sent : self.sent + len(view)]
        view[: len(piece)] = piece
        self.sent += len(piece)
        return len(piece)

    async def aclose(self) -> None: ...


@asynccontextmanager
async def fleet(folder: Path, *, local: bool = True, **more: Any) -> AsyncIterator[Fleet]:
    made = Fleet(
        folder, more.pop("store", None) or CountingStore(), MemorySessions(), local, **more
    )
    try:
        yield made
    finally:
        for gateway in made.gateways:
            gateway.clean()
        for spool in made.spools:
            await spool.aclose()
