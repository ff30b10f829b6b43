"""What a client of a measured gateway sends: request heads, presigned or signed in headers."""

import time
from collections.abc import Sequence
from typing import Final

from gateway.protocol.signatures.authorization import Credentials, sign_headers
from gateway.protocol.signatures.presign import presign
from gateway.protocol.signatures.sigv4 import UNSIGNED_PAYLOAD

KEY_ID: Final = "SLUICELOADTESTKEY1"
SECRET: Final = "a-secret-of-this-measurement-only"
CREDENTIALS: Final = Credentials(key_id=KEY_ID, secret=SECRET, region="us-east-1")
Headers = Sequence[tuple[bytes, bytes]]


def head(method: str, target: bytes, headers: Headers) -> bytes:
    """A request head."""
    lines = [f"{method} ".encode() + target + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def plain(method: str, path: str, port: int, more: Headers = ()) -> bytes:
    """Unsigned, for servers that ask for nothing."""
    return head(method, path.encode(), [(b"host", b"127.0.0.1:%d" % port), *more])


def presigned(method: str, path: str, port: int, more: Headers = ()) -> bytes:
    """Signed in the query; the host is all that is signed."""
    host = b"127.0.0.1:%d" % port
    query = presign(
        method, path.encode(), b"", [(b"host", host)], CREDENTIALS, expires=3600, now=time.time()
    )
    return head(method, path.encode() + b"?" + query, [(b"host", host), *more])


def signed(
    method: str, path: str, port: int, more: Headers = (), payload: str = UNSIGNED_PAYLOAD
) -> bytes:
    """Signed in headers; ``payload`` may be the body's SHA-256 in hex."""
    host = (b"host", b"127.0.0.1:%d" % port)
    added = sign_headers(
        method, path.encode(), b"", [host], CREDENTIALS, payload=payload, now=time.time()
    )
    return head(method, path.encode(), [host, *added, *more])
