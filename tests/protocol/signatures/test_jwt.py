"""Bearer tokens: ours, Prosody's, and what is neither."""

import base64
import hmac
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    GatewayError,
    MalformedCredential,
    RequestExpired,
    SignatureMismatch,
)
from gateway.protocol.signatures import jwt
from gateway.protocol.signatures.jwt import Claims, SlotClaims
from gateway.protocol.signatures.slot_token import slot_path

DOCS = Path(__file__).parents[3] / "docs"
SECRET = "secret string"
KEY_ID = "SLUICEEXAMPLEKEY01"
NOW = 1_795_262_400.0
OURS: dict[str, Any] = {"bucket": "photos", "key": "a/b.jpg", "exp": NOW + 60}
PROSODY: dict[str, Any] = {
    "slot": "kGx2Vq",
    "filename": "ü b.jpg",
    "filesize": 1048576,
    "filetype": "image/jpeg",
    "sub": "juliet@example.org",
    "iat": NOW,
    "exp": NOW + 300,
    "expires": NOW + 7 * 86400,
}


def _verify(claims: dict[str, Any], *, now: float = NOW, secret: str = SECRET) -> Claims:
    return jwt.verify(jwt.sign(claims, SECRET, key_id=KEY_ID), secret, now=now, max_skew=900)


def _slot(claims: dict[str, Any], path: str = "kGx2Vq/ü b.jpg", *, now: float = NOW) -> SlotClaims:
    return jwt.verify_slot(jwt.sign(claims, SECRET), SECRET, path=path, now=now, max_skew=900)


def _encoded(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_our_claims_narrow_what_the_key_may_do() -> None:
    claims = {
        **OURS,
        "methods": ["PUT", "GET"],
        "max_size": 1000,
        "content_type": "image/jpeg",
        "sub": "user-1",
        "jti": "once",
        "iat": NOW,
        "nbf": NOW,
        "iss": "app",
    }
    assert _verify(claims) == Claims(
        exp=NOW + 60,
        bucket="photos",
        key="a/b.jpg",
        prefix=None,
        methods=frozenset({"PUT", "GET"}),
        max_size=1000,
        content_type="image/jpeg",
        sub="user-1",
        jti="once",
    )


@pytest.mark.parametrize("prefix", ["", "team1/", "a/b/"])
def test_a_prefix_is_the_whole_bucket_or_ends_at_a_segment(prefix: str) -> None:
    claims = _verify({"bucket": "photos", "prefix": prefix, "exp": NOW + 60})
    assert (claims.key, claims.prefix, claims.methods) == (None, prefix, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e300},
        {"nbf": "now"},
        {"bucket": None},
        {"bucket": ""},
        {"bucket": 7},
        {"key": None},
        {"key": ""},
        {"key": "a\0b"},
        {"key": "\ud800"},
        {"prefix": "a/"},
        {"key": None, "prefix": "team1"},
        {"key": None, "prefix": 7},
        {"methods": "PUT"},
        {"methods": ["put"]},
        {"methods": [7]},
        {"max_size": -1},
        {"max_size": 1.5},
        {"max_size": "1"},
        {"max_size": True},
        {"max_size": 2**63},
        {"content_type": "a\nb"},
        {"sub": "x" * 257},
        {"jti": ""},
        {"jti": 7},
        {"aud": "elsewhere"},
    ],
    ids=repr,
)
def test_malformed_claims_are_refused(changes: dict[str, Any]) -> None:
    _verify(OURS)
    with pytest.raises(MalformedCredential) as refused:
        _verify({**OURS, **changes})
    assert refused.value.status == 400


def test_a_token_ends_at_its_exp_and_skew_does_not_widen_it() -> None:
    _verify(OURS, now=NOW + 59.9)
    with pytest.raises(RequestExpired):
        _verify(OURS, now=NOW + 60)


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_begins_within_the_skew(claim: str) -> None:
    claims = {**OURS, claim: NOW + 900, "exp": NOW + 5000}
    _verify(claims)
    with pytest.raises(RequestExpired, match=claim):
        _verify(claims, now=NOW - 1)


def test_another_secret_is_refused() -> None:
    with pytest.raises(SignatureMismatch) as refused:
        _verify(OURS, secret="other")
    assert refused.value.status == 403


@pytest.mark.parametrize(
    "secret",
    [
        "short",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        '{"kty":"oct","k":"c2VjcmV0"}',
        "ssh-rsa AAAAB3NzaC1yc2E=",
        "ü",
    ],
)
def test_any_configured_secret_serves(secret: str) -> None:
    token = jwt.sign(OURS, secret, key_id=KEY_ID)
    jwt.verify(token, secret, now=NOW, max_skew=900)
    with pytest.raises(SignatureMismatch):
        jwt.verify(token, secret + "x", now=NOW, max_skew=900)


@pytest.mark.parametrize(
    "alg", ["none", "None", "HS384", "HS512", "RS256", "hs256", "", None, ["HS256"]]
)
def test_no_other_algorithm_is_taken(alg: object) -> None:
    token = f"{_encoded({'alg': alg, 'kid': KEY_ID})}.{_encoded(OURS)}.{'A' * 43}"
    for reader in (jwt.key_id, lambda t: jwt.verify(t, SECRET, now=NOW, max_skew=900)):
        with pytest.raises(MalformedCredential):
            reader(token)


def test_the_key_is_named_by_kid() -> None:
    assert jwt.key_id(jwt.sign(OURS, SECRET, key_id=KEY_ID)) == KEY_ID


@pytest.mark.parametrize("kid", [None, "", 7, "k" * 129])
def test_a_kid_that_is_no_key_id_is_refused(kid: object) -> None:
    token = f"{_encoded({'alg': 'HS256', 'kid': kid})}.{_encoded(OURS)}.{'A' * 43}"
    with pytest.raises(MalformedCredential):
        jwt.key_id(token)
    with pytest.raises(MalformedCredential):
        jwt.key_id(jwt.sign(OURS, SECRET))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        f"{_encoded([])}.{_encoded({})}.{'A' * 43}",
        f"{_encoded(b'{')}.{_encoded({})}.{'A' * 43}",
        f"{_encoded(b'[' * 5000)}.{_encoded({})}.{'A' * 43}",
        f"{_encoded({'alg': 'HS256'})}.{_encoded({})}.{'A' * 44}",
        f"{_encoded({'alg': 'HS256', 'crit': ['exp']})}.{_encoded({})}.{'A' * 43}",
        f"{_encoded({'alg': 'HS256', 'b64': False})}.{_encoded({})}.{'A' * 43}",
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(MalformedCredential):
        jwt.verify(token, SECRET, now=NOW, max_skew=900)


@pytest.mark.parametrize("payload", [b"[]", b"7", b"{", b"\xff", b"[" * 100_000])
def test_signed_claims_that_are_no_object_are_refused(payload: bytes) -> None:
    signed = f"{_encoded({'alg': 'HS256'})}.{_encoded(payload)}"
    signature = hmac.digest(SECRET.encode(), signed.encode(), "sha256")
    with pytest.raises(MalformedCredential):
        jwt.verify(f"{signed}.{_encoded(signature)}", SECRET, now=NOW, max_skew=900)


@given(st.data())
def test_any_changed_character_is_refused(data: st.DataObject) -> None:
    token = jwt.sign(OURS, SECRET, key_id=KEY_ID)
    at = data.draw(st.integers(0, len(token) - 1))
    char = data.draw(st.characters(codec="latin-1").filter(lambda c: c != token[at]))
    with pytest.raises(GatewayError):
        jwt.verify(token[:at] + char + token[at + 1 :], SECRET, now=NOW, max_skew=900)


def test_a_signature_has_one_spelling() -> None:
    token = jwt.sign(OURS, SECRET, key_id=KEY_ID)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[-1])
    respelled = token[:-1] + alphabet[last ^ 1]  # differs only in bits that base64 leaves unused
    with pytest.raises(MalformedCredential):
        jwt.verify(respelled, SECRET, now=NOW, max_skew=900)


# --- Prosody ------------------------------------------------------------------------------------


def test_prosodys_claims_are_read() -> None:
    claims = _slot(PROSODY)
    assert claims == SlotClaims(
        slot="kGx2Vq",
        filename="ü b.jpg",
        filesize=1048576,
        filetype="image/jpeg",
        exp=NOW + 300,
        sub="juliet@example.org",
        jti=None,
    )


def test_lua_may_write_whole_numbers_as_floats() -> None:
    assert _slot({**PROSODY, "filesize": 7.0, "exp": NOW + 0.5}).filesize == 7


@pytest.mark.parametrize("path", ["kGx2Vq/other", "kGx2Vq", "other/ü b.jpg", "kGx2Vq/ü b.jpg/x"])
def test_a_slots_token_is_for_one_url(path: str) -> None:
    with pytest.raises(SignatureMismatch, match="another upload slot"):
        _slot(PROSODY, path)


@pytest.mark.parametrize("missing", ["slot", "filename", "filesize", "filetype", "exp"])
def test_a_slots_token_has_all_of_prosodys_claims(missing: str) -> None:
    with pytest.raises(MalformedCredential, match=missing):
        _slot({name: value for name, value in PROSODY.items() if name != missing})


def test_a_slots_token_expires() -> None:
    with pytest.raises(RequestExpired):
        _slot(PROSODY, now=NOW + 300)


def test_a_token_that_prosody_made_verifies() -> None:
    # Made by util.jwt of Debian's Prosody 0.12, the URL by its mod_http_file_share.
    token = (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJleHAiOjE3OTUyNjI3MDAsImZpbGV0eXBlIjoiaW1hZ2UvanBlZyIsImlhdCI6MTc5NTI2MjQwMCwic3ViIjoianVs"
        "aWV0QGV4YW1wbGUub3JnIiwic2xvdCI6ImFCLWNfMSIsImZpbGVuYW1lIjoiw7wgYigxKS5qcGciLCJleHBpcmVzIjox"
        "Nzk1ODY3MjAwLCJmaWxlc2l6ZSI6MTA0ODU3Nn0."
        "EJpIYLPNtZAsQWwNhGWEOV2C3yWunJ7d50ISIoze9Yk"
    )
    path = slot_path(b"/upload/aB-c_1/%C3%BC%20b(1).jpg", "/upload/")
    claims = jwt.verify_slot(token, SECRET, path=path, now=NOW, max_skew=900)
    assert claims == SlotClaims(
        slot="aB-c_1",
        filename="ü b(1).jpg",
        filesize=1048576,
        filetype="image/jpeg",
        exp=NOW + 300,
        sub="juliet@example.org",
        jti=None,
    )


def test_the_page_of_tokens_has_every_claim_and_its_example_is_valid() -> None:
    page = (DOCS / "jwt.md").read_text(encoding="utf-8")
    claims = json.loads(page.partition("```json\n")[2].partition("```")[0])
    now = claims["exp"] - 60.0
    read = jwt.verify(jwt.sign(claims, SECRET), SECRET, now=now, max_skew=900.0)
    assert (read.key, read.methods) == ("inbox/cat.jpg", frozenset({"PUT"}))
    assert [name for name in fields(Claims) if f"| `{name.name}` |" not in page] == []
