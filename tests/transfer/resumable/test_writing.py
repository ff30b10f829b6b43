"""One writer's view of an upload."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapt.slices import choose
from gateway.errors import Overtaken, StorageCorrupt
from gateway.model import ByteRange, PartLimits
from gateway.sessions.extents import Extent, holes
from gateway.sessions.uploads import Change
from gateway.transfer.resumable.writing import Writing, covering, cut_of, slices_of
from tests.transfer.resumable.lab import PART, fleet

EXTENTS = st.lists(
    st.builds(
        lambda offset, size: Extent(offset=offset, size=size),
        st.integers(0, 50),
        st.integers(1, 30),
    ),
    max_size=8,
)


@given(EXTENTS, st.integers(0, 60), st.integers(1, 40))
def test_pieces_make_up_a_span_exactly_or_there_is_a_hole(
    extents: list[Extent], start: int, size: int
) -> None:
    span = ByteRange(start, start + size)
    missing = {
        byte for gap in holes(extents, span.stop) for byte in range(gap.start, gap.stop)
    } & set(range(span.start, span.stop))
    if missing:
        with pytest.raises(StorageCorrupt):
            list(covering(extents, span))
        return
    made = [
        extent.offset + byte
        for extent, piece in covering(extents, span)
        for byte in range(piece.start, piece.stop)
    ]
    assert made == list(range(span.start, span.stop))


@pytest.mark.parametrize("length", [None, 10**9, 10**12])
def test_a_cut_is_remembered_exactly(length: int | None) -> None:
    slices = choose(length, PartLimits())
    again = slices_of(cut_of(slices))
    for index in (0, 1, 50, 119):
        assert again.bounds(index) == slices.bounds(index)
        assert again.number(index, 7) == slices.number(index, 7)


async def test_a_change_under_a_past_epoch_is_refused(tmp_path: Path) -> None:
    async with fleet(tmp_path) as team:
        gateway = await team.gateway()
        made = await gateway.create(100)
        writing = Writing(team.sessions, made, lambda: 5.0)
        await team.sessions.take_upload(made.id, "other", made.epoch)
        with pytest.raises(Overtaken):
            await writing.change(Change(length=100))


async def test_a_change_keeps_the_upload_alive_and_never_shortens_its_life(tmp_path: Path) -> None:
    async with fleet(tmp_path) as team:
        gateway = await team.gateway()
        made = await gateway.create(100)
        writing = Writing(team.sessions, made, lambda: made.expires + 9)
        assert (await writing.change(Change())).expires == made.expires + 9
        shorter = Writing(team.sessions, writing.session, lambda: 1.0)
        assert (await shorter.change(Change())).expires == made.expires + 9


async def test_slices_that_are_no_parts_yet_are_known(tmp_path: Path) -> None:
    async with fleet(tmp_path) as team:
        gateway = await team.gateway()
        made = await gateway.create(10 * PART)
        writing = Writing(team.sessions, made, lambda: 5.0)
        segments = [
            Extent(offset=0, size=PART, name="merged"),
            Extent(offset=PART + 5, size=10, name="b"),
            Extent(offset=PART, size=5, name="a"),
        ]
        part = Extent(offset=0, size=PART, number=1, etag="e")
        await writing.change(Change(add=[*segments, part]))
        assert writing.unmerged() == [1]
        assert {each.name for each in writing.segments(1)} == {"a", "b"}
