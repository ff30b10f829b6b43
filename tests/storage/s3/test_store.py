import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from gateway.settings.sections import S3Storage
from gateway.storage.base import ObjectStore
from gateway.storage.s3 import S3Store
from tests.servers.fixtures import create_bucket
from tests.servers.lease import S3Endpoint
from tests.storage.contract import StoreContract

BUCKET = f"contract-{os.getpid()}"
PLANES = ("wire", "aiobotocore")


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


@asynccontextmanager
async def started(endpoint: S3Endpoint, data_plane: str) -> AsyncIterator[ObjectStore]:
    create_bucket(endpoint, BUCKET)
    store = S3Store("main", section(endpoint, data_plane=data_plane))
    await store.start()
    await store.probe(BUCKET, "")
    yield store
    await store.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PLANES)
async def moto_store(
    moto_s3: S3Endpoint, request: pytest.FixtureRequest
) -> AsyncIterator[ObjectStore]:
    async with started(moto_s3, request.param) as store:
        yield store


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PLANES)
async def rgw_store(rgw: S3Endpoint, request: pytest.FixtureRequest) -> AsyncIterator[ObjectStore]:
    async with started(rgw, request.param) as store:
        yield store


@pytest.mark.asyncio(loop_scope="module")
class TestMoto(StoreContract):
    missing_bucket = "there-is-no-such-bucket"

    @pytest.fixture
    def store(self, moto_store: ObjectStore) -> ObjectStore:
        return moto_store

    @pytest.fixture
    def bucket(self) -> str:
        return BUCKET


@pytest.mark.s3
@pytest.mark.asyncio(loop_scope="module")
class TestCephRgw(StoreContract):
    missing_bucket = "there-is-no-such-bucket"

    @pytest.fixture
    def store(self, rgw_store: ObjectStore) -> ObjectStore:
        return rgw_store

    @pytest.fixture
    def bucket(self) -> str:
        return BUCKET
