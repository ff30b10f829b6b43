"""Requests of a shape that came before are granted as the first was, and refused as any."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.authenticator import Authenticator, Rules
from gateway.auth.key import Key
from gateway.errors import (
    GatewayError,
    InvalidDigest,
    MalformedCredential,
    SignatureMismatch,
    UnknownKey,
)
from gateway.model import Digest, ObjectKey
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.shapes import Section
from gateway.protocol.signatures.authorization import Credentials, sign_headers
from gateway.protocol.signatures.presign import presign
from gateway.server.head import guard_head, parse_head
from gateway.server.known import KnownHeads
from gateway.server.rules import Rules as ServerRules
from gateway.sessions.memory import MemorySessions
from tests.protocol.signatures.wire import HOST, KEY_ID, NOW, REGION, SECRET

RULES = ServerRules()
OBJECT = ObjectKey("photos", "a/b.jpg")
S3 = Target("s3", OBJECT)
PATH = b"/photos/a/b.jpg"
KEY = Key(id=KEY_ID, secret=SECRET, principal="alice", policy="upload-only")


class Keys:
    """Keys in a dict."""

    def __init__(self, *keys: Key) -> None:
        self.keys = {key.id: key for key in keys}

    def find(self, key_id: str, now: float) -> Key | None:
        return self.keys.get(key_id)


def gate_of(keys: Keys | None = None, region: str = REGION) -> Authenticator:
    return Authenticator(keys or Keys(KEY), MemorySessions(), Rules(region=region))


def again(section: Section, now: float = NOW, path: bytes = PATH) -> RequestHead:
    host = ((b"host", HOST.encode()),)
    credentials = Credentials(key_id=KEY_ID, secret=SECRET, region=REGION)
    query = presign("PUT", path, b"", host, credentials, expires=60, now=now)
    return RequestHead("PUT", path, query, host, common=section.common("PUT", query, 1))


async def test_a_request_of_a_known_shape_gets_the_grant_of_the_first() -> None:
    gate, section = gate_of(), Section()
    first = await gate.authenticate(again(section), S3, NOW)
    second = await gate.authenticate(again(section, NOW + 5, b"/photos/other"), S3, NOW + 5)
    plain = await gate_of().authenticate(again(Section()), S3, NOW)

    assert second is first
    assert first == plain


@pytest.mark.parametrize(
    "change", [{"secret": "another"}, {"policy": "read-only"}, {"disabled": True}]
)
async def test_a_key_that_changed_is_looked_at_anew(change: dict[str, Any]) -> None:
    keys, section = Keys(KEY), Section()
    gate = gate_of(keys)
    await gate.authenticate(again(section), S3, NOW)
    changed = replace(KEY, **change)
    keys.keys = {} if changed.disabled else {KEY_ID: changed}
    try:
        grant = await gate.authenticate(again(section), S3, NOW)
    except (SignatureMismatch, UnknownKey):
        assert "policy" not in change
    else:
        assert grant.policy == "read-only"


@pytest.mark.parametrize("target", [S3, Target("form", OBJECT)])
async def test_of_a_known_shape_the_ordinary_way_says_what_is_wrong(target: Target) -> None:
    gate, section = gate_of(), Section()
    await gate.authenticate(again(section), S3, NOW)
    head = again(section)
    moved = RequestHead("PUT", b"/photos/x", head.raw_query, head.headers, common=head.common)
    with pytest.raises(SignatureMismatch if target is S3 else MalformedCredential):
        await gate.authenticate(moved, target, NOW)


async def test_what_one_gate_has_granted_says_nothing_to_another() -> None:
    section = Section()
    await gate_of().authenticate(again(section), S3, NOW)
    other = gate_of(region="elsewhere")
    with pytest.raises(GatewayError):
        await other.authenticate(again(section), S3, NOW)


@pytest.mark.parametrize("dialect", ["form", "hmac-file-server"])
async def test_case_24_what_no_presigned_url_is_good_for_is_refused_of_a_known_shape_too(
    dialect: str,
) -> None:
    gate, section = gate_of(), Section()
    await gate.authenticate(again(section), S3, NOW)
    with pytest.raises(MalformedCredential):
        await gate.authenticate(again(section), Target(dialect, OBJECT), NOW)


# --- signed in the headers: through what the front remembers of header lines, too ---

BODY = "0a" * 32
CALL = (b"amz-sdk-invocation-id", b"01234567-89ab-cdef-0123-456789abcdef")
Lines = tuple[tuple[bytes, bytes], ...]


def wire(
    path: bytes = PATH,
    now: float = NOW,
    payload: str = BODY,
    length: int = 5,
    more: Lines = (CALL,),
) -> bytes:
    """A head that is signed, its length and its SDK's line too, as SDKs for Go do."""
    lines: Lines = ((b"host", HOST.encode()), (b"content-length", b"%d" % length), *more)
    credentials = Credentials(key_id=KEY_ID, secret=SECRET, region=REGION)
    added = sign_headers("PUT", path, b"", lines, credentials, payload=payload, now=now)
    text = b"".join(b"%b: %b\r\n" % line for line in (*lines, *added))
    return b"PUT " + path + b" HTTP/1.1\r\n" + text + b"\r\n"


def read(data: bytes, known: KnownHeads | None = None) -> RequestHead:
    head = None if known is None else known.recall(data)
    if head is None:
        head = parse_head(data)
        guard_head(head, RULES)
        if known is not None:
            known.learn(data, head)
    return head.as_request("http", None)


async def told(gate: Authenticator, head: RequestHead, now: float) -> object:
    """The grant, or why there is none."""
    try:
        return await gate.authenticate(head, S3, now)
    except GatewayError as error:
        return type(error), error.detail, error.members


async def remembered(first: bytes) -> tuple[Authenticator, KnownHeads]:
    """A gate and a front that have seen a request twice."""
    gate, known = gate_of(), KnownHeads(RULES)
    for _ in range(2):
        await gate.authenticate(read(first, known), S3, NOW)
    return gate, known


@pytest.mark.parametrize("payload", [BODY, "UNSIGNED-PAYLOAD"])
async def test_a_request_that_signs_its_headers_is_granted_by_its_shape_with_its_own_digest(
    payload: str,
) -> None:
    gate, known = await remembered(wire(payload=payload))
    data = wire(b"/photos/%C3%BC", NOW + 7, payload.replace("0a", "1b"), 7)
    head = read(data, known)

    grant = gate.again(head, S3, NOW + 7)
    assert grant is not None
    assert grant == await gate_of().authenticate(read(data), S3, NOW + 7)
    hashed = (Digest("sha-256", b"\x1b" * 32),)
    assert grant.digests == (hashed if payload == BODY else ())


@pytest.mark.parametrize("seconds", [-901, -900, 0, 900, 901, 86_400])
async def test_the_date_of_signed_headers_may_differ_by_the_skew_in_a_known_shape_too(
    seconds: float,
) -> None:
    gate, known = await remembered(wire())
    data, now = wire(), NOW + seconds
    assert await told(gate, read(data, known), now) == await told(gate_of(), read(data), now)
    assert (gate.again(read(data, known), S3, now) is None) is (abs(seconds) > 900)


async def test_case_10_a_signed_length_that_was_written_unusually_is_not_taken_from_another_request() -> (
    None
):
    lines: Lines = ((b"host", HOST.encode()), (b"content-length", b"007"))
    credentials = Credentials(key_id=KEY_ID, secret=SECRET, region=REGION)
    added = sign_headers("PUT", PATH, b"", lines, credentials, payload=BODY, now=NOW)
    data = b"PUT " + PATH + b" HTTP/1.1\r\n"
    data += b"".join(b"%b: %b\r\n" % line for line in (*lines, *added)) + b"\r\n"
    gate, known = await remembered(data)
    with pytest.raises(SignatureMismatch):
        await gate.authenticate(read(data.replace(b"007", b"123"), known), S3, NOW)


@pytest.mark.parametrize("length", [0, 5, 77])
async def test_case_10_zeros_before_a_signed_length_are_refused_in_a_known_shape_too(
    length: int,
) -> None:
    gate, known = await remembered(wire(length=length * 1001 + 1234))
    sent = b": %d\r\n" % length
    data = wire(length=length).replace(sent, b": %04d\r\n" % length, 1)
    with pytest.raises(SignatureMismatch):
        await gate.authenticate(read(data, known), S3, NOW)


async def test_a_payload_hash_that_is_none_is_refused_in_a_known_shape_too() -> None:
    gate, known = await remembered(wire())
    data = wire(payload="zz" * 32)
    with pytest.raises(InvalidDigest):
        await gate.authenticate(read(data, known), S3, NOW)


@given(st.integers(0, 2000), st.sampled_from(b"0aZ-:%/ \r\x00\xff"))
def test_whatever_byte_of_signed_headers_changes_what_is_remembered_says_what_reading_says(
    at: int, byte: int
) -> None:
    async def check() -> None:
        data = bytearray(wire())
        data[at % len(data)] = byte
        gate, known = await remembered(wire())
        try:
            plain = read(bytes(data))
        except GatewayError as error:
            with pytest.raises(type(error)):
                read(bytes(data), known)
        else:
            again = read(bytes(data), known)
            assert again.headers == plain.headers
            assert await told(gate, again, NOW) == await told(gate_of(), plain, NOW)

    asyncio.run(check())
