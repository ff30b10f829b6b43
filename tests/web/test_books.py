"""Numbers that wait for their reader."""

from pathlib import Path

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric

from gateway.web.books import _GATHERED, _SECONDS, AtOnce, Books, Family
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


@given(st.lists(st.one_of(st.sampled_from(_SECONDS), st.floats(0, 1000)), max_size=50))
def test_times_that_gathered_are_counted_as_one_by_one(times: list[float]) -> None:
    books = Books()
    ours = Family(books).seconds("ours", "text", "of")["x"]
    theirs = prometheus_client.Histogram("theirs", "text", registry=None, buckets=_SECONDS)
    for seconds in times:
        ours.observe(seconds)
        theirs.observe(seconds)
    (told,) = books.registry.collect()
    (wanted,) = theirs.collect()

    def counts(metric: Metric) -> list[float]:
        return [one.value for one in metric.samples if one.name.endswith(("_bucket", "_count"))]

    assert counts(told) == counts(wanted)
    (total,) = [one.value for one in told.samples if one.name.endswith("_sum")]
    assert total == pytest.approx(sum(times))


def test_times_gather_only_so_far() -> None:
    books = Books()
    ours = Family(books).seconds("ours", "text", "of")["x"]
    for _ in range(_GATHERED + 1):
        ours.observe(1)
    assert len(ours._seconds) == 1
    assert (
        books.registry.get_sample_value("sluice_ours_seconds_count", {"of": "x"}) == _GATHERED + 1
    )


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
