"""Composing requests and reading answers."""

import hashlib

import httpx

from gateway.client import Account
from gateway.client.uploading.steps import Request
from gateway.client.wire import MAX_ANSWER, Reading, bounded, compose, interrupted

ACCOUNT = Account(endpoint="http://h:1", access_key_id="A", secret="s")


def test_a_capability_is_sent_without_a_signature_and_all_else_with_one() -> None:
    url, headers = compose(ACCOUNT, Request(method="PATCH", path=b"/-/uploads/i.m"), 0)
    assert (url, headers) == ("http://h:1/-/uploads/i.m", {})
    request = Request(method="GET", path=b"/b/%2E", headers={"x": "y"}, payload="00")
    url, headers = compose(ACCOUNT, request, 0)
    assert url == "http://h:1/b/%2E"
    assert headers["x-amz-content-sha256"] == "00"
    assert "SignedHeaders=host;x;x-amz-content-sha256;x-amz-date" in headers["authorization"]


def test_an_answer_is_waited_for_as_long_as_the_request_says() -> None:
    request = Request(method="GET", path=b"/", wait=5.0)
    assert bounded(httpx.Timeout(7.0, read=None), request) == httpx.Timeout(7.0, read=5.0)
    assert bounded(httpx.Timeout(7.0, read=3.0), request) == httpx.Timeout(7.0, read=3.0)


def test_an_answer_is_kept_up_to_a_limit() -> None:
    reading = Reading(Request(method="GET", path=b"/"), lambda: 5.0)
    assert reading.feed(b"a" * (MAX_ANSWER - 1))
    assert not reading.feed(b"bc")
    answer = reading.answer(httpx.Response(200, headers={"X-Y": "z"}))
    assert (len(answer.body), answer.body[-1:], answer.at) == (MAX_ANSWER, b"b", 5.0)
    assert answer.headers["x-y"] == "z"


def test_a_body_that_is_wanted_as_a_digest_may_have_any_size() -> None:
    reading = Reading(Request(method="GET", path=b"/", hashed=True), lambda: 0.0)
    blocks = [b"a" * MAX_ANSWER] * 3
    assert all(reading.feed(block) for block in blocks)
    answer = reading.answer(httpx.Response(200))
    assert (answer.body, answer.sha256) == (b"", hashlib.sha256(b"".join(blocks)).hexdigest())


def test_what_broke_is_named_and_a_closed_door_hinted_at() -> None:
    assert str(interrupted(ACCOUNT, httpx.ReadTimeout(""))) == "http://h:1: ReadTimeout"
    assert str(interrupted(ACCOUNT, OSError(5, "bad"))) == "http://h:1: bad"
    outer = httpx.ConnectError("All attempts failed")
    outer.__cause__ = ConnectionRefusedError(111, "Connect call failed")
    said = str(interrupted(ACCOUNT, outer))
    assert said == "http://h:1: Connection refused; is the gateway running there?"
