"""The URL of an upload as a credential: it suffices alone, for this upload and nothing else.

``{id}.{mac}``: the mac is HMAC-SHA256, under the secret of the key that began the upload, over the id. So
it needs no memory, ends with the key, and cannot be made by who knows only the id. Behind it stands a tag of the key,
so that it need not be tried with every key where the upload is forgotten; URLs without one still count. What the bearer
may do ends with the upload, too. The bare ``{id}`` needs the owner's own credential.
"""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import Final, Protocol

from gateway.auth.authenticator import Authenticator, KeySource
from gateway.auth.authorise import access_to, authorise, check_scope
from gateway.auth.grant import Grant
from gateway.auth.key import Key
from gateway.auth.policies import Policies
from gateway.errors import Unauthenticated, UnknownKey, UploadGone, UploadNotFound
from gateway.model import ANONYMOUS
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.routing import effective_head
from gateway.sessions.uploads import UploadSession

#: What grants by such a URL are called in logs.
SCHEME: Final = "upload-url"
_PURPOSE: Final = b"sluice upload capability 1\n"

#: Characters of a mac, and of the tag behind it.
_MAC: Final = 43
_TAG: Final = 4
#: Keys that a capability of a forgotten upload is tried with: anybody may send one. More than one key has a tag by
#: chance only; URLs from before there were tags name none.
_TRIED: Final = 8


def mac_of(secret: str, upload: str) -> str:
    """The capability for an upload: 43 characters of base64url."""
    digest = hmac.digest(secret.encode(), _PURPOSE + upload.encode("ascii"), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


@lru_cache(maxsize=4096)
def tag_of(key_id: str) -> str:
    """What a URL says of its key: 4 characters that are nobody's secret."""
    digest = sha256(b"sluice upload key 1\n" + key_id.encode()).digest()
    return urlsafe_b64encode(digest)[:_TAG].decode("ascii")


def capability_of(key: Key, upload: str) -> str:
    """What stands behind the id in an upload's URL."""
    return mac_of(key.secret, upload) + tag_of(key.id)


def _holds(key: Key, upload: str, capability: str) -> bool:
    mac, tag = capability[:_MAC], capability[_MAC:]
    return tag in ("", tag_of(key.id)) and hmac.compare_digest(mac_of(key.secret, upload), mac)


class AllKeys(KeySource, Protocol):
    """Keys that can be gone through as well."""

    def list(self) -> tuple[Key, ...]:
        """All of them, those that do not count included."""
        ...


class UploadAccess:
    """Who may go on with an upload, and whether it may still be finished."""

    def __init__(self, keys: AllKeys, authenticator: Authenticator, policies: Policies) -> None:
        self._keys = keys
        self._authenticator = authenticator
        self._policies = policies

    def path(self, session: UploadSession, now: float) -> str:
        """The path of the upload's URL: with the capability, where a key began it.

        Raises:
            UnknownKey: the key counts no more.
        """
        key = self._key(session, now)
        mac = "" if key is None else "." + capability_of(key, session.id)
        return f"/-/uploads/{session.id}{mac}"

    async def admit(
        self, head: RequestHead, target: Target, session: UploadSession | None, now: float
    ) -> Grant:
        """What the request may do with the upload that its URL names (None: there is none).

        Raises:
            UploadNotFound: no such upload; a wrong capability; another principal's credential.
            UploadGone: the capability is one of ours, but of an upload that nobody remembers.
            UnknownKey: the key that began the upload counts no more.
            Unauthenticated: nobody signed for the upload, and strangers may do nothing there any more.
            Forbidden: the owner's credential is for other objects or methods.
            GatewayError: a credential that does not hold.
        """
        if session is None:
            raise self._forgotten(target, now)
        if target.mac is not None:
            key = self._key(session, now)
            if key is None or not _holds(key, session.id, target.mac):
                raise _not_found()
            if not self._authenticator.presented(head):
                return Grant(
                    principal=session.principal, scheme=SCHEME, policy=key.policy, signed=True
                )
        elif session.principal == ANONYMOUS and not self._authenticator.presented(head):
            return Grant(
                principal=ANONYMOUS,
                scheme="anonymous",
                policy=self._policy(session, now),
                signed=False,
            )
        grant = await self._authenticator.authenticate(head, target, now)
        if grant.principal.id != session.principal.id:
            raise _not_found()
        if target.mac is None:
            check_scope(grant.constraints, effective_head(head, target).method, session.target)
        return replace(grant, policy=self._policy(session, now))

    def _forgotten(self, target: Target, now: float) -> UploadNotFound | UploadGone:
        """What to say of an upload that nobody remembers: that it is gone to who has a URL that we gave out (its
        record has run out, or the sessions have lost their memory); anything else never was. It costs a few HMACs at
        most, however many keys there are."""
        if target.upload is not None and target.mac is not None:
            tag = target.mac[_MAC:]
            named = (each for each in self._keys.list() if each.counts(now) and _may_be(each, tag))
            for key in islice(named, _TRIED):
                if _holds(key, target.upload, target.mac):
                    return UploadGone("This upload is no longer known; begin a new one.")
        return _not_found()

    def confirm(self, session: UploadSession, size: int, now: float) -> bool:
        """Whether the finished upload, of ``size`` bytes, may overwrite what is there, by what holds now.

        Raises:
            UnknownKey: the key that began it counts no more.
            Unauthenticated: strangers may write nothing there any more.
            Forbidden, TooLarge, UnsupportedMediaType: the policy does not allow it any more.
        """
        name = self._policy(session, now)
        signed = session.principal != ANONYMOUS
        grant = Grant(principal=session.principal, scheme=SCHEME, policy=name, signed=signed)
        request = access_to(
            grant,
            "write",
            session.target,
            size=size,
            content_type=session.attributes.content_type,
        )
        policy = self._policies.for_request(name)
        return authorise(grant, policy, "PUT", request).overwrite

    def _policy(self, session: UploadSession, now: float) -> str:
        """The policy that holds now for who began an upload: his key's, or the bucket's for strangers. Where neither
        is it (a slot's token), it is the one that he was admitted by."""
        key = self._key(session, now)
        if key is not None:
            return key.policy
        if session.principal != ANONYMOUS:
            return session.policy
        policy = self._authenticator.anonymous_policy(session.target.bucket)
        if policy is None:
            raise Unauthenticated("Uploads without a credential are not allowed here any more.")
        return policy

    def _key(self, session: UploadSession, now: float) -> Key | None:
        """The key that began an upload; None where none did."""
        key_id = session.principal.key_id
        if key_id is None:
            return None
        key = self._keys.find(key_id, now)
        if key is None:
            raise UnknownKey("The key that began this upload is disabled or gone.")
        return key


def _may_be(key: Key, tag: str) -> bool:
    """Whether a URL with this tag can be of this key."""
    return not tag or tag == tag_of(key.id)


def _not_found() -> UploadNotFound:
    return UploadNotFound("There is no such upload.")
