"""The shell around every dialect: one order, one place for each concern.

Limits on the head (the server's) → authenticate → parse → authorise → carry out → render. A form's
credential stands in its body: its fields, and nothing else, are read before. A new
dialect is one pure file and one line in :mod:`gateway.assembly`; no handler reaches credentials or storage
except through here, and what nobody understands fails closed.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.auth.authenticator import Authenticator, check_alone
from gateway.auth.authorise import (
    access,
    authorise,
    authorise_again,
    check_scope,
    may_list,
    upload_access,
)
from gateway.auth.grant import Grant
from gateway.auth.policies import Policies
from gateway.auth.policy import Decision, Policy
from gateway.drain import Drain
from gateway.errors import (
    ClientGone,
    Draining,
    Forbidden,
    GatewayError,
    InternalError,
    NotFound,
    ObjectExists,
    ObjectNotFound,
)
from gateway.model import ObjectKey
from gateway.protocol.commands import (
    Command,
    Dialect,
    RequestHead,
    ResponseHead,
    Target,
)
from gateway.protocol.cors import Cors, is_preflight
from gateway.protocol.discovery import discovery_headers
from gateway.protocol.forms import FORM, FormHead
from gateway.protocol.object_heads import Headers
from gateway.protocol.routing import SlotMount, dialect_of, effective_head, route
from gateway.protocol.upload_commands import (
    CancelChunks,
    InspectChunks,
    Limits,
    UploadCommand,
    UploadDialect,
)
from gateway.sessions.uploads import UploadSession
from gateway.web.carry import Carrier, Work
from gateway.web.carry_uploads import UploadCarrier
from gateway.web.channel import AsgiChannel, Channel
from gateway.web.exchange import Exchange
from gateway.web.forms import FieldReader
from gateway.web.forwarded import TrustedProxies
from gateway.web.heads import forwarded, request_head, send_head
from gateway.web.log import Log
from gateway.web.metrics import Metrics
from gateway.web.streams import Receive, Scope, Send

_FALLBACK: Final = "plain"


@dataclass(frozen=True, kw_only=True)
class Doorway:
    """What the endpoint needs of the rest."""

    dialects: Mapping[str, Dialect | UploadDialect]
    authenticator: Authenticator
    policies: Policies
    carrier: Carrier
    uploads: UploadCarrier
    limits: Limits
    cors: Cors
    proxies: TrustedProxies
    forms: FieldReader
    slots: Sequence[SlotMount]
    domains: Sequence[str]
    #: The bucket of HMAC File Server's paths; empty: they are not mounted.
    legacy: str
    drain: Drain
    metrics: Metrics
    log: Log
    clock: Callable[[], float] = time.time


class Endpoint:
    """An ASGI application for everything but the operators' pages."""

    def __init__(self, doorway: Doorway) -> None:
        self._door = doorway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens, and tell of it once.

        Raises:
            GatewayError: it failed after the response's head was out, so the server has to break the
                connection: an answer that ended early must not look whole.
        """
        head, problem = _read_head(scope, self._door.proxies)
        await self._serve(head, AsgiChannel(scope, receive, send), problem)

    def serve(self, head: RequestHead, channel: Channel) -> Coroutine[None, None, None]:
        """The same for a request that did not come by ASGI. ``head`` is as the front read it."""
        return self._serve(forwarded(head, self._door.proxies), channel, None)

    async def _serve(
        self, head: RequestHead, channel: Channel, problem: GatewayError | None
    ) -> None:
        door = self._door
        exchange = Exchange(head)
        door.metrics.requests.running.new += 1
        try:
            if problem is not None:
                raise problem
            await self._answer(channel, exchange)
        except ClientGone as error:
            exchange.error = error
        except GatewayError as error:
            await self._refuse(exchange, error, channel)
        except asyncio.CancelledError as error:
            exchange.error = error
            raise
        except Exception:
            door.log.exception("bug", request_id=exchange.request_id)
            await self._refuse(exchange, InternalError("Something in Sluice broke."), channel)
        finally:
            door.metrics.requests.running.new -= 1
            exchange.tell(door.log, door.metrics)

    async def _answer(self, channel: Channel, exchange: Exchange) -> None:
        door, head = self._door, exchange.head
        try:
            target = route(head, door.slots, door.domains, door.legacy)
        except GatewayError:
            exchange.dialect = dialect_of(head, door.slots, door.domains, door.legacy)
            raise
        exchange.dialect = target.dialect
        work = Work(channel, exchange, door.dialects[target.dialect])
        if door.drain.begun:
            raise Draining("This gateway is shutting down; try again.", retry_after=1)
        if head.method == "OPTIONS":
            await self._describe(work, target)
            return
        work.headers = door.cors.response_headers(head)
        session = grant = None
        if target.upload is None:
            grant = exchange.grant = door.authenticator.again(head, target, door.clock())
        else:
            session = await door.uploads.look(target.upload)
        grant = grant or await self._admit(work, target, session)
        exchange.head = head = effective_head(exchange.head, target)
        command = work.dialect.parse(head, target)
        policy = door.policies.for_request(grant.policy)
        if not isinstance(command, Command):
            work.permit(grant, policy, _authorise_upload(grant, policy, head, command))
            await self._carry_upload(command, work, session)
            return
        known = authorise_again(grant, policy, command)
        work.permit(
            grant, policy, _authorise(grant, policy, head, command) if known is None else known
        )
        try:
            await door.carrier.carry(command, work)
        except ObjectExists as error:
            work.name_policy(error)
            raise
        except ObjectNotFound:
            _check_may_know(grant, policy, target.key)
            raise

    async def _carry_upload(
        self, command: UploadCommand, work: Work, session: UploadSession | None
    ) -> None:
        try:
            await self._door.uploads.carry(command, work, session)
        except ObjectExists as error:
            work.name_policy(error)
            raise

    async def _admit(self, work: Work, target: Target, session: UploadSession | None) -> Grant:
        """Authenticate. A form's credential may stand among its fields: these are read first then, and nothing of
        the file; with a credential in the head they are read after it was verified."""
        exchange = work.exchange
        if target.dialect != FORM:
            return await self._authenticate(exchange, target, session)
        grant = None
        if exchange.head.has(b"authorization"):
            grant = await self._authenticate(exchange, target, session)
        work.body = await self._door.forms.read(exchange, work.channel)
        if grant is None:
            return await self._authenticate(exchange, target, session)
        assert isinstance(exchange.head, FormHead)
        check_alone(exchange.head, grant.scheme)
        return grant

    async def _authenticate(
        self, exchange: Exchange, target: Target, session: UploadSession | None
    ) -> Grant:
        door, head, now = self._door, exchange.head, self._door.clock()
        try:
            if target.upload is None:
                grant = await door.authenticator.authenticate(head, target, now)
            else:
                grant = await door.uploads.access.admit(head, target, session, now)
        except GatewayError as error:
            self._door.metrics.auth_refused(target.dialect, error.code)
            raise
        exchange.grant = grant
        return grant

    async def _describe(self, work: Work, target: Target) -> None:
        """OPTIONS carries no credential and tells nothing that depends on one."""
        head, cors, methods = work.exchange.head, self._door.cors, work.dialect.methods
        headers: Headers = (
            (b"allow", ", ".join(methods).encode("ascii")),
            *discovery_headers(target, self._door.limits),
        )
        if is_preflight(head):
            headers += cors.preflight_headers(head, methods)
        else:
            headers += cors.response_headers(head)
        await work.reply(ResponseHead(204, headers))

    async def _refuse(self, exchange: Exchange, error: GatewayError, channel: Channel) -> None:
        """Answer an error in the dialect's own format; break off where an answer has begun."""
        exchange.error = error
        if exchange.status:
            raise error
        dialect = self._door.dialects.get(exchange.dialect, self._door.dialects[_FALLBACK])
        response = dialect.render_error(exchange.head, error, exchange.request_id)
        headers = response.headers + self._door.cors.response_headers(exchange.head)
        if isinstance(error, Draining):
            headers += ((b"connection", b"close"),)
        await send_head(channel, exchange, ResponseHead(response.status, headers, response.body))


def _check_may_know(grant: Grant, policy: Policy, key: ObjectKey | None) -> None:
    """Who may not list must not learn what is missing (security case 90)."""
    if key is not None and not may_list(grant, policy, key):
        raise Forbidden("There is no such object, or you may not know.") from None


def _read_head(scope: Scope, proxies: TrustedProxies) -> tuple[RequestHead, GatewayError | None]:
    try:
        return request_head(scope, proxies), None
    except GatewayError as error:
        return RequestHead(scope["method"], b"/"), error


def _authorise_upload(
    grant: Grant, policy: Policy, head: RequestHead, command: UploadCommand
) -> Decision:
    """What begins an upload is held to the policy; what goes on with one was admitted by the upload, and is held to
    the policy again when it is finished. An upload that its client names is admitted here, by the object."""
    request = upload_access(grant, command)
    if isinstance(command, InspectChunks | CancelChunks):
        check_scope(grant.constraints, head.method, command.key)
    if request is None:
        return Decision(allowed=True, reason="the upload was admitted")
    return authorise(grant, policy, head.method, request)


def _authorise(grant: Grant, policy: Policy, head: RequestHead, command: Command) -> Decision:
    request = access(grant, command)
    if request is None:  # pragma: no cover - OPTIONS is answered before
        raise NotFound("Nothing to do here.")
    return authorise(grant, policy, head.method, request)
