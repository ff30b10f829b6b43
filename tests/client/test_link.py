"""One signed request."""

from pathlib import Path

import httpx
import pytest

from gateway.client import Account, Interrupted, Refused
from gateway.client.failures import MAX_BODY
from gateway.client.link import Link
from gateway.model import ObjectKey
from gateway.protocol.signatures.sigv4 import EMPTY_SHA256
from tests.client.origin import Handler, Origin

KEY = ObjectKey("b", "k")


def test_a_second_credential_is_never_picked_up_from_netrc(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    link = Link(origin.account)
    with (
        pytest.raises(Refused, match="404"),
        link.request("GET", KEY, {}, payload_sha256=EMPTY_SHA256),
    ):
        pass
    link.close()
    assert origin.requests[0][2]["authorization"].startswith("AWS4-HMAC-SHA256")


def test_a_redirect_is_a_refusal(origin: Origin) -> None:
    def moved(handler: Handler) -> bool:
        handler.refuse(307, "TemporaryRedirect", "Go there.", Location="http://example.org/")
        return True

    origin.faults = [moved]
    link = Link(origin.account)
    with (
        pytest.raises(Refused, match="307 TemporaryRedirect: Go there."),
        link.request("GET", KEY, {}, payload_sha256=EMPTY_SHA256),
    ):
        pass
    link.close()


def test_an_endless_error_is_not_read_to_its_end(origin: Origin) -> None:
    def endless(handler: Handler) -> bool:
        handler.close_connection = True
        handler.send_response(500)
        handler.send_header("Content-Length", str(100 * MAX_BODY))
        handler.end_headers()
        handler.wfile.write(b" " * (2 * MAX_BODY))
        return True

    origin.faults = [endless]
    link = Link(origin.account)
    with (
        pytest.raises(Refused, match="500 error"),
        link.request("GET", KEY, {}, payload_sha256=EMPTY_SHA256),
    ):
        pass
    link.close()


def test_a_server_that_says_nothing_is_given_up(origin: Origin) -> None:
    def silent(handler: Handler) -> bool:
        handler.connection.settimeout(2)
        handler.rfile.read(1)
        handler.close_connection = True
        return True

    origin.faults = [silent]
    link = Link(origin.account, timeout=httpx.Timeout(0.2))
    with (
        pytest.raises(Interrupted, match="timed out|ReadTimeout"),
        link.request("GET", KEY, {}, payload_sha256=EMPTY_SHA256),
    ):
        pass
    link.close()


def test_an_endpoint_that_does_not_exist_is_told() -> None:
    link = Link(Account(endpoint="http://no-such-host.invalid", access_key_id="A", secret="s"))
    with (
        pytest.raises(Interrupted, match="no-such-host.invalid"),
        link.request("GET", KEY, {}, payload_sha256=EMPTY_SHA256),
    ):
        pass
    link.close()
