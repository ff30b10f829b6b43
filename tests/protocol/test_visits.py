"""Who opens the gateway's address in a browser, and who is an S3 client."""

import pytest

from gateway.protocol.commands import RequestHead
from gateway.protocol.visits import is_visit, wants_html

CHROMIUM = b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
LINES = ((b"host", b"s3.example.org"), (b"accept", CHROMIUM))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("more", [(), ((b"sec-fetch-mode", b"navigate"), (b"cookie", b"a=b"))])
def test_a_browser_that_goes_to_the_address_is_a_visit(
    method: str, more: tuple[tuple[bytes, bytes], ...]
) -> None:
    assert is_visit(RequestHead(method, b"/", headers=(*LINES, *more)), ["s3.example.org"])


@pytest.mark.parametrize(
    ("path", "query"),
    [(b"/photos", b""), (b"//", b""), (b"/", b"list-type=2"), (b"/", b"X-Amz-Signature=0")],
)
def test_nothing_but_the_address_is(path: bytes, query: bytes) -> None:
    assert not is_visit(RequestHead("GET", path, query, LINES), ())


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "OPTIONS"])
def test_who_does_more_than_look_is_none(method: str) -> None:
    assert not is_visit(RequestHead(method, b"/", headers=LINES), ())


@pytest.mark.parametrize(
    "line",
    [
        (b"authorization", b"AWS4-HMAC-SHA256 Credential=..."),
        (b"authorization", b"Bearer x"),
        (b"proxy-authorization", b"Bearer x"),
        (b"x-amz-date", b"20270101T000000Z"),
        (b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
        (b"sec-fetch-mode", b"cors"),
        (b"sec-fetch-mode", b"no-cors"),
    ],
)
def test_programs_and_who_has_a_credential_are_none(line: tuple[bytes, bytes]) -> None:
    assert not is_visit(RequestHead("GET", b"/", headers=(*LINES, line)), ())


@pytest.mark.parametrize("host", [b"photos.s3.example.org", b"B.s3.example.org", b"a b", None])
def test_a_bucket_s_own_name_is_the_bucket_s(host: bytes | None) -> None:
    lines = [(b"accept", CHROMIUM)] + ([] if host is None else [(b"host", host)])

    assert not is_visit(RequestHead("GET", b"/", headers=lines), ["s3.example.org"])


@pytest.mark.parametrize(
    ("accept", "wants"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("application/xml", False),
        ("text/htmlx, text/*", False),
        ("text/html", True),
        ("application/json, Text/HTML;level=1", True),
        ("text/html; q=0.5", True),
        ("text/html; q=0, */*", False),
        ("text/html;q = 0.000", False),
    ],
)
def test_who_wants_html_names_it(accept: str | None, wants: bool) -> None:
    assert wants_html(accept) is wants
