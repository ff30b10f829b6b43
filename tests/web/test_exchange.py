"""The canonical log line and the counters of one request."""

import asyncio
from typing import Any

import pytest

from gateway.auth.grant import Grant
from gateway.errors import ClientGone, GatewayError, ObjectNotFound
from gateway.model import Principal
from gateway.protocol.commands import RequestHead
from gateway.web.exchange import Exchange
from gateway.web.metrics import Metrics
from tests.protocol.uploads import ID, URL


class Lines:
    """A log that remembers."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def info(self, event: str, **facts: Any) -> None:
        self.told.append({"event": event, **facts})


def told(exchange: Exchange, metrics: Metrics | None = None) -> dict[str, Any]:
    log = Lines()
    exchange.tell(log, metrics or Metrics(1))  # type: ignore[arg-type]
    (line,) = log.told
    return line


def exchange(error: GatewayError | asyncio.CancelledError | None = None) -> Exchange:
    made = Exchange(RequestHead("PUT", b"/b/k", b"X-Amz-Signature=s3cret&x", peer="192.0.2.1"))
    made.dialect = "s3"
    made.error = error
    return made


def test_the_line_tells_who_did_what_and_how_it_went() -> None:
    made = exchange(ObjectNotFound("No such\nobject."))
    made.grant = Grant(principal=Principal("alice\n", "KEY"), scheme="sigv4", policy="p")
    made.received, made.sent = 5, 7
    made.answered(404)
    line = told(made)

    assert (
        line
        | {
            "event": "request",
            "method": "PUT",
            "path": "/b/k",
            "status": 404,
            "received": 5,
            "sent": 7,
            "dialect": "s3",
            "peer": "192.0.2.1",
            "parameters": ["X-Amz-Signature", "x"],
            "principal": "alice\\n",
            "key_id": "KEY",
            "scheme": "sigv4",
            "error": "object-not-found",
            "fault": "client",
            "detail": "No such\\nobject.",
        }
        == line
    )
    assert line["request_id"] == made.request_id


def test_a_client_that_left_is_a_499() -> None:
    assert told(exchange(ClientGone("gone")))["status"] == 499


def test_a_request_that_was_cut_off_says_so() -> None:
    line = told(exchange(asyncio.CancelledError()))

    assert (line["status"], line["error"]) == (0, "cut-off")


def test_case_95_methods_that_a_client_invents_are_one_label() -> None:
    metrics = Metrics(1)
    for method in ("BREW", "X" * 100, "GET"):
        told(Exchange(RequestHead(method, b"/")), metrics)

    text = metrics.text().decode()
    assert 'sluice_requests_total{dialect="none",method="other",status="0"} 2.0' in text
    assert "BREW" not in text


def test_case_91_neither_path_nor_detail_tell_a_credential() -> None:
    made = exchange(ObjectNotFound("There is no b/k?X-Amz-Signature=17f8."))
    made.head = RequestHead("GET", b"/b/k%3FX-Amz-Signature=17f8", b"")
    line = told(made)
    assert line["path"] == "/b/k?X-Amz-Signature=?"
    assert "17f8" not in str(line)


@pytest.mark.parametrize("before", ["", "/", "/b"])
@pytest.mark.parametrize("behind", ["", "/", "/x", "%3Fy"])
def test_case_91_an_uploads_capability_is_left_out_wherever_it_stands(
    before: str, behind: str
) -> None:
    made = Exchange(RequestHead("HEAD", (before + URL + behind).encode()))
    assert URL.rpartition(".")[2] not in told(made)["path"]


def test_the_line_never_holds_an_uploads_capability() -> None:
    made = Exchange(RequestHead("HEAD", URL.encode()))
    assert told(made)["path"] == f"/-/uploads/{ID}"
