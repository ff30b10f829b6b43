"""One request and its answer, as the log and the metrics will tell of it."""

import asyncio
import time
from random import getrandbits
from typing import Any, Final

from gateway.auth.grant import Grant
from gateway.errors import ClientGone, GatewayError
from gateway.protocol.commands import RequestHead
from gateway.web.log import Log, masked, parameter_names, printable, ready_lines
from gateway.web.metrics import Metrics
from gateway.web.request_line import request_line, shown_path

#: What the log calls a request whose client left before the answer.
_GONE: Final = 499


class Exchange:
    """What is known of a request so far. Filled on the way, told once at the end.

    ``status`` is 0 until the response's head is out; ``received`` and ``sent`` count bytes of bodies.
    """

    __slots__ = (
        "dialect",
        "error",
        "grant",
        "head",
        "received",
        "request_id",
        "sent",
        "started",
        "status",
        "status_at",
    )

    def __init__(self, head: RequestHead) -> None:
        self.head = head
        # A name, no secret: unpredictable it need not be.
        self.request_id = f"{getrandbits(64):016x}"
        self.started = time.perf_counter()
        self.status = 0
        self.status_at = 0.0
        self.dialect = "none"
        self.grant: Grant | None = None
        self.error: GatewayError | asyncio.CancelledError | None = None
        self.received = 0
        self.sent = 0

    def answered(self, status: int) -> None:
        """The response's head is out."""
        self.status = status
        self.status_at = time.perf_counter()

    def tell(self, log: Log, metrics: Metrics) -> None:
        """The canonical log line and the counters; the last thing done for a request."""
        seconds = time.perf_counter() - self.started
        error, status, requests = self.error, self.status, metrics.requests
        if error is not None and isinstance(error, ClientGone):
            status = _GONE
        kind = requests.kinds.get((self.dialect, self.head.method, status))
        if kind is None:
            kind = requests.kind(self.dialect, self.head.method, status)
        kind.answered.new += 1
        kind.seconds_in_all.observe(seconds)
        if self.status_at:
            kind.seconds_to_start.observe(self.status_at - self.started)
        if self.received:
            requests.received.new += self.received
        if self.sent:
            requests.sent.new += self.sent
        ready = None if error is not None else ready_lines(log)
        if ready is None:
            log.info("request", **self.facts(status, seconds))
        else:
            ready(request_line(self, status, seconds))

    def facts(self, status: int, seconds: float) -> dict[str, Any]:
        """What the log tells. ``status`` and ``seconds`` as they are to be told."""
        facts: dict[str, Any] = {
            "request_id": self.request_id,
            "method": printable(self.head.method),
            "path": shown_path(self.head.raw_path),
            "status": status,
            "seconds": round(seconds, 6),
            "received": self.received,
            "sent": self.sent,
            "dialect": self.dialect,
            "peer": self.head.peer,
        }
        if self.head.raw_query:
            facts["parameters"] = parameter_names(self.head.raw_query)
        if self.grant is not None:
            facts["principal"] = printable(self.grant.principal.id)
            facts["key_id"] = self.grant.principal.key_id
            facts["scheme"] = str(self.grant.scheme)
        if isinstance(self.error, GatewayError):
            facts["error"] = self.error.code
            facts["fault"] = self.error.fault
            facts["detail"] = printable(masked(self.error.detail))
        elif self.error is not None:
            facts["error"] = "cut-off"
        return facts
