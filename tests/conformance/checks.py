"""What a check is, and what comes of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Generic, NoReturn, TypeVar


class Level(Enum):
    """How much an expectation weighs."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    STRICT = "STRICT"


#: The heaviest first.
WEIGHT: Final = (Level.MUST, Level.SHOULD, Level.STRICT)


class Status(Enum):
    """What came of a check."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Result:
    """``level`` is that of the heaviest expectation that failed, otherwise None. ``seen`` is a sentence."""

    number: str
    title: str
    status: Status
    level: Level | None
    seen: str
    seconds: float = 0.0

    def verdict(self) -> str:
        """As tables show it."""
        return f"fail ({self.level.value})" if self.level else self.status.value


class Skipped(Exception):
    """The check does not apply, or can't be made here; the text says why."""


class Stopped(Exception):
    """The check can't go on: what failed is recorded already."""


@dataclass
class Findings:
    """What a check expects and sees, as it goes on."""

    failed: list[tuple[Level, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def saw(self, text: str) -> None:
        """Something for the result's sentence, where all is well too."""
        self.notes.append(text)

    def expect(self, good: bool, text: str, level: Level = Level.MUST) -> bool:
        """Record ``text``, which says what was seen instead, unless ``good``."""
        if not good:
            self.failed.append((level, text))
        return good

    def must(self, good: bool, text: str) -> bool:
        """The specification says MUST, or the data would be wrong."""
        return self.expect(good, text, Level.MUST)

    def should(self, good: bool, text: str) -> bool:
        """The specification says SHOULD, HTTP asks for it, or clients rely on it."""
        return self.expect(good, text, Level.SHOULD)

    def strict(self, good: bool, text: str) -> bool:
        """The specification is silent; a careful server does it."""
        return self.expect(good, text, Level.STRICT)

    def stop(self, text: str, level: Level = Level.MUST) -> NoReturn:
        """What follows makes no sense without this."""
        self.expect(False, text, level)
        raise Stopped

    def need(self, good: bool, text: str, level: Level = Level.MUST) -> None:
        """:meth:`stop` unless ``good``."""
        if not good:
            self.stop(text, level)

    def skip(self, reason: str) -> NoReturn:
        """It does not apply."""
        raise Skipped(reason)

    def conclude(self, number: str, title: str, seconds: float) -> Result:
        """The result, where nothing was skipped."""
        if not self.failed:
            seen = "; ".join(self.notes) or "as expected"
            return Result(number, title, Status.PASS, None, seen, seconds)
        level = min((level for level, _ in self.failed), key=WEIGHT.index)
        several = len({level for level, _ in self.failed}) > 1
        texts = [
            f"{text} ({one.value})" if several and one is not level else text
            for one, text in sorted(self.failed, key=lambda pair: WEIGHT.index(pair[0]))
        ]
        return Result(number, title, Status.FAIL, level, "; ".join(texts), seconds)


T = TypeVar("T", bound=Any)


@dataclass(frozen=True)
class Check(Generic[T]):
    """``needs``: extensions that the server must offer. ``alone``: not beside other checks, since it breaks or stops
    the server, or looks back on all of them."""

    number: str
    title: str
    needs: tuple[str, ...]
    alone: bool
    run: Callable[[T], None]


def in_order(number: str) -> tuple[str, int]:
    """The order of tables: T2 before T10.

    Raises:
        ValueError: it is no such number.
    """
    found = re.fullmatch(r"([A-Z])(\d+)", number)
    if found is None:
        raise ValueError(f"{number!r} is no number of an item, such as T16")
    return found[1], int(found[2])


@dataclass
class Suite(Generic[T]):
    """Checks by their number."""

    letter: str
    checks: dict[str, Check[T]] = field(default_factory=dict)

    def check(
        self, number: int, title: str, *, needs: tuple[str, ...] = (), alone: bool = False
    ) -> Callable[[Callable[[T], None]], Callable[[T], None]]:
        """Register a function as the check of that number."""
        name = f"{self.letter}{number}"

        def register(run: Callable[[T], None]) -> Callable[[T], None]:
            assert name not in self.checks, name
            self.checks[name] = Check(name, title, needs, alone, run)
            return run

        return register

    def ordered(self) -> list[Check[T]]:
        """By number."""
        return sorted(self.checks.values(), key=lambda check: in_order(check.number))
