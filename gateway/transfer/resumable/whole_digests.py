"""Digests of whole uploads that come in several requests, while one process sees all of them.

The state of a hash can't be written down, so it lasts only as long as the process and only while every byte passes
here in order. What can be composed of the parts' own checksums needs none of this.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.pipeline.transforms import Checksum

#: Uploads whose states are kept at a time.
MOST: Final = 1000

Running = Mapping[str, Checksum]


class WholeDigests:
    """Running digests by upload, at the offset they have reached."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[int, Running]] = OrderedDict()

    def resume(self, upload: str, offset: int, algorithms: Iterable[str]) -> Running | None:
        """The digests of an upload's first ``offset`` bytes, to go on with; None when they are not known here."""
        found = self._kept.pop(upload, None)
        if offset == 0:
            return {algorithm: Checksum(algorithm) for algorithm in algorithms}
        return found[1] if found is not None and found[0] == offset else None

    def keep(self, upload: str, offset: int, running: Running | None) -> None:
        """Remember them until the next request."""
        if running:
            self._kept[upload] = offset, running
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
