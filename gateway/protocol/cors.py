"""Cross-origin requests from browsers (Fetch standard, "CORS protocol"). Closed unless origins are listed.

Sluice's credentials are headers and URLs, never cookies, so ``Access-Control-Allow-Credentials`` is
never sent: a page cannot borrow what a browser holds for us (security case 87).
"""

from dataclasses import dataclass
from typing import Final

from gateway.protocol.commands import RequestHead
from gateway.protocol.object_heads import Headers

_EXPOSED: Final = (
    # The star is for user metadata; browsers that do not know it read the names.
    b"*, ETag, Location, Content-Range, Content-Length, Content-Disposition, Accept-Ranges, "
    b"Last-Modified, Repr-Digest, Retry-After, X-Request-Id, x-amz-request-id, x-amz-version-id, "
    b"x-amz-checksum-crc32, x-amz-checksum-crc32c, x-amz-checksum-crc64nvme, x-amz-checksum-sha1, "
    b"x-amz-checksum-sha256, "
    b"Upload-Offset, Upload-Length, Upload-Metadata, Upload-Expires, Upload-Defer-Length, Upload-Concat, "
    b"Upload-Complete, Upload-Incomplete, Upload-Limit, Upload-Draft-Interop-Version, Range, "
    b"Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm"
)


@dataclass(frozen=True, slots=True)
class Cors:
    """Whose pages may call: exact origins (``https://app.example.org``), or ``*`` for any.

    ``max_age`` is how many seconds a browser may remember a preflight.
    """

    origins: frozenset[str] = frozenset()
    max_age: int = 600

    def _allowed(self, origin: str | None) -> bytes | None:
        if origin is None:
            return None
        if "*" in self.origins:
            return b"*"
        return origin.encode("latin-1") if origin in self.origins else None

    def _vary(self) -> Headers:
        """The answer depends on Origin, also where there was none, unless it is the same for all or for nobody."""
        return ((b"vary", b"Origin"),) if self.origins and "*" not in self.origins else ()

    def response_headers(self, head: RequestHead) -> Headers:
        """What goes on every answer, errors included, beside the dialect's own headers."""
        if not self.origins:
            return ()
        origin = self._allowed(_origin(head))
        if origin is None:
            return self._vary()
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
            *self._vary(),
        )

    def preflight_headers(self, head: RequestHead, methods: tuple[str, ...]) -> Headers:
        """What goes on the answer to a preflight; ``methods`` are those that exist at the target.

        The headers asked for are allowed as asked: which of them a request may carry is decided when
        it comes, signed.
        """
        vary = (
            (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        )
        origin = self._allowed(_origin(head))
        if origin is None:
            return vary if self.origins else ()
        headers: Headers = (
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-methods", ", ".join(methods).encode("ascii")),
            (b"access-control-max-age", str(self.max_age).encode()),
        )
        asked = head.joined(b"access-control-request-headers")
        if asked:
            headers += ((b"access-control-allow-headers", asked.encode("latin-1")),)
        return headers + vary


def _origin(head: RequestHead) -> str | None:
    """The only Origin. More than one is nobody's."""
    values = head.index.get(b"origin", ())
    return values[0].decode("latin-1") if len(values) == 1 else None


def is_preflight(head: RequestHead) -> bool:
    """Whether this is a browser asking before it sends: answered without a credential, nothing else is."""
    return (
        head.method == "OPTIONS"
        and head.has(b"origin")
        and head.has(b"access-control-request-method")
    )
