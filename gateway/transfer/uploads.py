"""Uploads: a body becomes an object, or nothing at all.

The order is the same for all: refuse what would be refused anyway before a byte is read; move the
body; verify everything that was claimed of it; only then commit.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final

from gateway.adapt.concurrency import FIRST, Limit
from gateway.adapt.part_size import PartPlan, plan
from gateway.errors import GatewayError, ObjectExists, Overloaded, PreconditionFailed, TooLarge
from gateway.model import Digest, ObjectInfo, Source, Stored, WriteCondition
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.multipart import Journal
from gateway.pipeline.naps import Naps
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.publish_small import SmallPublication
from gateway.pipeline.pump import pump
from gateway.pipeline.sink import PartSink
from gateway.pipeline.small import SmallBody, is_small
from gateway.pipeline.spool import Spool
from gateway.pipeline.transforms import Chain
from gateway.protocol.commands import ObjectStored, PutObject
from gateway.settings.sections import TransferSection
from gateway.storage.base import ObjectStore
from gateway.storage.retry import Retrier
from gateway.telemetry import Instrument
from gateway.transfer.exclusive import ConditionalWrites, WriteRule, judges_alone
from gateway.transfer.placement import Placement, Placements
from gateway.units import format_size

_UNCONDITIONAL: Final = WriteCondition()


@dataclass(slots=True, kw_only=True)  # not frozen: see gateway.model
class UploadRules:
    """What one upload is held to. ``digests`` are those that its signature covers."""

    principal: str
    max_size: int | None = None
    min_size: int = 0
    overwrite: bool = True
    digests: tuple[Digest, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Machinery:
    """What uploads run on; one per process. ``places``, ``passages`` (none: no cut-through there)
    and ``retriers`` by store; ``max_wait``, in seconds, is
    how long an upload waits for its first memory."""

    pool: SlabPool
    spool: Spool
    places: Mapping[str, Limiter]
    passages: Mapping[str, Limiter] = field(default_factory=dict)
    retriers: Mapping[str, Retrier]
    journal: Journal
    settings: TransferSection = field(default_factory=TransferSection)
    max_wait: float = 30.0
    naps: Naps = field(default_factory=Naps)
    instrument: Instrument = field(default_factory=Instrument)


class Uploads:
    """Takes bodies in."""

    def __init__(
        self, placements: Placements, conditional: ConditionalWrites, machinery: Machinery
    ) -> None:
        self._placements = placements
        self._conditional = conditional
        self._machinery = machinery

    async def put(self, command: PutObject, source: Source, rules: UploadRules) -> ObjectStored:
        """Store the body under the command's key, whole and verified, or leave nothing.

        Raises:
            TooLarge: over the policy's, the configuration's or the store's limit.
            ObjectExists, PreconditionFailed: it may not replace what is there.
            ConcurrentWrite: another request is writing it.
            Overloaded: there is no memory for it.
            DigestMismatch, IncompleteBody: the body is not what was announced.
            ClientGone: the client left.
            StorageError: the store failed for good.
        """
        placement = self._placements.resolve(command.key)
        started = time.perf_counter()
        outcome = "cut-off"
        chain = self._chain(command, rules)
        try:
            stored = await self._store(placement, command, source, rules, chain)
            outcome = "stored"
            return stored
        except GatewayError as error:
            outcome = error.code
            raise
        finally:
            self._machinery.instrument.upload_finished(
                placement.store.name, outcome, chain.size, time.perf_counter() - started
            )

    async def _store(
        self,
        placement: Placement,
        command: PutObject,
        source: Source,
        rules: UploadRules,
        chain: Chain,
    ) -> ObjectStored:
        rule = WriteRule(command.conditions, overwrite=rules.overwrite)
        conditional = bool(rule)
        self._check_length(command.length)
        found = await self._look(placement, command, conditional=conditional)
        pinned = rule.judge(found) if conditional else _UNCONDITIONAL
        leased = conditional and not judges_alone(placement.store)
        condition = _UNCONDITIONAL if leased else pinned
        if is_small(command.length):
            with self._small(placement, command, rules, condition) as body:
                if not body.take_over(source, chain):
                    if not body.admit_at_once():
                        await self._first_memory(body.admit())
                    await body.fill(source, chain)
                stored = await self._commit(body.complete, chain, placement, rule, leased=leased)
        else:
            # Around all of it: a store may judge as soon as a body that passes through is announced.
            with _worded(rule):
                async with self._sink(placement, command, rules, condition) as sink:
                    await self._first_memory(sink.admit(command.length))
                    await pump(source, chain, sink)
                    stored = await self._commit(
                        sink.complete, chain, placement, rule, leased=leased
                    )
        return _answer(stored, chain, found)

    def _commit(
        self,
        complete: Callable[[], Awaitable[Stored]],
        chain: Chain,
        placement: Placement,
        rule: WriteRule,
        *,
        leased: bool,
    ) -> Awaitable[Stored]:
        """Verify everything, then publish."""
        chain.verify()
        if not leased and rule.overwrite:
            return complete()
        return self._commit_judged(complete, placement, rule, leased=leased)

    async def _commit_judged(
        self,
        complete: Callable[[], Awaitable[Stored]],
        placement: Placement,
        rule: WriteRule,
        *,
        leased: bool,
    ) -> Stored:
        alone = self._conditional.commit(placement, rule, leased=True) if leased else nullcontext()
        async with alone:
            with _worded(rule):
                return await complete()

    async def _first_memory(self, admission: Awaitable[object]) -> None:
        """Wait for the memory that the body's first bytes go to: before any of them is asked for, so that
        who is refused has sent none.

        Raises:
            Overloaded: it took too long, or too many bodies are in transit already.
        """
        try:
            async with asyncio.timeout(self._machinery.max_wait):
                await admission
        except TimeoutError:
            raise Overloaded(
                "There is no memory for this upload just now; try again.", retry_after=5
            ) from None

    def plan(self, store: ObjectStore, length: int | None) -> PartPlan:
        """The parts that a body of this length is cut into.

        Raises:
            TooLarge: it cannot be stored; ``max_length`` says what can.
        """
        self._check_length(length)
        return plan(
            length,
            store.capabilities.parts,
            preferred=self._machinery.settings.part_size,
            memory_cap=self._machinery.pool.part_cap,
        )

    def _check_length(self, length: int | None) -> None:
        most = self._machinery.settings.max_object
        if most is not None and length is not None and length > most:
            raise TooLarge(f"At most {format_size(most)} can be stored here.", max_length=most)

    async def _look(
        self, placement: Placement, command: PutObject, *, conditional: bool
    ) -> ObjectInfo | None:
        """The object as it is, where somebody needs to know: a rule, or the difference of 201 and 204."""
        if conditional or (
            command.tell_created and not placement.store.capabilities.tells_replaced
        ):
            return await self._conditional.current(placement)
        return None

    def _chain(self, command: PutObject, rules: UploadRules) -> Chain:
        allowed, most = rules.max_size, self._machinery.settings.max_object
        if allowed is None or (most is not None and most < allowed):
            allowed = most
        return Chain(
            length=command.length,
            max_size=allowed,
            min_size=rules.min_size,
            claims=command.digests,
            signed=rules.digests,
            compute=command.want_digests,
        )

    def _small(
        self,
        placement: Placement,
        command: PutObject,
        rules: UploadRules,
        condition: WriteCondition,
    ) -> SmallBody:
        machinery = self._machinery
        store = placement.store
        assert command.length is not None
        publication = SmallPublication(
            store,
            placement.key,
            placement.attributes(command.attributes),
            condition,
            machinery.retriers[store.name],
            time.time(),
        )
        return SmallBody(
            command.length,
            publication,
            memory=machinery.pool.account(rules.principal),
            places=machinery.places[store.name],
            instrument=machinery.instrument,
        )

    def _sink(
        self,
        placement: Placement,
        command: PutObject,
        rules: UploadRules,
        condition: WriteCondition,
    ) -> PartSink:
        machinery = self._machinery
        store, most = placement.store, machinery.settings.concurrency
        return PartSink(
            store=store,
            key=placement.key,
            plan=self.plan(store, command.length),
            memory=machinery.pool.account(rules.principal),
            places=machinery.places[store.name],
            retry=machinery.retriers[store.name].call,
            journal=machinery.journal,
            attributes=placement.attributes(command.attributes),
            condition=condition,
            limit=Limit(min(FIRST, most), maximum=most),
            spool=machinery.spool,
            passages=machinery.passages.get(store.name),
            naps=machinery.naps,
            instrument=machinery.instrument,
        )


@contextmanager
def _worded(rule: WriteRule) -> Iterator[None]:
    """What a failed condition is called by who may not replace anything."""
    try:
        yield
    except PreconditionFailed:
        if rule.overwrite:
            raise
        raise ObjectExists("Another request has just stored this object.") from None


def _answer(stored: Stored, chain: Chain, found: ObjectInfo | None) -> ObjectStored:
    replaced = stored.replaced if stored.replaced is not None else found is not None
    return ObjectStored(
        info_etag=stored.etag,
        size=stored.size,
        created=not replaced,
        version=stored.version,
        digests=chain.digests(),
    )
