"""The kinds of values that settings have."""

import pytest
from pydantic import ValidationError

from gateway.settings import Settings


def test_lists_may_be_written_with_commas() -> None:
    settings = Settings.model_validate({"server": {"domains": "a.example, b.example,"}})
    assert settings.server.domains == ("a.example", "b.example")


def test_what_is_no_network_is_named() -> None:
    with pytest.raises(ValidationError, match="'balancer' does not appear"):
        Settings.model_validate({"server": {"trusted_proxies": "10.0.0.0/8, balancer"}})


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().server.port = 1  # type: ignore[misc]
