"""``multipart/form-data`` as it streams in: the fields, then where the file begins and ends.

Sources: RFC 7578 and, for boundaries, RFC 2046, section 5.1.1. Read strictly, because whoever looked at the
form before us must not have seen another one: lines end with CRLF, nothing stands before the first boundary,
a field comes once. The file is the part named ``file``, and it is the last that counts: what follows is held to
the same form and ignored, as S3 does, but no second file may be among it. Everything outside the file's bytes
is bounded: :data:`MAX_FORM` before it and as much after it.
"""

import re
from collections.abc import Callable
from typing import Final, NoReturn

from gateway.errors import FormTooLarge, MalformedForm, UnsupportedMediaType
from gateway.protocol.commands import RequestHead
from gateway.protocol.names import shown
from gateway.protocol.part_head import PartHead, decode_utf8, read_part_head
from gateway.units import KiB

#: Most bytes before the file's own, boundaries and heads of parts included; and most after them.
MAX_FORM: Final = 64 * KiB
MAX_FIELDS: Final = 100
MAX_PART_HEAD: Final = 8 * KiB
#: Most white space behind a boundary (RFC 2046: transport padding).
_MAX_PADDING: Final = 64
#: What a line's end, or the end of all, may look like before it is whole.
_BEGUN: Final = (b"", b"\r", b"-")
#: How much of the file is searched at once: the copy that the search needs stays small.
_STEP: Final = 64 * KiB

_BOUNDARY: Final = re.compile(
    r"multipart/form-data[ \t]*;[ \t]*boundary=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]{1,70})"
    r"|\"([0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-])\")"
    r"(?:[ \t]*;[ \t]*charset=\"?utf-8\"?)?[ \t]*;?",
    re.IGNORECASE | re.ASCII,
)


def is_form(head: RequestHead) -> bool:
    """Whether the body calls itself a form. Never raises."""
    values = head.index.get(b"content-type", ())
    return any(
        value.partition(b";")[0].strip().lower() == b"multipart/form-data" for value in values
    )


def read_boundary(head: RequestHead) -> bytes:
    """The boundary in a form's Content-Type.

    Raises:
        MalformedForm: none, or none of 1 to 70 allowed characters, or other parameters.
        UnsupportedMediaType: the body is no form.
        BadRequest: two Content-Types.
    """
    text = head.get(b"content-type") or ""
    match = _BOUNDARY.fullmatch(text)
    if match is not None:
        return (match[1] or match[2]).encode("ascii")
    if not is_form(head):
        raise UnsupportedMediaType("A form is posted as multipart/form-data.")
    raise MalformedForm("Content-Type must read multipart/form-data; boundary=..., no more.")


class FormParser:
    """Reads everything but the file's bytes.

    Feed it until :meth:`feed` answers that the file's bytes begin; :attr:`rest` is then what was fed of them.
    ``fields`` are by lower-case name, in order. With ``behind`` it reads what stands behind the file instead,
    starting right after the boundary that ended it.
    """

    def __init__(self, boundary: bytes, *, behind: bool = False) -> None:
        self.fields: dict[str, str] = {}
        self.file: PartHead | None = None
        self.rest = b""
        #: Whether the last boundary came; only white space may follow.
        self.closed = False
        self._boundary = b"--" + boundary
        self._behind = behind
        self._name: str | None = None
        self._buffer = bytearray()
        self._searched = 0
        self._room = MAX_FORM
        self._count = 0
        self._step: Callable[[], bool] = self._line_end if behind else self._opening

    def feed(self, data: bytes | bytearray | memoryview) -> bool:
        """See the next bytes; answer whether the file's begin.

        Raises:
            MalformedForm: it is not a form as this module has it.
            FormTooLarge: too many bytes or fields.
        """
        taken = data[: self._room]
        self._room -= len(taken)
        self._buffer += taken
        while self.file is None and self._step():
            pass
        if self.file is not None:
            self.rest = bytes(self._buffer) + bytes(data[len(taken) :])
            self._buffer.clear()
        elif len(taken) < len(data):
            where = "behind" if self._behind else "before"
            raise FormTooLarge(
                f"At most {MAX_FORM} bytes may stand {where} the file in a form: put it last."
            )
        return self.file is not None

    def finish(self) -> None:
        """The body has ended.

        Raises:
            MalformedForm: too early.
        """
        if not self.closed:
            what = "last boundary" if self._behind else "file"
            raise MalformedForm(f"The form ended before its {what}; nothing was stored.")

    # Each step answers whether it got on; it did not where it needs more bytes.

    def _opening(self) -> bool:
        """The first boundary. Some clients write an empty line before it."""
        start = self._boundary
        if self._buffer[:1] == b"\r":
            start = b"\r\n" + start
        if not start.startswith(self._buffer[: len(start)]):
            _refuse("A form begins with its boundary, as its Content-Type has it.")
        if len(self._buffer) < len(start):
            return False
        return self._go(len(start), self._line_end)

    def _line_end(self) -> bool:
        """What follows a boundary: white space and the line's end, or two hyphens and the end of all."""
        if self._buffer[:2] == b"--":
            if not self._behind:
                _refuse("The form has no file: send it in a field named file.")
            self.closed = True
            return self._go(2, self._epilogue)
        end = self._buffer.find(b"\r\n")
        line = bytes(self._buffer[: len(self._buffer) if end < 0 else end])
        if len(line) > _MAX_PADDING or line.strip(b" \t") not in ((b"",) if end >= 0 else _BEGUN):
            _refuse("A boundary does not end its line; choose one that nothing in the form holds.")
        if end < 0:
            return False
        return self._go(end + 2, self._part_head)

    def _part_head(self) -> bool:
        end = self._find(b"\r\n\r\n")
        if end > MAX_PART_HEAD or (end < 0 and len(self._buffer) > MAX_PART_HEAD + 3):
            _refuse("The head of a form's part is too long.")
        if end < 0:
            return False
        head = read_part_head(bytes(self._buffer[:end]))
        name = head.name.lower()
        is_file = name == "file"
        if self._behind and (is_file or head.filename is not None):
            _refuse("A form holds exactly one file.")
        if head.filename is not None and not is_file:
            _refuse("The form's file must be in the field named file.")
        if is_file:
            self.file = head
        else:
            self._begin(name)
        return self._go(end + 4, self._value)

    def _begin(self, name: str) -> None:
        self._count += 1
        if self._count > MAX_FIELDS:
            raise FormTooLarge(f"A form has at most {MAX_FIELDS} fields.")
        if name in self.fields:
            _refuse(f"The form has the field '{shown(name)}' twice.")
        self._name = name

    def _value(self) -> bool:
        delimiter = b"\r\n" + self._boundary
        end = self._find(delimiter)
        if end < 0:
            return False
        value = bytes(self._buffer[:end])
        _check_start(value, self._boundary)
        if not self._behind:
            assert self._name is not None
            self.fields[self._name] = text = decode_utf8(value, "A form's field")
            if self._name == "_charset_" and text.lower() != "utf-8":
                _refuse("A form's fields must be UTF-8.")
        return self._go(end + len(delimiter), self._line_end)

    def _epilogue(self) -> bool:
        if self._buffer.strip(b" \t\r\n"):
            _refuse("Bytes follow the form's last boundary.")
        self._buffer.clear()
        return False

    def _find(self, wanted: bytes) -> int:
        """Where ``wanted`` begins, -1 if nowhere yet; what was searched is not searched again."""
        found = self._buffer.find(wanted, max(0, self._searched - len(wanted) + 1))
        self._searched = len(self._buffer)
        return found

    def _go(self, size: int, step: Callable[[], bool]) -> bool:
        del self._buffer[:size]
        self._searched = 0
        self._step = step
        return True


class FileFrame:
    """Finds the file's end in the bytes that follow its head.

    ``held`` are bytes that may turn out to begin the boundary: they must stand before the next ones.
    """

    def __init__(self, boundary: bytes) -> None:
        self.held = b""
        self._delimiter = b"\r\n--" + boundary
        self._boundary = b"--" + boundary
        self._behind = FormParser(boundary, behind=True)
        self._begun = False
        self._ended = False

    def split(self, view: memoryview) -> int:
        """Look at what was held and what came after it; answer how many bytes from the start are the file's.

        Raises:
            MalformedForm, FormTooLarge: what follows the file is no form, or holds too much.
        """
        if self._ended:
            self._behind.feed(view)
            return 0
        if not self._begun:
            start = bytes(view[: len(self._boundary)])
            _check_start(start, self._boundary)
            if self._boundary.startswith(start):
                self.held = start
                return 0
            self._begun = True
        end = self._search(view)
        if end >= 0:
            self.held = b""
            self._ended = True
            self._behind.feed(view[end + len(self._delimiter) :])
            return end
        self.held = self._possible(bytes(view[max(0, len(view) - len(self._delimiter) + 1) :]))
        return len(view) - len(self.held)

    def finish(self) -> None:
        """The body has ended.

        Raises:
            MalformedForm: before the last boundary.
        """
        self._behind.finish()

    def _search(self, view: memoryview) -> int:
        wanted = self._delimiter
        for at in range(0, len(view), _STEP):
            found = bytes(view[at : at + _STEP + len(wanted) - 1]).find(wanted)
            if found >= 0:
                return at + found
        return -1

    def _possible(self, tail: bytes) -> bytes:
        """The longest end of ``tail`` with which the delimiter begins. Its only CR is its first byte."""
        at = tail.rfind(b"\r")
        return tail[at:] if at >= 0 and self._delimiter.startswith(tail[at:]) else b""


def _check_start(content: bytes, boundary: bytes) -> None:
    """A boundary right behind the empty line is the end of an empty part to some, and content to others."""
    if content.startswith(boundary):
        _refuse("A boundary stands where the content of a form's part should.")


def _refuse(detail: str) -> NoReturn:
    raise MalformedForm(detail)
