"""Results as text, JSON and Markdown, and the line that shows how far a run is."""

import json
import sys
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from tests.conformance.checks import WEIGHT, Level, Result, Status

_WIDTH: Final = 100
_BAR: Final = 30
_MARKS: Final = {Status.PASS: "✓", Status.SKIP: "–"}


@dataclass
class Progress:
    """A bar on a terminal; elsewhere nothing."""

    total: int
    out: TextIO = field(default_factory=lambda: sys.stderr)
    done: int = 0
    failed: int = 0

    def advance(self, result: Result) -> None:
        """One more is done."""
        self.done += 1
        self.failed += result.status is Status.FAIL
        if self.out.isatty():
            filled = _BAR * self.done // max(1, self.total)
            bar = "█" * filled + "·" * (_BAR - filled)
            self.out.write(
                f"\r{bar} {self.done}/{self.total}  {self.failed} failed  {result.number:<4}"
            )
            self.out.flush()

    def end(self) -> None:
        """Take the line away."""
        if self.out.isatty():
            self.out.write("\r" + " " * (_BAR + 40) + "\r")
            self.out.flush()


def tally(results: Sequence[Result]) -> str:
    """``60 pass, 3 fail (2 MUST, 1 STRICT), 19 skip``."""
    statuses = Counter(result.status for result in results)
    levels = Counter(result.level for result in results if result.level)
    failed = ", ".join(f"{levels[level]} {level.value}" for level in WEIGHT if levels[level])
    return (
        f"{statuses[Status.PASS]} pass, {statuses[Status.FAIL]} fail"
        f"{f' ({failed})' if failed else ''}, {statuses[Status.SKIP]} skip"
    )


def as_text(results: Sequence[Result]) -> str:
    """A table for a terminal."""
    lines = []
    for result in results:
        lines.append(f"{result.number:<4} {result.verdict():<14} {result.title}")
        if result.status is not Status.PASS or result.seen != "as expected":
            lines += textwrap.wrap(
                result.seen, _WIDTH, initial_indent=" " * 20, subsequent_indent=" " * 20
            )
    return "\n".join([*lines, "", tally(results)])


def as_json(about: Mapping[str, Any], results: Sequence[Result]) -> str:
    """``{"about": ..., "tally": "...", "results": [{number, title, status, level, seen, seconds}]}``."""
    return json.dumps(
        {
            "about": dict(about),
            "tally": tally(results),
            "results": [
                {
                    "number": result.number,
                    "title": result.title,
                    "status": result.status.value,
                    "level": result.level.value if result.level else None,
                    "seen": result.seen,
                    "seconds": round(result.seconds, 3),
                }
                for result in results
            ],
        },
        indent=1,
        ensure_ascii=False,
    )


def from_json(text: str) -> tuple[dict[str, Any], list[Result]]:
    """What :func:`as_json` wrote."""
    found = json.loads(text)
    return found["about"], [
        Result(
            one["number"],
            one["title"],
            Status(one["status"]),
            Level(one["level"]) if one["level"] else None,
            one["seen"],
            one["seconds"],
        )
        for one in found["results"]
    ]


def mark(result: Result) -> str:
    """A cell: ✓, –, or what failed."""
    return _MARKS.get(result.status) or f"**✗** {result.level.value if result.level else ''}"


def as_markdown(columns: Mapping[str, Sequence[Result]]) -> str:
    """One table with a column per server, then what was seen where something failed."""
    names = list(columns)
    numbers = {name: {result.number: result for result in columns[name]} for name in names}
    lines = [
        "| Item | What is checked | " + " | ".join(names) + " |",
        "|---|---|" + "---|" * len(names),
    ]
    for first in columns[names[0]]:
        cells = [mark(numbers[name][first.number]) for name in names]
        lines.append(f"| {first.number} | {_cell(first.title)} | " + " | ".join(cells) + " |")
    lines.append("| | **In all** | " + " | ".join(tally(columns[name]) for name in names) + " |")
    for name in names:
        lines += ["", f"## What failed: {name}", ""]
        failed = [result for result in columns[name] if result.status is Status.FAIL]
        lines += [
            f"- **{one.number}** ({one.level.value}): {_cell(one.seen)}."
            for one in failed
            if one.level
        ]
        if not failed:
            lines.append("Nothing.")
        skipped = [result for result in columns[name] if result.status is Status.SKIP]
        if skipped:
            lines += [
                "",
                "Skipped: "
                + "; ".join(f"{one.number} ({_cell(one.seen)})" for one in skipped)
                + ".",
            ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
