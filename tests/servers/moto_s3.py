"""A supervisor for moto's S3: quick to start, knows most of the protocol, checks no signatures."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

from tests.servers.lease import S3Endpoint, forget, supervise

_list_multiparts = S3Response.list_multipart_uploads


def _listed_as_of_today(response: S3Response) -> tuple[int, dict[str, Any], str | bytes]:
    """moto says of every multipart that it began in 2010: say just now instead."""
    status, headers, body = _list_multiparts(response)
    text = body.decode() if isinstance(body, bytes) else body
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return status, headers, text.replace("2010-11-10T20:48:33.000Z", now)


setattr(S3Response, "list_multipart_uploads", _listed_as_of_today)  # noqa: B010 - mypy forbids =


async def main(home: Path) -> None:
    """Serve until nobody holds a lease."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)

    async def start() -> S3Endpoint:
        await asyncio.to_thread(server.start)
        _, port = server.get_host_and_port()
        return S3Endpoint(f"http://127.0.0.1:{port}", "motoaccesskey0001", "motosecretkey")

    await supervise(home, start)
    await asyncio.to_thread(server.stop)
    forget(home)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
