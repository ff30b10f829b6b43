"""Redis restarts, or loses its memory, under uploads that go on: what their clients are told."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.clients.test_resumable import DATA, TUS, append, bearer, begin, offset, stored
from tests.redis_server import RedisServer
from tests.servers.gateway import CONFIG, GatewayProcess, running_gateway

pytestmark = pytest.mark.redis

STEP = 60_001
DRAFT = {"Upload-Draft-Interop-Version": "8"}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path, durable=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def gateway(tmp_path: Path, redis: RedisServer) -> Iterator[GatewayProcess]:
    config = CONFIG.replace('"sqlite:///{folder}/sessions.db"', f'"{redis.url()}"')
    with running_gateway(tmp_path / "one", config + '\n[transfer]\npart_size = "256KiB"\n') as one:
        yield one


class Uploading(threading.Thread):
    """A client that sends pieces, waits where it is told to, and asks before it goes on."""

    def __init__(self, gateway: GatewayProcess, key: str) -> None:
        super().__init__()
        self.url = begin(gateway, key)
        self.refused: list[httpx.Response] = []
        self.offsets = [0]
        self.problem = ""

    def run(self) -> None:
        deadline = time.monotonic() + 60
        while (at := self.offsets[-1]) < len(DATA):
            answer = append(self.url, at, DATA[at : at + STEP])
            if answer.status_code == 204:
                self.offsets.append(int(answer.headers["upload-offset"]))
                continue
            if not self._is_clear(answer) or time.monotonic() > deadline:
                self.problem = f"{answer} {answer.headers} {answer.text}"
                return
            self.refused.append(answer)
            self._wait()

    def _wait(self) -> None:
        while True:
            time.sleep(0.2)
            answer = httpx.head(self.url, headers=TUS)
            if answer.status_code == 200:
                self.offsets.append(int(answer.headers["upload-offset"]))
                return
            if not self._is_clear(answer):
                self.problem = f"HEAD: {answer} {answer.headers}"
                return
            self.refused.append(answer)

    @staticmethod
    def _is_clear(answer: httpx.Response) -> bool:
        """Whether it says that it passes, and when; or where to go on (its own bytes came before the break)."""
        waits = answer.status_code == 503 and int(answer.headers.get("retry-after", 0)) >= 1
        return waits or answer.status_code == 409


@pytest.mark.slow
def test_redis_restarted_in_mid_traffic_is_503_with_retry_after_and_then_uploads_go_on(
    gateway: GatewayProcess, redis: RedisServer
) -> None:
    clients = [Uploading(gateway, f"restart-{number}.bin") for number in range(3)]
    for client in clients:
        client.start()
    for _ in range(2):
        time.sleep(0.2)
        redis.stop()
        time.sleep(1)
        redis.start()
    for number, client in enumerate(clients):
        client.join(90)
        assert not client.is_alive()
        assert client.problem == ""
        assert client.offsets == sorted(client.offsets)
        assert stored(gateway, f"restart-{number}.bin") == DATA
    refused = [answer for client in clients for answer in client.refused]
    assert any(answer.status_code == 503 for answer in refused)
    assert all(
        "session store" in one.text for one in refused if one.status_code == 503 and one.text
    )


@pytest.mark.ci
def test_with_its_memory_lost_an_upload_is_gone_in_every_dialect(
    tmp_path: Path, gateway: GatewayProcess, redis: RedisServer
) -> None:
    url = begin(gateway, "lost.bin")
    assert append(url, 0, DATA[:300_000]).status_code == 204
    chunk = {**bearer(), "X-Upload-Session-ID": "mine", "Content-Range": "bytes 0-4/10"}
    place = f"{gateway.url}/-/chunked/public/lost-chunks.bin"
    assert httpx.put(place, content=b"12345", headers=chunk).status_code == 202
    redis.stop()
    for path in tmp_path.glob("appendonlydir/*"):
        path.unlink()
    redis.start()

    bare = url.rpartition(".")[0]
    partial = {"Upload-Offset": "300000", "Upload-Complete": "?1"}
    partial |= {"Content-Type": "application/partial-upload"}
    for method, headers in (
        ("HEAD", TUS), ("HEAD", DRAFT), ("GET", {}), ("GET", {"Accept": "text/event-stream"}),
        ("PATCH", {**DRAFT, **partial}), ("DELETE", TUS), ("DELETE", DRAFT),
    ):  # fmt: skip
        answer = httpx.request(method, url, headers=headers)
        assert answer.status_code == 410, (method, headers, answer, answer.text)
        assert "upload-offset" not in answer.headers
    assert append(url, 300_000, DATA[300_000:]).status_code == 410
    assert httpx.head(bare, headers={**TUS, **bearer()}).status_code == 404
    # A session that its client has named, or that is told by its total, begins anew: with nothing.
    named = {"X-Upload-Session-ID": "mine"}
    assert httpx.get(place, headers={**bearer(), **named}).status_code == 404
    asked = httpx.put(
        f"{gateway.url}/public/lost-chunks.bin",
        headers={**bearer(), "Content-Range": "bytes */10"},
    )
    assert (asked.status_code, asked.headers.get("range")) == (308, None)

    again = begin(gateway, "lost.bin")
    assert urlsplit(again).path != urlsplit(url).path
    assert offset(again) == 0
    assert append(again, 0, DATA).status_code == 204
    assert stored(gateway, "lost.bin") == DATA
