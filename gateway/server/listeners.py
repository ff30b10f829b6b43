"""Sockets to listen on, opened once and shared by all workers."""

import errno
import socket
from dataclasses import dataclass
from typing import Final

from gateway.settings.sections import ServerSection

BACKLOG: Final = 2048
#: Connections that are accepted in one turn of the event loop. All but one cost a futile system call for each.
ACCEPTORS: Final = 8


class ListenError(Exception):
    """An address that cannot be listened on. ``str()`` says which and why."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """The main socket and, when metrics have a listener of their own, that one's."""

    main: socket.socket
    metrics: socket.socket | None
    tls: bool

    @property
    def url(self) -> str:
        """Where the main socket can be reached, with the port that it really has."""
        host, port = self.main.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self.tls else 'http'}://{shown}:{port}"

    def acceptors(self) -> list[socket.socket]:
        """The main socket, several times. The event loop accepts one connection per socket and turn (libuv since
        1.46), and a turn with thousands of busy connections is long: a new client would wait behind all that came
        before it.

        All processes share one description of the socket, and with it whether its calls block. Python thinks of a
        socket that came from another process as blocking, and a copy of it would make it so, for everybody: another
        worker could then hang in accept() although its event loop had asked first.
        """
        self.main.setblocking(False)
        return [self.main, *(self.main.dup() for _ in range(ACCEPTORS - 1))]

    def close(self) -> None:
        """Close this process's copies."""
        self.main.close()
        if self.metrics is not None:
            self.metrics.close()


def open_listeners(section: ServerSection) -> Listeners:
    """Bind what the settings name; port 0 picks a free one, ``::`` serves IPv6 and IPv4.

    Raises:
        ListenError: an address is taken, unknown or malformed.
    """
    main = _listen(section.host, section.port, "with --port or server.port")
    metrics = None
    if section.metrics_listen:
        try:
            metrics = _listen(*_host_port(section.metrics_listen), "with server.metrics_listen")
        except ListenError:
            main.close()
            raise
    return Listeners(main, metrics, tls=section.tls_cert is not None)


def _host_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ListenError(f"metrics_listen = {text!r}: write host:port, for example 127.0.0.1:9100")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _listen(host: str, port: int, choice: str) -> socket.socket:
    """``choice`` says where another address can be chosen."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(
            address[:2],
            family=family,
            backlog=BACKLOG,
            dualstack_ipv6=address[0] == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        # create_server puts the address into the reason once more.
        reason = (error.strerror or str(error)).partition(" (while ")[0]
        advice = f"; choose another {choice}" if error.errno == errno.EADDRINUSE else ""
        raise ListenError(f"cannot listen on {host}:{port}: {reason}{advice}") from error
    listener.setblocking(False)
    return listener
