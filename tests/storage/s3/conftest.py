"""What the S3 store's tests share."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
import uvloop

from gateway.settings import S3Storage
from gateway.storage.s3 import S3Store
from tests.servers.faulty_s3 import FaultyS3
from tests.servers.fixtures import create_bucket
from tests.servers.lease import S3Endpoint

BUCKET = f"sluice-{os.getpid()}"


def section(endpoint: S3Endpoint, **more: object) -> S3Storage:
    """The configuration of a store at ``endpoint``; ``more`` goes first."""
    values: dict[str, object] = {
        "kind": "s3",
        "endpoint_url": endpoint.url,
        "region": endpoint.region,
        "access_key_id": endpoint.access_key,
        "secret_access_key": endpoint.secret_key,
    }
    return S3Storage.model_validate(values | more)


@asynccontextmanager
async def opened(settings: S3Storage) -> AsyncIterator[S3Store]:
    """A started store."""
    store = S3Store("main", settings)
    await store.start()
    try:
        yield store
    finally:
        await store.aclose()


@pytest.fixture(scope="session")
def bucket(moto_s3: S3Endpoint) -> str:
    """A bucket of this process in moto."""
    return create_bucket(moto_s3, BUCKET)


@pytest.fixture
async def proxy(moto_s3: S3Endpoint, bucket: str) -> AsyncIterator[FaultyS3]:
    """A proxy with planned faults in front of moto."""
    async with FaultyS3(moto_s3.url) as proxy:
        yield proxy


@pytest.fixture
async def store(moto_s3: S3Endpoint, proxy: FaultyS3) -> AsyncIterator[S3Store]:
    """A store that reaches moto through the proxy, with time-outs short enough for tests."""
    settings = section(moto_s3, endpoint_url=proxy.url, idle_timeout=0.5, connect_timeout=5)
    async with opened(settings) as store:
        yield store


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Production runs uvloop; what leans on its transports runs on asyncio's own too, the fallback."""
    if item.path.name == "test_wire_plane.py":
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}
