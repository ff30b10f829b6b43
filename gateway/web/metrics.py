"""The metrics, under Prometheus's naming rules: one registry, filled from the Instrument's facts.

Label values are bounded: stores and operations come from the configuration and the code, never from
a request (no bucket, key, address or principal is a label).
"""

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.errors import GatewayError
from gateway.telemetry import Instrument

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_STATES: Final = {"closed": 0, "half-open": 1, "open": 2}


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
    """A counter or a gauge in front of Prometheus's own, which takes a lock and several calls for each change: here a
    change is a plain number, and is handed on when somebody asks for the metrics. ``new`` is what has come since, and
    may be added to; ``value`` is what a gauge was set to that is never changed otherwise (None: nothing new)."""

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


def _waiting(metric: Counter | Gauge) -> Waiting:
    return (AtOnce if "PROMETHEUS_MULTIPROC_DIR" in os.environ else Waiting)(metric)


class Times:
    """The same for a distribution of times: Prometheus's own takes a lock twice and looks for the bucket in Python,
    which with a request's four is a tenth of what a small one costs."""

    __slots__ = ("_at_once", "_counts", "_metric", "_sum")

    def __init__(self, metric: Histogram) -> None:
        self._metric: Any = metric
        self._at_once = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self._counts = [0] * (len(_SECONDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """It took so long."""
        self._counts[bisect_left(_SECONDS, seconds)] += 1
        self._sum += seconds
        if self._at_once:
            self.hand_on()

    def hand_on(self) -> None:
        """Let Prometheus know: what its ``observe`` does, for many at once."""
        for bucket, count in zip(self._metric._buckets, self._counts, strict=True):
            if count:
                bucket.inc(count)
        self._metric._sum.inc(self._sum)
        self._counts = [0] * len(self._counts)
        self._sum = 0.0


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
        made = _waiting(metric)
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


class RequestMetrics(Family):
    """What clients asked for."""

    def __init__(self, books: Books) -> None:
        super().__init__(books)
        counted = ("dialect", "method", "status")
        timed = ("dialect", "method")
        self.answered = self.counters("requests", "Requests answered", *counted)
        self.seconds_in_all = self.seconds(
            "request", "From the head's arrival to the response's end", *timed
        )
        self.seconds_to_start = self.seconds(
            "response_start", "From the head's arrival to the response's head", *timed
        )
        self.running = self.gauge("requests_running", "Requests being answered now")
        self.received = self.counter("received_bytes", "Bytes of request bodies")
        self.sent = self.counter("sent_bytes", "Bytes of response bodies")
        self.refused = self.counters("auth_refused", "Credentials refused", "dialect", "code")


class MemoryMetrics(Family):
    """Where bodies are while they are in transit."""

    def __init__(self, books: Books, budget: int) -> None:
        super().__init__(books)
        self.budget = self.gauge("memory_budget_bytes", "Bytes of body that may be in memory")
        self.used = self.gauge("memory_used_bytes", "Bytes of the budget in use")
        self.waiters = self.gauge("memory_waiters", "Transfers waiting for memory")
        self.waited = self.counter("memory_wait_seconds", "Time spent waiting for memory")
        self.slabs = self.counters("slabs", "Slabs handed out", "origin")
        self.spooled = self.counter("spool_written_bytes", "Bytes spooled to disk")
        self.in_spool = self.gauge("spool_used_bytes", "Bytes in the spool now")
        self.budget.value = budget


class StoreMetrics(Family):
    """What was asked of the stores."""

    def __init__(self, books: Books) -> None:
        super().__init__(books)
        self.calls = self.counters(
            "store_calls", "Calls to stores", "store", "operation", "outcome"
        )
        self.call_seconds = self.seconds(
            "store_call", "Time of calls to stores", "store", "operation"
        )
        self.retries = self.counters(
            "store_retries", "Calls tried again", "store", "operation", "code"
        )
        self.breaker = self.gauges("store_breaker_state", "0 closed, 1 half-open, 2 open", "store")
        self.part_seconds = self.seconds("part", "Time to store a part", "store")
        self.part_bytes = self.counters("part_bytes", "Bytes of parts stored", "store")
        self.part_attempts = self.counters("part_attempts", "Attempts to store a part", "store")
        self.in_flight = self.gauges("parts_in_flight", "Parts being stored now", "store")
        self.passages = self.gauges(
            "passages", "Parts of slow clients that go to the store as they come, now", "store"
        )
        self.aborts_failed = self.counters(
            "aborts_failed", "Multiparts left to the sweep, as aborting them failed", "store"
        )
        self.orphans = self.counters(
            "orphans", "Unfinished multiparts that the sweep saw", "store", "ours"
        )


class TransferMetrics(Family):
    """Whole objects, in and out."""

    def __init__(self, books: Books) -> None:
        super().__init__(books)
        self.uploads = self.counters("uploads", "Uploads ended", "store", "outcome")
        self.upload_bytes = self.counters("upload_bytes", "Bytes of uploads ended", "store")
        self.upload_seconds = self.seconds("upload", "Time of uploads", "store")
        self.paused = self.counter("client_paused_seconds", "Time clients were not read from")
        self.downloads = self.counters("downloads", "Downloads ended", "store", "outcome")
        self.download_bytes = self.counters("download_bytes", "Bytes of downloads ended", "store")
        self.download_seconds = self.seconds("download", "Time of downloads", "store")
        self.resumed = self.counters(
            "downloads_resumed", "Downloads continued after a break", "store"
        )
        self.widened = self.counters(
            "downloads_widened", "Downloads read ahead over several connections", "store"
        )


class Metrics(Instrument):
    """Every fact, counted. ``budget`` in bytes."""

    def __init__(self, budget: int) -> None:
        books = Books()
        self.registry = books.registry
        self.requests = RequestMetrics(books)
        self.memory = MemoryMetrics(books, budget)
        self.stores = StoreMetrics(books)
        self.transfers = TransferMetrics(books)

    def text(self) -> bytes:
        """The exposition, of all workers where there are several."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        merged = CollectorRegistry()
        MultiProcessCollector(merged)  # type: ignore[no-untyped-call]
        return generate_latest(merged)

    # --- the facts ---

    def memory_waited(self, seconds: float) -> None:
        self.memory.waited.new += seconds

    def memory_held(self, used: int, waiting: int) -> None:
        self.memory.used.value = used
        self.memory.waiters.value = waiting

    def slab_taken(self, size: int, *, reused: bool) -> None:
        self.memory.slabs["reused" if reused else "new"].new += 1

    def spooled(self, size: int) -> None:
        self.memory.spooled.new += size

    def spool_held(self, used: int) -> None:
        self.memory.in_spool.value = used

    def client_paused(self, seconds: float) -> None:
        self.transfers.paused.new += seconds

    def part_finished(self, store: str, size: int, seconds: float, attempts: int) -> None:
        self.stores.part_seconds[store].observe(seconds)
        self.stores.part_bytes[store].new += size
        self.stores.part_attempts[store].new += attempts

    def parts_in_flight(self, store: str, count: int) -> None:
        self.stores.in_flight[store].value = count

    def passage_opened(self, store: str) -> None:
        self.stores.passages[store].new += 1

    def passage_ended(self, store: str) -> None:
        self.stores.passages[store].new -= 1

    def call_finished(self, store: str, operation: str, outcome: str, seconds: float) -> None:
        self.stores.calls[store, operation, outcome].new += 1
        self.stores.call_seconds[store, operation].observe(seconds)

    def call_retried(self, store: str, operation: str, error: GatewayError) -> None:
        self.stores.retries[store, operation, error.code].new += 1

    def breaker_changed(self, store: str, state: str) -> None:
        self.stores.breaker[store].value = _STATES[state]

    def abort_failed(self, store: str, error: GatewayError) -> None:
        self.stores.aborts_failed[store].new += 1

    def upload_finished(self, store: str, outcome: str, size: int, seconds: float) -> None:
        self.transfers.uploads[store, outcome].new += 1
        self.transfers.upload_bytes[store].new += size
        self.transfers.upload_seconds[store].observe(seconds)

    def download_finished(self, store: str, outcome: str, size: int, seconds: float) -> None:
        self.transfers.downloads[store, outcome].new += 1
        self.transfers.download_bytes[store].new += size
        self.transfers.download_seconds[store].observe(seconds)

    def download_resumed(self, store: str) -> None:
        self.transfers.resumed[store].new += 1

    def download_widened(self, store: str) -> None:
        self.transfers.widened[store].new += 1

    def orphan_found(self, store: str, *, ours: bool) -> None:
        self.stores.orphans[store, str(ours).lower()].new += 1

    def auth_refused(self, dialect: str, code: str) -> None:
        self.requests.refused[dialect, code].new += 1
