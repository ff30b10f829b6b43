"""What the dialects of resumable uploads share: reading a request about an upload, writing what is known of one."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from gateway.errors import (
    BadRequest,
    GatewayError,
    InconsistentLength,
    InvalidArgument,
    MetadataTooLarge,
    NotImplementedHere,
    TooLarge,
)
from gateway.model import Attributes, Digest
from gateway.protocol.commands import ObjectStored, RequestHead, ResponseHead
from gateway.protocol.dates import format_date
from gateway.protocol.digests import (
    checksum_headers,
    format_digest_field,
    one_checksum,
    read_body_digest,
    repr_digest,
)
from gateway.protocol.object_heads import (
    MAX_METADATA,
    META,
    Headers,
    quoted,
    read_attributes,
    read_metadata,
    wire,
)
from gateway.protocol.query import parse_query, single
from gateway.protocol.s3_surface import amz_headers, check_headers, checksums, metadata_headers
from gateway.protocol.upload_commands import UploadStatus

#: Largest length or offset that is taken, in bytes.
MAX_LENGTH: Final = 2**63 - 1
#: Most chunks that are listed by number in one answer; the ranges tell all.
MAX_LISTED: Final = 1000
NO_STORE: Final[Headers] = ((b"cache-control", b"no-store"),)

_DECIMAL: Final = re.compile(r"[0-9]+", re.ASCII)
_SESSION: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)
_IDEMPOTENCY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_S3_META: Final = b"x-amz-meta-"
#: 4xx of passing things that clients of resumable uploads take as such on HEAD: after any other they
#: forget the upload.
_PATIENT: Final = frozenset({409, 423, 429})


def decimal(text: str, where: str) -> int:
    """A number of bytes: ASCII digits and nothing else. ``where`` names the header in errors.

    Raises:
        BadRequest: anything else.
        TooLarge: over 2^63-1.
    """
    if _DECIMAL.fullmatch(text) is None:
        raise BadRequest(f"{where} is a decimal number of bytes.")
    # Python refuses to convert thousands of digits.
    if len(text) > 64 or int(text) > MAX_LENGTH:
        raise TooLarge(f"{where} is beyond anything that can be stored.")
    return int(text)


def read_decimal(head: RequestHead, name: bytes) -> int | None:
    """The header as a number of bytes; None where it is absent.

    Raises:
        BadRequest, TooLarge: as :func:`decimal`, or sent more than once.
    """
    text = head.get(name)
    return None if text is None else decimal(text, name.decode().title())


def read_session(head: RequestHead) -> str | None:
    """X-Upload-Session-ID; None where it is absent.

    Raises:
        InvalidArgument: not 1 to 128 unreserved characters of a URL.
    """
    text = head.get(b"x-upload-session-id")
    if text is not None and _SESSION.fullmatch(text) is None:
        raise InvalidArgument("X-Upload-Session-ID has 1 to 128 letters, digits, -, ., _ or ~.")
    return text


def idempotency_name(head: RequestHead, header: bytes, *facts: object) -> str | None:
    """A name for the upload that a repeated request creates, so that it is created once: made of the header's value
    and of ``facts``, what the request is about. None where the header is absent.

    Who sends one request id for several files means several uploads: the facts keep them apart.

    Raises:
        InvalidArgument: not 1 to 255 visible ASCII characters.
    """
    text = head.get(header)
    if text is None:
        return None
    if _IDEMPOTENCY.fullmatch(text) is None:
        raise InvalidArgument(f"{header.decode().title()} has 1 to 255 visible characters.")
    said = json.dumps([header.decode(), text, *(str(fact) for fact in facts)])
    # An equals sign is in no session id that a client makes up.
    return "=" + hashlib.sha256(said.encode()).hexdigest()


def whole_length(*lengths: int | None) -> int | None:
    """The one length of the whole among what a request says of it.

    Raises:
        InconsistentLength: it says two.
    """
    told = {length for length in lengths if length is not None}
    if len(told) > 1:
        raise InconsistentLength(
            "The request tells different lengths of the whole: "
            f"{' and '.join(str(length) for length in sorted(told))} bytes."
        )
    return told.pop() if told else None


def read_object_attributes(head: RequestHead) -> Attributes:
    """What is to be stored with the object, of a request to an object's own URL, signed by AWS's scheme or not.

    Raises:
        InvalidArgument, MetadataTooLarge, BadRequest: as :func:`~gateway.protocol.object_heads.read_attributes`.
        NotImplementedHere: an ``x-amz-*`` header asks for what is not offered.
    """
    query = single(parse_query(head.raw_query))
    check_headers(amz_headers(head, query), writing=True)
    attributes = read_attributes(head, META)
    signed = read_metadata(metadata_headers(head, query), _S3_META)
    metadata = dict(attributes.metadata) | signed
    if sum(len(name) + len(value) for name, value in metadata.items()) > MAX_METADATA:
        raise MetadataTooLarge(f"User metadata is over {MAX_METADATA} bytes.")
    return replace(attributes, metadata=metadata)


def read_content_digest(head: RequestHead) -> Digest | None:
    """The digest of this request's body: Content-Digest's, Content-MD5's or ``x-amz-checksum-*``'s.

    Raises:
        InvalidDigest, InvalidArgument, BadRequest: as the single readers.
    """
    amz = amz_headers(head, single(parse_query(head.raw_query)))
    return read_body_digest(head) or one_checksum(checksums(amz))


def refuse_framing(head: RequestHead) -> None:
    """Refuse a body that holds more than the object's bytes.

    Raises:
        NotImplementedHere: it is framed as aws-chunked.
    """
    codings = (head.joined(b"content-encoding") or "").lower()
    if "aws-chunked" in codings or head.has(b"x-amz-decoded-content-length"):
        raise NotImplementedHere("An aws-chunked body cannot be resumed: send UNSIGNED-PAYLOAD.")


def expires_header(status: UploadStatus) -> Headers:
    """``Upload-Expires``, while the upload has an end to fear."""
    if status.expires is None or status.complete:
        return ()
    return ((b"upload-expires", format_date(datetime.fromtimestamp(status.expires, UTC)).encode()),)


def stored_headers(stored: ObjectStored) -> Headers:
    """What a finished object's answer says of it."""
    return (
        (b"etag", quoted(stored.info_etag)),
        *repr_digest(format_digest_field(stored.digests)),
        *checksum_headers(stored.digests),
    )


def shown_status(error: GatewayError, head: RequestHead) -> int:
    """The status to answer. What passes by itself is never an unusual 4xx on HEAD: 503 instead."""
    forgetful = 400 <= error.status < 500 and error.status not in _PATIENT
    return 503 if head.method == "HEAD" and error.retryable and forgetful else error.status


def upload_document(status: UploadStatus) -> dict[str, Any]:
    """An upload's state as JSON has it. Ranges are inclusive, as Content-Range writes them; sizes in bytes.
    ``missing_chunks`` are the first thousand that are missing."""
    document: dict[str, Any] = {
        "id": status.id,
        "session_id": status.session or status.id,
        "offset": status.offset,
        "length": status.length,
        "received": status.received,
        "complete": status.complete,
        "missing": [f"{gap.start}-{gap.stop - 1}" for gap in status.missing],
    }
    if status.chunk_size is not None:
        document["chunk_size"] = status.chunk_size
        document["total_chunks"] = status.chunks
        document["missing_chunks"] = list(islice(missing_chunks(status), MAX_LISTED))
    if status.expires is not None and not status.complete:
        document["expires"] = format_date(datetime.fromtimestamp(status.expires, UTC))
    if status.stored is not None:
        document["etag"] = status.stored.info_etag
        document["size"] = status.stored.size
    return document


def missing_chunks(status: UploadStatus) -> Iterator[int]:
    """Numbers of the chunks of which bytes are missing, from 0, in order; none where chunks have no size."""
    size = status.chunk_size
    if size is None:
        return
    following = 0
    for gap in status.missing:
        stop = (gap.stop - 1) // size + 1
        yield from range(max(gap.start // size, following), stop)
        following = stop


def json_head(
    status: int, document: dict[str, Any], request_id: str, extra: Headers = ()
) -> ResponseHead:
    """A JSON answer that no cache keeps."""
    body = json.dumps(document).encode("ascii")
    headers: Headers = (
        (b"x-request-id", wire(request_id)),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *NO_STORE,
        *extra,
    )
    return ResponseHead(status, headers, body)


def event_stream_head(request_id: str) -> ResponseHead:
    """The head of a stream of server-sent events, which proxies are asked to pass on as it comes."""
    return ResponseHead(
        200,
        (
            (b"x-request-id", wire(request_id)),
            (b"content-type", b"text/event-stream"),
            *NO_STORE,
            (b"x-accel-buffering", b"no"),
            (b"incremental", b"?1"),
        ),
    )
