"""The log: structlog on standard output, one canonical line a request, nothing secret in it.

A request's query is never logged, only the names of its parameters: signatures and tokens live in
the values. Header values are never logged but the user agent's, control characters escaped.
"""

import logging
import sys
from typing import Any, Final, TypeAlias

import structlog

from gateway.settings.sections import LogSection

Log: TypeAlias = structlog.typing.FilteringBoundLogger

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure(section: LogSection) -> None:
    """Set structlog up for this process, and let the standard library's loggers speak through it."""
    console = section.format == "console" or (section.format == "auto" and sys.stdout.isatty())
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.dict_tracebacks
        if not console
        else structlog.processors.StackInfoRenderer(),
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[section.level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def get_log() -> Log:
    """The process's logger."""
    log: Log = structlog.get_logger()
    return log


def printable(raw: bytes) -> str:
    """Bytes of a request as one line of text: Latin-1, control characters escaped."""
    text = raw.decode("latin-1")
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def parameter_names(raw_query: bytes) -> list[str]:
    """The names of a query's parameters, without their values."""
    return [printable(item.partition(b"=")[0]) for item in raw_query.split(b"&") if item]
