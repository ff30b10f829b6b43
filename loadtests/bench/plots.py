"""Pictures of a run. Without matplotlib there are none, and the report says nothing about them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtests.bench.runs import Run, spread


def draw(
    runs: Sequence[Run], series: dict[str, list[tuple[float, float]]], folder: Path
) -> list[str]:
    """Draw into ``folder``; answers the files' names."""
    try:
        import matplotlib
    except ImportError:
        return []
    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = []
    for unit, name, label, factor in (
        ("GiB", "cpu.png", "CPU-s per GiB", 1.0),
        ("request", "small.png", "CPU µs per request", 1e6),
    ):
        chosen = [run for run in runs if run.unit == unit]
        if chosen:
            _bars(pyplot, chosen, label, factor, folder / name)
            names.append(name)
    for title, points in series.items():
        name = f"{title}.png"
        figure, axes = pyplot.subplots(figsize=(8, 3.5))
        axes.plot([x for x, _ in points], [y for _, y in points])
        axes.set(xlabel="seconds", ylabel="RSS in MiB", title=title, ylim=(0, None))
        figure.savefig(folder / name, dpi=110, bbox_inches="tight")
        pyplot.close(figure)
        names.append(name)
    return names


def _bars(pyplot: Any, runs: Sequence[Run], label: str, factor: float, path: Path) -> None:
    """Medians, with whiskers from the least to the largest."""
    groups = list(dict.fromkeys((run.figure, run.case, run.subject) for run in runs))
    figure, axes = pyplot.subplots(figsize=(9, 0.42 * len(groups) + 1.2))
    for place, group in enumerate(reversed(groups)):
        costs = spread(
            [run for run in runs if (run.figure, run.case, run.subject) == group], "cost"
        )
        whisker = [[(costs.median - costs.low) * factor], [(costs.high - costs.median) * factor]]
        colour = "tab:blue" if group[2].startswith("sluice") else "tab:grey"
        axes.barh(place, costs.median * factor, xerr=whisker, color=colour, capsize=3)
    axes.set_yticks(
        range(len(groups)), [f"{case} · {subject}" for _, case, subject in reversed(groups)]
    )
    axes.set(xlabel=label)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    pyplot.close(figure)
