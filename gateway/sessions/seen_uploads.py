"""Uploads as this process last saw them, so that a store reads again only what is new of them."""

import threading
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

from gateway.sessions.uploads import UploadSession

#: How many extents (and uploads) are kept. About 0.5 kB each.
_ROOM: Final = 20_000


@dataclass(frozen=True, slots=True)
class Seen:
    """An upload as it once was. ``stamp`` names that state where a store may forget what it had acknowledged, so
    that a version number alone could mean another."""

    session: UploadSession
    stamp: str = ""


class SeenUploads:
    """The last seen states of uploads, the least lately used given up first. For several threads."""

    def __init__(self, room: int = _ROOM) -> None:
        self._lock: Final = threading.Lock()
        self._seen: Final[LRUCache[str, Seen]] = LRUCache(
            room, getsizeof=lambda seen: 1 + len(seen.session.extents)
        )

    def get(self, upload_id: str) -> Seen | None:
        """What was kept last."""
        with self._lock:
            return self._seen.get(upload_id)

    def put(self, seen: Seen) -> None:
        """Keep a state, unless it is too large to be kept at all."""
        with self._lock:
            self._seen.pop(seen.session.id, None)
            if len(seen.session.extents) < self._seen.maxsize:
                self._seen[seen.session.id] = seen

    def drop(self, upload_id: str) -> None:
        """Keep it no longer."""
        with self._lock:
            self._seen.pop(upload_id, None)
