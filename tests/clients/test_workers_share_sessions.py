"""Four workers and one SQLite file, all of whose uploads write to it all the time."""

import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.clients.test_resumable import DATA, TUS, append, bearer, begin, offset, stored
from tests.servers.gateway import CONFIG, GatewayProcess, running_gateway

FOUR = CONFIG.replace('drain = "5s"', 'drain = "5s"\nworkers = 4') + (
    '\n[transfer]\npart_size = "64KiB"\n'
)
BODY = DATA[:400_000]
STEP = 20_000


class Traffic:
    """What clients do, and what they are answered. Every request is a connection of its own: to any worker."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.gateway = gateway
        self.answers: Counter[int] = Counter()
        self.wrong: list[str] = []

    def seen(self, answer: httpx.Response, *expected: int) -> httpx.Response:
        self.answers[answer.status_code] += 1
        if answer.status_code not in expected or "locked" in answer.text:
            self.wrong.append(f"{answer.request.method} {answer} {answer.text}")
        return answer

    def serial(self, number: int) -> None:
        """tus: each append another worker's, a question between."""
        key = f"serial-{number}.bin"
        url = begin(self.gateway, key, len(BODY))
        for at in range(0, len(BODY), STEP):
            self.seen(append(url, at, BODY[at : at + STEP]), 204)
            assert offset(url) == at + STEP
        self.check(key)

    def chunked(self, number: int) -> None:
        """Chunks, each by another worker."""
        key = f"chunked-{number}.bin"
        for at in range(0, len(BODY), STEP):
            headers = {
                **bearer(),
                "X-Upload-Session-ID": key,
                "Content-Range": f"bytes {at}-{at + STEP - 1}/{len(BODY)}",
            }
            place = f"{self.gateway.url}/-/chunked/public/{key}"
            body = BODY[at : at + STEP]
            self.seen(httpx.put(place, content=body, headers=headers), 202, 201)
        self.check(key)

    def cancelled(self, number: int) -> None:
        """Uploads that come and go."""
        for turn in range(10):
            url = begin(self.gateway, f"cancelled-{number}-{turn}.bin")
            self.seen(append(url, 0, BODY[:STEP]), 204)
            self.seen(httpx.delete(url, headers=TUS), 204)

    def check(self, key: str) -> None:
        if stored(self.gateway, key) != BODY:
            self.wrong.append(f"{key} has other bytes")


def hold(path: Path, until: threading.Event) -> None:
    """Somebody else who writes there, now and then for a tenth of a second."""
    other = sqlite3.connect(path, isolation_level=None, timeout=10)
    while not until.wait(0.05):
        other.execute("BEGIN IMMEDIATE")
        time.sleep(0.1)
        other.execute("COMMIT")
    other.close()


@pytest.mark.slow
def test_no_database_is_locked_ever_reaches_a_client(tmp_path: Path) -> None:
    with running_gateway(tmp_path, FOUR) as gateway:
        traffic, done = Traffic(gateway), threading.Event()
        holding = threading.Thread(target=hold, args=(tmp_path / "sessions.db", done))
        works = (traffic.serial, traffic.chunked, traffic.cancelled)
        clients = [
            threading.Thread(target=works[number % 3], args=(number,)) for number in range(9)
        ]
        for thread in (holding, *clients):
            thread.start()
        for thread in clients:
            thread.join(90)
            assert not thread.is_alive()
        done.set()
        holding.join(10)
        assert traffic.wrong == []
        assert sum(traffic.answers.values()) == 3 * (20 + 20 + 20)
        assert "database is locked" not in gateway.logs()
