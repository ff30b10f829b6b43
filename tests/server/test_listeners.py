"""Sockets to listen on."""

import socket

import pytest

from gateway.server.listeners import ListenError, open_listeners
from gateway.settings.sections import ServerSection


def test_port_zero_is_announced_as_the_port_that_was_chosen() -> None:
    listeners = open_listeners(ServerSection(port=0))
    port = listeners.main.getsockname()[1]
    assert listeners.url == f"http://127.0.0.1:{port}"
    socket.create_connection(("127.0.0.1", port)).close()
    listeners.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6_addresses_are_bracketed() -> None:
    listeners = open_listeners(ServerSection(host="::1", port=0, metrics_listen="[::1]:0"))
    assert listeners.url.startswith("http://[::1]:")
    assert listeners.metrics is not None
    listeners.close()


@pytest.mark.parametrize("address", ["9100", "localhost:", "localhost:http", "localhost:70000"])
def test_a_metrics_address_that_is_none_is_explained(address: str) -> None:
    with pytest.raises(ListenError, match="write host:port"):
        open_listeners(ServerSection(port=0, metrics_listen=address))


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(ListenError, match="cannot listen on 192.0.2.1"):
        open_listeners(ServerSection(host="192.0.2.1", port=0))
