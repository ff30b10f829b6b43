"""What the accounting says of processes whose use is known."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.units import MiB
from loadtests import accounting

#: Burns a given CPU time by its own clock, says so, and waits.
BURN = """
import sys, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
"""


def child(code: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", BURN + code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def measured(code: str) -> float:
    """CPU seconds between the two lines that the code prints."""
    with child(code) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        before = accounting.cpu_seconds(process.pid)
        process.stdin.write("go\n")
        process.stdin.flush()
        process.stdout.readline()
        after = accounting.cpu_seconds(process.pid)
        process.stdin.close()
    return after - before


def test_a_burner_has_burnt_what_it_burnt() -> None:
    code = "print(flush=True); input(); burn(0.3); print(flush=True); sys.stdin.read()"
    assert measured(code) == pytest.approx(0.3, abs=0.05)


def test_threads_and_children_dead_or_alive_are_counted() -> None:
    code = """
import os, threading
print(flush=True); input()
thread = threading.Thread(target=burn, args=(0.1,))
thread.start(); thread.join()
if not os.fork(): burn(0.1); os._exit(0)
os.wait()
reader, writer = os.pipe()
if not os.fork():
    burn(0.1); os.write(writer, b"x"); sys.stdin.read(); os._exit(0)
os.read(reader, 1)
print(flush=True); sys.stdin.read()
"""
    assert measured(code) == pytest.approx(0.3, abs=0.06)


def test_memory_and_its_peak_are_those_of_the_process_and_the_peak_can_be_reset() -> None:
    code = """
print(flush=True); input()
data = bytearray(64 << 20); del data
print(flush=True); sys.stdin.read()
"""
    with child(code) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        before = accounting.memory(process.pid)
        process.stdin.write("go\n")
        process.stdin.flush()
        process.stdout.readline()
        peak, now = accounting.memory(process.pid, "VmHWM"), accounting.memory(process.pid)
        accounting.reset_peak([process.pid])
        reset = accounting.memory(process.pid, "VmHWM")
        process.stdin.close()
    assert peak - before >= 60 * MiB
    assert now - before < 16 * MiB
    assert reset - before < 16 * MiB


def test_a_tree_has_its_root_and_its_children_and_nobody_else() -> None:
    with child("input()") as process:
        deadline = time.monotonic() + 5
        while process.pid not in (found := {s.pid for s in accounting.tree(os.getpid())}):
            assert time.monotonic() < deadline
        assert os.getpid() in found
        assert os.getppid() not in found
        assert [stat.pid for stat in accounting.tree(process.pid)] == [process.pid]
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def test_a_process_that_is_gone_uses_nothing() -> None:
    with child("") as process:
        pass
    assert accounting.tree(process.pid) == []
    assert accounting.cpu_seconds(process.pid) == 0
    assert accounting.memory(process.pid) == 0


def test_what_a_process_writes_to_disk_is_told(tmp_path: Path) -> None:
    before = accounting.disk(os.getpid())
    with (tmp_path / "file").open("wb", buffering=0) as file:
        file.write(bytes(4 << 20))
        os.fsync(file.fileno())
    written = accounting.disk(os.getpid()).written - before.written
    if not written:
        pytest.skip("the temporary folder is in memory")
    assert written >= 4 << 20
