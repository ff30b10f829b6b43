"""What a configuration says without effect."""

import pytest

from gateway.settings import Settings
from gateway.settings.notices import notices

STORES = {"main": {"kind": "memory"}}


def test_that_no_request_creates_buckets_yet_is_said() -> None:
    default = {"storage": "main", "create": True}
    settings = Settings.model_validate({"storage": STORES, "buckets_default": default})
    (notice,) = notices(settings)
    assert notice.startswith("buckets_default.create has no effect yet")


@pytest.mark.parametrize(
    "more", [{"buckets": {"photos": {"storage": "main"}}}, {"buckets_default": {"storage": "main"}}]
)
def test_what_has_its_effect_needs_no_notice(more: dict[str, object]) -> None:
    assert notices(Settings.model_validate({"storage": STORES} | more)) == []


def test_that_no_bucket_is_configured_is_said() -> None:
    (notice,) = notices(Settings.model_validate({"storage": STORES}))
    assert notice.startswith("No bucket is configured")
