"""The seam to what is remembered of resumable uploads, so that any gateway of a fleet can continue any of them.

An upload is a set of *extents*: runs of its bytes that are durable, each a part of its multipart or a
segment (bytes too few for a part, :mod:`gateway.transfer.resumable`). Its **offset** is the end of the
unbroken run of extents from byte 0, computed, never stored: there is no sum or count that a hole could
make wrong. Once told to a client it never decreases.

Who writes serially (tus, the IETF protocol) takes the upload: that raises its **epoch**, and every
change names the epoch it was made under, so who was overtaken can't change anything afterwards. Chunks
that come in parallel take nothing: they add extents under the epoch they found.

Reading takes no lock and asks no store of objects. Times are Unix seconds, given by the caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

from gateway.model import Attributes, ByteRange, Digest, ObjectKey, Principal, WriteCondition
from gateway.sessions.extents import Extent, arranged, holes, unbroken_run

#: open: takes bytes. completing: has all, is being published. done: the object is there. failed: can never be
#: completed (what was verified at the end did not match). ending: cancelled or expired, being cleaned up. gone:
#: nothing is left but this record, which says 410 for a while.
UploadState = Literal["open", "completing", "done", "failed", "ending", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How an upload's bytes are cut into parts: a :class:`~gateway.adapt.part_size.PartPlan` that can be stored,
    and ``stride``: slice ``k`` (from 0) is part ``k * stride + epoch % stride + 1``, so that a part which
    an overtaken writer still had on its way can't land on its successor's."""

    start: int
    cap: int
    run: int | None
    max_parts: int
    stride: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The finished object, so that the last answer can be given again."""

    etag: str
    size: int
    created: bool
    version: str | None = None
    digests: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSession:
    """One upload as it is durably known.

    The first block never changes after creation. ``name`` is the client's own id for it, unique per
    principal. ``target`` is the object as the client calls it, ``key`` as the store does. ``partial``
    uploads become no object of their own (tus concatenation); ``sources`` are the uploads that a final
    one consists of. ``metadata`` is tus's ``Upload-Metadata`` exactly as received.
    """

    id: str
    dialect: str
    principal: Principal
    policy: str
    target: ObjectKey
    store: str
    key: ObjectKey
    cut: Cut
    created: float
    name: str | None = None
    attributes: Attributes = Attributes()
    condition: WriteCondition = WriteCondition()
    overwrite: bool = True
    max_size: int | None = None
    claims: tuple[Digest, ...] = ()
    metadata: str | None = None
    partial: bool = False
    sources: tuple[str, ...] = ()

    length: int | None = None
    expires: float = 0.0
    state: UploadState = "open"
    epoch: int = 0
    holder: str = ""
    yield_asked: bool = False
    upload_id: str | None = None
    extents: tuple[Extent, ...] = ()
    result: Result | None = None
    version: int = 0

    @property
    def offset(self) -> int:
        """The end of the unbroken run from byte 0."""
        return unbroken_run(self.extents)

    @property
    def missing(self) -> tuple[ByteRange, ...]:
        """What is missing below the length, or below the end of the last extent where no length is known."""
        end = self.length
        if end is None:
            end = max((extent.stop for extent in self.extents), default=0)
        return holes(self.extents, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of an upload, done whole or not at all. None leaves a field as it is.

    ``add`` and ``drop`` are extents (told apart by offset, number, name and etag: one that is there already
    is not added again, and is left as it was); what is dropped must stay covered by what is left, unless
    it lies beyond the unbroken run: an offset never decreases. ``drop`` comes before ``add``, so that both
    together may replace one. ``only_in`` are the states in which it may be made; ``expired`` (Unix seconds): only
    if the upload has expired by then.
    """

    add: Sequence[Extent] = ()
    drop: Sequence[Extent] = ()
    only_in: frozenset[UploadState] = frozenset({"open"})
    expired: float | None = None
    state: UploadState | None = None
    length: int | None = None
    expires: float | None = None
    upload_id: str | None = None
    holder: str | None = None
    result: Result | None = None


#: In these states an upload still has something of its own in a store.
LIVE: Final[frozenset[UploadState]] = frozenset({"open", "completing", "failed", "ending"})


class UploadSessions(Protocol):
    """What is remembered of uploads. Every write is durable when its call returns; a lost answer may be repeated.

    Every method raises SessionsUnavailable (503) when the sessions do not answer in time.
    """

    async def create_upload(self, session: UploadSession) -> UploadSession:
        """Write a new upload. When the principal has one of that ``name`` already that is not gone and has not expired
        at the new one's ``created``, answers that one instead and writes nothing."""
        ...

    async def upload(self, upload_id: str) -> UploadSession | None:
        """The upload of this id; None when it was never there, or is forgotten."""
        ...

    async def upload_named(self, principal: str, name: str) -> UploadSession | None:
        """A principal's upload by the name its client gave it; those that are gone do not count."""
        ...

    async def change_upload(self, upload_id: str, epoch: int, change: Change) -> UploadSession:
        """Change an upload, answering it as it is afterwards.

        Raises:
            Overtaken: the epoch is another, or so is the multipart that is known already, or it lives and was to have
                expired.
            UploadGone: it is in none of the states ``only_in`` names, or forgotten.
            InconsistentLength: another length is known already, or bytes would lie behind the length.
        """
        ...

    async def take_upload(self, upload_id: str, holder: str, epoch: int) -> UploadSession:
        """Become its only serial writer: the epoch grows by one, ``yield_asked`` is cleared. ``epoch`` is the one
        that was found.

        Raises:
            Overtaken: somebody else took it meanwhile.
            UploadGone: forgotten.
        """
        ...

    async def ask_to_yield(self, upload_id: str, epoch: int) -> None:
        """Ask the holder of that epoch to keep what it has and let go; it looks at
        :attr:`UploadSession.yield_asked` a few times a second."""
        ...

    async def touched(self, upload_id: str) -> tuple[int, bool] | None:
        """(epoch, yield_asked), as cheaply as can be: what a writer looks at."""
        ...

    async def expired_uploads(self, now: float, limit: int) -> list[str]:
        """Ids of uploads whose ``expires`` has passed, soonest first, those that are gone included."""
        ...

    async def forget_upload(self, upload_id: str, epoch: int) -> None:
        """Remove the record. An unknown one is no error; one of another epoch is left."""
        ...


def changed(session: UploadSession, change: Change) -> UploadSession:
    """``session`` as it is after ``change``: the one meaning of a change, for all kinds of sessions.

    Raises:
        ValueError: it would lower the offset, drops an extent that is not there, or adds one that is there with
            another size: a mistake of the caller's.
    """
    extents = arranged(session.extents, add=change.add, drop=change.drop)
    # What only adds can't take anything back.
    if (
        change.drop
        and session.state in ("open", "completing")
        and unbroken_run(extents) < session.offset
    ):
        raise ValueError("this change would take back bytes that were acknowledged")
    fields = {
        name: value
        for name in ("state", "length", "expires", "upload_id", "holder", "result")
        if (value := getattr(change, name)) is not None
    }
    return replace(session, extents=extents, version=session.version + 1, **fields)
