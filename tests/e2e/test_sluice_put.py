"""``sluice put`` against what happens: killed clients, killed gateways, lines that break."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.client import Account, Client, Notes, pending_upload
from gateway.model import ObjectKey
from gateway.units import MiB
from tests.servers.gateway import (
    KEY_ID,
    ROOT,
    SECRET,
    GatewayProcess,
    running_gateway,
    start_gateway,
)
from tests.servers.line import line

pytestmark = pytest.mark.ci

BODY = hashlib.shake_256(b"a large file").digest(MiB) * 40 + b"the end"
KEY = ObjectKey("demo", "large.bin")
#: Bytes per second of a slow line: the file takes three seconds.
SLOW = "14MiB"


@dataclass
class Desk:
    """Where somebody types ``sluice put``."""

    gateway: GatewayProcess
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "large.bin"

    def start(self, port: int, parallel: int) -> "subprocess.Popen[str]":
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLUICE_", "AWS_"))}
        environment |= {
            "PYTHONPATH": str(ROOT),
            "SLUICE_ENDPOINT": f"http://127.0.0.1:{port}",
            "SLUICE_ACCESS_KEY_ID": KEY_ID,
            "SLUICE_SECRET_ACCESS_KEY": SECRET,
            "XDG_STATE_HOME": str(self.folder / "state"),
        }
        command = [sys.executable, "-m", "gateway", "put", "large.bin", str(KEY)]
        return subprocess.Popen(
            [*command, "--parallel", str(parallel)],
            env=environment,
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def put(self, port: int, parallel: int) -> str:
        """To its end; what it said."""
        out, err = self.start(port, parallel).communicate(timeout=60)
        assert only_retries(err), err
        return out

    def notes(self) -> list[str]:
        folder = self.folder / "state" / "sluice" / "uploads"
        return sorted(path.suffix for path in folder.glob("*"))

    def assert_stored(self) -> None:
        account = Account(endpoint=self.gateway.url, access_key_id=KEY_ID, secret=SECRET)
        with Client(account) as client:
            assert client.get(KEY, self.folder / "copy").verified_by == "sha256"
        assert (self.folder / "copy").read_bytes() == BODY
        assert self.notes() == []


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with running_gateway(tmp_path / "gateway") as gateway:
        made = Desk(gateway, tmp_path)
        made.file.write_bytes(BODY)
        yield made


def only_retries(said: str) -> bool:
    """Whether standard error has nothing but what was tried again."""
    return all(row.startswith("sluice: retrying (") for row in said.splitlines())


@contextmanager
def road(desk: Desk, rate: str = SLOW, drops: float = 0.0) -> Iterator[int]:
    """A line to the gateway; its port."""
    with line(desk.gateway.url, desk.folder, rate=rate, drops=drops) as up:
        yield up.server.port


def until_noted(desk: Desk, port: int) -> None:
    """Until the client has written down where its upload is."""
    account = Account(endpoint=f"http://127.0.0.1:{port}", access_key_id=KEY_ID, secret=SECRET)
    notes = Notes(desk.folder / "state" / "sluice" / "uploads")
    deadline = time.monotonic() + 20
    while True:
        found = pending_upload(account, KEY, desk.file, notes)
        if found is not None and found.location:
            return
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("parallel", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_client_that_was_killed_goes_on_where_it_was(desk: Desk, parallel: int) -> None:
    with road(desk) as port:
        client = desk.start(port, parallel)
        until_noted(desk, port)
        time.sleep(1.5)
        client.send_signal(signal.SIGKILL)
        client.communicate(timeout=10)
        assert ".json" in desk.notes()
        said = desk.put(port, parallel)
    assert "continued at" in said
    desk.assert_stored()


@pytest.mark.slow
@pytest.mark.parametrize("parallel", [1, 2])
def test_ctrl_c_leaves_it_to_be_continued_and_says_how(desk: Desk, parallel: int) -> None:
    with road(desk) as port:
        client = desk.start(port, parallel)
        until_noted(desk, port)
        time.sleep(0.7)
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=10)
        assert (out, client.returncode) == ("", 1)
        assert re.fullmatch(
            r"sluice: stopped; run the same command again until 20\d\d-\d\d-\d\d \d\d:\d\d to continue\n",
            err,
        ), err
        desk.put(port, parallel)
    desk.assert_stored()


@pytest.mark.slow
@pytest.mark.parametrize("parallel", [1, 2])
def test_a_gateway_that_is_killed_and_started_again_stops_nobody(desk: Desk, parallel: int) -> None:
    with road(desk) as port:
        client = desk.start(port, parallel)
        until_noted(desk, port)
        time.sleep(1.2)
        desk.gateway.kill()
        here = int(desk.gateway.url.rpartition(":")[2])
        desk.gateway = start_gateway(desk.folder / "gateway", port=here)
        try:
            out, err = client.communicate(timeout=60)
            assert only_retries(err), err
            assert "stored" in out
            desk.assert_stored()
        finally:
            desk.gateway.stop()


@pytest.mark.slow
@pytest.mark.parametrize("parallel", [1, 2])
def test_a_line_that_drops_at_random_is_got_through(desk: Desk, parallel: int) -> None:
    with road(desk, "60MiB", drops=0.15) as port:
        desk.put(port, parallel)
    desk.assert_stored()


@pytest.mark.slow
def test_a_file_that_changed_is_sent_anew(desk: Desk) -> None:
    with road(desk) as port:
        desk.file.write_bytes(bytes(len(BODY)))
        client = desk.start(port, 1)
        until_noted(desk, port)
        time.sleep(1.0)
        client.send_signal(signal.SIGKILL)
        client.communicate(timeout=10)
        desk.file.write_bytes(BODY)
        said = desk.put(port, 1)
    assert "continued" not in said
    desk.assert_stored()
