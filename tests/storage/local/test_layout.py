from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidBucketName
from gateway.model import ObjectKey
from gateway.storage.local.layout import Layout

LAYOUT = Layout(Path("/store"))


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=1024))
def test_case_66_no_key_is_a_path(name: str) -> None:
    path = LAYOUT.object(ObjectKey("photos", name))
    assert path.parent.parent == Path("/store/photos")
    assert len(path.parent.name) == 2
    assert len(path.name) <= 255
    assert path.name.isascii()
    assert not set(path.name) & set("/\\\0\n:*?")


def test_case_63_keys_that_look_alike_are_different_files() -> None:
    names = ["e\u0301", "\u00e9", "A", "a", "a/", "a", "a//", "_", "?", "*"]
    paths = {LAYOUT.object(ObjectKey("b", name)) for name in names}
    assert len(paths) == len(set(names))
    assert len({str(path).lower() for path in paths}) == len(paths)


def test_the_end_of_a_key_can_be_read_in_the_folder() -> None:
    assert LAYOUT.object(ObjectKey("b", "2026/trip/a b.jpg")).name.endswith("-2026_trip_a_b.jpg")


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".tmp", ".multipart", "a/b", "a\\b", "A", "a..b", "-a", "a.", "ü", "a" * 64, "a\n"]
)  # fmt: skip
def test_case_65_what_is_no_single_visible_folder_is_no_bucket(name: str) -> None:
    with pytest.raises(InvalidBucketName):
        LAYOUT.bucket(name)


@pytest.mark.parametrize("name", ["a", "a1", "my.bucket-2", "x_y", "a" * 63])
def test_ordinary_names_are_buckets(name: str) -> None:
    assert LAYOUT.bucket(name) == Path("/store") / name


@pytest.mark.parametrize("upload_id", ["", "..", "../x", "a" * 25, "a" * 27, "A" * 26, "0" * 26])
def test_an_upload_id_that_we_never_gave_has_no_folder(upload_id: str) -> None:
    assert LAYOUT.upload(upload_id) is None
