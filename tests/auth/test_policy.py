"""What policies decide. The rules are those of shipped or written files, read as in production."""

import posixpath
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.policies import Policies, shipped_folder
from gateway.auth.policy import AccessRequest, Area, Decision, Policy, Serving, essence
from gateway.auth.policy_file import read_policy
from gateway.model import Action, ObjectKey
from gateway.units import GiB, MiB

ACTIONS: tuple[Action, ...] = ("read", "write", "delete", "list")


@pytest.fixture(scope="module")
def shipped() -> Policies:
    return Policies.load(shipped_folder())


@pytest.fixture(scope="module")
def every(shipped: Policies, tmp_path_factory: pytest.TempPathFactory) -> tuple[Policy, ...]:
    """All that are shipped, and one with a rule of each kind."""
    return (*shipped, _policy(tmp_path_factory.mktemp("policies"), RULES))


def _policy(folder: Path, text: str) -> Policy:
    (folder / "p.toml").write_text(text, encoding="utf-8")
    return read_policy(folder / "p.toml")


def _decide(
    policy: Policy,
    action: Action,
    name: str = "a/b.png",
    *,
    bucket: str = "photos",
    principal: str | None = "alice",
    size: int | None = None,
    content_type: str | None = None,
) -> Decision:
    return policy.decide(
        AccessRequest(
            action=action,
            key=ObjectKey(bucket, name),
            principal=principal,
            size=size,
            content_type=content_type,
        )
    )


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("full-access", {"read", "write", "delete", "list"}),
        ("read-only", {"read", "list"}),
        ("upload-only", {"write"}),
        ("public-read", {"read"}),
    ],
)
def test_shipped_policies_allow_what_their_name_says(
    shipped: Policies, name: str, allowed: set[str]
) -> None:
    policy = shipped.get(name)
    assert {action for action in ACTIONS if _decide(policy, action).allowed} == allowed


def test_upload_only_never_replaces(shipped: Policies) -> None:
    assert not _decide(shipped.get("upload-only"), "write").overwrite
    assert _decide(shipped.get("full-access"), "write").overwrite


def test_an_empty_policy_refuses_everything_and_says_what_to_do(tmp_path: Path) -> None:
    policy = _policy(tmp_path, "")
    for action in ACTIONS:
        decision = _decide(policy, action)
        assert (decision.allowed, decision.refusal) == (False, "forbidden")
        assert "p.toml" in decision.reason
        assert f'actions = ["{action}"]' in decision.reason


def test_a_rule_covers_its_buckets_only(tmp_path: Path) -> None:
    policy = _policy(tmp_path, '[[rules]]\nactions = ["read"]\nbuckets = ["photos", "films"]')
    allowed = [_decide(policy, "read", bucket=name).allowed for name in ("photos", "films", "p")]
    assert allowed == [True, True, False]


FOLDER = '[[rules]]\nactions = ["read"]\nbuckets = ["*"]\nfolders = ["team1"]'


@pytest.mark.parametrize(
    "name", ["team10/x", "team1", "../team1/x", "Team1/x", "/team1/x", "x/team1/x", ""]
)
def test_case_67_a_folder_holds_whole_segments_only(tmp_path: Path, name: str) -> None:
    policy = _policy(tmp_path, FOLDER)
    assert not _decide(policy, "read", name).allowed
    assert _decide(policy, "read", "team1/x").allowed
    assert _decide(policy, "read", "team1//x").allowed


@pytest.mark.parametrize(
    "name", ["team1/../team2/x", "team1/..", "team1/./x", "team1/x/../../team2/y", "../other"]
)
def test_case_58_a_key_with_dot_segments_lies_in_no_folder(tmp_path: Path, name: str) -> None:
    assert not _decide(_policy(tmp_path, FOLDER), "read", name).allowed


@pytest.mark.parametrize(
    "name", ["team1/%2e%2e/team2/x", "team1/..hidden", "team1/a..b", "team1/%2F"]
)
def test_case_58_the_decoded_key_is_taken_literally(tmp_path: Path, name: str) -> None:
    assert _decide(_policy(tmp_path, FOLDER), "read", name).allowed


def test_case_58_a_raw_prefix_is_raw(tmp_path: Path) -> None:
    policy = _policy(
        tmp_path, '[[rules]]\nactions = ["read"]\nbuckets = ["*"]\nprefixes = ["t/.."]'
    )
    assert _decide(policy, "read", "t/../x").allowed
    assert _decide(policy, "read", "t/..x").allowed
    assert not _decide(policy, "read", "x").allowed


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_case_63_prefixes_are_compared_bytewise(tmp_path: Path, form: str) -> None:
    nfc, nfd = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
    written, other = (nfc, nfd) if form == "NFC" else (nfd, nfc)
    for key in ("prefixes", "folders"):
        policy = _policy(
            tmp_path, f'[[rules]]\nactions = ["read"]\nbuckets = ["*"]\n{key} = ["{written}"]'
        )
        assert _decide(policy, "read", written + "/x").allowed
        assert not _decide(policy, "read", other + "/x").allowed


@given(start=st.text(min_size=1), name=st.text())
def test_case_63_a_raw_prefix_means_the_same_on_text_and_on_bytes(start: str, name: str) -> None:
    def raw(text: str) -> bytes:
        return text.encode("utf-8")

    for key in (name, start + name):
        assert Area(start).holds(key, "p") == raw(key).startswith(raw(start))


@given(rest=st.text(alphabet="ab/.", max_size=12), folder=st.sampled_from(["a", "a/", "a/b"]))
def test_a_folder_never_holds_what_resolves_outside_of_it(rest: str, folder: str) -> None:
    for name in (rest, f"{folder}/{rest}"):
        if Area(folder, segments=True).holds(name, None):
            assert (posixpath.normpath(name) + "/").startswith(folder.rstrip("/") + "/")


OWN = '[[rules]]\nactions = ["write"]\nbuckets = ["*"]\nfolders = ["users/${principal}"]'


def test_a_principal_has_a_folder_of_its_own(tmp_path: Path) -> None:
    policy = _policy(tmp_path, OWN)
    assert _decide(policy, "write", "users/alice/x").allowed
    assert not _decide(policy, "write", "users/bob/x").allowed
    assert not _decide(policy, "write", "users/alice2/x").allowed
    assert not _decide(policy, "write", "users/${principal}/x").allowed


def test_an_own_prefix_works_like_an_own_folder(tmp_path: Path) -> None:
    policy = _policy(
        tmp_path,
        '[[rules]]\nactions = ["write"]\nbuckets = ["*"]\nprefixes = ["u-${principal}/in-"]',
    )
    assert _decide(policy, "write", "u-alice/in-1").allowed
    assert not _decide(policy, "write", "u-alice/out").allowed


@pytest.mark.parametrize(
    "principal", [None, "", ".", "..", "a/b", "../bob", "x..y", "a\\b", "a\x00", "a\nb", "/"]
)
def test_a_principal_that_is_no_segment_has_no_folder(
    tmp_path: Path, principal: str | None
) -> None:
    policy = _policy(tmp_path, OWN)
    name = f"users/{principal}/x"
    assert not _decide(policy, "write", name, principal=principal).allowed
    assert not _decide(policy, "write", "users//x", principal=principal).allowed


LIMITS = """
[[rules]]
name = "films"
actions = ["write", "read"]
buckets = ["*"]
content_types = ["video/*"]
max_size = "1GiB"

[[rules]]
actions = ["write"]
buckets = ["*"]
content_types = ["image/png", "image/x-*"]
max_size = "10MiB"
overwrite = false
"""


def test_the_first_rule_that_fits_gives_the_limits(tmp_path: Path) -> None:
    policy = _policy(tmp_path, LIMITS)
    film = _decide(policy, "write", content_type="video/mp4", size=GiB)
    image = _decide(policy, "write", content_type="image/png", size=10 * MiB)
    assert (film.allowed, film.max_size, film.overwrite) == (True, GiB, True)
    assert (image.allowed, image.max_size, image.overwrite) == (True, 10 * MiB, False)


def test_one_byte_over_the_limit_is_too_large(tmp_path: Path) -> None:
    decision = _decide(_policy(tmp_path, LIMITS), "write", content_type="video/mp4", size=GiB + 1)
    assert (decision.allowed, decision.refusal, decision.max_size) == (False, "too-large", GiB)
    assert "p.toml, rule 1 (films)" in decision.reason


def test_an_unknown_size_is_allowed_with_its_limit(tmp_path: Path) -> None:
    decision = _decide(_policy(tmp_path, LIMITS), "write", content_type="video/mp4")
    assert (decision.allowed, decision.max_size) == (True, GiB)


@pytest.mark.parametrize(
    "content_type", [None, "", "text/html", "image/svg+xml", "image/pngx", "png"]
)
def test_other_content_types_are_refused(tmp_path: Path, content_type: str | None) -> None:
    decision = _decide(_policy(tmp_path, LIMITS), "write", content_type=content_type)
    assert (decision.allowed, decision.refusal) == (False, "media-type")


@pytest.mark.parametrize("content_type", ["image/png", "IMAGE/PNG", "image/png; a=b", " image/x-y"])
def test_content_types_ignore_case_and_parameters(tmp_path: Path, content_type: str) -> None:
    assert _decide(_policy(tmp_path, LIMITS), "write", content_type=content_type).allowed


def test_limits_of_writes_do_not_touch_reads(tmp_path: Path) -> None:
    decision = _decide(_policy(tmp_path, LIMITS), "read", size=2 * GiB)
    assert (decision.allowed, decision.max_size) == (True, None)


def test_a_missing_content_type_counts_as_octets() -> None:
    assert [essence(value) for value in (None, "", ";x", "Text/HTML ; a=b")] == [
        "application/octet-stream",
        "application/octet-stream",
        "application/octet-stream",
        "text/html",
    ]


HEADERS = """
[[headers]]
match = { buckets = ["site"], keys = ["assets/*", "*.css"] }
set = { Cache-Control = "public, max-age=31536000, immutable" }

[[headers]]
match = { content_types = ["text/*"], buckets = ["site"] }
set = { Cache-Control = "no-cache", X-Served-By = "sluice" }
inline = "all"
"""


@pytest.mark.parametrize(
    ("bucket", "name", "content_type", "serving"),
    [
        ("photos", "assets/a", "text/css", Serving()),
        (
            "site",
            "assets/deep/a.js",
            None,
            Serving(((b"cache-control", b"public, max-age=31536000, immutable"),)),
        ),
        (
            "site",
            "a.css",
            "Text/CSS; charset=utf-8",
            Serving(
                (
                    (b"cache-control", b"public, max-age=31536000, immutable"),
                    (b"x-served-by", b"sluice"),
                ),
                "all",
            ),
        ),
        (
            "site",
            "index.html",
            "text/html",
            Serving(((b"cache-control", b"no-cache"), (b"x-served-by", b"sluice")), "all"),
        ),
        ("site", "index.html", "image/svg+xml", Serving()),
    ],
)
def test_headers_are_set_by_pattern_and_the_first_wins(
    tmp_path: Path, bucket: str, name: str, content_type: str | None, serving: Serving
) -> None:
    policy = _policy(tmp_path, HEADERS)
    assert policy.serving(ObjectKey(bucket, name), content_type) == serving


def test_case_86_shipped_policies_serve_active_content_safely(shipped: Policies) -> None:
    for policy in shipped:
        assert policy.serving(ObjectKey("b", "x.html"), "text/html").inline == "safe"


RULES = """
[[rules]]
actions = ["write"]
buckets = ["typed"]
content_types = ["image/*"]
[[rules]]
actions = ["write"]
buckets = ["limited"]
max_size = "1KiB"
[[rules]]
actions = ["read", "write"]
buckets = ["own"]
prefixes = ["${principal}/"]
[[rules]]
actions = ["read", "list"]
buckets = ["*"]
[[rules]]
actions = ["write", "delete"]
buckets = ["open", "own"]
overwrite = false
"""
BUCKETS = ("typed", "limited", "own", "open", "other")


@given(
    st.sampled_from(ACTIONS),
    st.sampled_from(BUCKETS),
    st.sampled_from(("a/b.png", "alice/a", "")),
    st.sampled_from(("alice", None)),
    st.sampled_from((None, 0, 5000)),
    st.sampled_from((None, "image/png", "text/html")),
)
def test_a_standing_decision_is_the_one_that_is_made(
    every: tuple[Policy, ...],
    action: Action,
    bucket: str,
    name: str,
    principal: str | None,
    size: int | None,
    content_type: str | None,
) -> None:
    for policy in every:
        decided = _decide(
            policy,
            action,
            name,
            bucket=bucket,
            principal=principal,
            size=size,
            content_type=content_type,
        )
        assert policy.standing(action, bucket) in (None, decided)


def test_what_depends_on_more_than_the_bucket_is_never_standing(every: tuple[Policy, ...]) -> None:
    policy = every[-1]
    assert [bucket for bucket in BUCKETS if policy.standing("write", bucket)] == ["open"]
    assert [bucket for bucket in BUCKETS if policy.standing("read", bucket)] == [
        "typed",
        "limited",
        "open",
        "other",
    ]
    assert policy.standing("delete", "other") is None


def test_names_of_buckets_fill_no_memory(every: tuple[Policy, ...]) -> None:
    policy = every[-1]
    for number in range(3000):
        assert policy.standing("read", f"b{number}") is not None
    assert len(policy._standing) <= 1024
