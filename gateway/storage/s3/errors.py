"""The one seam where an S3 store's failures become :class:`~gateway.errors.GatewayError`.

:func:`from_answer` is pure and shared by every data plane: operation, status and error code in, error
out. :func:`map_s3_errors` adds what aiobotocore raises when no answer came. Codes are those of Amazon's
error reference (AmazonS3/latest/API/ErrorResponses), plus what Ceph RGW and MinIO add.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, NoReturn

import aiohttp
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from gateway.errors import (
    BucketNotFound,
    ConcurrentWrite,
    DigestMismatch,
    GatewayError,
    InvalidBucketName,
    InvalidPart,
    InvalidRange,
    KeyTooLong,
    MetadataTooLarge,
    MultipartLost,
    ObjectNotFound,
    PreconditionFailed,
    StorageError,
    StorageRejected,
    StorageThrottled,
    StorageTimeout,
    StorageUnavailable,
    TooLarge,
)

_BY_CODE: Final[dict[str, type[GatewayError]]] = {
    "NoSuchBucket": BucketNotFound,
    "InvalidBucketName": InvalidBucketName,
    "NoSuchVersion": ObjectNotFound,
    "NoSuchUpload": MultipartLost,
    "InvalidPart": InvalidPart,
    "InvalidPartOrder": InvalidPart,
    "EntityTooSmall": InvalidPart,
    "EntityTooLarge": TooLarge,
    "KeyTooLongError": KeyTooLong,
    "KeyTooLong": KeyTooLong,
    "MetadataTooLarge": MetadataTooLarge,
    "PreconditionFailed": PreconditionFailed,
    "ConditionalRequestConflict": ConcurrentWrite,
    "OperationAborted": ConcurrentWrite,
    "RequestTimeout": StorageTimeout,
    "InternalError": StorageUnavailable,
    "ServiceUnavailable": StorageUnavailable,
    # The store tells whose mistake it was from what it holds itself.
    "BadDigest": DigestMismatch,
    "XAmzContentSHA256Mismatch": DigestMismatch,
    "XAmzContentChecksumMismatch": DigestMismatch,
    # Cut short on its way; what we hold is still whole.
    "IncompleteBody": StorageUnavailable,
} | dict.fromkeys(
    (
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "TooManyRequests",
        "TooManyRequestsException",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
    ),
    StorageThrottled,
)

_REJECTED: Final[dict[str, str]] = {
    "SignatureDoesNotMatch": "our secret key is wrong, or something between rewrites requests",
    "InvalidAccessKeyId": "it does not know our access key",
    "AccessDenied": "our access key may not do this",
    "ExpiredToken": "our temporary credentials have expired",
    "TokenRefreshRequired": "our temporary credentials must be renewed",
    "InvalidToken": "our session token is not valid",
    "RequestTimeTooSkewed": "our clock and its clock differ by too much",
    "AuthorizationHeaderMalformed": "our region is not the bucket's",
    "PermanentRedirect": "the bucket lives in another region or under another endpoint",
    "TemporaryRedirect": "the bucket is served by another endpoint",
    "IllegalLocationConstraintException": "the bucket lives in another region",
}

#: Statuses that mean a refusal whatever the code: of our credentials, or of this endpoint for the bucket.
_REFUSALS: Final = frozenset({301, 302, 307, 308, 401, 403})

#: Ceph RGW 16 answers 500 InternalError with these words where a CompleteMultipartUpload runs already, and
#: where the upload does not exist.
_ALREADY: Final = "completion is already in progress"

#: Statuses of answers whose code says nothing (HEAD answers have no body, proxies no S3 code).
_BY_STATUS: Final[dict[int, type[GatewayError]]] = {
    408: StorageTimeout,
    409: ConcurrentWrite,
    412: PreconditionFailed,
    429: StorageThrottled,
    504: StorageTimeout,
}

_OF_UPLOADS: Final = frozenset(
    {"UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload", "ListParts"}
)
_OF_OBJECTS: Final = frozenset({"HeadObject", "GetObject", "DeleteObject"})


def from_answer(
    operation: str,
    status: int,
    code: str,
    *,
    retry_after: float | None = None,
    size: int | None = None,
    condition_on_etag: bool = False,
    hint: str = "",
) -> GatewayError:
    """The error that a store's answer means.

    ``code`` is the S3 error code, or empty; ``size`` the object's, which 416 answers may tell;
    ``condition_on_etag`` says that the request was a write with If-Match: then a missing object is a failed
    condition (Amazon answers 404 NoSuchKey there, others 412). ``hint`` is what the answer says about how to mend
    a refusal.
    """
    if status == 416 or code == "InvalidRange":
        return InvalidRange("No byte of the object lies in the range.", size=size)
    if condition_on_etag and code == "NoSuchKey":
        return PreconditionFailed("The object whose ETag was asked for does not exist.")
    if code == "AccessDenied" or status in _REFUSALS or code in _REJECTED:
        return _rejected(operation, status, code, hint)
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status) or _by_class(operation, status)
    detail = f"{operation}: the store answered {status} {code}".rstrip() + "."
    return kind(detail, retry_after=retry_after)


def _rejected(operation: str, status: int, code: str, hint: str) -> StorageRejected:
    why = _REJECTED.get(code, f"it answered {status} {code}".rstrip())
    return StorageRejected(
        f"{operation}: the store refuses us: {why}{hint}."
        " Check this store's section of the configuration."
    )


def _by_class(operation: str, status: int) -> type[GatewayError]:
    """What a status means where neither it nor the code is listed."""
    if status == 404:
        if operation in _OF_UPLOADS:
            return MultipartLost
        return ObjectNotFound if operation in _OF_OBJECTS else BucketNotFound
    if status in (400, 405, 501):
        return StorageRejected
    return StorageUnavailable if status >= 500 else StorageError


def retry_after_of(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3): a number or a date; None where there is none."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())


@contextmanager
def map_s3_errors(operation: str, *, condition_on_etag: bool = False) -> Iterator[None]:
    """Turn whatever aiobotocore, botocore and aiohttp raise inside into GatewayErrors."""
    try:
        yield
    except GatewayError:
        raise
    except boto.ClientError as error:
        raise _from_client_error(operation, error, condition_on_etag) from error
    except (boto.BotoCoreError, aiohttp.ClientError, ResponseParserError, OSError) as error:
        raise_for(operation, error)


def _from_client_error(
    operation: str, error: boto.ClientError, condition_on_etag: bool
) -> GatewayError:
    answer = error.response.get("Error", {})
    meta = error.response.get("ResponseMetadata", {})
    headers = meta.get("HTTPHeaders", {})
    code = str(answer.get("Code", ""))
    if _ALREADY in str(answer.get("Message", "")):
        return ConcurrentWrite(f"{operation}: another call completes this upload.")
    return from_answer(
        operation,
        int(meta.get("HTTPStatusCode", 500)),
        "" if code.isdecimal() else code,  # botocore puts the status there when there was no body
        retry_after=retry_after_of(headers.get("retry-after")),
        size=_size_in(answer.get("ActualObjectSize"), headers.get("content-range")),
        condition_on_etag=condition_on_etag,
    )


def _size_in(element: object, content_range: str | None) -> int | None:
    """The object's size in a 416: Amazon's XML element, or RFC 9110's ``Content-Range: bytes */SIZE``."""
    text = str(element) if element is not None else (content_range or "").rpartition("*/")[2]
    return int(text) if text.isdecimal() else None


_TIMEOUTS = (boto.ReadTimeoutError, boto.ConnectTimeoutError, TimeoutError)
_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.ProfileNotFound,
    boto.TokenRetrievalError,
    boto.UnauthorizedSSOTokenError,
)


def raise_for(operation: str, error: Exception) -> NoReturn:
    """No answer, or one that cannot be read: raise what it means."""
    if isinstance(error, _TIMEOUTS):
        raise StorageTimeout(f"{operation}: the store did not answer in time.") from error
    if isinstance(error, _CREDENTIALS):
        raise StorageRejected(
            f"{operation}: there are no credentials for the store; give access_key_id and"
            " secret_access_key, or set up the AWS credential chain."
        ) from error
    if _is_about_a_certificate(error):
        raise StorageRejected(
            f"{operation}: the store's certificate cannot be verified; see tls_ca."
        ) from error
    if isinstance(error, boto.ParamValidationError):
        if "bucket name" in str(error).lower():
            raise InvalidBucketName("The store takes no bucket of this name.") from error
        raise StorageError(f"{operation}: the request cannot be built for this store.") from error
    raise StorageUnavailable(
        f"{operation}: the connection to the store failed or its answer was cut short."
    ) from error


def _is_about_a_certificate(error: Exception) -> bool:
    if isinstance(error, ssl.SSLCertVerificationError):
        return True
    if not isinstance(error, boto.SSLError):
        return False
    cause: BaseException | None = error.__context__
    return isinstance(cause, aiohttp.ClientConnectorCertificateError) or isinstance(
        getattr(cause, "certificate_error", None), ssl.SSLCertVerificationError
    )
