from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.storage.local import LocalStore
from tests.storage.local.opened import again


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalStore]:
    store = await again(tmp_path)
    yield store
    await store.aclose()
