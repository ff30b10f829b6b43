"""Figures are made of runs as the report says."""

import argparse
import csv
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests import accounting
from loadtests.bench import machine, report
from loadtests.bench.__main__ import chosen, results_folder
from loadtests.bench.figures.slow import against
from loadtests.bench.figures.soak import drift
from loadtests.bench.plan import QUICK, Bench, put
from loadtests.bench.profile import hot_functions
from loadtests.bench.runs import Case, Finding, Recorder, Run, Spread, calm, describe
from loadtests.processes import Server
from loadtests.signing import plain
from loadtests.wire import Pattern


def made(subject: str, number: int, cpu: float, seconds: float = 1.0) -> Run:
    return Run("1", "PUT", subject, number, 2.0, "GiB", seconds, cpu, 0.2, 100 << 20)


def recorder(store: Server) -> Recorder:
    return Recorder(store, lambda text: None)


def test_cost_and_rate_are_per_unit() -> None:
    run = made("sluice", 0, cpu=0.9, seconds=4.0)
    assert (run.cost, run.rate) == (0.45, 0.5)
    assert "0.450 CPU-s/GiB" in describe(run)


def test_ratios_compare_neighbours_in_time(null_s3: Server) -> None:
    ours = [made("sluice", n, cpu) for n, cpu in enumerate((1.0, 2.0, 4.0))]
    theirs = [made("nginx", n, cpu) for n, cpu in enumerate((1.0, 1.0, 2.0))]
    found = recorder(null_s3).ratio(ours, theirs, "cost")
    assert found == Spread(1.0, 2.0, 2.0)
    assert found.text() == "2.00 (1.00 to 2.00)"


def test_runs_interleave_after_a_warm_up_that_is_not_counted(null_s3: Server) -> None:
    done: list[str] = []

    def work(name: str) -> float:
        done.append(name)
        return 1.0

    taken = recorder(null_s3)
    cases = [Case(name, null_s3, lambda name=name: work(name)) for name in "AB"]  # type: ignore[misc]
    taken.interleave("1", cases, 2)
    assert "".join(done) == "ABABAB"
    assert [run.case for run in taken.runs] == ["A", "B", "A", "B"]
    assert [run.number for run in taken.of("1", "A", null_s3.name)] == [0, 1]


def test_a_run_has_the_cpu_of_its_server_only(null_s3: Server) -> None:
    taken = recorder(null_s3)

    def burn() -> float:
        return float(sum(range(2_000_000)) > 0)

    assert taken.measure("1", Case("burn here", null_s3, burn)).cpu <= 0.02


def test_what_others_took_of_the_machine_is_told_apart(null_s3: Server) -> None:
    taken = recorder(null_s3)
    burn = "import time; end = time.process_time() + 1.0\nwhile time.process_time() < end: pass"

    def ours() -> float:
        with subprocess.Popen([sys.executable, "-c", burn]) as child:
            child.wait(30)
        return 1.0

    before = accounting.machine_seconds()
    run = taken.measure("1", Case("burn in a child", null_s3, ours))
    whole = accounting.machine_seconds() - before
    assert whole >= 0.9  # the machine has seen it
    assert run.others * (run.seconds + 0.1) <= whole - 0.9  # and it was ours


def test_loud_rounds_are_left_out_where_there_are_calm_ones() -> None:
    loud, still = (replace(made("sluice", 0, 1.0), others=others) for others in (0.6, 0.05))
    assert calm([loud, still]) == [still]
    assert calm([loud, loud]) == [loud, loud]


def test_shares_are_of_the_other_rounds_median_and_loud_rounds_of_neither_count() -> None:
    base = [made("sluice", number, 1.0, seconds) for number, seconds in enumerate((1.0, 2.0, 4.0))]
    loud = replace(made("sluice", 3, 9.0, 0.1), others=0.9)
    share = against([made("sluice", 0, 2.0, 4.0), loud], [*base, loud], "rate")
    assert (share.low, share.median, share.high) == (0.5, 0.5, 0.5)
    assert against([made("sluice", 0, 2.0)], base, "cost").median == 2.0


def test_a_profile_counts_where_samples_end_and_what_called_them() -> None:
    stacks = "main (a.py:1);work (b.py:7) 30\nmain (a.py:1);work (b.py:9);copy (c.py:1) 60\nmain (a.py:2) 10\n"
    found = hot_functions(stacks)
    assert [(hot.function, hot.own, hot.total) for hot in found] == [
        ("copy (c.py)", 0.6, 0.6),
        ("work (b.py)", 0.3, 0.9),
        ("main (a.py)", 0.1, 1.0),
    ]


def test_what_loses_bytes_is_not_measured(null_s3: Server, tmp_path: Path) -> None:
    bench = Bench(QUICK, tmp_path, tmp_path, null_s3, recorder(null_s3), Pattern(), ExitStack())
    put(bench, null_s3, plain, size=2 << 20)()
    bench.check_stored("large", 2 << 20)
    with pytest.raises(AssertionError, match="2097152 bytes were stored of 2097153"):
        bench.check_stored("large", (2 << 20) + 1)


def test_threads_that_wait_for_work_are_no_samples() -> None:
    stacks = "run (a.py:1);_worker (concurrent/futures/thread.py:81) 50\nmain (a.py:2) 10\n"
    assert [(hot.function, hot.own) for hot in hot_functions(stacks)] == [("main (a.py)", 1.0)]


def test_a_profile_of_nothing_is_empty() -> None:
    assert hot_functions("py-spy is not installed\n") == []


def test_drift_leaves_out_the_warm_up() -> None:
    assert drift([0.0] * 25 + [100.0] * 25 + [101.0] * 25 + [103.0] * 25) == (3.0, 100.0)
    assert drift([5.0]) == (0.0, 5.0)


@pytest.mark.parametrize(
    ("text", "figures"),
    [("1,2,5", ["1", "5"]), ("9, 3", ["3", "9"]), ("2", ["1"]), ("ways,tls", ["tls", "ways"])],
)
def test_figures_are_chosen_by_number(text: str, figures: list[str]) -> None:
    assert chosen(text) == figures


def test_a_figure_that_does_not_exist_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no figure 12"):
        chosen("1,12")


def test_outside_of_a_repository_the_commit_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert machine.commit() == "unknown"


def test_latest_points_to_the_newest_complete_results(tmp_path: Path) -> None:
    quick = results_folder(tmp_path, "-quick")
    assert quick.is_dir()
    assert not (tmp_path / "latest").exists()
    complete = results_folder(tmp_path)
    assert os.readlink(tmp_path / "latest") == complete.name
    results_folder(tmp_path, "-only-1")
    assert (tmp_path / "latest").resolve() == complete


def test_findings_come_by_their_figures_those_without_a_number_last() -> None:
    named = ("ways", "10", "4 TLS", "4", "1 TLS", "2")
    table = report.findings_table([Finding(name, "what", "found") for name in named])
    assert [row.split("|")[1].strip() for row in table[2:]] == [
        "1 TLS", "2", "4", "4 TLS", "10", "ways",
    ]  # fmt: skip


def test_the_report_shows_what_is_reached_what_is_not_and_keeps_the_raw_data(
    null_s3: Server, tmp_path: Path
) -> None:
    bench = Bench(QUICK, tmp_path, tmp_path, null_s3, recorder(null_s3), Pattern(), ExitStack())
    bench.recorder.runs += [made("sluice", 0, 1.0), made("sluice", 1, 3.0)]
    bench.found("2", "rate", "0.9 ×", "≥ 0.85 ×", True)
    bench.found("1", "cost", "9 ×", "≤ 1.25 ×", False)
    bench.note("Figure 6: nobody is here.")
    bench.profiles["put"] = hot_functions("a (a.py:1) 3\n")
    text = report.write(bench, {"cpu": "a fast one"}, ["cpu.png"]).read_text()
    assert text.index("| 1 | cost | 9 × | ≤ 1.25 × | **no** |") < text.index("| 2 | rate")
    for part in (
        "- Figure 6: nobody is here.",
        "| 1 | PUT | sluice | 1.00 (0.50 to 1.50) s/GiB |",
        "- cpu: a fast one",
        "![cpu](cpu.png)",
        "| 100.0% | 100.0% | `a (a.py)` |",
    ):
        assert part in text
    rows = list(csv.DictReader((tmp_path / "raw.csv").read_text().splitlines()))
    assert [row["cpu"] for row in rows] == ["1.0", "3.0"]
    raw = json.loads((tmp_path / "raw.json").read_text())
    assert raw["runs"][1]["cpu"] == 3.0
    assert raw["scale"]["large"] == QUICK.large
