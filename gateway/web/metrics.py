"""The metrics, under Prometheus's naming rules: one registry, filled from the Instrument's facts.

Label values are bounded: stores and operations come from the configuration and the code, never from
a request (no bucket, key, address or principal is a label).
"""

import os
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.errors import GatewayError
from gateway.telemetry import Instrument

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_STATES: Final = {"closed": 0, "half-open": 1, "open": 2}


class Metrics(Instrument):
    """Every fact, counted."""

    def __init__(self, budget: int) -> None:
        self.registry = registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"sluice_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(
                f"sluice_{name}", text, labels, registry=registry, multiprocess_mode="livesum"
            )

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(f"sluice_{name}", text, labels, registry=registry, buckets=_SECONDS)

        self.requests = counter(
            "requests_total", "Requests answered", "dialect", "method", "status"
        )
        self.request_seconds = histogram(
            "request_seconds", "From the head's arrival to the response's end", "dialect", "method"
        )
        self.first_byte = histogram(
            "response_start_seconds",
            "From the head's arrival to the response's head",
            "dialect",
            "method",
        )
        self.running = gauge("requests_running", "Requests being answered now")
        self.received = counter("received_bytes_total", "Bytes of request bodies")
        self.sent = counter("sent_bytes_total", "Bytes of response bodies")
        self.refused = counter("auth_refused_total", "Credentials refused", "scheme", "code")
        self.memory_budget = gauge("memory_budget_bytes", "Bytes of body that may be in memory")
        self.memory_used = gauge("memory_used_bytes", "Bytes of the budget in use")
        self.memory_waiters = gauge("memory_waiters", "Transfers waiting for memory")
        self.memory_wait = counter("memory_wait_seconds_total", "Time spent waiting for memory")
        self.slabs = counter("slabs_total", "Slabs handed out", "origin")
        self.spool_written = counter("spool_written_bytes_total", "Bytes spooled to disk")
        self.spool_used = gauge("spool_used_bytes", "Bytes in the spool now")
        self.paused = counter("client_paused_seconds_total", "Time clients were not read from")
        self.part_seconds = histogram("part_seconds", "Time to store a part", "store")
        self.part_bytes = counter("part_bytes_total", "Bytes of parts stored", "store")
        self.part_attempts = counter("part_attempts_total", "Attempts to store a part", "store")
        self.in_flight = gauge("parts_in_flight", "Parts being stored now", "store")
        self.calls = counter(
            "store_calls_total", "Calls to stores", "store", "operation", "outcome"
        )
        self.call_seconds = histogram(
            "store_call_seconds", "Time of calls to stores", "store", "operation"
        )
        self.retries = counter(
            "store_retries_total", "Calls tried again", "store", "operation", "code"
        )
        self.breaker = gauge("store_breaker_state", "0 closed, 1 half-open, 2 open", "store")
        self.uploads = counter("uploads_total", "Uploads ended", "store", "outcome")
        self.upload_bytes = counter("upload_bytes_total", "Bytes of uploads ended", "store")
        self.upload_seconds = histogram("upload_seconds", "Time of uploads", "store")
        self.downloads = counter("downloads_total", "Downloads ended", "store", "outcome")
        self.download_bytes = counter("download_bytes_total", "Bytes of downloads ended", "store")
        self.download_seconds = histogram("download_seconds", "Time of downloads", "store")
        self.resumed = counter(
            "downloads_resumed_total", "Downloads continued after a break", "store"
        )
        self.orphans = counter(
            "orphans_total", "Unfinished multiparts the sweep saw", "store", "ours"
        )
        self.memory_budget.set(budget)

    def text(self) -> bytes:
        """The exposition, of all workers where there are several."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        merged = CollectorRegistry()
        MultiProcessCollector(merged)  # type: ignore[no-untyped-call]
        return generate_latest(merged)

    # --- the facts ---

    def memory_waited(self, seconds: float) -> None:
        self.memory_wait.inc(seconds)

    def memory_held(self, used: int, waiting: int) -> None:
        self.memory_used.set(used)
        self.memory_waiters.set(waiting)

    def slab_taken(self, size: int, *, reused: bool) -> None:
        self.slabs.labels("reused" if reused else "new").inc()

    def spooled(self, size: int) -> None:
        self.spool_written.inc(size)

    def spool_held(self, used: int) -> None:
        self.spool_used.set(used)

    def client_paused(self, seconds: float) -> None:
        self.paused.inc(seconds)

    def part_finished(self, store: str, size: int, seconds: float, attempts: int) -> None:
        self.part_seconds.labels(store).observe(seconds)
        self.part_bytes.labels(store).inc(size)
        self.part_attempts.labels(store).inc(attempts)

    def parts_in_flight(self, store: str, count: int) -> None:
        self.in_flight.labels(store).set(count)

    def call_finished(self, store: str, operation: str, outcome: str, seconds: float) -> None:
        self.calls.labels(store, operation, outcome).inc()
        self.call_seconds.labels(store, operation).observe(seconds)

    def call_retried(self, store: str, operation: str, error: GatewayError) -> None:
        self.retries.labels(store, operation, error.code).inc()

    def breaker_changed(self, store: str, state: str) -> None:
        self.breaker.labels(store).set(_STATES[state])

    def upload_finished(self, store: str, outcome: str, size: int, seconds: float) -> None:
        self.uploads.labels(store, outcome).inc()
        self.upload_bytes.labels(store).inc(size)
        self.upload_seconds.labels(store).observe(seconds)

    def download_finished(self, store: str, outcome: str, size: int, seconds: float) -> None:
        self.downloads.labels(store, outcome).inc()
        self.download_bytes.labels(store).inc(size)
        self.download_seconds.labels(store).observe(seconds)

    def download_resumed(self, store: str) -> None:
        self.resumed.labels(store).inc()

    def orphan_found(self, store: str, *, ours: bool) -> None:
        self.orphans.labels(store, str(ours).lower()).inc()

    def auth_refused(self, scheme: str, code: str) -> None:
        self.refused.labels(scheme, code).inc()
