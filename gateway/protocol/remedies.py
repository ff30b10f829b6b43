"""What to do about each error: for the page behind a problem's type, and for the documentation.

The class says what happened, ``detail`` says it about this one request; here stands what a person can do
whatever the request was. Read along an error class's bases.
"""

from typing import Final

from gateway import errors
from gateway.errors import GatewayError

REMEDIES: Final[dict[type[GatewayError], str]] = {
    errors.GatewayError: "Quote the request id to whoever runs the gateway; its log has the traceback.",
    errors.BadRequest: "Change the request as the detail says.",
    errors.InvalidUri: "Percent-encode the key's UTF-8 bytes once, a literal % as %25.",
    errors.InvalidBucketName: "Use 3 to 63 of a-z, 0-9, - and ., beginning with a letter or digit.",
    errors.KeyTooLong: "Use a key of at most 1,024 bytes; the bucket's configured prefix counts.",
    errors.MetadataTooLarge: "Send less user metadata: at most 2 KiB of names and values.",
    errors.InvalidArgument: "Correct the header or parameter that the detail names.",
    errors.InvalidDigest: "Send the digest in the header's own encoding: base64, or hex in x-amz-content-sha256.",
    errors.DigestMismatch: "Send again; if it stays, something on the way changes the body, or the digest is "
    "of another one.",
    errors.PayloadHashMismatch: "Send exactly the bytes whose SHA-256 was signed; nothing was stored.",
    errors.IncompleteBody: "Send as many bytes as Content-Length says; nothing was stored.",
    errors.MalformedCredential: "Let an SDK or `sluice sign` make the credential; check the region and the clock.",
    errors.AmbiguousCredentials: "Send one credential: a header or a presigned URL, not both. Behind a proxy that "
    "adds bearer tokens, set auth.ignore_foreign_bearer.",
    errors.MalformedPolicyDocument: "Send the policy document as base64 of JSON.",
    errors.MalformedForm: "Send multipart/form-data: the fields first, then one file in a field named file, nothing "
    "after it that matters.",
    errors.FormTooLarge: "Send fewer or shorter fields before the file: at most 100, and 64 KiB with their heads.",
    errors.TooSmall: "Send a body within the policy's content-length-range; nothing was stored.",
    errors.InvalidPart: "Complete the upload with the part numbers and ETags that were answered.",
    errors.HeadTooLarge: "Send fewer or shorter headers; server.max_head is the limit.",
    errors.UriTooLong: "Use a shorter key or fewer parameters; server.max_header is the limit.",
    errors.RequestTimeout: "Send again, on a better line; server.body_idle_timeout and body_min_rate are the limits.",
    errors.LengthRequired: "Send a Content-Length: this credential or operation needs it.",
    errors.Unauthenticated: "Sign the request, or give the bucket an anonymous policy.",
    errors.Forbidden: "Ask `sluice policy explain` why; the policy or the credential does not cover this.",
    errors.SignatureMismatch: "Check the secret; then compare the canonical request in the answer with your own. "
    "Proxies that change the path or host are the usual cause.",
    errors.UnknownKey: "Check the access key id; `sluice keys list` shows the known ones and their state.",
    errors.RequestExpired: "Make a new URL or token.",
    errors.ClockSkew: "Set the client's clock.",
    errors.RequestReplayed: "Make a new token for every request.",
    errors.UnsignedHeader: "Sign host and every x-amz-* header that is sent.",
    errors.InvalidToken: "Leave x-amz-security-token out: keys here have no session tokens.",
    errors.NotFound: "Check the path.",
    errors.ObjectNotFound: "Check bucket and key; keys are compared byte for byte.",
    errors.BucketNotFound: "Add [buckets.NAME] to the configuration, or [buckets_default]; and make it in the store.",
    errors.UploadNotFound: "Begin the upload again.",
    errors.MethodNotAllowed: "Use one of the methods of the Allow header.",
    errors.Conflict: "Look at the resource's present state, then decide again.",
    errors.ObjectExists: "Use another key; this one may not be replaced.",
    errors.ConcurrentWrite: "Send again if your write shall win.",
    errors.OffsetMismatch: "Ask for the offset (HEAD) and go on from there.",
    errors.InconsistentLength: "Tell one length of the whole, and send as much.",
    errors.UploadCompleted: "Nothing: everything had arrived. HEAD tells the state.",
    errors.ChunkDiffers: "Send the bytes that were sent before, or begin another session.",
    errors.Overtaken: "Ask for the offset and go on from there; do not send one upload twice at a time.",
    errors.UploadGone: "Begin the upload again.",
    errors.PreconditionFailed: "Fetch the object's present ETag, then decide again.",
    errors.UnsupportedProtocolVersion: "Send `Tus-Resumable: 1.0.0`.",
    errors.TooLarge: "Send a smaller body, of exactly the size that was signed where one was.",
    errors.UnsupportedMediaType: "Send a content type that the policy or the credential names.",
    errors.InvalidRange: "Ask for bytes below the object's size, which Content-Range tells.",
    errors.ClientGone: "Nothing: the client left. It shows in the log only.",
    errors.NotImplementedHere: "Do without it. Offered to S3 clients are GET, HEAD, PUT and DELETE of objects, and "
    "form uploads: the page on S3 in the documentation (docs/s3.md) lists them all.",
    errors.Overloaded: "Send again after Retry-After. If it is frequent, raise memory.budget or add gateways.",
    errors.Draining: "Send again: another gateway, or this one after its restart, takes it.",
    errors.SessionsUnavailable: "Send again later; who runs the gateway looks after sessions.url.",
    errors.StorageError: "Send again; if it stays, the gateway's log has the store's answer.",
    errors.StorageRejected: "Who runs the gateway checks the store's credentials and the bucket: "
    "`sluice check --online`.",
    errors.StorageUnavailable: "Send again after Retry-After; the store is down or overloaded.",
    errors.StorageTimeout: "Send again; the store was too slow.",
    errors.MultipartLost: "Send the whole body again; a lifecycle rule or another program aborted the upload.",
    errors.StorageCorrupt: "Do not use the object; who runs the gateway looks at the store.",
}


def remedy(error: type[GatewayError]) -> str:
    """What a person can do about an error of this class."""
    return next(REMEDIES[base] for base in error.__mro__ if base in REMEDIES)


def every_error() -> list[type[GatewayError]]:
    """All error classes, the root first, in the order of the tree."""
    found: list[type[GatewayError]] = []
    stack: list[type[GatewayError]] = [GatewayError]
    while stack:
        error = stack.pop()
        found.append(error)
        stack.extend(reversed(error.__subclasses__()))
    return found
