"""What is not the client's fault: the gateway's, and its stores'."""

from gateway.errors.root import GatewayError


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
