"""What holds for every dialect: each error has a rendering, and no head makes anything but a GatewayError."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway import errors
from gateway.errors import GatewayError, MethodNotAllowed
from gateway.protocol.commands import (
    Dialect,
    GetObject,
    NotModified,
    ObjectOpened,
    PutObject,
    RequestHead,
)
from gateway.protocol.dialects.chunked import ChunkedDialect
from gateway.protocol.dialects.plain import PlainDialect
from gateway.protocol.dialects.range_put import RangePutDialect
from gateway.protocol.dialects.rufh import RufhDialect
from gateway.protocol.dialects.s3 import S3Dialect
from gateway.protocol.dialects.slot import SlotDialect
from gateway.protocol.dialects.tus import TusDialect
from gateway.protocol.problems import problem_type
from gateway.protocol.routing import SlotMount, dialect_of, route
from gateway.protocol.s3xml import S3_ERRORS
from gateway.protocol.upload_commands import AnyCommand, UploadDialect
from tests.protocol.heads import info, request

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (PlainDialect(), S3Dialect(), SlotDialect())
}
#: The codecs of resumable uploads.
UPLOADS: dict[str, UploadDialect] = {
    dialect.name: dialect
    for dialect in (TusDialect(), RufhDialect(), ChunkedDialect(), RangePutDialect())
}
ALL: dict[str, Dialect | UploadDialect] = {**DIALECTS, **UPLOADS}
SLOTS = (SlotMount("up", "/upload/", "files"),)


def every_error(base: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    """The whole tree of errors."""
    for kind in base.__subclasses__():
        if kind.__module__.startswith(f"{errors.__name__}."):  # not those of tests
            yield kind
            yield from every_error(kind)


ERRORS: list[type[GatewayError]] = sorted(
    {GatewayError, *every_error()}, key=lambda kind: kind.__name__
)


def made(kind: type[GatewayError]) -> GatewayError:
    return (
        MethodNotAllowed("What was wrong.", allow=("GET",))
        if issubclass(kind, MethodNotAllowed)
        else kind("What was wrong.")
    )


def test_all_errors_that_there_are_were_found() -> None:
    assert {kind.__name__ for kind in ERRORS} == set(errors.__all__) - {
        "Fault"
    }  # whose fault it was


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_every_error_has_a_rendering_in_every_dialect(
    kind: type[GatewayError], name: str, method: str
) -> None:
    error = made(kind)
    answer = ALL[name].render_error(request(f"{method} /photos/a"), error, "r-1")
    assert 400 <= answer.status < 600
    patient = method == "HEAD" and error.retryable and name in ("tus", "rufh")
    if not patient:
        assert (answer.status >= 500) == (error.status >= 500), "the fault stays on its side"
    headers = dict(answer.headers)
    assert headers[b"cache-control"] == b"no-store"
    assert (b"retry-after" in headers) == (answer.status == 503)
    if method == "HEAD":
        assert answer.body == b""
    elif name == "s3":
        root = ET.fromstring(answer.body)
        assert root.findtext("Message") == "What was wrong."
        assert root.findtext("RequestId") == "r-1" == headers[b"x-amz-request-id"].decode()
    elif name == "tus":
        assert answer.body.startswith(b"What was wrong.\n")
    else:
        problem = json.loads(answer.body)
        assert problem["type"] == problem_type(error.code)
        assert problem["type"].endswith(error.code)
        assert problem["status"] == answer.status


def test_every_error_but_the_root_has_an_s3_code_of_its_kind() -> None:
    for kind in ERRORS:
        nearest = next(base for base in kind.__mro__ if base in S3_ERRORS)
        assert nearest is not GatewayError or kind in (GatewayError, errors.InternalError), kind


def test_codes_are_one_to_one() -> None:
    codes = [kind.code for kind in ERRORS if kind is not errors.InternalError]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PATCH", "PROPFIND", "get", ""])
def test_case_57_other_methods_are_405_with_allow(name: str, method: str) -> None:
    target = route(request(PATHS[name]), SLOTS, ())
    head = request(f"{method} {PATHS[name].partition(' ')[2]}")
    with pytest.raises(MethodNotAllowed) as caught:
        DIALECTS[name].parse(head, target)
    assert caught.value.allow == DIALECTS[name].methods


PATHS = {
    "plain": "GET /photos/a",
    "s3": "GET /photos/a?X-Amz-Signature=0",
    "slot": "GET /upload/a?v=0",
}


@pytest.mark.parametrize("name", DIALECTS)
def test_case_57_304_and_head_carry_no_body(name: str) -> None:
    dialect = DIALECTS[name]
    head = request(PATHS[name].replace("GET", "HEAD"))
    command = dialect.parse(head, route(head, SLOTS, ()))
    assert isinstance(command, GetObject)
    assert command.head_only
    assert dialect.render(head, command, NotModified(info()), "r").body == b""
    opened = dialect.render(head, command, ObjectOpened(info=info()), "r")
    assert (opened.status, opened.body) == (200, b"")
    assert dict(opened.headers)[b"content-length"] == b"10"


@pytest.mark.parametrize("name", DIALECTS)
def test_case_71_a_piece_of_an_object_is_never_a_put(name: str) -> None:
    text = PATHS[name].replace("GET", "PUT") + "\nContent-Length: 5\nContent-Range: bytes 0-4/10"
    head = request(text)
    with pytest.raises(errors.BadRequest, match="Content-Range"):
        DIALECTS[name].parse(head, route(head, SLOTS, ()))


NAMES = (
    b"tus-resumable upload-complete upload-offset content-range x-upload-session-id "
    b"authorization content-length transfer-encoding content-type content-md5 content-digest range "
    b"if-match if-none-match if-range if-modified-since if-unmodified-since want-repr-digest "
    b"x-amz-date x-amz-meta-a x-amz-checksum-crc32 x-amz-checksum-mode x-amz-acl sluice-meta-a "
    b"content-encoding origin expires"
).split()
VALUES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [
            b"1.0.0",
            b"?1",
            b"bytes 0-4/9",
            b"AWS4-HMAC-SHA256 x",
            b"5",
            b"chunked",
            b"bytes=0-4",
            b'"abc"',
            b"*",
            b"a/b",
        ]
    ),
)
RAW = st.one_of(
    st.binary(max_size=12).map(lambda raw: b"/" + raw),
    st.sampled_from([b"/photos/a", b"/upload/a", b"/photos", b"/", b"*", b"/-/uploads/photos"]),
)
QUERIES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"", b"X-Amz-Signature=0", b"acl", b"x-id=a&response-expires=0"]),
)
METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"])
LINES = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=5)


@given(METHODS, RAW, QUERIES, LINES)
@example("OPTIONS", b"*", b"", [(b"x-amz-date", b"")])
def test_any_head_is_a_command_or_a_gateway_error(
    method: str, path: bytes, query: bytes, lines: list[tuple[bytes, bytes]]
) -> None:
    head = RequestHead(method, path, query, [(b"host", b"h"), *lines])
    try:
        target = route(head, SLOTS, ())
        assert dialect_of(head, SLOTS) == target.dialect
        command: AnyCommand = ALL[target.dialect].parse(head, target)
    except GatewayError as error:
        assert dialect_of(head, SLOTS) in ALL
        for dialect in ALL.values():
            dialect.render_error(head, error, "r")
        return
    if isinstance(command, GetObject):
        DIALECTS[target.dialect].render(head, command, ObjectOpened(info=info()), "r")
    if isinstance(command, PutObject):
        assert command.key == target.key


def test_the_paths_above_lead_to_every_dialect() -> None:
    assert {route(request(text), SLOTS, ()).dialect: text for text in PATHS.values()} == PATHS
