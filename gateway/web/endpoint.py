"""The shell around every dialect: one order, one place for each concern.

Limits on the head (the server's) → authenticate → parse → authorise → carry out → render. A new
dialect is one pure file and one line in :mod:`gateway.app`; no handler reaches credentials or storage
except through here, and what nobody understands fails closed.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.auth.authenticator import Authenticator
from gateway.auth.authorise import access, authorise, may_list
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
    ObjectNotFound,
    Unauthenticated,
)
from gateway.protocol.commands import (
    Command,
    Dialect,
    RequestHead,
    ResponseHead,
    Target,
)
from gateway.protocol.cors import Cors, is_preflight
from gateway.protocol.object_heads import Headers
from gateway.protocol.routing import SlotMount, dialect_of, route
from gateway.web.carry import Carrier, Work
from gateway.web.exchange import Exchange
from gateway.web.forwarded import TrustedProxies
from gateway.web.heads import request_head, send_head
from gateway.web.log import Log
from gateway.web.metrics import Metrics
from gateway.web.streams import Receive, Scope, Send

_FALLBACK: Final = "plain"


@dataclass(frozen=True, kw_only=True)
class Doorway:
    """What the endpoint needs of the rest."""

    dialects: Mapping[str, Dialect]
    authenticator: Authenticator
    policies: Policies
    carrier: Carrier
    cors: Cors
    proxies: TrustedProxies
    slots: Sequence[SlotMount]
    domains: Sequence[str]
    drain: Drain
    metrics: Metrics
    log: Log
    clock: Callable[[], float] = time.time


class Endpoint:
    """An ASGI application for everything that is not under ``/-/``."""

    def __init__(self, doorway: Doorway) -> None:
        self._door = doorway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens, and tell of it once."""
        door = self._door
        head, problem = _read_head(scope, door.proxies)
        exchange = Exchange(head, head.peer)
        door.metrics.running.inc()
        try:
            if problem is not None:
                raise problem
            await self._answer(exchange, Work(scope, receive, send))
        except ClientGone as error:
            exchange.error = error
        except GatewayError as error:
            await self._refuse(exchange, error, send)
        except Exception:
            door.log.exception("bug", request_id=exchange.request_id)
            await self._refuse(exchange, InternalError("Something in Sluice broke."), send)
        finally:
            door.metrics.running.dec()
            exchange.tell(door.log, door.metrics)

    async def _answer(self, exchange: Exchange, work: Work) -> None:
        door, head = self._door, exchange.head
        exchange.dialect = dialect_of(head, door.slots)
        target = route(head, door.slots, door.domains)
        dialect = door.dialects[target.dialect]
        if door.drain.begun:
            raise Draining("This gateway is shutting down; try again.", retry_after=1)
        if head.method == "OPTIONS":
            await self._describe(exchange, dialect, target, work.send)
            return
        grant = await self._authenticate(exchange, target)
        command = dialect.parse(head, target)
        policy = door.policies.for_request(grant.policy)
        decision = _authorise(grant, policy, head, command)
        work.permit(exchange, dialect, grant, policy, decision, door.cors.response_headers(head))
        try:
            await door.carrier.carry(command, work)
        except ObjectNotFound:
            # Who may not list must not learn what is missing (security case 90).
            if target.key is not None and not may_list(grant, policy, target.key):
                raise Forbidden("There is no such object, or you may not know.") from None
            raise

    async def _authenticate(self, exchange: Exchange, target: Target) -> Grant:
        try:
            grant = await self._door.authenticator.authenticate(
                exchange.head, target, self._door.clock()
            )
        except GatewayError as error:
            scheme = "none" if isinstance(error, Unauthenticated) else target.dialect
            self._door.metrics.auth_refused(scheme, error.code)
            raise
        exchange.grant = grant
        return grant

    async def _describe(
        self, exchange: Exchange, dialect: Dialect, target: Target, send: Send
    ) -> None:
        """OPTIONS carries no credential and tells nothing that depends on one."""
        head, cors = exchange.head, self._door.cors
        headers: Headers = ((b"allow", ", ".join(dialect.methods).encode("ascii")),)
        if is_preflight(head):
            headers += cors.preflight_headers(head, dialect.methods)
        else:
            headers += cors.response_headers(head)
        exchange.answered(204)
        await send_head(send, ResponseHead(204, headers))

    async def _refuse(self, exchange: Exchange, error: GatewayError, send: Send) -> None:
        """Answer an error in the dialect's own format; break off where an answer has begun."""
        exchange.error = error
        if exchange.status:
            raise ResponseBroken(error.code) from error
        dialect = self._door.dialects.get(exchange.dialect, self._door.dialects[_FALLBACK])
        response = dialect.render_error(exchange.head, error, exchange.request_id)
        headers = response.headers + self._door.cors.response_headers(exchange.head)
        exchange.answered(response.status)
        exchange.sent += len(response.body)
        await send_head(send, ResponseHead(response.status, headers, response.body))


class ResponseBroken(Exception):
    """A response whose head is out cannot be completed: the server closes the connection."""


def _read_head(scope: Scope, proxies: TrustedProxies) -> tuple[RequestHead, GatewayError | None]:
    try:
        return request_head(scope, proxies), None
    except GatewayError as error:
        return RequestHead(scope["method"], b"/"), error


def _authorise(grant: Grant, policy: Policy, head: RequestHead, command: Command) -> Decision:
    request = access(grant, command)
    if request is None:  # pragma: no cover - OPTIONS is answered before
        raise NotFound("Nothing to do here.")
    return authorise(grant, policy, head.method, request)
