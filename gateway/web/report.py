"""The log's side of what happens in the background."""

from gateway.errors import GatewayError
from gateway.transfer.resumable.expiry import Ended
from gateway.transfer.sweep_report import SweepReport
from gateway.web.log import Log


class LogReporter:
    """See :class:`gateway.transfer.background.Reporter`. ``awaited`` are the stores, for people."""

    def __init__(self, log: Log, awaited: str) -> None:
        self._log = log
        self._awaited = awaited

    def swept(self, report: SweepReport) -> None:
        """Told only when there was something to sweep or to report."""
        facts = {
            "aborted": len(report.aborted),
            "foreign": len(report.foreign),
            "failed": len(report.failed),
        }
        if any(facts.values()):
            self._log.info("swept", kept=len(report.kept), **facts)

    def ended(self, report: Ended) -> None:
        """Told only when there was something."""
        facts = {"expired": len(report.expired), "failed": len(report.failed)}
        if any(facts.values()):
            self._log.info("uploads ended", forgotten=len(report.forgotten), **facts)

    def waiting(self, task: str, seconds: float) -> None:
        """Whom is waited for is in the configuration; requests are served meanwhile."""
        self._log.warning(
            "waiting", task=task, seconds=seconds, detail=f"no answer yet from {self._awaited}"
        )

    def failed(self, task: str, error: GatewayError) -> None:
        """Something will be tried again."""
        self._log.warning("background", task=task, error=error.code, detail=error.detail)

    def crashed(self, task: str, error: Exception) -> None:
        """A bug, with its traceback."""
        self._log.error("bug", task=task, exc_info=error)
