"""Credential and policy together: the narrower one holds, and each refusal is its own error."""

from pathlib import Path

import pytest

from gateway.auth.authorise import access, access_to, authorise, may_list
from gateway.auth.grant import Constraints, Grant
from gateway.auth.policies import Policies, shipped_folder
from gateway.auth.policy import Decision, Policy
from gateway.auth.policy_file import read_policy
from gateway.errors import Forbidden, GatewayError, LengthRequired, TooLarge, UnsupportedMediaType
from gateway.model import ANONYMOUS, Action, Attributes, ObjectKey, Principal
from gateway.protocol.commands import Command, DeleteObject, Describe, GetObject, PutObject

KEY = ObjectKey("photos", "team1/a.png")
OPEN = Policies.load(shipped_folder()).get("full-access")


def _grant(constraints: Constraints = Constraints(), *, signed: bool = True) -> Grant:
    return Grant(
        principal=Principal("alice", "K") if signed else ANONYMOUS,
        scheme="test",
        policy="p",
        constraints=constraints,
        signed=signed,
    )


def _put(
    constraints: Constraints = Constraints(),
    policy: Policy = OPEN,
    *,
    key: ObjectKey = KEY,
    size: int | None = 100,
    content_type: str | None = "image/png",
    method: str = "PUT",
) -> Decision:
    grant = _grant(constraints)
    request = access_to(grant, "write", key, size=size, content_type=content_type)
    return authorise(grant, policy, method, request)


def _limited(folder: Path, text: str) -> Policy:
    (folder / "p.toml").write_text('[[rules]]\nactions = ["write"]\nbuckets = ["*"]\n' + text)
    return read_policy(folder / "p.toml")


@pytest.mark.parametrize(
    ("command", "action"),
    [
        (PutObject(key=KEY, length=5, attributes=Attributes(content_type="a/b")), "write"),
        (GetObject(key=KEY), "read"),
        (GetObject(key=KEY, head_only=True), "read"),
        (DeleteObject(key=KEY), "delete"),
    ],
)
def test_each_command_is_one_action(command: Command, action: Action) -> None:
    request = access(_grant(), command)
    assert request is not None
    assert (request.action, request.key, request.principal) == (action, KEY, "alice")
    expected = (5, "a/b") if action == "write" else (None, None)
    assert (request.size, request.content_type) == expected


def test_describing_needs_no_right() -> None:
    assert access(_grant(), Describe(key=KEY)) is None


def test_without_a_signature_there_is_no_principal() -> None:
    request = access(_grant(signed=False), GetObject(key=KEY))
    assert request is not None
    assert request.principal is None


def test_without_constraints_the_policy_decides() -> None:
    assert _put().allowed
    assert _put().max_size is None


@pytest.mark.parametrize(
    "constraints",
    [
        Constraints(methods=frozenset({"GET", "HEAD"})),
        Constraints(methods=frozenset()),
        Constraints(bucket="films"),
        Constraints(key="team1/b.png"),
        Constraints(key="team1/A.png"),
        Constraints(prefix="team2/"),
        Constraints(prefix="team"),
        Constraints(prefix="team1/a.png"),
        Constraints(prefix="/"),
        Constraints(prefix="team1//"),
    ],
)
def test_a_credential_for_something_else_is_forbidden(constraints: Constraints) -> None:
    with pytest.raises(Forbidden, match="This credential is"):
        _put(constraints)


@pytest.mark.parametrize(
    "constraints",
    [
        Constraints(methods=frozenset({"PUT"})),
        Constraints(bucket="photos", key="team1/a.png"),
        Constraints(prefix="team1"),
        Constraints(prefix="team1/"),
        Constraints(prefix=""),
        Constraints(exact_size=100, content_type="image/png"),
        Constraints(max_size=100),
    ],
)
def test_a_credential_for_this_is_good(constraints: Constraints) -> None:
    assert _put(constraints).allowed


@pytest.mark.parametrize("name", ["team10/x", "team1/../team2/x", "../team1/x", "team1"])
def test_case_67_a_prefix_of_a_credential_ends_at_a_segment(name: str) -> None:
    with pytest.raises(Forbidden):
        _put(Constraints(prefix="team1"), key=ObjectKey("photos", name))


def test_pitfall_11_a_file_name_does_not_leave_its_folder(tmp_path: Path) -> None:
    policy = _limited(tmp_path, 'folders = ["${principal}"]')
    assert _put(policy=policy, key=ObjectKey("photos", "alice/x")).allowed
    for name in ("alice/../bob/x", "/alice/x", "../alice/x", "alice/..", "bob/x"):
        with pytest.raises(Forbidden):
            _put(policy=policy, key=ObjectKey("photos", name))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("method", Forbidden),
        ("key", Forbidden),
        ("size", TooLarge),
        ("unknown size", LengthRequired),
        ("type", UnsupportedMediaType),
        ("no type", UnsupportedMediaType),
    ],
)
def test_pitfall_01_a_credential_covers_size_type_and_method(
    kind: str, error: type[GatewayError]
) -> None:
    constraints = Constraints(
        methods=frozenset({"PUT"}), key=KEY.name, exact_size=100, content_type="image/png"
    )
    assert _put(constraints).allowed
    with pytest.raises(error):
        _put(
            constraints,
            method="POST" if kind == "method" else "PUT",
            key=ObjectKey("photos", "x") if kind == "key" else KEY,
            size={"size": 101, "unknown size": None}.get(kind, 100),
            content_type={"type": "text/html", "no type": None}.get(kind, "image/png"),
        )


def test_pitfall_06_a_missing_type_counts_as_octets_for_a_credential() -> None:
    assert _put(Constraints(content_type="application/octet-stream"), content_type=None).allowed


@pytest.mark.parametrize("size", [99, 101, 0])
def test_a_size_other_than_the_signed_one_is_too_large(size: int) -> None:
    with pytest.raises(TooLarge):
        _put(Constraints(exact_size=100), size=size)


def test_the_smaller_limit_holds(tmp_path: Path) -> None:
    policy = _limited(tmp_path, "max_size = 1000")
    assert _put(policy=policy, size=None).max_size == 1000
    assert _put(Constraints(max_size=500), policy, size=None).max_size == 500
    assert _put(Constraints(max_size=5000), policy, size=None).max_size == 1000
    assert _put(Constraints(exact_size=100, max_size=5000), policy).max_size == 100


def test_both_limits_are_enforced_and_told(tmp_path: Path) -> None:
    policy = _limited(tmp_path, "max_size = 1000")
    for constraints, limit in ((Constraints(), 1000), (Constraints(max_size=500), 500)):
        with pytest.raises(TooLarge) as caught:
            _put(constraints, policy, size=1001)
        assert caught.value.members["max_size"] in (limit, 1000)
    with pytest.raises(TooLarge, match="at most 500"):
        _put(Constraints(max_size=500), policy, size=501)


def test_either_may_forbid_to_replace(tmp_path: Path) -> None:
    assert _put().overwrite
    assert not _put(Constraints(no_overwrite=True)).overwrite
    assert not _put(policy=_limited(tmp_path, "overwrite = false")).overwrite


def test_a_policy_s_content_types_are_415(tmp_path: Path) -> None:
    policy = _limited(tmp_path, 'content_types = ["image/*"]')
    with pytest.raises(UnsupportedMediaType, match="text/html"):
        _put(policy=policy, content_type="text/html")


def test_a_policy_s_refusal_is_403_and_shows_no_rule(tmp_path: Path) -> None:
    policy = _limited(tmp_path, 'folders = ["secret-project"]')
    with pytest.raises(Forbidden) as caught:
        _put(policy=policy)
    assert "'p'" in caught.value.detail
    assert "secret-project" not in caught.value.detail


def test_what_is_forbidden_learns_nothing_about_limits() -> None:
    with pytest.raises(Forbidden):
        _put(Constraints(bucket="films", exact_size=1, content_type="a/b"))


def test_constraints_on_bodies_do_not_touch_reads() -> None:
    grant = _grant(Constraints(exact_size=1, content_type="a/b", max_size=0))
    assert authorise(grant, OPEN, "GET", access_to(grant, "read", KEY)).allowed


def test_case_90_only_who_may_list_learns_that_an_object_is_missing() -> None:
    shipped = Policies.load(shipped_folder())
    assert may_list(_grant(), shipped.get("read-only"), KEY)
    assert not may_list(_grant(signed=False), shipped.get("public-read"), KEY)


def test_case_01_without_a_policy_that_allows_it_nothing_is_anonymous(tmp_path: Path) -> None:
    policy = _limited(tmp_path, "")
    grant = _grant(signed=False)
    with pytest.raises(Forbidden):
        authorise(grant, policy, "GET", access_to(grant, "read", KEY))
