"""Upload URLs as credentials: they suffice alone, for one upload, as long as their key counts."""

from dataclasses import replace

import jwt
import pytest

from gateway.auth import capability
from gateway.auth.authenticator import Authenticator, Rules
from gateway.auth.capability import SCHEME, UploadAccess, capability_of, mac_of, tag_of
from gateway.auth.key import Key
from gateway.auth.policies import Policies
from gateway.auth.policy import Policy, Rule
from gateway.errors import (
    Forbidden,
    GatewayError,
    TooLarge,
    Unauthenticated,
    UnknownKey,
    UploadGone,
    UploadNotFound,
)
from gateway.model import ANONYMOUS, ObjectKey, Principal
from gateway.protocol.commands import RequestHead, Target
from gateway.sessions.memory import MemorySessions
from gateway.sessions.uploads import Cut, UploadSession

NOW = 1_800_000_000.0
UPLOAD = "a" * 22
ALICE, BOB = "ALICEALICEALICEA", "BOBBOBBOBBOBBOBB"
SECRET = "alice's secret, which is long enough for HS256"


class Keys:
    def __init__(self) -> None:
        self.keys = {
            ALICE: Key(id=ALICE, secret=SECRET, principal="alice", policy="all"),
            BOB: Key(id=BOB, secret=SECRET, principal="bob", policy="all"),
        }

    def find(self, key_id: str, now: float) -> Key | None:
        found = self.keys.get(key_id)
        return found if found is not None and found.counts(now) else None

    def list(self) -> tuple[Key, ...]:
        return tuple(self.keys.values())


SESSION = UploadSession(
    id=UPLOAD,
    dialect="tus",
    principal=Principal("alice", ALICE),
    policy="all",
    target=ObjectKey("photos", "a.jpg"),
    store="main",
    key=ObjectKey("photos", "a.jpg"),
    cut=Cut(start=5, cap=5, run=None, max_parts=10),
    created=NOW,
)


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def access(keys: Keys) -> UploadAccess:
    rule = Rule(place="here", actions=frozenset({"write"}), max_size=100, overwrite=False)
    less = replace(rule, max_size=10)
    policies = Policies(
        {
            "all": Policy(name="all", file="all.toml", rules=(rule,)),
            "less": Policy(name="less", file="less.toml", rules=(less,)),
            "none": Policy(name="none", file="none.toml"),
        }
    )
    rules = Rules(region="us-east-1", anonymous={"photos": "less"})
    return UploadAccess(keys, Authenticator(keys, MemorySessions(), rules), policies)


def head(method: str = "PATCH", *headers: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(method, b"/-/uploads/x", b"", ((b"host", b"h"), *headers))


def bearer(key_id: str, **claims: object) -> tuple[bytes, bytes]:
    said = {"exp": NOW + 60, "bucket": "photos", **({"prefix": ""} if "key" not in claims else {})}
    token = jwt.encode({**said, **claims}, SECRET, headers={"kid": key_id})
    return b"authorization", f"Bearer {token}".encode()


def target(mac: str | None) -> Target:
    return Target("tus", None, upload=UPLOAD, mac=mac)


async def test_the_url_suffices_alone(access: UploadAccess) -> None:
    path = access.path(SESSION, NOW)
    assert path == f"/-/uploads/{UPLOAD}.{mac_of(SECRET, UPLOAD)}{tag_of(ALICE)}"
    made = path.partition(".")[2]
    assert (await access.admit(head(), target(made), SESSION, NOW)).scheme == SCHEME


async def test_a_url_from_before_there_were_tags_still_counts(access: UploadAccess) -> None:
    grant = await access.admit(head(), target(mac_of(SECRET, UPLOAD)), SESSION, NOW)
    assert (grant.principal, grant.scheme, grant.policy) == (SESSION.principal, SCHEME, "all")


@pytest.mark.parametrize(
    "mac",
    [
        "",
        "x" * 43,
        mac_of(SECRET, "b" * 22),
        mac_of("other", UPLOAD),
        mac_of(SECRET, UPLOAD) + "x",
        mac_of(SECRET, UPLOAD) + tag_of("somebody else"),
        mac_of(SECRET, UPLOAD) + tag_of(ALICE) + "x",
    ],
)
async def test_a_wrong_capability_finds_nothing(access: UploadAccess, mac: str) -> None:
    with pytest.raises(UploadNotFound):
        await access.admit(head(), target(mac), SESSION, NOW)
    with pytest.raises(UploadNotFound):
        await access.admit(head(), target(mac), None, NOW)


async def test_the_capability_ends_with_its_key(access: UploadAccess, keys: Keys) -> None:
    keys.keys[ALICE] = replace(keys.keys[ALICE], disabled=True)
    with pytest.raises(UnknownKey):
        await access.admit(head(), target(mac_of(SECRET, UPLOAD)), SESSION, NOW)
    with pytest.raises(UnknownKey):
        access.confirm(SESSION, 5, NOW)


async def test_another_principals_credential_beside_it_finds_nothing(access: UploadAccess) -> None:
    for mac in (mac_of(SECRET, UPLOAD), None):
        with pytest.raises(UploadNotFound):
            await access.admit(head("PATCH", bearer(BOB)), target(mac), SESSION, NOW)
        grant = await access.admit(head("PATCH", bearer(ALICE)), target(mac), SESSION, NOW)
        assert grant.principal.id == "alice"


async def test_a_credential_that_does_not_hold_is_refused_also_beside_it(
    access: UploadAccess,
) -> None:
    for mac in (mac_of(SECRET, UPLOAD), None):
        with pytest.raises(GatewayError):
            await access.admit(head("PATCH", bearer(ALICE, exp=NOW - 1)), target(mac), SESSION, NOW)


async def test_the_bare_id_needs_its_owner(access: UploadAccess) -> None:
    with pytest.raises(Unauthenticated):
        await access.admit(head(), target(None), SESSION, NOW)


async def test_the_owners_narrow_credential_stays_narrow(access: UploadAccess) -> None:
    for claims in ({"methods": ["GET"]}, {"key": "other.jpg"}, {"prefix": "b/"}):
        with pytest.raises(Forbidden):
            await access.admit(head("PATCH", bearer(ALICE, **claims)), target(None), SESSION, NOW)


async def test_what_nobody_signed_for_is_anybodys_who_knows_its_id(access: UploadAccess) -> None:
    session = replace(SESSION, principal=ANONYMOUS)
    assert access.path(session, NOW) == f"/-/uploads/{UPLOAD}"
    grant = await access.admit(head(), target(None), session, NOW)
    assert (grant.principal, grant.signed) == (ANONYMOUS, False)
    with pytest.raises(UploadNotFound):
        await access.admit(head("PATCH", bearer(BOB)), target(None), session, NOW)
    with pytest.raises(UploadNotFound):
        await access.admit(head(), target("x" * 43), session, NOW)


def test_what_the_policy_says_at_the_end_counts(access: UploadAccess) -> None:
    assert access.confirm(SESSION, 100, NOW) is False
    with pytest.raises(TooLarge):
        access.confirm(SESSION, 101, NOW)


async def test_the_policy_that_the_key_has_now_counts(access: UploadAccess, keys: Keys) -> None:
    for policy, error in (("less", TooLarge), ("none", Forbidden), ("gone", Forbidden)):
        keys.keys[ALICE] = replace(keys.keys[ALICE], policy=policy)
        with pytest.raises(error):
            access.confirm(SESSION, 11, NOW)
        for mac, headers in ((mac_of(SECRET, UPLOAD), ()), (None, (bearer(ALICE),))):
            grant = await access.admit(head("PATCH", *headers), target(mac), SESSION, NOW)
            assert grant.policy == policy
    keys.keys[ALICE] = replace(keys.keys[ALICE], policy="less")
    access.confirm(replace(SESSION, policy="gone"), 10, NOW)


async def test_what_strangers_may_do_in_the_bucket_now_counts(access: UploadAccess) -> None:
    session = replace(SESSION, principal=ANONYMOUS)
    access.confirm(session, 10, NOW)
    with pytest.raises(TooLarge):
        access.confirm(session, 11, NOW)
    assert (await access.admit(head(), target(None), session, NOW)).policy == "less"
    closed = replace(session, target=ObjectKey("films", "a.jpg"))
    with pytest.raises(Unauthenticated):
        access.confirm(closed, 5, NOW)
    with pytest.raises(Unauthenticated):
        await access.admit(head(), target(None), closed, NOW)


def test_who_has_no_key_keeps_the_policy_he_was_admitted_by(access: UploadAccess) -> None:
    session = replace(SESSION, principal=Principal("slot:x"), policy="less")
    access.confirm(session, 10, NOW)
    with pytest.raises(TooLarge):
        access.confirm(session, 11, NOW)


@pytest.mark.parametrize("key", [ALICE, BOB])
async def test_a_url_of_ours_whose_upload_nobody_remembers_is_gone(
    access: UploadAccess, keys: Keys, key: str
) -> None:
    """The sessions have lost their memory: the client has to begin anew, whatever it asks."""
    keys.keys[key] = replace(keys.keys[key], secret="a secret of its own")
    target = Target("tus", None, upload=UPLOAD, mac=mac_of(keys.keys[key].secret, UPLOAD))
    with pytest.raises(UploadGone):
        await access.admit(head("HEAD"), target, None, NOW)
    keys.keys[key] = replace(keys.keys[key], disabled=True)
    with pytest.raises(UploadNotFound):
        await access.admit(head("HEAD"), target, None, NOW)


@pytest.mark.parametrize("mac", [None, "x" * 43, "f"])
async def test_what_was_never_ours_is_not_found(access: UploadAccess, mac: str | None) -> None:
    with pytest.raises(UploadNotFound):
        await access.admit(head("HEAD"), Target("tus", None, upload=UPLOAD, mac=mac), None, NOW)


def _many(keys: Keys) -> Key:
    """A hundred keys; answers the last."""
    made = [
        Key(id=f"KEY{number:013}", secret=f"secret {number}", principal="p", policy="all")
        for number in range(100)
    ]
    keys.keys.update({key.id: key for key in made})
    return made[-1]


@pytest.mark.parametrize("tagged", [True, False])
async def test_a_capability_of_a_forgotten_upload_costs_few_hmacs_however_many_keys_there_are(
    access: UploadAccess, keys: Keys, monkeypatch: pytest.MonkeyPatch, tagged: bool
) -> None:
    last = _many(keys)
    asked: list[str] = []

    def counted(secret: str, upload: str) -> str:
        asked.append(secret)
        return mac_of(secret, upload)

    monkeypatch.setattr(capability, "mac_of", counted)
    with pytest.raises(UploadNotFound):
        await access.admit(head(), target("x" * 43 + tagged * tag_of(last.id)), None, NOW)
    assert len(asked) == (1 if tagged else 8)


async def test_the_last_of_many_keys_is_known_by_its_tag(access: UploadAccess, keys: Keys) -> None:
    last = _many(keys)
    with pytest.raises(UploadGone):
        await access.admit(head(), target(capability_of(last, UPLOAD)), None, NOW)
