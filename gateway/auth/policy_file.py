"""The form of a policy file, and reading one: TOML in, a :class:`~gateway.auth.policy.Policy` out.

Everything unknown is refused with the nearest right name, and so is what could not work: a policy that
silently allows more, or less, than its author meant is worse than a start that fails.
"""

import difflib
import fnmatch
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from gateway.auth.policy import PRINCIPAL, Area, HeaderRule, Inline, Policy, Rule
from gateway.model import Action
from gateway.settings.values import Section, Size
from gateway.settings.wording import sentence

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?\Z")
#: Headers that say what the bytes are or how they are framed; only who sends them knows.
_OURS: Final = frozenset(
    {
        "accept-ranges", "connection", "content-encoding", "content-length", "content-range", "content-type", "date",
        "etag", "keep-alive", "last-modified", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip


class PolicyError(Exception):
    """Policies that are wrong. ``str()`` names the file and the place, a line for each mistake."""


def _buckets(names: tuple[str, ...]) -> tuple[str, ...]:
    if "*" in names and len(names) > 1:
        raise ValueError('"*" is every bucket; name it alone, or leave it out')
    if any("*" in name and name != "*" for name in names):
        raise ValueError('buckets are exact names, or ["*"] for every bucket')
    return names


def _folder(folder: str) -> str:
    if not folder.strip("/"):
        raise ValueError("a folder has a name; leave folders out to mean every key")
    if folder.startswith("/") or not {".", "..", ""}.isdisjoint(folder.rstrip("/").split("/")):
        raise ValueError("a folder is named from the bucket's root, without empty or dot segments")
    if any(PRINCIPAL in part and part != PRINCIPAL for part in folder.split("/")):
        raise ValueError(f"{PRINCIPAL} must be a whole segment of a folder")
    return folder


def _prefix(prefix: str) -> str:
    if not prefix:
        raise ValueError("an empty prefix is every key; leave prefixes out to mean that")
    if any(not rest.startswith("/") for rest in prefix.split(PRINCIPAL)[1:]):
        raise ValueError(
            f'{PRINCIPAL} in a prefix must be followed by "/", or "bob" would match "bobby"; '
            "or write it as one of the folders"
        )
    return prefix


def _media_type(glob: str) -> str:
    if "/" not in glob or ";" in glob:
        raise ValueError('a content type is written like "image/png" or "image/*", no parameters')
    return glob.lower()


Buckets: TypeAlias = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_buckets)]
MediaTypes: TypeAlias = tuple[Annotated[str, AfterValidator(_media_type)], ...]


class RuleSection(Section):
    """``[[rules]]``: what is allowed."""

    name: str = ""
    """What `sluice policy explain` calls it."""
    actions: Annotated[tuple[Action, ...], Field(min_length=1)]
    """Any of `read`, `write`, `delete`, `list`."""
    buckets: Buckets
    """Buckets as clients see them, or `["*"]`."""
    prefixes: tuple[Annotated[str, AfterValidator(_prefix)], ...] = ()
    """Keys that begin with any of these, byte by byte."""
    folders: tuple[Annotated[str, AfterValidator(_folder)], ...] = ()
    """Keys inside any of these, by whole segments."""
    max_size: Size | None = None
    """Largest body of a write."""
    content_types: MediaTypes = ()
    """Content types of a write, with `*`."""
    overwrite: bool | None = None
    """Whether a write may replace an object; left out: it may."""

    @model_validator(mode="after")
    def _limits_of_writes(self) -> "RuleSection":
        limits = [
            name
            for name in ("max_size", "content_types", "overwrite")
            if name in self.model_fields_set
        ]
        if limits and "write" not in self.actions:
            raise ValueError(f'{limits[0]} limits writes, but actions has no "write"')
        return self

    def rule(self, place: str) -> Rule:
        """Ready to decide."""
        return Rule(
            place=f"{place} ({self.name})" if self.name else place,
            actions=frozenset(self.actions),
            buckets=None if self.buckets == ("*",) else frozenset(self.buckets),
            areas=(
                *(Area(prefix) for prefix in self.prefixes),
                *(Area(folder, segments=True) for folder in self.folders),
            ),
            max_size=self.max_size,
            content_types=_globs(self.content_types),
            overwrite=self.overwrite is not False,
        )


class MatchSection(Section):
    """``match`` of ``[[headers]]``: all that is given must fit."""

    buckets: Buckets = ("*",)
    """Buckets as clients see them."""
    keys: tuple[str, ...] = ()
    """Patterns of whole keys; `*` and `?` cross `/`."""
    content_types: MediaTypes = ()
    """Patterns of content types."""


class HeadersSection(Section):
    """``[[headers]]``: what is added to answers that carry an object."""

    match: MatchSection = MatchSection()
    """What it is for; left out: everything."""
    set: dict[str, str] = Field(default_factory=dict)
    """Headers and their values."""
    inline: Inline | None = None
    """`all`: active content is served as it is, not as a sandboxed download."""

    @model_validator(mode="after")
    def _headers(self) -> "HeadersSection":
        if not self.set and self.inline is None:
            raise ValueError("it does nothing; give set or inline")
        names = [name.lower() for name in self.set]
        for name, value in self.set.items():
            if not _TOKEN.match(name):
                raise ValueError(f"{name!r} is not the name of a header")
            if name.lower() in _OURS:
                raise ValueError(f"{name} is not a policy's to set")
            if names.count(name.lower()) > 1:
                raise ValueError(f"{name} is there twice")
            if not _VALUE.match(value):
                raise ValueError(f"the value of {name} is not one line of printable ASCII")
        return self

    def rule(self) -> HeaderRule:
        """Ready to serve."""
        return HeaderRule(
            buckets=None if self.match.buckets == ("*",) else frozenset(self.match.buckets),
            keys=_globs(self.match.keys),
            content_types=_globs(self.match.content_types),
            headers=tuple(
                (name.lower().encode(), value.encode()) for name, value in self.set.items()
            ),
            inline=self.inline,
        )


class PolicyFile(Section):
    """A policy file as a whole."""

    description: str = ""
    """One line for people."""
    rules: tuple[RuleSection, ...] = ()
    """What is allowed, in order."""
    headers: tuple[HeadersSection, ...] = ()
    """What is added to answers, in order."""


def read_policy(path: Path) -> Policy:
    """Read one policy; its name is the file's stem.

    Raises:
        PolicyError: unreadable, not TOML, or wrong, with every mistake and its place.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: not TOML: {error}") from None
    try:
        document = PolicyFile.model_validate(tree)
    except ValidationError as error:
        lines = [f"{path}: {_explained(item)}" for item in _mistakes(error)]
        raise PolicyError("\n".join(lines)) from None
    return Policy(
        name=path.stem,
        file=path.name,
        description=document.description,
        rules=tuple(
            section.rule(f"{path.name}, rule {number}")
            for number, section in enumerate(document.rules, start=1)
        ),
        header_rules=tuple(section.rule() for section in document.headers),
    )


def _globs(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(fnmatch.translate(pattern)) for pattern in patterns)


_SHAPES: Final[dict[str, type[BaseModel]]] = {
    "rules": RuleSection,
    "headers": HeadersSection,
    "match": MatchSection,
}


def _mistakes(error: ValidationError) -> list[Any]:
    """pydantic's errors, without those that only follow: a list whose one entry is wrong is also too short."""
    found = error.errors(include_url=False)
    return [
        item
        for item in found
        if item["type"] != "too_short"
        or not any(
            other["loc"][: len(item["loc"])] == item["loc"] for other in found if other is not item
        )
    ]


def _explained(item: Any) -> str:
    """One mistake: its place, counting entries from 1, and what would be right."""
    place = " ".join(str(step + 1) if isinstance(step, int) else step for step in item["loc"])
    if item["type"] != "extra_forbidden":
        return f"{place or 'policy'}: {sentence(item)}"
    wrong = str(item["loc"][-1])
    shape = next(
        (_SHAPES[step] for step in reversed(item["loc"][:-1]) if step in _SHAPES), PolicyFile
    )
    near = difflib.get_close_matches(wrong, shape.model_fields, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(shape.model_fields)}"
    return f"{place}: no such setting; {hint}"
