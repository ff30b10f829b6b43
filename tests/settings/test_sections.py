"""What the sections refuse by themselves."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.settings import Settings

SLOT = {"bucket": "b", "secret": "s", "base_path": "/upload/"}


@pytest.mark.parametrize(
    ("tree", "complaint"),
    [
        ({"keys": {"A" * 16: {}}}, "exactly one of secret and secret_file"),
        ({"keys": {"A" * 16: {"secret": "s", "secret_file": "f"}}}, "exactly one"),
        ({"keys": {"A B" + "C" * 16: {"secret": "s"}}}, "pattern"),
        ({"slots": {"x": SLOT | {"base_path": "upload/"}}}, "begins and ends with /"),
        ({"slots": {"x": SLOT | {"base_path": "/-/up/"}}}, "not under /-/"),
        ({"slots": {"x": SLOT | {"base_path": "/upload"}}}, "begins and ends with /"),
        ({"server": {"tls_cert": "c"}}, "go together"),
        ({"memory": {"budget": "1000KiB"}}, "greater than or equal"),
        ({"memory": {"spool_limit": 0}}, "greater than or equal"),
    ],
)
def test_what_contradicts_itself_is_refused(tree: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Settings.model_validate(tree)


def test_tls_has_two_files() -> None:
    both = Settings.model_validate({"server": {"tls_cert": "c", "tls_key": "k"}})
    assert both.server.tls_cert is not None
