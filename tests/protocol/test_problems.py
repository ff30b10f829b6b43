"""problem+json."""

import json

from gateway.errors import ObjectNotFound, OffsetMismatch, TooLarge, Unauthenticated
from gateway.protocol.problems import problem_type, render_problem
from tests.protocol.heads import request


def test_a_problem_has_a_stable_type_and_says_what_happened() -> None:
    answer = render_problem(request("GET /photos/a"), ObjectNotFound("No such object."), "r-1")
    assert answer.status == 404
    assert json.loads(answer.body) == {
        "type": "/-/errors/object-not-found",
        "title": "Object not found",
        "status": 404,
        "detail": "No such object.",
        "request_id": "r-1",
    }
    headers = dict(answer.headers)
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"content-length"] == str(len(answer.body)).encode()
    assert headers[b"x-request-id"] == b"r-1"
    assert problem_type("object-not-found") == "/-/errors/object-not-found"


def test_members_are_added_but_never_replace_the_standard_ones() -> None:
    error = TooLarge("Too large.", limit=5, status=200, nothing=None)
    problem = json.loads(render_problem(request("PUT /photos/a"), error, "r").body)
    assert problem["limit"] == 5
    assert problem["status"] == 413
    assert "nothing" not in problem


def test_a_dialect_may_have_its_own_status_and_headers() -> None:
    error = Unauthenticated("Who?")
    answer = render_problem(
        request("GET /photos/a"), error, "r", status=403, extra=((b"x-a", b"b"),)
    )
    assert answer.status == 403
    assert json.loads(answer.body)["status"] == 403
    assert (b"x-a", b"b") in answer.headers


def test_case_57_head_has_no_body() -> None:
    answer = render_problem(request("HEAD /photos/a"), ObjectNotFound("x"), "r")
    assert (answer.status, answer.body) == (404, b"")
    assert b"content-length" not in dict(answer.headers)


def test_odd_characters_stay_json() -> None:
    answer = render_problem(request("GET /photos/a"), ObjectNotFound('a"\x00\ud800☃'), "r\r\n")
    assert json.loads(answer.body)["detail"] == 'a"\x00\ud800☃'
    assert dict(answer.headers)[b"x-request-id"] == b"r  "


def test_R35_a_registered_type_has_its_own_name_and_members() -> None:
    error = OffsetMismatch("Go on at 7.", expected=7, provided=3)
    problem = json.loads(render_problem(request("PATCH /x"), error, "r").body)
    registry = "https://iana.org/assignments/http-problem-types"
    assert problem["type"] == f"{registry}#mismatching-upload-offset"
    assert (problem["expected-offset"], problem["provided-offset"]) == (7, 3)
    assert "expected" not in problem
    assert problem_type("inconsistent-upload-length") == f"{registry}#inconsistent-upload-length"
    assert problem_type("completed-upload") == f"{registry}#completed-upload"


def test_members_of_other_problems_keep_their_names() -> None:
    problem = json.loads(render_problem(request("PUT /x"), TooLarge("x", expected=7), "r").body)
    assert problem["expected"] == 7
