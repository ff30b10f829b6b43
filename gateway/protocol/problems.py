"""Errors as ``application/problem+json`` (RFC 9457), the form of every dialect but S3 and tus.

``type`` is the relative reference ``/-/errors/<code>``: stable, the same on every deployment, and a
page of the running gateway; but where IANA's registry of problem types has one for it, that one, with its
members. ``title`` is the code in words, ``detail`` this request's story, ``request_id`` what to quote when
asking for help; an error's own members follow.
"""

import json
from typing import Final

from gateway.errors import GatewayError
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.protocol.error_heads import error_headers
from gateway.protocol.object_heads import Headers, wire

#: Problem types of draft-ietf-httpbis-resumable-upload, whose fragments our codes are.
_REGISTERED: Final = frozenset(
    {"mismatching-upload-offset", "inconsistent-upload-length", "completed-upload"}
)
#: Their members, by ours.
_MEMBERS: Final = {"expected": "expected-offset", "provided": "provided-offset"}


def problem_type(code: str) -> str:
    """The problem type of an error code."""
    if code in _REGISTERED:
        return f"https://iana.org/assignments/http-problem-types#{code}"
    return f"/-/errors/{code}"


def _members(error: GatewayError) -> dict[str, str | int]:
    names = _MEMBERS if error.code in _REGISTERED else {}
    return {
        names.get(name, name): value for name, value in error.members.items() if value is not None
    }


def render_problem(
    head: RequestHead,
    error: GatewayError,
    request_id: str,
    *,
    status: int | None = None,
    extra: Headers = (),
) -> ResponseHead:
    """Write an error; ``status`` where a dialect's differs from the error's own. HEAD gets no body."""
    status = error.status if status is None else status
    problem = _members(error) | {
        "type": problem_type(error.code),
        "title": error.code.replace("-", " ").capitalize(),
        "status": status,
        "detail": error.detail,
        "request_id": request_id,
    }
    headers: Headers = (
        (b"content-type", b"application/problem+json"),
        (b"x-request-id", wire(request_id)),
        *error_headers(error, status),
        *extra,
    )
    if head.method == "HEAD":
        return ResponseHead(status, headers)
    body = json.dumps(problem).encode("ascii")
    return ResponseHead(status, (*headers, (b"content-length", str(len(body)).encode())), body)
