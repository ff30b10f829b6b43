"""Cases 5 and 83 to 86 over the wire: what a form cannot reach, and that it hides no request."""

import time
from typing import Any

import pytest

from tests.protocol.forms import BOUNDARY, content_type, form, signed
from tests.protocol.signatures.wire import KEY_ID, SECRET, botocore_presigned
from tests.security.asking import Answer, Asker, bytes_of, unsigned
from tests.security.conftest import LIMITED
from tests.security.test_cases_http import files

NEXT = b"GET /-/healthz HTTP/1.1\r\nHost: x\r\n\r\n"
ANYWHERE = [{"bucket": "cases"}, ["starts-with", "$key", ""]]


def post(ask: Asker, fields: Any, *headers: tuple[str, str], target: str = "/cases") -> Answer:
    return ask.plain("POST", target, content_type(), *headers, body=form(fields))


def mine(conditions: Any, fields: Any, **more: Any) -> dict[str, str]:
    return signed(conditions, fields, **{"key_id": KEY_ID, "secret": SECRET} | more)


def exists(ask: Asker, key: str) -> bool:
    path = f"/cases/{key}".encode()
    return ask.send(botocore_presigned("GET", path, now=time.time())).status == 200


@pytest.mark.parametrize(
    ("headers", "target", "status"),
    [
        ((), "/cases", 401),
        ((("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),), "/cases", 401),
        ((), f"/cases?X-Amz-Credential={KEY_ID}/20300101/us-east-1/s3/aws4_request", 400),
        ((), f"/cases?AWSAccessKeyId={KEY_ID}", 400),
        ((("authorization", f"AWS {KEY_ID}:x"),), "/cases", 400),
        ((("authorization", "Basic YTpi"),), "/cases", 400),
        ((("authorization", "Bearer a.b.c"),), "/cases", 400),
    ],
)
def test_case_05_a_form_without_a_credential_that_holds_is_refused(
    ask: Asker, headers: tuple[tuple[str, str], ...], target: str, status: int
) -> None:
    before = files(ask.gateway.folder / "objects")
    assert post(ask, {"key": "five"}, *headers, target=target).status == status
    assert files(ask.gateway.folder / "objects") == before


def test_case_05_the_policy_of_the_signers_key_holds_for_its_forms(ask: Asker) -> None:
    """What a key may not do, no form that it signs may do."""
    for key, status in (("team1/a", 204), ("team10/a", 403), ("other", 403)):
        fields = signed(ANYWHERE, {"key": key}, key_id=LIMITED, secret=SECRET)
        answer = post(ask, fields)
        assert (answer.status, answer.code) == (status, "" if status == 204 else "AccessDenied")
        assert exists(ask, key) == (status == 204)


@pytest.mark.parametrize(
    ("filename", "key"),
    [
        ("../../../etc/passwd", "up/passwd"),
        (r"..\..\windows\x.ini", "up/x.ini"),
        ("/absolute", "up/absolute"),
        ("a%2Fb", "up/a%2Fb"),
    ],
)
def test_case_85_a_files_name_brings_no_path(ask: Asker, filename: str, key: str) -> None:
    body = form(mine(ANYWHERE, {"key": "up/${filename}"}), filename=filename)
    answer = ask.plain("POST", "/cases", content_type(), body=body)
    assert answer.status == 204
    assert answer.headers["location"].endswith("/cases/" + key.replace("%", "%25"))


@pytest.mark.parametrize("filename", ["..", ".", "a/..", "a%0Ab", "a%0D%0Ax: y", ""])
def test_case_85_a_files_name_that_is_none_is_refused(ask: Asker, filename: str) -> None:
    body = form(mine(ANYWHERE, {"key": "up/${filename}"}), filename=filename)
    assert ask.plain("POST", "/cases", content_type(), body=body).status == 400


def test_case_86_no_field_breaks_out_of_a_header(ask: Asker) -> None:
    for name in ("Content-Type", "Cache-Control", "x-amz-meta-a", "success_action_redirect"):
        value = "text/html\r\nSet-Cookie: a=b"
        conditions = [*ANYWHERE, {name: value}]
        answer = post(ask, mine(conditions, {"key": "86", name: value}))
        assert (answer.status, answer.code) == (400, "InvalidArgument")
        assert "set-cookie" not in answer.headers
    assert not exists(ask, "86")


def test_case_84_a_form_hides_no_request(ask: Asker) -> None:
    """Bytes behind the last boundary, inside Content-Length, are neither stored nor read as a request."""
    whole = form(mine(ANYWHERE, {"key": "hidden"}))
    hidden = b"DELETE /cases/x HTTP/1.1\r\nHost: x\r\n\r\n"
    client = ask.connect()
    try:
        wire = unsigned("POST", "/cases", content_type())
        client.send(bytes_of(wire, whole + hidden) + NEXT)
        assert client.reply().status == 400
        following = client.reply()
        assert (following.status, following.body) == (200, b"ok\n")
    finally:
        client.close()
    assert not exists(ask, "hidden")


def test_case_84_a_file_that_holds_a_form_is_a_file(ask: Asker) -> None:
    inner = form({"key": "inner", "acl": "public-read"}, b"inner", boundary=BOUNDARY + b"x")
    body = form(mine(ANYWHERE, {"key": "outer"}), b"x" + inner, boundary=b"another")
    answer = ask.plain("POST", "/cases", content_type(b"another"), body=body)
    assert answer.status == 204
    assert (exists(ask, "outer"), exists(ask, "inner")) == (True, False)


def test_case_91_a_forms_credential_is_in_no_log(ask: Asker) -> None:
    fields = mine(ANYWHERE, {"key": "91"})
    post(ask, fields)
    post(ask, fields | {"key": "91", "acl": "x"})
    post(ask, mine(ANYWHERE, {"key": "91"}, secret="wrong"))
    told = ask.gateway.logs()
    assert fields["policy"] not in told
    assert fields["x-amz-signature"] not in told


def test_case_65_a_form_reaches_none_of_the_gateways_own_keys(ask: Asker) -> None:
    answer = post(ask, mine(ANYWHERE, {"key": ".sluice/tails/x"}))
    assert answer.status in (400, 403)
    assert not exists(ask, ".sluice/tails/x")
