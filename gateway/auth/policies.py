"""All policies: the shipped ones, and a folder of the operator's that adds to and replaces them."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.auth.key import Key
from gateway.auth.policy import Policy
from gateway.auth.policy_file import PolicyError, read_policy
from gateway.settings import Settings

#: The package's folder.
_PACKAGE: Final = Path(__file__).parent.parent


def shipped_folder() -> Path:
    """Where the policies of this installation are: inside an installed package, beside it in a clone."""
    inside = _PACKAGE / "_policies"
    return inside if inside.is_dir() else _PACKAGE.parent / "policies"


class Policies:
    """Policies by name. Immutable; read once at start."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._policies: Final = MappingProxyType(dict(policies))

    @classmethod
    def load(cls, shipped: Path, extra: Path | None = None) -> "Policies":
        """Read both folders; a file in ``extra`` replaces the shipped one of its name.

        Raises:
            PolicyError: a folder is missing, or a file is wrong; all mistakes of all files, a line each.
        """
        files = _both(shipped, extra)
        policies, problems = {}, []
        for name, path in sorted(files.items()):
            try:
                policies[name] = read_policy(path)
            except PolicyError as error:
                problems.append(str(error))
        if problems:
            raise PolicyError("\n".join(problems))
        return cls(policies)

    @classmethod
    def open(cls, settings: Settings, keys: Iterable[Key] = ()) -> "Policies":
        """The policies of the settings, with every name that the settings and ``keys`` use looked up.

        Raises:
            PolicyError: see :meth:`load`; or a policy that is named somewhere does not exist.
        """
        policies = cls.load(shipped_folder(), settings.server.policies)
        made = [(f"key {key.id}", key.policy) for key in keys if key.id not in settings.keys]
        policies.verify([*references(settings), *made])
        return policies

    def __iter__(self) -> Iterator[Policy]:
        return iter(self._policies.values())

    def get(self, name: str) -> Policy:
        """The policy of that name.

        Raises:
            PolicyError: there is none; the message has the nearest name.
        """
        policy = self._policies.get(name)
        if policy is None:
            raise PolicyError(self._missing(name))
        return policy

    def for_request(self, name: str) -> Policy:
        """The policy of that name, or one that refuses everything: a key may be made while the gateway runs, for a
        policy that was not there when it started."""
        policy = self._policies.get(name)
        return policy or Policy(name=name, file=f"{name}.toml (not there at the last start)")

    def verify(self, used: Iterable[tuple[str, str]]) -> None:
        """Look up policies that are used: (where it is named, its name).

        Raises:
            PolicyError: some do not exist, a line each.
        """
        problems = [
            f"{where}: {self._missing(name)}" for where, name in used if name not in self._policies
        ]
        if problems:
            raise PolicyError("\n".join(problems))

    def _missing(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._policies, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(self._policies)}"
        return f"there is no policy {name!r}; {hint}"


def references(settings: Settings) -> list[tuple[str, str]]:
    """Every policy that the settings name, and where."""
    found = [(f"keys.{name}.policy", key.policy) for name, key in settings.keys.items()]
    found += [(f"slots.{name}.policy", slot.policy) for name, slot in settings.slots.items()]
    buckets = [(f"buckets.{name}", bucket.anonymous) for name, bucket in settings.buckets.items()]
    if settings.buckets_default is not None:
        buckets.append(("buckets_default", settings.buckets_default.anonymous))
    found += [(f"{where}.anonymous", policy) for where, policy in buckets if policy is not None]
    return found


def policy_files(settings: Settings) -> dict[str, Path]:
    """The file of every policy by its name, absolute.

    Raises:
        PolicyError: a folder is missing.
    """
    return dict(sorted(_both(shipped_folder(), settings.server.policies).items()))


def _both(shipped: Path, extra: Path | None) -> dict[str, Path]:
    return _files(shipped) | (_files(extra) if extra is not None else {})


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise PolicyError(f"{folder.absolute()}: there is no such folder of policies")
    return {path.stem: path for path in folder.absolute().glob("*.toml")}
