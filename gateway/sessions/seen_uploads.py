"""Uploads as this process last saw them, so that a store reads again only what is new of them."""

import threading
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from cachetools import LRUCache

from gateway.sessions.uploads import UploadSession

#: How many uploads, extents and their pieces are kept together: about 0.5 kB each.
_ROOM: Final = 20_000
_PIECES: Final = attrgetter("pieces")


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
        self._seen: Final[LRUCache[str, Seen]] = LRUCache(room, getsizeof=_weight)

    def get(self, upload_id: str) -> Seen | None:
        """What was kept last."""
        with self._lock:
            return self._seen.get(upload_id)

    def put(self, seen: Seen) -> None:
        """Keep a state, unless it is too large to be kept at all."""
        with self._lock:
            self._seen.pop(seen.session.id, None)
            # One that is too large would be an error of the cache's.
            with suppress(ValueError):
                self._seen[seen.session.id] = seen

    def drop(self, upload_id: str) -> None:
        """Keep it no longer."""
        with self._lock:
            self._seen.pop(upload_id, None)


def _weight(seen: Seen) -> int:
    extents = seen.session.extents
    # No loop of ours: it is weighed with every change.
    return 1 + len(extents) + sum(map(len, map(_PIECES, extents)))
