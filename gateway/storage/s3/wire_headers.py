"""Between our values and S3's headers.

What answers say is given the names that botocore has for it, so that :mod:`.fields` reads both planes' alike.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.model import Attributes, Digest, WriteCondition
from gateway.protocol.dates import parse_date
from gateway.protocol.signatures.canonical import canonical_value
from gateway.storage.s3 import fields
from gateway.storage.s3.wire_signer import Header

_ATTRIBUTES: Final[Mapping[str, bytes]] = {
    "content_type": b"content-type",
    "content_disposition": b"content-disposition",
    "content_encoding": b"content-encoding",
    "content_language": b"content-language",
    "cache_control": b"cache-control",
    "expires": b"expires",
    "storage_class": b"x-amz-storage-class",
    "sse": b"x-amz-server-side-encryption",
    "sse_kms_key_id": b"x-amz-server-side-encryption-aws-kms-key-id",
}

_ANSWERS: Final[Mapping[str, str]] = {
    "etag": "ETag",
    "x-amz-version-id": "VersionId",
    "content-range": "ContentRange",
    "expires": "ExpiresString",
    "content-type": "ContentType",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-language": "ContentLanguage",
    "cache-control": "CacheControl",
    "x-amz-storage-class": "StorageClass",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
}

_DIGESTS: Final[Mapping[str, bytes]] = {
    "crc32": b"x-amz-checksum-crc32",
    "crc32c": b"x-amz-checksum-crc32c",
    "crc64nvme": b"x-amz-checksum-crc64nvme",
    "sha1": b"x-amz-checksum-sha1",
    "sha-256": b"x-amz-checksum-sha256",
    "md5": b"content-md5",
}

_METADATA: Final = "x-amz-meta-"


#: Headers by the identity of the attributes they say: an upload shares these with the like of it. Kept with them, so
#: that nobody else's come to lie at the same address.
_said: Final[dict[int, tuple[Attributes, list[Header]]]] = {}
_MOST: Final = 256


def of_attributes(attributes: Attributes) -> list[Header]:
    """Headers of a PutObject."""
    known = _said.get(id(attributes))
    if known is not None:
        return known[1]
    if len(_said) >= _MOST:
        _said.clear()
    headers = _headers_of(attributes)
    _said[id(attributes)] = attributes, headers
    return headers


def _headers_of(attributes: Attributes) -> list[Header]:
    headers = [
        (header, _value(value))
        for name, header in _ATTRIBUTES.items()
        if (value := getattr(attributes, name)) is not None
    ]
    headers += [
        (f"{_METADATA}{name}".encode(), _value(fields.encode_metadata(value)))
        for name, value in attributes.metadata.items()
    ]
    return headers


def of_digests(digests: Iterable[Digest]) -> list[Header]:
    """Checksum headers; digests that S3 has none for are left out."""
    return [
        (_DIGESTS[digest.algorithm], b64encode(digest.value))
        for digest in digests
        if digest.algorithm in _DIGESTS
    ]


def checksum_header(algorithm: str) -> bytes:
    """The header, or the trailer, that carries this checksum."""
    return _DIGESTS[algorithm]


def of_condition(condition: WriteCondition, *, bare_etags: bool) -> list[Header]:
    """If-None-Match and If-Match of a write."""
    if not condition:
        return []
    names = {"IfNoneMatch": b"if-none-match", "IfMatch": b"if-match"}
    return [
        (names[parameter], value.encode())
        for parameter, value in fields.condition_parameters(
            condition, bare_etags=bare_etags
        ).items()
    ]


def named(headers: Mapping[str, str]) -> dict[str, Any]:
    """An answer's headers under botocore's names; its length is not among them."""
    answer: dict[str, Any] = dict(zip(_ANSWERS.values(), map(headers.get, _ANSWERS), strict=True))
    answer["LastModified"] = parse_date(headers.get("last-modified"))
    # None of it is sent with most objects, and looking at all names at once costs less than at each.
    if _METADATA in "\n".join(headers):
        answer["Metadata"] = {
            name.removeprefix(_METADATA): value
            for name, value in headers.items()
            if name.startswith(_METADATA)
        }
    return answer


def _value(text: str) -> bytes:
    """As it is signed, and sent: without runs of white space."""
    return canonical_value((text.encode(),))
