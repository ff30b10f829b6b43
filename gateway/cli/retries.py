"""What ``sluice put`` and ``sluice get`` say while something is tried again, and when it is given up."""

import sys
import time
from collections.abc import Callable
from typing import Final

import click

from gateway.client import Refused, Retry, TransferFailed

#: Seconds after which a reason that stays the same is told again, where every line stays.
_STILL: Final = 10.0
_START: Final = "\r\x1b[K"


class Retries:
    """Tells on standard error why something is tried again: once, as long as the reason is the same. How it stands is
    one line that changes, on a terminal; elsewhere a line every ten seconds. ``now`` in seconds."""

    def __init__(self, *, quiet: bool, now: Callable[[], float] = time.monotonic) -> None:
        self._quiet: Final = quiet
        self._terminal: Final = sys.stderr.isatty()
        self._now: Final = now
        self._reason = ""
        self._tried = 0
        self._since = 0.0
        self._told = 0.0
        self._shown = False

    def __call__(self, retry: Retry) -> None:
        """It is about to be tried again."""
        reason, now = str(retry.error), self._now()
        if retry.failures == 1 or not self._tried:
            self._since = now
        self._tried = retry.failures
        if self._quiet:
            return
        next_try = f"attempt {retry.failures + 1} of {retry.attempts} in {_seconds(retry.delay)}"
        if reason != self._reason:
            self.clear(always=True)
            click.echo(f"sluice: {reason.removesuffix('.')}; {next_try}", err=True)
            self._reason, self._told = reason, now
        elif self._terminal:
            click.echo(f"{_START}sluice: the same; {next_try}", err=True, nl=False)
            self._shown = True
        elif now - self._told >= _STILL:
            click.echo(f"sluice: still the same; {next_try}", err=True)
            self._told = now

    def clear(self, *, always: bool = False) -> None:
        """Take back the line that changes; with ``always`` what else may stand in its place."""
        if self._shown or (always and self._terminal):
            click.echo(_START, err=True, nl=False)
        self._shown = False

    def end(self, error: TransferFailed) -> str:
        """How a message goes on that says with what it ended."""
        self.clear()
        if isinstance(error, Refused):
            if not error.passing:
                return ""
            wait = "" if error.retry_after is None else _seconds(error.retry_after)
            asked = f"; it asks to come back in {wait}" if wait else ""
        elif error.retryable:
            asked = ""
        else:
            return ""
        if not self._tried:
            return asked
        took = _seconds(self._now() - self._since)
        return f"; given up after {self._tried + 1} attempts in {took}{asked}"


def _seconds(count: float) -> str:
    return f"{count:.0f} s" if count >= 1 else f"{count:.1f} s"
