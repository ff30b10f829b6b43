"""Deleting, with and without conditions."""

import asyncio
from pathlib import Path

import pytest

from gateway.errors import PreconditionFailed
from gateway.protocol.commands import DeleteObject, Preconditions
from gateway.storage.base import ConditionalPut
from tests.transfer.lab import KEY, Store, bench

KINDS: list[ConditionalPut] = ["none", "put", "complete"]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_missing_is_deleted_already(tmp_path: Path, kind: ConditionalPut) -> None:
    async with bench(tmp_path, Store(kind)) as lab:
        await lab.put(b"x")
        for _ in range(2):
            await lab.deletes.delete(DeleteObject(key=KEY))

        assert isinstance(lab.store, Store)
        assert not lab.store.has()


@pytest.mark.parametrize("kind", KINDS)
async def test_only_the_version_that_is_named_is_deleted(
    tmp_path: Path, kind: ConditionalPut
) -> None:
    async with bench(tmp_path, Store(kind)) as lab:
        stored = await lab.put(b"x")
        other = DeleteObject(key=KEY, conditions=Preconditions(if_match=('"other"',)))
        known = DeleteObject(key=KEY, conditions=Preconditions(if_match=(f'"{stored.info_etag}"',)))
        with pytest.raises(PreconditionFailed):
            await lab.deletes.delete(other)
        assert isinstance(lab.store, Store)
        assert lab.store.has()
        await lab.deletes.delete(known)
        with pytest.raises(PreconditionFailed):
            await lab.deletes.delete(known)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_conditional_delete_never_takes_an_object_that_was_just_written(
    tmp_path: Path, kind: ConditionalPut
) -> None:
    """A conditional writer and a conditional deleter of one version: exactly one of them wins."""
    async with bench(tmp_path, Store(kind)) as lab:
        stored = await lab.put(b"1")
        known = Preconditions(if_match=(f'"{stored.info_etag}"',))

        async def delete() -> None:
            await lab.deletes.delete(DeleteObject(key=KEY, conditions=known))

        answers = await asyncio.gather(
            delete(), lab.put(b"2", conditions=known), return_exceptions=True
        )

        assert isinstance(lab.store, Store)
        refused = [isinstance(answer, PreconditionFailed) for answer in answers]
        assert sorted(refused) == [False, True]
        assert lab.store.has() is refused[0]


async def test_a_condition_that_holds_for_nothing_costs_no_delete(tmp_path: Path) -> None:
    async with bench(tmp_path) as lab:
        absent = Preconditions(if_none_match=("*",))
        await lab.deletes.delete(DeleteObject(key=KEY, conditions=absent))

        assert isinstance(lab.store, Store)
        assert "delete" not in lab.store.calls
