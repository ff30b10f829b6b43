"""Digests of whole uploads that come in several requests, while one process sees all of them.

The state of a hash can't be written down, so it lasts only as long as the process and only while every byte passes
here in order. What can be composed of the parts' own checksums needs none of this.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.storage.checksums import Checksum

#: Uploads whose states are kept at a time.
MOST: Final = 1000


class RunningDigest(Checksum):
    """A digest of an upload's first ``size`` bytes."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithm)
        self.size = 0

    def update(self, data: memoryview, /) -> None:
        """See the next bytes."""
        super().update(data)
        self.size += len(data)


Running = Mapping[str, RunningDigest]


class WholeDigests:
    """Running digests by upload, at the offset they have reached."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[int, Running]] = OrderedDict()

    def resume(self, upload: str, offset: int, algorithms: Iterable[str]) -> Running | None:
        """The digests of an upload's first ``offset`` bytes, to go on with; None when they are not known here.

        What is remembered stays: a request that keeps nothing leaves the upload as it was, for the next one.
        """
        if offset == 0:
            self.forget(upload)
            return {algorithm: RunningDigest(algorithm) for algorithm in algorithms}
        reached, running = self._kept.get(upload, (0, {}))
        if reached != offset:
            self.forget(upload)
            return None
        return {algorithm: digest.copy() for algorithm, digest in running.items()}

    def keep(self, upload: str, offset: int, running: Running | None) -> None:
        """Remember them until the next request, if the first ``offset`` bytes are what they have seen."""
        if running and all(digest.size == offset for digest in running.values()):
            self._kept[upload] = offset, running
            self._kept.move_to_end(upload)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)

    def forget(self, upload: str) -> None:
        """Nothing more is asked of this upload."""
        self._kept.pop(upload, None)
