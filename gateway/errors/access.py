"""Who asks is not known, or may not."""

from gateway.errors.requests import BadRequest
from gateway.errors.root import GatewayError


class MalformedCredential(BadRequest):
    """A credential that cannot be parsed or names a wrong date, region, service or algorithm."""

    code = "malformed-credential"


class MalformedPresignedUrl(MalformedCredential):
    """The same in a presigned URL, for which S3 has another code."""

    code = "malformed-presigned-url"


class AmbiguousCredentials(BadRequest):
    """More than one credential in a request."""

    code = "ambiguous-credentials"


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
