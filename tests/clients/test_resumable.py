"""Resumable uploads from outside: tuspy, curl's way of the IETF protocol, kills and takeovers over real sockets."""

import hashlib
import io
import json
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import jwt
import pytest
from botocore.config import Config
from tusclient import client as tus
from tusclient.exceptions import TusUploadFailed

from tests.redis_server import RedisServer
from tests.servers.fixtures import own_bucket
from tests.servers.gateway import (
    CONFIG,
    KEY_ID,
    SECRET,
    GatewayProcess,
    running_gateway,
    start_gateway,
)
from tests.servers.lease import S3Endpoint
from tests.servers.line import half_open

pytestmark = pytest.mark.ci

WORKERS = CONFIG.replace('drain = "5s"', 'drain = "5s"\nworkers = 2') + (
    '\n[transfer]\npart_size = "256KiB"\n'
)
DATA = b"".join(hashlib.sha256(b"%d" % index).digest() for index in range(60_000))  # 1.8 MiB
TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with running_gateway(tmp_path_factory.mktemp("resumable"), WORKERS) as process:
        yield process


def bearer() -> dict[str, str]:
    claims = {
        "exp": int(time.time()) + 600,
        "sub": KEY_ID,
        "bucket": "public",
        "methods": ["POST", "PATCH", "HEAD", "DELETE", "GET", "PUT"],
        "prefix": "",
    }
    token = jwt.encode(claims, SECRET, headers={"kid": KEY_ID})
    return {"Authorization": f"Bearer {token}"}


def begin(gateway: GatewayProcess, key: str, length: int = len(DATA)) -> str:
    """An upload's URL."""
    headers = {**TUS, **bearer(), "Upload-Length": str(length)}
    answer = httpx.post(f"{gateway.url}/-/uploads/public/{key}", headers=headers)
    assert answer.status_code == 201, answer.text
    return gateway.url + answer.headers["location"]


def append(url: str, offset: int, body: bytes, **headers: str) -> httpx.Response:
    told = {
        **TUS,
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": str(offset),
        **headers,
    }
    return httpx.patch(url, content=body, headers=told)


def offset(url: str) -> int:
    answer = httpx.head(url, headers=TUS)
    assert answer.status_code == 200, answer.headers
    return int(answer.headers["upload-offset"])


def stored(gateway: GatewayProcess, key: str) -> bytes:
    return httpx.get(f"{gateway.url}/public/{key}").content


@pytest.mark.parametrize("chunk", [100_000, 262_144, 10_000_000])
def test_tuspy_uploads(gateway: GatewayProcess, chunk: int) -> None:
    my = tus.TusClient(f"{gateway.url}/-/uploads/public", headers=bearer())
    uploader = my.uploader(
        file_stream=io.BytesIO(DATA), chunk_size=chunk, metadata={"filename": f"tuspy-{chunk}.bin"}
    )
    uploader.upload()
    assert stored(gateway, f"tuspy-{chunk}.bin") == DATA


def test_tuspy_sends_checksums(gateway: GatewayProcess) -> None:
    my = tus.TusClient(f"{gateway.url}/-/uploads/public", headers=bearer())
    uploader = my.uploader(
        file_stream=io.BytesIO(DATA),
        chunk_size=300_000,
        metadata={"key": "tuspy/sums.bin"},
        upload_checksum=True,
    )
    uploader.upload()
    assert stored(gateway, "tuspy/sums.bin") == DATA


@pytest.mark.slow
def test_tuspy_goes_on_after_a_kill_with_the_url_alone(tmp_path: Path) -> None:
    config = WORKERS
    first = start_gateway(tmp_path, config)
    try:
        my = tus.TusClient(f"{first.url}/-/uploads/public", headers=bearer())
        uploader = my.uploader(
            file_stream=io.BytesIO(DATA), chunk_size=150_000, metadata={"key": "killed.bin"}
        )
        uploader.upload_chunk()  # type: ignore[no-untyped-call]
        uploader.upload_chunk()  # type: ignore[no-untyped-call]
        url = uploader.url
        assert url
        reached = uploader.offset
        assert reached == 300_000
    finally:
        first.stop()
    with pytest.raises((TusUploadFailed, OSError, Exception)):
        uploader.upload_chunk()
    port = urlsplit(first.url).port
    with running_gateway(tmp_path, config, port=port) as second:
        my = tus.TusClient(f"{second.url}/-/uploads/public")
        again = my.uploader(file_stream=io.BytesIO(DATA), chunk_size=150_000, url=url)
        assert again.offset == reached
        again.upload()
        assert stored(second, "killed.bin") == DATA


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    config = CONFIG + '\n[transfer]\npart_size = "256KiB"\n'
    gateway = start_gateway(tmp_path, config)
    url = begin(gateway, "nine.bin")
    at = 0
    for round_ in range(3):
        for _ in range(2):
            assert append(url, at, DATA[at : at + 100_001]).status_code == 204
            at += 100_001
        hanging = hung(url, at, DATA[at : at + 5000])
        gateway.kill()
        hanging.close()
        port = urlsplit(gateway.url).port
        gateway = start_gateway(tmp_path, config, port=port)
        assert offset(url) >= at, round_
        at = offset(url)
    try:
        assert append(url, at, DATA[at:]).status_code == 204
        assert stored(gateway, "nine.bin") == DATA
    finally:
        gateway.stop()


def hung(url: str, at: int, body: bytes) -> socket.socket:
    """A half-open connection, whose bytes the gateway has."""
    connection = half_open(url, at, body, len(DATA) - at)
    time.sleep(0.3)
    return connection


def test_a_half_open_connection_is_taken_over_within_a_second(gateway: GatewayProcess) -> None:
    times = []
    for index in range(6):  # workers share the port: same and other processes
        url = begin(gateway, f"half-{index}.bin")
        hanging = hung(url, 0, DATA[:50_000])
        started = time.monotonic()
        at = offset(url)
        answer = append(url, at, DATA[at:])
        times.append(time.monotonic() - started)
        assert answer.status_code == 204, answer.text
        hanging.close()
        assert stored(gateway, f"half-{index}.bin") == DATA
    assert max(times) < 1.5  # of which the machine's load is part


def test_a_question_does_not_wait_for_a_hanging_writer(gateway: GatewayProcess) -> None:
    url = begin(gateway, "asked.bin")
    hanging = hung(url, 0, DATA[:50_000])
    with httpx.Client() as asking:
        asking.head(url, headers=TUS)
        started = time.monotonic()
        answer = asking.head(url, headers=TUS)
        assert time.monotonic() - started < 0.5
    assert answer.headers["upload-offset"] == "0"
    hanging.close()


def test_the_ietf_protocol_sends_104_over_a_real_socket(gateway: GatewayProcess) -> None:
    path = urlsplit(gateway.presign("PUT", "public", "interim.bin"))
    with socket.create_connection((path.hostname, path.port), timeout=10) as connection:
        head = (
            f"PUT {path.path}?{path.query} HTTP/1.1\r\nHost: {path.netloc}\r\n"
            "Upload-Complete: ?1\r\nUpload-Draft-Interop-Version: 8\r\nContent-Length: 5\r\n\r\n"
        )
        connection.sendall(head.encode())
        interim = connection.recv(4096)
        assert interim.startswith(b"HTTP/1.1 104 Upload Resumption Supported\r\n")
        assert b"ocation: http://" in interim
        connection.sendall(b"hello")
        final = connection.recv(4096)
        assert final.startswith(b"HTTP/1.1 201 ")
        assert b"upload-complete: ?1" in final.lower()
    assert stored(gateway, "interim.bin") == b"hello"


def test_a_checksum_may_come_as_a_trailer(gateway: GatewayProcess) -> None:
    for right in (False, True):
        url = begin(gateway, "trailer.bin", 5)
        parts = urlsplit(url)
        digest = b64encode(hashlib.sha1(b"hello" if right else b"other").digest()).decode()
        request = (
            f"PATCH {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nTus-Resumable: 1.0.0\r\n"
            "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\n"
            "Transfer-Encoding: chunked\r\nTrailer: Upload-Checksum\r\n\r\n"
            f"5\r\nhello\r\n0\r\nUpload-Checksum: sha1 {digest}\r\n\r\n"
        )
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            connection.sendall(request.encode())
            status = int(connection.recv(4096).split()[1])
        assert status == (204 if right else 460)
        assert offset(url) == (5 if right else 0)


def test_progress_is_followed_live(gateway: GatewayProcess) -> None:
    url = begin(gateway, "live.bin")
    events: list[dict[str, Any]] = []

    def follow() -> None:
        headers = {"Accept": "text/event-stream"}
        with httpx.stream("GET", url, headers=headers, timeout=20) as answer:
            events.extend(
                json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")
            )

    thread = threading.Thread(target=follow)
    thread.start()
    time.sleep(0.3)
    assert append(url, 0, DATA[:500_000]).status_code == 204
    time.sleep(0.8)
    assert append(url, 500_000, DATA[500_000:]).status_code == 204
    thread.join(15)
    assert not thread.is_alive()
    durable = [event["durable"] for event in events]
    assert durable == sorted(durable)
    assert 500_000 in durable
    assert (events[-1]["complete"], durable[-1]) == (True, len(DATA))


@pytest.mark.slow
def test_R46_a_disabled_key_ends_its_uploads(tmp_path: Path) -> None:
    config = CONFIG.replace('policy = "full-access"', 'policy = "full-access"\ndisabled = {off}')
    gateway = start_gateway(tmp_path, config.replace("{off}", "false"))
    url = begin(gateway, "off.bin")
    port = urlsplit(gateway.url).port
    gateway.stop()
    with running_gateway(tmp_path, config.replace("{off}", "true"), port=port):
        assert append(url, 0, DATA).status_code == 403


@pytest.mark.redis
def test_every_request_may_meet_another_gateway_of_the_fleet(tmp_path: Path) -> None:
    """Two gateways, Redis, one store: segments are objects, whoever comes merges them, and nothing is left."""
    redis = RedisServer(tmp_path, durable=True)
    redis.start()
    sessions = f'url = "{redis.url()}"'
    config = CONFIG.replace('url = "sqlite:///{folder}/sessions.db"', sessions) + (
        '\n[transfer]\npart_size = "256KiB"\n'
    )
    shared = config.replace("{folder}/objects", str(tmp_path / "objects"))
    try:
        with (
            running_gateway(tmp_path / "one", shared) as one,
            running_gateway(tmp_path / "two", shared) as two,
        ):
            path = urlsplit(begin(one, "fleet.bin")).path
            urls = [one.url + path, two.url + path]
            hanging = hung(urls[1], 0, DATA[:5000])
            at = 0
            for index, start in enumerate(range(0, len(DATA), 100_001)):
                started = time.monotonic()
                assert offset(urls[index % 2]) == at
                answer = append(urls[index % 2], at, DATA[start : start + 100_001])
                assert answer.status_code == 204, answer.text
                assert time.monotonic() - started < 2
                at += len(DATA[start : start + 100_001])
            hanging.close()
            assert stored(two, "fleet.bin") == DATA
            keys = two.s3().get_object(Bucket="public", Key="fleet.bin")
            assert keys["ContentLength"] == len(DATA)
    finally:
        redis.stop()
    files = [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]
    assert [path.name for path in files if "fleet.bin" not in path.name] == [".format"]


RGW = """
[server]
port = {port}
data_dir = "{folder}/data"

[storage.ceph]
kind = "s3"
endpoint_url = "ENDPOINT"
access_key_id = "ACCESS"
secret_access_key = "HIDDEN"

[buckets.public]
storage = "ceph"
bucket = "BUCKET"
anonymous = "public-read"

[keys.{key}]
secret = "{secret}"

[sessions]
url = "REDIS"

[memory]
spool = "{folder}/spool"
budget = "64MiB"

[transfer]
part_size = "5MiB"
"""


@pytest.mark.slow
@pytest.mark.s3
@pytest.mark.redis
def test_a_fleet_before_a_real_s3_leaves_the_object_and_nothing_else(
    tmp_path: Path, rgw: S3Endpoint
) -> None:
    """Parts that replace those of overtaken writers, segments as objects, chunks in any order."""
    bucket = own_bucket(rgw, "resumable")
    redis = RedisServer(tmp_path, durable=True)
    redis.start()
    config = (
        RGW.replace("ENDPOINT", rgw.url)
        .replace("ACCESS", rgw.access_key)
        .replace("HIDDEN", rgw.secret_key)
        .replace("BUCKET", bucket)
        .replace("REDIS", redis.url())
    )
    data = DATA * 9  # 17 MiB: three parts and a bit
    try:
        with (
            running_gateway(tmp_path / "one", config) as one,
            running_gateway(tmp_path / "two", config) as two,
        ):
            gateways = [one, two]
            path = urlsplit(begin(one, "serial.bin", len(data))).path
            for index, at in enumerate(range(0, len(data), 2_000_003)):
                url = gateways[index % 2].url + path
                assert append(url, at, data[at : at + 2_000_003]).status_code == 204
            assert stored(one, "serial.bin") == data

            chunks = list(range(0, len(data), 3 * 2**20))
            for index, at in enumerate(reversed(chunks)):
                body = data[at : at + 3 * 2**20]
                headers = {
                    **bearer(),
                    "X-Upload-Session-ID": "mine",
                    "Content-Range": f"bytes {at}-{at + len(body) - 1}/{len(data)}",
                }
                url = f"{gateways[index % 2].url}/-/chunked/public/chunks.bin"
                answer = httpx.put(url, content=body, headers=headers, timeout=60)
                assert answer.status_code in (201, 202), answer.text
            assert stored(two, "chunks.bin") == data
    finally:
        redis.stop()
    s3 = boto3.client(
        "s3",
        endpoint_url=rgw.url,
        aws_access_key_id=rgw.access_key,
        aws_secret_access_key=rgw.secret_key,
        region_name=rgw.region,
        config=Config(s3={"addressing_style": "path"}),
    )
    keys = {found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", ())}
    assert keys == {"serial.bin", "chunks.bin"}
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")
