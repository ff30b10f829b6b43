"""URLs of uploads: strict ids, and never a place mistaken for an upload."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest
from gateway.model import ObjectKey
from gateway.protocol.upload_paths import (
    UploadRef,
    is_chunked_path,
    is_upload_path,
    place,
    referred_upload,
    upload_ref,
    without_capability,
)
from tests.protocol.uploads import ID, MAC, URL

RAW = URL.encode()


def test_an_uploads_url_is_an_id_and_a_capability() -> None:
    assert upload_ref(RAW, "HEAD") == UploadRef(ID, MAC)
    assert upload_ref(f"/-/uploads/{ID}".encode(), "PATCH") == UploadRef(ID)


@pytest.mark.parametrize("size", [16, 24, 32, 48])
def test_random_tokens_of_128_bits_and_more_are_ids(size: int) -> None:
    for _ in range(50):
        token, mac = secrets.token_urlsafe(size), secrets.token_urlsafe(size)
        path = f"/-/uploads/{token}.{mac}".encode()
        assert upload_ref(path, "HEAD") == UploadRef(token, mac)
        assert upload_ref(path, "PATCH") == UploadRef(token, mac)


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "/",
        "/photos",
        "/" + "x" * 21,
        "/" + "x" * 65,
        f"/{ID}/",
        f"/{ID}.",
        f"/{ID}.{MAC}.x",
        f"/{ID}.short",
        f"/{ID}%2E{MAC}",
        f"/{ID}\n",
        f"/{ID}/x",
        "/" + "ä" * 22,
    ],
)
def test_what_is_no_id_is_no_upload(rest: str) -> None:
    assert upload_ref(f"/-/uploads{rest}".encode("latin-1"), "HEAD") is None


def test_only_a_post_to_what_can_be_a_bucket_begins_an_upload_where_both_look_alike() -> None:
    path = b"/-/uploads/abcdefghijklmnopqrstuvwxyz"
    assert upload_ref(path, "POST") is None
    assert upload_ref(path, "HEAD") == UploadRef("abcdefghijklmnopqrstuvwxyz")
    assert upload_ref(RAW, "POST") == UploadRef(ID, MAC)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (b"/-/uploads", None),
        (b"/-/uploads/", None),
        (b"/-/uploads/photos", ObjectKey("photos", "")),
        (b"/-/uploads/photos/", ObjectKey("photos", "")),
        (b"/-/uploads/photos/a%2Fb/c", ObjectKey("photos", "a/b/c")),
        (b"/-/chunked", None),
        (b"/-/chunked/photos/a", ObjectKey("photos", "a")),
    ],
)
def test_a_place_is_a_bucket_and_a_key(path: bytes, key: ObjectKey | None) -> None:
    assert is_upload_path(path)
    assert is_chunked_path(path) == path.startswith(b"/-/chunked")
    assert place(path) == key


@pytest.mark.parametrize(
    "path", [b"/-/uploads/photos/..", b"/-/uploads/Photos/a", b"/-/chunked/a/b"]
)
def test_case_58_a_place_is_held_to_the_strict_rules(path: bytes) -> None:
    with pytest.raises(BadRequest):
        place(path)


@pytest.mark.parametrize(
    "path", [b"/-/uploadsx", b"/-/upload", b"/-/healthz", b"/-/", b"/photos/a"]
)
def test_other_paths_are_somebody_elses(path: bytes) -> None:
    assert not is_upload_path(path)


@pytest.mark.parametrize(
    ("reference", "base"),
    [
        (URL, "/-/uploads/photos"),
        (f"https://other.example{URL}?x#y", "/-/uploads/photos"),
        (f"{ID}.{MAC}", "/-/uploads/photos"),
        (f"../{ID}.{MAC}", "/-/uploads/photos/a"),
        (f"//host{URL}", "/-/uploads/photos"),
    ],
)
def test_a_reference_is_resolved_against_the_request(reference: str, base: str) -> None:
    assert referred_upload(reference, base.encode()) == UploadRef(ID, MAC)


@pytest.mark.parametrize("reference", ["", "x", "/photos/a", "http://[", f"{URL}/x", "/-/uploads"])
def test_a_reference_to_anything_else_is_none(reference: str) -> None:
    assert referred_upload(reference, b"/-/uploads/photos") is None


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_resolving_never_fails(reference: str) -> None:
    referred_upload(reference, b"/-/uploads/photos")


@given(st.binary(max_size=80))
def test_a_logged_path_never_holds_a_capability(tail: bytes) -> None:
    for dot in (".", "%2E", "%2e"):
        path = f"/-/uploads/{ID}{dot}".encode() + tail.replace(b"/", b"")
        assert without_capability(path) == f"/-/uploads/{ID}".encode()


@pytest.mark.parametrize("path", [b"/-/uploads/my.bucket/a.b", b"/photos/a.b", b"/-/uploads/a.b"])
def test_other_paths_are_logged_as_they_are(path: bytes) -> None:
    assert without_capability(path) == path
