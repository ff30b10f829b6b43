"""The IETF protocol's versions, and its interim responses: ``104 (Upload Resumption Supported)``.

draft-ietf-httpbis-resumable-upload counts breaking changes by an interop version, which clients send:

3 (draft -01): ``Upload-Incomplete``, the opposite of ``Upload-Complete``, which may be missing on the last append;
no limits; no progress in 104; an append that is not the last is answered 201; PATCH of any media type.
5 (draft -03): ``Upload-Complete``; progress in 104; else as 3.
6 (drafts -04, -05): PATCH needs ``application/partial-upload``; ``Upload-Limit``, whose lifetime is ``expires``.
8 (drafts -08 to -12): the lifetime is ``max-age``; an append that is not the last is answered 204.

A request without a version is read as 8 but gets no 104: that is for those who understand it.
"""

from collections.abc import Mapping
from typing import Final

from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.protocol.object_heads import Headers
from gateway.protocol.structured_fields import read_boolean, read_size, write_boolean, write_sizes
from gateway.protocol.upload_commands import Limits

#: Versions that are answered, and the one that is the protocol's own.
VERSIONS: Final = frozenset({3, 5, 6, 8})
NEWEST: Final = 8
#: Up to this version Upload-Complete had another name.
INVERTED: Final = 3
_VERSION: Final = b"upload-draft-interop-version"


def interop_version(head: RequestHead) -> int | None:
    """The version that the client speaks; None where it tells none, or none that we speak."""
    version = read_size(head, _VERSION)
    return version if version in VERSIONS else None


def version_of(head: RequestHead) -> int:
    """The version to read and answer in."""
    return interop_version(head) or NEWEST


def read_complete(head: RequestHead) -> bool | None:
    """Whether the request's body ends the upload; None where the field is absent or no Boolean."""
    if interop_version(head) == INVERTED:
        incomplete = read_boolean(head, b"upload-incomplete")
        return None if incomplete is None else not incomplete
    return read_boolean(head, b"upload-complete")


def complete_header(version: int, complete: bool) -> Headers:
    """``Upload-Complete``, or what version 3 has for it."""
    if version == INVERTED:
        return ((b"upload-incomplete", write_boolean(not complete)),)
    return ((b"upload-complete", write_boolean(complete)),)


def limit_header(limits: Limits, version: int = NEWEST) -> Headers:
    """``Upload-Limit``; without any limit it says so (``min-size=0``). Versions before 6 have none."""
    lifetime = "expires" if version == 6 else "max-age"
    named: Mapping[str, int | None] = {
        "max-size": limits.max_size,
        lifetime: limits.max_age,
    }
    sizes = {name: size for name, size in named.items() if size is not None}
    return () if version < 6 else ((b"upload-limit", write_sizes(sizes or {"min-size": 0})),)


def absolute(head: RequestHead, location: str) -> bytes:
    """A path of ours as a URL: clients of this protocol were built on absolute ones. Scheme and host are those that
    the client used, as far as trusted proxies say so."""
    host = head.index[b"host"][0]
    return head.scheme.encode("ascii") + b"://" + host + location.encode("ascii")


def announcement(head: RequestHead, version: int, location: str, limits: Limits) -> ResponseHead:
    """The first 104 to a creation: where to go on after an interruption. ``version`` is the command's ``interim``."""
    return ResponseHead(
        104,
        (
            (b"location", absolute(head, location)),
            *limit_header(limits, version),
            (_VERSION, str(version).encode()),
        ),
    )


def progress(version: int, offset: int) -> ResponseHead | None:
    """A 104 that acknowledges ``offset`` durable bytes; None where the version knows no such thing."""
    if version == INVERTED:
        return None
    return ResponseHead(
        104, ((b"upload-offset", str(offset).encode()), (_VERSION, str(version).encode()))
    )
