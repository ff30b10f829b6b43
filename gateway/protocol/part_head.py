"""The head of one part of a form: its field's name, and for a file the name and type it came with.

Sources: RFC 7578 (multipart/form-data) and, for how browsers write names, the WHATWG's HTML standard,
"Multipart form data": UTF-8 as it is, with ``"``, CR and LF as ``%22``, ``%0D`` and ``%0A``.
"""

import re
from dataclasses import dataclass
from typing import Final, NoReturn
from urllib.parse import unquote_to_bytes

from gateway.errors import MalformedForm

_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00\r\n]*)")
#: A quote inside is %22 or, from older clients, \"; any other backslash is itself, as in C:\file.
_PARAMETER: Final = re.compile(
    r";[ \t]*([A-Za-z0-9*_-]+)[ \t]*=[ \t]*(?:\"((?:[^\"\\]|\\[\"\\]|\\(?![\"\\]))*)\"|([^\s;\"=]+))[ \t]*"
)
_TYPE_CHARSET: Final = re.compile(r";[ \t]*charset[ \t]*=[ \t]*\"?([^\";\s]*)", re.IGNORECASE)
_BROWSER_ESCAPES: Final = {"%22": '"', "%0D": "\r", "%0A": "\n"}
_ESCAPED: Final = re.compile(r"\\([\"\\])|(%22|%0D|%0A)", re.IGNORECASE)
#: Content-Transfer-Encodings that change nothing (RFC 7578, 4.7, deprecates them all).
_AS_IS: Final = frozenset({"7bit", "8bit", "binary"})
_UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


@dataclass(frozen=True, slots=True)
class PartHead:
    """What a part says of itself. ``filename`` and ``content_type`` are None where it does not; a file's name is
    the client's word, path separators and all."""

    name: str
    filename: str | None = None
    content_type: str | None = None


def read_part_head(raw: bytes) -> PartHead:
    """Read the header lines of a part, without the empty line that ends them.

    Raises:
        MalformedForm: a bad line, no or several Content-Dispositions, no name, another encoding than UTF-8.
    """
    headers: dict[str, str] = {}
    for line in raw.split(b"\r\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            _refuse("A header line of a form's part is malformed.")
        name = match[1].decode("ascii").lower()
        if name in headers:
            _refuse(f"A form's part has the header {name[:64]} twice.")
        headers[name] = decode_utf8(match[2], "A header of a form's part").rstrip(" \t")
    if headers.get("content-transfer-encoding", "binary").lower() not in _AS_IS:
        _refuse("A form's part may have no Content-Transfer-Encoding: send its bytes as they are.")
    content_type = headers.get("content-type")
    name, filename = _read_disposition(headers.get("content-disposition"))
    if filename is None and content_type is not None:
        charset = _TYPE_CHARSET.search(content_type)
        if charset is not None and charset[1].lower() not in _UTF_8:
            _refuse("A form's fields must be UTF-8.")
    return PartHead(name, filename, content_type)


def decode_utf8(raw: bytes, what: str) -> str:
    """Text that a form carries.

    Raises:
        MalformedForm: it is not UTF-8.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        _refuse(
            f"{what} is not UTF-8. On a page in another encoding, give the form "
            'accept-charset="utf-8".'
        )


def _read_disposition(text: str | None) -> tuple[str, str | None]:
    kind, semicolon, _ = (text or "").partition(";")
    if kind.strip().lower() != "form-data":
        _refuse("Every part of a form needs one header Content-Disposition: form-data.")
    values: dict[str, str] = {}
    at, rest = 0, semicolon + (text or "")[len(kind) + 1 :]
    while at < len(rest):
        match = _PARAMETER.match(rest, at)
        if match is None or match[1].lower() in values:
            _refuse("A Content-Disposition holds a malformed or repeated parameter.")
        at = match.end()
        values[match[1].lower()] = match[3] if match[2] is None else _unescaped(match[2])
    if not values.get("name"):
        _refuse("Every part of a form needs a name.")
    return values["name"], _filename(values)


def _filename(values: dict[str, str]) -> str | None:
    """``filename``, or ``filename*``, which RFC 7578 forbids and some libraries write alone."""
    extended = values.get("filename*")
    if extended is None:
        return values.get("filename")
    charset, _, rest = extended.partition("'")
    if "filename" in values or charset.lower() != "utf-8" or "'" not in rest:
        _refuse("Send one filename, in UTF-8.")
    return decode_utf8(unquote_to_bytes(rest.partition("'")[2]), "The file's name")


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: found[1] or _BROWSER_ESCAPES[found[2].upper()], text)


def _refuse(detail: str) -> NoReturn:
    raise MalformedForm(detail)
