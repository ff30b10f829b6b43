"""The report: the table, the raw data, the profiles."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from loadtests.bench.plan import Bench
from loadtests.bench.profile import Hot
from loadtests.bench.runs import Finding, Run, spread

_MARKS = {True: "yes", False: "**no**", None: ""}


def write(bench: Bench, machine: Mapping[str, str], pictures: Sequence[str]) -> Path:
    """Write everything into the results' folder; answers the report's path."""
    folder, runs = bench.results, bench.recorder.runs
    with (folder / "raw.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, [field.name for field in fields(Run)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(run) for run in runs)
    raw = {
        "machine": dict(machine),
        "scale": asdict(bench.scale),
        "runs": [asdict(run) for run in runs],
        "findings": [asdict(finding) for finding in bench.findings],
        "notes": bench.notes,
        "series": bench.series,
    }
    (folder / "raw.json").write_text(json.dumps(raw, indent=1, ensure_ascii=False) + "\n")
    path = folder / "report.md"
    path.write_text("\n".join(_lines(bench, machine, pictures)) + "\n")
    return path


def _lines(bench: Bench, machine: Mapping[str, str], pictures: Sequence[str]) -> list[str]:
    lines = ["# Benchmark", "", *findings_table(bench.findings), ""]
    lines += [f"- {note}" for note in bench.notes] + [""] if bench.notes else []
    lines += [
        "Each figure is a median, with the least and the largest of the rounds in brackets. Ratios are taken round by",
        "round. CPU is the server's process tree, user and system, by the operating system's accounting. *Others* are",
        "the cores that processes took which have nothing to do with the benchmark: where they took more than a tenth,",
        "rates say little.",
        "",
        "## All runs",
        "",
        *runs_table(bench.recorder.runs),
        "",
        "## Machine",
        "",
        *(f"- {name}: {value}" for name, value in machine.items()),
        "- measured: "
        + ", ".join(f"{name} {value}" for name, value in asdict(bench.scale).items()),
        "",
    ]
    for picture in pictures:
        lines += [f"![{picture.removesuffix('.png')}]({picture})", ""]
    for name, hot in bench.profiles.items():
        lines += [
            f"## Hot path: {name}",
            "",
            *profile_table(hot),
            "",
            *_perf(bench.results, name),
            "",
        ]
    return lines


def findings_table(findings: Sequence[Finding]) -> list[str]:
    """One row per finding, by figure: 1, 1 TLS, 2, ..., and last those without a number."""
    rows = sorted(findings, key=lambda finding: _place(finding.figure))
    return [
        "| # | figure | found | to reach | reached |",
        "|---|---|---|---|---|",
        *(
            f"| {row.figure} | {row.what} | {row.found} | {row.target} | {_MARKS[row.reached]} |"
            for row in rows
        ),
    ]


def _place(figure: str) -> tuple[bool, int, str]:
    number = figure.split()[0]
    return (not number.isdigit(), int(number) if number.isdigit() else 0, figure)


def runs_table(runs: Sequence[Run]) -> list[str]:
    """One row per figure, case and subject."""
    lines = [
        "| # | case | server | CPU | rate | store's CPU | peak RSS | rounds | others |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for figure, case, subject in dict.fromkeys((r.figure, r.case, r.subject) for r in runs):
        same = [r for r in runs if (r.figure, r.case, r.subject) == (figure, case, subject)]
        unit = same[0].unit
        cost, rate = spread(same, "cost"), spread(same, "rate")
        store = sum(r.store_cpu for r in same) / sum(r.amount for r in same)
        if unit == "request":
            shown = f"{cost.median * 1e6:.0f} ({cost.low * 1e6:.0f} to {cost.high * 1e6:.0f}) µs/request"
            shown_rate, shown_store = f"{rate.text(0)} /s", f"{store * 1e6:.0f} µs/request"
        else:
            shown, shown_rate = f"{cost.text()} s/{unit}", f"{rate.text()} {unit}/s"
            shown_store = f"{store:.2f} s/{unit}"
        peak = max(r.peak for r in same) >> 20
        lines.append(
            f"| {figure} | {case} | {subject} | {shown} | {shown_rate} | {shown_store} | {peak} MiB | {len(same)} "
            f"| {spread(same, 'others').text()} |"
        )
    return lines


def profile_table(hot: Sequence[Hot]) -> list[str]:
    """The functions that samples ended in."""
    if not hot:
        return ["No profile: py-spy is not installed or may not look at other processes here."]
    return [
        "| itself | with callees | function |",
        "|---|---|---|",
        *(f"| {row.own:.1%} | {row.total:.1%} | `{row.function}` |" for row in hot),
    ]


def _perf(folder: Path, name: str) -> list[str]:
    path = folder / f"profile-{name}.perf.txt"
    return ["```text", *path.read_text().splitlines()[:25], "```"] if path.exists() else []
