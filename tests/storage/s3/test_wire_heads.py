"""Heads as they come: in pieces, after interim ones, before a body."""

import pytest

from gateway.storage.s3.wire_answer import Answer, Garbled
from gateway.storage.s3.wire_heads import Heads

FINAL = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\n\r\n"


def heads(said: list[str] | None = None) -> Heads:
    made = Heads(lambda: (said if said is not None else []).append("go on"))
    made.expect("GET")
    return made


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_a_head_is_found_in_whatever_pieces_it_comes(step: int) -> None:
    said: list[str] = []
    reader, wire = heads(said), CONTINUE + EARLY + FINAL + b"abc"
    answer: Answer | None = None
    for at in range(0, len(wire), step):
        answer = reader.feed(memoryview(wire)[at : at + step])
        if answer is not None:
            break
    assert answer is not None
    assert (answer.status, answer.length, said) == (200, 3, ["go on"])
    assert b"abc".startswith(reader.rest())
    assert reader.rest() == b""


def test_what_the_answer_means_depends_on_the_call() -> None:
    reader = heads()
    reader.expect("HEAD")
    answer = reader.feed(memoryview(FINAL))
    assert answer is not None
    assert answer.length == 0


def test_interim_answers_have_an_end_for_each_call() -> None:
    reader = heads()
    for _ in range(2):
        reader.expect("GET")
        assert reader.feed(memoryview(EARLY * 16)) is None
    with pytest.raises(Garbled, match="without end"):
        reader.feed(memoryview(EARLY))


def test_another_protocol_is_no_answer() -> None:
    with pytest.raises(Garbled):
        heads().feed(memoryview(b"HTTP/1.1 101 Switching\r\n\r\n"))
