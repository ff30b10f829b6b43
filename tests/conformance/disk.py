"""A local store's disk that fails: a folder is gone, as when it was unplugged, or nothing can be written into it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Disk:
    """The disk under a local store's folder. It works for whoever runs it, root too: no permissions are changed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._blocks: list[Path] = []

    @contextmanager
    def away(self, name: str) -> Iterator[None]:
        """The folder ``name`` of the store (empty: all of it) is elsewhere for the length of the block."""
        there = self._root / name if name else self._root
        elsewhere = self._root.parent / "elsewhere"
        there.rename(elsewhere)
        try:
            yield
        finally:
            elsewhere.rename(there)

    def block(self, bucket: str) -> None:
        """Let no new object appear in a bucket: where its folders would be there are files."""
        for number in range(256):
            place = self._root / bucket / f"{number:02x}"
            if place.is_dir():
                place.rename(place.with_suffix(".there"))
            place.touch()
            self._blocks.append(place)

    def heal(self) -> None:
        """Take :meth:`block` back."""
        while self._blocks:
            place = self._blocks.pop()
            place.unlink()
            kept = place.with_suffix(".there")
            if kept.is_dir():
                kept.rename(place)
