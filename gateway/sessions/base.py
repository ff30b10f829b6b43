"""The seam to what must outlive a process: the intent journal, leases, nonces, heartbeats, and uploads.

``memory`` is for tests and single throw-away processes, ``sqlite`` the embedded default (several
workers of one machine), ``redis`` for a fleet. All run ``tests/sessions/contract.py`` and
``upload_contract.py``. Times are Unix seconds, given by the caller, so that tests need no clock.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from gateway.model import MultipartRef, ObjectKey
from gateway.sessions.uploads import UploadSessions

#: Version of the stored schema: 2 brought uploads. A store that finds a newer one refuses to start; an older
#: one is migrated.
SCHEMA_VERSION: Final = 2


#: The owner of an intent whose upload has ended although its multipart may still be there.
NOBODY: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """That we are about to create, or have created, a multipart upload.

    A row is durable *before* CreateMultipartUpload is sent: ListMultipartUploads shows no metadata,
    so this is the only way to tell our multiparts from others'. ``upload_id`` is None until the store
    has answered. ``owner`` is the process that works on it (see :class:`~gateway.sessions.heartbeat.Heartbeat`), or
    :data:`NOBODY`.
    """

    id: str
    store: str
    key: ObjectKey
    owner: str
    created: float
    upload_id: str | None = None

    def ref(self) -> MultipartRef | None:
        """The multipart, once the store has named it."""
        return (
            None if self.upload_id is None else MultipartRef(self.store, self.key, self.upload_id)
        )


@dataclass(frozen=True, slots=True)
class Lease:
    """Exclusive use of a name until it expires. ``epoch`` grows with every holder: a fencing token."""

    name: str
    holder: str
    epoch: int
    expires: float


class SessionStore(Protocol):
    """What must outlive a process. Every write is durable when its call returns.

    Every method raises SessionsUnavailable (503) when the store does not answer in time.
    """

    async def start(self) -> None:
        """Connect; create or migrate the schema.

        Raises:
            SessionsUnavailable: unreachable, or written by a newer Sluice.
        """
        ...

    async def aclose(self) -> None:
        """Disconnect."""
        ...

    async def ping(self) -> None:
        """Answer if reachable and writable."""
        ...

    def now(self) -> float:
        """The time that all who share these sessions agree on, in Unix seconds: what is held against what others have
        written here is told in it. Costs no call."""
        ...

    # --- intent journal ---

    async def put_intent(self, intent: Intent) -> None:
        """Write an intent (by its id; again to set ``upload_id``)."""
        ...

    async def drop_intent(self, intent_id: str) -> None:
        """Forget an intent: its multipart is completed or aborted. An unknown id is no error."""
        ...

    async def intents(self) -> list[Intent]:
        """All intents, oldest first."""
        ...

    # --- heartbeats of processes ---

    async def beat(self, owner: str, expires: float) -> None:
        """Say that ``owner`` lives, at least until ``expires``."""
        ...

    async def owners(self, now: float) -> frozenset[str]:
        """The owners whose heartbeat has not expired. Forgets those that have."""
        ...

    # --- nonces ---

    async def use_once(self, scope: str, nonce: str, now: float, expires: float) -> bool:
        """Remember ``nonce`` until ``expires``; False when it was remembered already (a replay)."""
        ...

    # --- leases ---

    async def acquire(self, name: str, holder: str, now: float, ttl: float) -> Lease | None:
        """Take the lease if it is free, expired, or already ``holder``'s (then it is renewed, same epoch); None when
        somebody else has it."""
        ...

    async def held(self, name: str) -> Lease | None:
        """The lease of this name as it was last taken or renewed, run out or not; None when there is none."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give it back, if it is still that holder's and epoch's."""
        ...


class Sessions(SessionStore, UploadSessions, Protocol):
    """Both: what :func:`~gateway.sessions.open.open_sessions` opens."""
