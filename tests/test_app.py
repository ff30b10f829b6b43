"""The composition root: what the settings name is opened, and closed again."""

from pathlib import Path

import pytest

from gateway.app import open_runtime, open_store, render_refusal
from gateway.errors import BucketNotFound, HeadTooLarge, StorageError
from gateway.model import Attributes, ObjectKey
from gateway.protocol.commands import RequestHead
from gateway.settings import Settings
from gateway.telemetry import Instrument


def settings(folder: Path, **more: object) -> Settings:
    return Settings.model_validate(
        {
            "storage": {
                "disk": {"kind": "local", "path": str(folder / "objects"), "buckets": "existing"},
                "memory": {"kind": "memory"},
            },
            "buckets": {
                "photos": {"storage": "memory", "prefix": "p/"},
                "films": {"storage": "memory", "bucket": "real-films"},
            },
            "sessions": {"url": f"sqlite:///{folder}/sessions.db"},
        }
        | more
    )


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        ({"kind": "memory"}, "MemoryStore"),
        ({"kind": "local"}, "LocalStore"),
        ({"kind": "s3", "access_key_id": "a", "secret_access_key": "b"}, "S3Store"),
    ],
)
def test_every_kind_of_storage_has_its_store(section: dict[str, str], kind: str) -> None:
    described = Settings.model_validate({"storage": {"main": section}}).storage["main"]
    store = open_store("main", described, Instrument())
    assert (type(store).__name__, store.name) == (kind, "main")


async def test_what_the_settings_name_is_open_inside_the_block(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        assert set(runtime.stores) == set(runtime.retriers) == {"disk", "memory"}
        await runtime.check()
        await runtime.probe()
        placed = runtime.placements.resolve(ObjectKey("films", "a"))
        stored = await placed.store.put(placed.key, [memoryview(b"x")], Attributes())
        assert stored.size == 1
        assert placed.key == ObjectKey("real-films", "a")
        assert {(target.bucket, target.prefix) for target in runtime.targets} == {
            ("photos", "p/"),
            ("real-films", ""),
        }


async def test_a_bucket_that_is_missing_makes_it_not_ready(tmp_path: Path) -> None:
    wanted = settings(tmp_path, buckets={"photos": {"storage": "disk"}})
    async with open_runtime(wanted) as runtime:
        with pytest.raises(BucketNotFound):
            await runtime.check()
        with pytest.raises((BucketNotFound, StorageError)):
            await runtime.probe()


async def test_two_processes_may_share_sessions_one_after_the_other(tmp_path: Path) -> None:
    for _ in range(2):
        async with open_runtime(settings(tmp_path)) as runtime:
            assert await runtime.sessions.intents() == []


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (None, b"head-too-large"),
        (RequestHead("GET", b"/b/k"), b"head-too-large"),
        (RequestHead("GET", b"/b/k", b"X-Amz-Signature=x"), b"<Code>RequestHeaderSectionTooLarge"),
        (
            RequestHead("GET", b"/b/k", headers=[(b"x-amz-date", b"x")]),
            b"<Code>RequestHeaderSectionTooLarge",
        ),
    ],
)
def test_what_the_front_refuses_is_worded_as_the_clients_dialect_would(
    head: RequestHead | None, form: bytes
) -> None:
    assert form in render_refusal(head, HeadTooLarge("Too large.")).body
