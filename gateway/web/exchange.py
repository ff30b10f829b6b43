"""One request and its answer, as the log and the metrics will tell of it."""

import secrets
import time
from typing import Any, Final

from gateway.auth.grant import Grant
from gateway.errors import ClientGone, GatewayError
from gateway.protocol.commands import RequestHead
from gateway.web.log import Log, parameter_names, printable
from gateway.web.metrics import Metrics

_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"})


class Exchange:
    """What is known of a request so far. Filled on the way, told once at the end."""

    __slots__ = (
        "dialect",
        "error",
        "grant",
        "head",
        "peer",
        "received",
        "request_id",
        "sent",
        "started",
        "status",
        "status_at",
    )

    def __init__(self, head: RequestHead, peer: str | None) -> None:
        self.head = head
        self.peer = peer
        self.request_id = secrets.token_hex(8)
        self.started = time.perf_counter()
        self.status = 0
        self.status_at = 0.0
        self.dialect = "none"
        self.grant: Grant | None = None
        self.error: GatewayError | None = None
        self.received = 0
        self.sent = 0

    def answered(self, status: int) -> None:
        """The response's head goes out now."""
        self.status = status
        self.status_at = time.perf_counter()

    def tell(self, log: Log, metrics: Metrics) -> None:
        """The canonical log line and the counters; the last thing done for a request."""
        ended = time.perf_counter()
        method = self.head.method if self.head.method in _METHODS else "other"
        status = 499 if isinstance(self.error, ClientGone) else self.status
        metrics.requests.labels(self.dialect, method, str(status)).inc()
        metrics.request_seconds.labels(self.dialect, method).observe(ended - self.started)
        if self.status_at:
            metrics.first_byte.labels(self.dialect, method).observe(self.status_at - self.started)
        metrics.received.inc(self.received)
        metrics.sent.inc(self.sent)
        log.info("request", **self._facts(status, ended - self.started))

    def _facts(self, status: int, seconds: float) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "request_id": self.request_id,
            "method": printable(self.head.method.encode("latin-1", "replace")),
            "path": printable(self.head.raw_path),
            "status": status,
            "seconds": round(seconds, 6),
            "received": self.received,
            "sent": self.sent,
            "dialect": self.dialect,
            "peer": self.peer,
        }
        if self.head.raw_query:
            facts["parameters"] = parameter_names(self.head.raw_query)
        if self.grant is not None:
            facts["principal"] = self.grant.principal.id
            facts["key_id"] = self.grant.principal.key_id
            facts["scheme"] = self.grant.scheme
        if self.error is not None:
            facts["error"] = self.error.code
            facts["fault"] = self.error.fault
            facts["detail"] = printable(self.error.detail.encode("latin-1", "replace"))
        return facts
