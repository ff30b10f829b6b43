"""Between our values and botocore's parameters and answers.

User metadata travels in headers, which are ASCII: a value that is not plain text (or that would be
read as encoded) is sent as RFC 2047 encoded-words of UTF-8, the form in which Amazon S3 itself
returns such metadata (AmazonS3/latest/userguide/UsingMetadata.html), and is decoded on the way back.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from functools import lru_cache
from typing import Any, Final

from gateway.errors import InvalidRange, StorageCorrupt
from gateway.model import (
    Attributes,
    ByteRange,
    From,
    ObjectInfo,
    ObjectKey,
    RangeRequest,
    WriteCondition,
)

_PARAMETERS: Final[Mapping[str, str]] = {
    "content_type": "ContentType",
    "content_disposition": "ContentDisposition",
    "content_encoding": "ContentEncoding",
    "content_language": "ContentLanguage",
    "cache_control": "CacheControl",
    "storage_class": "StorageClass",
    "sse": "ServerSideEncryption",
    "sse_kms_key_id": "SSEKMSKeyId",
}

#: What answers say of attributes.
_READ: Final = (*_PARAMETERS.values(), "ExpiresString")

_PLAIN: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_ENCODED: Final = re.compile(r"=\?[^?\s]+\?[BbQq]\?[^?\s]*\?=(?: +=\?[^?\s]+\?[BbQq]\?[^?\s]*\?=)*")
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")

#: UTF-8 bytes in one encoded-word, which may be 75 characters long (RFC 2047, 2).
_WORD: Final = 45


def encode_metadata(value: str) -> str:
    """A metadata value as its header carries it."""
    if not value or (_PLAIN.fullmatch(value) and not value.startswith("=?")):
        return value
    words, word = [], b""
    for character in value:  # a word never splits a character
        piece = character.encode()
        if len(word) + len(piece) > _WORD:
            words.append(word)
            word = b""
        word += piece
    words.append(word)
    return " ".join(f"=?UTF-8?B?{b64encode(word).decode()}?=" for word in words)


def decode_metadata(value: str) -> str:
    """A metadata value off its header; what is not wholly encoded-words, or not decodable, is left as it is."""
    if not _ENCODED.fullmatch(value):
        return value
    try:
        return str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):
        return value


def put_parameters(attributes: Attributes) -> dict[str, Any]:
    """Parameters of PutObject and CreateMultipartUpload; Expires is not among them, see :func:`put_headers`."""
    parameters: dict[str, Any] = {
        parameter: value
        for name, parameter in _PARAMETERS.items()
        if (value := getattr(attributes, name)) is not None
    }
    if attributes.metadata:
        parameters["Metadata"] = {
            name: encode_metadata(value) for name, value in attributes.metadata.items()
        }
    return parameters


def put_headers(attributes: Attributes) -> dict[str, str]:
    """Headers for :func:`~gateway.storage.s3.connection.more_headers`: botocore would reformat Expires, and refuse
    one that is no date."""
    return {} if attributes.expires is None else {"Expires": attributes.expires}


def condition_parameters(condition: WriteCondition, *, bare_etags: bool) -> dict[str, str]:
    """If-None-Match and If-Match of a write. ``bare_etags``: without quotes (see the probe)."""
    parameters = {"IfNoneMatch": "*"} if condition.absent else {}
    if condition.etag is not None:
        parameters["IfMatch"] = condition.etag if bare_etags else f'"{condition.etag}"'
    return parameters


#: What answers a PUT that has stored something (RFC 9110, 9.3.4). Amazon says 200; Ceph RGW 201 or 204 where
#: ``rgw_s3_success_create_obj_status`` says so.
STORED: Final = frozenset({200, 201, 204})
_OK: Final = frozenset({200})
_SENT: Final = frozenset({200, 206})


def expect(operation: str, status: int, expected: AbstractSet[int] = _OK) -> None:
    """Hold a success to the statuses that say what was asked for. A 204 to a GET is no empty object, and a 202 to a
    PUT no stored one.

    Raises:
        StorageCorrupt: it is another.
    """
    if status not in expected:
        raise StorageCorrupt(f"{operation}: the store answered {status}, which does not answer it.")


def expect_object(status: int, content_range: str | None) -> None:
    """The same, of a GetObject; a part that does not say which one it is is no answer either (RFC 9110, 15.3.7).

    Raises:
        StorageCorrupt: as :func:`expect`.
    """
    expect("GetObject", status, _SENT)
    if status == 206 and content_range is None:
        raise StorageCorrupt("GetObject: the store answered a part, and does not say which.")


def bare_etag(value: str | None) -> str:
    """An ETag without its quotes.

    Raises:
        StorageCorrupt: there is none.
    """
    etag = (value or "").removeprefix("W/").strip('"')
    if not etag:
        raise StorageCorrupt("The store's answer has no ETag.")
    return etag


def etag_of(answer: Mapping[str, Any]) -> str:
    """The same, of an answer.

    Raises:
        StorageCorrupt: as :func:`bare_etag`.
    """
    return bare_etag(answer.get("ETag"))


def length_of(answer: Mapping[str, Any]) -> int:
    """Bytes that the body has, or would have had.

    Raises:
        StorageCorrupt: the answer does not say it: then nobody could tell a whole body from a broken one.
    """
    if "ContentLength" not in answer:
        raise StorageCorrupt("The store's answer has no Content-Length.")
    return int(answer["ContentLength"])


def real_version(value: str | None) -> str | None:
    """A version, where the bucket keeps versions: "null" is none."""
    return None if value in (None, "", "null") else value


def version_of(answer: Mapping[str, Any]) -> str | None:
    """The same, of an answer."""
    return real_version(answer.get("VersionId"))


@lru_cache(maxsize=256)  # objects of one kind have the same
def _attributes(values: tuple[str | None, ...]) -> Attributes:
    """Attributes without metadata, of the answer's fields in the order of ``_READ``."""
    return Attributes(**dict(zip((*_PARAMETERS, "expires"), values, strict=True)))  # type: ignore[arg-type]


def info_of(key: ObjectKey, answer: Mapping[str, Any], size: int) -> ObjectInfo:
    """What a HeadObject or GetObject answer says of an object of ``size`` bytes."""
    metadata = answer.get("Metadata")
    values = tuple(map(answer.get, _READ))
    attributes = _attributes(values)
    if metadata:
        read = {name.lower(): decode_metadata(value) for name, value in metadata.items()}
        attributes = replace(attributes, metadata=read)
    return ObjectInfo(
        key=key,
        size=size,
        etag=etag_of(answer),
        modified=answer.get("LastModified") or datetime.fromtimestamp(0, UTC),
        attributes=attributes,
        version=version_of(answer),
    )


def range_of(
    answer: Mapping[str, Any], request: RangeRequest | None
) -> tuple[ByteRange | None, int]:
    """The range that a GetObject answer delivers, and the object's size.

    Raises:
        StorageCorrupt: Content-Range does not fit Content-Length, or the store ignored the range, or answered
            another one, or a part where all was asked for.
        InvalidRange: the store ignored the range, and the object is empty.
    """
    length = length_of(answer)
    content_range = answer.get("ContentRange")
    if content_range is None:
        if request is not None and length == 0:
            raise InvalidRange("The object is empty.", size=0)
        if request is not None and not _covers_all(request, length):
            raise StorageCorrupt("The store answered a ranged GET with the whole object.")
        return (ByteRange(0, length) if length else None), length
    match = _CONTENT_RANGE.fullmatch(content_range)
    found = ByteRange(int(match[1]), int(match[2]) + 1) if match else None
    if match is None or found is None or found.size != length:
        raise StorageCorrupt("The store's Content-Range does not fit its Content-Length.")
    size = int(match[3])
    if found != _asked_for(request, size):
        raise StorageCorrupt("The store answered a GET with a range that was not asked for.")
    return found, size


def _asked_for(request: RangeRequest | None, size: int) -> ByteRange:
    """What a request means in an object of ``size`` bytes, where that is any of it."""
    if isinstance(request, From):
        return ByteRange(request.start, size if request.stop is None else min(request.stop, size))
    return ByteRange(0 if request is None else max(0, size - request.size), size)


def _covers_all(request: RangeRequest, size: int) -> bool:
    if isinstance(request, From):
        return request.start == 0 and (request.stop is None or request.stop >= size)
    return request.size >= size
