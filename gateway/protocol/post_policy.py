"""The policy document of a form upload: what its signer lets a browser send, and until when.

Source: "Creating a POST Policy", Amazon S3 API reference. A form keeps the policy when every condition holds and
every field has one; ``bucket`` counts as a field. Signed says only who wrote it: it has to be kept as well.
"""

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, NoReturn, TypeAlias

from gateway.errors import Forbidden, MalformedPolicyDocument, RequestExpired
from gateway.protocol.names import shown

#: Fields that need no condition; and so do those that begin with ``x-ignore-``.
_EXEMPT: Final = frozenset({"policy", "x-amz-signature", "file"})
_IGNORED: Final = "x-ignore-"
#: Most digits of a size: more than any object has.
_SIZE: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?Z", re.ASCII
).fullmatch

Operator: TypeAlias = Literal["eq", "starts-with"]


@dataclass(frozen=True, slots=True)
class Condition:
    """What one field must be, or begin with. ``field`` is in lower case."""

    operator: Operator
    field: str
    value: str

    def holds(self, value: str | None) -> bool:
        """Whether a field's value fits; one that was not sent never does."""
        if value is None:
            return False
        return value == self.value if self.operator == "eq" else value.startswith(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostPolicy:
    """A policy document. ``expires`` in Unix seconds; sizes of the file in bytes, both included; ``max_size``
    None: no limit."""

    expires: float
    conditions: tuple[Condition, ...]
    min_size: int = 0
    max_size: int | None = None

    def check(self, fields: Mapping[str, str], bucket: str, key: str, now: float) -> None:
        """Hold a form to it. ``key`` is what the file will be stored under, ``now`` Unix seconds.

        Raises:
            RequestExpired: it was good until ``expires``.
            Forbidden: a condition does not hold, or a field has none.
        """
        if now >= self.expires:
            raise RequestExpired("Invalid according to Policy: the policy has expired.")
        values = {**fields, "key": key, "bucket": fields.get("bucket", bucket)}
        if values["bucket"] != bucket:
            raise Forbidden("Invalid according to Policy: the form was made for another bucket.")
        for condition in self.conditions:
            if not condition.holds(values.get(condition.field)):
                raise Forbidden(
                    f"Invalid according to Policy: the condition {condition.operator} on"
                    f" '{shown(condition.field)}' does not hold."
                )
        covered = {condition.field for condition in self.conditions}
        for name in values:
            if name not in covered and name not in _EXEMPT and not name.startswith(_IGNORED):
                raise Forbidden(
                    f"Invalid according to Policy: it has no condition on the field '{shown(name)}'."
                )


def read_policy(encoded: str) -> PostPolicy:
    """Read the field ``policy``: base64 of JSON.

    Raises:
        MalformedPolicyDocument: it is none, or says something that is not understood.
    """
    try:
        document = json.loads(
            b64decode(encoded, validate=True).decode("utf-8"),
            object_pairs_hook=_unrepeated,
            parse_constant=_no_constant,
        )
    except (binascii.Error, ValueError, RecursionError):
        raise _bad("The policy is not base64 of JSON in UTF-8.") from None
    if not isinstance(document, dict) or document.keys() != {"expiration", "conditions"}:
        raise _bad("The policy has exactly the members expiration and conditions.")
    conditions: list[Condition] = []
    low, high = 0, None
    listed = document["conditions"]
    if not isinstance(listed, list):
        raise _bad("The policy's conditions are a list.")
    for entry in listed:
        if isinstance(entry, list) and entry and _lower(entry[0]) == "content-length-range":
            least, most = _read_range(entry)
            low, high = max(low, least), most if high is None else min(high, most)
        else:
            conditions.append(_read_condition(entry))
    return PostPolicy(
        expires=_read_time(document["expiration"]),
        conditions=tuple(conditions),
        min_size=low,
        max_size=high,
    )


def _read_condition(entry: Any) -> Condition:
    match entry:
        case dict() if len(entry) == 1:
            ((field, value),) = entry.items()
            return Condition("eq", _field(field), _text(value))
        case [str(operator), str(field), value] if field.startswith("$"):
            return Condition(_operator(operator), _field(field[1:]), _text(value))
        case _:
            raise _bad(
                'A condition is {"field": "value"} or ["eq" or "starts-with", "$field", "value"].'
            )


def _operator(text: str) -> Operator:
    match text.lower():
        case "eq":
            return "eq"
        case "starts-with":
            return "starts-with"
        case _:
            raise _bad(f"The policy's operator '{shown(text)}' is not understood.")


def _field(name: str) -> str:
    if not name or name == "content-length-range":
        raise _bad("A condition of the policy names no field.")
    return name.lower()


def _text(value: Any) -> str:
    """A value; a number (a status) counts as its digits."""
    if isinstance(value, str):
        return value
    if type(value) is int and 0 <= value < 1000:
        return str(value)
    raise _bad("A condition's value is text.")


def _read_range(entry: list[Any]) -> tuple[int, int]:
    sizes = [_size(value) for value in entry[1:]]
    if len(sizes) != 2 or sizes[0] > sizes[1]:
        raise _bad('A range of sizes is ["content-length-range", least, most].')
    return sizes[0], sizes[1]


def _size(value: Any) -> int:
    text = str(value) if type(value) in (int, str) else ""
    if _SIZE.fullmatch(text) is None:
        raise _bad("A size in the policy is a number of bytes, from 0 up.")
    return int(text)


def _read_time(value: Any) -> float:
    match = _TIME(value) if isinstance(value, str) else None
    try:
        if match is not None:
            year, month, day, hour, minute, second = map(int, match.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        pass
    raise _bad("The policy's expiration reads YYYY-MM-DDTHH:MM:SSZ, in UTC.")


def _lower(value: Any) -> str:
    return value.lower() if isinstance(value, str) else ""


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse what another reader could read differently."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _bad("The policy has a member twice.")
    return found


def _no_constant(text: str) -> NoReturn:
    raise _bad(f"{text} is no JSON.")


def _bad(detail: str) -> MalformedPolicyDocument:
    return MalformedPolicyDocument(detail)
