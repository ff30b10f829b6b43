"""A process that writes without end, and says through a pipe what the store acknowledged."""

import asyncio
import itertools
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from gateway.model import Attributes, MultipartRef, ObjectKey, PartReceipt
from gateway.settings import LocalStorage
from gateway.storage.checksums import compute
from gateway.storage.local import LocalStore
from tests.storage.contract_base import part, views

KEYS = [ObjectKey("photos", f"key-{n}") for n in range(5)]


@dataclass(frozen=True)
class Trying:
    """From now on ``key`` may have the content with this digest."""

    key: ObjectKey
    digest: str


@dataclass(frozen=True)
class Acknowledged:
    """``key`` has this content."""

    key: ObjectKey
    digest: str
    etag: str


@dataclass(frozen=True)
class PartKept:
    """An upload has this part."""

    ref: MultipartRef
    receipt: PartReceipt
    seed: int


Message = Trying | Acknowledged | PartKept


@dataclass
class Ledger:
    """What a reader of the messages may expect to find."""

    acknowledged: dict[ObjectKey, Acknowledged] = field(default_factory=dict)
    trying: Trying | None = None
    parts: list[PartKept] = field(default_factory=list)

    def note(self, message: Message) -> None:
        if isinstance(message, Trying):
            self.trying, self.parts = message, []
        elif isinstance(message, Acknowledged):
            self.acknowledged[message.key] = message
            self.trying, self.parts = None, []
        else:
            self.parts.append(message)

    def allowed(self, key: ObjectKey) -> set[str]:
        """The digests that the content of ``key`` may have."""
        digests = {self.acknowledged[key].digest} if key in self.acknowledged else set()
        if self.trying is not None and self.trying.key == key:
            digests.add(self.trying.digest)
        return digests


def part_data(seed: int) -> bytes:
    """Large and quick to make, so that a random moment is likely one of writing."""
    return seed.to_bytes(8, "big") * (100_000 + seed % 7)


def digest_of(data: bytes) -> str:
    return compute("crc64nvme", [memoryview(data)]).value.hex()


def write_for_ever(section: LocalStorage, first: int, said: Connection) -> None:
    asyncio.run(_write(section, first, said))


async def _write(section: LocalStorage, first: int, said: Connection) -> None:
    store = LocalStore("disk", section)
    await store.start()
    for n in itertools.count(first):
        key = KEYS[n % len(KEYS)]
        seeds = [3 * n, 3 * n + 1, 3 * n + 2]
        digest = digest_of(b"".join(map(part_data, seeds)))
        attributes = Attributes(metadata={"digest": digest})
        said.send(Trying(key, digest))
        if n % 2:
            stored = await store.put(key, views(*map(part_data, seeds)), attributes)
        else:
            ref = await store.create_multipart(key, attributes)
            receipts, offset = [], 0
            for number, seed in enumerate(seeds, 1):
                sent = part(number, part_data(seed), offset)
                receipts.append(await store.upload_part(ref, sent))
                said.send(PartKept(ref, receipts[-1], seed))
                offset += sent.size
            stored = await store.complete_multipart(ref, receipts)
        said.send(Acknowledged(key, digest, stored.etag))
