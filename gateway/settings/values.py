"""The kinds of values that settings have, and what all sections have in common."""

import ipaddress
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from gateway.units import parse_duration, parse_size

Size: TypeAlias = Annotated[int, BeforeValidator(parse_size)]
Duration: TypeAlias = Annotated[float, BeforeValidator(parse_duration)]


def listed(value: object) -> object:
    """Lists may be written with commas in the environment."""
    return (
        [item.strip() for item in value.split(",") if item.strip()]
        if isinstance(value, str)
        else value
    )


def _network(text: str) -> str:
    ipaddress.ip_network(text, strict=False)  # its ValueError says what is wrong
    return text


Names: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(listed)]
Networks: TypeAlias = Annotated[
    tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(listed)
]


class Section(BaseModel):
    """Frozen, complete, and nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
