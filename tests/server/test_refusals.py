"""The words of the front's own refusals."""

import json

import pytest

from gateway.errors import ClientGone, GatewayError, MethodNotAllowed, Overloaded
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.protocol.remedies import every_error
from gateway.server.head import Head
from gateway.server.refusals import final_response, render_refusal, with_length

DATE = b"date: now\r\n"


def test_the_last_response_says_that_it_is_the_last() -> None:
    rendered = ResponseHead(408, ((b"a", b"b"),), b"slow")
    assert final_response(rendered, None, DATE) == (
        b"HTTP/1.1 408 Request Timeout\r\ndate: now\r\na: b\r\ncontent-length: 4\r\n"
        b"connection: close\r\n\r\nslow"
    )


def test_case_57_a_head_request_is_refused_without_a_body() -> None:
    rendered = ResponseHead(400, (), b"four")
    sent = final_response(rendered, Head(method="HEAD"), b"")
    assert sent.endswith(b"content-length: 4\r\nconnection: close\r\n\r\n")
    assert final_response(rendered, Head(method="GET"), b"") == sent + b"four"


def test_a_length_is_added_once_and_never_replaced() -> None:
    assert with_length(ResponseHead(200, (), b"abc")) == [(b"content-length", b"3")]
    named = ((b"Content-Length", b"9"),)
    assert with_length(ResponseHead(200, named, b"")) == list(named)


@pytest.mark.parametrize("head", [None, RequestHead("GET", b"/a")])
def test_a_refusal_tells_what_and_never_whom(head: RequestHead | None) -> None:
    rendered = render_refusal(head, Overloaded("Full.", retry_after=2))
    document = json.loads(rendered.body)
    assert (rendered.status, document["detail"]) == (503, "Full.")
    assert (b"retry-after", b"2") in [(name.lower(), value) for name, value in rendered.headers]
    assert render_refusal(head, Overloaded("Full.")).body != rendered.body  # each has its id


#: A client that is gone reads nothing.
TOLD = [error for error in every_error() if error is not ClientGone]


@pytest.mark.parametrize("error", TOLD, ids=lambda error: str(error.__name__))
def test_every_error_has_a_status_line(error: type[GatewayError]) -> None:
    raised = error("x", allow=("GET",)) if error is MethodNotAllowed else error("x")
    sent = final_response(render_refusal(None, raised), None, DATE)
    assert sent.startswith(b"HTTP/1.1 %d " % error.status)
    assert sent.count(b"\r\n\r\n") == 1
