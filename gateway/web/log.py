"""The log: structlog on standard output, one canonical line a request, nothing secret in it.

A request's query is never logged, only the names of its parameters: signatures and tokens live in
the values. Of its headers nothing is logged. Tracebacks come without local variables, which hold
secrets and the bytes of users. Control characters are escaped, so nobody writes lines of his own.
"""

import asyncio
import atexit
import json
import logging
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from gateway.protocol.names import shown
from gateway.settings.sections import LogSection

Log: TypeAlias = structlog.typing.FilteringBoundLogger

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
#: Seconds that a line may wait for others, and characters that are waiting before they are written at once.
_DELAY: Final = 0.1
_BATCH: Final = 64 * 1024
#: What looks like a parameter's name. A token without ``=`` is no name.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,31}", re.ASCII)
#: What stands for a credential in a query, as scanned for in paths and details.
_CREDENTIAL: Final = re.compile(
    r"(?<![A-Za-z0-9_.-])(x-amz-signature|x-amz-security-token|signature|token|access_token|jwt|mac|v[23]?)"
    r"\s*=[^&\s\"']+",
    re.IGNORECASE | re.ASCII,
)
#: So many layers of escapes are looked through.
_ESCAPES: Final = 3
#: More names of one query say nothing more.
_NAMES: Final = 32


class Lines:
    """Standard output for structlog's loggers and for the standard library's. What is only informative may
    wait a moment, so that a busy process writes many lines with one call: a tenth of a second at most, and
    never past a line that is more, or the process's end. Without a running loop nothing waits."""

    def __init__(self) -> None:
        self._held: list[str] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def info(self, line: str) -> None:
        """Take a line that may wait."""
        self._held.append(line + "\n")
        self._size += len(line)
        if self._timer is not None and self._size < _BATCH:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if self._size >= _BATCH:
            self.flush()
        else:
            self._timer = loop.call_later(_DELAY, self.flush)

    debug = info

    def msg(self, line: str) -> None:
        """Write a line, and all that wait, now."""
        self.write(line + "\n")
        self.flush()

    warning = error = exception = critical = msg

    def write(self, text: str) -> None:
        """As a file's."""
        self._held.append(text)

    def flush(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held, self._size = "".join(self._held), [], 0
        if held:
            try:
                sys.stdout.write(held)
                sys.stdout.flush()
            except BrokenPipeError:
                end_unread()


def end_unread() -> None:
    """Nobody reads the standard output any more (``sluice serve | head``): write nowhere, and drain as on SIGTERM;
    the supervisor, where this is one of its workers, or it would make another."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    parent = multiprocessing.parent_process()
    pid = os.getpid() if parent is None else parent.pid
    if pid is not None:
        os.kill(pid, signal.SIGTERM)


def _as_json(logger: object, method: str, event: structlog.typing.EventDict) -> str:
    """An event as JSON, by an encoder that is made once; what JSON cannot say, as Python shows it."""
    del logger, method
    return _ENCODER.encode(event)


def now() -> str:
    """The time as structlog stamps it."""
    second, micros = divmod(time.time_ns() // 1000, 1_000_000)
    return f"{_second(second)}.{micros:06d}Z"


@lru_cache(maxsize=2)  # many lines are of one second
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _wrapper(level: int, *, json_lines: bool) -> Any:
    """The class of loggers. Where a request's line is wanted as JSON it is made in one step: by structlog's chain of
    processors it costs three times as much, with every request."""
    usual: Any = structlog.make_filtering_bound_logger(level)
    if not json_lines or level > logging.INFO:
        return usual

    class Quick(usual):  # type: ignore[misc]
        def info(self, event: str, *args: Any, **facts: Any) -> Any:
            if args or "exc_info" in facts or self._context:
                return super().info(event, *args, **facts)
            facts.update(event=event, level="info", timestamp=now())
            return self._logger.info(_ENCODER.encode(facts))

        def ready(self, line: str) -> None:
            """Write an informative line that is JSON already."""
            self._logger.info(line)

    return Quick


_out: Lines | None = None
_ENCODER: Final = json.JSONEncoder(default=repr)


def configure(section: LogSection) -> None:
    """Set structlog up for this process, and let the standard library's loggers speak through it."""
    console = section.format == "console" or (section.format == "auto" and sys.stdout.isatty())
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = _as_json
    if console:
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    else:
        frames = ExceptionDictTransformer(show_locals=False)
        shared.append(structlog.processors.ExceptionRenderer(frames))
    out = Lines()
    global _out
    flush()
    _out = out
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=_wrapper(_LEVELS[section.level], json_lines=not console),
        logger_factory=lambda *_: out,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(
        handlers=[handler], level=max(logging.WARNING, _LEVELS[section.level]), force=True
    )


@atexit.register
def flush() -> None:
    """Write what waits: for the end of a process that may not come to its exit handlers."""
    if _out is not None:
        _out.flush()


def get_log() -> Log:
    """The process's logger, as it is configured now."""
    log: Log = structlog.get_logger().bind()
    return log


def ready_lines(log: Log) -> Callable[[str], None] | None:
    """Where informative lines go that are JSON already; None where lines are not JSON, or only worse ones are told."""
    return getattr(log, "ready", None)


def masked(text: str) -> str:
    """A path, or a text that names one, without the credentials of a query that became part of it: a presigned URL
    whose ``?`` was escaped, or is an ``&``. However often it was escaped; then it is shown without its escapes."""
    plain = text
    for _ in range(_ESCAPES):
        if "%" not in plain:
            break
        plain = unquote(plain, "latin-1")
    return _CREDENTIAL.sub(r"\1=?", plain) if _CREDENTIAL.search(plain) else text


def printable(text: str) -> str:
    """One line of text: whatever is not printable is escaped."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def parameter_names(raw_query: bytes) -> list[str]:
    """The names of a query's first parameters, without their values; ``?`` for what is no name."""
    names = [item.partition(b"=")[0] for item in raw_query.split(b"&") if item]
    return [_name(name) for name in names[:_NAMES]]


@lru_cache(maxsize=256)  # the same few with every request
def _name(raw: bytes) -> str:
    name = raw.decode("latin-1")
    return shown(name) if _NAME.fullmatch(name) else "?"
