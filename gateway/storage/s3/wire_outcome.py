"""What the answers of raw connections mean, where they are successes."""

from gateway.model import ObjectKey, Opened, RangeRequest, Stored
from gateway.storage.held import HeldSource
from gateway.storage.s3 import fields, wire_headers
from gateway.storage.s3.wire_answer import Answer
from gateway.storage.s3.wire_body import Body
from gateway.storage.s3.wire_source import WireSource


def etag(headers: dict[str, str]) -> str:
    """The ETag.

    Raises:
        StorageCorrupt: there is none.
    """
    return fields.etag_of({"ETag": headers.get("etag", "")})


def stored(headers: dict[str, str], size: int) -> Stored:
    """Of a PutObject of ``size`` bytes.

    Raises:
        StorageCorrupt: it has no ETag.
    """
    version = fields.version_of({"VersionId": headers.get("x-amz-version-id")})
    return Stored(etag=etag(headers), size=size, version=version)


def opened(
    key: ObjectKey, range: RangeRequest | None, answer: Answer, body: Body, length: int
) -> Opened:
    """Of a GetObject whose body has ``length`` bytes.

    Raises:
        StorageCorrupt, InvalidRange: as :func:`gateway.storage.s3.fields.range_of`.
    """
    named = wire_headers.named(answer.headers)
    named["ContentLength"] = length
    delivered, size = fields.range_of(named, range)
    info = fields.info_of(key, named, size)
    if body.ended and answer.length is not None:
        return Opened(info, delivered, HeldSource(body.received_bytes()), received=True)
    return Opened(info, delivered, WireSource(body, delivered.size if delivered else 0))
