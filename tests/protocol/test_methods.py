"""Methods, whatever the dialect."""

import pytest

from gateway.errors import MethodNotAllowed
from gateway.model import ObjectKey
from gateway.protocol.commands import Describe, RequestHead
from gateway.protocol.methods import read_question

KEY = ObjectKey("b", "k")


def test_options_asks_what_can_be_done_whether_or_not_it_is_listed() -> None:
    head = RequestHead("OPTIONS", b"/b/k", headers=[(b"origin", b"https://a.example")])

    assert read_question(head, KEY, ("GET",)) == Describe(key=KEY, origin="https://a.example")
    assert read_question(head, None, ("GET", "OPTIONS")) == Describe(
        key=None, origin="https://a.example"
    )


def test_a_method_that_exists_asks_something_else() -> None:
    assert read_question(RequestHead("GET", b"/b/k"), KEY, ("PUT", "GET")) is None


def test_a_method_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(MethodNotAllowed) as refused:
        read_question(RequestHead("BREW", b"/b/k"), KEY, ("PUT", "GET"))

    assert refused.value.allow == ("PUT", "GET")
