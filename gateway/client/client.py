"""The client: put and get, tried again while that can help."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.client.account import Account
from gateway.client.async_client import AsyncClient
from gateway.client.backoff import Backoff
from gateway.client.download import Download, Downloaded
from gateway.client.failures import TransferFailed
from gateway.client.link import Link
from gateway.client.partial import PartialFile
from gateway.client.uploading.driver import Driver
from gateway.client.uploading.flows import RESUMABLE_FROM
from gateway.client.uploading.job import Progress, Uploaded
from gateway.client.uploading.notes import Notes
from gateway.client.uploading.work import Wish, unseen
from gateway.model import ObjectKey


class Client:
    """Transfers between files and one endpoint. A context manager; not for several threads.

    Files of ``resumable_from`` bytes and more are uploaded so that another process can continue; ``notes`` is where
    that is written down (None: the user's state folder).
    """

    def __init__(
        self,
        account: Account,
        *,
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
        resumable_from: int = RESUMABLE_FROM,
        notes: Notes | None = None,
    ) -> None:
        self._account: Final = account
        self._resumable_from: Final = resumable_from
        self._notes: Final = notes
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
        parallel: int = 1,
        progress: Progress = unseen,
    ) -> Uploaded:
        """Store a file, going on where an earlier call or process stopped. The content type is guessed from the name
        unless it is given. ``parallel`` requests at a time need no running event loop in this thread; in one,
        use :class:`~gateway.client.AsyncClient`.

        Raises:
            TransferFailed: see :mod:`gateway.client.failures`.
        """
        wish = Wish(
            file=file,
            key=key,
            content_type=content_type,
            parallel=parallel,
            progress=progress,
            resumable_from=self._resumable_from,
            notes=self._notes,
        )
        if parallel > 1:
            return asyncio.run(self._put_together(wish))
        with wish.prepared(self._account, self._backoff) as work:
            driver = Driver(
                link=self._link,
                source=work.source,
                page=work.page,
                tally=work.tally,
                sleep=self._sleep,
            )
            return driver.run(work.flow)

    async def _put_together(self, wish: Wish) -> Uploaded:
        async with AsyncClient(self._account, backoff=self._backoff) as client:
            return await client.fulfil(wish)

    def get(self, key: ObjectKey, file: Path, *, progress: Progress = unseen) -> Downloaded:
        """Fetch an object into ``file``, going on where an earlier call stopped.

        Raises:
            TransferFailed: see :mod:`gateway.client.failures`.
        """
        with PartialFile(file) as partial:
            download = Download(key, partial, progress)
            return self._persist(download, partial)

    def _persist(self, download: Download, partial: PartialFile) -> Downloaded:
        """Try until it succeeds or the back-off gives up; progress starts its count anew."""
        failures = 0
        while True:
            before = partial.size
            try:
                return download.receive(self._link)
            except TransferFailed as error:
                failures = 1 if partial.size > before else failures + 1
                delay = self._backoff.delay(error, failures)
                if delay is None:
                    raise
            self._sleep(delay)
