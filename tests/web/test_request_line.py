"""The line that is made in one step is the one that the log would have made."""

import json

import pytest

from gateway.auth.grant import Grant
from gateway.model import Principal
from gateway.protocol.commands import RequestHead
from gateway.protocol.shapes import Section
from gateway.settings.sections import LogSection
from gateway.web.exchange import Exchange
from gateway.web.log import configure, get_log, ready_lines
from gateway.web.metrics import Metrics
from gateway.web.request_line import request_line
from tests.web.lab import lines

ALICE = Grant(principal=Principal('al"ice\n', "KEY"), scheme="sigv4", policy="p")
NOBODY = Grant(principal=Principal("anonymous"), scheme="anonymous", policy="p", signed=False)


def exchange(head: RequestHead, grant: Grant | None) -> Exchange:
    made = Exchange(head)
    made.dialect, made.grant = "s3", grant
    made.received, made.sent = 5, 7
    made.answered(200)
    return made


@pytest.mark.parametrize("grant", [None, ALICE, NOBODY])
@pytest.mark.parametrize(
    "head",
    [
        RequestHead("PUT", b"/b/k.txt", b"X-Amz-Signature=s3cret&x", peer="192.0.2.1"),
        RequestHead("GET", b"/b/%C3%BC", b"a=&&=b&=&" + b"n" * 600 + b"=1"),
        RequestHead("GET", b'/b/"\\\xff\n', peer="::1"),
        RequestHead("GET", b"/b/k%3FX-Amz-Signature=17f8", b"flag"),
        RequestHead("HEAD", b"/-/uploads/" + b"a" * 32 + b".s3cret"),
    ],
)
def test_it_tells_what_the_facts_tell_in_their_order(
    head: RequestHead, grant: Grant | None
) -> None:
    made = exchange(head, grant)
    told = json.loads(request_line(made, 200, 0.1234567))
    facts = made.facts(200, 0.1234567)

    assert list(told) == [*facts, "event", "level", "timestamp"]
    assert {name: told[name] for name in facts} == facts
    assert (told["event"], told["level"]) == ("request", "info")
    assert "17f8" not in str(told)
    assert "s3cret" not in str(told)


def test_what_is_remembered_of_a_shape_is_what_is_read() -> None:
    query = b"X-Amz-Date=20261121T000000Z&n=1&X-Amz-Signature="
    section, told = Section(), []
    for sign in (b"1" * 64, b"2" * 64):
        common = section.common("GET", query + sign, None)
        assert common is not None
        head = RequestHead("GET", b"/b/k", query + sign, common=common)
        made = exchange(head, ALICE)
        told.append(json.loads(request_line(made, 200, 1))["parameters"])
        assert told[-1] == made.facts(200, 1)["parameters"]
    assert told[0] == told[1] == ["X-Amz-Date", "n", "X-Amz-Signature"]


def test_it_is_what_is_written_where_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSection())
    made = exchange(RequestHead("GET", b"/b/k"), ALICE)
    made.tell(get_log(), Metrics(1))
    (line,) = lines(capsys.readouterr().out)

    assert (line["event"], line["request_id"]) == ("request", made.request_id)


@pytest.mark.parametrize("section", [{"format": "console"}, {"level": "warning"}])
def test_it_is_not_where_lines_are_for_people_or_only_worse_ones_are_told(
    section: dict[str, str],
) -> None:
    configure(LogSection.model_validate(section))
    assert ready_lines(get_log()) is None
