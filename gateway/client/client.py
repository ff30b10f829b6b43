"""The client: put and get, tried again while that can help."""

import mimetypes
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from gateway.client.account import Account
from gateway.client.backoff import Backoff
from gateway.client.download import Download, Downloaded
from gateway.client.failures import TransferFailed
from gateway.client.link import Link
from gateway.client.partial import PartialFile
from gateway.client.upload import Progress, Upload, Uploaded
from gateway.model import ObjectKey

T = TypeVar("T")


def _unseen(done: int, total: int) -> None:
    """Show nothing."""


def _nowhere() -> int:
    """An upload begins again from nothing, so its failures are always in a row."""
    return 0


class Client:
    """Transfers between files and one endpoint. A context manager; not for several threads."""

    def __init__(
        self,
        account: Account,
        *,
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._link: Final = Link(account)
        self._backoff: Final = backoff or Backoff()
        self._sleep: Final = sleep

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._link.close()

    def put(
        self,
        file: Path,
        key: ObjectKey,
        *,
        content_type: str | None = None,
        progress: Progress = _unseen,
    ) -> Uploaded:
        """Store a file. The content type is guessed from the name unless it is given.

        Raises:
            TransferFailed: see :mod:`gateway.client.failures`.
        """
        guessed = content_type or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        upload = Upload(file=file, key=key, content_type=guessed)
        sha256, size = upload.digest()
        return self._persist(lambda: upload.send(self._link, sha256, size, progress), _nowhere)

    def get(self, key: ObjectKey, file: Path, *, progress: Progress = _unseen) -> Downloaded:
        """Fetch an object into ``file``, going on where an earlier call stopped.

        Raises:
            TransferFailed: see :mod:`gateway.client.failures`.
        """
        with PartialFile(file) as partial:
            download = Download(key, partial, progress)
            return self._persist(lambda: download.receive(self._link), lambda: partial.size)

    def _persist(self, attempt: Callable[[], T], reached: Callable[[], int]) -> T:
        """Try until it succeeds or the back-off gives up; progress starts its count anew."""
        failures = 0
        while True:
            before = reached()
            try:
                return attempt()
            except TransferFailed as error:
                failures = 1 if reached() > before else failures + 1
                delay = self._backoff.delay(error, failures)
                if delay is None:
                    raise
            self._sleep(delay)
