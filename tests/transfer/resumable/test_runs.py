"""Chunks, cut where slices and known bytes begin and end."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.adapt.slices import choose
from gateway.model import ByteRange, PartLimits
from gateway.sessions.extents import Extent
from gateway.transfer.resumable.runs import Run, runs_of

SLICES = choose(None, PartLimits(min_size=16, max_parts=1000), preferred=16)
EXTENTS = st.lists(
    st.builds(
        lambda offset, size: Extent(offset=offset, size=size),
        st.integers(0, 60),
        st.integers(1, 30),
    ),
    max_size=6,
)


@given(EXTENTS, st.integers(0, 80), st.integers(1, 60))
def test_runs_are_the_chunk_each_in_one_slice_and_all_new_or_all_known(
    extents: list[Extent], start: int, size: int
) -> None:
    known = {byte for extent in extents for byte in range(extent.offset, extent.stop)}
    runs = list(runs_of(extents, SLICES, ByteRange(start, start + size)))

    covered = [byte for run in runs for byte in range(run.span.start, run.span.stop)]
    assert covered == list(range(start, start + size))
    for run in runs:
        assert SLICES.index_of(run.span.start) == SLICES.index_of(run.span.stop - 1)
        assert {byte not in known for byte in range(run.span.start, run.span.stop)} == {run.new}


def test_a_chunk_of_nothing_but_new_bytes_of_one_slice_is_one_run() -> None:
    assert list(runs_of([], SLICES, ByteRange(2, 9))) == [Run(ByteRange(2, 9), new=True)]
