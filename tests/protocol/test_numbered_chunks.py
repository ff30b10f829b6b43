"""Where a numbered chunk belongs."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, Conflict, GatewayError, InconsistentLength
from gateway.model import ByteRange, ObjectKey
from gateway.protocol.numbered_chunks import placed
from gateway.protocol.upload_commands import PutNumberedChunk

KEY = ObjectKey("drop", "film.mp4")


def chunk(number: int = 1, **told: Any) -> PutNumberedChunk:
    return PutNumberedChunk(upload="u", number=number, body=told.pop("body", None), **told)


@given(st.integers(1, 500), st.integers(1, 60))
def test_all_chunks_together_are_the_file(length: int, size: int) -> None:
    spans = [placed(chunk(n), KEY, length, size).range for n in range(-(-length // size))]
    assert spans[0].start == 0
    assert all(one.stop == other.start for one, other in pairwise(spans))
    assert spans[-1].stop == length
    assert all(span.size == size for span in spans[:-1])


def test_all_that_is_told_has_to_agree() -> None:
    told = chunk(2, body=2, totals=(10, 10), chunks=3, range=ByteRange(8, 10), name="film.mp4")
    found = placed(told, KEY, 10, 4)
    assert (found.range, found.total, found.body) == (ByteRange(8, 10), 10, 2)
    assert (found.number, found.chunks, found.chunk_size, found.session) == (2, 3, 4, "u")


@pytest.mark.parametrize(
    ("told", "error"),
    [
        (chunk(3), BadRequest),
        (chunk(body=3), BadRequest),
        (chunk(2, body=4), BadRequest),
        (chunk(chunks=4), BadRequest),
        (chunk(range=ByteRange(3, 7)), BadRequest),
        (chunk(totals=(10, 11)), InconsistentLength),
        (chunk(name="other.mp4"), Conflict),
    ],
)
def test_what_contradicts_the_session_is_refused(
    told: PutNumberedChunk, error: type[GatewayError]
) -> None:
    with pytest.raises(error):
        placed(told, KEY, 10, 4)


def test_of_an_upload_without_a_length_chunks_have_no_numbers() -> None:
    with pytest.raises(Conflict):
        placed(chunk(), KEY, None, 4)
