"""The sweep: aborting multipart uploads that nobody will finish, and only those that are ours.

A multipart is ours when the journal says so: an intent is durable before CreateMultipartUpload is sent. It is
abandoned when the upload that made it has ended without being able to abort it, or when its process is gone:
certainly dead (same machine), or silent for longer than its heartbeat lasts. What no intent explains may be another
program's and is reported, never touched. Only probes of stores go without a journal: their keys say what they are.

A process can die between Create and writing down the upload's id. Such an intent is matched with what the store
lists: the very key, begun within :data:`WINDOW` of the intent, not another intent's; and only while no living
process has an unfinished intent for that key, because then the listed multipart may be that one's.

A multipart of a resumable upload is owned by the upload, which outlives every process: it is abandoned when the upload
is no more, or knows another. So are segments of uploads in a store, each of which is intended before it is written.

Everything may be repeated and may run twice at once: aborting what is gone and dropping what is dropped are no
errors. An intent leaves the journal only after the store has confirmed that the multipart is gone.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from gateway.errors import (
    BadRequest,
    MultipartLost,
    NotFound,
    StorageError,
    StorageRejected,
)
from gateway.model import MultipartListing, MultipartRef, ObjectKey, PartReceipt
from gateway.sessions.base import NOBODY, Intent, Sessions
from gateway.sessions.owner import is_dead, is_running
from gateway.sessions.uploads import LIVE
from gateway.storage.base import PROBE_LASTS, PROBE_MARK
from gateway.telemetry import Instrument
from gateway.transfer.resumable.site import UPLOAD_OWNER
from gateway.transfer.resumable.tails import tail_of
from gateway.transfer.sweep_report import SweepFailure, SweepReport, SweepTarget

#: How far the store's clock may be behind ours, and how long Create may take, in seconds.
SLACK: Final = 5.0
WINDOW: Final = 3600.0

#: What goes wrong with one bucket or upload, a wrong name among it, and must not end the whole sweep.
_OF_ONE_PLACE: Final = (StorageError, BadRequest)


class Multiparts(Protocol):
    """What the sweep needs of an :class:`~gateway.storage.base.ObjectStore`."""

    async def abort_multipart(self, ref: MultipartRef) -> None:
        """Drop an upload; an unknown one is no error."""
        ...

    async def delete(self, key: ObjectKey) -> None:
        """Remove an object; a missing one is no error."""
        ...

    async def list_parts(self, ref: MultipartRef) -> list[PartReceipt]:
        """Its parts; MultipartLost when there is no such upload."""
        ...

    def list_multiparts(self, bucket: str, prefix: str) -> AsyncIterator[MultipartListing]:
        """All unfinished uploads."""
        ...

    async def list_buckets(self) -> list[str] | None:
        """All buckets; None where that is not told."""
        ...


class Sweeper:
    """Sweeps ``stores`` by the journal in ``sessions``. ``grace``, in seconds, is how long an intent is left alone
    whose owner has no heartbeat (yet) and cannot be judged otherwise."""

    def __init__(
        self,
        stores: Mapping[str, Multiparts],
        sessions: Sessions,
        instrument: Instrument | None = None,
        grace: float = 60.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._stores: Final = stores
        self._sessions: Final = sessions
        self._instrument: Final = instrument or Instrument()
        self._grace: Final = grace
        self._now: Final = now

    async def sweep(self, targets: Iterable[SweepTarget] = ()) -> SweepReport:
        """Abort what is abandoned, then report what is foreign within ``targets``.

        Raises:
            SessionsUnavailable: without the journal nothing can be told apart, so nothing more is done.
        """
        report = SweepReport()
        unsettled = []
        before = await self._sessions.intents()
        alive = await self._sessions.owners(self._now())
        for intent in before:
            try:
                if await self._settle(intent, alive, report):
                    continue
                report.kept.append(intent)
            except _OF_ONE_PLACE as error:
                report.failed.append(SweepFailure(intent, error))
            unsettled.append(intent)
        await self._look_for_foreign(targets, unsettled, report)
        return report

    def _abandoned(self, intent: Intent, alive: frozenset[str]) -> bool:
        """Whether its process is gone. One that we can see running keeps its uploads, however silent it is."""
        if intent.owner == NOBODY or is_dead(intent.owner):
            return True
        if intent.owner.startswith(UPLOAD_OWNER):
            # Asked of the upload itself before; a young one may still be about to be written down.
            return self._now() - intent.created >= self._grace
        return (
            intent.owner not in alive
            and not is_running(intent.owner)
            and self._now() - intent.created >= self._grace
        )

    async def _settle(self, intent: Intent, alive: frozenset[str], report: SweepReport) -> bool:
        """Abort an abandoned intent's multipart and forget the intent; False when it is to be kept."""
        if intent.store in self._stores and (tail := tail_of(intent.key)) is not None:
            return await self._settle_tail(intent, *tail)
        if intent.owner.startswith(UPLOAD_OWNER) and not await self._has_no_upload(intent):
            return False
        if intent.store not in self._stores or not self._abandoned(intent, alive):
            return False
        resolved = await self._resolved(intent, alive)
        if resolved is None:
            return False
        ref = resolved.ref()
        if ref is not None:
            await self._abort(ref)
            report.aborted.append(ref)
            self._instrument.orphan_found(ref.store, ours=True)
        await self._sessions.drop_intent(intent.id)
        return True

    async def _has_no_upload(self, intent: Intent) -> bool:
        """Whether the upload that a multipart was made for has no use for it."""
        session = await self._sessions.upload(intent.owner.removeprefix(UPLOAD_OWNER))
        if session is None or session.state not in LIVE:
            return True
        return session.upload_id is None or session.upload_id != intent.upload_id

    async def _settle_tail(self, intent: Intent, upload: str, name: str) -> bool:
        """Remove a segment that no upload refers to; its writer has had its time."""
        abandoned = intent.owner == NOBODY or is_dead(intent.owner)
        if not abandoned and self._now() - intent.created < WINDOW:
            return False
        session = await self._sessions.upload(upload)
        if session is None or all(extent.name != name for extent in session.extents):
            await self._stores[intent.store].delete(intent.key)
        await self._sessions.drop_intent(intent.id)
        return True

    async def _abort(self, ref: MultipartRef) -> None:
        """Abort and look: a part that was in flight may outlive the first abort (see AbortMultipartUpload of S3).

        Raises:
            StorageError: it could not be aborted, or is still there.
        """
        store = self._stores[ref.store]
        try:
            await store.abort_multipart(ref)
            await store.list_parts(ref)
        except (MultipartLost, NotFound):
            return
        raise StorageError(f"The multipart upload for {ref.key} is still there after an abort.")

    async def _resolved(self, intent: Intent, alive: frozenset[str]) -> Intent | None:
        """The intent with its upload's id; without, when it has no upload; None while that cannot be told."""
        if intent.upload_id is not None:
            return intent
        listed = await self._listed(SweepTarget(intent.store, intent.key.bucket, intent.key.name))
        # Read after the listing: whatever of ours is in it has had its intent before it.
        journal = await self._sessions.intents()
        current = next((found for found in journal if found.id == intent.id), None)
        if current is None or current.upload_id is not None:
            return current or intent  # another sweep was faster
        others = [
            other
            for other in journal
            if (other.store, other.key) == (intent.store, intent.key) and other.id != intent.id
        ]
        if any(other.upload_id is None and not self._abandoned(other, alive) for other in others):
            return None
        taken = {other.upload_id for other in others}
        fitting = [
            listing
            for listing in listed
            if listing.ref.upload_id not in taken and _may_be(listing, intent)
        ]
        if not fitting:
            # A Create that was under way when its sender died may still arrive.
            return intent if self._now() - intent.created >= self._grace else None
        nearest = min(fitting, key=lambda found: abs(found.initiated.timestamp() - intent.created))
        # Written down before the abort: another sweep that no longer finds this multipart must not take the next
        # best one for it.
        resolved = replace(intent, upload_id=nearest.ref.upload_id)
        await self._sessions.put_intent(resolved)
        return resolved

    async def _look_for_foreign(
        self, targets: Iterable[SweepTarget], unsettled: Sequence[Intent], report: SweepReport
    ) -> None:
        foreign: set[MultipartRef] = set()  # a bucket may be seen whole, and by a prefix besides
        for target in await self._places(targets, report):
            try:
                listed = await self._listed(target)
            except _OF_ONE_PLACE as error:
                report.failed.append(SweepFailure(target, error))
                continue
            # Intents that came or went while the store was listed explain what it listed.
            intents = [*unsettled, *await self._sessions.intents()]
            for listing in listed:
                known = listing.ref in foreign or listing.ref in report.aborted
                if known or any(_explains(intent, listing) for intent in intents):
                    continue
                if _is_probe(listing):
                    await self._clear_probe(target, listing, report)
                    continue
                foreign.add(listing.ref)
                report.foreign.append(listing)
                self._instrument.orphan_found(target.store, ours=False)

    async def _places(
        self, targets: Iterable[SweepTarget], report: SweepReport
    ) -> list[SweepTarget]:
        """The targets, with the buckets that a store lists in place of "every bucket"."""
        places: list[SweepTarget] = []
        for target in targets:
            if target.bucket is not None:
                places.append(target)
                continue
            try:
                names = await self._stores[target.store].list_buckets()
            except _OF_ONE_PLACE as error:
                report.failed.append(SweepFailure(target, error))
                continue
            places += [
                SweepTarget(target.store, name, target.prefix, listed=True)
                for name in names or ()
                if name not in target.without
            ]
        return places

    async def _clear_probe(
        self, target: SweepTarget, listing: MultipartListing, report: SweepReport
    ) -> None:
        """Abort what a killed probe has left; it keeps no journal, its keys tell. A young one may still run."""
        if self._now() - listing.initiated.timestamp() < PROBE_LASTS:
            return
        try:
            await self._abort(listing.ref)
        except _OF_ONE_PLACE as error:
            report.failed.append(SweepFailure(target, error))
            return
        report.aborted.append(listing.ref)
        self._instrument.orphan_found(target.store, ours=True)

    async def _listed(self, place: SweepTarget) -> list[MultipartListing]:
        """A bucket's unfinished multiparts; none where it does not exist, or where nobody named it and it is not
        ours to use (another region's, or closed to our credential)."""
        assert place.bucket is not None
        store = self._stores[place.store]
        try:
            return [found async for found in store.list_multiparts(place.bucket, place.prefix)]
        except NotFound:
            return []
        except StorageRejected:
            if place.listed:
                return []
            raise


def _may_be(listing: MultipartListing, intent: Intent) -> bool:
    """Whether a multipart may be that of an intent without an upload's id."""
    return (
        listing.ref.store == intent.store
        and listing.ref.key == intent.key
        and -SLACK <= listing.initiated.timestamp() - intent.created <= WINDOW
    )


def _is_probe(listing: MultipartListing) -> bool:
    """Whether a probe made it."""
    return listing.ref.key.name.rpartition("/")[2].startswith(PROBE_MARK)


def _explains(intent: Intent, listing: MultipartListing) -> bool:
    """Whether a multipart is, or may be, an intent's."""
    return intent.ref() == listing.ref if intent.upload_id else _may_be(listing, intent)
