"""What is verified with what was read before, and that it is verified as the ordinary way does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.protocol.commands import RequestHead
from gateway.protocol.shapes import Section
from gateway.protocol.signatures import sigv4
from gateway.protocol.signatures.authorization import Credentials
from gateway.protocol.signatures.canonical import CanonicalQuery
from gateway.protocol.signatures.presign import life_of, presign, read_query
from gateway.protocol.signatures.repeated import Repeated, repeated

NOW = 1_795_262_400.0
SECRET = "a secret of this test"
OURS = Credentials(key_id="KEY", secret=SECRET, region="us-east-1")
HOST = (b"host", b"example.org")
SKEW = 900.0


def request(
    section: Section,
    path: bytes = b"/b/k",
    *,
    now: float = NOW,
    headers: tuple[tuple[bytes, bytes], ...] = (HOST,),
    more: bytes = b"",
    expires: int = 60,
    length: int | None = 5,
) -> RequestHead:
    query = presign("PUT", path, more, headers, OURS, expires=expires, now=now)
    return RequestHead("PUT", path, query, headers, common=section.common("PUT", query, length))


def learned(head: RequestHead) -> Repeated | None:
    query = CanonicalQuery(head.raw_query)
    claim = read_query(head, query, region="us-east-1", now=NOW, max_skew=SKEW)
    assert head.common is not None
    return repeated(head, head.common, claim, life=life_of(query))


def holds(known: Repeated | None, head: RequestHead, *, now: float = NOW) -> bool:
    assert known is not None
    assert head.common is not None
    return known.holds(head, head.common, SECRET, now=now, max_skew=SKEW)


def ordinary(head: RequestHead, *, now: float = NOW) -> bool:
    try:
        query = CanonicalQuery(head.raw_query)
        claim = read_query(head, query, region="us-east-1", now=now, max_skew=SKEW)
        sigv4.verify(claim, SECRET)
    except GatewayError:
        return False
    return True


@pytest.mark.parametrize("path", [b"/b/k", b"/b/other%20key", b"/b/a//../%C3%BC", b"/b/%2f"])
@pytest.mark.parametrize("more", [b"", b"x-id=PutObject&response-content-type=a%2Fb", b"B=1&a=%7e"])
def test_another_path_and_another_second_hold_as_they_do_the_ordinary_way(
    path: bytes, more: bytes
) -> None:
    section = Section()
    known = learned(request(section, more=more))
    head = request(section, path, now=NOW + 7, more=more)

    assert holds(known, head)
    assert ordinary(head)


def test_what_is_not_signed_does_not_hold() -> None:
    section = Section()
    known = learned(request(section))
    head = request(section)
    moved = RequestHead("PUT", b"/b/K", head.raw_query, head.headers, common=head.common)
    broken = RequestHead("PUT", b"/b/%", head.raw_query, head.headers, common=head.common)

    assert not holds(known, moved)
    assert not holds(known, broken)
    assert head.common is not None
    head.common.signature = bytes(reversed(head.common.signature))
    assert not holds(known, head)


@pytest.mark.parametrize("seconds", [-901, -900, 0, 60, 60.5, 61, 86_400])
def test_a_url_is_good_for_its_life_and_no_longer(seconds: float) -> None:
    section = Section()
    known, head = learned(request(section)), request(section)

    assert holds(known, head, now=NOW + seconds) is ordinary(head, now=NOW + seconds)


@pytest.mark.parametrize("date", [b"20261122T000001Z", b"20261121T250000Z", b"aaaaaaaaaaaaaaaa"])
def test_a_date_of_another_day_or_of_none_does_not_hold(date: bytes) -> None:
    section = Section()
    known, head = learned(request(section)), request(section)
    assert head.common is not None
    head.common.date = date

    assert not holds(known, head)


def test_a_parameter_that_ends_like_the_date_is_not_taken_for_it() -> None:
    section = Section()
    more = b"A-X-Amz-Date=20261121T120000Z"
    known = learned(request(section, more=b"z=1"))
    twin = request(section, more=more)

    assert known is not None
    assert twin.common is None  # the first that is found is not at the beginning of a parameter


def test_a_signed_length_is_each_requests_own() -> None:
    section = Section()
    known = learned(request(section, headers=(HOST, (b"content-length", b"5"))))
    head = request(section, headers=(HOST, (b"content-length", b"77")), length=77)

    assert holds(known, head)
    assert head.common is not None
    head.common.length = 5
    assert not holds(known, head)


@pytest.mark.parametrize(
    "headers",
    [(HOST, (b"content-length", b"05")), (HOST, (b"x-amz-content-sha256", min(sigv4.STREAMING).encode()))],
)  # fmt: skip
def test_what_a_shape_does_not_say_is_not_remembered(
    headers: tuple[tuple[bytes, bytes], ...],
) -> None:
    section = Section()
    query = presign("PUT", b"/b/k", b"", headers, OURS, expires=60, now=NOW)
    head = RequestHead("PUT", b"/b/k", query, headers, common=section.common("PUT", query, 5))

    assert learned(head) is None


@given(
    st.binary(max_size=12).map(lambda raw: b"/b/" + raw.hex().encode() + b"%2B"),
    st.integers(-2000, 2000),
    st.integers(1, 1000),
    st.booleans(),
)
def test_both_ways_agree(path: bytes, offset: int, expires: int, forged: bool) -> None:
    section = Section()
    known = learned(request(section, expires=expires))
    head = request(section, path, now=NOW + offset, expires=expires)
    if forged:
        head = RequestHead("PUT", path + b"x", head.raw_query, head.headers, common=head.common)

    assert holds(known, head) is ordinary(head)
