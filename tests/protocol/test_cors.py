"""CORS: closed unless listed, never with credentials."""

import pytest

from gateway.protocol.cors import Cors, is_preflight
from gateway.protocol.dialects.tus import TusDialect
from tests.protocol.heads import request

APP = "https://app.example.org"
LISTED, ANY, CLOSED = Cors(frozenset({APP}), 60), Cors(frozenset({"*"})), Cors()
VARY = (b"vary", b"Origin")
PREFLIGHT = (
    "OPTIONS /photos/a\nOrigin: {}\nAccess-Control-Request-Method: PUT\n"
    "Access-Control-Request-Headers: content-type, x-amz-meta-a"
)


def test_case_87_only_listed_origins_are_answered_and_caches_know() -> None:
    headers = LISTED.response_headers(request(f"GET /photos/a\nOrigin: {APP}"))
    assert headers[0] == (b"access-control-allow-origin", APP.encode())
    assert b"ETag" in dict(headers)[b"access-control-expose-headers"]
    assert headers[-1] == VARY


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", APP + ".evil.example", APP.upper(), "", APP + "/", "ü"],
)
def test_case_87_other_origins_get_nothing_but_vary(origin: str) -> None:
    assert LISTED.response_headers(request(f"GET /photos/a\nOrigin: {origin}")) == (VARY,)


def test_case_87_without_origins_cors_is_closed() -> None:
    for text in (f"GET /photos/a\nOrigin: {APP}", "GET /photos/a"):
        assert CLOSED.response_headers(request(text)) == ()
    assert CLOSED.preflight_headers(request(PREFLIGHT.format(APP)), ("GET",)) == ()


def test_case_87_two_origins_are_nobodys() -> None:
    head = request(f"GET /photos/a\nOrigin: {APP}\nOrigin: {APP}")
    assert LISTED.response_headers(head) == (VARY,)


def test_any_origin_is_answered_with_a_star_that_caches_may_share() -> None:
    headers = ANY.response_headers(request("GET /photos/a\nOrigin: null"))
    assert headers[0] == (b"access-control-allow-origin", b"*")
    assert b"vary" not in dict(headers)
    assert ANY.response_headers(request("GET /photos/a")) == ()


@pytest.mark.parametrize("cors", [LISTED, ANY])
def test_case_87_credentials_are_never_allowed(cors: Cors) -> None:
    head = request(PREFLIGHT.format(APP))
    for headers in (cors.response_headers(head), cors.preflight_headers(head, ("GET",))):
        assert b"access-control-allow-credentials" not in dict(headers)


def test_a_preflight_is_told_the_methods_and_the_headers_it_asked_for() -> None:
    vary = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    assert LISTED.preflight_headers(request(PREFLIGHT.format(APP)), ("GET", "PUT")) == (
        (b"access-control-allow-origin", APP.encode()),
        (b"access-control-allow-methods", b"GET, PUT"),
        (b"access-control-max-age", b"60"),
        (b"access-control-allow-headers", b"content-type, x-amz-meta-a"),
        (b"vary", vary),
    )
    refused = request(PREFLIGHT.format("https://evil.example"))
    assert LISTED.preflight_headers(refused, ("GET",)) == ((b"vary", vary),)
    bare = request(f"OPTIONS /photos/a\nOrigin: {APP}\nAccess-Control-Request-Method: GET")
    allowed = dict(LISTED.preflight_headers(bare, ("GET",)))
    assert b"access-control-allow-headers" not in allowed


def test_a_preflight_is_options_with_origin_and_method() -> None:
    assert is_preflight(request(PREFLIGHT.format(APP)))
    assert not is_preflight(request("OPTIONS /photos/a"))
    assert not is_preflight(request(f"OPTIONS /photos/a\nOrigin: {APP}"))
    assert not is_preflight(
        request(f"GET /photos/a\nOrigin: {APP}\nAccess-Control-Request-Method: GET")
    )


def test_T82_a_page_may_read_what_resumable_uploads_tell() -> None:
    head = request("HEAD /-/uploads/x\nOrigin: https://app.example.org")
    headers = dict(Cors(frozenset({"https://app.example.org"})).response_headers(head))
    exposed = {name.strip() for name in headers[b"access-control-expose-headers"].split(b",")}
    wanted = (
        b"Location Upload-Offset Upload-Length Upload-Metadata Upload-Expires Upload-Defer-Length "
        b"Upload-Concat Upload-Complete Upload-Limit Range Tus-Resumable Tus-Version Tus-Extension "
        b"Tus-Max-Size Tus-Checksum-Algorithm"
    )
    assert set(wanted.split()) <= exposed


def test_T82_a_preflight_allows_what_tus_needs() -> None:
    head = request(
        "OPTIONS /-/uploads/photos\nOrigin: https://a.example\nAccess-Control-Request-Method: PATCH\n"
        "Access-Control-Request-Headers: tus-resumable,x-request-id,x-http-method-override"
    )
    headers = dict(Cors(frozenset({"*"})).preflight_headers(head, TusDialect.methods))
    methods = headers[b"access-control-allow-methods"].split(b", ")
    assert set(methods) == {b"POST", b"HEAD", b"PATCH", b"DELETE", b"GET", b"OPTIONS"}
    allowed = headers[b"access-control-allow-headers"]
    assert allowed == b"tus-resumable,x-request-id,x-http-method-override"
