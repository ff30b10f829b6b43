"""What an object's file says of itself, at its end.

    bytes of the object ... | JSON | CRC-32 of the JSON, its length (big-endian, 4 bytes each) | magic (8)

Bytes and attributes are one file, so one rename switches both, and who has the file open keeps a
consistent pair however often it is replaced. The object's bytes come first: ``head -c SIZE`` gets
them out with any tool. Only where parts arrived in another order do ``extents`` say where the bytes
lie; a hole between them takes no disk.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

from gateway.errors import StorageCorrupt
from gateway.model import Attributes, ObjectInfo, ObjectKey
from gateway.units import KiB

MAGIC: Final = b"sluice/1"
_TAIL: Final = struct.Struct(">II8s")
#: Read at once from the end: enough for all attributes that HTTP lets through, and a few extents.
_GUESS: Final = 8 * KiB
_TEXTS: Final = tuple(field.name for field in fields(Attributes) if field.name != "metadata")

#: Where bytes lie in a file: (offset, size).
Extent = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Record:
    """An object: its description, and where in the file its bytes are, in order."""

    info: ObjectInfo
    extents: tuple[Extent, ...]


def joined(extents: Iterable[Extent]) -> tuple[Extent, ...]:
    """The same bytes in as few extents as possible."""
    result: list[Extent] = []
    for at, size in extents:
        if result and sum(result[-1]) == at:
            result[-1] = (result[-1][0], result[-1][1] + size)
        elif size:
            result.append((at, size))
    return tuple(result)


def attributes_to_json(attributes: Attributes) -> dict[str, Any]:
    """Only what is set."""
    texts = {name: value for name in _TEXTS if (value := getattr(attributes, name)) is not None}
    metadata = {"metadata": dict(attributes.metadata)} if attributes.metadata else {}
    return {**texts, **metadata}


def attributes_from_json(data: dict[str, Any]) -> Attributes:
    """The inverse of :func:`attributes_to_json`."""
    return Attributes(**data)


def encode(record: Record) -> bytes:
    """The end of the file."""
    info = record.info
    data: dict[str, Any] = {
        "bucket": info.key.bucket,
        "key": info.key.name,
        "size": info.size,
        "etag": info.etag,
        "modified": info.modified.timestamp(),
        "attributes": attributes_to_json(info.attributes),
    }
    if record.extents not in {(), ((0, info.size),)}:
        data["extents"] = record.extents
    text = json.dumps(data, separators=(",", ":")).encode("ascii")
    return text + _TAIL.pack(zlib.crc32(text), len(text), MAGIC)


def read(descriptor: int) -> Record:
    """The record at the end of an open file.

    Raises:
        StorageCorrupt: it is damaged, or none of ours.
    """
    size = os.fstat(descriptor).st_size
    end = os.pread(descriptor, _GUESS, max(0, size - _GUESS))
    if len(end) < _TAIL.size:
        raise _corrupt()
    checksum, length, magic = _TAIL.unpack(end[-_TAIL.size :])
    if magic != MAGIC or length + _TAIL.size > size:
        raise _corrupt()
    if length + _TAIL.size > len(end):
        end = os.pread(descriptor, length + _TAIL.size, size - length - _TAIL.size)
    text = end[-_TAIL.size - length : -_TAIL.size]
    if len(text) != length or zlib.crc32(text) != checksum:
        raise _corrupt()
    return _decode(json.loads(text))


def _decode(data: dict[str, Any]) -> Record:
    size = int(data["size"])
    info = ObjectInfo(
        key=ObjectKey(data["bucket"], data["key"]),
        size=size,
        etag=data["etag"],
        modified=datetime.fromtimestamp(data["modified"], UTC),
        attributes=attributes_from_json(data["attributes"]),
    )
    extents = data.get("extents", [(0, size)] if size else [])
    return Record(info, tuple((at, length) for at, length in extents))


def _corrupt() -> StorageCorrupt:
    return StorageCorrupt("The object's file on the gateway's disk is damaged. Upload it again.")
