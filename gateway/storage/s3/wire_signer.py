"""Request heads, signed by hand: AWS Signature Version 4 in the Authorization header.

The canonical form, the signing key (cached per day) and the signature are those of
:mod:`gateway.protocol.signatures`; here stands only what makes it cheap: everything that we generate is
already in its canonical spelling, so nothing is parsed or normalised again.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeAlias

from gateway.errors import InvalidArgument
from gateway.protocol.signatures.canonical import canonical_request
from gateway.protocol.signatures.keyed import KeyedHash
from gateway.protocol.signatures.sigv4 import ALGORITHM, Scope, signing_hash, write_timestamp
from gateway.storage.s3.connection import Credentials, CredentialsProvider
from gateway.storage.s3.wire_target import Target

#: Seconds for which credentials are used without asking again. Temporary ones are renewed many minutes
#: before they expire.
_KEEP: Final = 5.0

#: Forms of heads that are remembered, for as long as the second lasts that they are dated with.
_MOST: Final = 256

Header = tuple[bytes, bytes]

#: What heads have in common that differ in the path only: method, authority, query, payload and signed headers.
_Same: TypeAlias = tuple[str, bytes, bytes, str, tuple[Header, ...]]


class Signer:
    """Signs with our credentials at one store. ``clock``: Unix seconds; ``offset`` is added to it: what the store's
    clock is ahead of ours."""

    def __init__(
        self, region: str, provider: CredentialsProvider, clock: Callable[[], float] = time.time
    ) -> None:
        self.offset = 0.0
        self._region = region
        self._provider = provider
        self._clock = clock
        self._credentials: Credentials | None = None
        self._until = 0.0
        self._scope = Scope("", region)
        self._second = 0
        self._signing_with: Credentials | None = None
        self._forms: dict[_Same, _Form] = {}

    @property
    def now(self) -> float:
        """The time that is signed with, Unix seconds."""
        return self._clock() + self.offset

    @property
    def at_hand(self) -> Credentials | None:
        """The credentials to sign with, if nobody must be asked for them now."""
        return self._credentials if time.monotonic() < self._until else None

    async def credentials(self) -> Credentials:
        """Those to sign with now.

        Raises:
            BotoCoreError: there are none, or they cannot be renewed.
        """
        found, now = self._credentials, time.monotonic()
        if found is None or now >= self._until:
            found = self._credentials = await self._provider()
            self._until = now + _KEEP
        return found

    def forget(self) -> None:
        """Ask for credentials anew: the store says that these have expired."""
        self._credentials = None

    def observe(self, server_time: float) -> None:
        """Take the store's clock for right from now on. Unix seconds."""
        self.offset = server_time - self._clock()

    def head(
        self,
        method: str,
        target: Target,
        query: bytes,
        headers: Sequence[Header],
        unsigned: bytes,
        *,
        payload: str,
        credentials: Credentials,
    ) -> bytes:
        """A whole request head.

        Args:
            query: percent-encoded, sorted, every parameter with its ``=``.
            headers: what else is signed; lower-case names, values trimmed and without runs of spaces.
            unsigned: header lines with their line ends, not signed.
            payload: SHA-256 of the body in hex, or the literal that stands for it.

        Raises:
            InvalidArgument: a value would break out of its line.
        """
        same = (method, target.authority, query, payload, tuple(headers))
        form = self._remembered(same, credentials)
        canonical = form.method + b"\n" + target.path + form.canonical
        text = form.text + sha256(canonical).hexdigest().encode()
        made = form.key.hexdigest(text).encode()
        return b"".join(
            (form.method, b" ", target.path, form.lines, made, b"\r\n", unsigned, b"\r\n")
        )

    def _remembered(self, same: _Same, credentials: Credentials) -> "_Form":
        """The form of a head that is dated with this second."""
        second = int(self._clock() + self.offset)
        if (
            second != self._second
            or credentials is not self._signing_with
            or len(self._forms) >= _MOST
        ):
            self._second, self._signing_with = second, credentials
            self._forms.clear()
        form = self._forms.get(same)
        if form is None:
            form = self._forms[same] = self._form(same, credentials)
        return form

    def _form(self, same: _Same, credentials: Credentials) -> "_Form":
        """What heads of one second have in common that differ in the path only."""
        method, authority, query, payload, headers = same
        timestamp = write_timestamp(self._second)
        signed = _signed(timestamp, authority, headers, payload, credentials)
        if self._scope.date != timestamp[:8]:
            self._scope = Scope(timestamp[:8], self._region)
        scope = self._scope
        names = b";".join([name for name, _ in signed]).decode()
        lines = b"".join([name + b": " + value + b"\r\n" for name, value in signed])
        if lines.count(b"\n") != len(signed) or b"\0" in lines:
            raise InvalidArgument("A header's value holds a line break or a NUL.")
        authorization = (
            f"authorization: {ALGORITHM} Credential={credentials.access_key_id}/{scope}, "
            f"SignedHeaders={names}, Signature="
        )
        return _Form(
            method=method.encode(),
            canonical=canonical_request("", b"", query, signed, payload.encode())[1:],
            text=f"{ALGORITHM}\n{timestamp}\n{scope}\n".encode(),
            key=signing_hash(
                credentials.secret_access_key, scope.date, scope.region, scope.service
            ),
            lines=b"%b HTTP/1.1\r\n%b%b"
            % (b"?" + query if query else b"", lines, authorization.encode()),
        )


def _signed(
    timestamp: str,
    authority: bytes,
    headers: Sequence[Header],
    payload: str,
    credentials: Credentials,
) -> list[Header]:
    """All headers that are signed, in order."""
    signed = [
        (b"host", authority),
        (b"x-amz-content-sha256", payload.encode()),
        (b"x-amz-date", timestamp.encode()),
        *headers,
    ]
    if credentials.session_token is not None:
        signed.append((b"x-amz-security-token", credentials.session_token.encode()))
    signed.sort()
    return signed


@dataclass(slots=True)
class _Form:
    """Of a head, all but its path and its signature. ``canonical`` is what follows the path in the canonical request,
    ``text`` what stands before that request's hash in the text that ``key`` signs, ``lines`` what stands between the
    path and the signature in the head itself."""

    method: bytes
    canonical: bytes
    text: bytes
    key: KeyedHash
    lines: bytes
