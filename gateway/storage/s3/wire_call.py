"""One call over a raw connection: signed, sent, answered; what is safe to mend at once is mended.

Three things are tried again here, each at most once a call, and nothing else is (see :mod:`gateway.storage.retry`):

- a connection that the store had closed while it was idle: where nothing of an answer came on a connection that
  was used before, and the call may be repeated, another try goes over a new connection;
- our clock: the store's is taken for right from then on;
- temporary credentials that have expired: others, if there are others.

``Expect: 100-continue``: it costs a round trip for each part, so it is used where it pays: for large bodies after
the store has throttled us or refused one half-way. Then a refusal costs a head and not megabytes. (On a
healthy endpoint an early refusal stops the sending anyway, within what the kernel had already taken.)
"""

import os
import ssl
import time
from dataclasses import dataclass, field, replace
from typing import Final

from botocore.exceptions import BotoCoreError
from botocore.httpsession import get_cert_path

from gateway.errors import GatewayError, StorageThrottled
from gateway.model import ObjectKey, Views
from gateway.storage.s3.connection import Connection, Credentials
from gateway.storage.s3.errors import raise_for
from gateway.storage.s3.wire_answer import Answer
from gateway.storage.s3.wire_body import Body, Cut
from gateway.storage.s3.wire_link import Link
from gateway.storage.s3.wire_outgoing import JOIN
from gateway.storage.s3.wire_owed import Coming
from gateway.storage.s3.wire_pool import Pool
from gateway.storage.s3.wire_refusal import Refusal, read_refusal
from gateway.storage.s3.wire_signer import Header, Signer
from gateway.storage.s3.wire_target import Site, Target
from gateway.units import MiB

#: Bodies from this size on may ask first.
LARGE: Final = MiB

#: Seconds for which a store that throttled us is asked first.
WARY: Final = 10.0

#: Connections for bodies that are still coming; who opens them has a limit of its own.
_MANY: Final = 10_000

_USER_AGENT: Final = b"user-agent: sluice\r\n"


@dataclass(slots=True, kw_only=True)  # not frozen: see gateway.model
class Call:
    """A request to make. ``headers``: lower-case names; ``repeatable``: doing it twice does no harm."""

    operation: str
    method: str
    key: ObjectKey
    query: bytes = b""
    headers: list[Header] = field(default_factory=list)
    body: Views | None = None
    payload: str
    repeatable: bool = True
    condition_on_etag: bool = False


class Caller:
    """Makes calls to one endpoint."""

    def __init__(self, connection: Connection) -> None:
        endpoint = connection.endpoint
        self._site = Site(endpoint)
        tls = _tls(endpoint.verify) if self._site.secure else None
        self.pool: Final = Pool(endpoint, self._site.port, tls)
        self._signer = Signer(endpoint.region, connection.credentials)
        self._wary_until = 0.0
        #: Each of these connections carries one body, as slowly as it comes: others must not wait for them.
        self._passages = Pool(replace(endpoint, max_connections=_MANY), self._site.port, tls)

    async def begin(self, call: Call, size: int) -> tuple[Link, Coming]:
        """Begin a call whose body of ``size`` bytes is still coming, on a connection of its own, which is as new
        as can be: what was sent over one that the store had closed cannot be repeated.

        Raises:
            OSError, BotoCoreError: there is no connection, or nothing to sign with.
        """
        target = self._site.target(call.key)
        unsigned = _USER_AGENT + b"content-length: %d\r\nexpect: 100-continue\r\n" % size
        credentials = await self._signer.credentials()
        link = await self._passages.open(target.host)
        return link, await link.open(
            self._head(call, target, unsigned, credentials), method=call.method
        )

    def begin_at_once(self, call: Call, *, owed: bool) -> tuple[Link, Coming] | None:
        """Begin a call with a small body, or none, where nothing must be waited for; else None. Bring what is
        answered to :meth:`make`, unless it is a success already. ``owed``: see :class:`.wire_link.Owed`."""
        credentials = self._signer.at_hand
        if credentials is None or not self.pool.idle:
            return None
        body = call.body or ()
        size = sum([view.nbytes for view in body])
        if size > JOIN:
            return None
        unsigned = _USER_AGENT
        if call.body is not None:
            unsigned += b"content-length: %d\r\n" % size
        try:
            target = self._site.target(call.key)
            head = self._head(call, target, unsigned, credentials)
        except GatewayError:
            return None  # the ordinary call will say it
        link = self.pool.take(target.host)
        if link is None:
            return None
        return link, link.begin(head, body, method=call.method, owed=owed)

    async def make(
        self, call: Call, begun: tuple[Link, Coming] | None = None
    ) -> tuple[Answer, Body]:
        """Carry ``call`` out; answer with a success. ``begun``: it was, see :meth:`begin_at_once`.

        Raises:
            GatewayError: it failed.
        """
        target = self._site.target(call.key)
        mended: set[str] = set()
        while True:
            try:
                if begun is None:
                    answer, body = await self._once(call, target, fresh="stale" in mended)
                else:
                    first, begun = begun, None
                    answer, body = await self._first(call, *first)
                if answer.status < 300:
                    return answer, body
                refusal = await read_refusal(answer, body)
                what = await self.mend(refusal)
            except Stale:
                what = "stale"
                refusal = None
            except (OSError, BotoCoreError) as error:
                self.failed(call)
                raise_for(call.operation, error)
            if what is None or what in mended:
                assert refusal is not None
                raise self.error(call, refusal)
            mended.add(what)

    def close(self) -> None:
        """End all connections."""
        self.pool.close()
        self._passages.close()

    def failed(self, call: Call) -> None:
        """No answer came: the next connection looks the name up again."""
        host = self._site.target(call.key).host
        self.pool.failed(host)
        self._passages.failed(host)

    async def _first(self, call: Call, link: Link, coming: Coming) -> tuple[Answer, Body]:
        """What comes of a call that was begun, on a connection that was used before."""
        try:
            return await link.rest(coming)
        except Cut as error:
            if error.silent and call.repeatable:
                raise Stale from error
            raise

    async def _once(self, call: Call, target: Target, *, fresh: bool) -> tuple[Answer, Body]:
        credentials = await self._signer.credentials()
        link = None if fresh else self.pool.take(target.host)
        if link is None:
            link = await self.pool.open(target.host)
        reused = link.calls > 0
        try:
            return await self._send(link, call, target, credentials)
        except Cut as error:
            if error.silent and reused and call.repeatable and not fresh:
                raise Stale from error
            raise

    async def _send(
        self, link: Link, call: Call, target: Target, credentials: Credentials
    ) -> tuple[Answer, Body]:
        size = 0 if call.body is None else sum([view.nbytes for view in call.body])
        expect = size >= LARGE and time.monotonic() < self._wary_until
        unsigned = _USER_AGENT
        if call.body is not None:
            unsigned += b"content-length: %d\r\n" % size
        if expect:
            unsigned += b"expect: 100-continue\r\n"
        head = self._head(call, target, unsigned, credentials)
        return await link.call(head, call.body or (), method=call.method, expect=expect)

    def _head(self, call: Call, target: Target, unsigned: bytes, credentials: Credentials) -> bytes:
        return self._signer.head(
            call.method,
            target,
            call.query,
            call.headers,
            unsigned,
            payload=call.payload,
            credentials=credentials,
        )

    async def mend(self, refusal: Refusal) -> str | None:
        """Put right what can be; answer what that was."""
        server_time = refusal.skew(self._signer.now)
        if server_time is not None:
            self._signer.observe(server_time)
            return "clock"
        if refusal.expired:
            before = await self._signer.credentials()
            self._signer.forget()
            return "credentials" if await self._signer.credentials() != before else None
        return None

    def error(self, call: Call, refusal: Refusal) -> Exception:
        """What a refusal that cannot be mended means."""
        error = refusal.error(call.operation, condition_on_etag=call.condition_on_etag)
        if isinstance(error, StorageThrottled):
            self._wary_until = time.monotonic() + WARY
        if error.retryable:
            self.failed(call)
        return error


class Stale(Exception):
    """The store had closed this connection before it saw the call."""


def _authorities() -> str:
    """What botocore would take: AWS_CA_BUNDLE, else the authorities it brings along."""
    return os.environ.get("AWS_CA_BUNDLE") or str(get_cert_path(True))


def _tls(verify: bool | str) -> ssl.SSLContext:
    """``verify`` as in :class:`~gateway.storage.s3.connection.Endpoint`."""
    context = ssl.create_default_context(
        cafile=verify if isinstance(verify, str) else _authorities() if verify else None
    )
    context.set_alpn_protocols(["http/1.1"])
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
