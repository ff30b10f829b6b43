"""Every wire test runs over plain TCP and over TLS."""

from collections.abc import Iterator

import pytest

from tests.server.lab import Lab, running


@pytest.fixture(params=[False, True], ids=["plain", "tls"], scope="session")
def tls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="session")
def shared_lab(tls: bool) -> Iterator[Lab]:
    with running(tls=tls) as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    """A front with lenient limits and frequent looks at its peers, and a new application."""
    shared_lab.renew()
    return shared_lab
