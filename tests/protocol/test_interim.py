"""Interim responses and interop versions."""

import pytest

from gateway.protocol.interim import (
    VERSIONS,
    absolute,
    announcement,
    complete_header,
    interop_version,
    limit_header,
    progress,
    read_complete,
    version_of,
)
from gateway.protocol.upload_commands import Limits
from tests.protocol.heads import request, shown
from tests.protocol.uploads import LIMITS, URL


def told(version: object, lines: str = "") -> str:
    return f"PUT /photos/a\nUpload-Draft-Interop-Version: {version}\n{lines}"


@pytest.mark.parametrize("version", sorted(VERSIONS))
def test_versions_in_the_field_are_spoken(version: int) -> None:
    head = request(told(version))
    assert interop_version(head) == version_of(head) == version


@pytest.mark.parametrize("version", [0, 4, 7, 9, "", "?1", "8.0"])
def test_R12_an_unknown_version_is_read_as_the_newest(version: object) -> None:
    head = request(told(version))
    assert (interop_version(head), version_of(head)) == (None, 8)


def test_completeness_by_version() -> None:
    assert read_complete(request(told(8, "Upload-Complete: ?1"))) is True
    assert read_complete(request(told(8, "Upload-Incomplete: ?1"))) is None
    assert read_complete(request(told(3, "Upload-Incomplete: ?1"))) is False
    assert read_complete(request(told(3, "Upload-Complete: ?1"))) is None
    assert complete_header(3, True) == ((b"upload-incomplete", b"?0"),)
    assert complete_header(5, True) == ((b"upload-complete", b"?1"),)


def test_limits_by_version() -> None:
    assert limit_header(LIMITS, 5) == ()
    assert limit_header(Limits(max_age=5), 6) == ((b"upload-limit", b"expires=5"),)
    assert limit_header(Limits(max_age=5)) == ((b"upload-limit", b"max-age=5"),)
    assert limit_header(Limits()) == ((b"upload-limit", b"min-size=0"),)


def test_R11_R15_the_first_104_says_where_to_go_on() -> None:
    head = request(told(8))
    assert shown(announcement(head, 8, URL, LIMITS)).split("\n") == [
        "104",
        f"location: http://127.0.0.1:8080{URL}",
        "upload-limit: max-size=1000, max-age=60",
        "upload-draft-interop-version: 8",
    ]
    old = dict(announcement(head, 3, URL, LIMITS).headers)
    assert old[b"upload-draft-interop-version"] == b"3"
    assert b"upload-limit" not in old


def test_R16_R43_progress_has_an_offset_and_no_location() -> None:
    head = progress(8, 5)
    assert head is not None
    assert (head.status, head.headers, head.body) == (
        104,
        ((b"upload-offset", b"5"), (b"upload-draft-interop-version", b"8")),
        b"",
    )
    assert progress(3, 5) is None


def test_a_location_is_where_the_client_was() -> None:
    assert absolute(request("PUT /\nHost: a.example:1"), "/x") == b"http://a.example:1/x"
