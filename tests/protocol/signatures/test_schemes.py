"""Exactly one credential, found wherever it stands."""

import pytest

from gateway.errors import AmbiguousCredentials, BadRequest, MalformedCredential
from gateway.protocol.commands import RequestHead
from gateway.protocol.signatures.canonical import CanonicalQuery
from gateway.protocol.signatures.schemes import Scheme, bearer_token, find


def _find(
    authorization: str | None = None,
    query: str = "",
    *,
    on_slot: bool = False,
    ignore_foreign_bearer: bool = False,
) -> Scheme | None:
    headers = [(b"host", b"h")]
    if authorization is not None:
        headers.append((b"authorization", authorization.encode()))
    head = RequestHead("PUT", b"/b/k", query.encode(), headers)
    return find(
        head,
        CanonicalQuery(head.raw_query),
        on_slot=on_slot,
        ignore_foreign_bearer=ignore_foreign_bearer,
    )


@pytest.mark.parametrize(
    ("authorization", "query", "scheme"),
    [
        (None, "", None),
        (None, "v=1&signature=2", None),
        ("AWS4-HMAC-SHA256 Credential=x", "", Scheme.SIGV4),
        ("aws4-anything", "", Scheme.SIGV4),
        ("AWS KEY:signature", "", Scheme.SIGV2),
        (None, "AWSAccessKeyId=K&Signature=s&Expires=1", Scheme.SIGV2),
        ("Bearer x", "", Scheme.BEARER),
        ("bearer x", "", Scheme.BEARER),
        ("Basic dXNlcjpwYXNz", "", Scheme.UNKNOWN),
        ("", "", Scheme.UNKNOWN),
        (None, "X-Amz-Signature=x", Scheme.PRESIGNED),
        (None, "X-Amz-Credential=x", Scheme.PRESIGNED),
        (None, "x-amz-algorithm", Scheme.PRESIGNED),
    ],
)
def test_a_credential_is_found_where_it_stands(
    authorization: str | None, query: str, scheme: Scheme | None
) -> None:
    assert _find(authorization, query) is scheme


@pytest.mark.parametrize("version", ["v", "v2", "token", "v3"])
def test_slot_tokens_count_on_slots_only(version: str) -> None:
    assert _find(query=f"{version}=x", on_slot=True) is Scheme.SLOT
    assert _find(query=f"{version}=x") is None


def test_several_slot_tokens_are_one_credential() -> None:
    assert _find(query="v=1&v2=2&token=3", on_slot=True) is Scheme.SLOT


@pytest.mark.parametrize(
    ("authorization", "query", "on_slot"),
    [
        ("AWS4-HMAC-SHA256 x", "X-Amz-Signature=x", False),
        ("AWS KEY:s", "X-Amz-Signature=x", False),
        ("AWS4-HMAC-SHA256 x", "AWSAccessKeyId=K", False),
        ("Bearer x", "X-Amz-Signature=x", False),
        ("Basic x", "X-Amz-Signature=x", False),
        ("Bearer x", "AWSAccessKeyId=K", False),
        (None, "X-Amz-Signature=x&AWSAccessKeyId=K", False),
        ("Bearer x", "v=1", True),
        ("Basic x", "v2=1", True),
        (None, "v=1&X-Amz-Signature=x", True),
    ],
)
def test_case_02_two_credentials_are_refused(
    authorization: str | None, query: str, on_slot: bool
) -> None:
    with pytest.raises(AmbiguousCredentials) as refused:
        _find(authorization, query, on_slot=on_slot)
    assert refused.value.status == 400


def test_case_02_a_foreign_bearer_may_be_ignored_beside_a_presigned_url() -> None:
    found = _find("Bearer foreign", "X-Amz-Signature=x", ignore_foreign_bearer=True)
    assert found is Scheme.PRESIGNED
    assert _find("Bearer ours", ignore_foreign_bearer=True) is Scheme.BEARER
    for authorization, query, on_slot in (
        ("Basic x", "X-Amz-Signature=x", False),
        ("AWS4-HMAC-SHA256 x", "X-Amz-Signature=x", False),
        ("Bearer x", "v=1", True),
        ("Bearer x", "X-Amz-Signature=x&AWSAccessKeyId=K", False),
    ):
        with pytest.raises(AmbiguousCredentials):
            _find(authorization, query, on_slot=on_slot, ignore_foreign_bearer=True)


def test_case_10_two_authorization_headers_are_refused() -> None:
    headers = [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer a")]
    head = RequestHead("GET", b"/", b"", headers)
    with pytest.raises(BadRequest):
        find(head, CanonicalQuery(b""), on_slot=False, ignore_foreign_bearer=False)


@pytest.mark.parametrize(("value", "token"), [(b"Bearer a.b.c", "a.b.c"), (b"bearer  x", "x")])
def test_a_bearer_token_is_the_second_word(value: bytes, token: str) -> None:
    assert bearer_token(RequestHead("GET", b"/", b"", [(b"authorization", value)])) == token


@pytest.mark.parametrize("value", [b"Bearer", b"Bearer a b", b""])
def test_a_bearer_header_of_another_form_is_refused(value: bytes) -> None:
    with pytest.raises(MalformedCredential):
        bearer_token(RequestHead("GET", b"/", b"", [(b"authorization", value)]))
