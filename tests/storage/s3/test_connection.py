import hashlib
import os
import re
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import NoCredentialsError

from gateway.errors import StorageRejected
from gateway.model import ObjectKey
from gateway.settings import S3Storage
from gateway.storage.s3.connection import Connection, Credentials
from tests.servers.faulty_s3 import FaultyS3
from tests.servers.lease import S3Endpoint
from tests.storage.contract_base import PLAIN, views
from tests.storage.s3.conftest import BUCKET, opened, section

KEY = ObjectKey(BUCKET, "connection/object")
DATA = b"content"
HEX = hashlib.sha256(DATA).hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without AWS configuration."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.mark.parametrize(
    ("sign_payload", "expected"), [("auto", HEX), ("always", HEX), ("never", UNSIGNED)]
)
async def test_over_plain_http_payloads_are_hashed_unless_told_not_to(
    moto_s3: S3Endpoint, proxy: FaultyS3, sign_payload: str, expected: str
) -> None:
    settings = section(moto_s3, endpoint_url=proxy.url, sign_payload=sign_payload)
    async with opened(settings) as store:
        await store.put(KEY, views(DATA), PLAIN)
        await store.head(KEY)
    put, head = proxy.requests
    assert put.headers["x-amz-content-sha256"] == expected
    assert head.headers["x-amz-content-sha256"] == hashlib.sha256(b"").hexdigest()
    assert put.headers["content-length"] == str(len(DATA))


async def test_pitfall_12_bodies_go_without_expect_and_without_trailers(
    moto_s3: S3Endpoint, proxy: FaultyS3
) -> None:
    async with opened(section(moto_s3, endpoint_url=proxy.url)) as store:
        await store.put(KEY, views(DATA), PLAIN)
        await store.put(KEY, [], PLAIN)
        await store.create_multipart(KEY, PLAIN)
    for request in proxy.requests:
        assert not {"expect", "x-amz-trailer", "x-amz-sdk-checksum-algorithm"} & set(
            request.headers
        )
        assert not [name for name in request.headers if name.startswith("x-amz-checksum")]


async def test_a_session_token_is_sent_and_signed(moto_s3: S3Endpoint, proxy: FaultyS3) -> None:
    settings = section(moto_s3, endpoint_url=proxy.url, session_token="temporary")
    async with opened(settings) as store:
        await store.put(KEY, views(DATA), PLAIN)
    sent = proxy.requests[0].headers
    assert sent["x-amz-security-token"] == "temporary"
    assert "x-amz-security-token" in sent["authorization"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


async def test_over_tls_payloads_go_unsigned(
    moto_s3: S3Endpoint, bucket: str, server_tls: ssl.SSLContext, ca_file: Path
) -> None:
    async with FaultyS3(moto_s3.url, tls=server_tls) as proxy:
        for more, expected in (
            ({"tls_ca": ca_file}, UNSIGNED),
            ({"tls_verify": False}, UNSIGNED),
            ({"tls_ca": ca_file, "sign_payload": "always"}, HEX),
        ):
            async with opened(section(moto_s3, endpoint_url=proxy.url, **more)) as store:
                await store.put(KEY, views(DATA), PLAIN)
                await store.head(KEY)
            assert proxy.requests[-2].headers["x-amz-content-sha256"] == expected


async def test_an_authority_that_nobody_trusts_is_a_matter_of_configuration(
    moto_s3: S3Endpoint, server_tls: ssl.SSLContext
) -> None:
    async with FaultyS3(moto_s3.url, tls=server_tls) as proxy:
        async with opened(section(moto_s3, endpoint_url=proxy.url)) as store:
            with pytest.raises(StorageRejected, match="certificate"):
                await store.head(KEY)
        assert proxy.calls == []


@pytest.mark.usefixtures("no_aws")
async def test_without_keys_the_credential_chain_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = S3Storage(kind="s3", endpoint_url="http://127.0.0.1:9")
    connection = await Connection.open(settings)
    with pytest.raises(NoCredentialsError):
        await connection.credentials()
    await connection.aclose()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-the-chain")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    connection = await Connection.open(settings)
    assert await connection.credentials() == Credentials("from-the-chain", "secret")
    await connection.aclose()


@pytest.mark.usefixtures("no_aws")
async def test_without_credentials_calls_are_rejected() -> None:
    async with opened(S3Storage(kind="s3", endpoint_url="http://127.0.0.1:9")) as store:
        with pytest.raises(StorageRejected, match="credentials"):
            await store.head(KEY)


@pytest.mark.usefixtures("no_aws")
async def test_temporary_credentials_are_renewed_before_they_expire(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proxy: FaultyS3
) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    issuer = tmp_path / "issuer.py"
    issuer.write_text(
        "import json, pathlib\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "n = len(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text('x' * n)\n"
        f"print(json.dumps(dict(Version=1, AccessKeyId=f'key-{{n}}', SecretAccessKey='s', Expiration={soon!r})))\n"
    )
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {sys.executable} {issuer}\n")
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    async with opened(
        S3Storage(kind="s3", endpoint_url=proxy.url, data_plane="aiobotocore")
    ) as store:
        for _ in range(2):
            await store.put(KEY, views(DATA), PLAIN)
    first, second = (request.headers["authorization"] for request in proxy.requests)
    keys = [re.findall(r"key-\d+", sent)[0] for sent in (first, second)]
    assert keys[0] != keys[1]


async def test_pitfall_37_credentials_hide_their_secrets() -> None:
    shown = repr(Credentials("known", "hidden-secret", "hidden-token"))
    assert "known" in shown
    assert "hidden" not in shown


@pytest.mark.parametrize(
    ("more", "host", "path_style"),
    [
        ({}, "https://photos.s3.eu-west-1.amazonaws.com/k", False),
        ({"addressing": "path"}, "https://s3.eu-west-1.amazonaws.com/photos/k", True),
        ({"endpoint_url": "http://s3.example.org:81"}, "http://s3.example.org:81/photos/k", True),
        (
            {"endpoint_url": "https://s3.example.org", "addressing": "virtual"},
            "https://photos.s3.example.org/k",
            False,
        ),
        (
            {"endpoint_url": "https://s3.eu-west-1.amazonaws.com"},
            "https://photos.s3.eu-west-1.amazonaws.com/k",
            False,
        ),
    ],
)
@pytest.mark.usefixtures("no_aws")
async def test_the_bucket_stands_where_the_endpoint_wants_it(
    more: dict[str, object], host: str, path_style: bool
) -> None:
    values = {"kind": "s3", "region": "eu-west-1", "access_key_id": "a", "secret_access_key": "b"}
    connection = await Connection.open(S3Storage.model_validate(values | more))
    urls: list[str] = []

    def refuse(request: AWSPreparedRequest, **_: object) -> None:
        urls.append(request.url)
        raise ConnectionRefusedError

    connection.client.meta.events.register("before-send.s3", refuse)
    with pytest.raises(ConnectionRefusedError):
        await connection.client.get_object(Bucket="photos", Key="k")
    await connection.aclose()
    assert urls == [host]
    assert connection.endpoint.path_style is path_style
    assert host.startswith(connection.endpoint.url.split("://")[0])
    assert connection.endpoint.hash_payload is host.startswith("http:")


@pytest.mark.usefixtures("no_aws")
async def test_which_authorities_are_trusted(
    monkeypatch: pytest.MonkeyPatch, ca_file: Path, tmp_path: Path
) -> None:
    async def verify(**more: object) -> bool | str:
        values = {"kind": "s3", "access_key_id": "a", "secret_access_key": "b"}
        connection = await Connection.open(S3Storage.model_validate(values | more))
        await connection.aclose()
        return connection.endpoint.verify

    assert await verify(tls_ca=ca_file) == str(ca_file)
    assert await verify(tls_verify=False) is False
    system = ssl.get_default_verify_paths().cafile
    assert await verify() == (system or True)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(ca_file))
    assert await verify() is True
