"""Errors as S3 writes them: XML with a code that SDKs branch on, and often another status than HTTP's best.

:data:`S3_ERRORS` is read along an error class's bases, so a new error has its parent's code until it
gets its own line.
"""

import re
from typing import Final

from gateway import errors
from gateway.errors import GatewayError, InvalidRange
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.protocol.error_heads import error_headers
from gateway.protocol.object_heads import Headers, wire

#: Code, and the status where it is not the error's own.
S3_ERRORS: Final[dict[type[GatewayError], tuple[str, int | None]]] = {
    errors.GatewayError: ("InternalError", None),
    errors.BadRequest: ("InvalidRequest", None),
    errors.InvalidUri: ("InvalidURI", None),
    errors.InvalidBucketName: ("InvalidBucketName", None),
    errors.KeyTooLong: ("KeyTooLongError", None),
    errors.MetadataTooLarge: ("MetadataTooLarge", None),
    errors.InvalidArgument: ("InvalidArgument", None),
    errors.InvalidDigest: ("InvalidDigest", None),
    errors.DigestMismatch: ("BadDigest", None),
    errors.PayloadHashMismatch: ("XAmzContentSHA256Mismatch", None),
    errors.IncompleteBody: ("IncompleteBody", None),
    errors.MalformedCredential: ("AuthorizationHeaderMalformed", None),
    errors.MalformedPresignedUrl: ("AuthorizationQueryParametersError", None),
    errors.MalformedPolicyDocument: ("InvalidPolicyDocument", None),
    errors.MalformedForm: ("MalformedPOSTRequest", None),
    errors.FormTooLarge: ("MaxPostPreDataLengthExceeded", None),
    errors.TooSmall: ("EntityTooSmall", None),
    errors.InvalidPart: ("InvalidPart", None),
    errors.HeadTooLarge: ("RequestHeaderSectionTooLarge", 400),
    errors.UriTooLong: ("InvalidURI", None),
    errors.RequestTimeout: ("RequestTimeout", None),
    errors.LengthRequired: ("MissingContentLength", None),
    errors.Unauthenticated: ("AccessDenied", 403),
    errors.Forbidden: ("AccessDenied", None),
    errors.SignatureMismatch: ("SignatureDoesNotMatch", None),
    errors.UnknownKey: ("InvalidAccessKeyId", None),
    errors.ClockSkew: ("RequestTimeTooSkewed", None),
    errors.InvalidToken: ("InvalidToken", None),
    errors.NotFound: ("NotFound", None),
    errors.ObjectNotFound: ("NoSuchKey", None),
    errors.BucketNotFound: ("NoSuchBucket", None),
    errors.UploadNotFound: ("NoSuchUpload", None),
    errors.UploadGone: ("NoSuchUpload", 404),
    errors.MethodNotAllowed: ("MethodNotAllowed", None),
    errors.Conflict: ("OperationAborted", None),
    errors.ObjectExists: ("PreconditionFailed", 412),
    errors.ConcurrentWrite: ("ConditionalRequestConflict", None),
    errors.PreconditionFailed: ("PreconditionFailed", None),
    errors.TooLarge: ("EntityTooLarge", 400),
    errors.UnsupportedMediaType: ("InvalidArgument", 400),
    errors.InvalidRange: ("InvalidRange", None),
    errors.ClientGone: ("RequestTimeout", 400),
    errors.NotImplementedHere: ("NotImplemented", None),
    errors.Overloaded: ("SlowDown", None),
    errors.StorageError: ("InternalError", 500),
    errors.StorageUnavailable: ("SlowDown", 503),
}

#: What XML 1.0 cannot carry, not even escaped.
_IMPOSSIBLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}
)


def escape(text: str) -> str:
    """Text as XML character data; what XML cannot carry shows as its code: ``\\u0001``."""
    return _IMPOSSIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).translate(_ESCAPES)


def s3_error(error: GatewayError) -> tuple[str, int]:
    """S3's code and status for an error."""
    code, status = next(S3_ERRORS[base] for base in type(error).__mro__ if base in S3_ERRORS)
    return code, error.status if status is None else status


def _element(name: str) -> str:
    """``string_to_sign`` as S3 spells elements: ``StringToSign``; ``aws`` stays upper-case."""
    return "".join("AWS" if word == "aws" else word.capitalize() for word in name.split("_"))


def render_s3_error(head: RequestHead, error: GatewayError, request_id: str) -> ResponseHead:
    """Write an error; ``RequestId`` equals the ``x-amz-request-id`` header. HEAD gets no body."""
    code, status = s3_error(error)
    headers: Headers = (
        (b"content-type", b"application/xml"),
        (b"x-amz-request-id", wire(request_id)),
        *error_headers(error, status),
    )
    if head.method == "HEAD":
        return ResponseHead(status, headers)
    elements: dict[str, str | int | None] = {
        "Code": code,
        "Message": error.detail,
        "Resource": head.raw_path.decode("latin-1"),
        "RequestId": request_id,
    }
    if isinstance(error, InvalidRange):
        elements["ActualObjectSize"] = error.size
    for name, value in error.members.items():
        elements.setdefault(_element(name), value)
    inner = "".join(
        f"<{name}>{escape(str(value))}</{name}>"
        for name, value in elements.items()
        if value is not None
    )
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()
    return ResponseHead(status, (*headers, (b"content-length", str(len(body)).encode())), body)
