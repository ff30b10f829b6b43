"""One Host, compared as hosts are."""

import pytest

from gateway.errors import BadRequest
from gateway.protocol.commands import RequestHead
from gateway.protocol.hosts import host_of
from tests.protocol.heads import request


def test_hosts_are_compared_without_case_port_and_trailing_dot() -> None:
    assert host_of(request("GET /\nHost: Photos.Example.ORG.:8080")) == "photos.example.org"


@pytest.mark.parametrize(
    "hosts", [[], [b"a.example", b"a.example"], [b"a b"], [b"[::1"], [b"\xff"]]
)
def test_case_55_anything_but_one_valid_host_is_refused(hosts: list[bytes]) -> None:
    with pytest.raises(BadRequest, match="Host"):
        host_of(RequestHead("GET", b"/", b"", [(b"host", host) for host in hosts]))
