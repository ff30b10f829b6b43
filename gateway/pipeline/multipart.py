"""The life of one multipart upload in a store, and its rows in the journal.

An intent is durable before each CreateMultipartUpload, one per attempt, because an attempt whose answer was
lost may have made a multipart that nobody knows: its row stays, given up, and the sweep finds the multipart by it.
A row goes when its multipart is known to be gone: completed, or aborted. One that cannot be aborted is given up as
well: else no sweep would touch it while this process lives.
"""

import asyncio
from contextlib import suppress
from typing import Final, Protocol

from gateway.errors import (
    GatewayError,
    MultipartLost,
    StorageError,
    StorageRejected,
    StorageThrottled,
)
from gateway.model import Attributes, MultipartRef, ObjectKey
from gateway.pipeline.flight import Retry
from gateway.storage.base import ObjectStore
from gateway.telemetry import Instrument

#: How often an abort is repeated while the store still shows parts (AWS: parts that were on their way
#: may arrive after an abort).
_ABORTS: Final = 3


class Journal(Protocol):
    """Where intents are kept. Each method is durable when it returns.

    Raises:
        SessionsUnavailable: it can't be written; nothing may be created then.
    """

    async def intend(self, store: str, key: ObjectKey) -> str:
        """A multipart for ``key`` is about to be created; answers the intent's id."""
        ...

    async def attached(self, intent: str, ref: MultipartRef) -> None:
        """It was created, as ``ref``."""
        ...

    async def given_up(self, intent: str) -> None:
        """The upload has no more use for it and cannot tell whether it is gone: the sweep may take it."""
        ...

    async def closed(self, intent: str) -> None:
        """It is gone: completed, aborted, or refused."""
        ...


class Multipart:
    """One multipart upload, from intent to its end."""

    def __init__(
        self,
        store: ObjectStore,
        key: ObjectKey,
        attributes: Attributes,
        *,
        retry: Retry,
        journal: Journal,
        instrument: Instrument,
    ) -> None:
        self._store = store
        self._key = key
        self._attributes = attributes
        self._retry = retry
        self._journal = journal
        self._instrument = instrument
        self._intent: str | None = None
        self.ref: MultipartRef | None = None

    async def create(self) -> MultipartRef:
        """Create it, once.

        Raises:
            GatewayError: it can't be created or not be journalled. What was created is in ``ref`` even then.
        """
        if self.ref is None:
            self.ref = await self._retry("CreateMultipartUpload", self._attempt)
            assert self._intent is not None
            await self._journal.attached(self._intent, self.ref)
        return self.ref

    async def _attempt(self) -> MultipartRef:
        intent = await self._journal.intend(self._store.name, self._key)
        try:
            ref = await self._store.create_multipart(self._key, self._attributes)
        except GatewayError as error:
            if _refused(error):
                await self._journal.closed(intent)
            else:
                with suppress(GatewayError):
                    await self._journal.given_up(intent)
            raise
        self._intent = intent
        return ref

    async def abort(self, *, confirm: bool) -> None:
        """Drop it, if there is one. ``confirm``: a part may still be on its way, so look and repeat.

        Never raises a GatewayError: what can't be dropped is given up, and the sweep tries again.
        """
        ref = self.ref
        if ref is None:
            return
        try:
            for _ in range(_ABORTS):
                await self._retry("AbortMultipartUpload", lambda: self._store.abort_multipart(ref))
                if not confirm or await self._is_gone(ref):
                    await self.close()
                    return
        except GatewayError as error:
            self._instrument.abort_failed(self._store.name, error)
        else:
            lasting = StorageError("The store still shows parts of an aborted upload.")
            self._instrument.abort_failed(self._store.name, lasting)
        if self._intent is not None:
            with suppress(GatewayError):
                await self._journal.given_up(self._intent)

    async def _is_gone(self, ref: MultipartRef) -> bool:
        try:
            await self._retry("ListParts", lambda: self._store.list_parts(ref))
        except MultipartLost:
            return True
        await asyncio.sleep(0)
        return False

    async def close(self) -> None:
        """It is gone: forget the intent. That this fails is no error: the sweep finds nothing to do."""
        intent, self._intent, self.ref = self._intent, None, None
        if intent is not None:
            with suppress(GatewayError):
                await self._journal.closed(intent)


def _refused(error: GatewayError) -> bool:
    """Whether the store certainly did nothing."""
    if isinstance(error, StorageError):
        return isinstance(error, StorageRejected | StorageThrottled)
    return True
