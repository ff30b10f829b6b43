"""Which session store a URL means."""

from pathlib import Path
from typing import Final, Protocol, runtime_checkable
from urllib.parse import urlsplit

from gateway.sessions.base import Sessions
from gateway.sessions.memory import MemorySessions
from gateway.sessions.sqlite import SqliteSessions
from gateway.settings.load import SettingsError

_FORMS: Final = (
    "write sqlite:///FILE (relative), sqlite:////FILE (absolute), redis://HOST:PORT/DB or memory:"
)


def open_sessions(url: str, timeout: float) -> Sessions:
    """The store of ``sessions.url``, not started yet. ``timeout`` in seconds bounds each of its calls.

    Raises:
        SettingsError: no such kind of store, or the rest of the URL is wrong. The URL is not repeated, it may hold a
            password.
    """
    scheme, colon, rest = url.partition(":")
    if not colon:
        raise SettingsError(f"sessions.url: no URL; {_FORMS}")
    match scheme.lower():
        case "memory":
            return MemorySessions()
        case "sqlite":
            file = rest.removeprefix("///")
            if not rest.startswith("///") or not file or file.endswith("/") or ":" in file[:1]:
                raise SettingsError(f"sessions.url: it names no file; {_FORMS}")
            return SqliteSessions(Path(file), timeout)
        case "redis" | "rediss" | "unix":
            if not _names_a_server(url):
                raise SettingsError(f"sessions.url: it names no host; {_FORMS}")
            # Imported only here: the client costs 20 MB of memory, which most gateways don't need.
            from gateway.sessions.redis import RedisSessions

            try:
                return RedisSessions(url, timeout)
            except ValueError as error:
                raise SettingsError(f"sessions.url: {error}; {_FORMS}") from None
        case _:
            raise SettingsError(f"sessions.url: there is no store {scheme!r}; {_FORMS}")


@runtime_checkable
class Forgetful(Protocol):
    """A store that may be configured to forget."""

    async def weaknesses(self) -> tuple[str, ...]:
        """How, for people."""
        ...


async def weaknesses(sessions: Sessions) -> tuple[str, ...]:
    """What would let a store forget what it has acknowledged, as far as it tells.

    Raises:
        SessionsUnavailable: it does not answer.
    """
    return await sessions.weaknesses() if isinstance(sessions, Forgetful) else ()


def whereabouts(url: str) -> str:
    """``sessions.url`` for people: without user, password and parameters, which may be secret; a file's full path."""
    parts = urlsplit(url)
    if parts.scheme.lower() == "sqlite":
        return f"sqlite:///{Path(url.partition('///')[2]).absolute()}"
    if parts.scheme.lower() not in ("redis", "rediss"):
        return f"{parts.scheme}:{'//' if parts.path else ''}{parts.path}"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _names_a_server(url: str) -> bool:
    """Whether there is something to connect to: the client would take its own machine where nothing is named."""
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that are not closed: the client says what is wrong
        return True
    return bool(parts.path if parts.scheme.lower() == "unix" else parts.hostname)
