import io
import itertools
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import StorageCorrupt
from gateway.model import Attributes, ObjectInfo, ObjectKey
from gateway.storage.local import record
from gateway.storage.local.record import Extent, Record, joined

INFO = ObjectInfo(
    key=ObjectKey("photos", "ä/\n\u2028"),
    size=10,
    etag="sl-abc",
    modified=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    attributes=Attributes(content_type="text/plain", metadata={"a": "é", "b": ""}),
)


def read_back(path: Path, data: bytes) -> Record:
    path.write_bytes(data)
    with io.FileIO(path) as file:
        return record.read(file.fileno())


@pytest.mark.parametrize(
    "extents", [((0, 10),), ((5, 5), (0, 5)), tuple((n * 20, 1) for n in range(10))]
)
def test_a_record_comes_back_from_the_end_of_a_file(
    tmp_path: Path, extents: tuple[Extent, ...]
) -> None:
    written = Record(INFO, extents)
    assert read_back(tmp_path / "f", bytes(200) + record.encode(written)) == written


def test_a_record_longer_than_the_first_look_comes_back(tmp_path: Path) -> None:
    extents = tuple((n * 2_000_000, 1_000_000) for n in reversed(range(10_000)))
    written = Record(INFO, extents)
    assert read_back(tmp_path / "f", b"0123456789" + record.encode(written)) == written


def test_every_damaged_byte_is_noticed(tmp_path: Path) -> None:
    whole = b"0123456789" + record.encode(Record(INFO, ((0, 10),)))
    for at in range(10, len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x41
        with pytest.raises(StorageCorrupt):
            read_back(tmp_path / "f", bytes(damaged))


def test_every_missing_end_is_noticed(tmp_path: Path) -> None:
    whole = b"0123456789" + record.encode(Record(INFO, ((0, 10),)))
    for length in range(len(whole)):
        with pytest.raises(StorageCorrupt):
            read_back(tmp_path / "f", whole[:length])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=12))
def test_joined_extents_are_the_same_bytes(extents: list[Extent]) -> None:
    def places(some: list[Extent]) -> list[int]:
        return [at + n for at, size in some for n in range(size)]

    short = joined(extents)
    assert places(list(short)) == places(extents)
    assert all(size > 0 for _, size in short)
    assert all(sum(one) != two[0] for one, two in itertools.pairwise(short))
