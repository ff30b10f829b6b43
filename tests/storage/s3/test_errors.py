from datetime import UTC, datetime

import pytest
from botocore import exceptions as boto
from hypothesis import given
from hypothesis import strategies as st

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
from gateway.storage.s3.errors import from_answer, map_s3_errors, retry_after_of

ANSWERS: list[tuple[str, int, str, type[GatewayError]]] = [
    ("PutObject", 404, "NoSuchBucket", BucketNotFound),
    ("HeadBucket", 404, "", BucketNotFound),
    ("PutObject", 404, "", BucketNotFound),
    ("PutObject", 400, "InvalidBucketName", InvalidBucketName),
    ("GetObject", 404, "NoSuchKey", ObjectNotFound),
    ("GetObject", 404, "NoSuchVersion", ObjectNotFound),
    ("HeadObject", 404, "", ObjectNotFound),
    ("UploadPart", 404, "NoSuchUpload", MultipartLost),
    ("UploadPart", 404, "", MultipartLost),
    ("CompleteMultipartUpload", 404, "NoSuchKey", MultipartLost),
    ("CompleteMultipartUpload", 400, "InvalidPart", InvalidPart),
    ("CompleteMultipartUpload", 400, "InvalidPartOrder", InvalidPart),
    ("CompleteMultipartUpload", 400, "EntityTooSmall", InvalidPart),
    ("PutObject", 400, "EntityTooLarge", TooLarge),
    ("PutObject", 400, "KeyTooLongError", KeyTooLong),
    ("PutObject", 400, "MetadataTooLarge", MetadataTooLarge),
    ("PutObject", 412, "PreconditionFailed", PreconditionFailed),
    ("HeadObject", 412, "", PreconditionFailed),
    ("PutObject", 409, "ConditionalRequestConflict", ConcurrentWrite),
    ("PutObject", 409, "OperationAborted", ConcurrentWrite),
    ("GetObject", 416, "InvalidRange", InvalidRange),
    ("GetObject", 416, "", InvalidRange),
    ("PutObject", 403, "SignatureDoesNotMatch", StorageRejected),
    ("PutObject", 403, "InvalidAccessKeyId", StorageRejected),
    ("PutObject", 403, "AccessDenied", StorageRejected),
    ("PutObject", 400, "ExpiredToken", StorageRejected),
    ("PutObject", 403, "RequestTimeTooSkewed", StorageRejected),
    ("HeadObject", 403, "", StorageRejected),
    ("PutObject", 400, "AuthorizationHeaderMalformed", StorageRejected),
    ("PutObject", 400, "InvalidRequest", StorageRejected),
    ("PutObject", 501, "NotImplemented", StorageRejected),
    ("PutObject", 400, "BadDigest", DigestMismatch),
    ("PutObject", 400, "XAmzContentSHA256Mismatch", DigestMismatch),
    ("PutObject", 400, "IncompleteBody", StorageUnavailable),
    ("PutObject", 400, "RequestTimeout", StorageTimeout),
    ("PutObject", 504, "", StorageTimeout),
    ("PutObject", 503, "SlowDown", StorageThrottled),
    ("PutObject", 429, "", StorageThrottled),
    ("PutObject", 503, "ServiceUnavailable", StorageUnavailable),
    ("PutObject", 500, "InternalError", StorageUnavailable),
    ("PutObject", 502, "", StorageUnavailable),
    ("PutObject", 503, "", StorageUnavailable),
    ("PutObject", 418, "Teapot", StorageError),
]


@pytest.mark.parametrize(("operation", "status", "code", "expected"), ANSWERS)
def test_answers_become_errors(
    operation: str, status: int, code: str, expected: type[GatewayError]
) -> None:
    assert type(from_answer(operation, status, code)) is expected


@given(st.sampled_from(ANSWERS), st.integers(300, 599), st.text(max_size=30))
def test_every_answer_becomes_an_error(
    like: tuple[str, int, str, type[GatewayError]], status: int, code: str
) -> None:
    assert from_answer(like[0], status, code).detail


def test_a_missing_object_fails_a_condition_on_its_etag() -> None:
    error = from_answer("PutObject", 404, "NoSuchKey", condition_on_etag=True)
    assert type(error) is PreconditionFailed
    assert type(from_answer("PutObject", 404, "NoSuchBucket", condition_on_etag=True)) is (
        BucketNotFound
    )


def test_retry_after_is_a_number_or_a_date() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after_of(None) is None
    assert retry_after_of("12") == 12.0
    assert retry_after_of("Thu, 01 Jan 2026 00:00:30 GMT", now) == 30.0
    assert retry_after_of("Thu, 01 Jan 2026 00:00:30 -0000", now) == 30.0
    assert retry_after_of("Thu, 01 Jan 2025 00:00:30 GMT", now) == 0.0
    assert retry_after_of("soon") is None


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (TimeoutError(), StorageTimeout),
        (boto.ReadTimeoutError(endpoint_url="x"), StorageTimeout),
        (boto.ConnectTimeoutError(endpoint_url="x"), StorageTimeout),
        (boto.EndpointConnectionError(endpoint_url="x"), StorageUnavailable),
        (boto.SSLError(endpoint_url="x", error="eof"), StorageUnavailable),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), StorageUnavailable),
        (ConnectionResetError(), StorageUnavailable),
        (boto.NoCredentialsError(), StorageRejected),
        (boto.ParamValidationError(report="Invalid bucket name 'x'"), InvalidBucketName),
        (boto.ParamValidationError(report="something else"), StorageError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_what_is_raised_becomes_an_error(raised: Exception, expected: type[GatewayError]) -> None:
    with pytest.raises(expected) as caught, map_s3_errors("PutObject"):
        raise raised
    assert type(caught.value) is expected
    assert caught.value.__cause__ is raised


def test_bugs_stay_bugs() -> None:
    with pytest.raises(ZeroDivisionError), map_s3_errors("PutObject"):
        raise ZeroDivisionError


def test_errors_of_the_tree_pass_unchanged() -> None:
    error = InvalidPart("as it was")
    with pytest.raises(InvalidPart) as caught, map_s3_errors("PutObject"):
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("answer", "headers", "size"),
    [
        ({"ActualObjectSize": "17"}, {}, 17),
        ({}, {"content-range": "bytes */18"}, 18),
        ({}, {"content-range": "nonsense"}, None),
        ({}, {}, None),
    ],
)
def test_a_416_tells_the_size_where_it_can(
    answer: dict[str, str], headers: dict[str, str], size: int | None
) -> None:
    response = {
        "Error": {"Code": "InvalidRange", **answer},
        "ResponseMetadata": {"HTTPStatusCode": 416, "HTTPHeaders": headers},
    }
    with pytest.raises(InvalidRange) as caught, map_s3_errors("GetObject"):
        raise boto.ClientError(response, "GetObject")
    assert caught.value.size == size
