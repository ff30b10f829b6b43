"""Policy documents: read strictly, held to completely."""

import base64
from typing import Any

import pytest

from gateway.errors import Forbidden, MalformedPolicyDocument, RequestExpired
from gateway.protocol.post_policy import Condition, PostPolicy, read_policy
from tests.protocol.forms import encoded

EXPIRATION = "2030-01-02T03:04:05Z"
EXPIRES = 1893553445.0


def document(*conditions: Any, expiration: Any = EXPIRATION) -> str:
    return encoded({"expiration": expiration, "conditions": list(conditions)})


def raw(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def test_a_policy_is_read() -> None:
    policy = read_policy(
        document(
            {"bucket": "b"},
            {"SUCCESS_action_status": 201},
            ["EQ", "$Acl", "private"],
            ["Starts-With", "$Key", "a/"],
            ["content-length-range", 1, "10"],
            ["Content-Length-Range", 0, 8],
        )
    )
    assert policy == PostPolicy(
        expires=EXPIRES,
        conditions=(
            Condition("eq", "bucket", "b"),
            Condition("eq", "success_action_status", "201"),
            Condition("eq", "acl", "private"),
            Condition("starts-with", "key", "a/"),
        ),
        min_size=1,
        max_size=8,
    )
    assert read_policy(document(expiration="2030-01-02T03:04:05.000Z")) == PostPolicy(
        expires=EXPIRES, conditions=()
    )


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "not base64!",
        raw("{}") + "\n",
        raw("no JSON"),
        raw(b"\xff"),
        raw("[" * 50_000),
        raw("[]"),
        raw("null"),
        raw("{}"),
        raw('{"expiration": "2030-01-02T03:04:05Z"}'),
        raw('{"conditions": []}'),
        raw('{"EXPIRATION": "2030-01-02T03:04:05Z", "conditions": []}'),
        raw('{"expiration": "2030-01-02T03:04:05Z", "CONDITIONS": []}'),
        raw('{"expiration": "2030-01-02T03:04:05Z", "conditions": [], "more": 1}'),
        raw('{"expiration": "2030-01-02T03:04:05Z", "conditions": [], "conditions": []}'),
        raw('{"expiration": "2030-01-02T03:04:05Z", "conditions": [{"a": "b", "a": "b"}]}'),
        raw('{"expiration": "2030-01-02T03:04:05Z", "conditions": [["eq", "$a", NaN]]}'),
        document(expiration="tomorrow"),
        document(expiration="2030-13-02T03:04:05Z"),
        document(expiration="2030-01-02T03:04:05+01:00"),
        document(expiration=5),
        encoded({"expiration": EXPIRATION, "conditions": {}}),
        document({}),
        document({"a": "b", "c": "d"}),
        document({"": "b"}),
        document({"a": None}),
        document({"a": True}),
        document({"a": ["b"]}),
        document({"a": -1}),
        document({"a": 5000}),
        document("a"),
        document([]),
        document(5),
        document(["eq", "$a"]),
        document(["eq", "$a", "b", "c"]),
        document(["eq", "a", "b"]),
        document(["eq", "$", "b"]),
        document(["ends-with", "$a", "b"]),
        document(["eq", 5, "b"]),
        document([5, "$a", "b"]),
        document(["eq", "$a", {"x": 1}]),
        document(["content-length-range"]),
        document(["content-length-range", 1]),
        document(["content-length-range", 1, 2, 3]),
        document(["content-length-range", 2, 1]),
        document(["content-length-range", -1, 1]),
        document(["content-length-range", 0, 1.5]),
        document(["content-length-range", 0, True]),
        document(["content-length-range", 0, "x"]),
        document(["content-length-range", 0, 10**20]),
        document({"content-length-range": "1"}),
    ],
)
def test_case_83_a_policy_that_is_not_understood_is_refused(policy: str) -> None:
    with pytest.raises(MalformedPolicyDocument):
        read_policy(policy)


POLICY = read_policy(
    document(
        {"bucket": "b"},
        ["starts-with", "$key", "a/"],
        ["starts-with", "$Content-Type", "image/"],
        {"x-amz-meta-a": "1"},
    )
)
FIELDS = {
    "key": "a/${filename}",
    "content-type": "image/png",
    "x-amz-meta-a": "1",
    "policy": "...",
    "x-amz-signature": "...",
    "x-ignore-me": "...",
}


def test_a_form_that_keeps_the_policy_passes() -> None:
    POLICY.check(FIELDS, "b", "a/x", EXPIRES - 1)
    POLICY.check(FIELDS | {"bucket": "b"}, "b", "a/x", EXPIRES - 1)


@pytest.mark.parametrize(
    ("fields", "bucket", "key"),
    [
        pytest.param(FIELDS | {"acl": "private"}, "b", "a/x", id="a field without a condition"),
        pytest.param(FIELDS | {"content-type": "text/html"}, "b", "a/x", id="not a prefix"),
        pytest.param(FIELDS | {"x-amz-meta-a": "11"}, "b", "a/x", id="a prefix is not equal"),
        pytest.param(FIELDS, "c", "a/x", id="another bucket"),
        pytest.param(FIELDS | {"bucket": "b"}, "c", "a/x", id="another bucket than its field"),
        pytest.param(FIELDS | {"bucket": "c"}, "b", "a/x", id="another bucket in its field"),
        pytest.param(FIELDS, "b", "b/x", id="a key outside the prefix"),
        pytest.param(FIELDS, "b", "A/x", id="case counts in values"),
        pytest.param(
            {k: v for k, v in FIELDS.items() if k != "x-amz-meta-a"}, "b", "a/x", id="missing"
        ),
        pytest.param(
            {k: v for k, v in FIELDS.items() if k != "content-type"}, "b", "a/x", id="no type"
        ),
    ],
)
def test_case_83_a_policy_is_kept_whole(fields: dict[str, str], bucket: str, key: str) -> None:
    with pytest.raises(Forbidden):
        POLICY.check(fields, bucket, key, EXPIRES - 1)


def test_case_83_every_field_needs_a_condition_bucket_and_key_too() -> None:
    bare = read_policy(document({"bucket": "b"}))
    with pytest.raises(Forbidden, match="'key'"):
        bare.check({}, "b", "k", 0)
    bare = read_policy(document({"key": "k"}))
    with pytest.raises(Forbidden, match="'bucket'"):
        bare.check({}, "b", "k", 0)


def test_an_empty_prefix_fits_anything_that_was_sent() -> None:
    free = read_policy(document({"bucket": "b"}, ["starts-with", "$key", ""]))
    free.check({}, "b", "k", 0)
    typed = read_policy(document({"bucket": "b"}, {"key": "k"}, ["starts-with", "$acl", ""]))
    with pytest.raises(Forbidden):
        typed.check({}, "b", "k", 0)


def test_case_83_an_expired_policy_is_refused() -> None:
    with pytest.raises(RequestExpired):
        POLICY.check(FIELDS, "b", "a/x", EXPIRES)


def test_names_of_fields_have_no_case_and_values_have() -> None:
    assert read_policy(document({"KEY": "K"})).conditions == (Condition("eq", "key", "K"),)
