"""What the dialects share of heads about objects: attributes read off a PUT, headers of a GET.

Header values are Latin-1 text both ways, so that the bytes a client stored are the bytes it gets.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Final, TypeAlias

from gateway.errors import BadRequest, InvalidArgument, MetadataTooLarge, NotImplementedHere
from gateway.model import Attributes, ObjectInfo, ObjectKey
from gateway.protocol.commands import GetObject, ObjectOpened, RequestHead, Target
from gateway.protocol.conditions import read_conditions
from gateway.protocol.dates import format_date
from gateway.protocol.ranges import content_range
from gateway.protocol.structured_fields import read_boolean

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

#: Most bytes of user metadata, names and values together, as in Amazon S3.
MAX_METADATA: Final = 2048
#: Before the names of user metadata, but in S3's own requests: ``x-amz-*`` would make a request S3's.
META: Final = b"sluice-meta-"
DEFAULT_TYPE: Final = "application/octet-stream"
#: Most digits of a Content-Length: more than any object has, few enough to parse.
_LENGTH: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_name_of: Final = itemgetter(0)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE: Final = re.compile(rf"{_WORD}/{_WORD}[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_NAME: Final = re.compile(_WORD)
#: Headers that are stored besides Content-Type and metadata. Most uploads have none of them.
_STORED: Final = frozenset(
    {b"content-disposition", b"content-encoding", b"content-language", b"cache-control", b"expires"}
)
#: Headers that a 304 repeats (RFC 9110, section 15.4.5).
_NOT_MODIFIED: Final = frozenset({b"cache-control", b"content-location", b"expires", b"vary"})


def object_key(target: Target) -> ObjectKey:
    """The object that a target points to.

    Raises:
        BadRequest: it points to a bucket or to the service.
    """
    if target.key is None or not target.key.name:
        raise BadRequest("This request needs an object: /{bucket}/{key}.")
    return target.key


def read_length(head: RequestHead) -> int | None:
    """The declared length of the body in bytes; None where it is chunked or not declared.

    Raises:
        BadRequest: no number, or sent beside Transfer-Encoding.
        NotImplementedHere: a transfer coding other than chunked.
    """
    coding, length = head.joined(b"transfer-encoding"), head.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise BadRequest("Content-Length and Transfer-Encoding contradict each other.")
        if coding.strip().lower() != "chunked":
            raise NotImplementedHere("The only transfer coding here is chunked.")
        return None
    if length is None:
        return None
    if _LENGTH.fullmatch(length) is None:
        raise BadRequest("Content-Length is a decimal number.")
    return int(length)


def refuse_partial(head: RequestHead) -> None:
    """Refuse what is a piece of an object, so that it is never stored as the whole.

    Raises:
        BadRequest: Content-Range on an upload (RFC 9110, section 14.5).
        NotImplementedHere: a piece of a resumable upload.
    """
    if head.has(b"content-range"):
        raise BadRequest("Content-Range cannot be used here: send the whole object.")
    if head.has(b"tus-resumable") or read_boolean(head, b"upload-complete") is False:
        raise NotImplementedHere("Resumable uploads are not offered here: send the whole object.")


def checked_value(text: str, where: str) -> str:
    """``text`` if it can be a header's value (security case 86).

    Raises:
        InvalidArgument: it holds a control character.
    """
    if _CONTROL.search(text):
        raise InvalidArgument(f"{where} holds a control character.")
    return text


def is_media_type(text: str) -> bool:
    """Whether ``text`` has the form type/subtype; parameter=value."""
    return _MEDIA_TYPE.fullmatch(text) is not None


def is_metadata_name(text: str) -> bool:
    """Whether ``text`` can be the last part of a header's name."""
    return _NAME.fullmatch(text) is not None


def media_type(head: RequestHead) -> str:
    """Content-Type in lower case without its parameters; empty where it is absent."""
    return (head.get(b"content-type") or "").partition(";")[0].strip().lower()


def read_content_type(head: RequestHead) -> str | None:
    """Content-Type as sent, parameters included; None where it is absent or empty.

    Raises:
        InvalidArgument: it is not of the form type/subtype.
    """
    text = head.get(b"content-type")
    if not text:
        return None
    if not is_media_type(text):
        raise InvalidArgument("Content-Type has the form type/subtype; parameter=value.")
    return text


def read_content_encoding(head: RequestHead) -> str | None:
    """Content-Encoding without ``aws-chunked``, which frames the request and is no coding of the object."""
    text = head.joined(b"content-encoding")
    if text is None:
        return None
    codings = (coding.strip() for coding in checked_value(text, "Content-Encoding").split(","))
    kept = ", ".join(coding for coding in codings if coding.lower() not in ("", "aws-chunked"))
    return kept or None


def read_metadata(headers: Iterable[tuple[bytes, bytes]], prefix: bytes) -> dict[str, str]:
    """User metadata: headers that begin with ``prefix``, without it; repeated ones joined by ``,``.

    Raises:
        InvalidArgument: an empty or impossible name, or a control character in a value.
        MetadataTooLarge: over 2 KiB of names and values.
    """
    found: dict[str, str] = {}
    total = 0
    for name, raw in headers:
        if not name.startswith(prefix):
            continue
        short, value = name[len(prefix) :].decode("latin-1"), raw.decode("latin-1")
        if _NAME.fullmatch(short) is None:
            raise InvalidArgument("A metadata header needs a name that is a token.")
        checked_value(value, "A metadata header")
        total += len(value) + (1 if short in found else len(short))
        found[short] = f"{found[short]},{value}" if short in found else value
    if total > MAX_METADATA:
        raise MetadataTooLarge(
            f"User metadata has {total} bytes; at most {MAX_METADATA} are allowed."
        )
    return found


def read_attributes(
    head: RequestHead, prefix: bytes, headers: Iterable[tuple[bytes, bytes]] | None = None
) -> Attributes:
    """Everything that is stored with an object. ``headers``: where metadata is looked for, if not in ``head``.

    Raises:
        InvalidArgument, MetadataTooLarge, BadRequest: as the single readers.
    """
    headers = head.headers if headers is None else headers
    if _STORED.isdisjoint(head.index):
        return Attributes(
            content_type=read_content_type(head), metadata=read_metadata(headers, prefix)
        )
    return Attributes(
        content_type=read_content_type(head),
        content_disposition=_read_value(head.get, b"content-disposition"),
        content_encoding=read_content_encoding(head),
        content_language=_read_value(head.joined, b"content-language"),
        cache_control=_read_value(head.joined, b"cache-control"),
        expires=_read_value(head.get, b"expires"),
        metadata=read_metadata(headers, prefix),
    )


def _read_value(read: Callable[[bytes], str | None], name: bytes) -> str | None:
    text = read(name)
    return checked_value(text, name.decode().title()) if text else None


def wire(text: str) -> bytes:
    """Header text as bytes. What a store holds from elsewhere may not be Latin-1 (then UTF-8) or not be clean."""
    if text.isascii() and text.isprintable():
        return text.encode("ascii")
    clean = _CONTROL.sub(" ", text)
    try:
        return clean.encode("latin-1")
    except UnicodeEncodeError:
        return clean.encode("utf-8", "replace")


def quoted(etag: str) -> bytes:
    """An ETag as an entity tag."""
    return wire(f'"{etag}"')


def attribute_headers(attributes: Attributes, prefix: bytes | None) -> Headers:
    """The stored headers of an object; metadata under ``prefix``, or left out where that is None."""
    headers = _plain_headers(
        attributes.content_type,
        attributes.content_disposition,
        attributes.content_encoding,
        attributes.content_language,
        attributes.cache_control,
        attributes.expires,
    )
    if prefix is None or not attributes.metadata:
        return headers
    # Names that others wrote straight into the store may be none that a header can have.
    return headers + tuple(
        (prefix + wire(name), wire(value))
        for name, value in attributes.metadata.items()
        if _NAME.fullmatch(name)
    )


@lru_cache(maxsize=256)  # objects of one kind have the same
def _plain_headers(
    content_type: str | None,
    disposition: str | None,
    encoding: str | None,
    language: str | None,
    cache_control: str | None,
    expires: str | None,
) -> Headers:
    named = (
        (b"content-type", content_type or DEFAULT_TYPE),
        (b"content-disposition", disposition),
        (b"content-encoding", encoding),
        (b"content-language", language),
        (b"cache-control", cache_control),
        (b"expires", expires),
    )
    return tuple([(name, wire(value)) for name, value in named if value is not None])


def opened_headers(opened: ObjectOpened, prefix: bytes | None, overrides: Headers = ()) -> Headers:
    """Headers of a 200 or 206 answer: length and range, validators; then the stored ones, replaced by
    ``overrides``, replaced by ``opened.serving``."""
    info, part = opened.info, opened.range
    headers: Headers = (
        (b"content-length", str(info.size if part is None else part.size).encode()),
        (b"accept-ranges", b"bytes"),
        (b"etag", quoted(info.etag)),
        (b"last-modified", format_date(info.modified).encode()),
    )
    if part is not None:
        headers += ((b"content-range", content_range(part, info.size).encode()),)
    stored = replaced(attribute_headers(info.attributes, prefix), overrides)
    return headers + replaced(stored, opened.serving)


def not_modified_headers(info: ObjectInfo, serving: Headers) -> Headers:
    """Headers of a 304 answer: validators, and what steers caches."""
    kept = replaced(attribute_headers(info.attributes, None), serving)
    return (
        (b"etag", quoted(info.etag)),
        (b"last-modified", format_date(info.modified).encode()),
        *((name, value) for name, value in kept if name in _NOT_MODIFIED),
    )


def replaced(headers: Headers, stronger: Headers) -> Headers:
    """``headers`` without those that ``stronger`` names, then ``stronger``. Names are lower-case."""
    if not stronger:
        return headers
    names = set(map(_name_of, stronger))
    if names.isdisjoint(map(_name_of, headers)):
        return headers + stronger
    return (*[header for header in headers if header[0] not in names], *stronger)


def read_get(
    head: RequestHead, key: ObjectKey, *, ranged_head: bool = False, overrides: Headers = ()
) -> GetObject:
    """GET or HEAD of an object. Range is defined for GET only (RFC 9110, section 14.2), except where
    ``ranged_head``: S3 answers it on HEAD too."""
    head_only = head.method == "HEAD"
    ranged = ranged_head or not head_only
    return GetObject(
        key=key,
        # Two Range headers are a list that nobody can have meant: ignored, as a malformed one.
        range_header=head.joined(b"range") if ranged else None,
        if_range=head.get(b"if-range") if ranged else None,
        conditions=read_conditions(head),
        overrides=overrides,
        head_only=head_only,
    )
