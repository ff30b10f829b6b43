"""Uploads for the tests of the resumable dialects: ids, states, and heads sent and answered."""

from dataclasses import replace
from typing import Any, Final

from gateway.errors import GatewayError
from gateway.model import ByteRange, Digest
from gateway.protocol.commands import ObjectStored, RequestHead, ResponseHead
from gateway.protocol.routing import effective_head, route
from gateway.protocol.upload_commands import (
    AnyCommand,
    Limits,
    UploadDialect,
    UploadReply,
    UploadStatus,
)
from tests.protocol.heads import request

ID: Final = "U" * 21 + "-"
MAC: Final = "m" * 42 + "_"
URL: Final = f"/-/uploads/{ID}.{MAC}"
#: 1994-11-06 08:49:37 UTC.
EXPIRES: Final = 784111777.0
STORED: Final = ObjectStored(
    info_etag="abc", size=10, created=True, digests=(Digest("sha-256", bytes(32)),)
)
FRESH: Final = UploadStatus(id=ID, offset=0, length=10, complete=False, expires=EXPIRES)
HALF: Final = replace(FRESH, offset=5, received=5, missing=(ByteRange(5, 10),))
DONE: Final = replace(FRESH, offset=10, received=10, complete=True, stored=STORED)
LIMITS: Final = Limits(max_size=1000, max_age=60)


def parsed(dialect: UploadDialect, text: str) -> AnyCommand:
    """What a whole request means, by the way that the shell goes: route, override, parse."""
    head = request(text)
    target = route(head, (), ())
    assert target.dialect == dialect.name
    return dialect.parse(effective_head(head, target), target)


def rendered(dialect: UploadDialect, text: str, reply: UploadReply) -> ResponseHead:
    """What a request is answered with."""
    head = request(text)
    target = route(head, (), ())
    head = effective_head(head, target)
    return dialect.render(head, dialect.parse(head, target), reply, "r-1")


def refused(dialect: UploadDialect, text: str, error: GatewayError) -> ResponseHead:
    """What an error of a request is answered with."""
    return dialect.render_error(request(text), error, "r-1")


def fields(response: ResponseHead) -> dict[str, str]:
    """The headers by name, where each occurs once."""
    names = [name for name, _ in response.headers]
    assert len(names) == len(set(names)), names
    return {name.decode(): value.decode("latin-1") for name, value in response.headers}


def head_of(method: str, path: str, headers: list[tuple[bytes, bytes]]) -> RequestHead:
    """A head with a Host, for generated ones."""
    return RequestHead(method, path.encode("latin-1"), b"", [(b"host", b"h"), *headers])


def values(command: Any, **expected: Any) -> None:
    """Hold some of a command's fields to what is expected."""
    assert {name: getattr(command, name) for name in expected} == expected
