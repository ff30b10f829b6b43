"""What OPTIONS tells of uploads."""

import pytest

from gateway.model import ObjectKey
from gateway.protocol.commands import Target
from gateway.protocol.discovery import discovery_headers
from gateway.protocol.upload_commands import Limits
from tests.protocol.uploads import LIMITS

KEY = ObjectKey("photos", "a")


@pytest.mark.parametrize("dialect", ["tus", "rufh"])
def test_T01_T02_T03_R05_upload_urls_tell_of_both_protocols(dialect: str) -> None:
    headers = discovery_headers(Target(dialect, KEY), LIMITS)
    assert dict(headers) == {
        b"tus-resumable": b"1.0.0",
        b"tus-version": b"1.0.0",
        b"tus-extension": b"creation,creation-with-upload,creation-defer-length,expiration,checksum,"
        b"checksum-trailer,termination,concatenation",
        b"tus-checksum-algorithm": b"sha1,sha256,crc32",
        b"tus-max-size": b"1000",
        b"upload-limit": b"max-size=1000, max-age=60",
    }


def test_T03_no_limit_is_no_header_in_tus() -> None:
    headers = dict(discovery_headers(Target("tus", KEY), Limits()))
    assert b"tus-max-size" not in headers


@pytest.mark.parametrize("target", [Target("plain", KEY), Target("s3", KEY), Target("plain", None)])
def test_R05_R06_R07_objects_and_the_service_tell_the_limits(target: Target) -> None:
    assert discovery_headers(target, Limits()) == ((b"upload-limit", b"min-size=0"),)


@pytest.mark.parametrize("dialect", ["slot", "chunked"])
def test_where_no_such_upload_begins_nothing_is_told(dialect: str) -> None:
    assert discovery_headers(Target(dialect, KEY), LIMITS) == ()
