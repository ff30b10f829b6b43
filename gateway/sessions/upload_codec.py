"""Uploads as JSON text, for the stores that keep them outside of this process.

A record is stored in pieces, so that a change writes little: what was said at its creation (never written
again), how it stands (short), and each extent by itself. Epoch, version and ``yield_asked`` stand beside
these, because stores compare them. Every piece begins with its version; one that this Sluice doesn't
know is refused, never guessed at. The same value always gives the same text.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import astuple, fields, replace
from types import MappingProxyType
from typing import Any, Final

from gateway.errors import SessionsUnavailable
from gateway.model import Attributes, Digest, ObjectKey, Principal, WriteCondition
from gateway.sessions.extents import Extent, Piece
from gateway.sessions.uploads import Cut, Result, UploadSession

#: Of every piece.
RECORD_VERSION: Final = 1


def encode_made(session: UploadSession) -> str:
    """What never changes after creation."""
    attributes = session.attributes
    return _text(
        {
            "id": session.id,
            "dialect": session.dialect,
            "principal": astuple(session.principal),
            "policy": session.policy,
            "target": astuple(session.target),
            "store": session.store,
            "key": astuple(session.key),
            "cut": astuple(session.cut),
            "created": session.created,
            "name": session.name,
            "attributes": {
                field.name: value
                for field in fields(attributes)
                if field.name != "metadata"
                and (value := getattr(attributes, field.name)) is not None
            },
            "user_metadata": dict(attributes.metadata),
            "condition": astuple(session.condition),
            "overwrite": session.overwrite,
            "max_size": session.max_size,
            "claims": _digests(session.claims),
            "metadata": session.metadata,
            "partial": session.partial,
            "sources": session.sources,
        }
    )


def decode_made(text: str) -> UploadSession:
    """The upload as it was created; :func:`with_standing` brings it up to date.

    Raises:
        SessionsUnavailable: written by a newer Sluice.
    """
    made = _fields(text)
    start, cap, run, max_parts, stride = made["cut"]
    return UploadSession(
        id=made["id"],
        dialect=made["dialect"],
        principal=Principal(*made["principal"]),
        policy=made["policy"],
        target=ObjectKey(*made["target"]),
        store=made["store"],
        key=ObjectKey(*made["key"]),
        cut=Cut(start=start, cap=cap, run=run, max_parts=max_parts, stride=stride),
        created=made["created"],
        name=made["name"],
        attributes=Attributes(
            **made["attributes"], metadata=MappingProxyType(made["user_metadata"])
        ),
        condition=WriteCondition(*made["condition"]),
        overwrite=made["overwrite"],
        max_size=made["max_size"],
        claims=_undigests(made["claims"]),
        metadata=made["metadata"],
        partial=made["partial"],
        sources=tuple(made["sources"]),
    )


def encode_standing(session: UploadSession) -> str:
    """How it stands: all that changes, but the extents and what the stores compare."""
    result = session.result
    return _text(
        {
            "length": session.length,
            "expires": session.expires,
            "state": session.state,
            "holder": session.holder,
            "upload_id": session.upload_id,
            "result": None
            if result is None
            else {
                "etag": result.etag,
                "size": result.size,
                "created": result.created,
                "version": result.version,
                "digests": _digests(result.digests),
            },
        }
    )


def with_standing(
    session: UploadSession,
    text: str,
    *,
    epoch: int,
    version: int,
    yield_asked: bool,
    extents: tuple[Extent, ...],
) -> UploadSession:
    """``session`` brought up to date.

    Raises:
        SessionsUnavailable: written by a newer Sluice.
    """
    standing = _fields(text)
    result = standing["result"]
    if result is not None:
        standing["result"] = Result(**{**result, "digests": _undigests(result["digests"])})
    return replace(
        session, **standing, epoch=epoch, version=version, yield_asked=yield_asked, extents=extents
    )


def encode_extent(extent: Extent) -> str:
    """One extent: an array, because there may be thousands."""
    return json.dumps(
        [
            RECORD_VERSION,
            extent.offset,
            extent.size,
            extent.number,
            extent.etag,
            extent.name,
            _digests(extent.digests),
            [(piece.offset, piece.size, piece.crc) for piece in extent.pieces],
        ],
        separators=(",", ":"),
    )


def decode_extent(text: str) -> Extent:
    """One extent.

    Raises:
        SessionsUnavailable: written by a newer Sluice.
    """
    version, *rest = json.loads(text)
    _check(version)
    offset, size, number, etag, name, digests, pieces = rest
    return Extent(
        offset=offset,
        size=size,
        number=number,
        etag=etag,
        name=name,
        digests=_undigests(digests),
        pieces=tuple(Piece(*piece) for piece in pieces),
    )


def _text(record: dict[str, Any]) -> str:
    return json.dumps({"v": RECORD_VERSION, **record}, separators=(",", ":"))


def _fields(text: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(text)
    _check(record.pop("v"))
    return record


def _check(version: object) -> None:
    if version != RECORD_VERSION:
        raise SessionsUnavailable(
            f"The record of this upload was written by another Sluice (version {version}, this one knows "
            f"{RECORD_VERSION}); run that one until its uploads have ended."
        )


def _digests(digests: Iterable[Digest]) -> list[tuple[str, str]]:
    return [(digest.algorithm, b64encode(digest.value).decode()) for digest in digests]


def _undigests(pairs: Iterable[tuple[str, str]]) -> tuple[Digest, ...]:
    return tuple(Digest(algorithm, b64decode(value)) for algorithm, value in pairs)
