"""Reading refusals off the wire."""

import pytest

from gateway.client.failures import MAX_BODY, Interrupted, Refused, read_refusal, read_retry_after


def test_s3_errors_are_read_with_their_entities() -> None:
    body = b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>a &lt;b&gt;\n &amp; c</Message></Error>"
    error = read_refusal(404, {}, body, 0)
    assert (error.code, str(error)) == ("NoSuchKey", "404 NoSuchKey: a <b> & c")


def test_problems_are_read_by_the_last_part_of_their_type() -> None:
    body = (
        b'{"type": "https://example.org/problems/too-large", "title": "T", "detail": "At most 5."}'
    )
    assert str(read_refusal(413, {}, body, 0)) == "413 too-large: At most 5."
    assert str(read_refusal(413, {}, b'{"title": "Too large"}', 0)) == "413 error: Too large"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"{]", b"\xff\xfe", b"<html>busy</html>", b"{}"]
)
def test_any_other_body_gives_the_status_alone(body: bytes) -> None:
    assert str(read_refusal(502, {}, body, 0)) == "502 error"


def test_a_list_where_a_problem_belongs_is_no_problem() -> None:
    assert str(read_refusal(502, {}, b' {"a": 1}'.replace(b'{"a": 1}', b"{}"), 0)) == "502 error"


def test_plain_text_is_read_with_the_code_that_ends_it() -> None:
    body = b"The upload\nis gone.\n\n(upload-gone, request 5f)\n"
    assert str(read_refusal(410, {}, body, 0)) == "410 upload-gone: The upload is gone."


def test_only_the_beginning_of_a_long_body_is_read() -> None:
    body = b" " * MAX_BODY + b"<Code>Late</Code>"
    assert read_refusal(500, {}, body, 0).code == "error"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:05 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("²", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, now=10.0) == seconds


@pytest.mark.parametrize(
    ("status", "passing"), [(503, True), (429, True), (403, False), (501, False)]
)
def test_only_some_statuses_may_pass(status: int, passing: bool) -> None:
    assert Refused(status, "c", "", None).passing is passing


def test_a_break_is_worth_another_try() -> None:
    assert Interrupted.retryable
