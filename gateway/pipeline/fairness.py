"""A queue in which principals take turns: first come, first served within one, one each between them."""

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items in lines, one line per key. A principal that waits for much delays another by one item at most."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, deque[T]] = {}  # the first line's turn is next
        #: How many items there are.
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[T]:
        for line in self._lines.values():
            yield from line

    def push(self, key: Hashable, item: T) -> None:
        """Put ``item`` at the end of its key's line."""
        self._lines.setdefault(key, deque()).append(item)
        self.count += 1

    def head(self) -> T | None:
        """The item whose turn it is."""
        for line in self._lines.values():
            return line[0]
        return None

    def pop(self) -> T:
        """Take the head out; its line goes behind the others.

        Raises:
            IndexError: nothing waits.
        """
        for key in self._lines:
            line = self._lines.pop(key)
            item = line.popleft()
            if line:
                self._lines[key] = line
            self.count -= 1
            return item
        raise IndexError("nothing waits")

    def remove(self, key: Hashable, item: T) -> None:
        """Take an item out of turn.

        Raises:
            ValueError: it does not wait.
        """
        line = self._lines.get(key)
        if line is None:
            raise ValueError("it does not wait")
        line.remove(item)
        self.count -= 1
        if not line:
            del self._lines[key]
