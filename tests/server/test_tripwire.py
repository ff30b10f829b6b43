"""What the front leans on in other people's code. When one of these fails after an upgrade, read
the release notes before the version range in pyproject.toml is widened."""

import asyncio
import inspect
from importlib.metadata import version

import httptools
import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from gateway.server.http_protocol import FrontFactory
from gateway.server.run import DrainingServer


def test_versions_are_those_that_were_read() -> None:
    assert version("uvicorn").startswith("0.54.")
    assert version("uvloop").startswith("0.23.")
    assert version("httptools").startswith("0.9.")


def test_uvicorn_calls_the_protocol_factory_with_these_arguments() -> None:
    source = inspect.getsource(uvicorn.Server.startup)
    for argument in (
        "config=config",
        "server_state=self.server_state",
        "app_state=",
        "_loop=_loop",
    ):
        assert argument in source
    names = list(inspect.signature(FrontFactory.__call__).parameters)
    assert names == ["self", "config", "server_state", "app_state", "_loop"]
    assert "sock=sock, ssl=config.ssl" in source


def test_uvicorn_starts_without_sockets_and_closes_what_it_finds_among_its_servers() -> None:
    """Connections of TLS are accepted by a listener of ours, which stands among uvicorn's servers."""
    source = inspect.getsource(uvicorn.Server.startup)
    assert "if sockets is not None:" in source
    assert (
        "self.servers: list[asyncio.base_events.Server] = []\n            for sock in sockets:"
        in source
    )
    assert "app_state=self.lifespan.state" in source
    assert "server.close()" in inspect.getsource(uvicorn.Server.shutdown)
    waits = inspect.getsource(uvicorn.Server._wait_tasks_to_complete)
    assert "for server in self.servers:\n            await server.wait_closed()" in waits


def test_uvicorn_state_has_what_a_connection_reports_to() -> None:
    state = ServerState()
    assert (state.total_requests, state.default_headers) == (0, [])
    assert state.connections == set()
    assert state.tasks == set()


def test_uvicorn_shuts_connections_down_through_these_steps() -> None:
    source = inspect.getsource(uvicorn.Server.shutdown)
    assert "connection.shutdown()" in source
    assert "self.config.timeout_graceful_shutdown" in source
    assert "self.lifespan.shutdown()" in source
    assert "self.on_tick(counter)" in inspect.getsource(uvicorn.Server.main_loop)
    assert "with self.capture_signals():" in inspect.getsource(uvicorn.Server.serve)
    assert "self.server_state.default_headers = " in inspect.getsource(uvicorn.Server.on_tick)


@pytest.mark.parametrize(
    "name", ["startup", "shutdown", "on_tick", "handle_exit", "capture_signals"]
)
def test_what_we_override_is_still_there(name: str) -> None:
    ours = inspect.signature(getattr(DrainingServer, name))
    theirs = inspect.signature(getattr(uvicorn.Server, name))
    assert list(ours.parameters) == list(theirs.parameters)


def test_uvicorn_offers_the_alpn_protocols_of_the_factory() -> None:
    assert '"alpn_protocols"' in inspect.getsource(uvicorn.Config.load)
    assert FrontFactory.alpn_protocols == ["http/1.1"]


def test_trap_1_uvloop_takes_any_protocol_subclass_for_unbuffered() -> None:
    class Both(asyncio.Protocol, asyncio.BufferedProtocol):
        """Buffered in deed, a Protocol by descent."""

        def __init__(self) -> None:
            self.calls: list[str] = []

        def get_buffer(self, sizehint: int) -> bytearray:
            self.calls.append("get_buffer")
            return bytearray(10)

        def data_received(self, data: bytes) -> None:
            self.calls.append("data_received")

    async def run() -> list[str]:
        loop = asyncio.get_running_loop()
        both = Both()
        server = await loop.create_server(lambda: both, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"x")
        await asyncio.sleep(0.05)
        writer.close()
        server.close()
        return both.calls

    assert uvloop.run(run()) == ["data_received"]


def test_httptools_reports_an_upgrade_by_raising() -> None:
    parser = httptools.HttpRequestParser(object())
    with pytest.raises(httptools.HttpParserUpgrade):
        parser.feed_data(b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
