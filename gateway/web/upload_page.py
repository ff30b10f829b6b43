"""What browsers fetch: the upload page ``/-/upload`` and what it is made of, under ``/-/static/``.

The files say nothing that a credential would guard: what they send is authenticated when it comes, as
any client's. Nothing is inline and nothing comes from elsewhere, so that the policy can be the strictest.
"""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FOLDER: Final = Path(__file__).parent / "static"

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
_PAGE: Final = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
#: The module is for other sites' pages too. Whom the gateway lets upload from there is ``cors.origins``' matter.
_FOR_ALL: Final = {
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
}
_OWN: Final = {"cross-origin-resource-policy": "same-origin"}
_SCRIPT: Final = "text/javascript; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _File:
    """A file in memory, with all that is said about it."""

    body: bytes
    headers: dict[str, str]

    @property
    def etag(self) -> str:
        return self.headers["etag"]


def _read(name: str, content_type: str, headers: dict[str, str]) -> _File:
    body = (_FOLDER / name).read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return _File(body, {"content-type": content_type, "etag": etag} | _COMMON | headers)


def routes() -> list[Route]:
    """The page and its files, read once. They need no credential.

    Raises:
        OSError: the installation lacks one.
    """
    files = {
        "/-/upload": _read("upload.html", "text/html; charset=utf-8", _PAGE | _OWN),
        "/-/static/upload.css": _read("upload.css", "text/css; charset=utf-8", _OWN),
        "/-/static/upload.js": _read("upload.js", _SCRIPT, _OWN),
        "/-/static/sluice.js": _read("sluice.js", _SCRIPT, _FOR_ALL),
    }
    return [Route(path, partial(_serve, file)) for path, file in files.items()]


async def _serve(file: _File, request: Request) -> Response:
    """The file, or 304 where the browser has it (RFC 9110, 13.1.2: a weak comparison)."""
    asked = ",".join(request.headers.getlist("if-none-match"))
    known = [tag.strip().removeprefix("W/") for tag in asked.split(",")]
    if file.etag in known or "*" in known:
        headers = {name: value for name, value in file.headers.items() if name != "content-type"}
        return Response(status_code=304, headers=headers)
    return Response(file.body, headers=file.headers)
