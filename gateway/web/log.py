"""The log: structlog on standard output, one canonical line a request, nothing secret in it.

A request's query is never logged, only the names of its parameters: signatures and tokens live in
the values. Of its headers nothing is logged. Tracebacks come without local variables, which hold
secrets and the bytes of users. Control characters are escaped, so nobody writes lines of his own.
"""

import logging
import re
import sys
from typing import Any, Final, TypeAlias

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from gateway.settings.sections import LogSection

Log: TypeAlias = structlog.typing.FilteringBoundLogger

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
#: What looks like a parameter's name. A token without ``=`` is no name.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,31}", re.ASCII)
#: More names of one query say nothing more.
_NAMES: Final = 32


def configure(section: LogSection) -> None:
    """Set structlog up for this process, and let the standard library's loggers speak through it."""
    console = section.format == "console" or (section.format == "auto" and sys.stdout.isatty())
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = structlog.processors.JSONRenderer()
    if console:
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    else:
        frames = ExceptionDictTransformer(show_locals=False)
        shared.append(structlog.processors.ExceptionRenderer(frames))
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
    logging.basicConfig(
        handlers=[handler], level=max(logging.WARNING, _LEVELS[section.level]), force=True
    )


def get_log() -> Log:
    """The process's logger."""
    log: Log = structlog.get_logger()
    return log


def printable(text: str) -> str:
    """One line of text: whatever is not printable is escaped."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def parameter_names(raw_query: bytes) -> list[str]:
    """The names of a query's first parameters, without their values; ``?`` for what is no name."""
    names = [item.partition(b"=")[0].decode("latin-1") for item in raw_query.split(b"&") if item]
    return [name if _NAME.fullmatch(name) else "?" for name in names[:_NAMES]]
