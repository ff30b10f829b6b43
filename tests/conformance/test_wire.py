import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.conformance.wire import Connection, Unreachable, WireError, chunked, head
from tests.servers.ports import free_port


@contextmanager
def answering(*pieces: bytes, close: bool = True) -> Iterator[str]:
    """A server that says these bytes to the first connection, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve() -> None:
            link, _ = listener.accept()
            with link:
                for piece in pieces:
                    link.sendall(piece)
                if not close:
                    done.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/x?y=1"
        finally:
            done.set()
            thread.join(10)


def test_a_head_has_the_target_with_its_query_and_all_lines_as_given() -> None:
    raw = head("PATCH", "http://h:1/a/b?c=d", [("A", "1"), ("A", "é")])
    assert raw == "PATCH /a/b?c=d HTTP/1.1\r\nHost: h:1\r\nA: 1\r\nA: é\r\n\r\n".encode()


def test_a_chunked_body_ends_with_its_trailers() -> None:
    assert (
        chunked([b"abc", b"", b"d" * 10], [("T", "v")])
        == b"3\r\nabc\r\na\r\ndddddddddd\r\n0\r\nT: v\r\n\r\n"
    )


def test_interim_answers_are_told_beside_the_final_one() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 104 X\r\nA: 1\r\n\r\n"
    text = interim + b"HTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\nok"
    with answering(text) as url, Connection(url) as link:
        answer = link.answer("POST")
    assert (answer.status, answer.interim, answer.body) == (201, (100, 104), b"ok")


def test_a_final_answer_is_no_interim_one_and_is_not_lost() -> None:
    with answering(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n") as url, Connection(url) as link:
        assert link.interim(timeout=5) is None
        assert link.answer("POST").status == 400


@pytest.mark.parametrize(
    ("text", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcdeX", b"abcde"),
        (b"HTTP/1.1 200 OK\r\n\r\nabcde", b"abcde"),
        (b"HTTP/1.1 204 No\r\n\r\n", b""),
    ],
)  # fmt: skip
def test_a_body_is_read_as_its_framing_says(text: bytes, body: bytes) -> None:
    for pieces in ((text,), tuple(text[i : i + 1] for i in range(len(text)))):
        with answering(*pieces) as url, Connection(url) as link:
            assert link.answer("GET").body == body


def test_what_comes_after_the_answer_to_head_is_seen() -> None:
    text = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    with answering(text, b"oops") as url, Connection(url) as link:
        answer = link.answer("HEAD")
    assert (answer.body, answer.stray) == (b"", b"oops")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Len", "without an answer"),
        (b"SSH-2.0\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "6 bytes early"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "ended early"),
    ],
)
def test_what_is_no_answer_is_an_error_that_says_so(text: bytes, says: str) -> None:
    with answering(text) as url, Connection(url) as link, pytest.raises(WireError, match=says):
        link.answer("GET")


def test_an_answer_that_does_not_come_is_given_up() -> None:
    with answering(close=False) as url, Connection(url) as link:
        assert not link.closed_within(0.05)
        with pytest.raises(WireError, match="in time"):
            link.answer("GET", timeout=0.05)


def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        Connection(f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize("end", [Connection.cut, Connection.hang_up])
def test_a_connection_ends_when_it_is_to(end: Callable[[Connection], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = Connection(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        other, _ = listener.accept()
        with other:
            link.send(b"x")
            end(link)
            other.settimeout(5)
            try:
                rest = other.recv(10) + other.recv(10)
            except ConnectionResetError:
                rest = b"reset"
    assert rest == (b"reset" if end is Connection.cut else b"x")


def test_lines_of_one_name_are_joined_and_numbers_are_plain() -> None:
    text = b"HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\nN: 07\r\nM: +7\r\nContent-Length: 0\r\n\r\n"
    with answering(text) as url, Connection(url) as link:
        answer = link.answer("GET")
    assert (answer.get("A"), answer.words("a"), answer.number("n")) == ("1, 2", ["1", "2"], 7)
    assert (answer.number("m"), answer.number("none")) == (None, None)
