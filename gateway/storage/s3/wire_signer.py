"""Request heads, signed by hand: AWS Signature Version 4 in the Authorization header.

The canonical form, the signing key (cached per day) and the signature are those of
:mod:`gateway.protocol.signatures`; here stands only what makes it cheap: everything that we generate is
already in its canonical spelling, so nothing is parsed or normalised again.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from gateway.errors import InvalidArgument
from gateway.protocol.signatures.canonical import canonical_request
from gateway.protocol.signatures.sigv4 import ALGORITHM, Scope, signature, write_timestamp
from gateway.storage.s3.connection import Credentials, CredentialsProvider
from gateway.storage.s3.wire_target import Target

#: Seconds for which credentials are used without asking again. Temporary ones are renewed many minutes
#: before they expire.
_KEEP: Final = 5.0

Header = tuple[bytes, bytes]


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

    @property
    def now(self) -> float:
        """The time that is signed with, Unix seconds."""
        return self._clock() + self.offset

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
        timestamp = write_timestamp(int(self.now))
        signed = [
            (b"host", target.authority),
            (b"x-amz-content-sha256", payload.encode()),
            (b"x-amz-date", timestamp.encode()),
            *headers,
        ]
        if credentials.session_token is not None:
            signed.append((b"x-amz-security-token", credentials.session_token.encode()))
        signed.sort()
        canonical = canonical_request(method, target.path, query, signed, payload.encode())
        names = b";".join([name for name, _ in signed]).decode()
        head = b"".join(
            (
                method.encode(),
                b" ",
                target.path + b"?" + query if query else target.path,
                b" HTTP/1.1\r\n",
                *[name + b": " + value + b"\r\n" for name, value in signed],
                self._authorization(credentials, timestamp, names, canonical),
                unsigned,
                b"\r\n",
            )
        )
        if head.count(b"\n") != len(signed) + 3 + unsigned.count(b"\n") or b"\0" in head:
            raise InvalidArgument("A header's value holds a line break or a NUL.")
        return head

    def _authorization(
        self, credentials: Credentials, timestamp: str, names: str, canonical: bytes
    ) -> bytes:
        if self._scope.date != timestamp[:8]:
            self._scope = Scope(timestamp[:8], self._region)
        made = signature(credentials.secret_access_key, timestamp, self._scope, canonical)
        return (
            f"authorization: {ALGORITHM} Credential={credentials.access_key_id}/{self._scope}, "
            f"SignedHeaders={names}, Signature={made}\r\n"
        ).encode()
