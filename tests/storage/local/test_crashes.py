"""``kill -9`` at random moments: what was acknowledged is whole, the rest is the old or the new."""

import multiprocessing
import random
import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from gateway.errors import ObjectNotFound
from gateway.settings import LocalStorage
from gateway.storage.local import LocalStore
from tests.storage.contract_base import body
from tests.storage.local import crashing_writer
from tests.storage.local.crashing_writer import KEYS, Acknowledged, Ledger, digest_of, part_data


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([crashing_writer.__name__])
    return context


def write_until_killed(
    processes: ForkServerContext, section: LocalStorage, first: int, wait: float, ledger: Ledger
) -> int:
    """Let a writer run for ``wait`` seconds after its first word, kill it, note all it said."""
    heard, said = processes.Pipe(duplex=False)
    writer = processes.Process(
        target=crashing_writer.write_for_ever, args=(section, first, said), daemon=True
    )
    writer.start()
    said.close()
    assert heard.poll(30), "the writer does not begin"
    time.sleep(wait)
    writer.kill()
    writer.join(10)
    return drain(heard, ledger)


def drain(heard: Connection, ledger: Ledger) -> int:
    count = 0
    try:
        while True:
            ledger.note(heard.recv())
            count += 1
    except EOFError:
        heard.close()
        return count


async def check(folder: Path, ledger: Ledger) -> None:
    store = LocalStore("disk", LocalStorage(kind="local", path=folder))
    await store.start()
    try:
        assert len(list((folder / ".tmp").iterdir())) == 1, "leftovers of the dead"
        await check_parts(store, ledger)
        allowed = {key: ledger.allowed(key) for key in KEYS}
        for key in KEYS:
            try:
                opened = await store.get(key)
            except ObjectNotFound:
                assert key not in ledger.acknowledged
                continue
            digest = digest_of(await body(opened))
            assert digest in allowed[key], f"{key} is neither the old nor the new"
            assert opened.info.attributes.metadata == {"digest": digest}
            known = ledger.acknowledged.get(key)
            if known is not None and known.digest == digest:
                assert opened.info.etag == known.etag
            # What was only tried may or may not be there: from here on it is what it is.
            ledger.note(Acknowledged(key, digest, opened.info.etag))
        assert not list((folder / ".multipart").iterdir())
    finally:
        await store.aclose()


async def check_parts(store: LocalStore, ledger: Ledger) -> None:
    """Every acknowledged part of an unfinished upload is there and right; then drop the upload."""
    unfinished = [one.ref async for one in store.list_multiparts("photos", "")]
    assert len(unfinished) <= 1
    for ref in unfinished:
        mine = [kept for kept in ledger.parts if kept.ref == ref]
        listed = {one.number: one for one in await store.list_parts(ref)}
        for kept in mine:
            assert listed[kept.receipt.number].etag == kept.receipt.etag
        if mine:
            await store.complete_multipart(ref, [kept.receipt for kept in mine])
            expected = b"".join(part_data(kept.seed) for kept in mine)
            assert await body(await store.get(ref.key)) == expected
            await store.delete(ref.key)
            ledger.acknowledged.pop(ref.key, None)
        await store.abort_multipart(ref)


async def survive(folder: Path, processes: ForkServerContext, kills: int) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    ledger = Ledger()
    for turn in range(kills):
        wait = chance.uniform(0, 0.06)
        # kill -9 takes nothing from the page cache: without fsync more of the moments are of writing.
        section = LocalStorage(
            kind="local", path=folder, durability="power" if turn % 4 == 0 else "process"
        )
        assert write_until_killed(processes, section, turn * 1_000, wait, ledger)
        await check(folder, ledger)


async def test_what_was_acknowledged_survives_kill_9(
    tmp_path: Path, processes: ForkServerContext
) -> None:
    await survive(tmp_path, processes, kills=20)


@pytest.mark.slow
async def test_what_was_acknowledged_survives_100_times_kill_9(
    tmp_path: Path, processes: ForkServerContext
) -> None:
    await survive(tmp_path, processes, kills=100)
