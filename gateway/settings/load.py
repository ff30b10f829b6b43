"""Reading settings: a TOML file, then the environment, then a refusal of everything unknown.

``SLUICE_SECTION__KEY`` overrides ``[section] key``. Names of maps (``[keys.X]``, ``[storage.X]``, ...)
match existing ones case-insensitively, because environments are often upper-case; a variable that
matches no setting stops the start, because a misspelt one would otherwise be ignored silently.
"""

import difflib
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from gateway.settings.sections import Settings

PREFIX: Final = "SLUICE_"
#: Read by the command line, not settings of the server.
NOT_SETTINGS: Final = frozenset(
    {"SLUICE_CONFIG", "SLUICE_ENDPOINT", "SLUICE_ACCESS_KEY_ID", "SLUICE_SECRET_ACCESS_KEY"}
)


class SettingsError(Exception):
    """The configuration is wrong. ``str()`` says where, and what would be right, a line each."""


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the file (None: no file) and the environment.

    Raises:
        SettingsError: unreadable, unknown keys, wrong values.
    """
    tree = _read_toml(path) if path is not None else {}
    problems: list[str] = []
    for name, value in sorted(environ.items()):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            problem = _overlay(tree, name, value)
            if problem:
                problems.append(problem)
    if problems:
        raise SettingsError("\n".join(problems))
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        where = str(path) if path is not None else "the environment"
        lines = [f"{where}: {_explain(item)}" for item in error.errors(include_url=False)]
        raise SettingsError("\n".join(lines)) from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from None


def _overlay(tree: dict[str, Any], name: str, value: str) -> str | None:
    """Put one variable into the tree; answer what is wrong with it."""
    shape: Any = Settings
    node = tree
    segments = name.removeprefix(PREFIX).split("__")
    for depth, segment in enumerate(segments):
        known = _names(shape, node)
        field = _match(segment, known)
        if field is None and _is_map(shape):
            field = segment
        if field is None:
            return f"{name}: no such setting.{_nearest(segment, known, name, segments[:depth])}"
        shape = _inside(shape, node, field)
        if depth == len(segments) - 1:
            if _candidates(shape) or _is_map(shape):
                return f"{name}: {field} is a section; name a setting in it: {name}__..."
            node[field] = value
            return None
        if not _candidates(shape) and not _is_map(shape):
            return f"{name}: {field} is no section."
        node = node.setdefault(field, {})
    return None  # pragma: no cover - split() never answers an empty list


def _is_map(shape: Any) -> bool:
    """Whether the names at this place are the user's own (``[keys.X]``)."""
    return typing.get_origin(shape) is dict


def _names(shape: Any, node: dict[str, Any]) -> list[str]:
    if _is_map(shape):
        return list(node)
    found = [model for model in _candidates(shape) if _kind(model) in ("", node.get("kind"))]
    return sorted({field for model in found or _candidates(shape) for field in model.model_fields})


def _inside(shape: Any, node: dict[str, Any], field: str) -> Any:
    """The type of what stands under ``field``."""
    if _is_map(shape):
        return typing.get_args(shape)[1]
    for model in _candidates(shape):
        if field in model.model_fields:
            return model.model_fields[field].annotation
    return None  # pragma: no cover - _names answered it


def _match(segment: str, known: list[str]) -> str | None:
    folded = segment.lower()
    return next((name for name in known if name == segment), None) or next(
        (name for name in known if name.lower() == folded), None
    )


def _nearest(wrong: str, known: list[str], name: str, before: list[str]) -> str:
    near = difflib.get_close_matches(
        wrong.lower(), [item.lower() for item in known], n=1, cutoff=0.5
    )
    if not near:
        return f" Known here: {', '.join(known)}."
    path = [item.upper() for item in before] + [near[0].upper()]
    rest = name.removeprefix(PREFIX).split("__")[len(path) :]
    return f" Did you mean {PREFIX}{'__'.join([*path, *rest])}?"


def _explain(item: Any) -> str:
    location = [str(step) for step in item["loc"]]
    if item["type"] == "extra_forbidden":
        known = _siblings(item["loc"])
        near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return f"{'.'.join(location)}: no such setting; {hint}"
    return f"{'.'.join(location) or 'settings'}: {item['msg'].removeprefix('Value error, ')}"


def _siblings(location: tuple[Any, ...]) -> list[str]:
    """The names that would have been right where ``location`` ends."""
    model: Any = Settings
    for step in location[:-1]:
        if isinstance(model, type) and issubclass(model, BaseModel) and step in model.model_fields:
            model = model.model_fields[step].annotation
        elif typing.get_origin(model) is dict:
            model = typing.get_args(model)[1]
        model = next((found for found in _candidates(model) if step == _kind(found)), model)
    found = _candidates(model)
    return list(found[0].model_fields) if found else []


def _candidates(model: Any) -> list[type[BaseModel]]:
    if isinstance(model, type):
        return [model] if issubclass(model, BaseModel) else []
    return [found for arg in typing.get_args(model) for found in _candidates(arg)]


def _kind(model: type[BaseModel]) -> str:
    kind = model.model_fields.get("kind")
    return "" if kind is None else str(typing.get_args(kind.annotation)[0])
