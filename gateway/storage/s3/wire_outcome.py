"""What the answers of raw connections mean, where they are successes."""

from gateway.errors import StorageCorrupt
from gateway.model import ObjectInfo, ObjectKey, Opened, RangeRequest, Stored
from gateway.storage.held import HeldSource
from gateway.storage.s3 import fields, wire_headers
from gateway.storage.s3.wire_answer import Answer
from gateway.storage.s3.wire_body import Body
from gateway.storage.s3.wire_source import WireSource


def etag(operation: str, answer: Answer) -> str:
    """The ETag of what was written.

    Raises:
        StorageCorrupt: there is none, or the status is not that of a write.
    """
    fields.expect(operation, answer.status, fields.STORED)
    return fields.bare_etag(answer.headers.get("etag"))


def stored(answer: Answer, size: int) -> Stored:
    """Of a PutObject of ``size`` bytes.

    Raises:
        StorageCorrupt: as :func:`etag`.
    """
    version = fields.real_version(answer.headers.get("x-amz-version-id"))
    return Stored(etag=etag("PutObject", answer), size=size, version=version)


def described(key: ObjectKey, answer: Answer) -> ObjectInfo:
    """Of a HeadObject.

    Raises:
        StorageCorrupt: it does not tell the object's size or ETag, or the status is not that of a HEAD.
    """
    fields.expect("HeadObject", answer.status)
    length = answer.headers.get("content-length", "")
    if not length.isdecimal():
        raise StorageCorrupt("HeadObject: the answer does not tell the object's size.")
    return fields.info_of(key, wire_headers.named(answer.headers), int(length))


def opened(
    key: ObjectKey, range: RangeRequest | None, answer: Answer, body: Body, length: int
) -> Opened:
    """Of a GetObject whose body has ``length`` bytes.

    Raises:
        StorageCorrupt: as :func:`gateway.storage.s3.fields.expect_object`, and as
            :func:`gateway.storage.s3.fields.range_of`.
        InvalidRange: as the latter.
    """
    fields.expect_object(answer.status, answer.headers.get("content-range"))
    named = wire_headers.named(answer.headers)
    named["ContentLength"] = length
    delivered, size = fields.range_of(named, range)
    info = fields.info_of(key, named, size)
    if body.ended and answer.length is not None:
        return Opened(info, delivered, HeldSource(body.received_bytes()), received=True)
    return Opened(info, delivered, WireSource(body, delivered.size if delivered else 0))
