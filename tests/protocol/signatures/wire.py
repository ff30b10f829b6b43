"""Requests as they come over the wire, signed by botocore: the other side of what is tested here."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import quote, urlsplit

import boto3
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from gateway.protocol.commands import RequestHead
from gateway.protocol.signatures.authorization import read_header
from gateway.protocol.signatures.canonical import CanonicalQuery
from gateway.protocol.signatures.presign import read_query
from gateway.protocol.signatures.sigv4 import Claim

KEY_ID = "SLUICEEXAMPLEKEY01"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
REGION = "us-east-1"
HOST = "127.0.0.1:8080"
#: 2026-11-21T12:00:00Z
NOW = 1_795_262_400.0


@dataclass(frozen=True)
class Wire:
    """A request as bytes; ``headers`` have lower-case names."""

    method: str
    path: bytes
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    def head(self) -> RequestHead:
        return RequestHead(self.method, self.path, self.query, self.headers)

    def with_header(self, name: bytes, value: bytes) -> "Wire":
        """The same with one header set to one value."""
        kept = tuple((n, v) for n, v in self.headers if n != name)
        return replace(self, headers=(*kept, (name, value)))

    def without_header(self, name: bytes) -> "Wire":
        return replace(self, headers=tuple((n, v) for n, v in self.headers if n != name))

    def header(self, name: bytes) -> bytes:
        return dict(self.headers)[name]


def read(wire: Wire, *, now: float = NOW) -> Claim:
    """Read the claim from wherever the signature stands."""
    head = wire.head()
    reader = read_header if head.has(b"authorization") else read_query
    return reader(head, CanonicalQuery(head.raw_query), region=REGION, now=now, max_skew=900)


def _request(
    method: str, path: bytes, query: bytes, headers: Iterable[tuple[str, str]], body: bytes
) -> AWSRequest:
    target = path.decode("ascii") + ("?" + query.decode("ascii") if query else "")
    request = AWSRequest(method=method, url=f"http://{HOST}{target}", data=body)
    for name, value in headers:
        request.headers.add_header(name, value)
    return request


def _sign(signer: S3SigV4Auth | S3SigV4QueryAuth, request: AWSRequest, now: float) -> None:
    moment = datetime.fromtimestamp(now, UTC)
    clock = mock.patch("botocore.auth.get_current_datetime", return_value=moment)
    with clock:
        signer.add_auth(request)


def _sent(request: AWSRequest) -> tuple[tuple[bytes, bytes], ...]:
    pairs = [
        (name.lower().encode(), value.strip().encode()) for name, value in request.headers.items()
    ]
    return ((b"host", HOST.encode()), *pairs)


def botocore_headers(
    method: str,
    path: bytes,
    query: bytes = b"",
    headers: Iterable[tuple[str, str]] = (),
    *,
    body: bytes = b"",
    hashed: bool = True,
    now: float = NOW,
    secret: str = SECRET,
) -> Wire:
    """A request that botocore signed in its Authorization header."""
    request = _request(method, path, query, headers, body)
    if not hashed:
        request.context["client_config"] = SimpleNamespace(s3={"payload_signing_enabled": False})
    _sign(S3SigV4Auth(Credentials(KEY_ID, secret), "s3", REGION), request, now)
    return Wire(method, path, query, _sent(request))


def botocore_presigned(
    method: str,
    path: bytes,
    query: bytes = b"",
    headers: Iterable[tuple[str, str]] = (),
    *,
    expires: int = 3600,
    now: float = NOW,
    secret: str = SECRET,
) -> Wire:
    """A request that botocore presigned."""
    request = _request(method, path, query, headers, b"")
    signer = S3SigV4QueryAuth(Credentials(KEY_ID, secret), "s3", REGION, expires=expires)
    _sign(signer, request, now)
    return Wire(method, path, urlsplit(request.url).query.encode(), _sent(request))


_ALPHABET = "abzAZ019-_.~!*'()$&+,;=:@ %/\"<>#?[]{}|\\^`éßñ漢字🦀e\u0301\u00e9"
_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH")


@lru_cache(maxsize=1)
def _s3() -> Any:
    return boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:8080",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        region_name=REGION,
        # For forms boto3 takes version 2 unless it is told.
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


def botocore_post(
    bucket: str,
    key: str,
    fields: Mapping[str, str] | None = None,
    conditions: Sequence[Any] = (),
    *,
    expires: int = 3600,
) -> dict[str, str]:
    """The fields of a form upload that botocore presigned, for now."""
    post = _s3().generate_presigned_post(
        bucket, key, Fields=dict(fields or {}), Conditions=list(conditions), ExpiresIn=expires
    )
    signed: dict[str, str] = post["fields"]
    return signed


def _word(rng: random.Random, longest: int, alphabet: str = _ALPHABET) -> str:
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(0, longest)))


def _path(rng: random.Random) -> bytes:
    odd = ("", ".", "..", "%2F", "//", "a//b", "../x", "%", "%25", "+", "~")
    segments = [
        rng.choice(odd) if rng.random() < 0.2 else _word(rng, 12) for _ in range(rng.randint(0, 4))
    ]
    return ("/bucket/" + quote("/".join(segments), safe="/~")).encode()


def _query(rng: random.Random) -> bytes:
    known = ("uploads", "uploadId", "partNumber", "x-id", "prefix", "encoding-type", "list-type")
    names = {
        rng.choice(known) if rng.random() < 0.6 else "q" + _word(rng, 6)
        for _ in range(rng.randint(0, 4))
    }
    pieces = []
    for name in rng.sample(sorted(names), len(names)):
        value = _word(rng, 10)
        spelled = quote(name, safe="~")
        # Without a value, botocore signs `?flag` as `flag=` whichever way it is sent.
        pieces.append(
            spelled if not value and rng.random() < 0.5 else f"{spelled}={quote(value, safe='~')}"
        )
    return "&".join(pieces).encode()


def _headers(rng: random.Random) -> list[tuple[str, str]]:
    printable = "abz AZ 019 -_.~!*'()$&+,;=:@/\"<>#?éß漢🦀"
    chosen = [
        (f"x-amz-meta-{_word(rng, 5, 'abcxyz019-')}z", _word(rng, 20, printable))
        for _ in range(rng.randint(0, 3))
    ]
    if rng.random() < 0.3:
        chosen.append(("x-amz-meta-twice", "one"))
        chosen.append(("x-amz-meta-twice", _word(rng, 8, printable)))
    for name, value in (
        ("accept-encoding", "identity"),
        ("content-type", "text/plain;  charset=utf-8"),
        ("amz-sdk-invocation-id", "5e0ae1a0-0000-4000-8000-000000000001"),
        ("if-none-match", "*"),
        ("cache-control", ""),
    ):
        if rng.random() < 0.3:
            chosen.append((name, value))
    return chosen


def random_request(rng: random.Random) -> Wire:
    """A request of random method, odd path, query and headers, in one of botocore's three forms."""
    method, path, query, headers = rng.choice(_METHODS), _path(rng), _query(rng), _headers(rng)
    now = NOW + rng.randint(-800, 800)
    form = rng.randrange(3)
    if form == 0:
        return botocore_presigned(
            method, path, query, headers, expires=rng.randint(900, 604_800), now=now
        )
    body = rng.randbytes(rng.randint(0, 40))
    return botocore_headers(method, path, query, headers, body=body, hashed=form == 1, now=now)


def respelled(wire: Wire, rng: random.Random) -> Wire:
    """The same request as another client would write it: escapes in the other case, or needless ones."""

    def respell(raw: bytes) -> bytes:
        pieces = []
        position = 0
        while position < len(raw):
            char = raw[position : position + 1]
            if char == b"%":
                triplet = raw[position : position + 3]
                pieces.append(triplet.lower() if rng.random() < 0.5 else triplet)
                position += 3
                continue
            needless = char.isalnum() and rng.random() < 0.1
            pieces.append(b"%%%02x" % char[0] if needless else char)
            position += 1
        return b"".join(pieces)

    parts = [piece.partition(b"=") for piece in wire.query.split(b"&") if piece]
    rng.shuffle(parts)
    query = b"&".join(name + (sep or b"=") + respell(value) for name, sep, value in parts)
    return replace(wire, path=b"/" + respell(wire.path[1:]), query=query)
