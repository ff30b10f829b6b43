"""Signatures are held to our own verifier, which is held to Amazon's examples and botocore."""

import time

import pytest

from gateway.errors import InvalidArgument
from gateway.protocol.commands import RequestHead
from gateway.protocol.signatures import sigv4
from gateway.protocol.signatures.authorization import Credentials as SigningCredentials
from gateway.protocol.signatures.authorization import read_header, sign_headers
from gateway.protocol.signatures.canonical import CanonicalQuery
from gateway.storage.s3.connection import Credentials
from gateway.storage.s3.wire_signer import Header, Signer
from gateway.storage.s3.wire_target import Target

NOW = 1_790_000_000.0
TARGET = Target("s3.test", b"s3.test:9000", b"/bucket/a%20key")
CREDENTIALS = Credentials("AKIDEXAMPLE000000001", "secret")


async def _nobody() -> Credentials:
    raise AssertionError("not asked")


def head(
    *headers: Header,
    credentials: Credentials = CREDENTIALS,
    query: bytes = b"",
    unsigned: bytes = b"",
    now: float = NOW,
    offset: float = 0.0,
) -> bytes:
    signer = Signer("eu-west-1", _nobody, lambda: now)
    signer.offset = offset
    return signer.head(
        "PUT",
        TARGET,
        query,
        headers,
        unsigned,
        payload="UNSIGNED-PAYLOAD",
        credentials=credentials,
    )


def parsed(text: bytes) -> RequestHead:
    first, *lines = text.removesuffix(b"\r\n\r\n").split(b"\r\n")
    _, target, _ = first.split(b" ")
    path, _, query = target.partition(b"?")
    pairs = [line.partition(b": ") for line in lines]
    return RequestHead(
        method="PUT",
        raw_path=path,
        raw_query=query,
        headers=tuple((name, value) for name, _, value in pairs),
        scheme="http",
    )


HEADERS: tuple[Header, ...] = (
    (b"x-amz-meta-b", b"two words"),
    (b"content-type", b"image/png"),
    (b"if-match", b'"etag"'),
    (b"x-amz-checksum-crc32c", b"AQIDBA=="),
)


@pytest.mark.parametrize("query", [b"", b"partNumber=3&uploadId=up%2Fload%3D"])
def test_what_is_signed_verifies(query: bytes) -> None:
    made = head(*HEADERS, query=query, unsigned=b"content-length: 7\r\nuser-agent: x\r\n")
    request = parsed(made)
    read = CanonicalQuery(request.raw_query)
    claim = read_header(request, read, region="eu-west-1", now=NOW, max_skew=900)
    assert claim.key_id == "AKIDEXAMPLE000000001"
    sigv4.verify(claim, "secret")
    assert request.get(b"content-length") == "7"


def test_a_session_token_is_sent_and_signed() -> None:
    request = parsed(
        head(*HEADERS, credentials=Credentials("AKIDEXAMPLE000000001", "secret", "tok/en=="))
    )
    expected = sign_headers(
        "PUT",
        TARGET.path,
        b"",
        [(b"host", TARGET.authority), *HEADERS],
        SigningCredentials(
            key_id="AKIDEXAMPLE000000001", secret="secret", region="eu-west-1", token="tok/en=="
        ),
        payload="UNSIGNED-PAYLOAD",
        now=NOW,
    )
    found = {name: value.replace(b", ", b",") for name, value in request.headers}
    for name, value in expected:
        assert found[name] == value.replace(b", ", b",")
    assert request.get(b"x-amz-security-token") == "tok/en=="


def test_the_date_is_the_stores_when_ours_is_wrong() -> None:
    signer = Signer("eu-west-1", _nobody, lambda: NOW)
    assert signer.now == NOW
    signer.observe(NOW + 3600)
    assert signer.now == NOW + 3600
    request = parsed(head(offset=3600))
    assert request.get(b"x-amz-date") == sigv4.write_timestamp(int(NOW) + 3600)


def test_a_new_day_has_a_new_scope() -> None:
    days = [NOW, NOW + 86_400, NOW + 86_400]
    signer = Signer("eu-west-1", _nobody, lambda: days[0])
    for _ in range(3):
        made = signer.head(
            "PUT", TARGET, b"", (), b"", payload="UNSIGNED-PAYLOAD", credentials=CREDENTIALS
        )
        claim = read_header(
            parsed(made), CanonicalQuery(b""), region="eu-west-1", now=days[0], max_skew=900
        )
        sigv4.verify(claim, "secret")
        days.pop(0)
        if not days:
            break


@pytest.mark.parametrize("bad", [b"a\r\nx-amz-acl: b", b"a\nb", b"a\0b"])
def test_a_value_cannot_break_out_of_its_line(bad: bytes) -> None:
    for header in ((b"cache-control", bad), (bad, b"x")):
        with pytest.raises(InvalidArgument):
            head(header)


async def test_credentials_are_asked_for_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [CREDENTIALS, Credentials("AKIDEXAMPLE000000002", "secret")]
    asked = 0

    async def provider() -> Credentials:
        nonlocal asked
        asked += 1
        return given[min(asked, 2) - 1]

    now = 10.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    signer = Signer("eu-west-1", provider)
    for _ in range(3):
        assert await signer.credentials() == given[0]
    assert asked == 1
    now += 5
    assert await signer.credentials() == given[1]
    signer.forget()
    await signer.credentials()
    assert asked == 3
