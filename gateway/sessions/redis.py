"""Sessions in Redis or Valkey: for gateways on several machines.

Every change of more than one thing is one script, so that gateways never see half of it. Expiry is judged
by the times that callers give, as in the other stores; Redis' own expiry only tidies up afterwards. The time
that gateways agree on is Redis', as their clocks may differ. How durable a write is when its call returns is
Redis' configuration (``appendonly yes`` with ``appendfsync always`` for a power cut). All keys begin with
``sluice:1:``.
"""

import json
import secrets
from typing import Any, Final

from gateway.model import ObjectKey
from gateway.sessions.base import Intent, Lease
from gateway.sessions.redis_link import PREFIX
from gateway.sessions.redis_uploads import RedisUploads

_INTENTS: Final = PREFIX + "intents"
_OWNERS: Final = PREFIX + "owners"
_EPOCH: Final = PREFIX + "epoch"
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


class RedisSessions(RedisUploads):
    """A :class:`~gateway.sessions.base.Sessions` in the Redis at ``url``; ``timeout`` in seconds bounds every
    call, reconnecting included."""

    def __init__(self, url: str, timeout: float = 5.0) -> None:
        """Connects when first used.

        Raises:
            ValueError: the URL is none of Redis.
        """
        super().__init__(url, timeout)
        self._use_once: Final = self._redis.register_script(_USE_ONCE)
        self._acquire: Final = self._redis.register_script(_ACQUIRE)
        self._release: Final = self._redis.register_script(_RELEASE)
        self._live: Final = self._redis.register_script(_LIVE)

    async def ping(self) -> None:
        """Answer if it can be written: a replica, or one that is out of memory, cannot."""
        await self._call(lambda: self._redis.set(PREFIX + "ping", "1", px=_SLACK))

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
        """Write a heartbeat, and look how far the clocks are apart now."""
        await self._compare_clocks()
        await self._call(lambda: self._redis.zadd(_OWNERS, {owner: expires}))

    async def owners(self, now: float) -> frozenset[str]:
        """The owners that live; the others are forgotten."""
        return frozenset(await self._call(lambda: self._live(keys=[_OWNERS], args=[repr(now)])))

    async def use_once(self, scope: str, nonce: str, now: float, expires: float) -> bool:
        """Write a nonce, unless it is there and has not expired."""
        key = f"{PREFIX}nonce:{json.dumps([scope, nonce])}"
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
        keys = [f"{PREFIX}lease:{name}", _EPOCH]
        epoch: int = await self._call(lambda: self._acquire(keys=keys, args=args))
        return Lease(name, holder, epoch, now + ttl) if epoch else None

    async def held(self, name: str) -> Lease | None:
        """The lease as it is."""
        fields = ["holder", "epoch", "expires"]
        holder, epoch, expires = await self._call(
            lambda: self._redis.hmget(f"{PREFIX}lease:{name}", fields)
        )
        return None if holder is None else Lease(name, holder, int(epoch), float(expires))

    async def release(self, lease: Lease) -> None:
        """Give a lease back."""
        keys = [f"{PREFIX}lease:{lease.name}"]
        await self._call(lambda: self._release(keys=keys, args=[lease.holder, lease.epoch]))


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
