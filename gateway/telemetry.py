"""Facts worth knowing, as methods that do nothing until somebody wants to know.

Rooms below ``web`` never log and hold no metric: they call an :class:`Instrument`. Production fills
it with Prometheus metrics (:mod:`gateway.web.metrics`), tests with a recorder.
"""

from gateway.errors import GatewayError


class Instrument:
    """Every fact is a method; the base ignores them all. Sizes in bytes, times in seconds."""

    def memory_waited(self, seconds: float) -> None:
        """An upload waited for memory of the budget."""

    def memory_held(self, used: int, waiting: int) -> None:
        """Bytes of the budget in use, and how many uploads wait for some."""

    def slab_taken(self, size: int, *, reused: bool) -> None:
        """A slab was handed out, from the pool or newly allocated."""

    def spooled(self, size: int) -> None:
        """Bytes of an unfinished part went to disk."""

    def spool_held(self, used: int) -> None:
        """Bytes in the spool now."""

    def client_paused(self, seconds: float) -> None:
        """We did not read from a client for this long."""

    def part_finished(self, store: str, size: int, seconds: float, attempts: int) -> None:
        """A part was acknowledged."""

    def parts_in_flight(self, store: str, count: int) -> None:
        """Parts being sent to a store now."""

    def passage_opened(self, store: str) -> None:
        """A slow client's part goes to the store as it comes, from now on."""

    def passage_ended(self, store: str) -> None:
        """It is there, or given up."""

    def call_finished(self, store: str, operation: str, outcome: str, seconds: float) -> None:
        """A call to a store ended: outcome ``ok`` or the error's code."""

    def call_retried(self, store: str, operation: str, error: GatewayError) -> None:
        """A failed call will be tried again."""

    def breaker_changed(self, store: str, state: str) -> None:
        """A breaker is now ``closed``, ``open`` or ``half-open``."""

    def abort_failed(self, store: str, error: GatewayError) -> None:
        """An unfinished multipart could not be dropped; its intent stays, and the sweep will drop it."""

    def upload_finished(self, store: str, outcome: str, size: int, seconds: float) -> None:
        """An upload ended: outcome ``stored``, ``client-gone``, or the error's code."""

    def download_finished(self, store: str, outcome: str, size: int, seconds: float) -> None:
        """A download ended."""

    def download_resumed(self, store: str) -> None:
        """A download whose backend broke goes on from the reached offset."""

    def download_widened(self, store: str) -> None:
        """A download for which one stream was too slow is read over several connections."""

    def orphan_found(self, store: str, *, ours: bool) -> None:
        """The sweep saw an unfinished multipart: ours (aborted) or not (left alone)."""

    def auth_refused(self, dialect: str, code: str) -> None:
        """A credential was refused, or was missing."""
