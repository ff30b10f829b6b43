"""Every wire test runs over plain TCP and over TLS."""

from collections.abc import Iterator

import pytest

from tests.server.lab import Lab, running


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def lab(tls: bool) -> Iterator[Lab]:
    """A front with lenient limits and frequent looks at its peers."""
    with running(tls=tls) as lab:
        yield lab
