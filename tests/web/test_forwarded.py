"""What proxies tell: believed from the configured ones only."""

import pytest

from gateway.web.forwarded import RawHeaders, TrustedProxies

PROXIES = TrustedProxies(["10.0.0.0/8", "fd00::1"])


def told(*pairs: tuple[str, str]) -> RawHeaders:
    return tuple((f"x-forwarded-{name}".encode(), value.encode()) for name, value in pairs)


def test_pitfall_20_a_stranger_is_not_believed() -> None:
    headers = told(("for", "1.2.3.4"), ("proto", "https"), ("host", "evil.example"))

    for peer in ("192.0.2.1", "not an address", None):
        assert PROXIES.client(peer, headers) == peer
        assert PROXIES.scheme(peer, "http", headers) == "http"
        assert PROXIES.host(peer, headers) == headers
    assert TrustedProxies([]).client("10.0.0.1", headers) == "10.0.0.1"


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4, 10.9.9.9, fd00::1", "1.2.3.4"),
        ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("1.2.3.4, unknown", "10.0.0.1"),
        ("evil\r\nline, 10.2.2.2", "10.2.2.2"),
        ("", "10.0.0.1"),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_no_proxy(value: str, client: str) -> None:
    assert PROXIES.client("10.0.0.1", told(("for", value))) == client


def test_several_lines_are_one_list() -> None:
    assert PROXIES.client("10.0.0.1", told(("for", "1.2.3.4"), ("for", "5.6.7.8"))) == "5.6.7.8"


@pytest.mark.parametrize(
    ("value", "scheme"), [("https", "https"), ("https, HTTP", "http"), ("gopher", "http")]
)
def test_the_scheme_is_the_nearest_proxys_word(value: str, scheme: str) -> None:
    assert PROXIES.scheme("::ffff:10.0.0.1", "http", told(("proto", value))) == scheme


def test_case_19_the_host_is_the_one_that_the_client_signed() -> None:
    headers = ((b"host", b"inner:8080"), *told(("host", "evil.example, files.example.org")))

    assert PROXIES.host("10.0.0.1", headers)[0] == (b"host", b"files.example.org")
    assert PROXIES.host("10.0.0.1", headers[:1]) == headers[:1]
