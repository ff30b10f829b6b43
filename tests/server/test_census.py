"""Counting connections."""

import pytest

from gateway.protocol.networks import Networks
from gateway.server.census import TOLD, Census, Entry
from gateway.server.rules import Rules


def stays(census: Census, address: str) -> bool:
    """Count one in; answer whether it may stay."""
    entry = census.enter(address)
    return entry is not None and entry.full is None


def entered(census: Census, address: str) -> Entry:
    entry = census.enter(address)
    assert entry is not None
    return entry


def test_case_56_one_too_many_is_told_when_to_come_back() -> None:
    census = Census(Rules(max_connections=2))
    one, two, three = (entered(census, f"192.0.2.{number}") for number in (1, 2, 3))
    assert (one.full, two.full) == (None, None)
    assert three.full is not None
    assert (three.full.status, three.full.retry_after) == (503, 2.0)
    census.leave(three)
    assert census.total == 2
    census.leave(one)
    assert census.total == 1
    assert stays(census, "192.0.2.3")


def test_an_address_has_its_own_limit() -> None:
    census = Census(Rules(max_connections_per_address=1))
    one, two = entered(census, "192.0.2.1"), entered(census, "192.0.2.1")
    assert one.full is None
    assert two.full is not None
    assert stays(census, "192.0.2.2")
    census.leave(two)
    assert not stays(census, "192.0.2.1")
    census.leave(one)
    assert stays(census, "192.0.2.1")


def test_case_56_a_flood_from_one_address_takes_no_place_of_others() -> None:
    census = Census(Rules(max_connections=3, max_connections_per_address=1))
    flood = [census.enter("192.0.2.1") for _ in range(TOLD + 10)]
    assert flood[TOLD] is not None
    assert flood[TOLD + 1 :] == [None] * 9
    assert census.total == 1
    assert stays(census, "192.0.2.2")
    told = flood[1]
    assert told is not None
    census.leave(told)
    assert census.enter("192.0.2.1") is not None
    assert census.enter("192.0.2.1") is None


def test_leaving_twice_is_leaving_once() -> None:
    census = Census(Rules())
    entry = entered(census, "192.0.2.1")
    census.enter("192.0.2.1")
    census.leave(entry)
    census.leave(entry)
    assert census.total == 1


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("2001:db8:1:2:ffff::1", True),
        ("2001:DB8:1:2::", True),
        ("2001:db8:1:3::1", False),
        ("192.0.2.1", False),
        ("fe80::1%eth0", False),
        ("no address: at all", False),
    ],
)
def test_case_56_an_ipv6_client_counts_by_its_network(address: str, same: bool) -> None:
    """A subscriber has a /64, and may use another of its addresses for each connection."""
    census = Census(Rules(max_connections_per_address=1))
    assert stays(census, "2001:db8:1:2::1")
    assert stays(census, address) is not same


def test_an_ipv4_client_is_the_same_over_an_ipv6_socket() -> None:
    census = Census(Rules(max_connections_per_address=1))
    assert stays(census, "::ffff:192.0.2.1")
    assert not stays(census, "192.0.2.1")
    assert stays(census, "::ffff:192.0.2.2")


def test_a_trusted_proxy_has_none_also_as_a_mapped_address() -> None:
    rules = Rules(max_connections_per_address=1, proxies=Networks(["192.0.2.0/24"]))
    census = Census(rules)
    for address, free in (
        ("192.0.2.9", True),
        ("::ffff:192.0.2.9", True),
        ("2001:db8::1", False),
        ("", False),
    ):
        stays(census, address)
        assert stays(census, address) is free
