"""What a person sees who opens the gateway's address: what this is, and what is where.

At ``/-/``; and at ``/`` for browsers that come without a credential (:mod:`gateway.protocol.visits`): to everybody else
``/`` is the service, as S3 knows it. It says nothing that the pages it names do not say to anybody.
"""

from functools import partial
from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.protocol.visits import wants_html
from gateway.web.static_files import PAGE, StaticFile

_HEADERS: Final = PAGE | {"vary": "Accept"}
_ABOUT: Final = (
    "This is a Sluice gateway: programs store files here and fetch them, with signed requests. "
    "There is nothing to browse."
)
#: Headings, and under each: a path below ``/-/`` (empty: none to open), how it is written, what is there.
_SECTIONS: Final = (
    (
        "For people",
        (("upload", "/-/upload", "send files from this browser, with a token or a link"),),
    ),
    (
        "For programs",
        (
            ("", "/BUCKET/KEY", "objects: S3's requests, or plain HTTP with a signed URL or token"),
            ("", "/-/uploads/BUCKET/KEY", "resumable uploads: tus, and the IETF's"),
            ("", "/-/chunked/BUCKET/KEY", "uploads in chunks, in any order"),
            ("static/sluice.js", "/-/static/sluice.js", "the client for web pages"),
        ),
    ),
    (
        "For those who run it",
        (
            ("healthz", "/-/healthz", "is the process alive"),
            ("readyz", "/-/readyz", "can it reach its stores and sessions"),
            ("metrics", "/-/metrics", "figures for Prometheus"),
            ("version", "/-/version", "name and version"),
            ("errors/", "/-/errors/", "what each error means, and what to do about it"),
        ),
    ),
)


def routes(*, metrics: bool) -> list[Route]:
    """The page at both places; without the metrics where these have a listener of their own."""
    html = partial(_html, metrics=metrics)
    text = StaticFile.of(_text(metrics).encode(), "text/plain; charset=utf-8", _HEADERS)
    return [
        Route("/", partial(_serve, html("-/"), None)),
        Route("/-/", partial(_serve, html(""), text)),
    ]


async def _serve(page: StaticFile, text: StaticFile | None, request: Request) -> Response:
    """The page; as ``text`` for who did not ask for HTML, where there is one."""
    asked = ",".join(request.headers.getlist("accept"))
    return (page if text is None or wants_html(asked) else text).answer(request)


def _html(base: str, *, metrics: bool) -> StaticFile:
    """The page, whose links begin with ``base``."""
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<title>Sluice</title>\n'
        f'<link rel="stylesheet" href="{base}static/upload.css">\n</head>\n'
        f"<body>\n<main>\n<h1>Sluice</h1>\n<p>{escape(_ABOUT)}</p>\n"
    ]
    for title, entries in _SECTIONS:
        parts.append(f"<section>\n<h2>{escape(title)}</h2>\n<ul>\n")
        for path, written, what in entries:
            if path == "metrics" and not metrics:
                continue
            name = f"<code>{escape(written)}</code>"
            link = f'<a href="{base}{path}">{name}</a>' if path else name
            parts.append(f"<li>{link}: {escape(what)}</li>\n")
        parts.append("</ul>\n</section>\n")
    parts.append("</main>\n</body>\n</html>\n")
    return StaticFile.of("".join(parts).encode(), "text/html; charset=utf-8", _HEADERS)


def _text(metrics: bool) -> str:
    """The same for terminals."""
    lines = [_ABOUT]
    for title, entries in _SECTIONS:
        lines += ["", f"{title}:"]
        lines += [
            f"  {written:<23}{what}"
            for path, written, what in entries
            if path != "metrics" or metrics
        ]
    return "\n".join([*lines, ""])
