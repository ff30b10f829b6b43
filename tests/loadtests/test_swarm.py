"""Slow clients are slow, and tell what became of them."""

import json
import subprocess
import sys

import pytest

from loadtests.processes import ROOT, Server

PROGRAM = (sys.executable, "-m", "loadtests.swarm")


def swarm(port: int, *arguments: str) -> dict[str, object]:
    command = [*PROGRAM, "--port", str(port), *arguments]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=30, check=True
    )
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_every_stream_keeps_to_its_rate_and_completes(null_s3: Server) -> None:
    sizes = ("--uploads", "10", "--downloads", "10", "--size", "256KiB", "--rate", "256KiB")
    told = swarm(null_s3.port, *sizes, "--idle", "5")
    assert (told["completed"], told["failed"]) == (20, {})
    assert told["bytes"] == 20 * 256 * 1024
    assert 0.7 <= float(str(told["fastest"])) <= float(str(told["slowest"])) <= 8
    assert (told["idle"], told["idle_open"]) == (5, 5)


def test_streams_repeat_until_the_time_is_over(null_s3: Server) -> None:
    sizes = ("--uploads", "2", "--downloads", "2", "--size", "64KiB", "--rate", "1MiB")
    told = swarm(null_s3.port, *sizes, "--seconds", "1.5")
    assert told["failed"] == {}
    assert 5 <= int(str(told["completed"])) <= 80


@pytest.mark.parametrize("direction", ["--uploads", "--downloads"])
def test_what_does_not_end_in_time_is_told(null_s3: Server, direction: str) -> None:
    sizes = (direction, "3", "--size", "1MiB", "--rate", "64KiB", "--limit", "0.5")
    assert swarm(null_s3.port, *sizes)["failed"] == {"unfinished": 3}
