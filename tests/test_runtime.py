"""What runs below HTTP."""

import time
from pathlib import Path

import pytest

from gateway.errors import SessionsUnavailable, StorageError, StorageRejected, StorageUnavailable
from gateway.model import ObjectKey
from gateway.runtime import open_runtime, open_store, probe_any
from gateway.sessions.base import Intent
from gateway.sessions.memory import MemorySessions
from gateway.settings import LocalStorage, MemoryStorage, S3Storage, StorageSection
from gateway.storage.base import Capabilities
from gateway.storage.local import LocalStore
from gateway.storage.memory import MemoryStore
from gateway.storage.s3 import S3Store
from gateway.transfer.sweep_report import SweepTarget
from tests.web.lab import settings


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        (MemoryStorage(kind="memory"), MemoryStore),
        (LocalStorage(kind="local"), LocalStore),
        (S3Storage(kind="s3"), S3Store),
    ],
)
def test_a_section_becomes_the_store_of_its_kind(section: StorageSection, kind: type) -> None:
    store = open_store("main", section)

    assert isinstance(store, kind)
    assert store.name == "main"


async def test_everything_is_checked_and_probed_once_a_store(tmp_path: Path) -> None:
    local = {"kind": "local", "path": tmp_path / "objects"}
    async with open_runtime(settings(tmp_path, storage={"main": local})) as runtime:
        await runtime.check()
        await runtime.probe()

        assert [target.bucket for target in runtime.targets] == ["photos", "public"]
        assert runtime.stores["main"].capabilities.conditional_put == "complete"
        assert set(runtime.retriers) == {"main"}


@pytest.mark.parametrize(("ahead", "kept"), [(0.0, 1), (1000.0, 0)])
async def test_the_sweep_judges_by_the_time_that_all_agree_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: float, kept: int
) -> None:
    here = time.time()
    monkeypatch.setattr(MemorySessions, "now", lambda sessions: here + ahead)
    async with open_runtime(settings(tmp_path)) as runtime:
        [target] = [each for each in runtime.targets if each.bucket == "photos"]
        key = ObjectKey("photos", "a")
        left = Intent(id="i", store=target.store, key=key, owner="elsewhere/1", created=here)
        await runtime.sessions.put_intent(left)
        await runtime.sweeper.sweep()
        assert len(await runtime.sessions.intents()) == kept


async def test_a_bucket_that_is_not_there_fails_the_check(tmp_path: Path) -> None:
    local = {"kind": "local", "path": tmp_path / "objects", "buckets": "existing"}
    async with open_runtime(settings(tmp_path, storage={"main": local})) as runtime:
        with pytest.raises(Exception, match="photos"):
            await runtime.check()


async def test_a_store_that_cannot_be_opened_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    local = {"kind": "local", "path": tmp_path / "file" / "objects"}
    with pytest.raises(StorageError):
        async with open_runtime(settings(tmp_path, storage={"main": local})):
            raise AssertionError("it opened")


async def test_sessions_that_cannot_be_opened_are_an_error(tmp_path: Path) -> None:
    sessions = {"url": "redis://127.0.0.1:1/0", "timeout": 0.2}
    with pytest.raises(SessionsUnavailable):
        async with open_runtime(settings(tmp_path, sessions=sessions)):
            raise AssertionError("it opened")


class Refusing(MemoryStore):
    """A store that lists more buckets than it lets us use: no real one can be told to."""

    allowed = ""
    down = False

    async def list_buckets(self) -> list[str] | None:
        if self.down:
            raise StorageUnavailable("down")
        return ["a", "b", "c", "d"]

    async def probe(self, bucket: str, prefix: str) -> Capabilities:
        if bucket != self.allowed:
            raise StorageRejected(f"{bucket} is closed")
        return await super().probe(bucket, prefix)


async def test_a_store_is_probed_in_a_bucket_that_lets_us() -> None:
    store = Refusing("main")
    store.allowed = "b"
    assert await probe_any(store, ["a", "b", "c"]) == "b"
    store.allowed = "d"  # the probe must not knock at every door
    with pytest.raises(StorageRejected, match="c is closed"):
        await probe_any(store, ["a", "b", "c", "d"])
    assert await probe_any(store, []) is None


async def test_a_store_that_buckets_are_passed_to_is_probed_checked_and_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.runtime.MemoryStore", Refusing)
    found = settings(
        tmp_path, buckets={}, slots={}, storage={"main": {"kind": "memory"}},
        buckets_default={"storage": "main"},
    )  # fmt: skip
    async with open_runtime(found) as runtime:
        assert runtime.targets == [SweepTarget("main", None)]
        await runtime.check()
        monkeypatch.setattr(Refusing, "allowed", "c")
        await runtime.probe()
        monkeypatch.setattr(Refusing, "allowed", "d")
        with pytest.raises(StorageRejected):
            await runtime.probe()
        monkeypatch.setattr(Refusing, "down", True)
        with pytest.raises(StorageUnavailable):
            await runtime.check()
