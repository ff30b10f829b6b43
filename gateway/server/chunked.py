"""The chunked transfer coding, RFC 9112 section 7.1, incremental and strict.

Written for bodies of large chunks: data goes from the buffer it came in to the buffer it is wanted
in with one copy, and inside a large chunk (``data_left``) the caller may receive into place with
none. httptools would copy twice, accepts extensions without end, and cannot say where in a segment
the body stopped and the next request begins.
"""

import re
from typing import Final

from gateway.errors import BadRequest
from gateway.units import KiB

#: Longest chunk-size line, extensions included, and longest trailer line.
MAX_LINE: Final = 4 * KiB
#: Framing beyond what honest chunks need: see :meth:`ChunkedDecoder._charge`.
MAX_OVERHEAD: Final = 16 * KiB
MAX_TRAILERS: Final = 8 * KiB

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED: Final = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
#: Extensions have names, and a blank may stand only around their marks (RFC 9112, 7.1 and 7.1.1).
_SIZE = re.compile(
    rb"([0-9A-Fa-f]{1,16})"
    rb"(?:[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*\Z"
)
_TRAILER = re.compile(rb"(" + _TOKEN + rb"):([\t\x20-\x7e\x80-\xff]*)\Z")


class ChunkedDecoder:
    """Takes wire bytes, gives body bytes and, at the end, trailers.

    ``data_left``: bytes of the current chunk still to come. ``ended``: the last chunk and the
    trailer section were read. ``trailers``: lower-case names and stripped values, in order.
    """

    __slots__ = (
        "_again",
        "_credit",
        "_in_trailers",
        "_last",
        "_line",
        "_skip",
        "_trailer_size",
        "data_left",
        "ended",
        "trailers",
    )

    def __init__(self) -> None:
        self.data_left = 0
        self.ended = False
        self.trailers: list[tuple[bytes, bytes]] = []
        self._line = bytearray()
        self._last = 0
        #: What stands between two chunks of the last one's size, where that is plain.
        self._again = b""
        self._in_trailers = False
        self._skip = False
        self._credit = MAX_OVERHEAD
        self._trailer_size = 0

    def feed(self, wire: memoryview, out: memoryview) -> tuple[int, int]:
        """Decode from the start of ``wire`` into the start of ``out``.

        ``out`` may be the same memory: framing goes, so what is written is never ahead of what is read.

        Stops when ``wire`` is used up, ``out`` is full or the body has ended; answers how many
        bytes of each were used.

        Raises:
            BadRequest: malformed framing, or far too much of it.
        """
        used = made = 0
        while used < len(wire) and not self.ended:
            if self.data_left:
                size = min(self.data_left, len(wire) - used, len(out) - made)
                if not size:
                    break
                out[made : made + size] = wire[used : used + size]
                used += size
                made += size
                self.took(size)
            elif self._skip and self._again and wire[used : used + len(self._again)] == self._again:
                # Clients cut their bodies into equal chunks: nearly all framing is this.
                used += len(self._again)
                self.data_left, self._skip = self._last, False
            else:
                used += self._framing(wire[used : used + MAX_LINE + 2])
        return used, made

    def took(self, size: int) -> None:
        """``size`` bytes of the current chunk's data were received, here or by the caller."""
        self.data_left -= size
        self._skip = not self.data_left

    def _framing(self, wire: memoryview) -> int:
        """Take one line, or the part of it that is there; answer how much of ``wire`` that was."""
        piece = bytes(wire[:32])  # nearly always enough
        end = piece.find(b"\n") + 1
        if not end:
            piece = bytes(wire)
            end = piece.find(b"\n") + 1
        self._line += piece[:end] if end else piece
        if len(self._line) > MAX_LINE:
            raise BadRequest("A chunk's size line or a trailer is too long.")
        if not end:
            return len(piece)
        line = bytes(self._line)
        self._line.clear()
        if not line.endswith(b"\r\n"):
            raise BadRequest("The chunked body has a line that does not end in CR LF.")
        self._take(line[:-2])
        return end

    def _take(self, line: bytes) -> None:
        if self._skip:
            if line:
                raise BadRequest("A chunk is longer than its size said.")
            self._skip = False
        elif self._in_trailers:
            self._trailer(line)
        else:
            self._size(line)

    def _size(self, line: bytes) -> None:
        match = _SIZE.match(line)
        if match is None:
            raise BadRequest("A chunk's size is not a hexadecimal number.")
        self.data_left = int(match[1], 16)
        self._in_trailers = not self.data_left
        self._charge(len(line))
        self._last = self.data_left
        self._again = b"\r\n%b\r\n" % line if self._last and len(line) <= 16 else b""

    def _charge(self, line: int) -> None:
        """Framing may cost what small honest chunks cost, and 16 KiB more over the whole body.

        A chunk of n bytes earns 16 + 2 n bytes for its size line, which is how Go's server counts;
        a flood of extensions is refused after 16 KiB, whatever the size of the body.
        """
        self._credit -= max(0, line - 16 - 2 * self.data_left)
        if self._credit < 0:
            raise BadRequest("The chunked body is mostly framing.")

    def _trailer(self, line: bytes) -> None:
        if not line:
            self.ended = True
            return
        self._trailer_size += len(line) + 2
        if self._trailer_size > MAX_TRAILERS:
            raise BadRequest("The trailer section is too large.")
        match = _TRAILER.match(line)
        if match is None:
            raise BadRequest("A trailer is not a header field.")
        self.trailers.append((match[1].lower(), match[2].strip(b" \t")))
