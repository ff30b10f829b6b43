"""What holds where nothing is configured."""

from typing import Any

import pytest

from gateway.settings.embedded import fill


def test_without_a_store_the_embedded_one_takes_every_bucket() -> None:
    tree: dict[str, Any] = {}
    fill(tree)
    assert tree["storage"] == {"disk": {"kind": "local", "path": ".sluice/objects"}}
    assert tree["buckets_default"] == {"storage": "disk"}


def test_files_stand_under_the_data_directory_wherever_it_is() -> None:
    tree: dict[str, Any] = {"server": {"data_dir": "/var/lib/sluice"}}
    fill(tree)
    assert tree["sessions"]["url"] == "sqlite:////var/lib/sluice/sessions.db"
    assert tree["memory"]["spool"] == "/var/lib/sluice/spool"
    assert tree["storage"]["disk"]["path"] == "/var/lib/sluice/objects"


def test_what_is_configured_is_left_alone() -> None:
    tree: dict[str, Any] = {
        "sessions": {"url": "memory:"},
        "memory": {"spool": "s"},
        "storage": {"main": {"kind": "s3"}, "here": {"kind": "local", "path": "p"}},
    }
    before = {name: dict(section) for name, section in tree.items()}
    fill(tree)
    assert tree == before


@pytest.mark.parametrize("section", ["server", "sessions", "memory", "storage"])
def test_a_section_that_is_no_table_is_left_for_validation_to_refuse(section: str) -> None:
    tree: dict[str, Any] = {section: 3}
    fill(tree)
    assert tree[section] == 3


def test_a_store_that_is_no_table_is_left_for_validation_to_refuse() -> None:
    tree: dict[str, Any] = {"storage": {"main": 3}}
    fill(tree)
    assert tree["storage"] == {"main": 3}
