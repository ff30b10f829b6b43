"""Settings written as TOML."""

import tomllib
from pathlib import Path

import pytest

from gateway.settings import Settings, load_settings
from gateway.settings.render import MASK, to_toml, write_value

TEXT = """
[server]
drain = "1500ms"
max_head = 1234567
domains = ["a.example", "b.example"]
[storage."my store"]
kind = "s3"
secret_access_key = "hunter2"
uniform_parts = true
[buckets.photos]
storage = "my store"
sse = "AES256"
[keys.EXAMPLEKEY000001]
secret = "hunter3"
not_after = 2099-01-01T00:00:00Z
[transfer]
max_object = "5TiB"
[retry]
budget = 0.25
"""


def load(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "sluice.toml").write_text(text)
    return load_settings(tmp_path / "sluice.toml", {})


def test_what_is_written_is_read_back_the_same_but_for_secrets(tmp_path: Path) -> None:
    settings = load(tmp_path, TEXT)
    text = to_toml(settings)
    assert "hunter" not in text
    again = load(tmp_path, text)
    assert again.storage["my store"].model_dump(exclude={"secret_access_key"}) == settings.storage[
        "my store"
    ].model_dump(exclude={"secret_access_key"})
    assert again.model_dump(exclude={"storage", "keys"}) == settings.model_dump(
        exclude={"storage", "keys"}
    )
    assert again.keys["EXAMPLEKEY000001"].not_after == settings.keys["EXAMPLEKEY000001"].not_after
    assert tomllib.loads(text)["keys"]["EXAMPLEKEY000001"]["secret"] == MASK


def test_units_are_used_where_they_say_exactly_the_same(tmp_path: Path) -> None:
    tree = tomllib.loads(to_toml(load(tmp_path, TEXT)))
    assert tree["server"]["drain"] == "1.5s"
    assert tree["server"]["max_head"] == 1234567
    assert tree["server"]["max_header"] == "8KiB"
    assert tree["transfer"]["max_object"] == "5TiB"
    assert tree["retry"]["budget"] == 0.25


def test_what_has_no_value_is_left_out(tmp_path: Path) -> None:
    tree = tomllib.loads(to_toml(load(tmp_path, "")))
    assert "tls_cert" not in tree["server"]
    assert "keys" not in tree


def test_a_duration_that_no_unit_says_exactly_is_a_number(tmp_path: Path) -> None:
    tree = tomllib.loads(to_toml(load(tmp_path, "[server]\ndrain = 1.23456789")))
    assert tree["server"]["drain"] == 1.23456789


def test_nothing_else_can_be_written() -> None:
    with pytest.raises(TypeError, match="no setting holds a set"):
        write_value({1})
