"""The test servers' own promises: one for all, gone when nobody needs it."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers import rgw
from tests.servers.lease import ROOT, S3Endpoint, ServerFailed, leased


def answers(endpoint: S3Endpoint) -> bool:
    where = urlsplit(endpoint.url)
    assert where.hostname is not None
    assert where.port is not None
    try:
        socket.create_connection((where.hostname, where.port), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_server_is_shared_and_ends_with_its_last_user(tmp_path: Path) -> None:
    home = tmp_path / "servers"
    home.mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(home)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    url = holder.stdout.readline().strip()
    with leased("moto_s3", home, start_limit=30) as ours:
        assert ours.url == url
        holder.kill()  # a crash: its lease file stays
        holder.wait()
        holder.stdout.close()
        with leased("moto_s3", home, start_limit=30) as again:
            assert again == ours
        time.sleep(1)
        assert answers(ours)
    until = time.monotonic() + 10
    while home.exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not home.exists()
    assert not answers(ours)


_HOLDER = """
import pathlib, sys, time
from tests.servers.lease import leased
with leased("moto_s3", pathlib.Path(sys.argv[1]), start_limit=30) as endpoint:
    print(endpoint.url, flush=True)
    time.sleep(60)
"""


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerFailed, match="No module named"),
        leased("no_such_server", tmp_path, start_limit=10),
    ):
        pass


def test_why_ceph_cannot_run_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rgw, "_PROGRAMS", ("sh", "no-such-program"))
    assert rgw.missing() == "not installed: no-such-program"
    monkeypatch.setattr(rgw, "_PROGRAMS", ("sh",))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert rgw.missing() == "Ceph's daemons are run as root only"
