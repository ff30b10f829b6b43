"""Where bytes wait that are too few for a part: small segments, durable before the offset counts them.

On one machine they are files beside the sessions' own; in a fleet they are objects in the upload's own bucket,
under a prefix that no client can reach. A segment never changes, and its name is never used again, so who reads
one by the session's word reads what was written.
"""

import asyncio
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from os import O_CREAT, O_EXCL, O_RDONLY, O_WRONLY, preadv
from pathlib import Path
from typing import Final, Literal, Protocol

from gateway.errors import GatewayError, ObjectNotFound, StorageCorrupt
from gateway.model import Attributes, ByteRange, From, ObjectKey, Views
from gateway.pipeline.owner import unbroken
from gateway.sessions.base import NOBODY, Intent, SessionStore
from gateway.sessions.uploads import UploadSession
from gateway.storage.local.disk import Disk, map_os_errors, opened, write_all
from gateway.transfer.placement import HIDDEN, Placement, Placements
from gateway.transfer.resuming import Call

#: Under the hidden prefix of an upload's bucket: ``{upload id}/{segment}``.
TAILS: Final = f"{HIDDEN}tails/"


class TailStore(Protocol):
    """Segments of uploads. ``near``: to keep one costs no call to a store."""

    near: bool

    async def put(self, session: UploadSession, views: Views) -> str:
        """Keep ``views``, durably, and answer the segment's name. The views must stay as they are until then.

        Raises:
            StorageError: they can't be kept.
        """
        ...

    async def mapped(self, session: UploadSession, name: str) -> None:
        """The session knows the segment now: it is no stray one any more."""
        ...

    async def read(
        self, session: UploadSession, name: str, span: ByteRange, view: memoryview
    ) -> None:
        """Fill ``view`` with bytes ``span`` of the segment.

        Raises:
            StorageError: it is not there, or cannot be read.
        """
        ...

    async def drop(self, session: UploadSession, names: Sequence[str]) -> None:
        """Remove segments that nothing refers to any more. Never fails: what is left over is the sweep's."""
        ...

    async def refused(self, session: UploadSession, names: Sequence[str]) -> None:
        """Remove segments that the session will certainly never know. Never fails, as :meth:`drop`."""
        ...

    async def clear(self, session: UploadSession) -> None:
        """Remove all that is left of the upload.

        Raises:
            StorageError: something could not be removed.
        """
        ...


class LocalTails:
    """Files in a folder of this machine, one folder for each upload. Survives a power cut with ``power``."""

    near = True

    def __init__(self, folder: Path, durability: Literal["power", "process"] = "power") -> None:
        self._folder = folder
        self._disk = Disk(durability)

    async def put(self, session: UploadSession, views: Views) -> str:
        """See TailStore."""
        name = _new_name()
        await unbroken(asyncio.to_thread(self._write, self._folder / session.id, name, views))
        return name

    def _write(self, folder: Path, name: str, views: Views) -> None:
        with map_os_errors():
            for made in (self._folder.parent, self._folder, folder):
                self._disk.make_folder(made)
            with opened(folder / name, O_WRONLY | O_CREAT | O_EXCL) as file:
                write_all(file, views, 0, lambda: None)
                self._disk.settle(file)
            self._disk.settle_folder(folder)

    async def mapped(self, session: UploadSession, name: str) -> None:
        """Strays lie in the upload's folder and go with it."""

    async def read(
        self, session: UploadSession, name: str, span: ByteRange, view: memoryview
    ) -> None:
        """See TailStore."""
        path = self._folder / session.id / name
        await unbroken(asyncio.to_thread(self._read, path, span, view))

    def _read(self, path: Path, span: ByteRange, view: memoryview) -> None:
        with map_os_errors(), opened(path, O_RDONLY) as file:
            done = 0
            while done < span.size:
                count = preadv(file, [view[done : span.size]], span.start + done)
                if not count:
                    raise StorageCorrupt("A kept segment is shorter than its session says.")
                done += count

    async def drop(self, session: UploadSession, names: Sequence[str]) -> None:
        """See TailStore."""
        await asyncio.to_thread(_unlink, [self._folder / session.id / name for name in names])

    async def refused(self, session: UploadSession, names: Sequence[str]) -> None:
        """See TailStore."""
        await self.drop(session, names)

    async def clear(self, session: UploadSession) -> None:
        """See TailStore."""
        await asyncio.to_thread(shutil.rmtree, self._folder / session.id, ignore_errors=True)


def _unlink(paths: Sequence[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


class StoreTails:
    """Objects in the upload's own bucket. An intent is durable before each is written and goes when the session
    knows it, so that the sweep finds what a killed process has left. ``clock`` gives Unix seconds."""

    near = False

    def __init__(
        self,
        placements: Placements,
        retriers: Mapping[str, Call],
        sessions: SessionStore,
        owner: str,
        clock: Callable[[], float],
    ) -> None:
        self._placements = placements
        self._retriers = retriers
        self._sessions = sessions
        self._owner = owner
        self._clock = clock

    async def put(self, session: UploadSession, views: Views) -> str:
        """See TailStore."""
        name = _new_name()
        placement = self._place(session, name)
        await self._sessions.put_intent(self._intent(placement, name, self._owner))
        attributes = placement.attributes(Attributes())
        await self._retriers[session.store].call(
            "PutObject", lambda: placement.store.put(placement.key, views, attributes)
        )
        return name

    async def mapped(self, session: UploadSession, name: str) -> None:
        """See TailStore. That this fails is no error: the sweep asks the session."""
        with suppress(GatewayError):
            await self._sessions.drop_intent(_intent_id(name))

    async def read(
        self, session: UploadSession, name: str, span: ByteRange, view: memoryview
    ) -> None:
        """See TailStore."""
        placement = self._place(session, name)

        async def attempt() -> None:
            opened = await placement.store.get(placement.key, range=From(span.start, span.stop))
            try:
                done = 0
                while done < span.size:
                    count = await opened.source.read_into(view[done : span.size])
                    if not count:
                        raise StorageCorrupt("A kept segment is shorter than its session says.")
                    done += count
            finally:
                await opened.source.aclose()

        try:
            await self._retriers[session.store].call("GetObject", attempt)
        except (
            ObjectNotFound
        ) as error:  # the client asked for no object: 404 would tell it that its upload is none
            raise StorageCorrupt("A kept segment is gone.") from error

    async def drop(self, session: UploadSession, names: Sequence[str]) -> None:
        """See TailStore."""
        await self._dropped(session, names)

    async def refused(self, session: UploadSession, names: Sequence[str]) -> None:
        """See TailStore. Their intents are closed as well: :meth:`mapped` never will."""
        if await self._dropped(session, names):
            for name in names:
                await self.mapped(session, name)

    async def _dropped(self, session: UploadSession, names: Sequence[str]) -> bool:
        """Whether they are removed; what is not is nobody's, and the sweep's."""
        try:
            await self._remove(session, names)
        except GatewayError:
            for name in names:
                with suppress(GatewayError):
                    intent = self._intent(self._place(session, name), name, NOBODY)
                    await self._sessions.put_intent(intent)
            return False
        return True

    async def clear(self, session: UploadSession) -> None:
        """See TailStore."""
        await self._remove(session, [each.name for each in session.extents if each.name])

    async def _remove(self, session: UploadSession, names: Sequence[str]) -> None:
        keys = [self._place(session, name).key for name in names]
        if keys:
            store = self._placements.hidden(session.target.bucket, TAILS).store
            await self._retriers[session.store].call(
                "DeleteObjects", lambda: store.delete_many(keys)
            )

    def _place(self, session: UploadSession, name: str) -> Placement:
        return self._placements.hidden(session.target.bucket, f"{TAILS}{session.id}/{name}")

    def _intent(self, placement: Placement, name: str, owner: str) -> Intent:
        return Intent(
            id=_intent_id(name),
            store=placement.store.name,
            key=placement.key,
            owner=owner,
            created=self._clock(),
        )


def _new_name() -> str:
    return secrets.token_hex(12)


def _intent_id(name: str) -> str:
    return f"tail-{name}"


def tail_of(key: ObjectKey) -> tuple[str, str] | None:
    """The upload's id and the segment's name that a store's key was made of; None for any other key."""
    _, found, rest = key.name.rpartition(TAILS)
    upload, _, name = rest.partition("/")
    return (upload, name) if found and upload and name else None
