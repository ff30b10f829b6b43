"""Files in memory that browsers fetch, with all that is said about them."""

import hashlib
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

#: The page runs our own files, speaks to this server alone, and stands in nobody's frame.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: A browser asks every time whether there is another version (304 where not): page and scripts match.
_COMMON: Final = {
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
#: What other sites' pages may not use.
OWN: Final = {"cross-origin-resource-policy": "same-origin"}
#: What a page that people open is sent with.
PAGE: Final = OWN | {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A body and its headers, an ETag among them."""

    body: bytes
    headers: dict[str, str]

    @classmethod
    def of(cls, body: bytes, content_type: str, headers: dict[str, str]) -> "StaticFile":
        """With what is said of all, and ``headers`` beside."""
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        return cls(body, {"content-type": content_type, "etag": etag} | _COMMON | headers)

    def answer(self, request: Request) -> Response:
        """The file, or 304 where the browser has it (RFC 9110, 13.1.2: a weak comparison)."""
        asked = ",".join(request.headers.getlist("if-none-match"))
        known = [tag.strip().removeprefix("W/") for tag in asked.split(",")]
        if self.headers["etag"] in known or "*" in known:
            kept = {name: value for name, value in self.headers.items() if name != "content-type"}
            return Response(status_code=304, headers=kept)
        return Response(self.body, headers=self.headers)
