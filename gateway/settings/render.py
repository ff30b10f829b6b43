"""Settings written as TOML, in the units that people use; secrets are masked."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo

from gateway.settings.tree import Settings
from gateway.units import format_duration, format_size, parse_duration, parse_size

#: What stands for a secret. It is no secret that anybody has: nothing is accepted in its place.
MASK: Final = "********"


def to_toml(settings: Settings) -> str:
    """All settings, the defaults included. What is left out (None) is left out here too."""
    return "\n".join(_section("", settings)).strip() + "\n"


def write_value(value: Any, field: FieldInfo | None = None) -> str:
    """One value as TOML writes it. ``field`` tells sizes and durations from numbers.

    Raises:
        TypeError: no setting has values of this type.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case SecretStr():
            return json.dumps(MASK)
        case int() | float():
            return _number(value, field)
        case datetime():
            return value.isoformat()
        case str() | Path():
            return json.dumps(str(value), ensure_ascii=False)
        case tuple() | list():
            return f"[{', '.join(write_value(item) for item in value)}]"
        case _:
            raise TypeError(f"no setting holds a {type(value).__name__}")


def is_size(field: FieldInfo) -> bool:
    """Whether a field is read by :func:`~gateway.units.parse_size`."""
    return _reads(field, parse_size)


def is_duration(field: FieldInfo) -> bool:
    """Whether a field is read by :func:`~gateway.units.parse_duration`."""
    return _reads(field, parse_duration)


def _section(path: str, section: BaseModel) -> Iterator[str]:
    """A table's own values, then the tables in it: TOML wants them in this order."""
    below: list[tuple[str, BaseModel]] = []
    lines: list[str] = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            below.append((f"{path}{name}", value))
        elif isinstance(value, Mapping):
            below += [(f"{path}{name}.{_name(key)}", item) for key, item in value.items()]
        elif value is not None:
            lines.append(f"{name} = {write_value(value, field)}")
    if lines:
        yield "\n".join([f"[{path.removesuffix('.')}]", *lines, ""])
    for name, item in below:
        yield from _section(f"{name}.", item)


def _name(key: str) -> str:
    bare = key.isascii() and key.replace("-", "_").isidentifier()
    return key if bare else json.dumps(key, ensure_ascii=False)


def _number(value: float, field: FieldInfo | None) -> str:
    """With a unit where that says exactly the same."""
    if field is not None and is_duration(field):
        text = format_duration(value)
        return json.dumps(text) if parse_duration(text) == value else str(value)
    if field is not None and is_size(field) and isinstance(value, int):
        text = format_size(value)
        return json.dumps(text) if parse_size(text) == value else str(value)
    return str(value)


def _reads(field: FieldInfo, function: object) -> bool:
    found = [*field.metadata]
    for arg in getattr(field.annotation, "__args__", ()):
        found += getattr(arg, "__metadata__", ())
    return any(isinstance(item, BeforeValidator) and item.func is function for item in found)
