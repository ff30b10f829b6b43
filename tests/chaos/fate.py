"""What one gateway process in this process meets at its calls to the store, and its death there."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.errors import StorageTimeout, StorageUnavailable
from gateway.sessions.memory import MemorySessions

#: What a call to the store can meet. "lost": it was carried out and nobody hears of it.
FAULTS: Final = ("503", "timeout", "reset", "lost", "kill before", "kill after")
_CALLS: Final = frozenset(
    {"put", "get", "head", "delete", "delete_many", "create_multipart", "upload_part"}
    | {"complete_multipart", "abort_multipart", "list_parts"}
)


class Killed(asyncio.CancelledError):
    """The process is gone: nothing after this point happens, and nobody in it hears why."""


@dataclass
class Plan:
    """What calls to the store will meet, by their number from now: one gateway's, or those of all that have it."""

    faults: dict[int, str] = field(default_factory=dict)
    calls: int = 0

    def next(self) -> str | None:
        """Of the call that comes now."""
        self.calls += 1
        return self.faults.pop(self.calls, None)


@dataclass
class Fate:
    """One gateway process: dead or not, and what its calls to the store will meet."""

    plan: Plan = field(default_factory=Plan)
    dead: bool = False
    died: asyncio.Event = field(default_factory=asyncio.Event)

    def die(self) -> None:
        """Now."""
        self.dead = True
        self.died.set()

    def live(self) -> None:
        """Go on, unless it is dead."""
        if self.dead:
            raise Killed

    async def meet(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Carry out a call to the store as fate has it."""
        self.live()
        fault = self.plan.next()
        if fault == "kill before":
            self.die()
        self.live()
        if fault in ("503", "reset"):
            raise StorageUnavailable("Down.")
        result = await call()
        if fault == "kill after":
            self.die()
        self.live()
        if fault == "lost":
            raise StorageUnavailable("The answer was lost.")
        if fault == "timeout":
            raise StorageTimeout("No answer in time.")
        return result


class Fated:
    """A store or sessions as one process sees them."""

    def __init__(self, inner: Any, fate: Fate) -> None:
        self._inner, self._fate = inner, fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name == "passages":
            return None  # bodies that are still coming would pass by our faults
        if not asyncio.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **more: Any) -> Any:
            if name in _CALLS and not isinstance(self._inner, MemorySessions):
                return await self._fate.meet(lambda: found(*args, **more))
            self._fate.live()
            return await found(*args, **more)

        return call
