"""Forms as clients write them, and as they are read whole or in pieces."""

import base64
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.protocol.multipart_form import FileFrame, FormParser
from gateway.protocol.signatures.sigv4 import ALGORITHM, signing_key, write_timestamp
from tests.protocol.signatures.wire import KEY_ID, REGION, SECRET

BOUNDARY: Final = b"----form7d1"

#: Fields in order; a value of bytes is written as it is.
Fields = Iterable[tuple[str, str | bytes]]


def part(name: str, value: str | bytes, extra: str = "", more: str = "") -> bytes:
    """One part, without the boundary before it."""
    raw = value.encode() if isinstance(value, str) else value
    head = f'Content-Disposition: form-data; name="{name}"{extra}\r\n{more}\r\n'
    return head.encode() + raw + b"\r\n"


def form(
    fields: Fields | Mapping[str, str],
    file: bytes | None = b"hello",
    *,
    filename: str = "a.txt",
    kind: str | None = None,
    after: Fields = (),
    boundary: bytes = BOUNDARY,
) -> bytes:
    """A whole form."""
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    parts = [part(name, value) for name, value in pairs]
    if file is not None:
        more = "" if kind is None else f"Content-Type: {kind}\r\n"
        parts.append(part("file", file, f'; filename="{filename}"', more))
    parts += [part(name, value) for name, value in after]
    line = b"--" + boundary
    return b"".join(line + b"\r\n" + each for each in parts) + line + b"--\r\n"


def content_type(boundary: bytes = BOUNDARY) -> tuple[str, str]:
    """The header of a form."""
    return "content-type", f"multipart/form-data; boundary={boundary.decode()}"


def pieces(data: bytes, size: int) -> list[bytes]:
    """``data`` cut up."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def read(
    data: bytes, *, size: int | None = None, boundary: bytes = BOUNDARY
) -> tuple[FormParser, bytes]:
    """Read a form in pieces of ``size`` bytes: the parser, and the file's bytes.

    Raises:
        GatewayError: it is no form.
    """
    parser, frame = FormParser(boundary), FileFrame(boundary)
    content, begun = b"", False
    for piece in pieces(data, size or max(1, len(data))):
        shown = piece
        if not begun:
            begun = parser.feed(piece)
            shown = parser.rest
        if begun:
            joined = frame.held + shown
            content += joined[: frame.split(memoryview(joined))]
    if not begun:
        parser.finish()
    frame.finish()
    return parser, content


def encoded(document: Any) -> str:
    """A policy document as its field has it."""
    return base64.b64encode(json.dumps(document).encode()).decode()


def signed(
    conditions: Iterable[Any],
    fields: Mapping[str, str] | None = None,
    *,
    policy: str | None = None,
    expires: float = 3600,
    secret: str = SECRET,
    key_id: str = KEY_ID,
    region: str = REGION,
) -> dict[str, str]:
    """A form's fields under a policy of our own making: also such as no SDK would sign. What the signature itself
    needs is in its conditions. ``policy`` replaces the whole document, encoded."""
    now = time.time()
    timestamp = write_timestamp(int(now))
    own = {
        "x-amz-algorithm": ALGORITHM,
        "x-amz-credential": f"{key_id}/{timestamp[:8]}/{region}/s3/aws4_request",
        "x-amz-date": timestamp,
    }
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + expires))
    told = [*conditions, *({name: value} for name, value in own.items())]
    policy = policy or encoded({"expiration": until, "conditions": told})
    key = signing_key(secret, timestamp[:8], region)
    signature = hmac.digest(key, policy.encode(), "sha256").hex()
    return {**(fields or {}), **own, "policy": policy, "x-amz-signature": signature}
