"""What a policy says about one request. Pure: a request in, a decision out.

Rules are tried in order, and the first that fits action, bucket, key and content type decides, limits
included. What no rule fits is refused. Keys are compared as they are, character by character, which for
UTF-8 is byte by byte: nothing is normalised, neither ``..`` nor accents, because what is authorised must
be exactly what is acted on (security cases 58, 63, 67).
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from gateway.model import Action, ObjectKey
from gateway.units import format_size

#: Why not: no rule covers it, the body is too large, or its content type is not allowed.
Refusal: TypeAlias = Literal["forbidden", "too-large", "media-type"]
#: Whether active content (pages, SVG, scripts) is served as a download ("safe") or as it is ("all").
Inline: TypeAlias = Literal["safe", "all"]
#: What a rule can fail to fit by.
Aspect: TypeAlias = Literal["action", "bucket", "key", "content type"]

PRINCIPAL: Final = "${principal}"
#: What a body without a Content-Type counts as, RFC 9110 section 8.3.
UNTYPED: Final = "application/octet-stream"
_DOTS: Final = frozenset({".", ".."})
#: Standing decisions that a policy remembers: buckets' names are anybody's to choose.
_MOST_STANDING: Final = 1024


@dataclass(slots=True, kw_only=True)  # not frozen: see gateway.model
class AccessRequest:
    """What somebody wants to do. ``principal`` is None without a credential; ``size`` in bytes, None
    where it is unknown; for ``list``, ``key.name`` is the prefix that is listed."""

    action: Action
    key: ObjectKey
    principal: str | None
    size: int | None = None
    content_type: str | None = None


@dataclass(slots=True, kw_only=True)  # not frozen: see gateway.model
class Decision:
    """What came out. ``reason`` is for operators: it names the file and the rule.

    When allowed, ``max_size`` (bytes) still binds a body whose size was unknown, and without
    ``overwrite`` the write may only create.
    """

    allowed: bool
    reason: str
    refusal: Refusal | None = None
    max_size: int | None = None
    overwrite: bool = True


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a rule does not speak about a request."""

    aspect: Aspect
    why: str


@dataclass(frozen=True, slots=True)
class Area:
    """Keys that begin with ``start``, raw; or, with ``segments``, that lie in the folder ``start``.

    A folder holds whole segments: ``team1`` holds ``team1/a``, not ``team10/a``. A key with a ``.`` or
    ``..`` segment lies in no folder, because others may resolve it to another place.
    """

    start: str
    segments: bool = False

    def holds(self, name: str, principal: str | None) -> bool:
        """Whether a key is inside, for this principal."""
        start = self.start
        if PRINCIPAL in start:
            if principal is None or not _is_segment(principal):
                return False
            start = start.replace(PRINCIPAL, principal)
        if not self.segments:
            return name.startswith(start)
        inside = start if start.endswith("/") else start + "/"
        return name.startswith(inside) and _DOTS.isdisjoint(name.split("/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One ``[[rules]]`` entry. ``place`` tells an operator where it stands; ``buckets`` None: all;
    no ``areas``: every key; no ``content_types``: every type."""

    place: str
    actions: frozenset[Action]
    buckets: frozenset[str] | None = None
    areas: tuple[Area, ...] = ()
    max_size: int | None = None
    content_types: tuple[re.Pattern[str], ...] = ()
    overwrite: bool = True

    def misfit(self, request: AccessRequest) -> Misfit | None:
        """Why it does not speak about the request; None when it does."""
        if request.action not in self.actions:
            return Misfit("action", f"it is about {', '.join(sorted(self.actions))}")
        if self.buckets is not None and request.key.bucket not in self.buckets:
            return Misfit("bucket", f"it is about {', '.join(sorted(self.buckets))}")
        if self.areas and not any(
            area.holds(request.key.name, request.principal) for area in self.areas
        ):
            return Misfit("key", f"the key is not inside {self._areas()}")
        if request.action == "write" and not _fits(self.content_types, request.content_type):
            return Misfit(
                "content type", f"{request.content_type or UNTYPED} is not among its types"
            )
        return None

    def verdict(self, request: AccessRequest) -> Decision:
        """What it decides about a request that it fits."""
        limit = self.max_size if request.action == "write" else None
        if limit is not None and request.size is not None and request.size > limit:
            return Decision(
                allowed=False,
                reason=f"{self.place}: max_size is {format_size(limit)}, the body has {request.size} bytes",
                refusal="too-large",
                max_size=limit,
            )
        return Decision(
            allowed=True,
            reason=f"{self.place} allows it",
            max_size=limit,
            overwrite=self.overwrite,
        )

    def _areas(self) -> str:
        return " or ".join(
            f"{'folder' if area.segments else 'prefix'} {area.start!r}" for area in self.areas
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderRule:
    """One ``[[headers]]`` entry: response headers, names in lower case, for what its patterns fit."""

    buckets: frozenset[str] | None = None
    keys: tuple[re.Pattern[str], ...] = ()
    content_types: tuple[re.Pattern[str], ...] = ()
    headers: tuple[tuple[bytes, bytes], ...] = ()
    inline: Inline | None = None

    def fits(self, key: ObjectKey, content_type: str | None) -> bool:
        """Whether it speaks about an object."""
        return (
            (self.buckets is None or key.bucket in self.buckets)
            and (not self.keys or any(glob.match(key.name) for glob in self.keys))
            and _fits(self.content_types, content_type)
        )


@dataclass(frozen=True, slots=True)
class Serving:
    """How an object is handed out: the policy's own headers, and whether active content may run."""

    headers: tuple[tuple[bytes, bytes], ...] = ()
    inline: Inline = "safe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A named list of rules. ``file`` is the name of its file, without the folder."""

    name: str
    file: str
    description: str = ""
    rules: tuple[Rule, ...] = ()
    header_rules: tuple[HeaderRule, ...] = ()
    _standing: dict[tuple[Action, str], Decision | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def decide(self, request: AccessRequest) -> Decision:
        """Allow or refuse, by the first rule that fits."""
        wrong_type = None
        for rule in self.rules:
            misfit = rule.misfit(request)
            if misfit is None:
                return rule.verdict(request)
            if wrong_type is None and misfit.aspect == "content type":
                wrong_type = f"{rule.place}: {misfit.why}"
        if wrong_type is not None:
            return Decision(allowed=False, reason=wrong_type, refusal="media-type")
        return Decision(
            allowed=False,
            reason=f"no rule of {self.file} lets one {request.action} {request.key}; add one with "
            f'actions = ["{request.action}"] that covers it, or give the key another policy',
            refusal="forbidden",
        )

    def standing(self, action: Action, bucket: str) -> Decision | None:
        """What :meth:`decide` says of every request for this action in this bucket, whatever the key, the principal,
        the size and the type; None where it depends on these, or refuses."""
        try:
            return self._standing[action, bucket]
        except KeyError:
            if len(self._standing) >= _MOST_STANDING:
                self._standing.clear()
            standing = self._standing[action, bucket] = self._find_standing(action, bucket)
            return standing

    def _find_standing(self, action: Action, bucket: str) -> Decision | None:
        for rule in self.rules:
            if action not in rule.actions or not (rule.buckets is None or bucket in rule.buckets):
                continue
            if rule.areas or (
                action == "write" and (rule.content_types or rule.max_size is not None)
            ):
                return None
            return rule.verdict(
                AccessRequest(action=action, key=ObjectKey(bucket, ""), principal=None)
            )
        return None

    def serving(self, key: ObjectKey, content_type: str | None) -> Serving:
        """The headers for an object; of the entries that fit, the first to set a header wins."""
        headers: dict[bytes, bytes] = {}
        inline: Inline | None = None
        for rule in self.header_rules:
            if rule.fits(key, content_type):
                inline = inline or rule.inline
                for name, value in rule.headers:
                    headers.setdefault(name, value)
        return Serving(tuple(headers.items()), inline or "safe")


def essence(content_type: str | None) -> str:
    """The type and subtype in lower case, without parameters: ``text/html`` of ``Text/HTML; charset=x``."""
    return (content_type or UNTYPED).partition(";")[0].strip().lower() or UNTYPED


def _fits(globs: tuple[re.Pattern[str], ...], content_type: str | None) -> bool:
    return not globs or any(glob.match(essence(content_type)) for glob in globs)


def _is_segment(principal: str) -> bool:
    """Whether a principal's id is safe as (part of) one segment of a key."""
    return (
        bool(principal)
        and principal != "."
        and ".." not in principal
        and "/" not in principal
        and "\\" not in principal
        and principal.isprintable()
    )
