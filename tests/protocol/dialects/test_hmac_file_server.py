"""HMAC File Server's chunked uploads: its headers in, its documents out."""

import json
from base64 import b64encode
from dataclasses import replace

import pytest

from gateway.errors import (
    BadRequest,
    GatewayError,
    MethodNotAllowed,
    NotImplementedHere,
    Unauthenticated,
    UploadNotFound,
)
from gateway.model import Attributes, ByteRange, Digest, ObjectKey
from gateway.protocol.commands import Describe
from gateway.protocol.dialects.hmac_file_server import HmacFileServerDialect
from gateway.protocol.routing import route
from gateway.protocol.upload_commands import (
    AnyCommand,
    CreateUpload,
    InspectUpload,
    PutNumberedChunk,
    UploadAppended,
    UploadMade,
    UploadShown,
    UploadStatus,
)
from tests.protocol.heads import request
from tests.protocol.uploads import DONE, HALF, ID, fields

MOUNT = HmacFileServerDialect()
KEY = ObjectKey("drop", "film.mp4")
BEGIN = "POST /chunked-upload\nX-Filename: film.mp4\nX-Total-Size: 10\n"
CHUNK = f"PUT /chunked-upload\nX-Upload-Session-ID: {ID}\nX-Chunk-Number: 1\nContent-Length: 4\n"
ASKED = f"GET /upload-status?session_id={ID}"


def read(text: str) -> AnyCommand:
    head = request(text)
    target = route(head, (), (), "drop")
    assert target.dialect == MOUNT.name
    return MOUNT.parse(head, target)


def told(text: str, reply: UploadMade | UploadAppended | UploadShown) -> tuple[int, object]:
    head = MOUNT.render(request(text), read(text), reply, "r-1")
    assert fields(head)["cache-control"] == "no-store"
    return head.status, json.loads(head.body)


def in_fours(status: UploadStatus) -> UploadStatus:
    return replace(status, chunk_size=4, chunks=3, target=KEY)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_session_begins_with_a_name_and_a_size(method: str) -> None:
    text = BEGIN.replace("POST", method) + "Content-Type: video/mp4\nContent-Length: 0"
    assert read(text) == CreateUpload(
        key=KEY, length=10, attributes=Attributes(content_type="video/mp4")
    )


@pytest.mark.parametrize(
    "text",
    [
        "POST /chunked-upload\nX-Filename: film.mp4",
        "POST /chunked-upload\nX-Total-Size: 10",
        BEGIN + "Content-Length: 5",
        BEGIN + "Transfer-Encoding: chunked",
        BEGIN + "X-Chunk-Number: 0",
        BEGIN.replace("10", "-1"),
        BEGIN.replace("10", "1e3"),
        CHUNK.replace("X-Chunk-Number: 1", ""),
        CHUNK.replace("X-Chunk-Number: 1", "X-Chunk-Number: -1"),
        CHUNK + "X-Chunk-Number: 2",
        CHUNK + "Content-Range: bytes 4-",
    ],
)
def test_what_is_missing_or_wrong_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        read(text)


def test_a_chunk_says_which_one_it_is_and_all_else_is_kept_to_be_compared() -> None:
    assert read(CHUNK) == PutNumberedChunk(upload=ID, number=1, body=4)
    digest = b64encode(bytes(32)).decode()
    more = (
        "X-Total-Size: 10\nX-Total-Chunks: 3\nContent-Range: bytes 4-7/11\nX-Filename: b\n"
        f"Content-Digest: sha-256=:{digest}:"
    )
    assert read(CHUNK + more) == PutNumberedChunk(
        upload=ID,
        number=1,
        body=4,
        totals=(11, 10),
        chunks=3,
        range=ByteRange(4, 8),
        name="b",
        body_digest=Digest("sha-256", bytes(32)),
    )
    assert read(CHUNK + "Content-Range: bytes 4-7/*") == PutNumberedChunk(
        upload=ID, number=1, body=4, range=ByteRange(4, 8)
    )


def test_an_aws_chunked_body_is_refused() -> None:
    with pytest.raises(NotImplementedHere):
        read(CHUNK + "Content-Encoding: aws-chunked")


def test_the_status_is_asked_with_get_alone() -> None:
    assert read(ASKED) == InspectUpload(upload=ID)
    for text in (
        ASKED.replace("GET", "PUT"),
        CHUNK.replace("PUT", "GET"),
        "DELETE /chunked-upload",
    ):
        with pytest.raises(MethodNotAllowed):
            read(text)
    assert read("OPTIONS /upload-status\nOrigin: https://a") == Describe(
        key=None, origin="https://a"
    )


def test_the_beginning_is_answered_with_what_the_client_cuts_by() -> None:
    made = UploadMade(status=in_fours(HALF), location="/x")
    assert told(BEGIN, made) == (201, {"session_id": ID, "chunk_size": 4, "total_chunks": 3})


def test_a_chunk_is_answered_with_the_progress_and_the_last_with_the_file() -> None:
    status, document = told(CHUNK, UploadAppended(status=in_fours(HALF)))
    assert (status, document) == (
        200,
        {
            "success": True,
            "chunk": 1,
            "uploaded_bytes": 5,
            "total_size": 10,
            "progress": 0.5,
            "completed": False,
        },
    )
    _, last = told(CHUNK, UploadAppended(status=in_fours(DONE)))
    assert last == {
        "success": True,
        "chunk": 1,
        "uploaded_bytes": 10,
        "total_size": 10,
        "progress": 1.0,
        "completed": True,
        "filename": "film.mp4",
        "size": 10,
    }


def test_the_status_counts_whole_chunks() -> None:
    expected = {"session_id": ID, "filename": "film.mp4", "total_size": 10}
    half = {"chunks": 1, "uploaded_bytes": 5, "progress": 0.5, "completed": False}
    assert told(ASKED, UploadShown(status=in_fours(HALF))) == (200, expected | half)
    done = {"chunks": 3, "uploaded_bytes": 10, "progress": 1.0, "completed": True}
    assert told(ASKED, UploadShown(status=in_fours(DONE))) == (200, expected | done)
    bare = UploadStatus(id=ID, offset=0, length=None, complete=False, expires=None)
    _, document = told(ASKED, UploadShown(status=bare))
    assert document == {
        "session_id": ID,
        "filename": None,
        "chunks": 0,
        "uploaded_bytes": 0,
        "total_size": None,
        "progress": 1.0,
        "completed": False,
    }


@pytest.mark.parametrize(
    ("error", "status"), [(Unauthenticated("x"), 401), (UploadNotFound("x"), 404)]
)
def test_errors_are_problems(error: GatewayError, status: int) -> None:
    head = MOUNT.render_error(request(ASKED), error, "r-1")
    assert (head.status, fields(head)["content-type"]) == (status, "application/problem+json")
    assert ("www-authenticate" in fields(head)) == (status == 401)
