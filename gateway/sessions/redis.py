"""Sessions in Redis or Valkey: for gateways on several machines.

Every change of more than one thing is one script, so that gateways never see half of it. Expiry is judged
by the times that callers give, as in the other stores; Redis' own expiry only tidies up afterwards. How
durable a write is when its call returns is Redis' configuration (``appendonly yes`` with
``appendfsync always`` for a power cut). All keys begin with ``sluice:1:``.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from gateway.errors import SessionsUnavailable
from gateway.model import ObjectKey
from gateway.sessions.base import SCHEMA_VERSION, Intent, Lease

T = TypeVar("T")

_PREFIX: Final = f"sluice:{SCHEMA_VERSION}:"
_INTENTS: Final = _PREFIX + "intents"
_OWNERS: Final = _PREFIX + "owners"
_EPOCH: Final = _PREFIX + "epoch"
#: Outside of the versioned names, so that every version finds it.
_SCHEMA: Final = "sluice:schema"
#: How much longer than needed Redis keeps what expires, in ms: clocks of gateways differ.
_SLACK: Final = 60_000

# KEYS: nonce. ARGV: now, expires, this use, ms to keep. A use that is sent twice, because its first answer was
# lost with a connection, is still one use: that is what the name of the use is for.
_USE_ONCE: Final = """
local found = redis.call('GET', KEYS[1])
if found then
    local expires, use = found:match('^(%S+) (%S+)$')
    if use ~= ARGV[3] and tonumber(expires) > tonumber(ARGV[1]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[3], 'PX', ARGV[4])
return 1
"""

# KEYS: lease, epoch. ARGV: holder, now, expires, ms to keep. Answers the epoch, 0 when somebody else holds it.
_ACQUIRE: Final = """
local held = redis.call('HMGET', KEYS[1], 'holder', 'epoch', 'expires')
local epoch = held[2]
if held[1] ~= ARGV[1] then
    if held[1] and tonumber(held[3]) > tonumber(ARGV[2]) then return 0 end
    epoch = redis.call('INCR', KEYS[2])
end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'epoch', epoch, 'expires', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return tonumber(epoch)
"""

# KEYS: lease. ARGV: holder, epoch.
_RELEASE: Final = """
local held = redis.call('HMGET', KEYS[1], 'holder', 'epoch')
if held[1] == ARGV[1] and held[2] == ARGV[2] then redis.call('DEL', KEYS[1]) end
return 0
"""

# KEYS: owners. ARGV: now.
_LIVE: Final = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
return redis.call('ZRANGE', KEYS[1], 0, -1)
"""


class RedisSessions:
    """A :class:`~gateway.sessions.base.SessionStore` in the Redis at ``url``; ``timeout`` in seconds bounds every
    call, reconnecting included."""

    def __init__(self, url: str, timeout: float = 5.0) -> None:
        """Connects when first used.

        Raises:
            ValueError: the URL is none of Redis.
        """
        self._timeout: Final = timeout
        # Repeats are ours, in _call: the client's own would multiply the timeout.
        self._redis: Final[Redis] = Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self._use_once: Final = self._redis.register_script(_USE_ONCE)
        self._acquire: Final = self._redis.register_script(_ACQUIRE)
        self._release: Final = self._redis.register_script(_RELEASE)
        self._live: Final = self._redis.register_script(_LIVE)

    async def start(self) -> None:
        """Look whose data it is, and mark it as ours.

        Raises:
            SessionsUnavailable: unreachable, or written by a newer Sluice.
        """
        await self._call(lambda: self._redis.set(_SCHEMA, SCHEMA_VERSION, nx=True))
        found = await self._call(lambda: self._redis.get(_SCHEMA))
        if found != str(SCHEMA_VERSION):
            raise SessionsUnavailable(
                f"The session store was written by another Sluice (schema {found}, this one knows "
                f"{SCHEMA_VERSION}); run that one, or point sessions.url at another database."
            )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._redis.aclose()

    async def ping(self) -> None:
        """Answer if it can be written: a replica, or one that is out of memory, cannot."""
        await self._call(lambda: self._redis.set(_PREFIX + "ping", "1", px=_SLACK))

    async def put_intent(self, intent: Intent) -> None:
        """Write an intent, or write it again."""
        key = intent.key
        row = [intent.store, key.bucket, key.name, intent.owner, intent.created, intent.upload_id]
        await self._call(lambda: self._redis.hset(_INTENTS, intent.id, json.dumps(row)))

    async def drop_intent(self, intent_id: str) -> None:
        """Forget an intent."""
        await self._call(lambda: self._redis.hdel(_INTENTS, intent_id))

    async def intents(self) -> list[Intent]:
        """All intents, oldest first."""
        rows: dict[str, str] = await self._call(lambda: self._redis.hgetall(_INTENTS))
        found = [_intent(intent_id, json.loads(row)) for intent_id, row in rows.items()]
        return sorted(found, key=lambda intent: (intent.created, intent.id))

    async def beat(self, owner: str, expires: float) -> None:
        """Write a heartbeat."""
        await self._call(lambda: self._redis.zadd(_OWNERS, {owner: expires}))

    async def owners(self, now: float) -> frozenset[str]:
        """The owners that live; the others are forgotten."""
        return frozenset(await self._call(lambda: self._live(keys=[_OWNERS], args=[repr(now)])))

    async def use_once(self, scope: str, nonce: str, now: float, expires: float) -> bool:
        """Write a nonce, unless it is there and has not expired."""
        key = f"{_PREFIX}nonce:{json.dumps([scope, nonce])}"
        args: list[str | int] = [
            repr(now),
            repr(expires),
            secrets.token_hex(8),
            _keep(expires - now),
        ]
        return bool(await self._call(lambda: self._use_once(keys=[key], args=args)))

    async def acquire(self, name: str, holder: str, now: float, ttl: float) -> Lease | None:
        """Take or renew a lease."""
        args: list[str | int] = [holder, repr(now), repr(now + ttl), _keep(ttl)]
        keys = [f"{_PREFIX}lease:{name}", _EPOCH]
        epoch: int = await self._call(lambda: self._acquire(keys=keys, args=args))
        return Lease(name, holder, epoch, now + ttl) if epoch else None

    async def release(self, lease: Lease) -> None:
        """Give a lease back."""
        keys = [f"{_PREFIX}lease:{lease.name}"]
        await self._call(lambda: self._release(keys=keys, args=[lease.holder, lease.epoch]))

    async def _call(self, command: Callable[[], Awaitable[Any]]) -> Any:
        """Send a command, once more after a broken connection: a pooled one dies with every restart of Redis. All our
        commands may be repeated."""
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    return await command()
                except RedisConnectionError:
                    return await command()
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


def _intent(intent_id: str, row: list[Any]) -> Intent:
    store, bucket, name, owner, created, upload_id = row
    return Intent(
        id=intent_id,
        store=store,
        key=ObjectKey(bucket, name),
        owner=owner,
        created=created,
        upload_id=upload_id,
    )


def _keep(seconds: float) -> int:
    """Milliseconds after which Redis may forget."""
    return max(int(seconds * 1000), 0) + _SLACK
