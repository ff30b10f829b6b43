"""What a request names is not there, or not as the request takes it to be."""

from gateway.errors.requests import BadRequest
from gateway.errors.root import GatewayError


class InvalidPart(BadRequest):
    """A part that was never uploaded, or whose ETag differs."""

    code = "invalid-part"


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


class InvalidRange(GatewayError):
    """No byte of the object lies in the range. ``size`` is the object's."""

    status, code, fault = 416, "invalid-range", "client"

    def __init__(self, detail: str, *, size: int | None = None) -> None:
        super().__init__(detail)
        self.size = size
