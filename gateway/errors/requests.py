"""Requests that cannot be understood, contradict themselves, are too large or too slow, or ask for what does not
exist."""

from gateway.errors.root import GatewayError


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


class MethodNotAllowed(GatewayError):
    """The method does not exist here. ``allow`` lists those that do."""

    status, code, fault = 405, "method-not-allowed", "client"

    def __init__(self, detail: str, *, allow: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.allow = allow


class TooLarge(GatewayError):
    """The body is over a limit, or not of the size that was signed."""

    status, code, fault = 413, "too-large", "client"


class UnsupportedMediaType(GatewayError):
    """The content type is not allowed here."""

    status, code, fault = 415, "unsupported-media-type", "client"


class ClientGone(GatewayError):
    """The client went away. Never rendered; logged as 499."""

    status, code, fault = 499, "client-gone", "client"
