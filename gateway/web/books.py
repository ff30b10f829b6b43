"""Counters, gauges and times in front of Prometheus's own, which take locks and several calls for each change.

Here a change is a plain number; it is handed on when somebody reads the registry (:class:`Books`).
"""

import math
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_LIMITS: Final = (*_SECONDS, math.inf)
#: Times that gather before they are handed on even though nobody reads.
_GATHERED: Final = 1024

_M = TypeVar("_M", bound="Waiting | Times")


class Labelled(dict[tuple[str, ...] | str, _M]):
    """A metric's children by the values of their labels, in order. Each is looked up at Prometheus once:
    its own look-up costs more than counting does."""

    def __init__(self, child: Callable[[tuple[str, ...]], _M]) -> None:
        super().__init__()
        self._child = child

    def __missing__(self, values: tuple[str, ...] | str) -> _M:
        child = self[values] = self._child((values,) if isinstance(values, str) else values)
        return child


class Waiting:
    """A counter or a gauge. ``new`` is what has come since it was handed on, and may be added to; ``value`` is what a
    gauge was set to that is never changed otherwise (None: nothing new)."""

    __slots__ = ("_metric", "new", "value")

    def __init__(self, metric: Counter | Gauge) -> None:
        self._metric: Any = metric
        self.new: float = 0
        self.value: float | None = None

    def hand_on(self) -> None:
        """Let Prometheus know."""
        if self.value is not None:
            self._metric.set(self.value)
            self.value = None
        if self.new:
            self._metric.inc(self.new)
            self.new = 0


class AtOnce(Waiting):
    """The same in workers that share their values through files: handed on at once, as others ask."""

    __slots__ = ()

    @property
    def new(self) -> float:
        """Nothing ever waits."""
        return 0

    @new.setter
    def new(self, amount: float) -> None:
        if amount:
            self._metric.inc(amount)

    @property
    def value(self) -> None:
        """Nothing ever waits."""
        return None

    @value.setter
    def value(self, value: float | None) -> None:
        if value is not None:
            self._metric.set(value)


def are_shared() -> bool:
    """Whether this process is one of several workers that share their values through files."""
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ


class Times:
    """A distribution of times: Prometheus's own takes a lock twice and looks for the bucket in Python, which with a
    request's four is a tenth of what a small one costs."""

    __slots__ = ("_metric", "_most", "_seconds")

    def __init__(self, metric: Histogram) -> None:
        self._metric: Any = metric
        self._most = 1 if are_shared() else _GATHERED
        self._seconds: list[float] = []

    def observe(self, seconds: float) -> None:
        """It took so long."""
        gathered = self._seconds
        gathered.append(seconds)
        if len(gathered) >= self._most:
            self.hand_on()

    def hand_on(self) -> None:
        """Let Prometheus know: what its ``observe`` does, for many at once. Sorted, they need no look each."""
        gathered, self._seconds = sorted(self._seconds), []
        if not gathered:
            return
        before = 0
        for bucket, limit in zip(self._metric._buckets, _LIMITS, strict=True):
            until = bisect_right(gathered, limit)
            if until > before:
                bucket.inc(until - before)
            before = until
        self._metric._sum.inc(sum(gathered))


class Books:
    """A registry, and all :class:`Waiting` and :class:`Times` in front of its metrics: they hand on when it is read."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self._waiting: list[Waiting | Times] = []
        self.registry.register(self)  # before all others, so that it is asked first

    def collect(self) -> Iterator[Metric]:
        """Called by the registry whenever somebody reads it; adds nothing of its own."""
        for waiting in self._waiting:
            waiting.hand_on()
        return iter(())

    def waiting(self, metric: Counter | Gauge) -> Waiting:
        """One in front of ``metric``."""
        made = (AtOnce if are_shared() else Waiting)(metric)
        self._waiting.append(made)
        return made

    def times(self, metric: Histogram) -> Times:
        """One in front of ``metric``."""
        made = Times(metric)
        self._waiting.append(made)
        return made


class Family:
    """Metrics that belong together, in one registry. Those with labels are :class:`Labelled`."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._registry = books.registry

    def counter(self, name: str, text: str) -> Waiting:
        """A number that only grows; ``name`` ends with its unit or what it counts."""
        return self._books.waiting(Counter(f"sluice_{name}_total", text, registry=self._registry))

    def counters(self, name: str, text: str, *labels: str) -> Labelled[Waiting]:
        """The same, by labels."""
        metric = Counter(f"sluice_{name}_total", text, labels, registry=self._registry)
        return Labelled(lambda values: self._books.waiting(metric.labels(*values)))

    def gauge(self, name: str, text: str) -> Waiting:
        """A number as it is now, summed over the workers that live."""
        return self._books.waiting(
            Gauge(f"sluice_{name}", text, registry=self._registry, multiprocess_mode="livesum")
        )

    def gauges(self, name: str, text: str, *labels: str) -> Labelled[Waiting]:
        """The same, by labels."""
        name = f"sluice_{name}"
        metric = Gauge(name, text, labels, registry=self._registry, multiprocess_mode="livesum")
        return Labelled(lambda values: self._books.waiting(metric.labels(*values)))

    def seconds(self, name: str, text: str, *labels: str) -> Labelled[Times]:
        """A distribution of times."""
        name = f"sluice_{name}_seconds"
        metric = Histogram(name, text, labels, registry=self._registry, buckets=_SECONDS)
        return Labelled(lambda values: self._books.times(metric.labels(*values)))
