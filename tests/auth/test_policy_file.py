"""Policy files: what is refused, and that the message tells where and what would be right."""

from pathlib import Path

import pytest

from gateway.auth.policies import shipped_folder
from gateway.auth.policy_file import (
    HeadersSection,
    MatchSection,
    PolicyError,
    RuleSection,
    read_policy,
)

DOCS = Path(__file__).parents[2] / "docs"
RULE = '[[rules]]\nactions = ["write"]\nbuckets = ["*"]\n'


def _message(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        read_policy(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("rules = = 1", ["not TOML", "line 1"]),
        ("rule = []", ["rule: no such setting; did you mean 'rules'?"]),
        ("zzzzzz = 1", ["known here: description, rules, headers"]),
        (RULE + RULE + "max_sice = 1", ["rules 2 max_sice", "did you mean 'max_size'?"]),
        ("[[headers]]\nsett = {}", ["headers 1 sett", "'set'"]),
        ("[[headers]]\nmatch = { keyz = [] }\n", ["headers 1 match keyz", "'keys'"]),
        ('[[rules]]\nactions = ["write"]', ["rules 1 buckets: it is required and missing"]),
        ('[[rules]]\nactions = []\nbuckets = ["*"]', ["rules 1 actions"]),
        ('[[rules]]\nactions = ["put"]\nbuckets = ["*"]', ["rules 1 actions 1", "'write'"]),
        ('[[rules]]\nactions = ["read"]\nbuckets = []', ["rules 1 buckets"]),
        ('[[rules]]\nactions = ["read"]\nbuckets = ["*", "a"]', ["name it alone"]),
        ('[[rules]]\nactions = ["read"]\nbuckets = ["a*"]', ["exact names"]),
        ('[[rules]]\nactions = ["read"]\nbuckets = ["*"]\nmax_size = 1', ["limits writes"]),
        ('[[rules]]\nactions = ["read"]\nbuckets = ["*"]\noverwrite = true', ["limits writes"]),
        (RULE + 'max_size = "big"', ["rules 1 max_size", "64MiB"]),
        (RULE + 'content_types = ["png"]', ["rules 1 content_types 1", "image/*"]),
        (RULE + 'content_types = ["text/html; charset=x"]', ["no parameters"]),
        (RULE + 'prefixes = [""]', ["leave prefixes out"]),
        (RULE + 'prefixes = ["u/${principal}"]', ["bobby"]),
        (RULE + 'prefixes = ["${principal}${principal}/"]', ["bobby"]),
        (RULE + 'folders = ["/"]', ["leave folders out"]),
        (RULE + 'folders = ["/a"]', ["bucket's root"]),
        (RULE + 'folders = ["a/../b"]', ["dot segments"]),
        (RULE + 'folders = ["a//b"]', ["empty"]),
        (RULE + 'folders = ["u-${principal}"]', ["whole segment"]),
        ("[[headers]]", ["it does nothing"]),
        ('[[headers]]\nset = { "a b" = "c" }', ["not the name of a header"]),
        ('[[headers]]\nset = { Content-Length = "1" }', ["Content-Length is not a policy's"]),
        ('[[headers]]\nset = { a = "1", A = "2" }', ["there twice"]),
        ('[[headers]]\nset = { a = "1\\r\\nb: 2" }', ["value of a"]),
        ('[[headers]]\nset = { a = "" }', ["value of a"]),
        ('[[headers]]\nset = { a = "\u00e9" }', ["value of a"]),
        ('[[headers]]\ninline = "yes"', ["headers 1 inline", "'all'"]),
    ],
)
def test_a_mistake_is_refused_with_its_place(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = _message(tmp_path, text)
    for part in parts:
        assert part in message


def test_every_mistake_has_its_line(tmp_path: Path) -> None:
    message = _message(tmp_path, RULE + 'max_size = "big"\nmax_sice = 1\n')
    assert len(message.splitlines()) == 2


def test_what_is_no_text_or_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff")
    (tmp_path / "b.toml").mkdir()
    for name in ("a.toml", "b.toml", "c.toml"):
        with pytest.raises(PolicyError, match=name):
            read_policy(tmp_path / name)


def test_a_policy_is_called_like_its_file(tmp_path: Path) -> None:
    path = tmp_path / "drop.box.toml"
    path.write_text('description = "Drop"\n' + RULE + 'name = "all"', encoding="utf-8")
    policy = read_policy(path)
    assert (policy.name, policy.file, policy.description) == ("drop.box", "drop.box.toml", "Drop")
    assert policy.rules[0].place == "drop.box.toml, rule 1 (all)"


def test_a_mistake_in_a_list_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('[[rules]]\nactions = ["raed"]\nbuckets = ["*"]')
    with pytest.raises(PolicyError) as error:
        read_policy(path)
    assert str(error.value).splitlines() == [
        f"{path}: rules 1 actions 1: one of 'read', 'write', 'delete' or 'list' is wanted"
    ]
    path.write_text('[[rules]]\nactions = []\nbuckets = ["*"]')
    with pytest.raises(PolicyError, match="at least 1"):
        read_policy(path)


def test_the_page_of_policies_has_every_field_and_its_example_works(tmp_path: Path) -> None:
    page = (DOCS / "policies.md").read_text(encoding="utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    path = tmp_path / "example.toml"
    path.write_text(example, encoding="utf-8")
    assert len(read_policy(path).rules) == 2
    fields = [*RuleSection.model_fields, *HeadersSection.model_fields]
    assert [name for name in fields if f"| `{name}` |" not in page] == []
    assert [name for name in MatchSection.model_fields if f"`{name}`" not in page] == []


def test_the_page_of_policies_names_every_shipped_one() -> None:
    page = (DOCS / "policies.md").read_text(encoding="utf-8")
    shipped = [path.stem for path in shipped_folder().glob("*.toml")]
    assert shipped
    assert [name for name in shipped if f"| `{name}` |" not in page] == []
