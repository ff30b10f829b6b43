"""The environment over the file: ``SLUICE_SECTION__KEY`` replaces ``[section] key``.

Names of maps (``[keys.X]``, ``[storage.X]``, ...) match existing ones case-insensitively, because
environments are often upper-case. A variable that matches nothing is a mistake: ignored silently, a
misspelt limit would be no limit.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.settings import shape
from gateway.settings.tree import Settings

PREFIX: Final = "SLUICE_"
#: Not settings of the server: read by the command line, and by the test suite.
NOT_SETTINGS: Final = frozenset(
    {
        "SLUICE_CONFIG",
        "SLUICE_ENDPOINT",
        "SLUICE_ACCESS_KEY_ID",
        "SLUICE_SECRET_ACCESS_KEY",
        "SLUICE_TEST_REQUIRE",
    }
)
#: What Kubernetes, and Docker's links, tell each container of a service called ``sluice`` or ``sluice-...``, and
#: the one of them that may as well be a slip: its value is a URL then.
_LINK: Final = re.compile(
    r"SLUICE(?:_[A-Z0-9_]+?)??_"
    r"(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_LINKED_PORT: Final = re.compile(r"SLUICE(?:_[A-Z0-9_]+?)??_PORT=(?:tcp|udp|sctp)://.*")


class NoSuchSetting(ValueError):
    """A variable that matches no setting; ``str()`` names the nearest one."""


def overlay(tree: dict[str, Any], environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Put the variables of ours into ``tree``.

    Answers which variable set which place (``server.port``), and what is wrong with the others.
    """
    origins: dict[str, str] = {}
    problems: list[str] = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and not _is_other(name, environ[name]):
            try:
                origins[_put(tree, name, environ[name])] = name
            except NoSuchSetting as error:
                problems.append(f"{name}: {error}")
    return origins, problems


def _is_other(name: str, value: str) -> bool:
    """Whether a variable is not meant for us, though it begins like those that are. All settings have two
    underscores after their section."""
    if name in NOT_SETTINGS:
        return True
    links = (_LINK.fullmatch(name), _LINKED_PORT.fullmatch(f"{name}={value}"))
    return "__" not in name and any(links)


def _put(tree: dict[str, Any], name: str, value: str) -> str:
    here: Any = Settings
    node: Any = tree
    steps = name.removeprefix(PREFIX).split("__")
    path: list[str] = []
    for depth, step in enumerate(steps):
        if not shape.is_table(here) or not isinstance(node, dict):
            raise NoSuchSetting(f"{'.'.join(path)} is no section.")
        known = shape.names(here, node)
        field = _match(step, known) or (step if shape.is_map(here) and step else None)
        if field is None:
            raise NoSuchSetting(f"no such setting.{_hint(step, known, steps, depth)}")
        path.append(field)
        here = shape.inside(here, node, field)
        if depth < len(steps) - 1:
            node = node.setdefault(field, {})
    if shape.is_table(here):
        raise NoSuchSetting(f"{'.'.join(path)} is a section; name a setting in it: {name}__...")
    node[path[-1]] = value
    return ".".join(path)


def _match(step: str, known: list[str]) -> str | None:
    """The name as it is written, else the first that differs by case only."""
    return step if step in known else next((n for n in known if n.lower() == step.lower()), None)


def _hint(step: str, known: list[str], steps: list[str], depth: int) -> str:
    if depth == 0 and (meant := _sectioned(step, known)):
        return f" Did you mean {PREFIX}{'__'.join([*meant, *steps[1:]])}?"
    near = shape.nearest(step, known)
    if near is None:
        return f" Known here: {', '.join(known)}."
    path = [*steps[:depth], near.upper(), *steps[depth + 1 :]]
    return f" Did you mean {PREFIX}{'__'.join(path)}?"


def _sectioned(step: str, sections: list[str]) -> list[str]:
    """The usual slips: one underscore after the section, or no section before the setting. Empty: neither."""
    fitting = [name for name in sections if step.lower().startswith(f"{name}_")]
    if fitting:
        name = max(fitting, key=len)
        return [name.upper(), step[len(name) + 1 :]]
    owners = [n for n in sections if step.lower() in shape.names(shape.inside(Settings, {}, n), {})]
    return [owners[0].upper(), step] if len(owners) == 1 else []
