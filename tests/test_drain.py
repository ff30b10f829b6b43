"""The fact of a shutdown."""

from gateway.drain import Drain


def test_a_drain_begins_once_and_for_good() -> None:
    drain = Drain()
    assert not drain.begun
    drain.begin()
    drain.begin()
    assert drain.begun


def test_those_who_watch_are_told_once() -> None:
    drain, told = Drain(), list[bool]()
    drain.watch(lambda: told.append(drain.begun))
    drain.begin()
    drain.begin()
    assert told == [True]
