"""Beginning an upload: everything that would refuse it anyway is asked before a byte is read."""

import secrets
from dataclasses import dataclass
from typing import Final

from gateway.adapt.slices import Slices, choose
from gateway.auth.grant import UNCONSTRAINED, Constraints
from gateway.errors import Conflict, Forbidden, InconsistentLength, InvalidDigest, TooLarge
from gateway.model import Attributes, Digest, ObjectKey, Principal, WriteCondition
from gateway.pipeline.flight import part_algorithm
from gateway.protocol.commands import Preconditions
from gateway.protocol.legacy_paths import LEGACY
from gateway.sessions.upload_rules import keeps_name
from gateway.sessions.uploads import UploadSession, UploadSessions
from gateway.storage.base import ObjectStore
from gateway.transfer.exclusive import ConditionalWrites, WriteRule
from gateway.transfer.placement import HIDDEN, Placement, Placements
from gateway.transfer.resumable.site import Works
from gateway.transfer.resumable.writing import cut_of
from gateway.units import format_size

#: Where tus's partial uploads become objects that no client sees.
PARTIALS: Final = f"{HIDDEN}partials/"
#: Dialects whose bytes come in any order.
_UNORDERED: Final = frozenset({"chunked", "range", LEGACY})

#: Their clients are told the largest size before they begin, and may rely on it as on a promise.
_TOLD: Final = frozenset({"tus", "rufh"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Who begins an upload or adds to one, and what he was allowed. ``max_size`` in bytes, None: no such limit.
    ``constraints`` are those of his credential: what it is not for can't be joined by it."""

    principal: Principal
    policy: str
    max_size: int | None = None
    overwrite: bool = True
    constraints: Constraints = UNCONSTRAINED

    def check(self, session: UploadSession, stop: int) -> None:
        """Hold bytes up to ``stop``, exclusive, to what their own credential may do, where another one began the
        upload: they are written to the object as the first ones were.

        Raises:
            TooLarge: the object is larger than the credential is for.
            Forbidden: the upload may replace an object, and the credential may not.
        """
        most = self.max_size
        if most is not None and max(session.length or 0, stop) > most:
            raise TooLarge(
                f"With this credential objects have {most} bytes at most, and the upload is of a larger one.",
                max_size=most,
            )
        if session.overwrite and not self.overwrite:
            raise Forbidden(
                "This credential may not replace objects, and the upload may: "
                "go on with the one that began it."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An upload as its client wants it. ``name`` is the client's own id for it, unique for the principal."""

    dialect: str
    key: ObjectKey
    length: int | None
    attributes: Attributes = Attributes()
    conditions: Preconditions = Preconditions()
    digests: tuple[Digest, ...] = ()
    name: str | None = None
    chunk_size: int | None = None
    metadata: str | None = None
    partial: bool = False
    sources: tuple[str, ...] = ()


class Creating:
    """Begins uploads. ``ttl``, in seconds, is how long one is kept without a byte."""

    def __init__(
        self,
        works: Works,
        sessions: UploadSessions,
        placements: Placements,
        conditional: ConditionalWrites,
        ttl: float,
    ) -> None:
        self._works = works
        self._sessions = sessions
        self._placements = placements
        self._conditional = conditional
        self._ttl = ttl

    async def create(self, wish: Wish, allowed: Allowed) -> tuple[UploadSession, bool]:
        """The upload, and whether it was there already under the name that the wish gives it.

        Raises:
            TooLarge: it is over the policy's, the configuration's or the store's limit.
            InvalidDigest: a digest of the whole could never be verified.
            ObjectExists, PreconditionFailed: the object may not be written.
            Conflict: the name is another upload's of the same principal.
            GatewayError: the bucket does not exist, or nobody can tell.
        """
        known = await find_named(self._sessions, wish, allowed.principal.id, self._works.clock())
        if known is not None:
            return known, True
        session = await self._new(wish, allowed, secrets.token_urlsafe(16))
        made = await self._sessions.create_upload(session)
        if made.id == session.id:
            return made, False
        return _same(made, wish), True

    async def _new(self, wish: Wish, allowed: Allowed, identity: str) -> UploadSession:
        placement = self._place(wish, identity)
        most = self._limit(wish, allowed)
        slices = self.slices(placement.store, wish.length, wish.chunk_size)
        if wish.dialect in _UNORDERED:
            _check_claims(wish, slices, placement.store)
        now = self._works.clock()
        return UploadSession(
            id=identity,
            dialect=wish.dialect,
            principal=allowed.principal,
            policy=allowed.policy,
            target=wish.key,
            store=placement.store.name,
            key=placement.key,
            cut=cut_of(slices),
            created=now,
            name=wish.name,
            attributes=placement.attributes(wish.attributes),
            condition=await self._judge(placement, wish, allowed),
            overwrite=allowed.overwrite,
            max_size=most,
            claims=wish.digests,
            metadata=wish.metadata,
            partial=wish.partial,
            length=wish.length,
            expires=now + self._ttl,
        )

    def _place(self, wish: Wish, identity: str) -> Placement:
        if wish.partial:
            return self._placements.hidden(wish.key.bucket, f"{PARTIALS}{identity}")
        return self._placements.resolve(wish.key)

    async def _judge(self, placement: Placement, wish: Wish, allowed: Allowed) -> WriteCondition:
        """What has to hold when the upload is finished; refused now where it does not hold now."""
        rule = WriteRule(wish.conditions, overwrite=allowed.overwrite)
        if wish.partial or not rule:
            return WriteCondition()
        return rule.judge(await self._conditional.current(placement))

    def slices(self, store: ObjectStore, length: int | None, chunk: int | None = None) -> Slices:
        """How an upload of this length is cut in this store.

        Raises:
            TooLarge: it can't be stored.
        """
        machinery = self._works.machinery
        return choose(
            length,
            store.capabilities.parts,
            preferred=machinery.settings.part_size,
            memory_cap=machinery.pool.part_cap,
            chunk=chunk,
            fenced=store.capabilities.unlisted_parts,
        )

    def max_size(self) -> int:
        """The largest upload, in bytes, that can be stored whichever store it goes to, with its length told or not."""
        most = self._works.machinery.settings.max_object
        sizes = [self.slices(store, None).max_length for store in self._works.stores.values()]
        return min(sizes if most is None else (*sizes, most))

    def _limit(self, wish: Wish, allowed: Allowed) -> int | None:
        told = self.max_size() if wish.dialect in _TOLD else None
        limits = (allowed.max_size, self._works.machinery.settings.max_object, told)
        most = min((limit for limit in limits if limit is not None), default=None)
        if most is not None and wish.length is not None and wish.length > most:
            raise TooLarge(f"At most {format_size(most)} can be stored here.", max_size=most)
        return most


def _check_claims(wish: Wish, slices: Slices, store: ObjectStore) -> None:
    """Refuse claims about the whole that nobody could verify when its bytes have come in any order: digests that
    can't be composed of the parts' own, unless the whole is one slice."""
    if wish.length is not None and wish.length <= slices.bounds(0)[1]:
        return
    composed = part_algorithm(store)
    for claim in wish.digests:
        if claim.algorithm != composed:
            instead = "leave it out" if composed is None else f"send its {composed} instead"
            raise InvalidDigest(
                f"The {claim.algorithm} of an upload in chunks can be verified here only up to"
                f" {format_size(slices.bounds(0)[1])} of a length that is told: {instead},"
                " or upload it in order."
            )


async def find_named(
    sessions: UploadSessions, wish: Wish, principal: str, now: float
) -> UploadSession | None:
    """The upload that has the name which the wish gives it, at ``now`` (Unix seconds); None where it is free.

    Raises:
        Conflict: it is another upload.
        InconsistentLength: it is of another length.
    """
    found = None if wish.name is None else await sessions.upload_named(principal, wish.name)
    return _same(found, wish) if found is not None and keeps_name(found, now) else None


def _same(found: UploadSession, wish: Wish) -> UploadSession:
    if found.target != wish.key or found.partial != wish.partial:
        raise Conflict("This name is that of another upload; choose a new one.")
    if wish.length is not None and found.length not in (None, wish.length):
        raise InconsistentLength(f"This upload's length was said to be {found.length} bytes.")
    return found
