"""What the sections of stores and buckets refuse."""

import pytest
from pydantic import ValidationError

from gateway.settings import Settings

STORE = {"storage": {"main": {"kind": "memory"}}}


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


@pytest.mark.parametrize(
    ("section", "place"),
    [
        (
            {"kind": "s3", "endpoint_url": "http://me:hidden@h:1/base"},
            "http://h:1/base",
        ),
        ({"kind": "s3", "region": "eu-west-1"}, "Amazon's for eu-west-1"),
        ({"kind": "local", "path": "/srv/objects"}, "/srv/objects"),
        ({"kind": "memory"}, "in memory"),
    ],
)
def test_a_store_says_where_it_is_and_no_password(section: dict[str, str], place: str) -> None:
    assert Settings.model_validate({"storage": {"main": section}}).storage["main"].place == place
