"""tus: how an upload begins (Creation, Creation With Upload, Concatenation), and what of it an append shares.

Source: https://tus.io/protocols/resumable-upload, 1.0.0.
"""

from typing import Final

from gateway.errors import BadRequest, TooLarge, UnsupportedMediaType
from gateway.model import Digest, ObjectKey
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.digests import parse_upload_checksum
from gateway.protocol.object_heads import media_type, read_length
from gateway.protocol.tus_metadata import TusMetadata, parse_metadata
from gateway.protocol.upload_commands import CreateUpload, JoinUploads
from gateway.protocol.upload_heads import idempotency_name, read_decimal
from gateway.protocol.upload_paths import referred_upload

OFFSET_TYPE: Final = "application/offset+octet-stream"


def parse_creation(head: RequestHead, target: Target) -> CreateUpload | JoinUploads:
    """Read what a creation asks for.

    Raises:
        BadRequest: headers that are missing, contradict each other, or that can't be read.
        TooLarge: its body is longer than the upload.
        UnsupportedMediaType: a body that is not sent as bytes of an upload.
        GatewayError: a key, a digest or metadata that can't be.
    """
    if target.key is None:
        raise BadRequest("An upload begins at /-/uploads/{bucket} or /-/uploads/{bucket}/{key}.")
    metadata = parse_metadata(head.get(b"upload-metadata"))
    kind, _, sources = (head.get(b"upload-concat") or "").partition(";")
    if kind not in ("", "partial", "final") or (sources and kind != "final"):
        raise BadRequest("Upload-Concat is partial, or final; and the URLs of the partial uploads.")
    if kind == "final":
        return _parse_final(head, target.key, metadata, sources)
    key = _object_key(target.key, metadata, nameless=kind == "partial")
    length = _creation_length(head)
    body = _creation_body(head)
    if length is not None and body is not None and body > length:
        raise TooLarge(f"The body has {body} bytes, the whole upload only {length}.")
    checksum, trailing = read_checksum(head)
    return CreateUpload(
        key=key,
        length=length,
        body=body,
        attributes=metadata.attributes(),
        body_digest=checksum,
        name=_name(head, key, length, metadata, kind),
        metadata=metadata.raw,
        partial=kind == "partial",
        trailing=trailing,
    )


def _parse_final(
    head: RequestHead, key: ObjectKey, metadata: TusMetadata, sources: str
) -> JoinUploads:
    if head.has(b"upload-length") or head.has(b"upload-defer-length"):
        raise BadRequest("A final upload tells no length: it is the sum of its parts'.")
    if _creation_body(head) != 0:
        raise BadRequest("A final upload has no body: it is made of partial ones.")
    refs = [referred_upload(url, head.raw_path) for url in sources.split()]
    found = tuple(ref.id for ref in refs if ref is not None)
    if not found or len(found) != len(refs):
        raise BadRequest("Upload-Concat: after final; come the URLs of partial uploads made here.")
    key = _object_key(key, metadata, nameless=False)
    return JoinUploads(
        key=key,
        sources=found,
        attributes=metadata.attributes(),
        metadata=metadata.raw,
        name=_name(head, key, None, metadata, sources),
    )


def _object_key(place: ObjectKey, metadata: TusMetadata, *, nameless: bool) -> ObjectKey:
    """The object to be made. The URL's key counts over the metadata's, which may not contradict it."""
    if place.name:
        if metadata.pairs.get("key", place.name.encode()) != place.name.encode():
            raise BadRequest("The URL and Upload-Metadata name different keys.")
        return place
    name = metadata.key()
    if name is None and not nameless:
        raise BadRequest("Name the object: in the URL, or as key or filename in Upload-Metadata.")
    return ObjectKey(place.bucket, name or "")


def _name(
    head: RequestHead, key: ObjectKey, length: int | None, metadata: TusMetadata, concat: str
) -> str | None:
    """The name by which a repeated creation is known: an idempotency key's, or else a request id's."""
    facts = ("tus", key, length, metadata.raw, concat)
    return idempotency_name(head, b"idempotency-key", *facts) or idempotency_name(
        head, b"x-request-id", *facts
    )


def _creation_length(head: RequestHead) -> int | None:
    length, deferred = read_decimal(head, b"upload-length"), head.get(b"upload-defer-length")
    if (length is None) == (deferred is None):
        raise BadRequest("Send either Upload-Length or Upload-Defer-Length: 1.")
    if deferred not in (None, "1"):
        raise BadRequest("Upload-Defer-Length is 1 or absent.")
    return length


def _creation_body(head: RequestHead) -> int | None:
    """The body's length; 0 where there is none."""
    length = read_length(head)
    if length == 0:
        return 0
    if media_type(head) == OFFSET_TYPE:
        return length
    if length is None and not head.has(b"transfer-encoding"):
        return 0
    raise UnsupportedMediaType(f"The first bytes of an upload are sent as {OFFSET_TYPE}.")


def read_checksum(head: RequestHead) -> tuple[Digest | None, bool]:
    """The digest of the body, or whether it comes behind it as a trailer."""
    text = head.get(b"upload-checksum")
    announced = (name.strip().lower() for name in (head.joined(b"trailer") or "").split(","))
    trailing = "upload-checksum" in announced
    if trailing and text is not None:
        raise BadRequest("Upload-Checksum comes before the body or as a trailer, not both.")
    if trailing and not head.has(b"transfer-encoding"):
        raise BadRequest("A trailer needs a chunked body.")
    return (None if text is None else parse_upload_checksum(text)), trailing
