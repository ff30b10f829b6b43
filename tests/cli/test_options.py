"""What several commands take."""

from pathlib import Path

import click
import pytest

from gateway.cli.options import DURATION, OBJECT, SIZE, TIME, parse_object, read_settings
from gateway.model import ObjectKey


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("photos/cat.jpg", ObjectKey("photos", "cat.jpg")),
        ("/photos/a/b", ObjectKey("photos", "a/b")),
        ("photos//x", ObjectKey("photos", "/x")),
        ("photos/é ü", ObjectKey("photos", "é ü")),
    ],
)
def test_an_object_is_a_bucket_and_a_key(text: str, key: ObjectKey) -> None:
    assert parse_object(text) == key


@pytest.mark.parametrize("text", ["", "photos", "photos/", "/", "//x", "photos/\udcff"])
def test_what_names_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="photos/cat.jpg|UTF-8"):
        parse_object(text)


def test_a_value_that_was_read_already_is_left_alone() -> None:
    key = ObjectKey("b", "k")
    assert OBJECT.convert(key, None, None) is key


def test_times_need_a_zone() -> None:
    assert TIME.convert("1970-01-01T00:01:00Z", None, None) == 60.0
    for text in ("tomorrow", "2027-01-31T12:00:00"):
        with pytest.raises(click.BadParameter, match="2027-01-31T12:00:00Z"):
            TIME.convert(text, None, None)


def test_durations_and_sizes_have_units() -> None:
    assert DURATION.convert("1.5h", None, None) == 5400.0
    assert SIZE.convert("1MiB", None, None) == 1 << 20
    with pytest.raises(click.BadParameter, match="30s"):
        DURATION.convert("soon", None, None)


def test_the_configuration_of_the_working_directory_is_read_unless_another_is_named(
    folder: Path,
) -> None:
    assert read_settings(None).server.port == 8080
    (folder / "sluice.toml").write_text("[server]\nport = 1")
    (folder / "other.toml").write_text("[server]\nport = 2")
    assert read_settings(None).server.port == 1
    assert read_settings(Path("other.toml")).server.port == 2
