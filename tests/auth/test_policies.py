"""Folders of policies: what replaces what, and that a name nobody wrote stops the start."""

from pathlib import Path

import pytest

from gateway.auth import policies as module
from gateway.auth.key import Key
from gateway.auth.policies import Policies, references, shipped_folder
from gateway.auth.policy import AccessRequest
from gateway.auth.policy_file import PolicyError
from gateway.model import ObjectKey
from gateway.settings import Settings

RULE = '[[rules]]\nactions = ["read"]\nbuckets = ["*"]\n'


def test_the_shipped_policies_are_found_and_described() -> None:
    shipped = {policy.name: policy.description for policy in Policies.load(shipped_folder())}
    assert set(shipped) == {"full-access", "public-read", "read-only", "upload-only"}
    assert all(shipped.values())


def test_an_installed_package_uses_the_policies_inside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PACKAGE", tmp_path / "gateway")
    assert shipped_folder() == tmp_path / "policies"
    (tmp_path / "gateway" / "_policies").mkdir(parents=True)
    assert shipped_folder() == tmp_path / "gateway" / "_policies"


def test_a_folder_adds_and_replaces(tmp_path: Path) -> None:
    (tmp_path / "full-access.toml").write_text('description = "mine"\n' + RULE)
    (tmp_path / "team.toml").write_text(RULE)
    (tmp_path / "notes.txt").write_text("no policy")
    loaded = Policies.load(shipped_folder(), tmp_path)
    assert loaded.get("full-access").description == "mine"
    assert {policy.name for policy in loaded} >= {"team", "read-only"}
    assert len(list(loaded)) == 5


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("x = 1")
    (tmp_path / "b.toml").write_text("x = ")
    with pytest.raises(PolicyError) as caught:
        Policies.load(shipped_folder(), tmp_path)
    lines = str(caught.value).splitlines()
    assert [
        str(tmp_path / name) in line for name, line in zip(("a.toml", "b.toml"), lines, strict=True)
    ] == [
        True,
        True,
    ]


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no such folder"):
        Policies.load(shipped_folder(), tmp_path / "nowhere")


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    loaded = Policies.load(shipped_folder())
    with pytest.raises(PolicyError, match="did you mean 'read-only'"):
        loaded.get("readonly")
    with pytest.raises(PolicyError, match="there are full-access, public-read"):
        loaded.get("zzz")


def test_a_policy_that_came_after_the_start_refuses_everything() -> None:
    loaded = Policies.load(shipped_folder())
    assert loaded.for_request("read-only") == loaded.get("read-only")
    policy = loaded.for_request("newer")
    request = AccessRequest(action="read", key=ObjectKey("b", "k"), principal="alice")
    decision = policy.decide(request)
    assert not decision.allowed
    assert "newer.toml (not there at the last start)" in decision.reason


def _settings(policies: Path | None, name: str = "full-access") -> Settings:
    return Settings.model_validate(
        {
            "server": {"policies": policies},
            "storage": {"main": {"kind": "memory"}},
            "buckets": {
                "open": {"storage": "main", "anonymous": name},
                "closed": {"storage": "main"},
            },
            "buckets_default": {"storage": "main", "anonymous": name},
            "keys": {"CONFIGURED0000000001": {"secret": "s", "policy": name}},
            "slots": {"up": {"bucket": "open", "base_path": "/up/", "secret": "s", "policy": name}},
        }
    )


def test_every_policy_that_settings_name_is_known() -> None:
    assert references(_settings(None, "x")) == [
        ("keys.CONFIGURED0000000001.policy", "x"),
        ("slots.up.policy", "x"),
        ("buckets.open.anonymous", "x"),
        ("buckets_default.anonymous", "x"),
    ]
    assert references(Settings()) == []


def test_settings_that_name_what_is_not_there_stop_the_start(tmp_path: Path) -> None:
    key = Key(id="K", secret="s", principal="p", policy="upload-onyl")
    with pytest.raises(PolicyError) as caught:
        Policies.open(_settings(tmp_path, "team"), [key])
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    assert "keys.CONFIGURED0000000001.policy: there is no policy 'team'" in lines[0]
    assert "key K: there is no policy 'upload-onyl'; did you mean 'upload-only'?" in lines[4]
    (tmp_path / "team.toml").write_text(RULE)
    assert Policies.open(_settings(tmp_path, "team")).get("team").name == "team"
