"""The one gate, by the numbers of the security cases."""

import asyncio
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.auth import authenticator as authenticator_module
from gateway.auth.authenticator import Authenticator, Rules
from gateway.auth.grant import Constraints, Grant
from gateway.auth.key import Key
from gateway.errors import (
    AmbiguousCredentials,
    BadRequest,
    Forbidden,
    GatewayError,
    LengthRequired,
    MalformedCredential,
    MalformedPolicyDocument,
    RequestReplayed,
    SessionsUnavailable,
    SignatureMismatch,
    Unauthenticated,
    UnknownKey,
)
from gateway.model import ANONYMOUS, Digest, ObjectKey, Principal
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.forms import Form, FormHead
from gateway.protocol.part_head import PartHead
from gateway.protocol.signatures import jwt, sigv4, slot_token
from gateway.protocol.signatures.authorization import Credentials, sign_headers
from gateway.protocol.signatures.keyed import KeyedHash
from gateway.protocol.signatures.presign import presign
from gateway.settings.sections import AuthSection, SlotSection
from tests.protocol.forms import signed
from tests.protocol.signatures.wire import (
    HOST,
    KEY_ID,
    NOW,
    REGION,
    SECRET,
    Wire,
    botocore_headers,
    botocore_presigned,
)

OBJECT = ObjectKey("photos", "a/b.jpg")
S3 = Target("s3", OBJECT)
PLAIN = Target("plain", OBJECT)
SLOT = Target("slot", ObjectKey("photos", "s/f.txt"), "upload")
PATH = b"/photos/a/b.jpg"
SLOT_PATH = b"/upload/s/f.txt"
SLOT_SECRET = "secret string"
FULL = frozenset({"v", "v2", "v3", "token", "jwt"})


class Keys:
    """Keys in a dict; ``now`` is written down."""

    def __init__(self, *keys: Key) -> None:
        self.keys = {key.id: key for key in keys}
        self.asked: list[tuple[str, float]] = []

    def find(self, key_id: str, now: float) -> Key | None:
        self.asked.append((key_id, now))
        return self.keys.get(key_id)


class Nonces:
    """A nonce store of one process."""

    def __init__(self) -> None:
        self.used: dict[tuple[str, str], float] = {}
        self.down = False

    async def use_once(self, scope: str, nonce: str, now: float, expires: float) -> bool:
        if self.down:
            raise SessionsUnavailable("The session store does not answer.")
        fresh = (scope, nonce) not in self.used
        self.used.setdefault((scope, nonce), expires)
        return fresh


KEY = Key(id=KEY_ID, secret=SECRET, principal="alice", policy="upload-only")


def _slot(**changes: Any) -> SlotSection:
    fields = {
        "bucket": "photos",
        "base_path": "/upload/",
        "secret": SecretStr(SLOT_SECRET),
        "delete_secret": SecretStr("del secret"),
        "versions": tuple(sorted(FULL)),
        "max_size": 1000,
    }
    return SlotSection(**{**fields, **changes})


def _gate(
    keys: Keys | None = None,
    nonces: Nonces | None = None,
    *,
    auth: AuthSection | None = None,
    slot: SlotSection | None = None,
    anonymous: Mapping[str, str] | None = None,
) -> Authenticator:
    rules = Rules(
        region=REGION,
        auth=auth or AuthSection(),
        slots={"upload": slot or _slot()},
        anonymous=anonymous or {},
    )
    return Authenticator(keys or Keys(KEY), nonces or Nonces(), rules)


async def _ask(gate: Authenticator, wire: Wire, target: Target = S3, now: float = NOW) -> Grant:
    return await gate.authenticate(wire.head(), target, now)


def _bare(method: str, path: bytes = PATH, query: bytes = b"", **headers: str) -> Wire:
    sent = tuple(
        (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
    )
    return Wire(method, path, query, ((b"host", HOST.encode()), *sent))


def _presigned(method: str = "PUT", query: bytes = b"") -> Wire:
    host = ((b"host", HOST.encode()),)
    credentials = Credentials(key_id=KEY_ID, secret=SECRET, region=REGION)
    made = presign(method, PATH, query, host, credentials, expires=60, now=NOW)
    return Wire(method, PATH, made, host)


def _bearer(
    method: str = "PUT", path: bytes = PATH, *, length: str | None = "7", **claims: Any
) -> Wire:
    base = {"bucket": "photos", "key": "a/b.jpg", "exp": NOW + 60}
    token = jwt.sign({**base, **claims}, SECRET, key_id=KEY_ID)
    wire = _bare(method, path, authorization=f"Bearer {token}")
    return wire if length is None else wire.with_header(b"content-length", length.encode())


def _slot_bearer(method: str = "PUT", *, length: str | None = "7", **claims: Any) -> Wire:
    base = {
        "slot": "s",
        "filename": "f.txt",
        "filesize": 7,
        "filetype": "text/plain",
        "exp": NOW + 60,
    }
    token = jwt.sign({**base, **claims}, SLOT_SECRET)
    wire = _bare(method, SLOT_PATH, authorization=f"Bearer {token}")
    return wire if length is None else wire.with_header(b"content-length", length.encode())


def _invented(key_id: str) -> Wire:
    """A request signed for a key that nobody has."""
    wire = botocore_headers("GET", PATH)
    said = wire.header(b"authorization").replace(KEY_ID.encode(), key_id.encode())
    return wire.with_header(b"authorization", said)


def _form(fields: Mapping[str, str], **headers: str) -> FormHead:
    head = _bare("POST", b"/photos", b"", **headers).head()
    return FormHead(head, Form(fields, PartHead("file", "f.txt")))


BUCKET = Target("form", ObjectKey("photos", ""))
UNDER_A = [{"bucket": "photos"}, ["starts-with", "$key", "a/"]]


# --- what is granted ----------------------------------------------------------------------------


@pytest.mark.parametrize("hashed", [True, False])
async def test_a_signed_request_is_its_keys(hashed: bool) -> None:
    wire = botocore_headers("PUT", PATH, body=b"abc", hashed=hashed)
    grant = await _ask(_gate(), wire)
    assert (grant.principal, grant.scheme) == (Principal("alice", KEY_ID), "sigv4")
    assert (grant.policy, grant.signed) == ("upload-only", True)
    assert grant.constraints == Constraints()
    assert [digest.algorithm for digest in grant.digests] == (["sha-256"] if hashed else [])


async def test_case_27_a_presigned_url_pins_the_body_it_names() -> None:
    grant = await _ask(_gate(), _presigned(query=b"X-Amz-Content-Sha256=" + b"ab" * 32))
    assert grant.scheme == "sigv4-query"
    assert grant.digests == (Digest("sha-256", b"\xab" * 32),)


async def test_a_bearer_token_narrows_its_keys_grant() -> None:
    wire = _bearer(methods=["PUT"], max_size=10, content_type="image/jpeg", sub="user-1")
    grant = await _ask(_gate(), wire, PLAIN)
    assert grant == Grant(
        principal=Principal("alice/user-1", KEY_ID),
        scheme="jwt",
        policy="upload-only",
        constraints=Constraints(
            methods=frozenset({"PUT"}),
            bucket="photos",
            key="a/b.jpg",
            max_size=10,
            content_type="image/jpeg",
        ),
    )


@pytest.mark.parametrize(
    ("sub", "principal"),
    [(None, "alice"), ("alice", "alice"), (KEY_ID, "alice"), ("bob", "alice/bob")],
)
async def test_a_token_never_speaks_for_another_principal(sub: str | None, principal: str) -> None:
    claims: dict[str, Any] = {} if sub is None else {"sub": sub}
    assert (await _ask(_gate(), _bearer(**claims), PLAIN)).principal.id == principal


@pytest.mark.parametrize("version", ["v", "v2", "token", "v3"])
async def test_a_slot_token_grants_one_file_of_one_size_once(version: str) -> None:
    if version == "v":
        query = f"v={slot_token.sign_v(SLOT_SECRET, 's/f.txt', 7)}"
    elif version == "v3":
        signed = slot_token.sign_v3(SLOT_SECRET, "PUT", int(NOW), "/upload/s/f.txt")
        query = f"v3={signed}&expires={int(NOW)}"
    else:
        query = f"{version}={slot_token.sign_v2(SLOT_SECRET, 's/f.txt', 7)}"
    wire = _bare("PUT", SLOT_PATH, query.encode(), content_length="7")
    grant = await _ask(_gate(), wire, SLOT)
    assert grant == Grant(
        principal=Principal("slot:upload"),
        scheme="slot-token",
        policy="full-access",
        constraints=Constraints(
            methods=frozenset({"PUT"}),
            bucket="photos",
            key="s/f.txt",
            exact_size=None if version == "v3" else 7,
            max_size=1000,
            no_overwrite=True,
        ),
    )


async def test_metronomes_token_grants_a_delete() -> None:
    signed = slot_token.sign_delete(SLOT_SECRET, "s/f.txt", "del secret")
    wire = _bare("DELETE", SLOT_PATH, f"token={signed}".encode())
    grant = await _ask(_gate(), wire, SLOT)
    assert grant.constraints.methods == frozenset({"DELETE"})
    assert grant.constraints.key == "s/f.txt"
    with pytest.raises(Forbidden):
        await _ask(_gate(slot=_slot(delete_secret=None)), wire, SLOT)


async def test_prosodys_token_grants_one_file_of_one_size_once() -> None:
    grant = await _ask(_gate(), _slot_bearer(sub="juliet@example.org"), SLOT)
    assert grant == Grant(
        principal=Principal("slot:upload/juliet@example.org"),
        scheme="jwt",
        policy="full-access",
        constraints=Constraints(
            methods=frozenset({"PUT"}),
            bucket="photos",
            key="s/f.txt",
            exact_size=7,
            max_size=1000,
            content_type="text/plain",
            no_overwrite=True,
        ),
    )


# --- nobody -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
async def test_case_01_nothing_is_anonymous_by_default(method: str) -> None:
    with pytest.raises(Unauthenticated) as plain:
        await _ask(_gate(), _bare(method), PLAIN)
    assert plain.value.status == 401
    for dialect in ("tus", "rufh", "chunked", "range"):
        with pytest.raises(Unauthenticated):
            await _ask(_gate(), _bare(method), Target(dialect, PLAIN.key))
    for target in (S3, Target("s3", None)):
        with pytest.raises(Forbidden) as s3:
            await _ask(_gate(), _bare(method), target)
        assert (s3.value.status, type(s3.value)) == (403, Forbidden)


async def test_case_01_a_buckets_policy_lets_anonymous_requests_in_to_that_bucket_only() -> None:
    gate = _gate(anonymous={"photos": "public-read"})
    grant = await _ask(gate, _bare("GET"), PLAIN)
    assert grant == Grant(
        principal=ANONYMOUS, scheme="anonymous", policy="public-read", signed=False
    )
    with pytest.raises(Unauthenticated):
        await _ask(gate, _bare("GET"), Target("plain", ObjectKey("other", "k")))
    with pytest.raises(Unauthenticated):
        await _ask(gate, _bare("GET"), Target("plain", None))


async def test_a_credential_that_fails_never_falls_back_to_anonymous() -> None:
    gate = _gate(anonymous={"photos": "public-read"})
    wrong = botocore_headers("GET", PATH, secret="wrong")
    for wire, error in (
        (wrong, SignatureMismatch),
        (_bare("GET", authorization="Basic dXNlcjpwYXNz"), MalformedCredential),
        (_bare("GET", authorization="Bearer x"), MalformedCredential),
        (_bare("GET", authorization=""), MalformedCredential),
        (_bare("GET", query=b"X-Amz-Credential=x"), Forbidden),
    ):
        with pytest.raises(error):
            await _ask(gate, wire, PLAIN)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("query", [b"", b"v=stale"])
async def test_reading_a_slot_asks_for_no_token(method: str, query: bytes) -> None:
    gate = _gate(slot=_slot(policy="members-read"))
    grant = await _ask(gate, _bare(method, SLOT_PATH, query), SLOT)
    assert grant == Grant(
        principal=ANONYMOUS,
        scheme="anonymous",
        policy="members-read",
        constraints=Constraints(methods=frozenset({"GET", "HEAD"}), bucket="photos", key="s/f.txt"),
        signed=False,
    )


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "PATCH"])
async def test_writing_to_a_slot_needs_a_token(method: str) -> None:
    with pytest.raises(Forbidden) as refused:
        await _ask(_gate(), _bare(method, SLOT_PATH), SLOT)
    assert refused.value.status == 403


# --- what is refused ----------------------------------------------------------------------------


async def test_case_02_two_credentials_are_refused_before_any_key_is_looked_up() -> None:
    keys = Keys(KEY)
    both = replace(_presigned(), headers=botocore_headers("PUT", PATH).headers)
    beside = _presigned().with_header(b"authorization", b"Bearer foreign")
    for wire in (both, beside):
        with pytest.raises(AmbiguousCredentials) as refused:
            await _ask(_gate(keys), wire)
        assert refused.value.status == 400
    assert keys.asked == []
    lenient = _gate(auth=AuthSection(ignore_foreign_bearer=True))
    assert (await _ask(lenient, beside)).scheme == "sigv4-query"
    with pytest.raises(AmbiguousCredentials):
        await _ask(lenient, both)


@pytest.mark.parametrize(
    "name",
    [b"host", b"authorization", b"x-amz-date", b"x-amz-content-sha256", b"content-length", b"date"],
)
async def test_case_10_a_repeated_single_header_is_refused(name: bytes) -> None:
    wire = botocore_headers("PUT", PATH, headers=[("content-length", "0")], body=b"")
    value = dict(wire.headers).get(name, b"x")
    doubled = replace(
        wire.with_header(name, value),
        headers=(*wire.with_header(name, value).headers, (name, value)),
    )
    with pytest.raises(BadRequest) as refused:
        await _ask(_gate(), doubled)
    assert refused.value.status == 400


@pytest.mark.parametrize("query", [b"versionId=1&versionId=1", b"partNumber=1&partNumber=2"])
async def test_case_11_a_repeated_parameter_is_refused(query: bytes) -> None:
    for wire in (_bare("GET", query=query), botocore_headers("GET", PATH, query)):
        with pytest.raises(BadRequest, match="more than once"):
            await _ask(_gate(anonymous={"photos": "public-read"}), wire)
    doubled = _presigned()
    signature = doubled.query.rpartition(b"&")[2]
    with pytest.raises(BadRequest):
        await _ask(_gate(), replace(doubled, query=doubled.query + b"&" + signature))


async def test_case_14_a_tokens_jti_is_used_once_over_all_workers() -> None:
    nonces = Nonces()
    first, second = _gate(nonces=nonces), _gate(nonces=nonces)
    await _ask(first, _bearer(jti="n"), PLAIN)
    assert nonces.used == {(f"jwt:{KEY_ID}", "n"): NOW + 60}
    for gate in (first, second):
        with pytest.raises(RequestReplayed) as refused:
            await _ask(gate, _bearer(jti="n"), PLAIN)
        assert refused.value.status == 403
    await _ask(first, _slot_bearer(jti="n"), SLOT)
    with pytest.raises(RequestReplayed):
        await _ask(second, _slot_bearer(jti="n"), SLOT)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_case_14_reading_spends_a_jti_too(method: str) -> None:
    gate = _gate(nonces=Nonces())
    await _ask(gate, _bearer(method, jti="n"), PLAIN)
    with pytest.raises(RequestReplayed):
        await _ask(gate, _bearer("PUT", jti="n"), PLAIN)
    with pytest.raises(RequestReplayed):
        await _ask(gate, _bearer(method, jti="n"), PLAIN)


async def test_case_14_a_bad_token_spends_no_jti() -> None:
    nonces = Nonces()
    gate = _gate(nonces=nonces)
    forged = _bearer(jti="n")
    token = forged.header(b"authorization")
    with pytest.raises(GatewayError):
        await _ask(gate, forged.with_header(b"authorization", token[:-5] + b"AAAAA"), PLAIN)
    assert nonces.used == {}


async def test_case_14_without_the_session_store_no_one_time_token_passes() -> None:
    nonces = Nonces()
    nonces.down = True
    with pytest.raises(SessionsUnavailable):
        await _ask(_gate(nonces=nonces), _bearer(jti="n"), PLAIN)


async def test_case_14_equal_signed_requests_are_no_replay() -> None:
    gate, wire = _gate(), botocore_headers("POST", PATH, b"uploads")
    for _ in range(3):
        await _ask(gate, wire)


async def test_case_15_an_unknown_key_costs_one_signature_and_says_what_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []
    signature, verified = sigv4.signature, jwt.verify

    def counted(secret: str, *rest: Any) -> str:
        made.append(secret)
        return signature(secret, *rest)

    def counted_jwt(token: str, secret: str, **rest: Any) -> jwt.Claims:
        made.append(secret)
        return verified(token, secret, **rest)

    monkeypatch.setattr(sigv4, "signature", counted)
    monkeypatch.setattr(jwt, "verify", counted_jwt)
    for wire, target in (
        (botocore_headers("GET", PATH), S3),
        (botocore_presigned("GET", PATH), S3),
        (_bearer(), PLAIN),
    ):
        made.clear()
        with pytest.raises(UnknownKey) as refused:
            await _ask(_gate(Keys()), wire, target)
        assert len(made) == 1
        assert refused.value.status == 403
        assert refused.value.members == {"aws_access_key_id": KEY_ID}


async def test_case_15_who_knows_the_stand_in_secret_gets_nothing() -> None:
    decoy = authenticator_module._DECOY
    with pytest.raises(UnknownKey):
        await _ask(_gate(Keys()), botocore_headers("GET", PATH, secret=decoy))


async def test_case_16_signatures_are_compared_in_constant_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[tuple[object, object]] = []
    compare = hmac.compare_digest

    def recorded(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return compare(a, b)

    monkeypatch.setattr(hmac, "compare_digest", recorded)
    token = slot_token.sign_v(SLOT_SECRET, "s/f.txt", 7)
    for wire, target in (
        (botocore_headers("GET", PATH), S3),
        (botocore_presigned("GET", PATH), S3),
        (_bearer(), PLAIN),
        (_slot_bearer(), SLOT),
        (_bare("PUT", SLOT_PATH, f"v={token}".encode(), content_length="7"), SLOT),
    ):
        compared.clear()
        await _ask(_gate(), wire, target)
        assert len(compared) == 1


@pytest.fixture
def hmacs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every HMAC that is computed, by whichever call."""
    made: list[str] = []

    def recorded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            made.append(name)
            return function(*args, **kwargs)

        return call

    for name in ("digest", "new"):
        monkeypatch.setattr(hmac, name, recorded(name, getattr(hmac, name)))
    monkeypatch.setattr(KeyedHash, "hexdigest", recorded("keyed", KeyedHash.hexdigest))
    return made


WRONG_TOKEN = slot_token.sign_v("another secret", "s/f.txt", 7).encode()


@pytest.mark.parametrize(
    ("wires", "target", "most"),
    [
        ([_bare("GET")] * 2, PLAIN, 0),
        ([_bare("GET", authorization="AWS AKID:c2lnbmF0dXJl")] * 2, S3, 0),
        ([_bare("GET", authorization="AWS4-HMAC-SHA256 Credential=x")] * 2, S3, 0),
        ([botocore_headers("GET", PATH, secret="another")] * 2, S3, 1),
        ([botocore_presigned("GET", PATH, secret="another")] * 2, S3, 1),
        ([_invented(f"INVENTEDKEY{at:07}") for at in range(50)], S3, 1),
        ([_bare("PUT", SLOT_PATH, b"v=" + WRONG_TOKEN, content_length="7")] * 2, SLOT, 1),
    ],
    ids=["nothing", "version_2", "garbage", "header", "presigned", "invented_keys", "slot"],
)
async def test_case_96_a_refused_request_costs_at_most_one_hmac(
    hmacs: list[str], wires: list[Wire], target: Target, most: int
) -> None:
    """The four HMACs of a signing key are made once a day, and not for each invented key."""
    gate = _gate()
    with pytest.raises(GatewayError):
        await _ask(gate, wires[0], target)
    for wire in wires[1:]:
        hmacs.clear()
        with pytest.raises(GatewayError):
            await _ask(gate, wire, target)
        assert len(hmacs) == most


async def test_case_96_a_bearer_token_that_does_not_hold_costs_at_most_one_hmac(
    hmacs: list[str],
) -> None:
    forged = jwt.sign({"bucket": "photos", "key": "k", "exp": NOW + 60}, "another", key_id=KEY_ID)
    for keys, wire in (
        (Keys(KEY), _bare("GET", authorization=f"Bearer {forged}")),
        (Keys(), _bearer()),
        (Keys(KEY), _bare("GET", authorization="Bearer a.b.c")),
    ):
        hmacs.clear()
        with pytest.raises(GatewayError):
            await _ask(_gate(keys), wire, PLAIN)
        assert len(hmacs) <= 1


def test_case_96_invented_keys_do_not_displace_those_of_clients() -> None:
    sigv4.signing_hash.cache_clear()

    async def ask() -> None:
        gate = _gate()
        await _ask(gate, botocore_headers("GET", PATH))
        for at in range(50):
            with pytest.raises(UnknownKey):
                await _ask(gate, _invented(f"INVENTEDKEY{at:07}"))

    asyncio.run(ask())
    assert sigv4.signing_hash.cache_info().currsize == 2


@pytest.mark.parametrize(
    "wire",
    [
        _bare("GET", authorization="AWS AKID:c2lnbmF0dXJl"),
        _bare("GET", query=b"AWSAccessKeyId=AKID&Signature=x&Expires=1"),
    ],
)
async def test_case_17_signature_version_2_is_refused_with_a_hint(wire: Wire) -> None:
    with pytest.raises(MalformedCredential, match="Version 4") as refused:
        await _ask(_gate(), wire)
    assert refused.value.status == 400


async def test_case_20_headers_that_name_a_principal_have_no_effect() -> None:
    wire = botocore_headers("GET", PATH)
    for name in (b"x-sluice-principal", b"x-principal", b"x-forwarded-user", b"remote-user"):
        wire = wire.with_header(name, b"root")
    assert (await _ask(_gate(), wire)).principal == Principal("alice", KEY_ID)
    with pytest.raises(Unauthenticated):
        await _ask(_gate(), _bare("GET", x_sluice_principal="root"), PLAIN)


async def test_case_31_a_disabled_key_ends_at_once() -> None:
    keys = Keys(KEY)
    gate = _gate(keys)
    wire = _presigned("GET")
    await _ask(gate, wire)
    del keys.keys[KEY_ID]
    with pytest.raises(UnknownKey):
        await _ask(gate, wire)
    assert keys.asked == [(KEY_ID, NOW), (KEY_ID, NOW)]


async def test_a_changed_request_is_refused() -> None:
    wire = botocore_headers("PUT", PATH, body=b"x")
    with pytest.raises(SignatureMismatch):
        await _ask(_gate(), replace(wire, path=b"/photos/other"))


async def test_the_skew_comes_from_the_settings() -> None:
    wire = botocore_headers("GET", PATH)
    gate = _gate(auth=AuthSection(max_skew=10))
    await _ask(gate, wire, now=NOW + 10)
    with pytest.raises(GatewayError):
        await _ask(gate, wire, now=NOW + 11)


@pytest.mark.parametrize(
    "wire",
    [botocore_headers("PUT", SLOT_PATH), botocore_presigned("GET", SLOT_PATH)],
    ids=["header", "query"],
)
async def test_slots_take_no_aws_signature(wire: Wire) -> None:
    with pytest.raises(Forbidden, match="upload slots"):
        await _ask(_gate(), wire, SLOT)


async def test_a_slots_bearer_token_is_for_put_and_where_it_is_enabled() -> None:
    with pytest.raises(Forbidden, match="bearer"):
        await _ask(_gate(), _slot_bearer("DELETE"), SLOT)
    with pytest.raises(Forbidden, match="bearer"):
        await _ask(_gate(slot=_slot(versions=("v2",))), _slot_bearer(), SLOT)
    # A key's token is nothing to a slot, whose secret is another.
    with pytest.raises(SignatureMismatch):
        await _ask(_gate(), _bearer(path=SLOT_PATH), SLOT)


async def test_pitfall_07_a_slots_bearer_token_signs_a_size_and_needs_a_length() -> None:
    with pytest.raises(LengthRequired):
        await _ask(_gate(), _slot_bearer(length=None), SLOT)


async def test_pitfall_37_no_refusal_shows_a_secret() -> None:
    refusals = []
    for wire, target in (
        (botocore_headers("GET", PATH, secret="wrong"), S3),
        (botocore_presigned("GET", PATH, secret="wrong"), S3),
        (_bearer(exp=NOW - 1), PLAIN),
        (_slot_bearer(exp=NOW - 1), SLOT),
        (_bare("PUT", SLOT_PATH, b"v=00", content_length="7"), SLOT),
    ):
        with pytest.raises(GatewayError) as refused:
            await _ask(_gate(), wire, target)
        refusals.append(refused.value.detail + repr(refused.value.members))
    right = sigv4_of(botocore_headers("GET", PATH))
    expected = slot_token.sign_v(SLOT_SECRET, "s/f.txt", 7)
    for text in refusals:
        for secret in (SECRET, SLOT_SECRET, right, expected):
            assert secret not in text


def sigv4_of(wire: Wire) -> str:
    """The signature in a wire's Authorization header."""
    return wire.header(b"authorization").rpartition(b"=")[2].decode()


# --- no input does anything else ----------------------------------------------------------------

_HEADS = (
    botocore_headers("PUT", PATH, b"partNumber=1", [("x-amz-meta-a", "b")], body=b"x"),
    _presigned(),
    _bearer(jti="n", sub="u"),
    _slot_bearer(),
    _bare("PUT", SLOT_PATH, b"v=0&v2=1&v3=2&expires=3", content_length="7"),
)
_pieces = st.sampled_from(
    [
        *(value for wire in _HEADS for _, value in wire.headers),
        *(piece for wire in _HEADS for piece in wire.query.split(b"&")),
        b"AWS4-HMAC-SHA256 Credential=,SignedHeaders=,Signature=",
        b"Bearer ..",
        b"UNSIGNED-PAYLOAD",
        b"STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        b"%",
        b"%ff",
        b"\xff\x00",
        b"",
    ]
)
_names = st.sampled_from(
    b"host authorization date x-amz-date x-amz-content-sha256 x-amz-security-token x-amz-\xff"
    b" content-length content-type x".split()
)
_values = _pieces | st.binary(max_size=40) | st.tuples(_pieces, st.binary(max_size=3)).map(b"".join)


def _settle(wire: Wire, target: Target) -> None:
    """Run the gate to its end, without an event loop: nothing here waits for anything."""
    asked = _gate().authenticate(wire.head(), target, NOW)
    with pytest.raises((StopIteration, GatewayError)):
        asked.send(None)


@settings(max_examples=400)
@given(
    wire=st.sampled_from(_HEADS),
    method=st.sampled_from(["GET", "PUT", "DELETE", "POST", "x"]),
    path=st.sampled_from([PATH, SLOT_PATH, b"/upload/%", b"*", b""]) | st.binary(max_size=12),
    query=st.none() | st.lists(_values, max_size=5).map(b"&".join),
    headers=st.lists(st.tuples(_names, _values), max_size=3),
    target=st.sampled_from([S3, PLAIN, SLOT, Target("s3", None)]),
)
def test_no_input_raises_anything_but_gateway_errors(
    wire: Wire,
    method: str,
    path: bytes,
    query: bytes | None,
    headers: list[tuple[bytes, bytes]],
    target: Target,
) -> None:
    changed = replace(wire, method=method, path=path, query=wire.query if query is None else query)
    for name, value in headers:
        changed = changed.with_header(name, value)
    _settle(changed, target)


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                *("bucket", "key", "prefix", "exp", "nbf", "iat", "methods", "max_size", "sub"),
                *("jti", "aud", "slot", "filename", "filesize", "filetype", "content_type"),
            ]
        ),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5)
        | st.lists(st.text(max_size=3), max_size=2),
    ),
    st.booleans(),
)
def test_no_signed_claims_raise_anything_but_gateway_errors(
    claims: dict[str, Any], on_slot: bool
) -> None:
    _settle(_slot_bearer(**claims), SLOT) if on_slot else _settle(_bearer(**claims), PLAIN)


async def test_heads_used_for_fuzzing_pass_unchanged() -> None:
    for wire, target in zip(_HEADS[:4], (S3, S3, PLAIN, SLOT), strict=True):
        assert (await _ask(_gate(), wire, target)).signed
    host = (b"host", HOST.encode())
    credentials = Credentials(key_id=KEY_ID, secret=SECRET, region=REGION)
    added = sign_headers("GET", PATH, b"", [host], credentials, payload=sigv4.EMPTY_SHA256, now=NOW)
    head = RequestHead("GET", PATH, b"", (host, *added))
    assert (await _gate().authenticate(head, S3, NOW)).principal.id == "alice"


# --- forms --------------------------------------------------------------------------------------


async def test_case_83_a_signed_form_is_its_keys_and_as_narrow_as_its_policy() -> None:
    conditions = [*UNDER_A, ["content-length-range", 1, 9]]
    head = _form(signed(conditions, {"key": "a/${filename}"}))
    grant = await _gate().authenticate(head, BUCKET, time.time())
    assert grant == Grant(
        principal=Principal("alice", KEY_ID),
        scheme="sigv4-form",
        policy="upload-only",
        constraints=Constraints(
            methods=frozenset({"POST"}), bucket="photos", key="a/f.txt", min_size=1, max_size=9
        ),
    )


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (lambda: signed(UNDER_A, {"key": "b"}), Forbidden),
        (lambda: signed(UNDER_A, {"key": "a/b"}, key_id="NOBODY"), UnknownKey),
        (lambda: signed(UNDER_A, {"key": "a/b"}, secret="x"), SignatureMismatch),
        # Who did not sign learns nothing of what is wrong with the policy.
        (lambda: signed([], policy="?", secret="x"), SignatureMismatch),
        (lambda: signed([], policy="?"), MalformedPolicyDocument),
        (lambda: {"policy": "e30="}, MalformedCredential),
    ],
)
async def test_case_83_a_form_whose_credential_does_not_hold_is_refused(
    fields: Callable[[], dict[str, str]], error: type[GatewayError]
) -> None:
    with pytest.raises(error):
        await _gate(anonymous={"photos": "full-access"}).authenticate(
            _form(fields()), BUCKET, time.time()
        )


async def test_case_96_an_unknown_key_costs_a_form_the_same_hmac(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = []
    compare = hmac.compare_digest

    def recorded(a: Any, b: Any) -> bool:
        compared.append(a)
        return compare(a, b)

    monkeypatch.setattr(hmac, "compare_digest", recorded)
    with pytest.raises(UnknownKey):
        await _gate(Keys()).authenticate(
            _form(signed(UNDER_A, {"key": "a/b"}, secret=authenticator_module._DECOY)),
            BUCKET,
            time.time(),
        )
    assert len(compared) == 1


async def test_case_02_a_form_has_no_second_credential() -> None:
    fields = signed(UNDER_A, {"key": "a/b"})
    for sent in ("Bearer x", "AWS4-HMAC-SHA256 x"):
        with pytest.raises(AmbiguousCredentials):
            await _gate().authenticate(_form(fields, authorization=sent), BUCKET, time.time())


async def test_case_05_a_form_takes_no_signature_from_its_head() -> None:
    wire = botocore_headers("POST", b"/photos")
    with pytest.raises(MalformedCredential):
        await _gate(anonymous={"photos": "full-access"}).authenticate(wire.head(), BUCKET, NOW)
    with pytest.raises(MalformedCredential):
        await _gate(anonymous={"photos": "full-access"}).authenticate(
            replace(_presigned("POST"), path=b"/photos").head(), BUCKET, NOW
        )


async def test_a_form_without_a_credential_is_anonymous_where_a_policy_says_so() -> None:
    head = _form({"key": "a"})
    grant = await _gate(anonymous={"photos": "public"}).authenticate(head, BUCKET, NOW)
    assert (grant.principal, grant.policy, grant.signed) == (ANONYMOUS, "public", False)
    with pytest.raises(Unauthenticated):
        await _gate().authenticate(head, BUCKET, NOW)
