"""Attacks that combine what the single cases refuse, against a running gateway."""

import base64
import hmac
import json
import time
from typing import Any

import pytest

from gateway.protocol.signatures.authorization import Credentials, sign_headers
from tests.protocol.signatures.wire import HOST, KEY_ID, SECRET, Wire, botocore_presigned
from tests.security.asking import Asker, bytes_of, unsigned

NEXT = b"GET /-/healthz HTTP/1.1\r\nHost: x\r\n\r\n"
FRAMED = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"


def streaming(payload: str) -> Wire:
    headers = [
        (b"host", HOST.encode()),
        (b"content-encoding", b"aws-chunked"),
        (b"x-amz-decoded-content-length", b"5"),
        (b"x-amz-trailer", b"x-amz-checksum-crc32"),
    ]
    credentials = Credentials(key_id=KEY_ID, secret=SECRET, region="us-east-1")
    headers += sign_headers(
        "PUT", b"/cases/s", b"", headers, credentials, payload=payload, now=time.time()
    )
    return Wire("PUT", b"/cases/s", b"", tuple(headers))


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", 501),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", 501),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", 501),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", 400),
        ("UNSIGNED-PAYLOAD", 501),
    ],
)
def test_case_34_a_framed_body_is_refused_and_never_read_as_a_request(
    ask: Asker, payload: str, status: int
) -> None:
    client = ask.connect()
    try:
        client.send(bytes_of(streaming(payload), FRAMED) + NEXT)
        assert client.reply().status == status
        following = client.reply()
        assert (following.status, following.body) == (200, b"ok\n")
    finally:
        client.close()


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_case_34_a_body_that_nobody_asked_for_hides_no_request(ask: Asker, method: str) -> None:
    hidden = b"DELETE /public/x HTTP/1.1\r\nHost: x\r\n\r\n"
    wire = unsigned(method, "/public/none", ("content-length", str(len(hidden))))
    client = ask.connect()
    try:
        client.send(bytes_of(wire, hidden) + NEXT)
        client.reply(bodiless=method == "HEAD")
        assert client.reply().body == b"ok\n"
        assert client.buffer == b""
    finally:
        client.close()


def token(claims: object, **header: Any) -> str:
    """A token that is rightly signed, whatever it says."""
    fields = {"alg": "HS256", "kid": KEY_ID} | header
    pieces = [json.dumps(fields).encode(), json.dumps(claims).encode()]
    signed = b".".join(base64.urlsafe_b64encode(piece).rstrip(b"=") for piece in pieces)
    mac = hmac.digest(SECRET.encode(), signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def claims(**more: Any) -> dict[str, Any]:
    return {"bucket": "public", "prefix": "", "exp": time.time() + 60} | more


TOKENS = {
    "alg_none": (lambda: token(claims(), alg="none"), 400),
    "alg_none_unsigned": (lambda: token(claims(), alg="none").rpartition(".")[0] + ".", 400),
    "alg_rs256": (lambda: token(claims(), alg="RS256"), 400),
    "alg_in_lower_case": (lambda: token(claims(), alg="hs256"), 400),
    "critical_extension": (lambda: token(claims(), crit=["b64"], b64=False), 400),
    "kid_is_a_path": (lambda: token(claims(), kid="../../etc/passwd"), 403),
    "kid_is_a_list": (lambda: token(claims(), kid=[KEY_ID]), 400),
    "kid_with_nul": (lambda: token(claims(), kid=KEY_ID + "\x00"), 403),
    "kid_half_a_surrogate": (lambda: token(claims(), kid="\ud800"), 403),
    "no_exp": (lambda: token({"bucket": "public", "prefix": ""}), 400),
    "exp_is_text": (lambda: token(claims(exp=str(time.time() + 60))), 400),
    "exp_is_infinite": (lambda: token(claims(exp=float("inf"))), 400),
    "exp_is_nan": (lambda: token(claims(exp=float("nan"))), 400),
    "exp_has_4000_digits": (lambda: token(claims(exp=10**4000)), 400),
    "exp_is_true": (lambda: token(claims(exp=True)), 400),
    "methods_is_text": (lambda: token(claims(methods="GET")), 400),
    "no_methods": (lambda: token(claims(methods=[])), 403),
    "another_bucket": (lambda: token(claims(bucket="cases")), 403),
    "half_a_segment": (lambda: token(claims(prefix="a")), 400),
    "claims_are_a_list": (lambda: token([]), 400),
}


@pytest.mark.parametrize(("make", "status"), TOKENS.values(), ids=TOKENS)
def test_case_16_a_token_is_what_it_was_signed_to_be(ask: Asker, make: Any, status: int) -> None:
    """Also on a bucket that anybody may read: a credential that fails is not no credential."""
    answer = ask.plain("GET", "/public/a", ("Authorization", f"Bearer {make()}"))
    assert answer.status == status, answer.body


def test_a_tokens_life_is_its_signers_choice(ask: Asker) -> None:
    distant = token(claims(exp=time.time() + 10 * 365 * 86_400))
    assert ask.plain("GET", "/public/none", ("Authorization", f"Bearer {distant}")).status == 404


@pytest.mark.parametrize("value", ["a%0D%0AX-Evil:%20b", "a%0Ab", "a%00b", "a%7Fb"])
def test_case_86_metadata_of_a_url_cannot_split_a_response(ask: Asker, value: str) -> None:
    wire = botocore_presigned(
        "PUT", b"/cases/m", f"x-amz-meta-a={value}".encode(), (), now=time.time(), expires=60
    )
    answer = ask.send(wire, b"x")
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    "target",
    ["/public/../cases/a", "/public/%2e%2e/cases/a", "/public/..%2fcases%2fa", "/public/%2e", "/public/a%00",
     "/public/%c0%ae%c0%ae/cases/a", "/public/%ed%a0%80", "/./public/a", "//cases/a", "/public%2Fa",
     "/up/../cases/a", "/up//a", "/%2d/metrics", "/-%2fmetrics"],
)  # fmt: skip
def test_case_58_no_spelling_leads_out_of_a_public_bucket(ask: Asker, target: str) -> None:
    assert ask.plain("GET", target).status == 400


def test_case_93_no_header_or_parameter_stands_in_for_the_method(ask: Asker) -> None:
    headers = (("X-HTTP-Method-Override", "DELETE"), ("X-HTTP-Method", "DELETE"))
    answer = ask.plain("GET", "/public/none?_method=DELETE", *headers)
    assert (answer.status, answer.code) == (
        403,
        "forbidden",
    )  # DELETE would be refused as such: 403 too
    assert "no such object" in answer.body.decode()
