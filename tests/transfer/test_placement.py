"""Where clients' keys really lie."""

from typing import Any

import pytest

from gateway.errors import BucketNotFound, KeyTooLong
from gateway.model import Attributes, ObjectKey
from gateway.settings import Settings
from gateway.storage.memory import MemoryStore
from gateway.transfer.placement import Placements

BUCKETS = {
    "plain": {"storage": "a"},
    "mapped": {"storage": "b", "bucket": "real", "prefix": "team1/", "anonymous": "public-read"},
    "cold": {"storage": "a", "storage_class": "GLACIER", "sse": "aws:kms", "sse_kms_key_id": "k"},
}


def placements(**sections: Any) -> Placements:
    stores = {"a": {"kind": "memory"}, "b": {"kind": "memory"}}
    settings = Settings.model_validate({"storage": stores, "buckets": BUCKETS} | sections)
    return Placements(settings, {name: MemoryStore(name) for name in stores})


@pytest.mark.parametrize(
    ("key", "store", "real"),
    [
        (ObjectKey("plain", "k"), "a", ObjectKey("plain", "k")),
        (ObjectKey("mapped", "../other"), "b", ObjectKey("real", "team1/../other")),
    ],
)
def test_a_bucket_is_mapped_as_its_section_says(
    key: ObjectKey, store: str, real: ObjectKey
) -> None:
    placement = placements().resolve(key)

    assert (placement.store.name, placement.key) == (store, real)


def test_unlisted_buckets_exist_only_with_a_default() -> None:
    key = ObjectKey("other", "k")
    with pytest.raises(BucketNotFound):
        placements().resolve(key)
    assert placements(buckets_default={"storage": "b"}).resolve(key).key == key


def test_case_64_a_prefix_counts_for_the_length_of_a_key() -> None:
    with pytest.raises(KeyTooLong):
        placements().resolve(ObjectKey("mapped", "ü" * 510))
    placements().resolve(ObjectKey("mapped", "ü" * 509))


def test_a_bucket_adds_its_attributes_to_the_clients() -> None:
    sent = Attributes(content_type="text/plain")
    found = placements().resolve(ObjectKey("cold", "k")).attributes(sent)

    assert (found.content_type, found.storage_class) == ("text/plain", "GLACIER")
    assert (found.sse, found.sse_kms_key_id) == ("aws:kms", "k")
    assert placements().resolve(ObjectKey("plain", "k")).attributes(sent) is sent


def test_anonymous_requests_have_the_policy_of_their_bucket_or_none() -> None:
    closed = placements().anonymous()
    opened = placements(buckets_default={"storage": "a", "anonymous": "read-only"}).anonymous()

    assert dict(closed) == dict(opened) == {"mapped": "public-read"}
    assert len(opened) == 1
    assert (closed.get("plain"), closed.get("other")) == (None, None)
    assert (opened.get("plain"), opened.get("other")) == (None, "read-only")


def test_areas_are_what_is_listed() -> None:
    found = [(store.name, bucket, prefix) for store, bucket, prefix in placements().areas()]

    assert found == [("a", "plain", ""), ("b", "real", "team1/"), ("a", "cold", "")]
    assert placements().passed_to is None


async def test_mounted_buckets_are_areas_and_the_rest_is_passed_through() -> None:
    slot = {"base_path": "/up/", "secret": "s"}
    found = placements(
        buckets_default={"storage": "b"},
        slots={"x": slot | {"bucket": "drop"}, "y": slot | {"bucket": "plain", "base_path": "/y/"}},
    )
    assert [(store.name, bucket) for store, bucket, _ in found.areas()][3:] == [("b", "drop")]
    mounted = placements(
        buckets_default={"storage": "b"}, compatibility={"hmac_file_server": "files"}
    )
    assert [(store.name, bucket) for store, bucket, _ in mounted.areas()][3:] == [("b", "files")]
    assert found.passed_to is not None
    assert found.named() == {"plain", "mapped", "cold", "drop"}
    for bucket in ("films", "cold", "drop"):
        await found.passed_to.put(ObjectKey(bucket, "k"), [], Attributes())
    assert await found.passed_through() == ["films"]
    assert await placements().passed_through() == []
