"""tus's ``Upload-Metadata``: pairs of a name and a base64 value, and what of them is stored with the object.

The header is kept as it came, for the echo; here it is only understood. ``filetype`` or ``contentType``
is the object's type, ``filename`` its Content-Disposition, ``key`` or else ``filename`` its key where the
URL names none; the rest is user metadata as far as it fits. What cannot be stored is left out and still echoed.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.errors import BadRequest, InvalidArgument, MetadataTooLarge
from gateway.model import Attributes
from gateway.protocol.names import shown
from gateway.protocol.object_heads import MAX_METADATA, is_media_type, is_metadata_name
from gateway.protocol.paths import check_key
from gateway.protocol.serving import content_disposition, is_inline_safe, safe_filename

#: Longest header that is taken, in bytes: over twice what a 1,024-byte file name and a type need.
MAX_HEADER: Final = 4096

_NAME: Final = re.compile(r"[\x21-\x2b\x2d-\x7e]+", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
#: Names that mean something here, in lower case; the rest is the user's.
_UNDERSTOOD: Final = frozenset({"key", "filename", "filetype", "contenttype"})


@dataclass(frozen=True, slots=True)
class TusMetadata:
    """The header as sent (None: absent or empty), and its pairs, decoded."""

    raw: str | None
    pairs: Mapping[str, bytes]

    def key(self) -> str | None:
        """The key that the pairs name; None where they name none.

        Raises:
            InvalidArgument: it is not UTF-8, empty, a path from the root, or holds a backslash.
            InvalidUri, KeyTooLong: it cannot be a key.
        """
        for name in ("key", "filename"):
            if name in self.pairs:
                return _checked_key(name, self.pairs[name])
        return None

    def attributes(self) -> Attributes:
        """What is to be stored with the object."""
        content_type = self._text("filetype") or self._text("contentType")
        if content_type is not None and not is_media_type(content_type):
            content_type = None
        filename = self._text("filename")
        disposition = None
        if filename is not None:
            disposition = content_disposition(
                "inline" if is_inline_safe(content_type) else "attachment", safe_filename(filename)
            )
        return Attributes(
            content_type=content_type,
            content_disposition=disposition,
            metadata=self._rest(),
        )

    def _text(self, name: str) -> str | None:
        """A value as text; None where there is none, or none that a header can carry."""
        try:
            text = self.pairs.get(name, b"").decode("utf-8")
        except UnicodeDecodeError:
            return None
        return text if text and _CONTROL.search(text) is None else None

    def _rest(self) -> dict[str, str]:
        """The user's pairs, in order, as long as there is room."""
        found: dict[str, str] = {}
        room = MAX_METADATA
        for name, value in self.pairs.items():
            short = name.lower()
            text = self._text(name) if value else ""
            if short in _UNDERSTOOD or short in found or text is None or not is_metadata_name(name):
                continue
            room -= len(short) + len(text.encode())
            if room < 0:
                break
            found[short] = text
        return found


def parse_metadata(header: str | None) -> TusMetadata:
    """Read an Upload-Metadata header. A name without a value is allowed, and so is an empty header.

    Raises:
        MetadataTooLarge: over 4 KiB.
        BadRequest: an empty or repeated name, one with a character that is not visible ASCII, or a value that is
            not base64.
    """
    if not header:
        return TusMetadata(None, {})
    if len(header) > MAX_HEADER:
        raise MetadataTooLarge(f"Upload-Metadata has at most {MAX_HEADER} bytes.")
    pairs: dict[str, bytes] = {}
    for pair in header.split(","):
        name, _, value = pair.strip(" \t").partition(" ")
        if _NAME.fullmatch(name) is None:
            raise BadRequest("Upload-Metadata: a name is visible ASCII without spaces and commas.")
        if name in pairs:
            raise BadRequest(f"Upload-Metadata names '{shown(name)}' twice.")
        pairs[name] = _decoded(name, value)
    return TusMetadata(header, pairs)


def _decoded(name: str, value: str) -> bytes:
    try:
        return b64decode(value.encode("ascii"), validate=True)
    except ValueError:
        raise BadRequest(f"Upload-Metadata: the value of '{shown(name)}' is not base64.") from None


def _checked_key(name: str, value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidArgument(f"Upload-Metadata: {name} is not UTF-8.") from None
    if not text or text.startswith("/") or "\\" in text:
        raise InvalidArgument(f"Upload-Metadata: {name} has to name a file, below no root.")
    return check_key(text, strict=True)
