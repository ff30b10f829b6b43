"""A supervisor for moto's S3: quick to start, knows most of the protocol, checks no signatures."""

import asyncio
import sys
from pathlib import Path

from moto.server import ThreadedMotoServer

from tests.servers.lease import S3Endpoint, forget, supervise


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
