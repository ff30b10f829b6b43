"""Counting connections."""

from gateway.protocol.networks import Networks
from gateway.server.census import Census
from gateway.server.rules import Rules


def test_case_56_one_too_many_is_told_when_to_come_back() -> None:
    census = Census(Rules(max_connections=2))
    assert census.enter("192.0.2.1") is None
    assert census.enter("192.0.2.2") is None
    full = census.enter("192.0.2.3")
    assert full is not None
    assert (full.status, full.retry_after) == (503, 2.0)
    census.leave("192.0.2.3")
    census.leave("192.0.2.1")
    assert census.total == 1
    assert census.enter("192.0.2.3") is None


def test_an_address_has_its_own_limit() -> None:
    census = Census(Rules(max_connections_per_address=1))
    assert census.enter("192.0.2.1") is None
    assert census.enter("192.0.2.1") is not None
    assert census.enter("192.0.2.2") is None
    census.leave("192.0.2.1")
    census.leave("192.0.2.1")
    assert census.enter("192.0.2.1") is None


def test_a_trusted_proxy_has_none_also_as_a_mapped_address() -> None:
    rules = Rules(max_connections_per_address=1, proxies=Networks(["192.0.2.0/24"]))
    census = Census(rules)
    for address, free in (
        ("192.0.2.9", True),
        ("::ffff:192.0.2.9", True),
        ("2001:db8::1", False),
        ("", False),
    ):
        assert census.enter(address) is None
        assert (census.enter(address) is None) is free
