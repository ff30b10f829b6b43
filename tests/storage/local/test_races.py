"""Several processes in one folder."""

import asyncio
import multiprocessing
from collections import Counter
from pathlib import Path

from gateway.model import ObjectKey
from gateway.settings import LocalStorage
from gateway.storage.local import LocalStore
from tests.storage.contract_base import PLAIN, body, part
from tests.storage.local import racing_writer


async def test_pitfall_08_of_several_processes_exactly_one_creates_and_completes(
    tmp_path: Path,
) -> None:
    keys = [ObjectKey("photos", f"key-{n}") for n in range(60)]
    store = LocalStore("disk", LocalStorage(kind="local", path=tmp_path, durability="process"))
    await store.start()
    refs = [await store.create_multipart(ObjectKey("photos", f"u{n}"), PLAIN) for n in range(30)]
    uploads = [(ref, await store.upload_part(ref, part(1, b"shared", 0))) for ref in refs]

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([racing_writer.__name__])
    pipes, processes = [], []
    names = [b"one", b"two", b"three"]
    for name in names:
        ours, theirs = context.Pipe()
        arguments = (tmp_path, name, keys, uploads, theirs)
        processes.append(context.Process(target=racing_writer.race, args=arguments, daemon=True))
        processes[-1].start()
        theirs.close()
        pipes.append(ours)
    for pipe in pipes:
        assert await asyncio.to_thread(pipe.poll, 30)
        assert pipe.recv() == "ready"
    for pipe in pipes:
        pipe.send("go")
    won = {}
    for name, pipe in zip(names, pipes, strict=True):
        assert await asyncio.to_thread(pipe.poll, 30)
        won[name] = pipe.recv()
    for process in processes:
        process.join(10)

    assert Counter(key for created, _ in won.values() for key in created) == Counter(keys)
    for name, (created, _) in won.items():
        for key in created:
            assert await body(await store.get(key)) == name
    assert Counter(ref for _, completed in won.values() for ref in completed) == Counter(refs)
    for ref in refs:
        assert await body(await store.get(ref.key)) == b"shared"
    assert list((tmp_path / ".multipart").iterdir()) == []
    await store.aclose()
    assert list((tmp_path / ".tmp").iterdir()) == []
