"""Who writes an upload now, and how the next one takes it over.

A serial writer holds an upload under an epoch of its own. A newcomer asks it to let go: in the same process at
once, elsewhere through the session, which every writer looks at a few times a second. A writer that was asked
keeps what it has, durably, and goes; after :data:`PATIENCE` the newcomer takes the upload all the same. From then on
the old one's epoch is past, and nothing it still does counts.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from gateway.drain import Drain
from gateway.errors import (
    Draining,
    GatewayError,
    NotFound,
    Overtaken,
    StorageError,
    UploadGone,
)
from gateway.pipeline.owner import Owner
from gateway.sessions.owner import is_dead
from gateway.sessions.uploads import Change, UploadSession, UploadSessions
from gateway.transfer.resumable.writing import Writing

#: How long a newcomer waits for the writer before it, and how often it and every writer look, in seconds.
PATIENCE: Final = 0.8
LOOK: Final = 0.15
#: A client that was heard so short a time ago is lively, and has so long to end its request; in seconds.
LIVELY: Final = 0.1
FINISH: Final = 0.3
#: How long the parts of an overtaken writer here may take to land or be cancelled, in seconds: a little more than
#: its sink gives them.
LANDING: Final = 6.0


class Writer:
    """A writer in this process. ``stopped`` is resolved with the reason when it must stop; ``keeps`` says whether what
    it has may still be kept, or its epoch is past."""

    def __init__(self, writing: Writing) -> None:
        self.writing = writing
        self.gone = asyncio.Event()
        self.stopped: asyncio.Future[GatewayError] = asyncio.get_running_loop().create_future()
        self.keeps = False
        #: Where what has come ends, in the upload.
        self.received = writing.session.offset
        self.heard = time.monotonic()

    def on_bytes(self, size: int) -> None:
        """The client sent so many more."""
        self.received += size
        self.heard = time.monotonic()

    @property
    def silent(self) -> float:
        """Seconds since the client was heard."""
        return time.monotonic() - self.heard

    def ask(self) -> None:
        """Have it let go: at once where its client is silent, else in a moment, as it may be about to end by itself."""
        moment = FINISH if self.silent < LIVELY else 0.0
        asyncio.get_running_loop().call_later(moment, self.yield_, _overtaken())

    def yield_(self, reason: GatewayError) -> None:
        """Have it keep what it has, and stop."""
        if not self.stopped.done():
            self.keeps = True
            self.stopped.set_result(reason)

    def stop(self) -> None:
        """Have it stop: somebody else has the upload."""
        self.keeps = False
        if not self.stopped.done():
            self.stopped.set_result(_overtaken())

    async def landed(self) -> None:
        """Wait until nothing that it has sent can reach the store any more, for :data:`LANDING` at most: where parts
        have one number each, it would take its successor's place."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LANDING):
                await self.gone.wait()


class Takeovers:
    """The writers of this process; ``owner`` is its name in the sessions, ``expires`` as for :class:`Writing`."""

    def __init__(
        self,
        sessions: UploadSessions,
        owner: str,
        drain: Drain,
        expires: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._expires = expires
        self._owner = owner
        self._drain = drain
        self._here: dict[str, Writer] = {}
        self._leaving: dict[str, Writer] = {}

    def writer(self, upload: str) -> Writer | None:
        """Who writes an upload here now."""
        return self._here.get(upload)

    @asynccontextmanager
    async def writing(
        self, session: UploadSession, offset: int | None = None
    ) -> AsyncIterator[Writer]:
        """Be the upload's only writer for the length of the block.

        ``offset`` is where the newcomer goes on, if it has bytes. One that goes on where the upload durably ends brings
        again what the writer before it has in its hands: that is dropped then, because keeping it would
        move the offset from under a client that has just asked for it.

        Raises:
            Overtaken: another newcomer was faster, or came meanwhile, and the store has no more what it had.
            UploadGone: there is nothing to write to any more.
            SessionsUnavailable: nobody can tell.
        """
        session = await self._free(session, again=offset == session.offset)
        session = await self._sessions.take_upload(session.id, self._owner, session.epoch)
        writer = Writer(Writing(self._sessions, session, self._expires))
        before = self._here.get(session.id) or self._leaving.get(session.id)
        self._here[session.id] = writer
        if before is not None:
            before.stop()
        watch = Owner()
        watch.start(self._watch(writer), name=f"watch over {session.id}")
        try:
            if before is not None and session.cut.stride == 1:
                await before.landed()
            yield writer
        except (NotFound, StorageError) as error:
            if await self._is_past(session):
                raise _overtaken() from error
            raise
        finally:
            watch.cancel()
            for writers in (self._here, self._leaving):
                if writers.get(session.id) is writer:
                    del writers[session.id]
            await self._let_go(writer.writing)
            writer.gone.set()
            await watch.join()

    async def _is_past(self, session: UploadSession) -> bool:
        """Whether somebody else has it for certain."""
        with suppress(GatewayError):
            touched = await self._sessions.touched(session.id)
            return touched is None or touched[0] != session.epoch
        return False

    async def _let_go(self, writing: Writing) -> None:
        """Say that nobody holds it. Who is overtaken has nothing to say; one that can't be said runs out."""
        session = writing.session
        if session.holder and session.state in ("open", "completing"):
            with suppress(GatewayError):
                states = frozenset((session.state,))
                await writing.change(Change(holder="", only_in=states))

    async def _free(self, session: UploadSession, *, again: bool) -> UploadSession:
        """Have whoever writes it let go, within a second; ``again``: without keeping what it has.

        Somebody may come in while we look; he is asked too, or he would be overtaken with his bytes just kept and
        neither of us be answered that they are.
        """
        freed: Writer | None = None
        while True:
            here = self._here.get(session.id)
            if here is not None and here is not freed:
                await self._free_here(here, again=again)
                freed = here
            elif session.holder not in ("", self._owner) and not is_dead(session.holder):
                await self._free_elsewhere(session, again=again)
            found = await self._current(session)
            if self._here.get(session.id) in (None, freed):
                return found

    async def _free_here(self, here: Writer, *, again: bool) -> None:
        if not again:
            here.ask()
        patience = FINISH if again and here.silent < LIVELY else 0.0 if again else PATIENCE
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await here.gone.wait()

    async def _free_elsewhere(self, session: UploadSession, *, again: bool) -> None:
        if not again:
            await self._sessions.ask_to_yield(session.id, session.epoch)
        for _ in range(round((FINISH if again else PATIENCE) / LOOK)):
            await asyncio.sleep(LOOK)
            current = await self._current(session)
            if not current.holder or current.epoch != session.epoch:
                return

    async def _current(self, session: UploadSession) -> UploadSession:
        found = await self._sessions.upload(session.id)
        if found is None:
            raise UploadGone("This upload is no longer known; begin a new one.")
        return found

    async def finished(self, session: UploadSession) -> UploadSession:
        """The upload when whoever finishes it has ended, or has had :data:`PATIENCE`.

        Raises:
            UploadGone: there is nothing to write to any more.
        """
        for _ in range(round(PATIENCE / LOOK)):
            if not session.holder or is_dead(session.holder) or session.state == "done":
                break
            await asyncio.sleep(LOOK)
            session = await self._current(session)
        return session

    async def relieve(self, session: UploadSession) -> UploadSession:
        """Have a writer here whose client is silent keep what it has, and let go; by force after :data:`PATIENCE`.

        Raises:
            UploadGone: there is nothing to write to any more.
        """
        here = self._here.get(session.id)
        if here is not None:
            await self._free_here(here, again=False)
        session = await self._current(session)
        return session if here is None or here.gone.is_set() else await self.seize(session)

    async def seize(self, session: UploadSession) -> UploadSession:
        """End the present writer's epoch at once: what it has not made durable is dropped. Costs no call to a store.

        Raises:
            UploadGone: there is nothing to write to any more.
        """
        if not session.holder:
            return session
        try:
            taken = await self._sessions.take_upload(session.id, "", session.epoch)
        except Overtaken:
            return await self._current(session)
        here = self._here.pop(session.id, None)
        if here is not None:
            self._leaving[session.id] = here
            here.stop()
        return taken

    async def _watch(self, writer: Writer) -> None:
        """Look whether somebody wants the upload, or has it."""
        session = writer.writing.session
        while not writer.stopped.done():
            await asyncio.sleep(LOOK)
            if self._drain.begun:
                writer.yield_(Draining("This gateway is shutting down; go on.", retry_after=1))
            with suppress(GatewayError):  # what can't be asked now is asked again
                touched = await self._sessions.touched(session.id)
                if touched is None or touched[0] != session.epoch:
                    writer.stop()
                elif touched[1]:
                    writer.ask()


def _overtaken() -> Overtaken:
    return Overtaken("Another request has taken over this upload; ask for its offset.")
