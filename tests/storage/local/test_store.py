from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.settings.sections import LocalStorage
from gateway.storage.base import ObjectStore
from gateway.storage.local import LocalStore
from tests.storage.contract import StoreContract


class TestLocalStore(StoreContract):
    missing_bucket = "missing"

    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        (tmp_path / "photos").mkdir()
        store = LocalStore("disk", LocalStorage(kind="local", path=tmp_path, buckets="existing"))
        await store.start()
        yield store
        await store.aclose()

    @pytest.fixture
    def bucket(self) -> str:
        return "photos"
