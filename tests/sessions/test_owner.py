"""Names of processes: a dead one is known as dead, and nothing else ever is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.sessions import owner as module
from gateway.sessions.owner import is_dead, is_running, this_owner

SHOW = "from gateway.sessions.owner import this_owner; print(this_owner(), flush=True); input()"


def test_this_process_has_one_name_and_lives() -> None:
    assert this_owner() == this_owner()
    assert len(this_owner().split("/")) == 4
    assert not is_dead(this_owner())
    assert is_running(this_owner())


def test_another_process_lives_until_it_ends() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SHOW], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    name = process.stdout.readline().strip()
    assert name != this_owner()
    assert is_running(name)
    assert not is_dead(name)
    process.stdin.write("\n")
    process.stdin.flush()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert (is_running(name), is_dead(name)) == (False, False), "ended, but not waited for"
    process.communicate(timeout=30)
    assert is_dead(name)
    assert not is_running(name)


def test_a_pid_that_is_used_again_is_another_process() -> None:
    place, _, started = this_owner().rpartition("/")
    assert is_dead(f"{place}/{int(started) + 1}")


@pytest.mark.parametrize("change", [(0, "other-boot"), (1, "4026531999")])
def test_a_process_elsewhere_is_never_judged(change: tuple[int, str]) -> None:
    parts = this_owner().split("/")
    parts[2:] = ["999999999", "1"]
    assert is_dead("/".join(parts))
    parts[change[0]] = change[1]
    assert not is_dead("/".join(parts))
    assert not is_running("/".join(parts))


@pytest.mark.parametrize(
    "process", ["", "x/1", "1/x", "0/1", "-1/1", "1", "1/2/3", "1/0", "\u00b2/1"]
)
def test_what_is_no_name_is_never_judged(process: str) -> None:
    place = "/".join(this_owner().split("/")[:2])
    assert not is_dead(f"{place}/{process}")
    assert not is_dead(process)


def test_another_user_s_process_is_not_judged_by_what_cannot_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr("gateway.sessions.owner.os.kill", refuse)
    place = "/".join(this_owner().split("/")[:2])
    assert not is_dead(f"{place}/999999999/5")


def test_without_proc_names_are_unique_and_nobody_is_judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = this_owner()
    monkeypatch.setattr(module, "_BOOT_ID", tmp_path / "nothing")
    assert this_owner().startswith("elsewhere-")
    assert not is_dead(before)
