"""The client for asyncio: put, with the same rules as :class:`gateway.client.Client`."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.client.account import Account
from gateway.client.async_link import AsyncLink
from gateway.client.backoff import Backoff
from gateway.client.uploading.async_driver import AsyncDriver
from gateway.client.uploading.flows import RESUMABLE_FROM
from gateway.client.uploading.job import Progress, Uploaded
from gateway.client.uploading.notes import Notes
from gateway.client.uploading.work import Wish, unseen
from gateway.model import ObjectKey


class AsyncClient:
    """Transfers to one endpoint. An asynchronous context manager. For ``resumable_from`` and ``notes`` see
    :class:`~gateway.client.Client`."""

    def __init__(
        self,
        account: Account,
        *,
        backoff: Backoff | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        resumable_from: int = RESUMABLE_FROM,
        notes: Notes | None = None,
    ) -> None:
        self._account: Final = account
        self._backoff: Final = backoff or Backoff()
        self._sleep: Final = sleep
        self._resumable_from: Final = resumable_from
        self._notes: Final = notes
        self._link: Final = AsyncLink(account)

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._link.close()

    async def put(
        self,
        file: Path,
        key: ObjectKey,
        *,
        content_type: str | None = None,
        parallel: int = 1,
        progress: Progress = unseen,
    ) -> Uploaded:
        """Store a file: see :meth:`gateway.client.Client.put`. A cancelled one can be continued."""
        return await self.fulfil(
            Wish(
                file=file,
                key=key,
                content_type=content_type,
                parallel=parallel,
                progress=progress,
                resumable_from=self._resumable_from,
                notes=self._notes,
            )
        )

    async def fulfil(self, wish: Wish) -> Uploaded:
        """As :meth:`put`."""
        with wish.prepared(self._account, self._backoff) as work:
            driver = AsyncDriver(
                link=self._link,
                source=work.source,
                page=work.page,
                tally=work.tally,
                sleep=self._sleep,
            )
            return await driver.run(work.flow)
