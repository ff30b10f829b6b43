"""Requests of a shape that came before are routed and read as if each were the first."""

from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.model import ObjectKey
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.dialects.s3 import S3Dialect
from gateway.protocol.routing import route
from gateway.protocol.shapes import Section

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
