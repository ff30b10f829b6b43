"""A gateway process with a tiny application, for tests of starting, draining and ending.

``python -m tests.server.gateway_process SETTINGS_JSON`` prints its URL, then serves.
"""

import asyncio
import os
import sys

from gateway.drain import Drain
from gateway.server.exchange import AsgiApp, Receive, Scope, Send
from gateway.server.run import Apps, serve
from gateway.settings import Settings


def make_apps(settings: Settings, drain: Drain) -> Apps:
    """The applications of one process."""
    if os.environ.get("LAB_BROKEN"):
        raise RuntimeError("this application does not start")
    return Apps(main=_app(drain), metrics=_metrics)


async def answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """A whole response."""
    lines = [(b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def _metrics(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, 200, b"metrics of %d" % os.getpid())


def _app(drain: Drain) -> AsgiApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif drain.begun:
            await answer(send, 503, b"draining", (b"retry-after", b"1"))
        else:
            await _ROUTES[scope["path"]](scope, receive, send)

    return app


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup" and os.environ.get("LAB_UNREADY"):
            await send({"type": "lifespan.startup.failed", "message": "no store"})
            return
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            print("lifespan over", flush=True)
            return


async def _pid(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, 200, b"%d" % os.getpid())


async def _slow(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(float(scope["query_string"]))
    await answer(send, 200, b"slow")


async def _crash(scope: Scope, receive: Receive, send: Send) -> None:
    os._exit(9)


async def _environment(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, 200, os.environ.get("PROMETHEUS_MULTIPROC_DIR", "").encode())


async def _client(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, 200, f"{scope['client'][0]} {scope['scheme']}".encode())


_ROUTES: dict[str, AsgiApp] = {
    "/pid": _pid,
    "/client": _client,
    "/slow": _slow,
    "/crash": _crash,
    "/environment": _environment,
}


if __name__ == "__main__":
    from tests.server import gateway_process  # by its importable name, for spawned workers

    chosen = Settings.model_validate_json(sys.argv[1])
    sys.exit(
        serve(
            chosen,
            gateway_process.make_apps,
            on_listening=lambda url: print(url, flush=True),
        )
    )
