"""Fixtures that give tests a real server. One server per test run, shared by its processes."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from tests.servers import rgw as ceph
from tests.servers.lease import S3Endpoint, leased


@pytest.fixture(scope="session")
def servers_folder(testrun_uid: str) -> Path:
    """Where the servers of this test run keep their files."""
    folder = Path(tempfile.gettempdir()) / f"sluice-servers-{testrun_uid}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def moto_s3(servers_folder: Path) -> Iterator[S3Endpoint]:
    """moto's S3, in a process of its own."""
    with leased("moto_s3", servers_folder, start_limit=30) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def rgw(servers_folder: Path) -> Iterator[S3Endpoint]:
    """Ceph RGW, in processes of its own; about ten seconds to start. For tests marked ``s3``."""
    reason = ceph.missing()
    if reason is not None:
        if os.environ.get("SLUICE_TEST_REQUIRE") == "all":
            pytest.fail(f"Ceph RGW: {reason}", pytrace=False)
        pytest.skip(f"Ceph RGW: {reason}")
    with leased("rgw", servers_folder, start_limit=90) as endpoint:
        yield endpoint


def own_bucket(endpoint: S3Endpoint, stem: str) -> str:
    """Make a bucket that no other test has, in this process or another, and answer its name, which begins with
    ``stem``. Test processes share servers: who looks at all that is in a bucket needs one, and who kills who writes."""
    return create_bucket(endpoint, f"{stem}-{secrets.token_hex(5)}")


def create_bucket(endpoint: S3Endpoint, bucket: str) -> str:
    """Make a bucket, and answer its name; that it exists is no error."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        region_name=endpoint.region,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 3}),
    )
    try:
        client.create_bucket(Bucket=bucket)
    finally:
        client.close()
    return bucket
