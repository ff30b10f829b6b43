"""TLS for measurements: a certificate for loopback, and the client of :mod:`loadtests.wire` over TLS.

Encryption costs this client what it costs a server, so its own CPU is not next to nothing any more: rates over TLS are
those of both together.
"""

import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import trustme

from gateway.units import MiB
from loadtests.wire import Wire

#: Bytes for bodies: encrypting costs the same whatever they are.
_BLOCK: Final = memoryview(os.urandom(MiB))
_TRASH: Final = bytearray(MiB)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of one certificate for ``localhost``: chain and key for the server, ``authority`` for the client."""

    chain: Path
    key: Path
    authority: Path

    @classmethod
    def issue(cls, folder: Path) -> Self:
        """A new one, with an authority of its own."""
        authority = trustme.CA()
        issued = authority.issue_cert("localhost")
        made = cls(folder / "chain.pem", folder / "key.pem", folder / "authority.pem")
        made.chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        made.key.write_bytes(issued.private_key_pem.bytes())
        authority.cert_pem.write_to_path(str(made.authority))
        return made

    def context(self) -> ssl.SSLContext:
        """What a client needs that believes it."""
        return ssl.create_default_context(cafile=str(self.authority))


def wrap(context: ssl.SSLContext, sock: socket.socket) -> ssl.SSLSocket:
    """Shake hands on a blocking socket."""
    return context.wrap_socket(sock, server_hostname="localhost")


class TlsWire(Wire):
    """:class:`~loadtests.wire.Wire` over TLS. Bodies do not come from its pattern."""

    def __init__(self, port: int, context: ssl.SSLContext, *, timeout: float = 120.0) -> None:
        super().__init__(port, timeout=timeout)
        self._sock: socket.socket = wrap(context, self._sock)

    def _send_head(self, head: bytes, *, more: bool) -> None:
        del more  # it is a record of its own
        self._sock.sendall(head)

    def _send_file(self, handle: int, size: int, length: int) -> None:
        del handle, length
        while size:
            piece = _BLOCK[: min(size, len(_BLOCK))]
            self._sock.sendall(piece)
            size -= len(piece)

    def _receive(self, size: int) -> int:
        return self._sock.recv_into(_TRASH, min(size, len(_TRASH)))
