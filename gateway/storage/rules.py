"""What the stores of our own (memory, local) enforce alike: ranges, conditions, parts, ETags."""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.errors import InvalidArgument, InvalidPart, InvalidRange, PreconditionFailed, TooLarge
from gateway.model import (
    ByteRange,
    Part,
    PartLimits,
    PartReceipt,
    RangeRequest,
    WriteCondition,
)
from gateway.protocol.ranges import resolve_one


def new_name() -> str:
    """128 random bits as 26 letters and digits in lower case."""
    return base64.b32encode(os.urandom(16)).decode("ascii").rstrip("=").lower()


def new_etag() -> str:
    """A strong ETag that no other write ever gets.

    It has a prefix and is not 32 hex digits, because clients take such ETags for the MD5 of the
    object (aws s3 sync, s3cmd), which it is not.
    """
    return f"sl-{new_name()}"


def clamp(request: RangeRequest | None, size: int) -> ByteRange | None:
    """The bytes that a range request selects of an object of ``size`` bytes; None for an empty
    object asked for whole (RFC 9110, 14.1.2).

    Raises:
        InvalidRange: no byte of the object is selected.
    """
    if request is None:
        return ByteRange(0, size) if size else None
    selected = resolve_one(request, size)
    if selected is None:
        raise InvalidRange(f"The object has {size} bytes; none is in the range.", size=size)
    return selected


def check_condition(condition: WriteCondition, etag: str | None) -> None:
    """Hold a write to its condition. ``etag`` is the present object's, None where there is none.

    Raises:
        PreconditionFailed: the condition does not hold.
    """
    if condition.absent and etag is not None:
        raise PreconditionFailed("An object with this key exists already.")
    check_match(condition.etag, etag)


def check_match(wanted: str | None, etag: str | None) -> None:
    """Hold a request to the ETag it named; None: it named none.

    Raises:
        PreconditionFailed: the object's ETag is another, or there is no object.
    """
    if wanted is not None and wanted != etag:
        raise PreconditionFailed("The object is not the one whose ETag was given.")


def check_part(part: Part, size: int, limits: PartLimits) -> None:
    """Hold a part of ``size`` bytes to the limits that can be checked when it arrives.

    Raises:
        InvalidArgument: its number is out of range.
        TooLarge: it is larger than a part may be.
    """
    if not 1 <= part.number <= limits.max_parts:
        raise InvalidArgument(f"Part numbers go from 1 to {limits.max_parts}, not {part.number}.")
    if size > limits.max_size:
        raise TooLarge(f"A part has at most {limits.max_size} bytes, not {size}.")


def settle(
    receipts: Sequence[PartReceipt], known: Mapping[int, PartReceipt], limits: PartLimits
) -> list[PartReceipt]:
    """The stored parts that ``receipts`` name, ready to become an object.

    Raises:
        InvalidPart: no parts, not ascending, one unknown or replaced since, or one before the last
            under the least size.
    """
    if not receipts:
        raise InvalidPart("An object needs at least one part.")
    chosen: list[PartReceipt] = []
    for receipt in receipts:
        if chosen and receipt.number <= chosen[-1].number:
            raise InvalidPart(f"Part {receipt.number} does not come after {chosen[-1].number}.")
        stored = known.get(receipt.number)
        if stored is None or stored.etag != receipt.etag:
            raise InvalidPart(f"Part {receipt.number} was not uploaded, or replaced since.")
        chosen.append(stored)
    for stored in chosen[:-1]:
        if stored.size < limits.min_size:
            raise InvalidPart(
                f"Part {stored.number} has {stored.size} bytes; all parts but the last need {limits.min_size}."
            )
    return chosen


def in_order(known: Mapping[int, PartReceipt]) -> list[PartReceipt]:
    """The receipts ascending by number, their offsets the sum of the sizes before."""
    listed: list[PartReceipt] = []
    offset = 0
    for number in sorted(known):
        listed.append(replace(known[number], offset=offset))
        offset += known[number].size
    return listed
