"""Uploads in Redis or Valkey, for gateways on several machines.

A change is judged here, of the state that this process has seen last, and made by a script only if that is
still the state (:mod:`gateway.sessions.redis_scripts`); else the script answers the present one, of which
it is judged again. Changes of one upload by one process come one after the other, so that only gateways
can meet each other. All keys of an upload carry one hash tag, of a few: a script's keys lie on one node of
a cluster, and so does each shard of the order of expiry. A name's key has no tag: it stands for itself.
"""

import asyncio
import itertools
import json
import random
import secrets
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Final
from weakref import WeakValueDictionary

from gateway.errors import GatewayError, SessionsUnavailable
from gateway.sessions.extents import arranged, in_place_of
from gateway.sessions.redis_link import PREFIX, RedisLink
from gateway.sessions.redis_scripts import CHANGE, CREATE, FIND, FORGET, POINT, YIELD
from gateway.sessions.seen_uploads import Seen, SeenUploads
from gateway.sessions.upload_codec import (
    decode_extent,
    decode_made,
    encode_extent,
    encode_made,
    encode_standing,
    with_standing,
)
from gateway.sessions.upload_rules import after_change, after_creation, after_taking, keeps_name
from gateway.sessions.uploads import Change, UploadSession

_SHARDS: Final = 16
#: How long a stamp's mark is kept, in ms.
_MARKED: Final = 60_000
#: How often a change is tried without a pause in between, and the longest pause, in seconds.
_EAGER: Final = 3
_PAUSE: Final = 0.05


class RedisUploads(RedisLink):
    """:class:`~gateway.sessions.uploads.UploadSessions` in a Redis."""

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(url, timeout)
        self._seen: Final = SeenUploads()
        self._turns: Final[WeakValueDictionary[str, asyncio.Lock]] = WeakValueDictionary()
        self._create: Final = self._redis.register_script(CREATE)
        self._find: Final = self._redis.register_script(FIND)
        self._change: Final = self._redis.register_script(CHANGE)
        self._yield: Final = self._redis.register_script(YIELD)
        self._forget: Final = self._redis.register_script(FORGET)
        self._point: Final = self._redis.register_script(POINT)

    async def create_upload(self, session: UploadSession) -> UploadSession:
        """Write a new upload, unless its name or id is there already.

        The record comes before its name: then a name never stands for one that is still to come, and of several
        that are created at once only one gets it. The others take theirs back, which nobody has seen.
        """
        new = after_creation(session)
        if new.name is None:
            return await self._put(new)
        name = _name(new.principal.id, new.name)
        pointed = await self._call(lambda: self._redis.get(name)) or ""
        mine: UploadSession | None = None
        while pointed != new.id:
            found = await self.upload(pointed) if pointed else None
            if found is not None and keeps_name(found, new.created):
                if mine is not None:
                    await self._remove(mine.id, mine.epoch)
                return found
            mine = mine or await self._put(new)
            if mine.name != new.name:  # the id is there already, and the name is none of its own
                return mine
            pointed = await self._repoint(name, pointed, new.id)
        return mine or await self._put(new)

    async def upload(self, upload_id: str) -> UploadSession | None:
        """The upload of this id."""
        seen = await self._look(upload_id, self._seen.get(upload_id))
        return None if seen is None else seen.session

    async def upload_named(self, principal: str, name: str) -> UploadSession | None:
        """The upload of this name."""
        pointed = await self._call(lambda: self._redis.get(_name(principal, name)))
        found = None if pointed is None else await self.upload(pointed)
        return None if found is None or found.state == "gone" else found

    async def change_upload(self, upload_id: str, epoch: int, change: Change) -> UploadSession:
        """Change an upload."""
        return await self._write(
            upload_id, lambda found: after_change(found, epoch, change), change
        )

    async def take_upload(self, upload_id: str, holder: str, epoch: int) -> UploadSession:
        """Become its only serial writer."""
        return await self._write(
            upload_id, lambda found: after_taking(found, holder, epoch), Change()
        )

    async def ask_to_yield(self, upload_id: str, epoch: int) -> None:
        """Ask the holder of that epoch to let go."""
        stamp = secrets.token_hex(8)
        keys = [_record(upload_id), _mark(upload_id, stamp)]
        await self._call(lambda: self._yield(keys=keys, args=[epoch, stamp, _MARKED]))

    async def touched(self, upload_id: str) -> tuple[int, bool] | None:
        """Epoch, and whether its holder was asked to let go."""
        row = await self._call(lambda: self._redis.hmget(_record(upload_id), "epoch", "yield"))
        return None if row[0] is None else (int(row[0]), row[1] == "1")

    async def expired_uploads(self, now: float, limit: int) -> list[str]:
        """Ids of what has expired, soonest first."""

        def ask() -> Awaitable[Any]:
            pipe = self._redis.pipeline(transaction=False)
            for shard in range(_SHARDS):
                pipe.zrangebyscore(_expiry(shard), "-inf", repr(now), 0, limit, withscores=True)
            return pipe.execute()

        shards = await self._call(ask)
        found = sorted((score, upload_id) for rows in shards for upload_id, score in rows)
        return [upload_id for _, upload_id in found[:limit]]

    async def forget_upload(self, upload_id: str, epoch: int) -> None:
        """Remove the record, if it is of that epoch."""
        made = await self._remove(upload_id, epoch)
        session = decode_made(made) if made else None
        if session is not None and session.name is not None:
            await self._repoint(_name(session.principal.id, session.name), upload_id, "")

    # --- one upload ---

    async def _put(self, new: UploadSession) -> UploadSession:
        """Write a new record; when its id is there already, it was an earlier try of the same call."""
        stamp = secrets.token_hex(8)
        keys = [_record(new.id), _extents(new.id), _expiry(_shard(new.id))]
        args: list[str | int] = [
            new.id, encode_made(new), encode_standing(new), new.epoch, new.version, stamp, repr(new.expires),
            *map(encode_extent, new.extents),
        ]  # fmt: skip
        if await self._call(lambda: self._create(keys=keys, args=args)):
            self._seen.put(Seen(new, stamp))
            return new
        return await self.upload(new.id) or new

    async def _write(
        self, upload_id: str, judge: Callable[[UploadSession | None], UploadSession], change: Change
    ) -> UploadSession:
        """Make of an upload what ``judge`` says, however often others come between. ``change`` says what becomes of
        its extents."""
        try:
            async with asyncio.timeout(self._timeout), self._turn(upload_id):
                known = self._seen.get(upload_id) or await self._look(upload_id, None)
                for tries in itertools.count(1):
                    after, known = await self._judged(upload_id, judge, known)
                    stamp = secrets.token_hex(8)
                    reply = await self._send(known, after, stamp, change)
                    if reply == 1:
                        self._seen.put(Seen(after, stamp))
                        return after
                    known = self._learned(upload_id, reply, known)
                    if tries > _EAGER:
                        # What was just learned would be out of date after the pause.
                        await asyncio.sleep(random.uniform(0, _PAUSE))  # noqa: S311
                        known = await self._look(upload_id, known)
        except TimeoutError:
            raise SessionsUnavailable(
                "The session store did not answer in time; try again.", retry_after=1.0
            ) from None
        raise AssertionError("it counts forever")

    async def _judged(
        self,
        upload_id: str,
        judge: Callable[[UploadSession | None], UploadSession],
        known: Seen | None,
    ) -> tuple[UploadSession, Seen | None]:
        """What is to be written, and of which state that was judged. What is remembered may be out of date: a refusal
        counts only of the present state."""
        while True:
            try:
                return judge(None if known is None else known.session), known
            except (GatewayError, ValueError):
                present = await self._look(upload_id, known)
                if present is known:
                    raise
                known = present

    async def _send(
        self, known: Seen | None, after: UploadSession, stamp: str, change: Change
    ) -> Any:
        assert known is not None, "what is not there is refused"
        # Redis tells extents apart by all that they are: those that it has are named as it has them.
        was, now = known.session.extents, after.extents
        drop = [encode_extent(in_place_of(was, extent) or extent) for extent in change.drop]
        add = [
            encode_extent(extent)
            for extent in (in_place_of(now, each) for each in change.add)
            if extent is not None and extent is not in_place_of(was, extent)
        ]
        keys = [
            _record(after.id), _extents(after.id), _mark(after.id, known.stamp), _expiry(_shard(after.id)),
            _mark(after.id, stamp),
        ]  # fmt: skip
        args: list[str | int] = [
            known.stamp, after.id, encode_standing(after), after.epoch, after.version, int(after.yield_asked), stamp,
            repr(after.expires), _MARKED, len(drop), *drop, *add,
        ]  # fmt: skip
        return await self._call(lambda: self._change(keys=keys, args=args))

    async def _look(self, upload_id: str, known: Seen | None) -> Seen | None:
        """The upload as it is; ``known`` itself when it is that still."""
        was = "" if known is None else known.stamp
        keys = [_record(upload_id), _extents(upload_id), _mark(upload_id, was)]
        reply = await self._call(lambda: self._find(keys=keys, args=[was]))
        return self._learned(upload_id, reply, known)

    def _learned(self, upload_id: str, reply: list[Any], known: Seen | None) -> Seen | None:
        if not reply:
            self._seen.drop(upload_id)
            return None
        if reply == ["same"]:
            return known
        standing, epoch, version, yield_asked, stamp, made, extents = reply
        if made:
            before = decode_made(made)
        else:
            assert known is not None
            before = known.session
        session = with_standing(
            before,
            standing,
            epoch=int(epoch),
            version=int(version),
            yield_asked=yield_asked == "1",
            extents=arranged(before.extents, add=map(decode_extent, extents)),
        )
        seen = Seen(session, stamp)
        self._seen.put(seen)
        return seen

    def _turn(self, upload_id: str) -> asyncio.Lock:
        """Whose turn it is in this process; forgotten when nobody waits."""
        turn = self._turns.get(upload_id)
        if turn is None:
            turn = self._turns[upload_id] = asyncio.Lock()
        return turn

    async def _remove(self, upload_id: str, epoch: int) -> str:
        keys = [_record(upload_id), _extents(upload_id), _expiry(_shard(upload_id))]
        made: str = await self._call(lambda: self._forget(keys=keys, args=[upload_id, epoch]))
        self._seen.drop(upload_id)
        return made

    async def _repoint(self, name: str, before: str, after: str) -> str:
        found: str = await self._call(lambda: self._point(keys=[name], args=[before, after]))
        return found


def _shard(upload_id: str) -> int:
    return zlib.crc32(upload_id.encode()) % _SHARDS


def _tagged(shard: int) -> str:
    return f"{PREFIX}{{uploads-{shard}}}:"


def _record(upload_id: str) -> str:
    return f"{_tagged(_shard(upload_id))}upload:{upload_id}"


def _extents(upload_id: str) -> str:
    return f"{_tagged(_shard(upload_id))}extents:{upload_id}"


def _mark(upload_id: str, stamp: str) -> str:
    return f"{_tagged(_shard(upload_id))}mark:{stamp}"


def _expiry(shard: int) -> str:
    return _tagged(shard) + "expiry"


def _name(principal: str, name: str) -> str:
    return f"{PREFIX}upload-name:{json.dumps([principal, name])}"
