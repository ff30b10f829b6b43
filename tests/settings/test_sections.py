"""What the sections refuse by themselves."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.model import PartLimits
from gateway.pipeline.slabs import SlabPool
from gateway.settings import Settings
from gateway.settings.sections import SMALLEST_BUDGET_FOR_S3

STORE = {"storage": {"main": {"kind": "memory"}}}
MOUNT = {"compatibility": {"hmac_file_server": "b"}}
SLOT = {"bucket": "b", "secret": "s", "base_path": "/upload/"}


def test_lists_may_be_written_with_commas() -> None:
    settings = Settings.model_validate({"server": {"domains": "a.example, b.example,"}})
    assert settings.server.domains == ("a.example", "b.example")


@pytest.mark.parametrize(
    ("tree", "complaint"),
    [
        ({"keys": {"A" * 16: {}}}, "exactly one of secret and secret_file"),
        ({"keys": {"A" * 16: {"secret": "s", "secret_file": "f"}}}, "exactly one"),
        ({"keys": {"A B" + "C" * 16: {"secret": "s"}}}, "pattern"),
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
        ({"slots": {"x": SLOT | {"base_path": "upload/"}}}, "begins and ends with /"),
        ({"slots": {"x": SLOT | {"base_path": "/-/up/"}}}, "not under /-/"),
        ({"slots": {"x": SLOT | {"base_path": "/upload"}}}, "begins and ends with /"),
        (
            STORE | {"buckets_default": {"storage": "main"}, "slots": {"x": SLOT, "y": SLOT}},
            "slots.y.base_path is that of slots.x already",
        ),
        ({"server": {"trusted_proxies": "10.0.0.0/8, balancer"}}, "'balancer' does not appear"),
        ({"storage": {"s": {"kind": "s3"}}, "memory": {"budget": "22MiB"}}, "at least 23MiB"),
        ({"memory": {"budget": "1000KiB"}}, "greater than or equal"),
        ({"memory": {"spool_limit": 0}}, "greater than or equal"),
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


def test_tls_needs_both_files() -> None:
    both = Settings.model_validate({"server": {"tls_cert": "c", "tls_key": "k"}})
    assert both.server.tls_cert is not None


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().server.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "url",
    [
        "s3.example.org",
        "127.0.0.1:9000",
        "//h",
        "ftp://h",
        "http://",
        "http://[::1",
        "http://h:x",
        "http://h:0",
    ],
)
def test_an_endpoint_is_a_whole_url(url: str) -> None:
    with pytest.raises(ValidationError, match="not the URL of a store"):
        Settings.model_validate({"storage": {"main": {"kind": "s3", "endpoint_url": url}}})


@pytest.mark.parametrize("url", ["http://[::1]:7480", "https://s3.example.org/base"])
def test_an_endpoint_may_have_a_port_and_a_path(url: str) -> None:
    found = Settings.model_validate({"storage": {"main": {"kind": "s3", "endpoint_url": url}}})
    assert getattr(found.storage["main"], "endpoint_url", None) == url


@pytest.mark.parametrize("sse", [{}, {"sse": "AES256"}])
def test_a_kms_key_without_kms_is_refused(sse: dict[str, str]) -> None:
    options = {"storage": "main", "sse_kms_key_id": "k"} | sse
    for tree in ({"buckets": {"a": options}}, {"buckets_default": options}):
        with pytest.raises(ValidationError, match='needs sse = "aws:kms"'):
            Settings.model_validate(STORE | tree)
