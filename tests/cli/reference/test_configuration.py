"""The configuration's page and example."""

import tomllib
from pathlib import Path

from gateway.cli.reference.configuration import configuration_page, example_config
from gateway.settings import Settings, load_settings, shape


def test_every_setting_has_a_row_with_its_reason() -> None:
    rows = [line for line in configuration_page().splitlines() if line.startswith("| `")]
    assert all(row.rstrip(" |").rpartition("| ")[2].strip() for row in rows)
    page = configuration_page()
    for field in Settings.model_fields.values():
        here = field.annotation
        here = shape.inside(here, {}, "") if shape.is_map(here) else here
        for section in shape.sections(here):
            for name in section.model_fields:
                assert f"| `{name}` |" in page


def test_types_and_defaults_are_in_the_words_of_the_configuration() -> None:
    page = configuration_page()
    assert "| `port` | whole number, at least 0, at most 65,535 | `8080` |" in page
    assert "| `budget` | number, at least 0, at most 1 | `0.2` |" in page
    assert '| `drain` | duration | `"30s"` |' in page
    assert "| `max_object` | size |  |" in page
    assert '| `uniform_parts` | `auto` or `true` or `false` | `"auto"` |' in page
    assert "| `versions` | list of `v`, `v2`, `v3`, `token`, `jwt` |" in page
    assert "| `not_after` | time |  |" in page


def test_the_example_is_an_empty_file_until_something_is_taken_out() -> None:
    assert tomllib.loads(example_config()) == {}


def test_the_example_works_when_everything_is_taken_out(tmp_path: Path) -> None:
    kinds = ('kind = "local"', 'kind = "memory"')
    paragraphs = [
        paragraph
        for paragraph in example_config().split("\n\n")[1:]
        if not any(kind in paragraph for kind in kinds)
    ]
    lines = [
        line.removeprefix("# ")
        for paragraph in paragraphs
        for line in paragraph.splitlines()[1:]
        if '"..."' not in line or "secret = " in line
    ]
    path = tmp_path / "sluice.toml"
    path.write_text("\n".join(lines))
    settings = load_settings(path, {})
    assert set(settings.storage) == {"main"}
    assert settings.slots["upload"].bucket == "photos"
