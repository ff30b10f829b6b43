"""Which addresses are in a set of them."""

import pytest

from gateway.protocol.networks import Networks

OURS = Networks(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"])


@pytest.mark.parametrize("address", ["10.1.2.3", "192.0.2.7", "2001:db8::1", "::ffff:10.1.2.3"])
def test_an_address_is_inside(address: str) -> None:
    assert address in OURS


@pytest.mark.parametrize("address", ["11.0.0.1", "192.0.2.8", "::1", "unix", "", None])
def test_an_address_is_not_inside(address: str | None) -> None:
    assert address not in OURS


def test_without_entries_nobody_is() -> None:
    assert "10.0.0.1" not in Networks()


def test_the_same_networks_are_equal() -> None:
    assert Networks(["10.0.0.1"]) == Networks(["10.0.0.1/32"]) != OURS
    assert len({Networks(), Networks([])}) == 1


def test_an_entry_that_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="balancer"):
        Networks(["balancer"])
