import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidBucketName
from gateway.model import ObjectKey
from gateway.protocol.signatures.canonical import canonical_path
from gateway.storage.s3.wire_target import Site, Target
from tests.storage.s3.raw_store import connection_to


def site(url: str, *, path_style: bool = False) -> Site:
    return Site(connection_to(url, path_style=path_style).endpoint)


@pytest.mark.parametrize(
    ("url", "path_style", "bucket", "host", "authority", "path"),
    [
        ("http://s3.test:9000", True, "photos", "s3.test", b"s3.test:9000", b"/photos/k"),
        ("http://s3.test:80", True, "photos", "s3.test", b"s3.test", b"/photos/k"),
        ("https://s3.test:443/", False, "photos", "photos.s3.test", b"photos.s3.test", b"/k"),
        ("https://s3.test:80", False, "photos", "photos.s3.test", b"photos.s3.test:80", b"/k"),
        ("https://s3.test", False, "a.photos", "s3.test", b"s3.test", b"/a.photos/k"),
        ("http://s3.test", False, "a.photos", "a.photos.s3.test", b"a.photos.s3.test", b"/k"),
        ("http://s3.test", False, "a..photos", "s3.test", b"s3.test", b"/a..photos/k"),
        ("https://s3.test", False, "Old_Bucket", "s3.test", b"s3.test", b"/Old_Bucket/k"),
        ("http://127.0.0.1:1", False, "photos", "127.0.0.1", b"127.0.0.1:1", b"/photos/k"),
        ("http://[::1]:9000", False, "photos", "::1", b"[::1]:9000", b"/photos/k"),
        ("http://s3.test/a%20b/", True, "photos", "s3.test", b"s3.test", b"/a%20b/photos/k"),
        ("http://s3.test/base", False, "photos", "photos.s3.test", b"photos.s3.test", b"/base/k"),
    ],
)
def test_a_bucket_stands_where_the_endpoint_wants_it(
    url: str, path_style: bool, bucket: str, host: str, authority: bytes, path: bytes
) -> None:
    found = site(url, path_style=path_style).target(ObjectKey(bucket, "k"))
    assert found == Target(host, authority, path)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_path_is_in_the_spelling_that_is_signed(name: str) -> None:
    path = site("http://s3.test", path_style=True).target(ObjectKey("b", name)).path
    assert canonical_path(path) == path
    assert all(33 <= byte < 127 for byte in path)
    assert b"?" not in path
    assert b"#" not in path


@pytest.mark.parametrize("bucket", ["", ".", "..", "a/b", "a?b", "ü", "a b", "x" * 256])
def test_what_is_no_bucket_reaches_no_store(bucket: str) -> None:
    with pytest.raises(InvalidBucketName):
        site("http://s3.test").target(ObjectKey(bucket, "k"))
