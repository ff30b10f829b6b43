"""The settings' types as a map that names are looked up in."""

from typing import Any

import pytest

from gateway.settings import LocalStorage, S3Storage, Settings, StorageSection, shape


def test_a_section_is_a_table_and_a_value_is_not() -> None:
    assert shape.is_table(Settings)
    assert shape.is_table(dict[str, LocalStorage])
    assert not shape.is_table(str | None)
    assert not shape.is_table(int)


def test_an_optional_section_is_found_behind_its_none() -> None:
    assert shape.sections(LocalStorage | None) == [LocalStorage]


def test_a_map_is_no_section_itself() -> None:
    assert shape.sections(dict[str, LocalStorage]) == []


def test_the_kind_chooses_which_names_are_right() -> None:
    assert "path" in shape.names(StorageSection, {"kind": "local"})
    assert "path" not in shape.names(StorageSection, {"kind": "s3"})


@pytest.mark.parametrize("node", [{}, {"kind": "s4"}])
def test_without_a_known_kind_every_kinds_names_are_right(node: dict[str, Any]) -> None:
    assert {"path", "endpoint_url"} <= set(shape.names(StorageSection, node))


def test_a_map_knows_the_names_it_has_and_takes_any() -> None:
    here = dict[str, S3Storage]
    assert shape.names(here, {"main": {}}) == ["main"]
    assert shape.inside(here, {}, "new") is S3Storage


def test_inside_a_union_the_name_leads_to_its_own_sections_type() -> None:
    assert shape.inside(StorageSection, {}, "tls_verify") is bool


def test_the_kind_of_a_section_is_its_literal() -> None:
    assert shape.kind(S3Storage) == "s3"
    assert shape.kind(Settings) is None


def test_the_nearest_name_keeps_its_own_case() -> None:
    assert shape.nearest("MIAN", ["Main", "other"]) == "Main"
    assert shape.nearest("zzz", ["Main"]) is None
