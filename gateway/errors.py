"""Every way a request can fail, as one tree.

A class fixes four facts: the HTTP ``status`` of the plain dialect, a stable kebab-case ``code``
(the last part of the problem type, see RFC 9457), whose ``fault`` it is, and whether the same
request may succeed when sent again (``retryable``). Dialects render; nothing else knows wording of
the wire. An exception that is not a :class:`GatewayError` is a bug in Sluice: 500, logged with a
traceback, answered without detail.

``detail`` is for the person who sent the request: what was wrong, and what to do about it. It is
sent to clients, so it never holds a secret, a computed signature or a path of this machine.
"""

from typing import ClassVar, Literal

Fault = Literal["client", "gateway", "storage", "source"]


class GatewayError(Exception):
    """The root. ``members`` become extension members of problem+json and elements of S3's XML.

    ``final`` is set where a resumable upload had all its bytes and then failed for good (a condition, a
    digest of the whole): going on with it cannot help, and the IETF protocol has to say so.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    fault: ClassVar[Fault] = "gateway"
    retryable: ClassVar[bool] = False
    final: bool = False

    def __init__(
        self, detail: str, *, retry_after: float | None = None, **members: str | int | None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.members = members


class InternalError(GatewayError):
    """A bug in Sluice, as the client sees it."""


# --- the client's mistakes -------------------------------------------------------------------


class BadRequest(GatewayError):
    """The request cannot be understood or contradicts itself."""

    status, code, fault = 400, "bad-request", "client"


class InvalidUri(BadRequest):
    """The target cannot be decoded: bad percent escape, invalid UTF-8, a forbidden byte."""

    code = "invalid-uri"


class InvalidBucketName(BadRequest):
    """The bucket's name breaks the naming rules."""

    code = "invalid-bucket-name"


class KeyTooLong(BadRequest):
    """The key is longer than 1,024 bytes of UTF-8."""

    code = "key-too-long"


class MetadataTooLarge(BadRequest):
    """User metadata over 2 KiB."""

    code = "metadata-too-large"


class InvalidArgument(BadRequest):
    """One named header or parameter has a value that is not allowed."""

    code = "invalid-argument"


class InvalidDigest(BadRequest):
    """A digest header that is malformed: wrong length, not base64 or hex, unknown algorithm."""

    code = "invalid-digest"


class DigestMismatch(BadRequest):
    """The body is not the one whose digest was sent."""

    code = "digest-mismatch"


class PayloadHashMismatch(DigestMismatch):
    """The body differs from the SHA-256 that was signed with the request."""

    code = "payload-hash-mismatch"


class IncompleteBody(BadRequest):
    """The body ended before, or ran past, its declared length."""

    code = "incomplete-body"


class MalformedCredential(BadRequest):
    """A credential that cannot be parsed or names a wrong date, region, service or algorithm."""

    code = "malformed-credential"


class MalformedPresignedUrl(MalformedCredential):
    """The same in a presigned URL, for which S3 has another code."""

    code = "malformed-presigned-url"


class AmbiguousCredentials(BadRequest):
    """More than one credential in a request."""

    code = "ambiguous-credentials"


class MalformedPolicyDocument(BadRequest):
    """A form upload's policy document that cannot be read."""

    code = "malformed-policy-document"


class MalformedForm(BadRequest):
    """A form upload that is no multipart/form-data with its fields first and exactly one file."""

    code = "malformed-form"


class FormTooLarge(BadRequest):
    """The fields before a form's file are over 64 KiB, or too many."""

    code = "form-too-large"


class TooSmall(BadRequest):
    """The body is under the least size that its credential demands."""

    code = "too-small"


class InvalidPart(BadRequest):
    """A part that was never uploaded, or whose ETag differs."""

    code = "invalid-part"


class HeadTooLarge(BadRequest):
    """The request's header section is over its limit."""

    status, code = 431, "head-too-large"


class UriTooLong(BadRequest):
    """The request target is over 8 KiB."""

    status, code = 414, "uri-too-long"


class RequestTimeout(BadRequest):
    """The client sent nothing, or too little, for too long."""

    status, code, retryable = 408, "request-timeout", True


class LengthRequired(BadRequest):
    """A Content-Length is needed here."""

    status, code = 411, "length-required"


class Unauthenticated(GatewayError):
    """No credential where one is needed."""

    status, code, fault = 401, "unauthenticated", "client"


class Forbidden(GatewayError):
    """Understood, and not allowed."""

    status, code, fault = 403, "forbidden", "client"


class SignatureMismatch(Forbidden):
    """The signature is not the one that this request and key give."""

    code = "signature-mismatch"


class UnknownKey(Forbidden):
    """No enabled key has this access key id."""

    code = "unknown-key"


class RequestExpired(Forbidden):
    """The credential is past its expiry or not yet valid."""

    code = "request-expired"


class ClockSkew(Forbidden):
    """The request's date is more than 15 minutes away from the gateway's clock."""

    code = "clock-skew"


class RequestReplayed(Forbidden):
    """A nonce or token id that may be used once was used again."""

    code = "request-replayed"


class UnsignedHeader(Forbidden):
    """A header that changes the request's meaning was sent but not signed."""

    code = "unsigned-header"


class InvalidToken(Forbidden):
    """A session token that belongs to no key here."""

    code = "invalid-token"


class NotFound(GatewayError):
    """Nothing there."""

    status, code, fault = 404, "not-found", "client"


class ObjectNotFound(NotFound):
    """No object has this key."""

    code = "object-not-found"


class BucketNotFound(NotFound):
    """No bucket has this name."""

    code = "bucket-not-found"


class UploadNotFound(NotFound):
    """No upload has this id, or it is another principal's."""

    code = "upload-not-found"


class MethodNotAllowed(GatewayError):
    """The method does not exist here. ``allow`` lists those that do."""

    status, code, fault = 405, "method-not-allowed", "client"

    def __init__(self, detail: str, *, allow: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.allow = allow


class Conflict(GatewayError):
    """The state of the resource forbids it."""

    status, code, fault = 409, "conflict", "client"


class ObjectExists(Conflict):
    """The object exists and may not be overwritten."""

    code = "object-exists"


class ConcurrentWrite(Conflict):
    """Another writer of the same object won the race."""

    code, retryable = "concurrent-write", True


class OffsetMismatch(Conflict):
    """An append that does not begin where the upload ends. Members: ``expected`` and ``provided`` (bytes)."""

    code = "mismatching-upload-offset"


class InconsistentLength(BadRequest):
    """What a request says of an upload's length contradicts itself or what was said before."""

    code = "inconsistent-upload-length"


class UploadCompleted(BadRequest):
    """An append to an upload that is complete already."""

    code = "completed-upload"


class ChunkDiffers(Conflict):
    """A chunk that was sent before, with other bytes."""

    code = "chunk-differs"


class Overtaken(Conflict):
    """Another request has taken over the upload; what this one had not made durable is dropped."""

    code, retryable = "upload-overtaken", True


class UploadGone(GatewayError):
    """The upload was finished, cancelled, has expired, or is not remembered any more."""

    status, code, fault = 410, "upload-gone", "client"


class PreconditionFailed(GatewayError):
    """A condition of the request (If-Match and the like) does not hold."""

    status, code, fault = 412, "precondition-failed", "client"


class UnsupportedProtocolVersion(PreconditionFailed):
    """A version of tus that is not spoken here, or none at all."""

    code = "unsupported-protocol-version"


class TooLarge(GatewayError):
    """The body is over a limit, or not of the size that was signed."""

    status, code, fault = 413, "too-large", "client"


class UnsupportedMediaType(GatewayError):
    """The content type is not allowed here."""

    status, code, fault = 415, "unsupported-media-type", "client"


class InvalidRange(GatewayError):
    """No byte of the object lies in the range. ``size`` is the object's."""

    status, code, fault = 416, "invalid-range", "client"

    def __init__(self, detail: str, *, size: int | None = None) -> None:
        super().__init__(detail)
        self.size = size


class ClientGone(GatewayError):
    """The client went away. Never rendered; logged as 499."""

    status, code, fault = 499, "client-gone", "client"


# --- ours ------------------------------------------------------------------------------------


class NotImplementedHere(GatewayError):
    """A known operation or header that Sluice does not offer."""

    status, code = 501, "not-implemented"


class Overloaded(GatewayError):
    """No memory, place or connection left for this request just now."""

    status, code, retryable = 503, "overloaded", True


class Draining(Overloaded):
    """This gateway is shutting down."""

    code = "draining"


class SessionsUnavailable(Overloaded):
    """The session store does not answer."""

    code = "sessions-unavailable"


# --- the store's -----------------------------------------------------------------------------


class StorageError(GatewayError):
    """The store failed in a way that says nothing about a retry."""

    status, code, fault = 502, "storage-error", "storage"


class StorageRejected(StorageError):
    """The store refused our credentials or our request: a matter of configuration."""

    code = "storage-rejected"


class StorageUnavailable(StorageError):
    """The store answers 5xx, resets, or cannot be reached."""

    status, code, retryable = 503, "storage-unavailable", True


class StorageThrottled(StorageUnavailable):
    """The store asks for fewer requests (503 SlowDown, 429)."""

    code = "storage-throttled"


class StorageTimeout(StorageUnavailable):
    """The store did not answer in time."""

    status, code = 504, "storage-timeout"


class MultipartLost(StorageError):
    """The store no longer knows the multipart upload (NoSuchUpload)."""

    code = "multipart-lost"


class StorageCorrupt(StorageError):
    """What the store returned is not what it had acknowledged."""

    code = "storage-corrupt"
