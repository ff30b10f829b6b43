"""TLS on both sides: clients to the gateway, the gateway to its store."""

import asyncio
import hashlib
import os
import random
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import trustme
from botocore.config import Config
from botocore.exceptions import SSLError

from tests.servers.faulty_s3 import FaultyS3
from tests.servers.fixtures import create_bucket
from tests.servers.gateway import KEY_ID, SECRET, GatewayProcess, running_gateway
from tests.servers.lease import S3Endpoint

pytestmark = pytest.mark.ci

BUCKET = f"tls-on-both-sides-{os.getpid()}"
DATA = random.Random(3).randbytes(20 << 20)
CONFIG = """
[server]
port = {{port}}
data_dir = "{{folder}}/data"
tls_cert = "{folder}/server.pem"
tls_key = "{folder}/server.key"

[storage.main]
kind = "s3"
endpoint_url = "{endpoint}"
access_key_id = "motoaccesskey0001"
secret_access_key = "motosecretkey"
tls_ca = "{folder}/{authority}.pem"

[buckets.{bucket}]
storage = "main"

[keys.{{key}}]
secret = "{{secret}}"
policy = "full-access"

[sessions]
url = "sqlite:///{{folder}}/sessions.db"

[memory]
spool = "{{folder}}/spool"
"""


@dataclass
class Secured:
    """Files of two authorities, of which everybody here trusts the first, and a store behind TLS."""

    folder: Path
    proxy: FaultyS3

    def config(self, authority: str = "right") -> str:
        """A configuration template whose gateway trusts one of them."""
        return CONFIG.format(
            folder=self.folder, endpoint=self.proxy.url, bucket=BUCKET, authority=authority
        )

    @property
    def ca(self) -> str:
        """The file that clients are given."""
        return str(self.folder / "right.pem")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, moto_s3: S3Endpoint) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("authorities")
    right, wrong = trustme.CA(), trustme.CA()
    right.cert_pem.write_to_path(folder / "right.pem")
    wrong.cert_pem.write_to_path(folder / "wrong.pem")
    server = right.issue_cert("127.0.0.1", "localhost")
    server.private_key_pem.write_to_path(folder / "server.key")
    for blob in server.cert_chain_pems:
        blob.write_to_path(folder / "server.pem", append=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    right.issue_cert("127.0.0.1").configure_cert(context)
    create_bucket(moto_s3, BUCKET)
    proxy = FaultyS3(moto_s3.url, tls=context)
    started, loop, ended = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with proxy:
            started.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(10)
    yield Secured(folder, proxy)
    loop.call_soon_threadsafe(ended.set)
    thread.join(10)
    assert not thread.is_alive()
    loop.close()


@pytest.fixture(scope="module")
def gateway(secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("tls"),
        secured.config(),
        scheme="https",
        trust=ssl.create_default_context(cafile=secured.ca),
    ) as process:
        yield process


def client(gateway: GatewayProcess, ca: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=gateway.url,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        verify=ca,
        config=Config(
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            retries={"max_attempts": 0},
            request_checksum_calculation="when_required",
        ),
    )


@pytest.fixture(scope="module")
def s3(gateway: GatewayProcess, secured: Secured) -> Any:
    return client(gateway, secured.ca)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_twenty_mib_and_a_range_of_them(s3: Any, secured: Secured) -> None:
    secured.proxy.heal()
    s3.put_object(Bucket=BUCKET, Key="large", Body=DATA)
    parts = [one for one in secured.proxy.requests if f"/{BUCKET}/large?" in one.target]
    assert [one.operation for one in parts].count("UploadPart") == 3
    got = s3.get_object(Bucket=BUCKET, Key="large")["Body"].read()
    assert digest(got) == digest(DATA)
    part = s3.get_object(Bucket=BUCKET, Key="large", Range="bytes=8388600-8388700")
    assert part["Body"].read() == DATA[8388600:8388701]


def test_payloads_to_a_store_behind_tls_are_not_hashed_again(s3: Any, secured: Secured) -> None:
    secured.proxy.heal()
    s3.put_object(Bucket=BUCKET, Key="small", Body=b"hello")
    (put,) = [one for one in secured.proxy.requests if one.target == f"/{BUCKET}/small"]
    assert put.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_uploads_and_downloads_with_presigned_urls(
    s3: Any, secured: Secured, tmp_path: Path
) -> None:
    sent, got = tmp_path / "sent", tmp_path / "got"
    sent.write_bytes(DATA)

    def presigned(operation: str) -> str:
        url: str = s3.generate_presigned_url(operation, Params={"Bucket": BUCKET, "Key": "curled"})
        return url

    def curl(*arguments: str) -> str:
        return subprocess.run(
            ["curl", "-sS", "--http1.1", "--cacert", secured.ca, "-w", "%{http_code}", *arguments],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        ).stdout

    assert curl("-T", str(sent), "-o", "/dev/null", presigned("put_object")) == "200"
    assert curl("-o", str(got), presigned("get_object")) == "200"
    assert digest(got.read_bytes()) == digest(DATA)
    ranged = curl("-r", "1048570-2097160", "-o", str(got), presigned("get_object"))
    assert (ranged, got.read_bytes()) == ("206", DATA[1048570:2097161])


def test_plain_http_on_the_tls_port_gets_no_answer(gateway: GatewayProcess) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(gateway.url.replace("https", "http"))


def test_a_client_that_trusts_another_authority_does_not_connect(
    gateway: GatewayProcess, secured: Secured
) -> None:
    stranger = client(gateway, str(secured.folder / "wrong.pem"))
    with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.head_object(Bucket=BUCKET, Key="large")


def check(config: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    path = folder / "sluice.toml"
    path.write_text(config.format(port=1, folder=folder, key=KEY_ID, secret=SECRET))
    return subprocess.run(
        [sys.executable, "-m", "gateway", "check", "--online", "--config", str(path)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_check_says_when_the_stores_certificate_is_not_trusted(
    secured: Secured, tmp_path: Path
) -> None:
    asked = -1  # a gateway of another test may still be at its probes
    while asked != len(secured.proxy.calls):
        asked = len(secured.proxy.calls)
        time.sleep(1)
    secured.proxy.heal()
    result = check(secured.config("wrong"), tmp_path)
    assert result.returncode == 1
    assert f", bucket {BUCKET}: storage-rejected:" in result.stderr
    assert "certificate" in result.stderr
    assert "tls_ca" in result.stderr
    assert "Traceback" not in result.stderr
    assert secured.proxy.calls == []


def test_check_reaches_a_store_whose_authority_it_was_given(
    secured: Secured, tmp_path: Path
) -> None:
    result = check(secured.config(), tmp_path)
    assert result.returncode == 0, result.stderr
    assert f", bucket {BUCKET}: right" in result.stdout
