"""Signs of life of a peer whose connection is not being read.

A transport that is paused sees neither FIN nor RST, so an upload that waits for a slow store would
keep the memory of a client that died long ago. The kernel knows; asking costs two system calls.
"""

import fcntl
import select
import socket
import struct
import sys
import termios
from typing import Final

#: Linux's EPOLLRDHUP/POLLRDHUP; select has no name for it on other systems.
_HUNG_UP: Final = getattr(select, "POLLRDHUP", 0)
#: What TLS may hold between the socket and us: records and the loop's own buffers.
TLS_SLACK: Final = 512 * 1024


def is_gone(fd: int, body_left: int | None, *, tls: bool) -> bool:
    """Whether the peer is gone for good, as far as the kernel can tell.

    A reset is. A FIN is when bytes of the body are missing that are not in the socket's buffer:
    ``body_left`` is what we have not read of it, None for an unknown number.
    """
    poll = select.poll()
    poll.register(fd, _HUNG_UP)
    events = dict(poll.poll(0)).get(fd, 0)
    if events & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
        return True
    if not events & _HUNG_UP or body_left is None:
        return False
    return _count(fd, termios.FIONREAD) + (TLS_SLACK if tls else 0) < body_left


def unsent(fd: int) -> int:
    """Bytes that the kernel still has to send or to see acknowledged."""
    return _count(fd, termios.TIOCOUTQ)


def _count(fd: int, request: int) -> int:
    try:
        answer = fcntl.ioctl(fd, request, b"\0" * 4)
    except OSError:
        return 0
    return int(struct.unpack("i", answer)[0])


def keep_watch(peer: socket.socket) -> None:
    """Let the kernel find out about hosts that vanished without a word: within two minutes."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
