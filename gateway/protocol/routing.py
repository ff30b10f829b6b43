"""Which dialect reads a request, and which object or upload it points to. First match wins.

1. a path under ``/-/chunked``: chunked sessions; under ``/-/uploads``: tus or the IETF protocol, by their headers.
   Other paths under ``/-/`` never come here. HMAC File Server's two paths, where they are mounted: its own;
2. a path under a slot's ``base_path``: the slot's;
3. a write with tus's header (which belongs under ``/-/uploads``, and is told so) or with ``Upload-Complete``;
4. a PUT with ``Content-Range``: a chunked session where it names one, else the plain kind;
5. a POST of ``multipart/form-data`` to a bucket: a form;
6. an AWS signature, an ``X-Amz-*`` parameter or an ``x-amz-*`` header: S3's;
7. everything else: plain HTTP.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.errors import BadRequest, GatewayError, InvalidBucketName, InvalidUri, UploadNotFound
from gateway.model import ObjectKey
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.forms import FORM
from gateway.protocol.hosts import host_of
from gateway.protocol.interim import read_complete
from gateway.protocol.legacy_paths import LEGACY, is_legacy_path, legacy_target
from gateway.protocol.multipart_form import is_form
from gateway.protocol.paths import (
    bucket_of_host,
    check_key,
    decode_path,
    split_path,
    strip_base,
)
from gateway.protocol.query import Query, has_signature, parse_query
from gateway.protocol.upload_paths import (
    UPLOADS,
    is_chunked_path,
    is_upload_path,
    place,
    upload_ref,
)

_OVERRIDE: Final = b"x-http-method-override"
_OVERRIDES: Final = frozenset({"HEAD", "GET", "POST", "PATCH", "DELETE"})
#: Headers that only the IETF protocol has.
_IETF: Final = (b"upload-complete", b"upload-incomplete", b"upload-draft-interop-version")
#: Methods that only uploads which are there already know. What stands directly under ``/-/uploads`` is one's name then.
_OF_UPLOADS: Final = frozenset({"HEAD", "GET", "PATCH", "DELETE"})
_WRITES: Final = frozenset({"PUT", "POST", "PATCH"})


@dataclass(frozen=True, slots=True)
class SlotMount:
    """Where a slot section hangs: its name, its ``base_path`` (ends with a slash) and its bucket."""

    name: str
    base_path: str
    bucket: str


def route(
    head: RequestHead, slots: Sequence[SlotMount], domains: Sequence[str], legacy: str = ""
) -> Target:
    """Find the dialect and the object of a request.

    ``legacy`` is the bucket of HMAC File Server's paths, empty: they are not mounted. ``OPTIONS *`` is plain and
    points to the service. Of two slots, the one with the longer base path counts.

    Raises:
        BadRequest: no valid Host, or a target in absolute form.
        InvalidUri, InvalidBucketName, KeyTooLong: the path names nothing that can exist.
    """
    kind = _kind_of(head)
    if _is_service(head):
        return Target("plain", None)
    if not head.raw_path.startswith(b"/"):
        raise BadRequest("The request target must be a path; absolute forms are for proxies.")
    if is_upload_path(head.raw_path):
        return _route_upload(head)
    if legacy and is_legacy_path(head.raw_path) and bucket_of_host(kind.host, domains) is None:
        return legacy_target(head, legacy)
    mounted = _slot_of(head, slots)
    if mounted is not None:
        slot, rest = mounted
        return Target("slot", _slot_key(slot, rest), slot.name)
    if kind.refusal is not None:
        raise kind.refusal
    if kind.dialect == "tus":
        raise BadRequest("tus uploads begin with POST /-/uploads/{bucket} or .../{bucket}/{key}.")
    key = _locate(head.raw_path, kind.host, domains, strict=not kind.literal)
    if kind.may_be_form and key is not None and not key.name and is_form(head):
        return Target(FORM, key)
    return Target(kind.dialect, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What of a route does not depend on the path: the host's name, and how the rest is read; ``refusal`` where that
    cannot be told."""

    host: str
    dialect: str = "plain"
    #: Only an AWS signature makes dot segments literal, and only in S3's own dialect: a bearer token
    #: beside an x-amz header stays under the strict rules.
    literal: bool = False
    may_be_form: bool = False
    refusal: GatewayError | None = None


def _kind_of(head: RequestHead) -> _Kind:
    if head.common is None:
        return _read_kind(head)
    kind: _Kind | None = head.common.facts.get(_Kind)
    if kind is None:
        kind = _read_kind(head)
        if kind.refusal is None:
            head.common.facts[_Kind] = kind
    return kind


def _read_kind(head: RequestHead) -> _Kind:
    host = host_of(head)
    try:
        query = parse_query(head.raw_query)
        signed = has_signature(head, query)
        resumable = _resumable(head)
    except GatewayError as error:
        return _Kind(host=host, refusal=error)
    dialect = resumable or ("s3" if signed or _speaks_s3(head, query) else "plain")
    return _Kind(
        host=host,
        dialect=dialect,
        literal=dialect == "s3" and signed,
        may_be_form=resumable is None and head.method == "POST",
    )


def effective_head(head: RequestHead, target: Target) -> RequestHead:
    """The head with the method that is meant: tus clients that cannot send one say it in X-HTTP-Method-Override.

    The credential is verified over the head as it came, everything after (authorising, parsing, answering) goes by
    this one, so that an override opens no method that the credential or the policy closes.

    Raises:
        BadRequest: two overrides, or one to a method that tus does not have.
    """
    method = None if target.dialect != "tus" else head.get(_OVERRIDE)
    if not method or method.upper() == head.method:
        return head
    if method.upper() not in _OVERRIDES:
        raise BadRequest("X-HTTP-Method-Override is HEAD, GET, POST, PATCH or DELETE.")
    return RequestHead(
        method.upper(),
        head.raw_path,
        head.raw_query,
        head.headers,
        scheme=head.scheme,
        peer=head.peer,
    )


def dialect_of(
    head: RequestHead,
    slots: Sequence[SlotMount],
    domains: Sequence[str] = (),
    legacy: str = "",
) -> str:
    """The dialect to answer in, also where :func:`route` refuses the head. Never raises."""
    if _is_service(head):
        return "plain"
    if is_upload_path(head.raw_path):
        return _speaker(head)
    if legacy and is_legacy_path(head.raw_path) and not _names_bucket(head, domains):
        return LEGACY
    if _slot_of(head, slots) is not None:
        return "slot"
    resumable = _resumable(head)
    if resumable is not None:
        return resumable
    if head.method == "POST" and b"/" not in head.raw_path.strip(b"/") and is_form(head):
        return FORM
    try:
        query = parse_query(head.raw_query)
    except InvalidUri:
        query = (("x-amz-", ""),) if b"x-amz-" in head.raw_query.lower() else ()
    return "s3" if _speaks_s3(head, query) else "plain"


def _names_bucket(head: RequestHead, domains: Sequence[str]) -> bool:
    """Whether the host's name is, or is meant to be, a bucket's."""
    try:
        return bucket_of_host(host_of(head), domains) is not None
    except GatewayError:
        return True


def _is_service(head: RequestHead) -> bool:
    return head.raw_path == b"*" and head.method == "OPTIONS"


def _route_upload(head: RequestHead) -> Target:
    dialect = _speaker(head)
    if dialect == "chunked":
        return Target(dialect, place(head.raw_path))
    method = effective_head(head, Target(dialect, None)).method
    ref = upload_ref(head.raw_path, method)
    if ref is not None:
        return Target(dialect, None, upload=ref.id, mac=ref.mac)
    try:
        return Target(dialect, place(head.raw_path))
    except InvalidBucketName:
        if method in _OF_UPLOADS and b"/" not in head.raw_path[len(UPLOADS) + 1 :]:
            raise UploadNotFound("There is no such upload.") from None
        raise


def _speaker(head: RequestHead) -> str:
    """Who speaks under ``/-/``. Of the two that share an upload's URL, tus demands its header on everything but
    reading; what has no header of either and does not read is the IETF protocol's, whose final form needs none."""
    if is_chunked_path(head.raw_path):
        return "chunked"
    kinds = (value.partition(b";")[0].strip() for value in head.index.get(b"content-type", ()))
    kind = next(kinds, b"").lower()
    if (
        head.has(b"tus-resumable")
        or head.has(_OVERRIDE)
        or kind == b"application/offset+octet-stream"
    ):
        return "tus"
    if any(head.has(name) for name in _IETF) or kind == b"application/partial-upload":
        return "rufh"
    return "rufh" if head.method in ("PATCH", "DELETE") else "tus"


def _resumable(head: RequestHead) -> str | None:
    """The dialect of a write to an object's URL that is not all in one request; None where it is no such write."""
    if head.method not in _WRITES:
        return None
    if head.has(b"tus-resumable"):
        return "tus"
    if read_complete(head) is not None:
        return "rufh"
    if head.method != "PUT" or not head.has(b"content-range"):
        return None
    return "chunked" if head.has(b"x-upload-session-id") else "range"


def _slot_of(head: RequestHead, slots: Sequence[SlotMount]) -> tuple[SlotMount, bytes] | None:
    """The slot whose base path is the longest that matches, and the raw rest of the path."""
    if not slots:
        return None
    found = [
        (slot, rest)
        for slot in slots
        if (rest := strip_base(head.raw_path, slot.base_path)) is not None
    ]
    return min(found, key=lambda match: len(match[1]), default=None)


def _speaks_s3(head: RequestHead, query: Query) -> bool:
    for name, _ in head.headers:
        if name.startswith(b"x-amz-"):
            return True
    for parameter, _ in query:
        if parameter.lower().startswith("x-amz-"):
            return True
    return has_signature(head, query)


def _slot_key(slot: SlotMount, rest: bytes) -> ObjectKey:
    name = decode_path(rest)
    if not name or name.startswith("/"):
        raise InvalidUri("A slot's URL names a file after its base path.")
    return ObjectKey(slot.bucket, check_key(name, strict=True))


def _locate(
    raw_path: bytes, host: str, domains: Sequence[str], *, strict: bool
) -> ObjectKey | None:
    bucket = bucket_of_host(host, domains)
    if bucket is None:
        return split_path(raw_path, strict=strict)
    return ObjectKey(bucket, check_key(decode_path(raw_path[1:]), strict=strict))
