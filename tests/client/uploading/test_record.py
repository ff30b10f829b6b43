"""Records, as they are written down."""

import json

import pytest

from gateway.client.uploading.record import load
from tests.client.uploading.play import record


@pytest.mark.parametrize("expires", [None, 5.0])
def test_a_record_comes_back_as_it_was(expires: float | None) -> None:
    written = record(expires=expires)
    assert load(written.dump()) == written


@pytest.mark.parametrize(
    "change",
    [
        {"form": 2},
        {"kind": "x"},
        {"kind": 1},
        {"sha256": 5},
        {"expires": "x"},
        {"more": 1},
        {"file": 3},
    ],
)
def test_what_is_no_record_is_none(change: dict[str, object]) -> None:
    document = json.loads(record().dump()) | change
    assert load(json.dumps(document)) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", "null", '{"form": 1}'])
def test_another_document_is_none(text: str) -> None:
    assert load(text) is None


def test_a_file_of_another_shape_is_none() -> None:
    document = json.loads(record().dump())
    for file in ({}, {**document["file"], "size": "3"}):
        assert load(json.dumps(document | {"file": file})) is None
