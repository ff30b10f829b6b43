"""The key ring: where keys come from, when they count, and how fast a change is seen."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import pytest

from gateway.auth.key import Key
from gateway.auth.key_file import KeysError
from gateway.auth.keys import KeyRing
from gateway.settings import Settings

CONFIGURED = "CONFIGURED0000000001"
NOW = 1_700_000_000.0


def _ring(
    folder: Path,
    configured: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
    problems: list[str] | None = None,
) -> KeyRing:
    settings = Settings.model_validate({"server": {"data_dir": folder}, "keys": configured})
    told = problems if problems is not None else []
    return KeyRing.open(settings, told.append)


def _found(ring: KeyRing, key_id: str, now: float = NOW) -> Key:
    key = ring.find(key_id, now)
    assert key is not None
    return key


def test_a_configured_key_is_found(tmp_path: Path) -> None:
    key = _found(_ring(tmp_path, {CONFIGURED: {"secret": "s3cr3t"}}), CONFIGURED)
    assert (key.secret, key.principal, key.policy) == ("s3cr3t", CONFIGURED, "full-access")


def test_an_unknown_key_is_not_found(tmp_path: Path) -> None:
    assert _ring(tmp_path).find("SLUICE0000000000000X", NOW) is None


def test_a_secret_file_gives_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cr3t\r\nsecond line\n")
    ring = _ring(tmp_path, {CONFIGURED: {"secret_file": tmp_path / "secret"}})
    assert _found(ring, CONFIGURED).secret == "s3cr3t"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_a_secret_file_without_a_secret_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(KeysError, match=CONFIGURED):
        _ring(tmp_path, {CONFIGURED: {"secret_file": tmp_path / "secret"}})


def test_a_key_counts_only_within_its_dates(tmp_path: Path) -> None:
    ring = _ring(
        tmp_path,
        {
            CONFIGURED: {
                "secret": "s",
                "not_before": "2025-01-01T00:00:00Z",
                "not_after": "2025-01-02T01:00:00+01:00",
            }
        },
    )
    begin = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
    end = datetime(2025, 1, 2, tzinfo=UTC).timestamp()
    times = (begin - 1, begin, end - 1, end)
    assert [ring.find(CONFIGURED, now) is not None for now in times] == [False, True, True, False]


def test_a_key_disabled_in_the_configuration_is_refused(tmp_path: Path) -> None:
    ring = _ring(tmp_path, {CONFIGURED: {"secret": "s", "disabled": True}})
    assert ring.find(CONFIGURED, NOW) is None


def test_a_created_key_counts_at_once_and_after_a_restart(tmp_path: Path) -> None:
    ring = _ring(tmp_path)
    key = ring.create("alice", "read-only", not_after=NOW + 60)
    assert re.fullmatch(r"SLUICE[A-Z0-9]{14}", key.id)
    assert re.fullmatch(r"[A-Za-z0-9_-]{40}", key.secret)
    assert _found(ring, key.id) == key
    again = _ring(tmp_path)
    assert _found(again, key.id) == key
    assert again.find(key.id, NOW + 60) is None


def test_a_created_key_belongs_to_itself_unless_told_otherwise(tmp_path: Path) -> None:
    key = _ring(tmp_path).create()
    assert (key.principal, key.policy) == (key.id, "full-access")


def test_a_principal_may_have_several_keys(tmp_path: Path) -> None:
    ring = _ring(tmp_path, {CONFIGURED: {"secret": "s", "principal": "alice"}})
    made = [ring.create("alice"), ring.create("alice")]
    assert {key.id for key in ring.list()} == {CONFIGURED, made[0].id, made[1].id}
    assert {key.principal for key in ring.list()} == {"alice"}
    assert len({key.secret for key in ring.list()}) == 3


def test_pitfall_19_a_rotated_key_is_refused_after_its_grace(tmp_path: Path) -> None:
    ring = _ring(tmp_path)
    old = ring.create("alice", not_after=NOW + 3600)
    new = ring.create("alice")
    assert ring.find(old.id, NOW + 3599) is not None
    assert ring.find(old.id, NOW + 3601) is None
    assert ring.find(new.id, NOW + 3601) is not None


def test_a_key_made_elsewhere_is_seen_within_the_interval(tmp_path: Path) -> None:
    worker, command = _ring(tmp_path), _ring(tmp_path)
    assert worker.find("SLUICE0000000000000X", NOW) is None
    key = command.create()
    assert worker.find(key.id, NOW + 0.4) is None
    assert worker.find(key.id, NOW + 0.5) is not None


def test_case_31_a_key_disabled_elsewhere_is_refused_within_a_second(tmp_path: Path) -> None:
    command = _ring(tmp_path)
    key = command.create()
    workers = [_ring(tmp_path) for _ in range(3)]
    assert all(worker.find(key.id, NOW) for worker in workers)
    assert command.disable(key.id) == key
    assert not any(worker.find(key.id, NOW + 0.6) for worker in workers)
    assert command.find(key.id, NOW) is None
    assert [listed.disabled for listed in workers[0].list()] == [True]


def test_a_clock_that_is_set_back_does_not_stop_looking(tmp_path: Path) -> None:
    worker, command = _ring(tmp_path), _ring(tmp_path)
    key = command.create()
    assert worker.find(key.id, NOW) is not None
    command.disable(key.id)
    assert worker.find(key.id, NOW - 3600) is None


def test_a_configured_key_can_be_disabled_and_stays_so(tmp_path: Path) -> None:
    ring = _ring(tmp_path, {CONFIGURED: {"secret": "s"}})
    ring.disable(CONFIGURED)
    ring.disable(CONFIGURED)
    assert ring.find(CONFIGURED, NOW) is None
    assert _ring(tmp_path, {CONFIGURED: {"secret": "s"}}).find(CONFIGURED, NOW) is None
    assert json.loads(ring.path.read_text())["disabled"] == [CONFIGURED]


def test_an_unknown_key_cannot_be_disabled(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="There is no key SLUICEX"):
        _ring(tmp_path).disable("SLUICEX")


def test_the_first_key_is_made_once(tmp_path: Path) -> None:
    ring, late = _ring(tmp_path), _ring(tmp_path)
    key = ring.ensure_first_key("read-only")
    assert key is not None
    assert key.policy == "read-only"
    assert ring.ensure_first_key() is None
    # Another worker that started at the same moment and had seen no key yet.
    assert late.ensure_first_key() is None
    assert len(_ring(tmp_path).list()) == 1


def test_no_first_key_is_made_beside_configured_ones(tmp_path: Path) -> None:
    ring = _ring(tmp_path, {CONFIGURED: {"secret": "s"}})
    assert ring.ensure_first_key() is None
    assert not ring.path.exists()


def test_a_key_in_both_places_is_refused(tmp_path: Path) -> None:
    key = _ring(tmp_path).create()
    with pytest.raises(KeysError, match=rf"both in the configuration \(\[keys.{key.id}\]\)"):
        _ring(tmp_path, {key.id: {"secret": "other"}})


def test_nobody_can_be_called_anonymous(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="without a credential"):
        _ring(tmp_path).create("anonymous")
    with pytest.raises(KeysError, match="without a credential"):
        _ring(tmp_path, {CONFIGURED: {"secret": "s", "principal": "anonymous"}})
    assert not (tmp_path / "keys.json").exists()


def test_dates_that_leave_no_time_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="would never count"):
        _ring(tmp_path).create(not_before=NOW, not_after=NOW)


def test_a_damaged_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{")
    with pytest.raises(KeysError, match="damaged"):
        _ring(tmp_path)


def test_a_file_open_to_others_is_reported(tmp_path: Path) -> None:
    ring = _ring(tmp_path)
    ring.create()
    ring.path.chmod(0o640)
    problems: list[str] = []
    _ring(tmp_path, problems=problems)
    assert len(problems) == 1
    assert "chmod 600" in problems[0]


def test_while_running_a_damaged_file_keeps_the_last_good_keys_and_is_reported_once(
    tmp_path: Path,
) -> None:
    problems: list[str] = []
    ring = _ring(tmp_path, problems=problems)
    key = ring.create()
    good = ring.path.read_text()
    ring.path.write_text("{ damaged")
    assert all(ring.find(key.id, NOW + second) for second in range(5))
    assert len(problems) == 1
    assert "stay in use" in problems[0]
    assert key.secret not in problems[0]
    ring.path.write_text(good)
    assert ring.find(key.id, NOW + 6) is not None
    ring.path.write_text("{ damaged")
    assert ring.find(key.id, NOW + 7) is not None
    assert len(problems) == 2


def test_a_file_that_vanishes_does_not_bring_disabled_keys_back(tmp_path: Path) -> None:
    problems: list[str] = []
    ring = _ring(tmp_path, {CONFIGURED: {"secret": "s"}}, problems)
    ring.disable(CONFIGURED)
    ring.path.unlink()
    assert ring.find(CONFIGURED, NOW) is None
    assert "gone" in problems[0]


def test_a_disabled_key_that_left_the_configuration_is_no_obstacle(tmp_path: Path) -> None:
    _ring(tmp_path, {CONFIGURED: {"secret": "s"}}).disable(CONFIGURED)
    assert _ring(tmp_path).list() == ()
