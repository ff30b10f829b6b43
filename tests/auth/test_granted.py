"""Requests of a shape that came before are granted as the first was, and refused as any."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.auth.authenticator import Authenticator, Rules
from gateway.auth.key import Key
from gateway.errors import GatewayError, MalformedCredential, SignatureMismatch, UnknownKey
from gateway.model import ObjectKey
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.shapes import Section
from gateway.protocol.signatures.authorization import Credentials
from gateway.protocol.signatures.presign import presign
from gateway.sessions.memory import MemorySessions
from tests.protocol.signatures.wire import HOST, KEY_ID, NOW, REGION, SECRET

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
