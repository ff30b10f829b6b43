"""The fact of a shutdown."""

from gateway.drain import Drain


def test_everybody_who_asked_is_told_once() -> None:
    drain = Drain()
    told: list[str] = []
    drain.on_begin(lambda: told.append("early"))
    assert not drain.begun
    drain.begin()
    drain.begin()
    drain.on_begin(lambda: told.append("late"))
    assert drain.begun
    assert told == ["early", "late"]
