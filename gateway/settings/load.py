"""Reading settings: a TOML file, then the environment, then a refusal of everything unknown."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.settings import shape
from gateway.settings.embedded import fill
from gateway.settings.overlay import overlay
from gateway.settings.stores import StorageSection
from gateway.settings.tree import Settings
from gateway.settings.wording import NAME, sentence


class SettingsError(Exception):
    """The configuration is wrong. ``str()`` says where, and what would be right, a line each."""


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the file (None: no file) and the environment over it.

    Raises:
        SettingsError: unreadable, unknown keys, wrong values. All mistakes of a kind are named at once.
    """
    tree = _read_toml(path) if path is not None else {}
    where = str(path.absolute()) if path is not None else "the environment"
    problems = [f"{where}: {line}" for line in _unknown(Settings, tree, ())]
    origins, misnamed = overlay(tree, environ)
    if problems or misnamed:
        raise SettingsError("\n".join([*problems, *misnamed]))
    fill(tree)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        found = [_explain(item, tree) for item in error.errors(include_url=False)]
        lines = [f"{origins.get(place, where)}: {message}" for place, message in found]
        raise SettingsError("\n".join(lines)) from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path.absolute()}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.absolute()}: not TOML: {error}") from None


def _unknown(here: Any, node: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Every name in the file that is no setting, with the one that was probably meant."""
    if not shape.is_table(here) or not isinstance(node, dict):
        return
    known = shape.names(here, node)
    for name, value in node.items():
        if name in known:
            yield from _unknown(shape.inside(here, node, name), value, (*path, name))
        else:
            near = shape.nearest(name, known)
            hint = f"did you mean {near!r}?" if near else f"known here: {', '.join(known)}"
            yield f"{'.'.join((*path, name))}: no such setting; {hint}"


def _explain(item: Any, tree: dict[str, Any]) -> tuple[str, str]:
    """Where a mistake is (pydantic also names a store's kind on the way), and what it is."""
    node: Any = tree
    steps: list[str] = []
    for step in item["loc"]:
        if isinstance(node, dict) and step not in node and step == node.get("kind"):
            continue
        steps.append(str(step))
        node = node.get(step) if isinstance(node, dict) else None
    place, message = ".".join(step for step in steps if step != NAME), sentence(item)
    if item["type"] in ("union_tag_invalid", "union_tag_not_found"):
        place, message = f"{place}.kind", _about_kind(item["ctx"].get("tag"))
    return place, f"{place}: {message}" if place else message


def _about_kind(given: str | None) -> str:
    """A store of no kind, or of one that there is not."""
    known = [name for model in shape.sections(StorageSection) if (name := shape.kind(model))]
    listed = ", ".join(known)
    if given is None:
        return f"a store needs a kind: {listed}"
    near = shape.nearest(given, known)
    hint = f"did you mean {near!r}?" if near else "choose one"
    return f"there is no kind {given!r}; {hint} (known: {listed})"
