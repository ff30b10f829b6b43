"""Numbers that wait for their reader."""

from pathlib import Path

import prometheus_client
import pytest

from gateway.web.books import AtOnce
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
