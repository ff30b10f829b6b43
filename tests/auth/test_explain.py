"""Explanations: each rule, what became of it, and the same decision as in production."""

from pathlib import Path

import pytest

from gateway.auth.explain import Explanation, explain
from gateway.auth.policy import AccessRequest
from gateway.auth.policy_file import read_policy
from gateway.model import Action, ObjectKey

POLICY = """
[[rules]]
actions = ["read"]
buckets = ["*"]

[[rules]]
actions = ["write"]
buckets = ["films"]

[[rules]]
actions = ["write"]
buckets = ["*"]
folders = ["team1"]
prefixes = ["img-"]

[[rules]]
name = "pictures"
actions = ["write"]
buckets = ["*"]
content_types = ["image/*"]
max_size = "1MiB"
overwrite = false

[[rules]]
actions = ["write"]
buckets = ["inbox"]
"""


def _explained(
    folder: Path,
    action: Action = "write",
    *,
    text: str = POLICY,
    content_type: str = "image/png",
    size: int | None = None,
) -> Explanation:
    (folder / "mine.toml").write_text(text)
    request = AccessRequest(
        action=action,
        key=ObjectKey("photos", "a.png"),
        principal="alice",
        content_type=content_type,
        size=size,
    )
    policy = read_policy(folder / "mine.toml")
    explanation = explain(policy, request)
    assert explanation.decision == policy.decide(request)
    return explanation


def test_each_rule_tells_why_it_did_or_did_not_decide(tmp_path: Path) -> None:
    assert _explained(tmp_path).lines() == [
        "allowed: write photos/a.png by policy mine",
        "  - mine.toml, rule 1: other action: it is about read",
        "  - mine.toml, rule 2: other bucket: it is about films",
        "  - mine.toml, rule 3: other key: the key is not inside prefix 'img-' or folder 'team1'",
        "  * mine.toml, rule 4 (pictures): it fits, so it decides",
        "  - mine.toml, rule 5: not reached",
        "  mine.toml, rule 4 (pictures) allows it",
        "  size: at most 1MiB",
        "  replace an object: no",
    ]


def test_a_refusal_tells_what_would_help(tmp_path: Path) -> None:
    lines = _explained(tmp_path, "delete").lines()
    assert lines[0].startswith("refused: delete")
    assert 'actions = ["delete"]' in lines[-1]
    assert not any(line.startswith("  *") for line in lines)


def test_a_rule_that_fits_may_refuse_by_size(tmp_path: Path) -> None:
    lines = _explained(tmp_path, size=2**20 + 1).lines()
    assert lines[0].startswith("refused")
    assert lines[4].startswith("  *")
    assert lines[-1].endswith("max_size is 1MiB, the body has 1048577 bytes")


def test_a_wrong_content_type_is_named(tmp_path: Path) -> None:
    lines = _explained(tmp_path, content_type="text/html").lines()
    assert lines[-1] == "  mine.toml, rule 4 (pictures): text/html is not among its types"


def test_a_policy_without_rules_says_so(tmp_path: Path) -> None:
    assert "refuses everything" in _explained(tmp_path, text="").lines()[1]


@pytest.mark.parametrize("action", ["read"])
def test_limits_are_told_for_writes_only(tmp_path: Path, action: Action) -> None:
    assert not any("size:" in line for line in _explained(tmp_path, action).lines())


def test_no_limit_is_told_as_any_size(tmp_path: Path) -> None:
    text = '[[rules]]\nactions = ["write"]\nbuckets = ["*"]'
    assert _explained(tmp_path, text=text).lines()[-2:] == [
        "  size: any",
        "  replace an object: yes",
    ]
