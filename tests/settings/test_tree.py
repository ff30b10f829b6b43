"""What must hold between sections."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.model import PartLimits
from gateway.pipeline.pool import SlabPool
from gateway.settings import Settings
from gateway.settings.tree import SMALLEST_BUDGET_FOR_S3

STORE = {"storage": {"main": {"kind": "memory"}}}
MOUNT = {"compatibility": {"hmac_file_server": "b"}}
SLOT = {"bucket": "b", "secret": "s", "base_path": "/upload/"}


@pytest.mark.parametrize(
    ("tree", "complaint"),
    [
        (STORE | {"buckets_default": {"storage": "no"}}, r"there is no \[storage.no\]"),
        (STORE | {"slots": {"x": SLOT}}, r"there is no \[buckets.b\]"),
        (
            STORE
            | {"buckets": {"b": {"storage": "main"}}, "slots": {"x": SLOT | {"base_path": "/b/"}}},
            "equals the name of a bucket",
        ),
        (STORE | MOUNT, r"compatibility.hmac_file_server: there is no \[buckets.b\]"),
        (
            STORE
            | {"buckets": {"photos": {"storage": "main"}}, "buckets_default": {"storage": "main"}}
            | {"compatibility": {"hmac_file_server": "photo"}},
            r"compatibility.hmac_file_server: there is no \[buckets.photo\]; did you mean 'photos'",
        ),
        (
            STORE
            | {"buckets": {name: {"storage": "main"} for name in ("b", "upload-status")}}
            | MOUNT,
            "takes the path of the bucket upload-status",
        ),
        (
            STORE | {"buckets_default": {"storage": "main"}, "slots": {"x": SLOT, "y": SLOT}},
            "slots.y.base_path is that of slots.x already",
        ),
        ({"storage": {"s": {"kind": "s3"}}, "memory": {"budget": "22MiB"}}, "at least 23MiB"),
    ],
)
def test_what_contradicts_itself_is_refused(tree: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Settings.model_validate(tree)


def test_the_smallest_budget_for_s3_holds_its_smallest_part() -> None:
    least = Settings.model_validate(
        {"storage": {"s": {"kind": "s3"}}, "memory": {"budget": SMALLEST_BUDGET_FOR_S3}}
    )
    assert SlabPool(least.memory.slabs).part_cap >= PartLimits().min_size


@pytest.mark.parametrize(
    "tree", [{"buckets": {"b": {"storage": "main"}}}, {"buckets_default": {"storage": "main"}}]
)
def test_a_mount_takes_a_bucket_that_there_is(tree: dict[str, Any]) -> None:
    settings = Settings.model_validate(STORE | tree | MOUNT)
    assert settings.compatibility.hmac_file_server == "b"


def test_a_slot_may_name_a_bucket_that_is_passed_through() -> None:
    settings = Settings.model_validate(
        STORE | {"buckets_default": {"storage": "main"}, "slots": {"x": SLOT}}
    )
    assert settings.slots["x"].bucket == "b"


def test_mounts_are_the_buckets_that_other_sections_name() -> None:
    default = STORE | {"buckets_default": {"storage": "main"}}
    assert Settings.model_validate(default).mounts == {}
    assert Settings.model_validate(default | MOUNT | {"slots": {"x": SLOT}}).mounts == {
        "slots.x.bucket": "b",
        "compatibility.hmac_file_server": "b",
    }
