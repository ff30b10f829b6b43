"""The gateway under another ASGI server: ``python -m tests.servers.hypercorn_gateway serve --config FILE``."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any, cast

from hypercorn.asyncio import serve
from hypercorn.config import Config

from gateway.app import make_apps
from gateway.drain import Drain
from gateway.settings import load_settings


async def main(file: Path) -> None:
    """Serve until SIGTERM."""
    settings = load_settings(file, {})
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    config = Config()
    config.bind = [f"127.0.0.1:{settings.server.port}"]
    config.graceful_timeout = 5
    app = cast("Any", make_apps(settings, Drain()).main)
    await serve(app, config, shutdown_trigger=cast("Any", ended.wait), mode="asgi")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[3])))
