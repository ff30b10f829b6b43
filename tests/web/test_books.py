"""Numbers that wait for their reader."""

from importlib.metadata import version
from pathlib import Path

import prometheus_client
import pytest
from prometheus_client.values import MutexValue

from gateway.web import books
from gateway.web.books import _GATHERED, AtOnce, Books, Family, Times
from gateway.web.metrics import Metrics


def test_a_change_is_told_when_somebody_reads() -> None:
    metrics = Metrics(1)
    metrics.memory_held(7, 2)
    metrics.memory_held(5, 0)
    metrics.slab_taken(1, reused=True)
    metrics.slab_taken(1, reused=True)
    for _ in range(2):  # reading changes nothing
        assert metrics.registry.get_sample_value("sluice_memory_used_bytes") == 5
        assert metrics.registry.get_sample_value("sluice_slabs_total", {"origin": "reused"}) == 2


def test_times_gather_only_so_far() -> None:
    made = Books()
    ours = Family(made).seconds("ours", "text", "of")["x"]
    for _ in range(_GATHERED + 1):
        ours.observe(1)
    assert len(ours._seconds) == 1
    assert made.registry.get_sample_value("sluice_ours_seconds_count", {"of": "x"}) == _GATHERED + 1


def test_workers_that_share_files_tell_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    counter = prometheus_client.Counter("told", "text", registry=None)
    gauge = prometheus_client.Gauge("level", "text", registry=None)
    counted, level = AtOnce(counter), AtOnce(gauge)
    counted.new += 3
    level.value = 4
    assert [metric.samples[0].value for metric in (*counter.collect(), *gauge.collect())] == [3, 4]


def test_tripwire_the_private_fields_of_a_histogram_are_those_that_were_read() -> None:
    """Read prometheus_client's Histogram before the version range in pyproject.toml is widened."""
    assert version("prometheus_client").startswith("0.26.")
    histogram = prometheus_client.Histogram("held", "text", buckets=(1.0, 2.0), registry=None)
    assert [type(bucket) for bucket in histogram._buckets] == [MutexValue] * 3
    assert type(histogram._sum) is MutexValue


def test_tripwire_times_tell_what_prometheus_would_have_told() -> None:
    buckets = books._SECONDS
    ours, theirs = (
        prometheus_client.Histogram("took", "text", buckets=buckets, registry=None)
        for _ in range(2)
    )
    times = Times(ours)
    for seconds in (0.0, *buckets, *(edge * 1.5 for edge in buckets), 1e6):
        times.observe(seconds)
        theirs.observe(seconds)
    times.hand_on()
    found, wanted = (
        {
            (each.name, *each.labels.values()): each.value
            for each in next(iter(metric.collect())).samples
        }
        for metric in (ours, theirs)
    )
    for told in (found, wanted):
        told.pop(("took_created",), None)
    assert found == pytest.approx(wanted)
