"""The way to a Redis or Valkey: whose data it holds, and calls that end in time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from gateway.errors import SessionsUnavailable
from gateway.sessions.base import SCHEMA_VERSION

#: Of all keys. The number is the schema that first used these names: what was added since has names of its own.
PREFIX: Final = "sluice:1:"
#: Outside of the versioned names, so that every version finds it.
_SCHEMA: Final = "sluice:schema"
#: Clocks that differ by less agree, in seconds: an answer takes its time, too.
_AGREED: Final = 1.0

# KEYS: schema. ARGV: ours. An older one becomes ours: nothing that it wrote has changed its form.
_MARK: Final = """
local found = redis.call('GET', KEYS[1])
if not found or tonumber(found) < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], ARGV[1])
    return ARGV[1]
end
return found
"""


#: What has to be configured, and what happens otherwise.
_DURABLE: Final = (
    ("appendonly", "yes", "when it restarts, all uploads are lost"),
    ("appendfsync", "always", "when its machine fails, the last acknowledged bytes may be lost"),
    ("maxmemory-policy", "noeviction", "when its memory is full, it drops uploads"),
)


class RedisLink:
    """The Redis at ``url``; ``timeout`` in seconds bounds every call, reconnecting included."""

    def __init__(self, url: str, timeout: float) -> None:
        self._timeout: Final = timeout
        # Repeats are ours, in _call: the client's own would multiply the timeout.
        self._redis: Final[Redis] = Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self._mark: Final = self._redis.register_script(_MARK)
        #: How far Redis' clock is ahead of ours, in seconds: none where they agree as well as clocks do.
        self._ahead = 0.0

    async def start(self) -> None:
        """Look whose data it is, and mark it as ours.

        Raises:
            SessionsUnavailable: unreachable, or written by a newer Sluice.
        """
        found = await self._call(lambda: self._mark(keys=[_SCHEMA], args=[SCHEMA_VERSION]))
        if found != str(SCHEMA_VERSION):
            raise SessionsUnavailable(
                f"The session store was written by another Sluice (schema {found}, this one knows "
                f"{SCHEMA_VERSION}); run that one, or point sessions.url at another database."
            )
        await self._compare_clocks()

    def now(self) -> float:
        """Redis' time, as it was compared with ours last. Were leases and heartbeats told in our own, a gateway whose
        clock is ahead of another's would take from it what it still holds."""
        return time.time() + self._ahead

    async def _compare_clocks(self) -> None:
        """Look how far Redis' clock is ahead of ours.

        Raises:
            SessionsUnavailable: it does not answer.
        """
        before = time.time()
        found = await self._call(self._time)
        ahead = found - (before + time.time()) / 2
        self._ahead = ahead if abs(ahead) > _AGREED else 0.0

    async def _time(self) -> float:
        """Redis' own; ours where our user may not ask it."""
        try:
            seconds, micros = await self._redis.time()
        except ResponseError:
            return time.time()
        return float(seconds) + float(micros) / 1e6

    async def aclose(self) -> None:
        """Close all connections."""
        await self._redis.aclose()

    async def weaknesses(self) -> tuple[str, ...]:
        """What would let it forget what it has acknowledged, by its own configuration; none where it does not tell
        (hosted ones often don't).

        Raises:
            SessionsUnavailable: it does not answer.
        """
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._redis.config_get("[am]*")
        except ResponseError:
            return ()
        except (TimeoutError, RedisError, OSError) as error:
            raise SessionsUnavailable(
                f"The session store cannot be used ({type(error).__name__}); try again.",
                retry_after=1.0,
            ) from error
        return tuple(
            f"its {name} is {found[name]}, not {wanted}: {consequence}"
            for name, wanted, consequence in _DURABLE
            if name in found and found[name] != wanted
        )

    async def _call(self, command: Callable[[], Awaitable[Any]]) -> Any:
        """Send a command, once more after a broken connection: a pooled one dies with every restart of Redis. All our
        commands may be repeated."""
        task = asyncio.current_task()
        assert task is not None
        cancels = task.cancelling()
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    answer = await command()
                except RedisConnectionError:
                    answer = await command()
        except TimeoutError:
            raise SessionsUnavailable(
                "The session store did not answer in time; try again.", retry_after=1.0
            ) from None
        except (RedisError, OSError) as error:
            # Not the message: it may quote the URL, and with it a password.
            raise SessionsUnavailable(
                f"The session store cannot be used ({type(error).__name__}); try again.",
                retry_after=1.0,
            ) from error
        if task.cancelling() > cancels:
            # The client's wait_for swallows a cancellation that comes just when its bytes are sent (Python 3.11):
            # who cancelled us would wait for ever.
            raise asyncio.CancelledError
        return answer
