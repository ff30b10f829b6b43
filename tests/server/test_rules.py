"""Rules from settings."""

import pytest

from gateway.server.rules import Rules
from gateway.settings.sections import ServerSection


def test_the_defaults_of_the_settings_are_the_defaults_of_the_rules() -> None:
    assert Rules.of(ServerSection()) == Rules()


def test_settings_become_rules() -> None:
    section = ServerSection(
        max_head=4096, trusted_proxies=("10.0.0.1", "2001:db8::/32"), keep_alive=5
    )
    rules = Rules.of(section)
    assert (rules.max_head, rules.keep_alive) == (4096, 5)
    assert [str(network) for network in rules.proxies] == ["10.0.0.1/32", "2001:db8::/32"]


def test_a_proxy_that_is_no_address_stops_the_start() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        Rules.of(ServerSection(trusted_proxies=("nonsense",)))
