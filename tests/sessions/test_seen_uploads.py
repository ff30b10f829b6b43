"""What is remembered of uploads in this process."""

from dataclasses import replace

from gateway.sessions.extents import Piece
from gateway.sessions.seen_uploads import Seen, SeenUploads
from tests.sessions.upload_contract import part, upload


def test_the_last_state_is_kept_until_dropped() -> None:
    seen = SeenUploads()
    assert seen.get("u1") is None
    first, last = Seen(upload(), "a"), Seen(replace(upload(), version=1), "b")
    seen.put(first)
    seen.put(last)
    assert seen.get("u1") is last
    seen.drop("u1")
    seen.drop("u1")
    assert seen.get("u1") is None


def test_extents_count_and_the_least_lately_used_goes_first() -> None:
    seen = SeenUploads(room=10)
    for number in (1, 2, 3):
        seen.put(Seen(replace(upload(number), extents=(part(1), part(2)))))
    assert seen.get("u1") is not None
    seen.put(Seen(upload(4)))
    seen.put(Seen(upload(5)))
    assert [number for number in range(1, 6) if seen.get(f"u{number}")] == [1, 3, 4, 5]


def test_one_that_is_too_large_is_not_kept_nor_its_earlier_state() -> None:
    seen = SeenUploads(room=3)
    seen.put(Seen(upload()))
    seen.put(Seen(replace(upload(), extents=(part(1), part(2), part(3)))))
    assert seen.get("u1") is None
    seen.put(Seen(replace(upload(), extents=(replace(part(1), pieces=(Piece(0, 8, 1),)),))))
    assert seen.get("u1") is not None
    seen.put(Seen(replace(upload(), extents=(replace(part(1), pieces=(Piece(0, 4, 1),) * 2),))))
    assert seen.get("u1") is None, "pieces count"
