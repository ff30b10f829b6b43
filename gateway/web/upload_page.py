"""What browsers fetch: the upload page ``/-/upload`` and what it is made of, under ``/-/static/``.

The files say nothing that a credential would guard: what they send is authenticated when it comes, as
any client's. Nothing is inline and nothing comes from elsewhere, so that the policy can be the strictest.
"""

from functools import partial
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.web.static_files import OWN, PAGE, StaticFile

_FOLDER: Final = Path(__file__).parent / "static"

#: The module is for other sites' pages too. Whom the gateway lets upload from there is ``cors.origins``' matter.
_FOR_ALL: Final = {
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
}
_SCRIPT: Final = "text/javascript; charset=utf-8"


def routes() -> list[Route]:
    """The page and its files, read once. They need no credential.

    Raises:
        OSError: the installation lacks one.
    """
    files = {
        "/-/upload": _read("upload.html", "text/html; charset=utf-8", PAGE),
        "/-/static/upload.css": _read("upload.css", "text/css; charset=utf-8", OWN),
        "/-/static/upload.js": _read("upload.js", _SCRIPT, OWN),
        "/-/static/sluice.js": _read("sluice.js", _SCRIPT, _FOR_ALL),
    }
    return [Route(path, partial(_serve, file)) for path, file in files.items()]


def _read(name: str, content_type: str, headers: dict[str, str]) -> StaticFile:
    return StaticFile.of((_FOLDER / name).read_bytes(), content_type, headers)


async def _serve(file: StaticFile, request: Request) -> Response:
    return file.answer(request)
