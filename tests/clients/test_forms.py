"""Form uploads by the clients that make them: boto3's presigned posts sent by requests and httpx, and curl -F."""

import hashlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import requests

from gateway.protocol.signatures import jwt
from gateway.units import GiB, MiB
from tests.protocol.forms import BOUNDARY, content_type, form, signed
from tests.servers.gateway import CONFIG, KEY_ID, SECRET, GatewayProcess, running_gateway

BUCKET = "demo"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with running_gateway(tmp_path_factory.mktemp("forms")) as process:
        yield process


@pytest.fixture(scope="module")
def s3(gateway: GatewayProcess) -> Any:
    return gateway.s3()


def read(s3: Any, key: str) -> bytes:
    body: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body


def missing(gateway: GatewayProcess, key: str) -> bool:
    return httpx.head(gateway.presign("HEAD", BUCKET, key)).status_code == 404


def bearer(**claims: Any) -> str:
    full = {"bucket": BUCKET, "exp": int(time.time()) + 60} | claims
    return f"Bearer {jwt.sign(full, SECRET, key_id=KEY_ID)}"


def curl(*words: str) -> tuple[int, str]:
    """Status and body."""
    done = subprocess.run(
        ["curl", "-sS", "-w", "\n%{http_code}", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


@pytest.mark.parametrize("name", ["a.txt", "ü ☃.txt", 'qu"ote;x.txt', r"back\slash.txt"])
@pytest.mark.parametrize("library", [requests, httpx], ids=["requests", "httpx"])
def test_what_boto3_presigns_is_posted_by_libraries(
    gateway: GatewayProcess, s3: Any, library: Any, name: str
) -> None:
    post = s3.generate_presigned_post(
        BUCKET,
        "in/${filename}",
        Fields={"Content-Type": "text/plain", "x-amz-meta-by": "form"},
        Conditions=[
            ["starts-with", "$Content-Type", "text/"],
            {"x-amz-meta-by": "form"},
            ["content-length-range", 1, 100],
        ],
    )
    assert post["url"] == f"{gateway.url}/{BUCKET}"
    files = {"file": (name, b"hello", "text/html")}
    answer = library.post(post["url"], data=post["fields"], files=files)

    assert answer.status_code == 204
    # httpx 0.28 and requests write a backslash as it is: to us it ends a path.
    key = "in/" + name.rpartition("\\")[2]
    found = s3.get_object(Bucket=BUCKET, Key=key)
    assert found["Body"].read() == b"hello"
    assert (found["ContentType"], found["Metadata"]) == ("text/plain", {"by": "form"})
    assert answer.headers["etag"] == found["ETag"]
    s3.delete_object(Bucket=BUCKET, Key=key)


def test_several_mebibytes_pass_a_form(s3: Any) -> None:
    body = hashlib.sha256(b"x").digest() * (20 * MiB // 32)
    post = s3.generate_presigned_post(BUCKET, "large")
    answer = requests.post(post["url"], data=post["fields"], files={"file": body}, timeout=60)

    assert answer.status_code == 204
    assert read(s3, "large") == body


def test_a_browser_is_sent_on_after_success(s3: Any) -> None:
    url = "https://app.example.org/done"
    field = {"success_action_redirect": url}
    post = s3.generate_presigned_post(BUCKET, "sent-on", Fields=field, Conditions=[field])
    answer = requests.post(
        post["url"], data=post["fields"], files={"file": b"x"}, allow_redirects=False, timeout=60
    )
    assert answer.status_code == 303
    told = parse_qs(urlsplit(answer.headers["location"]).query)
    etag = s3.head_object(Bucket=BUCKET, Key="sent-on")["ETag"]
    assert told == {"bucket": [BUCKET], "key": ["sent-on"], "etag": [etag]}


def test_curl_posts_a_signed_form(gateway: GatewayProcess, s3: Any, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"png" * 1_000_000)
    post = s3.generate_presigned_post(BUCKET, "curl/${filename}")
    words = [f"-F{name}={value}" for name, value in post["fields"].items()]
    status, body = curl(*words, f"-Ffile=@{tmp_path}/photo.png;type=image/png", post["url"])

    assert (status, body) == (204, "")
    assert read(s3, "curl/photo.png") == b"png" * 1_000_000
    assert s3.head_object(Bucket=BUCKET, Key="curl/photo.png")["ContentType"] != "image/png"


def test_curl_posts_a_form_with_a_token(gateway: GatewayProcess, s3: Any, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"png")
    token = f"Authorization: {bearer(prefix='me/')}"
    file = f"-Ffile=@{tmp_path}/photo.png;type=image/png"
    url = f"{gateway.url}/{BUCKET}"
    status, _ = curl("-H", token, "-Fkey=me/${filename}", file, url)
    assert status == 201
    assert s3.head_object(Bucket=BUCKET, Key="me/photo.png")["ContentType"] == "image/png"

    status, body = curl("-H", token, "-Fkey=you/${filename}", file, url)
    assert (status, "forbidden" in body) == (403, True)
    assert missing(gateway, "you/photo.png")


def test_case_84_a_file_over_the_range_is_refused_and_nothing_stored(
    gateway: GatewayProcess, s3: Any
) -> None:
    limit = [["content-length-range", 0, 6 * MiB]]
    post = s3.generate_presigned_post(BUCKET, "over", Conditions=limit)
    answer = requests.post(
        post["url"], data=post["fields"], files={"file": bytes(6 * MiB + 1)}, timeout=60
    )
    assert (answer.status_code, "<Code>EntityTooLarge</Code>" in answer.text) == (400, True)
    assert missing(gateway, "over")


def test_case_83_a_signature_of_version_2_is_refused(gateway: GatewayProcess) -> None:
    fields = {"key": "v2", "AWSAccessKeyId": KEY_ID, "policy": "e30=", "signature": "x"}
    answer = requests.post(f"{gateway.url}/{BUCKET}", data=fields, files={"file": b"x"}, timeout=60)
    assert (answer.status_code, "s3v4" in answer.text) == (400, True)


def test_a_refused_form_leaves_a_connection_that_can_be_used(
    gateway: GatewayProcess, s3: Any
) -> None:
    post = s3.generate_presigned_post(BUCKET, "kept")
    spoiled = post["fields"] | {"x-amz-signature": "0" * 64}
    with httpx.Client() as client:
        for fields, status in ((spoiled, 403), (post["fields"], 204)):
            assert client.post(post["url"], data=fields, files={"file": b"x"}).status_code == status


def opened(gateway: GatewayProcess, *lines: str) -> socket.socket:
    """A connection with a form's head sent."""
    where = urlsplit(gateway.url)
    assert where.hostname is not None
    connection = socket.create_connection((where.hostname, where.port or 80), timeout=60)
    head = [f"POST /{BUCKET} HTTP/1.1", f"Host: {where.netloc}", ": ".join(content_type()), *lines]
    connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
    return connection


def mine(key: str) -> dict[str, str]:
    return signed([{"bucket": BUCKET}, {"key": key}], {"key": key}, key_id=KEY_ID, secret=SECRET)


def test_a_client_that_is_gone_in_the_middle_stores_nothing(gateway: GatewayProcess) -> None:
    before = sorted(path for path in (gateway.folder / "objects").rglob("*") if path.is_file())
    body = form(mine("gone"), bytes(12 * MiB))
    for cut in (len(body) - 10, len(body) // 2, 3000):
        connection = opened(gateway, f"Content-Length: {len(body)}")
        connection.sendall(body[:cut])
        connection.close()
    deadline = time.monotonic() + 10
    while gateway.logs().count('"error": "client-gone"') < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert missing(gateway, "gone")
    assert before == sorted(p for p in (gateway.folder / "objects").rglob("*") if p.is_file())


def test_a_form_is_asked_for_only_when_its_fields_can_be_read(gateway: GatewayProcess) -> None:
    """A bad token is answered before ``100 Continue``: not a byte of the form was sent."""
    connection = opened(
        gateway,
        "Content-Length: 1000000",
        "Expect: 100-continue",
        "Authorization: Bearer a.b.c",
    )
    assert connection.recv(65536).startswith(b"HTTP/1.1 4")
    connection.close()


def stream(connection: socket.socket, size: int, key: str) -> bytes:
    """Send a form with a file of ``size`` zeros in chunks; answer the response's beginning."""
    begin, end = form(mine(key), b"<>").split(b"<>")
    block = bytes(1 * MiB)
    for piece in (begin, *(block for _ in range(size // len(block))), end):
        connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    connection.sendall(b"0\r\n\r\n")
    return connection.recv(65536)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_gibibyte_in_a_form_needs_no_more_memory_than_one_in_a_put(tmp_path: Path) -> None:
    config = CONFIG.replace(
        'spool = "{folder}/spool"', 'spool = "{folder}/spool"\nbudget = "32MiB"'
    )
    with running_gateway(tmp_path, config) as gateway:
        idle = gateway.rss()
        connection = opened(gateway, "Transfer-Encoding: chunked")
        answer = stream(connection, GiB, "large")
        connection.close()

        assert answer.startswith(b"HTTP/1.1 204")
        head = httpx.head(gateway.presign("HEAD", BUCKET, "large"))
        assert head.headers["content-length"] == str(GiB)
        print(f"peak RSS {gateway.rss() / MiB:.0f} MiB, idle {idle / MiB:.0f} MiB")
        assert gateway.rss() - idle <= 64 * MiB


def test_case_84_the_boundary_may_appear_in_the_file_but_for_its_line(s3: Any) -> None:
    post = s3.generate_presigned_post(BUCKET, "tricky")
    file = b"x\r\n--" + BOUNDARY[:-1] + b"\n--" + BOUNDARY + b"--\r\n\r\n-"
    name, value = content_type()
    answer = httpx.post(post["url"], content=form(post["fields"], file), headers={name: value})
    assert answer.status_code == 204
    assert read(s3, "tricky") == file
