"""Rules from settings."""

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
    assert all(proxy in rules.proxies for proxy in ("10.0.0.1", "2001:db8::1"))
    assert "10.0.0.2" not in rules.proxies
