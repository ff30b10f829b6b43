"""The metrics, under Prometheus's naming rules: one registry, filled from the Instrument's facts.

Label values are bounded: stores and operations come from the configuration and the code, never from
a request (no bucket, key, address or principal is a label).
"""

from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.errors import GatewayError
from gateway.telemetry import Instrument
from gateway.web.books import Books, Family, Times, Waiting, are_shared

_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"})
_STATES: Final = {"closed": 0, "half-open": 1, "open": 2}


@dataclass(slots=True)
class Kind:
    """What is told of requests of one dialect, method and status."""

    answered: Waiting
    seconds_in_all: Times
    seconds_to_start: Times


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
        #: By dialect, method and status.
        self.kinds: dict[tuple[str, str, int], Kind] = {}
        self.running = self.gauge("requests_running", "Requests being answered now")
        self.received = self.counter("received_bytes", "Bytes of request bodies")
        self.sent = self.counter("sent_bytes", "Bytes of response bodies")
        self.refused = self.counters("auth_refused", "Credentials refused", "dialect", "code")

    def kind(self, dialect: str, method: str, status: int) -> Kind:
        """One of :attr:`kinds`, where there is none yet; all methods that nobody knows are one."""
        if method not in _METHODS:
            method = "other"
        known = self.kinds.get((dialect, method, status))
        if known is None:
            known = self.kinds[dialect, method, status] = Kind(
                self.answered[dialect, method, str(status)],
                self.seconds_in_all[dialect, method],
                self.seconds_to_start[dialect, method],
            )
        return known


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
        if not are_shared():
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
