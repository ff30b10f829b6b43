"""Cases 58 to 66, 86 to 92: keys, what is served to browsers and caches, and what is told to whom."""

import base64
import json
import os
import subprocess
import sys
import time
import unicodedata
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

import httpx
import pytest

from gateway.protocol.signatures import jwt, slot_token
from tests.protocol.signatures.wire import (
    KEY_ID,
    SECRET,
    Wire,
    botocore_headers,
    botocore_presigned,
)
from tests.security.asking import Answer, Asker, bytes_of
from tests.security.conftest import LIMITED, SLOT_SECRET
from tests.security.test_cases_http import files
from tests.security.test_cases_signature import edited_for

ORIGIN = "https://app.example.org"


def url(method: str, path: str, *headers: tuple[str, str], query: bytes = b"") -> Wire:
    """A presigned request. SDKs sign the one canonical spelling of a path, whichever is then sent."""
    canonical = quote(unquote_to_bytes(path), safe="/~").encode()
    signed = botocore_presigned(method, canonical, query, headers, now=time.time())
    return replace(signed, path=path.encode())


def bearer(**claims: object) -> tuple[str, str]:
    """A token of the key, for one object or a prefix."""
    full = {"sub": "me", "bucket": "cases", "exp": int(time.time()) + 60} | claims
    return ("authorization", f"Bearer {jwt.sign(full, SECRET, key_id=KEY_ID)}")


def roundtrip(ask: Asker, path: str) -> Answer:
    """What PUT and then GET of a path answer."""
    stored = ask.send(url("PUT", path), path.encode())
    return stored if stored.status != 200 else ask.send(url("GET", path))


ODD = {
    "case_58_encoded_slash": "/cases/a%2Fb",
    "case_58_dot_segments": "/cases/x/../y",
    "case_58_encoded_dots": "/cases/x/%2e%2e/y",
    "case_59_double_encoding": "/cases/a%252Fb",
    "case_60_plus": "/cases/a+b",
    "case_60_encoded_plus": "/cases/a%2Bb",
    "case_60_space": "/cases/a%20b",
    "case_63_composed": "/cases/" + quote(unicodedata.normalize("NFC", "é")),
    "case_63_decomposed": "/cases/" + quote(unicodedata.normalize("NFD", "é")),
    "case_64_slash_first": "/cases//a",
    "case_64_longest": "/cases/" + "k" * 1024,
    "case_66_hostile": "/cases/..%5C..%5Cx",
    "case_66_drive": "/cases/C:%5Cx",
    "case_66_device": "/cases/CON",
}


@pytest.mark.parametrize("path", ODD.values(), ids=ODD)
def test_a_key_is_its_bytes_and_nothing_else(ask: Asker, path: str) -> None:
    before = files(ask.gateway.folder)
    answer = roundtrip(ask, path)

    assert (answer.status, answer.body) == (200, path.encode())
    outside = set(files(ask.gateway.folder)) - set(before)
    assert all(name.startswith(("objects/", "gateway-", "sessions.db")) for name in outside)


def test_case_58_to_64_keys_that_look_alike_are_different(ask: Asker) -> None:
    different = [
        name for name in ODD if name not in ("case_58_encoded_dots", "case_60_encoded_plus")
    ]
    for name in different:
        assert roundtrip(ask, ODD[name]).status == 200
    for name in different:
        assert ask.send(url("GET", ODD[name])).body == ODD[name].encode()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        pytest.param("/cases/a%00b", "InvalidURI", id="case_61_nul"),
        pytest.param("/cases/a%01b", "InvalidURI", id="case_61_control"),
        pytest.param("/cases/%ff", "InvalidURI", id="case_62_no_utf_8"),
        pytest.param("/cases/%zz", "InvalidURI", id="case_62_no_escape"),
        pytest.param("/cases/" + "k" * 1025, "KeyTooLongError", id="case_64_too_long"),
        pytest.param("/192.168.1.1/a", "InvalidBucketName", id="case_65_address"),
        pytest.param("/Upper/a", "InvalidBucketName", id="case_65_upper_case"),
        pytest.param("/a..b/a", "InvalidBucketName", id="case_65_dots"),
        pytest.param("/xn--a/a", "InvalidBucketName", id="case_65_reserved"),
        pytest.param("/-a/a", "InvalidBucketName", id="case_65_ours"),
    ],
)
def test_keys_and_buckets_that_cannot_be_are_refused(ask: Asker, path: str, code: str) -> None:
    wire = Wire("PUT", path.encode(), b"X-Amz-Signature=x", ((b"host", b"x"),))
    answer = ask.send(wire, b"x")

    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize("path", ["a/../b", "a/%2e%2e/b", "./a", "..", "a/."])
def test_case_58_without_an_aws_signature_dots_are_refused(ask: Asker, path: str) -> None:
    token = ("authorization", "Bearer a.b.c")

    assert ask.plain("PUT", f"/cases/{path}", token, body=b"x").status == 400
    assert ask.plain("PUT", f"/up/{path}?v=abc", body=b"x").status == 400


def test_case_67_a_prefix_is_compared_by_its_bytes(ask: Asker) -> None:
    inside = edited_for("PUT", b"/cases/team1/a", LIMITED)
    for path in (b"/cases/team10/a", b"/cases/../team1/a", b"/cases/other"):
        assert ask.send(edited_for("PUT", path, LIMITED), b"x").status == 403
    assert ask.send(inside, b"x").status == 200


def test_case_86_what_browsers_open_cannot_act(ask: Asker) -> None:
    for kind in ("text/html", "image/svg+xml", "application/xml", "text/javascript"):
        ask.send(url("PUT", "/public/page", ("content-type", kind)), b"<script>")
        for answer in (ask.plain("GET", "/public/page"), ask.send(url("GET", "/public/page"))):
            assert answer.headers["content-disposition"].startswith("attachment")
            assert "sandbox" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
    signed = botocore_headers("GET", b"/public/page", now=time.time())
    assert "content-disposition" not in ask.send(signed).headers


def test_case_86_types_that_are_none_are_refused(ask: Asker) -> None:
    for kind in ("text", "text/html\tx y z/", "a/b/c d"):
        assert ask.send(url("PUT", "/cases/type", ("content-type", kind)), b"x").status in (
            400,
            403,
        )


def test_case_87_cors_is_for_listed_origins_and_never_with_credentials(ask: Asker) -> None:
    ours = ask.plain("GET", "/public/none", ("origin", ORIGIN))
    theirs = ask.plain("GET", "/public/none", ("origin", "https://evil.example"))
    null = ask.plain("GET", "/public/none", ("origin", "null"))

    assert ours.headers["access-control-allow-origin"] == ORIGIN
    for answer in (theirs, null):
        assert "access-control-allow-origin" not in answer.headers
    for answer in (ours, theirs, null):
        assert "Origin" in answer.headers["vary"]
        assert "access-control-allow-credentials" not in answer.headers


def test_case_89_what_a_signature_opened_stays_private(ask: Asker) -> None:
    ask.send(url("PUT", "/cases/private"), b"0123456789")
    whole = ask.send(url("GET", "/cases/private"))
    part = botocore_presigned(
        "GET", b"/cases/private", b"", [("range", "bytes=0-1")], now=time.time()
    )

    for answer in (whole, ask.send(part)):
        assert answer.headers["cache-control"] == "private"
    missing = ask.send(url("GET", "/cases/none"))
    assert missing.headers["cache-control"] == "no-store"
    outside = ask.send(part.with_header(b"range", b"bytes=99-"))
    assert (outside.status, outside.headers["cache-control"]) in (
        (416, "no-store"),
        (403, "no-store"),
    )


def test_case_90_who_may_not_list_learns_nothing_from_a_missing_key(ask: Asker) -> None:
    anonymous = ask.plain("GET", "/public/not-there")
    head = ask.raw(b"HEAD /public/not-there HTTP/1.1\r\nHost: x\r\n\r\n", bodiless=True)
    whole = ask.send(url("GET", "/public/not-there"))

    assert (anonymous.status, head.status) == (403, 403)
    assert (whole.status, whole.code) == (404, "NoSuchKey")


def test_case_91_pitfall_37_no_credential_is_ever_logged(ask: Asker) -> None:
    secrets: list[str] = []
    for method, body in (("PUT", b"secret body"), ("GET", b""), ("DELETE", b"")):
        for wire in (
            url(method, "/cases/log"),
            botocore_headers(method, b"/cases/log", body=body, now=time.time()),
        ):
            source = wire.query or wire.header(b"authorization")
            secrets.append(source[-64:].decode())
            ask.send(wire, body)
            broken = wire.query[:-4] + b"0000"
            ask.send(Wire(method, wire.path, broken, wire.headers), body)
    for version in ("v", "v2", "token", "v3"):
        token = slot_token.sign_v(SLOT_SECRET, f"log-{version}", 3)
        secrets.append(token)
        ask.plain("PUT", f"/up/log-{version}?{version}={token}&expires=1", body=b"abc")
    for made in (bearer(key="log", methods=["PUT"]), bearer(key="other", exp=1)):
        secrets.append(made[1].removeprefix("Bearer "))
        ask.plain("PUT", "/cases/log", made, body=b"secret body")
        ask.plain("GET", f"/cases/log?{secrets[-1]}")
        ask.plain("GET", f"/cases/log?access_token={secrets[-1]}")
    basic = base64.b64encode(b"user:hunter2-password").decode()
    secrets += [basic, "cookie-value", "sse-c-value", SECRET, SLOT_SECRET, "secret body"]
    ask.plain("GET", "/cases/log", ("authorization", f"Basic {basic}"))
    ask.plain("GET", "/cases/log", ("cookie", "session=cookie-value"))
    sse = "x-amz-server-side-encryption-customer-key"
    ask.send(url("PUT", "/cases/log", (sse, "sse-c-value")), b"x")
    time.sleep(0.2)
    log = ask.gateway.logs()

    assert log.count('"event": "request"') > 20
    assert [secret for secret in secrets if secret in log] == []


def test_case_91_nobody_writes_lines_into_the_log(ask: Asker) -> None:
    forged = '{"event": "forged"}'
    ask.plain("GET", "/cases/a%0A" + quote(forged), ("x-request-id", forged))
    ask.plain("GET", f"/cases/a?{quote(forged)}=1")
    time.sleep(0.2)
    events = [json.loads(line) for line in ask.gateway.logs().splitlines() if line.startswith("{")]

    assert not [event for event in events if event["event"] == "forged"]


def test_case_92_there_are_no_credentials_until_one_is_made(ask: Asker, tmp_path: Path) -> None:
    for key, secret in (("minioadmin", "minioadmin"), ("AKIAIOSFODNN7EXAMPLE", SECRET)):
        assert ask.send(edited_for("GET", b"/cases/a", key, secret)).code == "InvalidAccessKeyId"
    # Each installation that has no key makes one of its own, and shows it once.
    shown = [_first_key(tmp_path / name) for name in ("one", "two")]
    assert shown[0] != shown[1]


def _first_key(folder: Path) -> str:
    folder.mkdir()
    program = "from gateway.auth.keys import KeyRing; from gateway.auth.key_file import KeyFile; "
    program += "from pathlib import Path; key = KeyRing({}, KeyFile(Path('keys.json')))"
    program += ".ensure_first_key(); print(key.id, key.secret)"
    made = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    assert (folder / "keys.json").stat().st_mode & 0o077 == 0
    key_id, secret = made.stdout.split()
    assert len(key_id) >= 16
    assert len(secret) >= 32
    return secret


def test_pitfall_15_what_the_gateway_keeps_for_itself_cannot_be_read(ask: Asker) -> None:
    client = ask.connect()
    wire = url("PUT", "/public/half").with_header(b"content-length", str(24 << 20).encode())
    client.send(bytes_of(wire), bytes(16 << 20))
    time.sleep(0.3)
    inside = files(ask.gateway.folder)
    for name in inside:
        for prefix in ("/", "/public/", "/public/../", "/objects/../"):
            path = prefix + quote(name)
            assert ask.plain("GET", path).status in (400, 401, 403, 404), path
            if prefix != "/":
                assert ask.send(url("GET", path)).status in (400, 403, 404), path
    assert any(os.path.getsize(ask.gateway.folder / name) > 1 << 20 for name in inside)
    client.close()


def test_pitfall_17_an_object_is_there_when_201_is_and_not_before(ask: Asker) -> None:
    token = bearer(key="whole", methods=["PUT", "GET"])
    client = ask.connect()
    head = f"PUT /cases/whole HTTP/1.1\r\nHost: x\r\n{token[0]}: {token[1]}\r\nContent-Length: 1000000\r\n\r\n"
    client.send(head.encode(), bytes(999_999))
    time.sleep(0.1)
    assert ask.plain("GET", "/cases/whole", token).status in (403, 404)
    client.send(b"x")
    assert client.reply().status == 201
    assert len(ask.plain("GET", "/cases/whole", token).body) == 1_000_000
    client.close()


def test_pitfall_18_the_answer_follows_the_last_byte_at_once(ask: Asker) -> None:
    size = 64 << 20
    client = ask.connect()
    client.sock.settimeout(60)
    wire = url("PUT", "/cases/big").with_header(b"content-length", str(size).encode())
    client.send(bytes_of(wire))
    for _ in range(63):
        client.send(bytes(1 << 20))
    client.send(bytes((1 << 20) - 1))
    time.sleep(1.0)  # everything but a byte is with the gateway
    started = time.monotonic()
    client.send(b"x")
    assert client.reply().status == 200
    assert time.monotonic() - started < 3.0
    client.close()
    assert ask.send(url("DELETE", "/cases/big")).status == 204


def test_pages_of_operators_are_open_and_say_nothing_secret(ask: Asker) -> None:
    for page in ("healthz", "readyz", "version", "errors/overloaded", "metrics"):
        text = httpx.get(f"{ask.gateway.url}/-/{page}").text
        assert KEY_ID not in text
        assert str(ask.gateway.folder) not in text
