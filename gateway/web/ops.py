"""What operators ask: ``/-/healthz``, ``/-/readyz``, ``/-/metrics``, ``/-/version``, ``/-/errors/``."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gateway import __version__
from gateway.drain import Drain
from gateway.errors import Draining, GatewayError, MethodNotAllowed, NotFound, Overloaded
from gateway.protocol.commands import RequestHead
from gateway.protocol.problems import render_problem
from gateway.protocol.remedies import every_error, remedy
from gateway.web.metrics import Metrics

#: How long readiness waits for the stores and the sessions, and how long it trusts an answer; in seconds.
READY_TIMEOUT: Final = 5.0
READY_FRESH: Final = 1.0


class Ops:
    """The operators' pages. ``check`` raises GatewayError where a store or the sessions fail; it is asked
    once a second at most, whoever asks us: these pages need no credential."""

    def __init__(
        self, drain: Drain, metrics: Metrics, check: Callable[[], Awaitable[None]]
    ) -> None:
        self._drain = drain
        self._metrics = metrics
        self._check = check
        self._asking = asyncio.Lock()
        self._asked = -READY_FRESH
        self._trouble: str | None = None

    def routes(self, *, metrics: bool) -> list[Route]:
        """The routes; without ``metrics`` where these have a listener of their own."""
        routes = [
            Route("/-/healthz", self._healthz),
            Route("/-/readyz", self._readyz),
            Route("/-/version", self._version),
            Route("/-/errors/", self._errors),
            Route("/-/errors/{code}", self._error),
        ]
        return [*routes, self.metrics_route()] if metrics else routes

    def metrics_route(self) -> Route:
        """The exposition alone."""
        return Route("/-/metrics", self._exposition)

    async def _healthz(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _readyz(self, request: Request) -> Response:
        if self._drain.begun:
            return _refusal(request, Draining("This gateway is shutting down.", retry_after=1))
        trouble = await self._found()
        return PlainTextResponse("ready\n") if trouble is None else _unready(request, trouble)

    async def _found(self) -> str | None:
        """What is wrong, by a look that is fresh enough."""
        async with self._asking:
            if time.monotonic() - self._asked >= READY_FRESH:
                self._trouble = await self._look()
                self._asked = time.monotonic()
            return self._trouble

    async def _look(self) -> str | None:
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                await self._check()
        except TimeoutError:
            return "the stores or the sessions do not answer"
        except GatewayError as error:
            return error.code
        return None

    async def _version(self, request: Request) -> Response:
        return JSONResponse({"name": "sluice", "version": __version__})

    async def _exposition(self, request: Request) -> Response:
        text = await asyncio.to_thread(self._metrics.text)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _errors(self, request: Request) -> Response:
        """Which there are."""
        listed = sorted({(error.code, error.status) for error in every_error()})
        lines = [f"{code} (HTTP {status})\n" for code, status in listed]
        return PlainTextResponse("".join(["More on each at /-/errors/CODE.\n\n", *lines]))

    async def _error(self, request: Request) -> Response:
        """The page behind a problem's ``type``."""
        code = request.path_params["code"]
        found = {error.code: error for error in every_error()}.get(code)
        if found is None:
            return _refusal(request, NotFound("There is no such error code."))
        story = " ".join((found.__doc__ or "").split())
        again = "may succeed when sent again" if found.retryable else "fails again unless changed"
        return PlainTextResponse(
            f"{found.code} (HTTP {found.status})\n\n{story}\n\n"
            f"What to do: {remedy(found)}\n\n"
            f"Whose fault: the {found.fault}'s. The same request {again}.\n"
        )


def pages(routes: Sequence[Route]) -> Starlette:
    """An application of these routes: it refuses as the rest of the gateway does, and never redirects
    (Starlette builds a redirect's URL out of the Host header)."""
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refuse})
    app.router.redirect_slashes = False
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    """Starlette's own refusals, of paths and methods that are not there."""
    assert isinstance(error, HTTPException)
    allow = (error.headers or {}).get("Allow")
    if error.status_code == 405 and allow is not None:
        methods = tuple(sorted(allow.split(", ")))
        return _refusal(request, MethodNotAllowed("This page is only for reading.", allow=methods))
    return _refusal(request, NotFound("There is no such page."))


def _refusal(request: Request, error: GatewayError) -> Response:
    path: bytes = request.scope.get("raw_path") or b"/-/"
    answer = render_problem(RequestHead(request.method, path), error, secrets.token_hex(8))
    response = Response(answer.body, status_code=answer.status)
    response.raw_headers = list(answer.headers)
    return response


def _unready(request: Request, why: str) -> Response:
    return _refusal(request, Overloaded(f"Not ready: {why}.", retry_after=1))
