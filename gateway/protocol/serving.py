"""Serving what users uploaded, from an origin that others share: headers that keep it from acting.

Inline are only types that browsers show without running anything; the rest is an attachment. A
``Content-Disposition`` is rebuilt rather than passed on, because the stored one and the key are the
uploader's words (RFC 6266, RFC 8187; security cases 66 and 86).
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, TypeVar
from urllib.parse import quote, unquote_to_bytes

from gateway.model import ObjectInfo
from gateway.protocol.object_heads import DEFAULT_TYPE, Headers, replaced, wire

#: Longest file name that is suggested, in bytes of UTF-8 (file systems take 255).
MAX_FILENAME: Final = 200
#: A year, the longest that caches honour.
IMMUTABLE_AGE: Final = 31_536_000

_NOTHING: Final[Mapping[bytes, bytes]] = MappingProxyType({})
_NOT_ASCII: Final = re.compile(r"[^\x20-\x7e]")
_FORBIDDEN: Final = re.compile(r'[<>:"/\\|?*%]')
#: A file name that needs no change, unless it is a device's.
_CLEAN: Final = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?").fullmatch
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)", re.IGNORECASE)
_PARAMETER: Final = re.compile(
    r";[ \t]*(?P<name>filename\*?)[ \t]*=[ \t]*(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|(?P<token>[^;\" \t]+))",
    re.IGNORECASE,
)
_ATTR_SAFE: Final = "!#$&+-.^_`|~"  # attr-char of RFC 8187, besides letters and digits


@lru_cache(maxsize=256)
def is_inline_safe(content_type: str | None) -> bool:
    """Whether a browser can show this type without running it: images but SVG, audio, video, plain text.

    Any ``+xml`` type is a document that may hold scripts, and after a comma browsers may read another
    type (Fetch standard, "extract a MIME type").
    """
    media = (content_type or DEFAULT_TYPE).partition(";")[0].strip().lower()
    if media.startswith("image/svg") or media.endswith("+xml") or "," in (content_type or ""):
        return False
    return media == "text/plain" or media.startswith(("image/", "audio/", "video/"))


def safe_filename(name: str) -> str:
    """The last segment of ``name`` as a file name that no system takes for anything else.

    Out go path separators, what Windows forbids, and everything invisible: control, format and
    bidirectional characters, which can make ``exe.gpj`` look like another extension. ``download`` if nothing is left.
    """
    last = name.rpartition("/")[2]
    if _CLEAN(last) and not _DEVICE.match(last):
        return last
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    clean = _FORBIDDEN.sub("_", _visible(last)).strip(" .")
    if _DEVICE.match(clean):
        clean = f"_{clean}"
    return _shortened(clean) or "download"


def _visible(name: str) -> str:
    if name.isascii() and name.isprintable():
        return name
    return "".join(
        char for char in name if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    )


def _shortened(name: str) -> str:
    """At most MAX_FILENAME bytes, the extension kept where it is a short one."""
    if len(name.encode()) <= MAX_FILENAME:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > 16:
        stem, dot, extension = name, "", ""
    room = MAX_FILENAME - len((dot + extension).encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + dot + extension


def stored_filename(disposition: str) -> str | None:
    """The file name in a stored Content-Disposition; ``filename*`` counts over ``filename`` (RFC 6266, section 4.3)."""
    names = {
        match["name"].lower(): match["token"] or re.sub(r"\\(.)", r"\1", match["quoted"] or "")
        for match in _PARAMETER.finditer(disposition)
    }
    charset, _, rest = names.get("filename*", "").partition("'")
    if charset.lower() == "utf-8" and "'" in rest:
        try:
            return unquote_to_bytes(rest.partition("'")[2]).decode("utf-8")
        except (UnicodeDecodeError, UnicodeEncodeError):
            pass
    plain = names.get("filename")
    try:
        # Clients that write raw UTF-8 mean UTF-8.
        return None if plain is None else plain.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return plain


def content_disposition(kind: Literal["inline", "attachment"], filename: str) -> str:
    """Write a Content-Disposition: ``filename`` in ASCII, and ``filename*`` where that is not all of it.

    ``filename`` must have come from :func:`safe_filename`.
    """
    if filename.isascii() and filename.isprintable():
        return f'{kind}; filename="{filename}"'
    fallback = _NOT_ASCII.sub("_", filename)
    return f"{kind}; filename=\"{fallback}\"; filename*=UTF-8''{quote(filename, safe=_ATTR_SAFE)}"


def serving_headers(
    info: ObjectInfo,
    *,
    inline: Literal["safe", "all"],
    signed: bool,
    immutable: bool,
    explicit: Headers = (),
    overrides: Headers = (),
) -> Headers:
    """Headers that go with an object besides its own, names in lower case.

    ``inline`` "safe" rebuilds Content-Disposition and adds a CSP that lets nothing run; "all" leaves
    what is stored. ``signed``: the answer depends on a credential, so shared caches may not keep it.
    ``immutable``: the object never changes under its URL (slots). ``overrides`` are what a signed
    request sets (``response-*``): the type and name they give are judged instead of the stored ones.
    ``explicit`` are policy's own headers; they win over all.
    """
    asked = dict(overrides) if overrides else _NOTHING
    told = info.attributes.cache_control is not None or b"cache-control" in asked
    before, named, after = _around(inline == "safe", signed, immutable, told, explicit)
    if not named:
        return before + after
    return (*before, (b"content-disposition", _disposition(info, asked)), *after)


@lru_cache(maxsize=256)
def _around(
    safe: bool, signed: bool, immutable: bool, told: bool, explicit: Headers
) -> tuple[Headers, bool, Headers]:
    """All that does not depend on the object's name, before Content-Disposition and after it; and whether there is
    one. ``told``: the object or the request has a Cache-Control of its own."""
    place = (b"content-disposition", b"")
    headers: Headers = ((b"x-content-type-options", b"nosniff"),)
    if safe:
        headers += ((b"content-security-policy", b"default-src 'none'; sandbox"), place)
    cache = _cache_control(told=told, signed=signed, immutable=immutable)
    if cache is not None:
        headers += ((b"cache-control", cache),)
    if signed:
        headers += ((b"vary", b"Authorization"),)
    headers = replaced(headers, explicit)
    at = next((at for at, header in enumerate(headers) if header is place), None)
    return (headers, False, ()) if at is None else (headers[:at], True, headers[at + 1 :])


def _disposition(info: ObjectInfo, asked: Mapping[bytes, bytes]) -> bytes:
    content_type, stored = info.attributes.content_type, info.attributes.content_disposition or ""
    if asked:
        content_type = _asked(asked, b"content-type", content_type)
        stored = _asked(asked, b"content-disposition", stored)
    if not stored:
        name = safe_filename(info.key.name)
        return wire(
            content_disposition("inline" if is_inline_safe(content_type) else "attachment", name)
        )
    wants_attachment = stored.partition(";")[0].strip().lower() == "attachment"
    kind: Literal["inline", "attachment"] = (
        "inline" if is_inline_safe(content_type) and not wants_attachment else "attachment"
    )
    return wire(content_disposition(kind, safe_filename(stored_filename(stored) or info.key.name)))


_Text = TypeVar("_Text", str, str | None)


def _asked(asked: Mapping[bytes, bytes], name: bytes, stored: _Text) -> str | _Text:
    return asked[name].decode("latin-1") if name in asked else stored


def _cache_control(*, told: bool, signed: bool, immutable: bool) -> bytes | None:
    """None where the object's own (or the request's) Cache-Control stands: private is a default, not an order."""
    if immutable:
        scope = "private" if signed else "public"
        return f"{scope}, max-age={IMMUTABLE_AGE}, immutable".encode()
    if signed and not told:
        return b"private"
    return None
