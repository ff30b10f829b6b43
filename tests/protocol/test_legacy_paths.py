"""What the two paths of HMAC File Server are for, where they are mounted."""

import pytest

from gateway.errors import BadRequest, GatewayError, InvalidUri, KeyTooLong, UploadNotFound
from gateway.model import ObjectKey
from gateway.protocol.commands import Target
from gateway.protocol.legacy_paths import LEGACY, file_name, legacy_target
from gateway.protocol.routing import dialect_of, route
from tests.protocol.heads import request
from tests.protocol.uploads import ID


def target(text: str, legacy: str = "drop", domains: tuple[str, ...] = ()) -> Target:
    return route(request(text), (), domains, legacy)


def test_a_file_or_a_session_is_meant() -> None:
    named = target("POST /chunked-upload\nX-Filename: a/b.txt")
    assert named == Target(LEGACY, ObjectKey("drop", "a/b.txt"))
    assert target("POST /chunked-upload") == Target(LEGACY, None)
    session = Target(LEGACY, None, upload=ID)
    assert target(f"PUT /chunked-upload\nX-Upload-Session-ID: {ID}\nX-Filename: a") == session
    assert target(f"GET /upload-status?session_id={ID}&x=1") == session
    assert target("OPTIONS /upload-status") == Target(LEGACY, None)


def test_other_paths_and_hosts_and_gateways_know_nothing_of_it() -> None:
    assert target("GET /upload-status/x").key == ObjectKey("upload-status", "x")
    assert target("PUT /chunked-upload/x").dialect == "plain"
    assert target("GET /upload-status?session_id=x", legacy="").dialect == "plain"
    hosted = target("PUT /chunked-upload\nHost: photos.s3.example", domains=("s3.example",))
    assert hosted.key == ObjectKey("photos", "chunked-upload")


def test_what_is_refused_there_is_told_as_there() -> None:
    """Its clients read no XML, also when their requests are signed."""
    refused = "POST /chunked-upload\nX-Filename: /\nX-Amz-Date: 0"
    hosted = request(f"{refused}\nHost: photos.s3.example")
    assert dialect_of(request(refused), (), ("s3.example",), "drop") == LEGACY
    assert dialect_of(hosted, (), ("s3.example",), "drop") == "s3"
    assert dialect_of(request(f"{refused}\nHost: a b"), (), (), "drop") == "s3"
    assert dialect_of(request(refused), ()) == "s3"


@pytest.mark.parametrize("session", ["", "x", "../../etc/passwd", ID + ".", "u" * 65, f"{ID}.{ID}"])
def test_what_is_no_id_of_ours_is_no_session(session: str) -> None:
    with pytest.raises(UploadNotFound):
        target(f"PUT /chunked-upload\nX-Upload-Session-ID: {session}")


@pytest.mark.parametrize(
    "text",
    [
        "GET /upload-status",
        "GET /upload-status?session=x",
        f"GET /upload-status?session_id={ID}&session_id={ID}",
        f"PUT /chunked-upload\nX-Upload-Session-ID: {ID}\nX-Upload-Session-ID: {ID}",
    ],
)
def test_one_session_has_to_be_named(text: str) -> None:
    with pytest.raises(BadRequest):
        target(text)


def test_names_are_utf8_as_they_come() -> None:
    head = request(
        "POST /chunked-upload\nX-Filename: " + "kino/übung 1.mp4".encode().decode("latin-1")
    )
    assert file_name(head) == "kino/übung 1.mp4"
    assert legacy_target(head, "drop").key == ObjectKey("drop", "kino/übung 1.mp4")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", BadRequest),
        ("/etc/passwd", BadRequest),
        ("..\\..\\x", BadRequest),
        ("\xff", BadRequest),
        ("../../x", InvalidUri),
        ("a/./b", InvalidUri),
        ("a\x00b", InvalidUri),
        ("n" * 1025, KeyTooLong),
    ],
)
def test_no_name_leads_anywhere_else(name: str, error: type[GatewayError]) -> None:
    head = request("POST /chunked-upload")
    head = type(head)(head.method, head.raw_path, b"", [(b"x-filename", name.encode("latin-1"))])
    with pytest.raises(error):
        file_name(head)
