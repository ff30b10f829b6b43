"""Principals take turns."""

import pytest

from gateway.pipeline.fairness import FairQueue


def test_principals_take_turns_and_keep_their_order() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "a3", "b1", "c1", "b2"):
        queue.push(item[0], item)
    assert list(queue) == ["a1", "a2", "a3", "b1", "b2", "c1"]
    assert queue.head() == "a1"
    assert [queue.pop() for _ in range(len(queue))] == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert queue.head() is None


def test_who_gives_up_is_taken_out_of_turn() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push("a", "a1")
    queue.push("a", "a2")
    queue.remove("a", "a1")
    assert (len(queue), queue.pop()) == (1, "a2")
    queue.push("b", "b1")
    queue.remove("b", "b1")
    assert len(queue) == 0


def test_what_does_not_wait_cannot_be_taken() -> None:
    queue: FairQueue[str] = FairQueue()
    with pytest.raises(IndexError):
        queue.pop()
    with pytest.raises(ValueError, match="does not wait"):
        queue.remove("a", "a1")
    queue.push("a", "a1")
    with pytest.raises(ValueError, match=r"deque\.remove|not in"):
        queue.remove("a", "a2")
    assert len(queue) == 1
