"""The one gate: from a request head to a grant, or to a refusal.

Every request of every dialect passes here before anything of it is parsed or looked up. What is not
understood is refused; what carries no credential is anonymous, and only where a policy says so.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NoReturn, Protocol

from gateway.auth.grant import Constraints, Grant
from gateway.auth.granted import grant_again, remember
from gateway.auth.key import Key
from gateway.auth.replay import NonceStore, ReplayGuard
from gateway.auth.slots import SlotGate, on_behalf
from gateway.errors import (
    AmbiguousCredentials,
    BadRequest,
    Forbidden,
    GatewayError,
    MalformedCredential,
    Unauthenticated,
    UnknownKey,
    UnsignedHeader,
)
from gateway.model import ANONYMOUS, Principal
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.forms import FORM, FormHead
from gateway.protocol.legacy_paths import LEGACY, NAMING
from gateway.protocol.post_policy import read_policy
from gateway.protocol.query import refuse_overrides
from gateway.protocol.signatures import jwt, sigv4
from gateway.protocol.signatures.authorization import read_header
from gateway.protocol.signatures.canonical import CanonicalQuery
from gateway.protocol.signatures.post_form import read_form_claim, verify_form
from gateway.protocol.signatures.presign import life_of, read_query
from gateway.protocol.signatures.schemes import Scheme, bearer_token, find
from gateway.settings.sections import AuthSection, SlotSection

#: Headers that change the meaning of a request and may come once only (security case 10).
_SINGLE: Final = (
    b"host",
    b"authorization",
    b"date",
    b"x-amz-date",
    b"x-amz-content-sha256",
    b"content-length",
)
_READS: Final = frozenset({"GET", "HEAD"})
#: A secret for keys that aren't there, so that their signature costs what a known key's does. One for
#: all: its signing key is derived once a day, so invented keys cost one HMAC and displace nobody's.
_DECOY: Final = "no key has this secret"


class KeySource(Protocol):
    """Where access keys are found. Asked once a request, so a disabled key ends at once."""

    def find(self, key_id: str, now: float) -> Key | None:
        """The key, or None where it is unknown, disabled, or outside its dates at ``now``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the configuration says about credentials.

    ``region`` is the one clients must sign for; ``anonymous`` maps a bucket to the policy of requests
    without a credential; ``slots`` are the slot sections by name.
    """

    region: str
    auth: AuthSection = AuthSection()
    slots: Mapping[str, SlotSection] = field(default_factory=dict)
    anonymous: Mapping[str, str] = field(default_factory=dict)


class Authenticator:
    """Authenticates requests of every scheme and dialect."""

    def __init__(self, keys: KeySource, nonces: NonceStore, rules: Rules) -> None:
        self._keys = keys
        self._replay = ReplayGuard(nonces)
        self._rules = rules
        self._slots = SlotGate(rules.slots, self._replay, rules.auth.max_skew)

    async def authenticate(self, head: RequestHead, target: Target, now: float) -> Grant:
        """Say who asks and what the credential itself allows.

        ``now`` is Unix seconds. OPTIONS is the caller's to answer before: preflights carry no
        credential.

        Raises:
            AmbiguousCredentials: more than one credential.
            MalformedCredential: one that cannot be read, or of a scheme that is not taken.
            MalformedPolicyDocument, InvalidArgument: a form's policy or key that cannot be read.
            BadRequest: a repeated header or query parameter that must be single; a bad target.
            Unauthenticated, Forbidden: none, where one is needed.
            UnknownKey, SignatureMismatch, UnsignedHeader, RequestExpired, ClockSkew, InvalidToken,
            RequestReplayed: one that does not hold.
            LengthRequired: a signed size and no Content-Length.
            NotImplementedHere: a streaming payload, rightly signed.
            SessionsUnavailable: whether a token was used before cannot be known.
        """
        again = self.again(head, target, now)
        if again is not None:
            return again
        if len(head.index) != len(head.headers):
            _refuse_repeated(head)
        query = CanonicalQuery(head.raw_query)
        ignore = self._rules.auth.ignore_foreign_bearer
        scheme = find(head, query, on_slot=target.slot is not None, ignore_foreign_bearer=ignore)
        if scheme is Scheme.SIGV2 or scheme is Scheme.UNKNOWN:
            _refuse(scheme)
        if target.slot is not None:
            return await self._slots.grant(head, query, target, scheme, now)
        if isinstance(head, FormHead) and head.form.signed:
            check_alone(head, scheme)
            return self._form(head, target, now)
        if scheme is Scheme.BEARER:
            return await self._bearer(head, now)
        if scheme is Scheme.SIGV4 or scheme is Scheme.PRESIGNED:
            _check_signable(target, scheme)
            return self._signed(head, query, target, scheme, now)
        return self._anonymous(head, target)

    def again(self, head: RequestHead, target: Target, now: float) -> Grant | None:
        """The grant of a signed request whose like was granted before, if it holds too. None: nothing is known of
        it, and :meth:`authenticate` has to tell."""
        max_skew = self._rules.auth.max_skew
        return grant_again(self, head, target, self._keys.find, now=now, max_skew=max_skew)

    def presented(self, head: RequestHead) -> bool:
        """Whether the request carries a credential at all, holding or not.

        Raises:
            AmbiguousCredentials: more than one.
            BadRequest: two Authorization headers, or a query that can't be read.
        """
        query = CanonicalQuery(head.raw_query)
        ignore = self._rules.auth.ignore_foreign_bearer
        return find(head, query, on_slot=False, ignore_foreign_bearer=ignore) is not None

    def _signed(
        self, head: RequestHead, query: CanonicalQuery, target: Target, scheme: Scheme, now: float
    ) -> Grant:
        read = read_header if scheme is Scheme.SIGV4 else read_query
        rules = self._rules
        claim = read(head, query, region=rules.region, now=now, max_skew=rules.auth.max_skew)
        key = self._keys.find(claim.key_id, now)
        if key is None:
            with suppress(GatewayError):
                sigv4.verify(claim, _DECOY)
            raise _unknown(claim.key_id)
        payload = sigv4.verify(claim, key.secret).payload
        if target.dialect == LEGACY:
            _check_naming(head, claim)
        grant = Grant(
            principal=Principal(key.principal, key.id),
            scheme=scheme,
            policy=key.policy,
            digests=() if payload is None else (payload,),
        )
        remember(
            self, head, claim, life_of(query) if scheme is Scheme.PRESIGNED else None, key, grant
        )
        return grant

    def _form(self, head: FormHead, target: Target, now: float) -> Grant:
        """A form that its policy signs. The policy is read only once the signature holds, and then held to."""
        assert target.key is not None
        fields, bucket, rules = head.form.fields, target.key.bucket, self._rules
        claim = read_form_claim(fields, region=rules.region, now=now, max_skew=rules.auth.max_skew)
        key = self._keys.find(claim.key_id, now)
        if key is None:
            with suppress(GatewayError):
                verify_form(claim, _DECOY)
            raise _unknown(claim.key_id)
        verify_form(claim, key.secret)
        policy = read_policy(claim.policy)
        name = head.form.key()
        policy.check(fields, bucket, name, now)
        return Grant(
            principal=Principal(key.principal, key.id),
            scheme=Scheme.FORM,
            policy=key.policy,
            constraints=Constraints(
                methods=frozenset({"POST"}),
                bucket=bucket,
                key=name,
                min_size=policy.min_size,
                max_size=policy.max_size,
            ),
        )

    async def _bearer(self, head: RequestHead, now: float) -> Grant:
        token = bearer_token(head)
        key_id = jwt.key_id(token)
        key = self._keys.find(key_id, now)
        max_skew = self._rules.auth.max_skew
        if key is None:
            with suppress(GatewayError):
                jwt.verify(token, _DECOY, now=now, max_skew=max_skew)
            raise _unknown(key_id)
        claims = jwt.verify(token, key.secret, now=now, max_skew=max_skew)
        if claims.jti is not None:
            await self._replay.use(f"jwt:{key.id}", claims.jti, now, claims.exp)
        return Grant(
            principal=Principal(on_behalf(key.principal, claims.sub, key.id), key.id),
            scheme=Scheme.BEARER,
            policy=key.policy,
            constraints=Constraints(
                methods=claims.methods,
                bucket=claims.bucket,
                key=claims.key,
                prefix=claims.prefix,
                max_size=claims.max_size,
                content_type=claims.content_type,
            ),
        )

    def anonymous_policy(self, bucket: str) -> str | None:
        """The policy of requests without a credential; None: there may be none."""
        return self._rules.anonymous.get(bucket)

    def _anonymous(self, head: RequestHead, target: Target) -> Grant:
        if head.method in _READS:
            # Before any policy is asked: the answer does not depend on what the bucket lets strangers do.
            refuse_overrides(head.raw_query)
        policy = None if target.key is None else self.anonymous_policy(target.key.bucket)
        if policy is not None:
            return Grant(principal=ANONYMOUS, scheme="anonymous", policy=policy, signed=False)
        detail = "This request needs a credential: sign it, or use a presigned URL or a token."
        # S3 has no 401, and XMPP clients know none.
        raise Forbidden(detail) if target.dialect in ("s3", "slot") else Unauthenticated(detail)


def _check_signable(target: Target, scheme: Scheme) -> None:
    """Refuse a signature where it says too little about what is asked for."""
    if target.dialect == FORM:
        raise MalformedCredential(
            "A form is signed by its policy, in its fields: see POST policies."
        )
    if target.dialect == LEGACY and scheme is Scheme.PRESIGNED:
        raise MalformedCredential(
            "A presigned URL does not cover the file's name, which is a header here: sign the request."
        )


def _refuse_repeated(head: RequestHead) -> None:
    for name in _SINGLE:
        if len(head.index.get(name, ())) > 1:
            raise BadRequest(f"The header {name.decode()} was sent more than once; send it once.")


def _check_naming(head: RequestHead, claim: sigv4.Claim) -> None:
    """Refuse a signature that leaves open which object it is for: here that stands in headers, not in the path."""
    signed = claim.signed_names()
    missing = ", ".join(name.decode() for name in NAMING if head.has(name) and name not in signed)
    if missing:
        raise UnsignedHeader(
            f"The path does not say which object this is for, so these headers have to be signed: {missing}.",
            headers_not_signed=missing,
        )


def check_alone(head: FormHead, scheme: Scheme | str | None) -> None:
    """Refuse a form with a credential among its fields where ``scheme`` was found elsewhere.

    Raises:
        AmbiguousCredentials: there are two.
    """
    if scheme is not None and head.form.signed:
        raise AmbiguousCredentials(
            f"The request carries a credential ({scheme}) beside the form's own; send one."
        )


def _refuse(scheme: Scheme) -> NoReturn:
    if scheme is Scheme.SIGV2:
        raise MalformedCredential(
            "Signature Version 2 is not taken: set the client to Signature Version 4"
            " (signature_version = s3v4)."
        )
    raise MalformedCredential(
        "The Authorization header's scheme is not taken here: use AWS4-HMAC-SHA256 or Bearer."
    )


def _unknown(key_id: str) -> UnknownKey:
    return UnknownKey(
        "No enabled key has this access key id; check it, and that the key was not disabled.",
        aws_access_key_id=key_id,
    )
