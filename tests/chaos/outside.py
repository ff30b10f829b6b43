"""A fleet of gateways as users run it: two processes, one durable Redis, one real store, each with a proxy of its own
in between. Who is killed is started again."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos.proxy import Lane, LaneProxy
from tests.faults.lab import Shelf, direct, far_config
from tests.redis_server import RedisServer, running_redis
from tests.servers.fixtures import own_bucket
from tests.servers.gateway import GatewayProcess, start_gateway
from tests.servers.lease import S3Endpoint
from tests.servers.ports import free_port

#: How long a call to the store may be silent.
IDLE: Final = "2s"
#: How far the clocks of three gateways are ahead, in seconds.
SKEWS: Final = (0.0, 45.0, -45.0)
#: Between two deaths of Redis, and how long it is away, in seconds: at least and at most.
CALM: Final = (5.0, 15.0)
AWAY: Final = (0.0, 3.0)

_LANE: Final = """
[buckets.{name}]
storage = "far"
bucket = "{bucket}"
prefix = "{name}/"
"""


@dataclass
class Member:
    """One gateway of the fleet. ``kills`` counts."""

    folder: Path
    config: str
    port: int
    process: GatewayProcess | None = None
    kills: int = 0
    wanted: bool = True
    module: str = "gateway"
    #: How far its clock is ahead, in seconds.
    ahead: float = 0.0

    async def start(self) -> None:
        """Until it serves."""
        self.process = await asyncio.to_thread(
            start_gateway,
            self.folder,
            self.config,
            port=self.port,
            module=self.module,
            CHAOS_AHEAD=str(self.ahead),
        )

    @property
    def alive(self) -> bool:
        """Whether its process runs and serves."""
        return self.process is not None and self.process.process.poll() is None

    async def keep(self) -> None:
        """Start it again whenever it has ended, as a supervisor does."""
        while self.wanted:
            if not self.alive:
                with suppress(AssertionError):  # it ended again: then once more
                    await self.start()
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """In order."""
        if self.process is not None:
            await asyncio.to_thread(self.process.stop)


@dataclass
class Outside:
    """``lanes`` are the gateways' buckets by name, all in one bucket of the store, ``shelf``."""

    shelf: Shelf
    lanes: dict[str, Lane]
    members: list[Member] = field(default_factory=list)
    keepers: list["asyncio.Task[None]"] = field(default_factory=list)
    shaking: "asyncio.Task[None] | None" = None

    def kill(self, number: int) -> None:
        """kill -9; not while all others are down, or nobody would go on."""
        member = self.members[number]
        others = any(other.alive for other in self.members if other is not member)
        if member.alive and others and member.process is not None:
            member.kills += 1
            with suppress(ProcessLookupError):
                member.process.process.send_signal(signal.SIGKILL)

    async def stop(self) -> None:
        """End the gateways in order; one that is being started again comes up before, and so does Redis."""
        if self.shaking is not None:
            self.shaking.cancel()
            await asyncio.gather(self.shaking, return_exceptions=True)
        for member in self.members:
            member.wanted = False
        await asyncio.gather(*self.keepers, return_exceptions=True)
        await asyncio.gather(*(member.stop() for member in self.members))

    def bugs(self) -> tuple[str, ...]:
        """Lines of the gateways' logs that tell of a bug."""
        return tuple(
            line[:2000]
            for member in self.members
            for log in member.folder.glob("*.log")
            for line in log.read_text(errors="replace").splitlines()
            if '"event": "bug"' in line or '"event": "crashed"' in line
        )

    @property
    def kills(self) -> int:
        """How many gateways were killed."""
        return sum(member.kills for member in self.members)


@asynccontextmanager
async def outside(
    endpoint: S3Endpoint, folder: Path, lanes: int, module: str = "gateway", gateways: int = 2
) -> AsyncIterator[Outside]:
    """A fleet for the length of the block; ``module`` is what its gateways run. Of more than two, each has another
    time, and their Redis is killed now and then."""
    bucket = await asyncio.to_thread(own_bucket, endpoint, "chaos")
    shelf = Shelf(await asyncio.to_thread(direct, endpoint), bucket)
    await asyncio.to_thread(shelf.warm_up)
    names = {f"lane{number:02}": Lane() for number in range(lanes)}
    (folder / "redis").mkdir(parents=True, exist_ok=True)
    with running_redis(folder / "redis", durable=True) as redis:
        fleet = Outside(shelf, names)
        async with _proxies(endpoint, fleet, gateways) as proxies:
            for number, proxy in enumerate(proxies):
                config = _config(endpoint, bucket, proxy.url, redis.url(), names)
                member = Member(folder / f"gateway{number}", config, free_port(), module=module)
                fleet.members.append(member)
                if gateways > 2:
                    member.module, member.ahead = "tests.chaos.skewed", SKEWS[number]
            await asyncio.gather(*(member.start() for member in fleet.members))
            fleet.keepers = [asyncio.create_task(member.keep()) for member in fleet.members]
            fleet.shaking = asyncio.create_task(_shake(redis)) if gateways > 2 else None
            try:
                yield fleet
            finally:
                await fleet.stop()
                shelf.client.close()


@asynccontextmanager
async def _proxies(
    endpoint: S3Endpoint, fleet: Outside, count: int
) -> AsyncIterator[list[LaneProxy]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                LaneProxy(endpoint.url, lanes=fleet.lanes, kill=killer(fleet, number))
            )
            for number in range(count)
        ]


async def _shake(redis: RedisServer) -> None:
    """Kill Redis and start it again: what it has answered is on its disk."""
    while True:
        await asyncio.sleep(random.uniform(*CALM))
        redis.stop()
        try:
            await asyncio.sleep(random.uniform(*AWAY))
        finally:
            redis.start()


def killer(fleet: Outside, number: int) -> Callable[[], None]:
    """What kills the gateway of this number."""
    return lambda: fleet.kill(number)


def _config(
    endpoint: S3Endpoint, bucket: str, store: str, redis: str, lanes: dict[str, Lane]
) -> str:
    config = far_config(endpoint, bucket, url=store, idle=IDLE, grace="15s")
    config = config.replace('"sqlite:///{folder}/sessions.db"', f'"{redis}"')
    config = config.replace("interval = 0", 'interval = "5s"')
    buckets = "".join(_LANE.format(name=name, bucket=bucket) for name in lanes)
    # Beside the bucket that holds them all, which is the store's own.
    return config.partition("[buckets.far]")[0] + buckets + config[config.index("[cors]") - 1 :]


async def until(holds: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Whether it holds within that time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not await holds():
                await asyncio.sleep(0.05)
            return True
    return False
