"""From all bytes to the object: published once, verified, and remembered with its answer.

Whoever comes may redo it after a crash, at any step:

- *Parts*: all of them are committed before the upload is ``completing``; so the rest can always be repeated, and
  a multipart that is gone means that the object is there, which is then proved (:mod:`.proof`). Whoever redoes it
  asks for the multipart first: a condition, judged once more, would refuse the upload's own object.
- *One PutObject*: its last bytes may be in this process's memory only. The upload says ``completing`` with the
  CRC of the whole before it is sent; whoever finds it so looks whether the object has that CRC, and if not
  puts the upload back to ``open``: the client sends the rest once more.

What may not be published any more (the policy changed, the key was disabled, the object exists) is refused here
again, whatever was allowed when the upload began.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Protocol

from gateway.errors import (
    DigestMismatch,
    GatewayError,
    InvalidPart,
    MultipartLost,
    ObjectExists,
    PreconditionFailed,
    StorageCorrupt,
    StorageError,
)
from gateway.model import Digest, ObjectInfo, PartReceipt, Stored, Views, WriteCondition
from gateway.pipeline.flight import part_digests
from gateway.pipeline.owner import unbroken
from gateway.pipeline.publish import Fingerprint, publish
from gateway.protocol.commands import Preconditions
from gateway.sessions.uploads import Change, Result, UploadSession
from gateway.settings.stores import BucketOptions
from gateway.storage.checksums import compute
from gateway.storage.etags import is_computed, multipart_etag, whole_etag
from gateway.transfer.exclusive import ConditionalWrites, WriteRule, judges_alone
from gateway.transfer.placement import Placement
from gateway.transfer.resumable.kept_parts import digests_of, lost, receipts_of
from gateway.transfer.resumable.outcome import Outcome
from gateway.transfer.resumable.proof import CRC, crc_of_parts, find_ours
from gateway.transfer.resumable.site import Site, Works
from gateway.transfer.resumable.slice_sink import SliceSink
from gateway.transfer.resumable.whole_digests import Running
from gateway.transfer.resumable.writing import Writing


class Authority(Protocol):
    """Who says whether an upload may still be finished."""

    def confirm(self, session: UploadSession, size: int) -> bool:
        """Whether an object that is there may be overwritten, by what holds now.

        Raises:
            GatewayError: it may not be stored (any more).
        """
        ...


class Completing:
    """Publishes uploads."""

    def __init__(self, works: Works, conditional: ConditionalWrites, authority: Authority) -> None:
        self._works = works
        self._outcome = Outcome(works)
        self._conditional = conditional
        self._authority = authority

    async def finish(
        self,
        writing: Writing,
        sink: SliceSink,
        size: int,
        running: Running | None = None,
        wanted: Sequence[str] = (),
    ) -> None:
        """All ``size`` bytes have come, the last of them in ``sink``: make them the object. ``wanted`` are algorithms
        of which the answer shall have the digest, where it is known.

        Raises:
            DigestMismatch: they are not the ones that were announced; the upload has failed.
            ObjectExists, PreconditionFailed, Forbidden, TooLarge: it may not be stored; the bytes are kept.
            GatewayError: it could not be done now, and may be tried again.
        """
        if writing.session.length is None:
            await writing.change(Change(length=size))
        try:
            self._authority.confirm(writing.session, size)
            await self._finish(writing, sink, size, running, wanted)
        except GatewayError as error:
            error.final = not error.retryable and not isinstance(error, StorageError)
            raise

    async def _finish(
        self,
        writing: Writing,
        sink: SliceSink,
        size: int,
        running: Running | None,
        wanted: Sequence[str],
    ) -> None:
        names = dict.fromkeys((*(each.algorithm for each in writing.session.claims), *wanted))
        if _is_small(writing, size):
            draft = await sink.whole()
            try:
                views = draft.views()
                computed = {name: compute(name, views) for name in names}
                await self._verify(writing, computed)
                await unbroken(self._publish_whole(writing, views, tuple(computed.values())))
            finally:
                draft.release()
        else:
            await sink.last()
            receipts = receipts_of(writing.session)
            computed = digests_of(names, receipts, running)
            await self._verify(writing, computed)
            await unbroken(self._publish_parts(writing, tuple(computed.values())))

    async def redo(self, writing: Writing) -> None:
        """Go on where somebody else stopped: the upload is ``completing``. Afterwards it is done, or open again.

        Raises:
            GatewayError: it could not be done now, and may be tried again.
        """
        session = writing.session
        if session.upload_id is not None:
            await unbroken(self._redo_parts(writing))
            return
        noted = session.result
        assert noted is not None
        crc = noted.digests[0]
        site = self._works.site(session)
        found = await find_ours(site, noted.size, None, crc, session.created)
        if found is None:
            await self._outcome.reopened(writing)
        else:
            await self._outcome.done(writing, _stored(found), session.claims, created=noted.created)

    # --- verification ---

    async def _verify(self, writing: Writing, computed: dict[str, Digest]) -> None:
        for claim in writing.session.claims:
            found = computed.get(claim.algorithm)
            if found == claim:
                continue
            await writing.change(Change(state="failed", expires=self._works.clock()))
            if found is None:
                raise DigestMismatch(
                    f"The {claim.algorithm} of this upload can't be verified any more, as it went on in another"
                    " process: send it again in one piece, or with a crc64nvme."
                )
            raise DigestMismatch(f"The upload's {claim.algorithm} is not the one that was sent.")

    # --- one PutObject ---

    async def _publish_whole(
        self, writing: Writing, views: Views, known: tuple[Digest, ...]
    ) -> None:
        session = writing.session
        site = self._works.site(session)
        size = sum(len(view) for view in views)
        crc = compute(CRC, views)
        async with self._conditioned(session, size) as (condition, created):
            noted = Result(etag="", size=size, created=created, digests=(crc,))
            await writing.change(Change(state="completing", result=noted))
            since = datetime.fromtimestamp(session.created, UTC)
            digests = part_digests(site.store, views)
            places = self._works.machinery.places[site.store.name]
            await places.acquire(session.principal.id)
            try:
                stored = await publish(
                    site.store,
                    site.key,
                    site.retrier.call,
                    "PutObject",
                    lambda: site.store.put(
                        site.key, views, site.attributes, condition=condition, digests=digests
                    ),
                    lambda: Fingerprint(size, whole_etag(views), since),
                )
            except PreconditionFailed as error:
                raise await self._outcome.refused(writing, error) from None
            finally:
                places.release()
        await self._outcome.done(writing, stored, known, created=created)

    # --- parts ---

    async def _publish_parts(self, writing: Writing, known: tuple[Digest, ...]) -> None:
        session = writing.session
        site = self._works.site(session)
        ref, receipts = site.ref(session), receipts_of(session)
        assert ref is not None
        size = sum(receipt.size for receipt in receipts)
        if size != session.length:
            raise StorageCorrupt("The kept parts do not add up to the upload's length.")
        etag = multipart_etag(receipts)
        async with self._conditioned(session, size) as (condition, created):
            if session.state == "open":
                await writing.change(Change(state="completing"))
            since = datetime.fromtimestamp(session.created, UTC)
            try:
                stored = await publish(
                    site.store,
                    site.key,
                    site.retrier.call,
                    "CompleteMultipartUpload",
                    lambda: site.store.complete_multipart(ref, receipts, condition=condition),
                    lambda: Fingerprint(size, etag, since),
                )
            except PreconditionFailed as error:
                raise await self._outcome.refused(writing, error) from None
            except (MultipartLost, InvalidPart):
                stored = await self._found(writing, site, receipts)
        await self._check(writing, site, stored, etag)
        await site.forget_multipart(ref)
        await self._outcome.done(writing, stored, known, created=created)

    async def _redo_parts(self, writing: Writing) -> None:
        session = writing.session
        site = self._works.site(session)
        ref, receipts = site.ref(session), receipts_of(session)
        assert ref is not None
        try:
            await site.retrier.call("ListParts", lambda: site.store.list_parts(ref))
        except MultipartLost:
            stored = await self._found(writing, site, receipts)
            await site.forget_multipart(ref)
            created = bool(session.condition.absent) or not session.overwrite
            await self._outcome.done(writing, stored, session.claims, created=created)
            return
        try:
            await self._publish_parts(writing, session.claims)
        except (ObjectExists, PreconditionFailed) as error:
            if writing.session.state == "completing":
                raise await self._outcome.refused(writing, error) from None
            raise

    async def _found(self, writing: Writing, site: Site, receipts: Sequence[PartReceipt]) -> Stored:
        """The multipart can't be completed (any more): either it has been, or its parts are lost."""
        size = sum(receipt.size for receipt in receipts)
        etag, crc = multipart_etag(receipts), crc_of_parts(receipts)
        found = await find_ours(site, size, etag, crc, writing.session.created)
        if found is None:
            await self._outcome.failed(writing)
            raise await lost(writing.session, site, receipts)
        return _stored(found)

    async def _check(self, writing: Writing, site: Site, stored: Stored, etag: str | None) -> None:
        """Hold the published object against what was sent."""
        if etag is not None and is_computed(stored.etag):
            whole = stored.etag == etag
        else:
            info = await site.retrier.call("HeadObject", lambda: site.store.head(site.key))
            whole = info.size == writing.session.length
        if not whole:
            await self._outcome.failed(writing)
            raise StorageCorrupt("The object is not the one that was uploaded; send it again.")

    @asynccontextmanager
    async def _conditioned(
        self, session: UploadSession, size: int
    ) -> AsyncIterator[tuple[WriteCondition, bool]]:
        """What to tell the store when publishing, and whether the object will be a new one."""
        store = self._works.stores[session.store]
        placement = Placement(store, session.key, BucketOptions())
        overwrite = session.overwrite and self._authority.confirm(session, size)
        rule = WriteRule(_preconditions(session.condition), overwrite=overwrite)
        if session.partial:
            yield WriteCondition(), True
        elif rule and not judges_alone(store):
            async with self._conditional.commit(placement, rule, leased=True) as found:
                yield WriteCondition(), found is None
        else:
            condition = session.condition if overwrite else WriteCondition(absent=True)
            known = store.capabilities.tells_replaced
            found = None if known else await self._conditional.current(placement)
            yield condition, found is None


def _is_small(writing: Writing, size: int) -> bool:
    """Whether the whole fits one PutObject, and nothing of it is a part yet."""
    session = writing.session
    return session.upload_id is None and size <= writing.slices.bounds(0)[1]


def _preconditions(condition: WriteCondition) -> Preconditions:
    return Preconditions(
        if_match=() if condition.etag is None else (f'"{condition.etag}"',),
        if_none_match=("*",) if condition.absent else (),
    )


def _stored(info: ObjectInfo) -> Stored:
    return Stored(etag=info.etag, size=info.size, version=info.version)
