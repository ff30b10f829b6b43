"""Endpoints, URLs, signatures: what is signed verifies as the gateway verifies."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.client.account import Account, raw_path
from gateway.errors import BadRequest
from gateway.model import ObjectKey
from gateway.protocol.commands import RequestHead
from gateway.protocol.signatures import sigv4
from gateway.protocol.signatures.authorization import read_header
from gateway.protocol.signatures.canonical import CanonicalQuery, decode_once
from gateway.protocol.signatures.presign import read_query

ACCOUNT = Account(endpoint="http://127.0.0.1:8080", access_key_id="A" * 16, secret="s")
NOW = 1_800_000_000.0
KEY = ObjectKey("photos", "a b/ü.jpg")


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "127.0.0.1:8080",
        "ftp://host",
        "http://",
        "http://host/path",
        "http://u:p@host",
        "http://h?x",
    ],
)
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="is no endpoint; write for example"):
        Account(endpoint=endpoint, access_key_id="A", secret="s")


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("http://h:80", "h"),
        ("https://h:443/", "h"),
        ("http://h:443", "h:443"),
        ("https://[::1]:8443", "[::1]:8443"),
    ],
)
def test_the_host_has_a_port_only_where_it_is_not_the_schemes_own(endpoint: str, host: str) -> None:
    assert Account(endpoint=endpoint, access_key_id="A", secret="s").host == host


def test_signed_headers_verify() -> None:
    url, headers = ACCOUNT.signed(
        "PUT",
        KEY,
        {"content-length": "1", "content-type": "a/b", "x-amz-meta-x": "y"},
        sigv4.EMPTY_SHA256,
        NOW,
    )
    assert url == "http://127.0.0.1:8080/photos/a%20b/%C3%BC.jpg"
    head = RequestHead(
        "PUT",
        urlsplit(url).path.encode(),
        headers=[(name.encode(), value.encode()) for name, value in headers.items()],
    )
    claim = read_header(head, CanonicalQuery(b""), region="us-east-1", now=NOW, max_skew=1)
    assert sigv4.verify(claim, "s").payload is not None
    assert "content-type;host" in headers["authorization"]
    assert "content-length" not in headers["authorization"]


def test_a_presigned_url_verifies_until_it_expires() -> None:
    parts = urlsplit(ACCOUNT.presigned("GET", KEY, expires=60, now=NOW))
    head = RequestHead(
        "GET", parts.path.encode(), parts.query.encode(), [(b"host", b"127.0.0.1:8080")]
    )
    claim = read_query(
        head, CanonicalQuery(parts.query.encode()), region="us-east-1", now=NOW + 60, max_skew=1
    )
    assert sigv4.verify(claim, "s").payload is None


def test_a_presigned_url_lives_seven_days_at_most() -> None:
    with pytest.raises(BadRequest, match="604800"):
        ACCOUNT.presigned("GET", KEY, expires=604_801, now=NOW)


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_a_path_decodes_to_its_key_and_nothing_on_the_way_can_shorten_it(name: str) -> None:
    path = raw_path(ObjectKey("b", name))
    assert decode_once(path).decode() == f"/b/{name}"
    assert not {b".", b".."} & set(path.split(b"/"))


def test_a_secret_is_not_shown() -> None:
    assert "secret" not in repr(Account(endpoint="http://h", access_key_id="A", secret="secret"))
