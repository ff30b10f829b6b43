"""Finding one's way in the types of the settings: which names are right at a place, and what is near.

A *shape* is the annotation of a place in the tree: a section, a union of sections told apart by
``kind``, a map from the user's own names to sections (``[keys.X]``), or a plain value.
"""

import difflib
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel


def sections(shape: Any) -> list[type[BaseModel]]:
    """The sections that may stand here; none for a plain value or a map."""
    if is_map(shape):
        return []
    if isinstance(shape, type):
        return [shape] if issubclass(shape, BaseModel) else []
    return [found for arg in typing.get_args(shape) for found in sections(arg)]


def is_map(shape: Any) -> bool:
    """Whether the names here are the user's own."""
    return typing.get_origin(shape) is dict


def is_table(shape: Any) -> bool:
    """Whether names stand below this place at all."""
    return is_map(shape) or bool(sections(shape))


def names(shape: Any, node: Mapping[str, Any]) -> list[str]:
    """The names that are right in ``node``: a section's fields, or a map's present names."""
    if is_map(shape):
        return list(node)
    return sorted({name for model in _fitting(shape, node) for name in model.model_fields})


def inside(shape: Any, node: Mapping[str, Any], name: str) -> Any:
    """The shape of what stands under ``name``, which is one of :func:`names` or a map's new name."""
    if is_map(shape):
        return typing.get_args(shape)[1]
    models = _fitting(shape, node)
    return next(m.model_fields[name].annotation for m in models if name in m.model_fields)


def nearest(wrong: str, known: Sequence[str]) -> str | None:
    """The known name that was probably meant."""
    by_folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(wrong.lower(), by_folded, n=1, cutoff=0.5)
    return by_folded[near[0]] if near else None


def kind(model: type[BaseModel]) -> str | None:
    """The value of ``kind`` that chooses this section, where there is a choice."""
    field = model.model_fields.get("kind")
    return None if field is None else str(typing.get_args(field.annotation)[0])


def _fitting(shape: Any, node: Mapping[str, Any]) -> list[type[BaseModel]]:
    """The sections that ``node`` may be: by its ``kind`` where it names a known one."""
    models = sections(shape)
    return [model for model in models if kind(model) in (None, node.get("kind"))] or models
