"""Answers' heads, as far as the other tests of raw connections do not show it."""

import gc
import weakref

from gateway.storage.s3.wire_answer import Parser


def test_a_head_that_was_read_leaves_nothing_to_the_garbage_collector() -> None:
    gc.disable()
    try:
        parser = Parser()
        answer = parser.parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "GET")
        gone = weakref.ref(parser)
        del parser
        assert gone() is None
        assert (answer.length, answer.chunks) == (3, None)
    finally:
        gc.enable()


def test_repeated_headers_are_joined_and_names_are_lower_case() -> None:
    head = b"HTTP/1.1 204 No Content\r\nX-A: 1\r\nx-a: \xc3\xa9\r\nX-B: \xe9\r\n\r\n"
    answer = Parser().parse(head, "PUT")
    assert answer.headers == {"x-a": "1, é", "x-b": "é"}
