"""``sluice keys``."""

from pathlib import Path

from gateway.auth.keys import KeyRing
from gateway.settings import load_settings
from tests.cli.conftest import Run


def test_a_key_is_made_listed_and_disabled(run: Run) -> None:
    made = run(
        "keys", "create", "--principal", "phone", "--policy", "upload-only",
        "--not-before", "2026-01-01T00:00:00Z", "--not-after", "2099-01-01T01:00:00+01:00",
    ).stdout  # fmt: skip
    key_id, secret = (line.split()[-1] for line in made.splitlines())
    (key,) = KeyRing.open(load_settings(None, {})).list()
    assert (key.id, key.secret, key.principal, key.policy) == (
        key_id,
        secret,
        "phone",
        "upload-only",
    )

    listed = run("keys", "list").stdout
    assert secret not in listed
    assert listed.splitlines() == [
        "KEY                   PRINCIPAL  POLICY       STATE",
        f"{key_id}  phone      upload-only  "
        "enabled from 2026-01-01T00:00:00Z until 2099-01-01T00:00:00Z",
    ]

    assert run("keys", "disable", key_id).stdout == f"{key_id} is disabled.\n"
    assert run("keys", "list").stdout.endswith("  disabled\n")


def test_where_a_key_was_stored_is_told_beside_what_scripts_read(run: Run, folder: Path) -> None:
    result = run("keys", "create")
    assert result.stderr == f"stored in {folder / '.sluice' / 'keys.json'}\n"
    assert len(result.stdout.splitlines()) == 2


def test_a_secret_file_that_is_missing_is_named_by_its_full_path(run: Run, folder: Path) -> None:
    (folder / "sluice.toml").write_text('[keys.EXAMPLEKEY000001]\nsecret_file = "nowhere"')
    assert f"secret_file: {folder / 'nowhere'}: No such file" in run("keys", "list").stderr


def test_no_keys_are_an_empty_list(run: Run) -> None:
    assert run("keys", "list").stdout == "KEY  PRINCIPAL  POLICY  STATE\n"


def test_what_others_can_read_is_warned_of(run: Run) -> None:
    run("keys", "create")
    KeyRing.open(load_settings(None, {})).path.chmod(0o644)
    result = run("keys", "list")
    assert result.exit_code == 0
    assert "run chmod 600" in result.stderr


def test_dates_that_leave_no_time_are_refused(run: Run) -> None:
    result = run(
        "keys", "create", "--not-before", "2027-01-01T00:00:00Z", "--not-after", "2026-01-01T00:00:00Z"
    )  # fmt: skip
    assert result.exit_code == 1
    assert "never count" in result.stderr
