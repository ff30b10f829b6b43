"""Headers that follow from an error, whatever the dialect."""

import pytest

from gateway.errors import InvalidRange, MethodNotAllowed, NotFound, Overloaded, Unauthenticated
from gateway.protocol.error_heads import challenge, error_headers

COMMON = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


def test_case_89_no_cache_keeps_an_error() -> None:
    assert error_headers(NotFound("x"), 404) == COMMON


@pytest.mark.parametrize(
    ("seconds", "sent"), [(None, b"1"), (0.0, b"1"), (0.2, b"1"), (1.5, b"2"), (30, b"30")]
)
def test_case_56_a_503_says_when_to_come_back(seconds: float | None, sent: bytes) -> None:
    headers = error_headers(Overloaded("x", retry_after=seconds), 503)
    assert headers == (*COMMON, (b"retry-after", sent))


def test_a_405_lists_the_methods_that_exist() -> None:
    error = MethodNotAllowed("x", allow=("GET", "PUT"))
    assert error_headers(error, 405) == (*COMMON, (b"allow", b"GET, PUT"))


def test_a_416_tells_the_size_where_it_is_known() -> None:
    assert error_headers(InvalidRange("x", size=10), 416) == (
        *COMMON,
        (b"content-range", b"bytes */10"),
    )
    assert error_headers(InvalidRange("x"), 416) == COMMON


def test_a_401_names_a_scheme_and_nothing_else_does() -> None:
    assert challenge(Unauthenticated("x")) == ((b"www-authenticate", b'Bearer realm="sluice"'),)
    assert challenge(NotFound("x")) == ()
