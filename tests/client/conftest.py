"""Fixtures of the client's room."""

from collections.abc import Iterator

import pytest

from gateway.client import Backoff, Client
from tests.client.origin import Origin, serving


@pytest.fixture
def origin() -> Iterator[Origin]:
    with serving() as running:
        yield running


@pytest.fixture
def waits() -> list[float]:
    """How long the client waited before it tried again."""
    return []


@pytest.fixture
def client(origin: Origin, waits: list[float]) -> Iterator[Client]:
    with Client(
        origin.account, backoff=Backoff(attempts=3, rand=lambda: 1.0), sleep=waits.append
    ) as made:
        yield made
