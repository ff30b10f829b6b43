"""Upload slots: their tokens are signed with the slot's own secret, for one file, and need no key of ours."""

from collections.abc import Mapping
from typing import Final

from gateway.auth.grant import Constraints, Grant
from gateway.auth.replay import ReplayGuard
from gateway.errors import Forbidden, LengthRequired
from gateway.model import ANONYMOUS, Principal
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.signatures import jwt, slot_token
from gateway.protocol.signatures.canonical import CanonicalQuery
from gateway.protocol.signatures.schemes import Scheme, bearer_token
from gateway.settings.sections import SlotSection

#: A slot's token is itself the permission to write one file; its constraints say which.
SLOT_POLICY: Final = "full-access"
_READS: Final = frozenset({"GET", "HEAD"})


class SlotGate:
    """Grants what slots' tokens are for. ``slots`` by name; ``max_skew`` in seconds."""

    def __init__(
        self, slots: Mapping[str, SlotSection], replay: ReplayGuard, max_skew: float
    ) -> None:
        self._slots = slots
        self._replay = replay
        self._max_skew = max_skew

    async def grant(
        self,
        head: RequestHead,
        query: CanonicalQuery,
        target: Target,
        scheme: Scheme | None,
        now: float,
    ) -> Grant:
        """Say who asks for a slot's file, and what the token allows. ``scheme`` is that of the credential that was
        found; ``now`` is Unix seconds.

        Raises:
            Forbidden: a credential that is none of the slot's.
            LengthRequired: a signed size and no Content-Length.
            GatewayError: a token that does not hold; whether it was used before cannot be known.
        """
        assert target.slot is not None
        slot = self._slots[target.slot]
        if scheme is Scheme.SIGV4 or scheme is Scheme.PRESIGNED:
            raise Forbidden(
                f"{slot.base_path} holds upload slots, no bucket: use the slot's own token, or"
                f" address the bucket by its name."
            )
        path = slot_token.slot_path(head.raw_path, slot.base_path)
        if head.method in _READS:
            # Reading asks for no token, and one that signed the PUT adds nothing.
            return Grant(
                principal=ANONYMOUS,
                scheme="anonymous",
                policy=slot.policy,
                constraints=Constraints(methods=_READS, bucket=slot.bucket, key=path),
                signed=False,
            )
        if scheme is Scheme.BEARER:
            return await self._bearer(head, target.slot, slot, path, now)
        return _token(head, query, target.slot, slot, path, now)

    async def _bearer(
        self, head: RequestHead, name: str, slot: SlotSection, path: str, now: float
    ) -> Grant:
        if "jwt" not in slot.versions or head.method != "PUT":
            raise Forbidden("This slot takes no bearer token for this method.")
        claims = jwt.verify_slot(
            bearer_token(head),
            slot.secret.get_secret_value(),
            path=path,
            now=now,
            max_skew=self._max_skew,
        )
        if not head.has(b"content-length"):
            raise LengthRequired("The slot's size is signed: send a Content-Length.")
        if claims.jti is not None:
            await self._replay.use(f"slot:{name}", claims.jti, now, claims.exp)
        return Grant(
            principal=Principal(on_behalf(f"slot:{name}", claims.sub)),
            scheme=Scheme.BEARER,
            policy=SLOT_POLICY,
            constraints=Constraints(
                methods=frozenset({"PUT"}),
                bucket=slot.bucket,
                key=path,
                exact_size=claims.filesize,
                max_size=slot.max_size,
                content_type=claims.filetype,
                no_overwrite=True,
            ),
        )


def _token(
    head: RequestHead, query: CanonicalQuery, name: str, slot: SlotSection, path: str, now: float
) -> Grant:
    delete_secret = slot.delete_secret
    verdict = slot_token.verify(
        head,
        query,
        path=path,
        base_path=slot.base_path,
        secrets=slot_token.SlotSecrets(
            secret=slot.secret.get_secret_value(),
            delete_secret=None if delete_secret is None else delete_secret.get_secret_value(),
        ),
        versions=slot.versions,
        now=now,
    )
    return Grant(
        principal=Principal(f"slot:{name}"),
        scheme=Scheme.SLOT,
        policy=SLOT_POLICY,
        constraints=Constraints(
            methods=frozenset({head.method}),
            bucket=slot.bucket,
            key=path,
            exact_size=verdict.size,
            max_size=slot.max_size,
            no_overwrite=True,
        ),
    )


def on_behalf(principal: str, sub: str | None, key_id: str | None = None) -> str:
    """Who a bearer token's holder is: the signer (by its name or its key's), or one of the signer's own
    users, never another signer."""
    return principal if sub in (None, principal, key_id) else f"{principal}/{sub}"
