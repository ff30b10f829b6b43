"""What is signed is what the gateway verifies."""

import shlex
from typing import Any
from urllib.parse import urlsplit

import click
import pytest

from gateway.cli.signed import SignedRequest, Wanted, sign_page, sign_slot, sign_with_key
from gateway.client import Account
from gateway.model import ObjectKey
from gateway.protocol.commands import RequestHead
from gateway.protocol.signatures import jwt, sigv4, slot_token
from gateway.protocol.signatures.canonical import CanonicalQuery
from gateway.protocol.signatures.presign import read_query
from gateway.protocol.signatures.slot_token import SlotSecrets
from gateway.settings import SlotSection

NOW = 1_800_000_000.0
ACCOUNT = Account(endpoint="http://h:1", access_key_id="A" * 16, secret="s")
SLOT = SlotSection.model_validate(
    {
        "bucket": "files",
        "base_path": "/upload/",
        "secret": "slot secret",
        "delete_secret": "del",
        "versions": ["v", "v2", "v3", "token", "jwt"],
    }
)
KEY = ObjectKey("files", "abc/a cat ü.jpg")


def wanted(method: str = "PUT", **more: Any) -> Wanted:
    arguments: dict[str, Any] = {"method": method, "key": KEY, "expires": 60, "now": NOW}
    return Wanted(**(arguments | more))


def head_of(signed: SignedRequest, **headers: str) -> RequestHead:
    parts = urlsplit(signed.url)
    sent = {"host": "h:1", **{k.lower(): v for k, v in signed.headers.items()}, **headers}
    return RequestHead(
        signed.wanted.method,
        parts.path.encode(),
        parts.query.encode(),
        [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()],
    )


def test_a_presigned_url_verifies() -> None:
    head = head_of(sign_with_key(wanted("GET"), "sigv4", ACCOUNT))
    claim = read_query(
        head, CanonicalQuery(head.raw_query), region="us-east-1", now=NOW, max_skew=1
    )
    sigv4.verify(claim, "s")


@pytest.mark.parametrize(
    ("name", "place"),
    [("inbox/", ("inbox/", None)), ("inbox/cat.jpg", (None, "inbox/cat.jpg"))],
)
def test_a_link_to_the_page_is_for_a_folder_or_one_object_and_any_number_of_uploads(
    name: str, place: tuple[str | None, str | None]
) -> None:
    link = sign_page(wanted(key=ObjectKey("files", name), size=7), ACCOUNT)
    page, _, token = link.partition("#token=")
    claims = jwt.verify(token, "s", now=NOW, max_skew=1)

    assert page == "http://h:1/-/upload"
    assert (claims.bucket, claims.prefix, claims.key) == ("files", *place)
    assert (claims.methods, claims.max_size) == (frozenset({"POST", "PUT"}), 7)
    assert (claims.exp, claims.jti) == (NOW + 60, None)


@pytest.mark.parametrize("more", [{"size": 1}, {"content_type": "a/b"}])
def test_a_presigned_url_refuses_to_pretend_that_it_signs_more(more: dict[str, Any]) -> None:
    with pytest.raises(click.UsageError, match="not signed by sigv4"):
        sign_with_key(wanted(**more), "sigv4", ACCOUNT)


def test_a_bearer_token_verifies_with_everything_that_narrows_it() -> None:
    signed = sign_with_key(wanted(size=7, content_type="a/b"), "jwt", ACCOUNT)
    token = signed.headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.verify(token, "s", now=NOW, max_skew=1)
    assert jwt.key_id(token) == ACCOUNT.access_key_id
    assert (claims.bucket, claims.key) == (KEY.bucket, KEY.name)
    assert (claims.methods, claims.max_size) == (frozenset({"PUT"}), 7)
    assert (claims.content_type, claims.exp) == ("a/b", NOW + 60)
    other = sign_with_key(wanted(), "jwt", ACCOUNT)
    assert other.headers["Authorization"] != signed.headers["Authorization"]
    assert "Content-Type" not in other.headers


@pytest.mark.parametrize("scheme", ["v", "v2", "v3", "token"])
def test_a_slot_token_verifies(scheme: str) -> None:
    signed = sign_slot(wanted(size=7, content_type="image/jpeg"), scheme, SLOT, "http://h:1")
    head = head_of(signed, content_length="7")
    verdict = slot_token.verify(
        head,
        CanonicalQuery(head.raw_query),
        path=slot_token.slot_path(head.raw_path, SLOT.base_path),
        base_path=SLOT.base_path,
        secrets=SlotSecrets(secret="slot secret", delete_secret="del"),
        versions=(scheme,),
        now=NOW,
    )
    assert verdict.version == scheme


def test_a_slots_delete_verifies() -> None:
    head = head_of(sign_slot(wanted("DELETE"), "token", SLOT, "http://h:1"))
    slot_token.verify(
        head,
        CanonicalQuery(head.raw_query),
        path=KEY.name,
        base_path=SLOT.base_path,
        secrets=SlotSecrets(secret="slot secret", delete_secret="del"),
        versions=("token",),
        now=NOW,
    )


def test_a_slots_jwt_verifies() -> None:
    signed = sign_slot(wanted(size=7), "jwt", SLOT, "http://h:1")
    token = signed.headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.verify_slot(token, "slot secret", path=KEY.name, now=NOW, max_skew=1)
    assert (claims.filesize, claims.filetype) == (7, "application/octet-stream")


@pytest.mark.parametrize(
    ("request_", "scheme", "complaint"),
    [
        (wanted(key=ObjectKey("other", "k"), size=1), "v2", "in the bucket files"),
        (wanted(), "v", "v signs the file's size; give --size"),
        (wanted(), "jwt", "jwt signs the file's size"),
        (wanted("GET", size=1), "v2", "GET needs no signature"),
        (wanted("GET", size=1), "jwt", "PUT of BUCKET/SLOT-ID/FILE"),
        (wanted(key=ObjectKey("files", "flat"), size=1), "jwt", "SLOT-ID/FILE"),
    ],
)
def test_what_a_slot_cannot_sign_is_told(request_: Wanted, scheme: str, complaint: str) -> None:
    with pytest.raises(click.UsageError, match=complaint):
        sign_slot(request_, scheme, SLOT, "http://h:1")


def test_a_slot_signs_only_what_it_takes() -> None:
    narrow = SLOT.model_copy(update={"versions": ("v",), "delete_secret": None})
    with pytest.raises(click.UsageError, match="takes v; not v2"):
        sign_slot(wanted(size=1), "v2", narrow, "http://h:1")
    without = SLOT.model_copy(update={"delete_secret": None})
    with pytest.raises(click.UsageError, match="no delete_secret"):
        sign_slot(wanted("DELETE"), "token", without, "http://h:1")


@pytest.mark.parametrize(
    ("method", "how"),
    [
        ("PUT", ["-T", "a cat ü.jpg"]),
        ("GET", ["-o", "a cat ü.jpg"]),
        ("HEAD", ["-I"]),
        ("DELETE", ["-X", "DELETE"]),
    ],
)
def test_the_command_to_paste_is_quoted_for_a_shell(method: str, how: list[str]) -> None:
    signed = SignedRequest(wanted(method), "http://h:1/x?a&b", {"Authorization": "Bearer t"})
    assert shlex.split(signed.curl()) == [
        "curl",
        *how,
        "-H",
        "Authorization: Bearer t",
        "http://h:1/x?a&b",
    ]


def test_headers_follow_the_url_a_line_each() -> None:
    signed = SignedRequest(wanted(), "http://h:1/x", {"Authorization": "Bearer t"})
    assert signed.text() == "http://h:1/x\nAuthorization: Bearer t"


def test_a_slots_delete_by_another_scheme_is_told_what_it_needs() -> None:
    with pytest.raises(click.UsageError, match="--scheme token and the slot's delete_secret"):
        sign_slot(wanted("DELETE"), "v2", SLOT, "http://h:1")
