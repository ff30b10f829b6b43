"""``sluice policy``."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_the_shipped_policies_are_listed(run: Run) -> None:
    rows = [line.split(maxsplit=1) for line in run("policy", "list").stdout.splitlines()]
    assert [name for name, _ in rows] == ["full-access", "public-read", "read-only", "upload-only"]


def test_the_files_in_use_are_listed_by_their_full_paths(run: Run, folder: Path) -> None:
    (folder / "own").mkdir()
    (folder / "own" / "read-only.toml").write_text("")
    listed = run("policy", "list", SLUICE_SERVER__POLICIES="own").stdout.splitlines()
    found = dict(line.split(maxsplit=1) for line in listed)
    assert found["read-only"] == str(folder / "own" / "read-only.toml")
    shipped = Path(found["upload-only"])
    assert shipped.is_absolute()
    assert shipped.is_file()


@pytest.mark.parametrize(
    ("action", "policy", "status", "verdict"),
    [
        ("write", "upload-only", 0, "allowed: write b/k by policy upload-only"),
        ("read", "upload-only", 1, "refused: read b/k by policy upload-only"),
    ],
)
def test_it_is_told_why_and_the_exit_status_says_whether(
    run: Run, action: str, policy: str, status: int, verdict: str
) -> None:
    result = run("policy", "explain", action, "b/k", "--policy", policy, "--size", "1MiB")
    assert result.exit_code == status
    assert result.stdout.startswith(verdict)


def test_a_keys_policy_can_be_asked_by_its_id(run: Run) -> None:
    key_id = run("keys", "create", "--policy", "read-only").stdout.split()[3]
    assert run("policy", "explain", "read", "b/k", "--as", key_id).exit_code == 0
    assert run("policy", "explain", "write", "b/k", "--as", key_id).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        ((), 2, "Give one of --policy NAME and --as KEY-ID"),
        (("--as", "NOSUCHKEY0000000"), 2, "There is no key NOSUCHKEY0000000"),
        (("--policy", "upload_only"), 1, "did you mean 'upload-only'?"),
    ],
)
def test_what_cannot_be_asked_is_told(
    run: Run, arguments: tuple[str, ...], status: int, complaint: str
) -> None:
    result = run("policy", "explain", "read", "b/k", *arguments)
    assert result.exit_code == status
    assert complaint in result.output
