import os
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from gateway.model import ObjectKey
from gateway.settings.sections import S3Storage
from gateway.storage.base import ObjectStore
from gateway.storage.s3 import S3Store
from tests.servers.fixtures import create_bucket
from tests.servers.lease import S3Endpoint
from tests.storage.contract import StoreContract
from tests.storage.contract_objects import ODD_KEYS

BUCKET = f"contract-{os.getpid()}"


def section(endpoint: S3Endpoint, **more: object) -> S3Storage:
    return S3Storage.model_validate(
        {
            "kind": "s3",
            "endpoint_url": endpoint.url,
            "region": endpoint.region,
            "access_key_id": endpoint.access_key,
            "secret_access_key": endpoint.secret_key,
            **more,
        }
    )


async def started(endpoint: S3Endpoint) -> AsyncIterator[ObjectStore]:
    create_bucket(endpoint, BUCKET)
    store = S3Store("main", section(endpoint))
    await store.start()
    yield store
    await store.aclose()


class TestMoto(StoreContract):
    missing_bucket = "there-is-no-such-bucket"

    @pytest.fixture
    async def store(self, moto_s3: S3Endpoint) -> AsyncIterator[ObjectStore]:
        async for store in started(moto_s3):
            await store.probe(BUCKET, "")
            yield store

    @pytest.fixture
    def bucket(self) -> str:
        return BUCKET


@pytest.mark.s3
class TestCephRgw(StoreContract):
    missing_bucket = "there-is-no-such-bucket"

    @pytest.fixture
    async def store(self, rgw: S3Endpoint) -> AsyncIterator[ObjectStore]:
        async for store in started(rgw):
            await store.probe(BUCKET, "")
            yield store

    @pytest.fixture
    def bucket(self) -> str:
        return BUCKET
