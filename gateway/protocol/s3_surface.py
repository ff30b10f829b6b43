"""Which ``x-amz-*`` headers and query parameters of S3 an object request may carry, and why.

Nothing falls through: what is not listed here is answered 501 (security case 93). Ignored is only what
cannot change what the request does; whatever asks for protection, placement or rights that Sluice
does not give is refused rather than dropped, because the sender relies on it.
"""

from functools import lru_cache
from typing import Final

from gateway.errors import BadRequest, InvalidArgument, NotImplementedHere
from gateway.protocol.commands import RequestHead
from gateway.protocol.digests import CHECKSUM_NAMES
from gateway.protocol.names import shown
from gateway.protocol.object_heads import Headers, checked_value

#: The authenticator's business, or nobody's: cannot change what is done.
_IGNORED: Final = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
        "x-amz-cf-id",  # CloudFront adds it to every request
        "x-amz-request-payer",  # nobody is billed
        "x-amz-user-agent",
    }
)
#: Taken where the value asks for what is done anyway.
_VALUES: Final = {
    # Access is a matter of Sluice's policies; these two grant nobody else anything.
    "x-amz-acl": frozenset({"private", "bucket-owner-full-control"}),
    # The bucket's configuration decides the class; the default asks for nothing.
    "x-amz-storage-class": frozenset({"STANDARD"}),
    "x-amz-checksum-type": frozenset({"FULL_OBJECT"}),
    "x-amz-checksum-mode": frozenset({"ENABLED", "DISABLED"}),
}
_WRITE_ONLY: Final = frozenset({"x-amz-acl", "x-amz-storage-class", "x-amz-checksum-type"})
_ALGORITHM_HEADERS: Final = frozenset({"x-amz-checksum-algorithm", "x-amz-sdk-checksum-algorithm"})
_CHECKSUM_HEADERS: Final = frozenset(f"x-amz-checksum-{name}" for name in CHECKSUM_NAMES)
_CHECKSUM_CLAIMS: Final = _CHECKSUM_HEADERS | _ALGORITHM_HEADERS

#: Response headers that a signed GET or HEAD may set.
_OVERRIDES: Final = {
    "response-cache-control": b"cache-control",
    "response-content-disposition": b"content-disposition",
    "response-content-encoding": b"content-encoding",
    "response-content-language": b"content-language",
    "response-content-type": b"content-type",
    "response-expires": b"expires",
}
#: Parameters of multipart uploads that stand for nothing else.
_MULTIPART: Final = frozenset({"uploads", "uploadId"})
_ONE_PUT: Final = (
    " Multipart by the client is not offered yet: send the object in one PUT, which boto3 does with"
    " TransferConfig(multipart_threshold=5*1024**3)."
)
#: Longest value of an override, in characters (security case 29).
MAX_OVERRIDE: Final = 1024


@lru_cache(maxsize=64)  # the same few with every request
def _header_named(parameter: str) -> str | None:
    """The ``x-amz-*`` header that a query parameter stands for; None where it stands for none."""
    name = parameter.lower()
    return name if name.startswith("x-amz-") else None


def amz_headers(head: RequestHead, query: dict[str, str]) -> dict[str, str]:
    """The ``x-amz-*`` headers, those that stand in the query of a presigned URL included; without metadata.

    Raises:
        BadRequest: one was sent twice, or with another value in the query than in the header.
    """
    found: dict[str, str] = {}
    for raw, _ in head.headers:
        if raw.startswith(b"x-amz-") and not raw.startswith(b"x-amz-meta-"):
            found[raw.decode("latin-1")] = head.get(raw) or ""
    for original, value in query.items():
        name = _header_named(original)
        if name is None or name.startswith("x-amz-meta-"):
            continue
        if found.setdefault(name, value) != value:
            raise BadRequest(f"{shown(name)} differs between the query and the header.")
    return found


def metadata_headers(head: RequestHead, query: dict[str, str]) -> Headers:
    """The headers with ``x-amz-meta-*`` parameters of a presigned URL added where the header is missing."""
    missing = [
        (header, value.encode("utf-8"))
        for name, value in query.items()
        if name[:11].lower() == "x-amz-meta-"
        and not head.has(header := name.lower().encode("utf-8"))
    ]
    return (*head.headers, *missing) if missing else head.headers


def check_headers(amz: dict[str, str], *, writing: bool) -> None:
    """Hold every ``x-amz-*`` header to the tables above.

    Raises:
        NotImplementedHere: one asks for what Sluice does not offer.
        BadRequest: a copy source on a request that copies nothing (security case 81).
    """
    for name, value in amz.items():
        if name in _IGNORED:
            continue
        if name == "x-amz-copy-source" and not writing:
            raise BadRequest("x-amz-copy-source belongs on PUT.")
        if name == "x-amz-content-sha256":
            if value.startswith("STREAMING-"):
                raise NotImplementedHere(
                    "Streaming payload signatures are not offered: send UNSIGNED-PAYLOAD or the SHA-256."
                )
        elif name in _VALUES and (writing or name not in _WRITE_ONLY):
            if value not in _VALUES[name]:
                raise NotImplementedHere(
                    f"{name} can be {' or '.join(sorted(_VALUES[name]))} here."
                )
        elif not writing or name not in _CHECKSUM_CLAIMS:
            raise NotImplementedHere(f"{shown(name)} asks for what Sluice does not offer.")


def checksums(amz: dict[str, str]) -> list[tuple[str, str]]:
    """The ``x-amz-checksum-<name>`` headers as (name, value)."""
    prefix = "x-amz-checksum-"
    return [
        (name.removeprefix(prefix), value)
        for name, value in amz.items()
        if name in _CHECKSUM_HEADERS
    ]


def named_algorithm(amz: dict[str, str]) -> str | None:
    """The algorithm, by its name in the model, that the request says its checksum has or should have.

    Raises:
        InvalidArgument: S3 has no such algorithm, or two are named.
    """
    named = {amz[name].lower() for name in _ALGORITHM_HEADERS if name in amz}
    if not named:
        return None
    if len(named) > 1 or not named <= CHECKSUM_NAMES.keys():
        raise InvalidArgument(f"Name one checksum algorithm of {', '.join(CHECKSUM_NAMES)}.")
    return CHECKSUM_NAMES[named.pop()]


def check_query(query: dict[str, str], *, reading: bool, ranged: bool) -> None:
    """Refuse every subresource.

    Raises:
        NotImplementedHere: a parameter that names an operation or a version.
        InvalidArgument: a part number that cannot be.
        BadRequest: a part number beside Range (security case 70).
    """
    number = query.get("partNumber")
    if number is not None:
        if reading and ranged:
            raise BadRequest("Range and partNumber exclude each other.")
        if not (number.isascii() and number.isdigit() and 1 <= int(number[:6]) <= 10_000):
            raise InvalidArgument("partNumber is 1 to 10,000.")
    for name, value in query.items():
        if _header_named(name) is not None or name == "x-id":
            continue  # headers in the query; and SDKs name the operation
        if (name == "versionId" and value == "null") or (reading and name in _OVERRIDES):
            continue
        detail = f"The query parameter {shown(name)} is not offered here."
        if name in _MULTIPART or (name == "partNumber" and not reading):
            detail += _ONE_PUT
        raise NotImplementedHere(detail)


def read_overrides(query: dict[str, str], *, signed: bool) -> Headers:
    """The response headers that the request sets.

    Raises:
        BadRequest: the request has no AWS signature: then anyone could have written them.
        InvalidArgument: over 1 KiB, not Latin-1, or with a control character.
    """
    if _OVERRIDES.keys().isdisjoint(query):
        return ()
    overrides: list[tuple[bytes, bytes]] = []
    for name, header in _OVERRIDES.items():
        value = query.get(name)
        if value is None:
            continue
        if not signed:
            raise BadRequest("Response headers can only be set by a request with an AWS signature.")
        checked_value(value, name)
        if len(value) > MAX_OVERRIDE or not all(ord(char) < 256 for char in value):
            raise InvalidArgument(f"{name} is at most {MAX_OVERRIDE} Latin-1 characters.")
        overrides.append((header, value.encode("latin-1")))
    return tuple(overrides)
