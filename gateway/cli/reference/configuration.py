"""The configuration's page and example, out of the sections' types, defaults and docstrings."""

import inspect
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from annotated_types import Ge, Le
from pydantic import AwareDatetime, BaseModel, SecretStr
from pydantic.fields import FieldInfo

from gateway.settings import Settings, shape
from gateway.settings.render import is_duration, is_size, write_value

#: What the user's own names are called, and what such a section may look like.
_NAMED: Final = {
    "storage": "main",
    "buckets": "photos",
    "keys": "SLUICEEXAMPLEKEY01",
    "slots": "upload",
}
_SAMPLES: Final = {
    ("buckets", "storage"): "main",
    ("buckets_default", "storage"): "main",
    ("slots", "bucket"): "photos",
    ("slots", "base_path"): "/upload/",
}
_TYPES: Final = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    Path: "path",
    SecretStr: "secret",
    AwareDatetime: "time",
}
_INTRODUCTION: Final = """\
# Configuration

Sluice reads `sluice.toml` from the working directory, or the file that `--config` or `SLUICE_CONFIG` names.
Without one it keeps everything under `.sluice`, in an embedded store.

Relative paths, in the file as in the environment, start from the **working directory** of the process, not from the
file's folder: `data_dir = ".sluice"` is another folder wherever `sluice` is started. Write absolute ones for a service,
and give every command the same `--config`. Messages show full paths.

The environment comes over the file: `SLUICE_SECTION__KEY` replaces `[section] key`, for example
`SLUICE_SERVER__PORT=9000` or `SLUICE_STORAGE__MAIN__SECRET_ACCESS_KEY=...`. Names that you chose yourself match
in any case. Lists are written with commas.

A name that is no setting stops the start, in the file and in the environment, and the nearest right one is
shown. `sluice check` looks without starting; `sluice print-config` shows what is in effect.

Sizes are written `64MiB`, `1.5GiB` or in bytes; durations `250ms`, `30s`, `15m`, `24h`, `7d` or in seconds;
times as RFC 3339 says, `2027-01-31T12:00:00Z`.
"""


def configuration_page() -> str:
    """Markdown with a table for every section."""
    lines = [_INTRODUCTION]
    for title, story, section in _sections():
        lines += [f"## `[{title}]`", "", story, "", *_table(section), ""]
    return "\n".join(lines)


def example_config() -> str:
    """A ``sluice.toml`` with every setting, commented out at its default."""
    lines = [
        "# Every setting with its default. Take out what you need: an empty file is a working gateway.",
        "",
    ]
    for title, story, section in _sections():
        lines += [f"# {story}", f"# [{title}]"]
        name = title.partition(".")[0].partition("]")[0]
        for key, field in section.model_fields.items():
            lines.append(f"# {key} = {_sample(name, key, field)}".ljust(44) + f"  # {_flat(field)}")
        lines.append("")
    return "\n".join(lines)


def _sections() -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Title, story and type of every section, in the order of the settings."""
    for name, field in Settings.model_fields.items():
        here: Any = field.annotation
        title = name
        if shape.is_map(here):
            title, here = f"{name}.{_NAMED[name]}", shape.inside(here, {}, "")
        for section in shape.sections(here):
            yield title, " ".join(inspect.getdoc(section).split()), section  # type: ignore[union-attr]


def _table(section: type[BaseModel]) -> list[str]:
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, field in section.model_fields.items():
        cells = (f"`{key}`", _type(field), _default(field), _flat(field))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


def _type(field: FieldInfo) -> str:
    if is_size(field):
        return "size"
    if is_duration(field):
        return "duration"
    bounds = [_bound(item) for item in field.metadata]
    return ", ".join([_words(field.annotation), *(bound for bound in bounds if bound)])


def _words(annotation: Any) -> str:
    """A type in words."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{item}`" for item in arguments)
    if origin is tuple:
        return f"list of {_words(arguments[0])}"
    if origin is typing.Annotated:
        return _words(arguments[0])
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_words(item) for item in arguments if item is not types.NoneType)
    return _TYPES[annotation]


def _bound(item: object) -> str:
    match item:
        case Ge():
            return f"at least {item.ge}"
        case Le():
            return f"at most {item.le:,}" if isinstance(item.le, int) else f"at most {item.le}"
        case _:
            return ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "*required*"
    value = field.get_default(call_default_factory=True)
    return "" if value is None else f"`{write_value(value, field)}`"


def _sample(section: str, key: str, field: FieldInfo) -> str:
    """The default, or something that shows the form."""
    if (section, key) in _SAMPLES:
        return write_value(_SAMPLES[section, key])
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    if value is not None:
        return write_value(value, field)
    if key == "kind":
        return write_value(typing.get_args(field.annotation)[0])
    return '"..."'


def _flat(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())
