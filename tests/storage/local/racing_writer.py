"""A process that races others in one folder, and answers which races it won."""

import asyncio
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from gateway.errors import MultipartLost, PreconditionFailed
from gateway.model import Attributes, MultipartRef, ObjectKey, PartReceipt, WriteCondition
from gateway.settings import LocalStorage
from gateway.storage.local import LocalStore
from tests.storage.contract_base import part, views

Uploads = Sequence[tuple[MultipartRef, PartReceipt]]


def race(folder: Path, name: bytes, keys: Sequence[ObjectKey], uploads: Uploads, pipe: Connection) -> None:  # fmt: skip
    pipe.send(asyncio.run(_race(folder, name, keys, uploads, pipe)))
    pipe.close()


async def _race(
    folder: Path, name: bytes, keys: Sequence[ObjectKey], uploads: Uploads, pipe: Connection
) -> tuple[list[ObjectKey], list[MultipartRef]]:
    store = LocalStore("disk", LocalStorage(kind="local", path=folder, durability="process"))
    await store.start()
    pipe.send("ready")
    pipe.recv()
    created, completed = [], []
    for key in keys:
        try:
            await store.put(key, views(name), Attributes(), condition=WriteCondition(absent=True))
            created.append(key)
        except PreconditionFailed:
            continue
    for ref, receipt in uploads:
        try:
            await store.upload_part(ref, part(2, name, receipt.size))
            await store.complete_multipart(ref, [receipt])
            completed.append(ref)
        except MultipartLost:
            continue
    await store.aclose()
    return created, completed
