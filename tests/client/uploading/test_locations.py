"""Where a server says that an upload is."""

import pytest

from gateway.client.uploading.locations import same_server_path

BASE = b"/-/uploads/b/k"


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("/-/uploads/i.m", "/-/uploads/i.m"),
        ("i.m", "/-/uploads/b/i.m"),
        ("http://internal:8080/-/uploads/i.m", "/-/uploads/i.m"),
        ("//evil.example/x?y=1", "/x?y=1"),
    ],
)
def test_only_the_path_counts(reference: str, path: str) -> None:
    assert same_server_path(reference, BASE) == path


@pytest.mark.parametrize("reference", ["", "http://h", "http://[", "\u00e9", "/a b", "/a\r\nx"])
def test_what_names_no_path_is_none(reference: str) -> None:
    assert same_server_path(reference, BASE) is None
