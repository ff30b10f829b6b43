"""What requests have in common, that nothing else is ever taken for it, and that what is remembered is what is read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.model import ObjectKey
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.dialects.s3 import S3Dialect
from gateway.protocol.routing import route
from gateway.protocol.shapes import Layouts, Own, Section, Shapes, section_of

DATE, OTHER_DATE = b"20261121T120000Z", b"20261122T130000Z"
SIGNATURE, OTHER_SIGNATURE = b"0a" * 32, b"1b" * 32


def query(date: bytes = DATE, signature: bytes = SIGNATURE, expires: bytes = b"60") -> bytes:
    return b"X-Amz-Algorithm=A&X-Amz-Date=%b&X-Amz-Expires=%b&X-Amz-Signature=%b&x-id=PutObject" % (
        date,
        expires,
        signature,
    )


def test_date_signature_and_length_are_a_requests_own() -> None:
    section = Section()
    one = section.common("PUT", query(), 1)
    other = section.common("PUT", query(OTHER_DATE, OTHER_SIGNATURE), None)

    assert one is not None
    assert other is not None
    assert one.facts is other.facts
    assert (one.date, one.signature, one.length) == (DATE, SIGNATURE, 1)
    assert (other.date, other.signature, other.length) == (OTHER_DATE, OTHER_SIGNATURE, None)


@pytest.mark.parametrize(
    ("method", "raw_query"), [("GET", query()), ("PUT", query(expires=b"61")), ("PUT", b"")]
)
def test_another_method_or_query_is_another_shape(method: str, raw_query: bytes) -> None:
    section = Section()
    one, other = section.common("PUT", query(), 1), section.common(method, raw_query, 1)

    assert one is not None
    assert other is not None
    assert one.facts is not other.facts


@pytest.mark.parametrize(
    "raw_query",
    [
        query(date=b"20261121"),
        query(date=b"20261121T12%3000Z"),
        query(signature=b"0a"),
        query(signature=b"0a" * 31 + b"%3"),
        query(signature=SIGNATURE + b"0"),
        b"X-Amz-Date=" + DATE,
        b"ZX-Amz-Date=" + DATE + b"&X-Amz-Signature=" + SIGNATURE,
        b"X-Amz-Date=" + DATE + b"&ZX-Amz-Signature=" + SIGNATURE,
        b"X-Amz-Date=" + DATE + b"X-Amz-Signature=" + SIGNATURE,
        b"a=" + b"b" * 1024,
    ],
)
def test_what_cannot_be_cut_up_for_certain_has_no_shape(raw_query: bytes) -> None:
    assert Section().common("PUT", raw_query, 1) is None


@given(st.binary(max_size=20), st.text("aX-=&%", max_size=20), st.binary(max_size=20))
def test_a_shape_and_what_is_apart_say_all_of_a_query(
    before: bytes, middle: str, after: bytes
) -> None:
    raw = before + b"X-Amz-Date=%b&%b" % (DATE, middle.encode()) + b"X-Amz-Signature=" + SIGNATURE
    section = Section()
    for found in (raw, raw + after):
        common = section.common("PUT", found, 1)
        if common is not None:
            ((_, _, *pieces),) = [
                key for key, facts in section._shapes.facts.items() if facts is common.facts
            ]
            left, centre, right = pieces[0] if common.date else (*pieces, b"", b"")
            assert left + common.date + centre + common.signature + right == found


def test_only_so_many_shapes_are_remembered() -> None:
    section = Section()
    first = section.common("GET", b"a=0", None)
    for number in range(1, 5000):
        section.common("GET", b"a=%d" % number, None)

    assert len(section._shapes.facts) <= 2048
    again = section.common("GET", b"a=0", None)
    assert first is not None
    assert again is not None
    assert again.facts is not first.facts


@pytest.mark.parametrize("name", [b"authorization", b"cookie", b"x-amz-date", b"x-amz-signature"])
def test_lines_with_a_credential_or_a_date_of_their_own_are_nobodys_to_share(name: bytes) -> None:
    assert section_of(frozenset({b"host", name}), Shapes()) is None
    assert section_of(frozenset({b"host"}), Shapes()) is not None


def test_signed_lines_have_a_shape_once_what_is_their_own_was_cut_out() -> None:
    names = frozenset({b"host", b"authorization", b"x-amz-date"})
    section = section_of(names, Shapes(), signed=True)
    assert section is not None
    assert section_of(names | {b"cookie"}, Shapes(), signed=True) is None

    own = Own(b"7", DATE, b"0a" * 32, SIGNATURE, b"call")
    one = section.common("PUT", b"x-id=PutObject", 7, own)
    other = section.common("PUT", b"x-id=PutObject", 8, own._replace(date=OTHER_DATE))
    assert one is not None
    assert other is not None
    assert one.facts is other.facts
    assert (one.date, one.signature, one.length) == (DATE, SIGNATURE, 7)
    assert (one.payload, one.call, other.date) == (b"0a" * 32, b"call", OTHER_DATE)
    assert section.common("PUT", b"a=" + b"b" * 1024, 7, own) is None


def test_layouts_of_one_length_are_kept_once_and_only_so_many() -> None:
    layouts = Layouts()
    text = b"a=1&bb=22"
    first = layouts.learn(len(text), (slice(2, 3), slice(7, 9)))
    assert first.own(text) == (b"1", b"22")
    assert first.rest(text) == (b"a=", b"&bb=", b"")
    assert layouts.learn(len(text), (slice(2, 3), slice(7, 9))) is first
    for at in range(3, 9):
        layouts.learn(len(text), (slice(0, 0), slice(at, at + 1)))
    assert len(layouts.of(len(text))) == 4
    for size in range(5000):
        layouts.learn(size, (slice(0, 0), slice(0, 0)))
    assert len(layouts._by_size) <= 1024


def test_case_96_sections_share_the_room_for_shapes_and_no_shape() -> None:
    shapes = Shapes()
    found = []
    for _ in range(100):
        section = section_of(frozenset({b"host"}), shapes)
        assert section is not None
        found += [section.common("GET", b"a=%d" % number, None) for number in range(50)]

    assert len(shapes.facts) <= 2048
    assert len({id(common.facts) for common in found if common is not None}) == 5000


# --- requests of a shape that came before are routed and read as if each were the first ---

Lines = tuple[tuple[bytes, bytes], ...]
HOST: Lines = ((b"host", b"example.org"),)
SIGNED = b"X-Amz-Signature=" + b"0a" * 32


def heads(method: str, query: bytes, lines: Lines, path: bytes, length: int | None) -> list[Any]:
    """Of one shape: the first, one for ``path``, and the same without a shape."""
    section = Section()
    sized = () if length is None else ((b"content-length", b"%d" % length),)
    first = RequestHead(
        method, b"/b/first", query, (*lines, *sized), common=section.common(method, query, length)
    )
    again = RequestHead(
        method, path, query, (*lines, *sized), common=section.common(method, query, length)
    )
    return [first, again, RequestHead(method, path, query, (*lines, *sized))]


def read(head: RequestHead) -> Any:
    try:
        target = route(head, (), ())
        return target, S3Dialect().parse(head, target) if target.dialect == "s3" else None
    except GatewayError as error:
        return type(error), error.detail


@pytest.mark.parametrize(
    "path", [b"/b/k", b"/b/a/../b", b"/b/%C3%BC", b"/b", b"/", b"/B/k", b"/b//"]
)
@pytest.mark.parametrize(
    ("method", "query", "lines", "length"),
    [
        ("PUT", SIGNED, (*HOST, (b"content-type", b"a/b"), (b"x-amz-meta-a", b"1")), 5),
        ("PUT", b"", (*HOST, (b"transfer-encoding", b"chunked"), (b"x-amz-acl", b"private")), None),
        ("PUT", SIGNED + b"&x-id=PutObject", (*HOST, (b"if-none-match", b"*")), 0),
        ("PUT", SIGNED, HOST, None),
        ("PUT", SIGNED + b"&acl", HOST, 1),
        ("GET", SIGNED + b"&response-content-type=a%2Fb", (*HOST, (b"range", b"bytes=1-")), None),
        ("HEAD", SIGNED, (*HOST, (b"if-match", b"a")), None),
        ("DELETE", SIGNED, HOST, None),
        ("POST", SIGNED, (*HOST, (b"content-type", b"multipart/form-data; boundary=a")), 1),
        ("GET", b"", HOST, None),
        ("PUT", b"", (*HOST, (b"tus-resumable", b"1.0.0")), 1),
        ("GET", b"%zz", HOST, None),
        ("GET", SIGNED, (), None),
    ],
)
def test_each_is_read_as_if_it_were_the_first(
    method: str, query: bytes, lines: Lines, length: int | None, path: bytes
) -> None:
    first, again, alone = heads(method, query, lines, path, length)
    read(first)

    assert read(again) == read(alone)


def test_a_body_of_another_length_is_its_own() -> None:
    section, target = Section(), Target("s3", ObjectKey("b", "k"))
    commands = []
    for length in (5, 7):
        lines = (*HOST, (b"content-length", b"%d" % length))
        head = RequestHead(
            "PUT", b"/b/k", SIGNED, lines, common=section.common("PUT", SIGNED, length)
        )
        commands.append(S3Dialect().parse(head, target))

    assert [command.length for command in commands] == [5, 7]  # type: ignore[union-attr]
