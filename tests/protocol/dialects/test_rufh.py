"""The IETF protocol, item by item (``R17`` is item 17 of what a server must get right), where a codec decides."""

import json
from base64 import b64encode
from dataclasses import replace

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    BadRequest,
    Conflict,
    DigestMismatch,
    GatewayError,
    InconsistentLength,
    InvalidDigest,
    MetadataTooLarge,
    MethodNotAllowed,
    NotImplementedHere,
    OffsetMismatch,
    RequestTimeout,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
    UploadCompleted,
    UploadGone,
    UploadNotFound,
)
from gateway.model import Attributes, Digest, ObjectKey
from gateway.protocol.commands import Describe, Preconditions, Target
from gateway.protocol.dialects.rufh import RufhDialect
from gateway.protocol.routing import effective_head, route
from gateway.protocol.upload_commands import (
    AppendUpload,
    CancelUpload,
    CreateUpload,
    InspectUpload,
    Limits,
    UploadAppended,
    UploadCancelled,
    UploadMade,
    UploadShown,
)
from tests.protocol.heads import request
from tests.protocol.uploads import (
    DONE,
    FRESH,
    HALF,
    ID,
    LIMITS,
    STORED,
    URL,
    fields,
    head_of,
    parsed,
    refused,
    rendered,
    values,
)

RUFH = RufhDialect()
OBJECT = ObjectKey("photos", "a/b.txt")
V8 = "Upload-Draft-Interop-Version: 8\n"
NEW = f"PUT /photos/a/b.txt\n{V8}"
PATCH = f"PATCH {URL}\n{V8}Content-Type: application/partial-upload\n"
HEAD = f"HEAD {URL}\n{V8}"
LIMITED = "max-size=1000, max-age=60"


def versioned(text: str, version: int) -> str:
    return text.replace(V8, f"Upload-Draft-Interop-Version: {version}\n")


def created(text: str) -> CreateUpload:
    command = parsed(RUFH, text)
    assert isinstance(command, CreateUpload)
    return command


def appended(text: str) -> AppendUpload:
    command = parsed(RUFH, text)
    assert isinstance(command, AppendUpload)
    return command


@pytest.mark.parametrize(
    "lines",
    ["Upload-Complete: 1", "Upload-Complete: ?1\nUpload-Complete: ?1", "Upload-Complete: ?2"],
)
def test_R01_a_value_of_another_type_is_no_value(lines: str) -> None:
    assert route(request(f"PUT /photos/a\n{lines}"), (), ()).dialect == "plain"
    with pytest.raises(BadRequest, match="Upload-Complete"):
        parsed(RUFH, f"PUT /-/uploads/photos/a\n{lines}")
    assert created(NEW + "Upload-Complete: ?0\nUpload-Length: ?1").length is None


@pytest.mark.parametrize("value", ["-1", "1.0", "a", '"1"', "1, 2", "", "9999999999999999"])
def test_R02_an_offset_that_is_none_is_missing(value: str) -> None:
    with pytest.raises(BadRequest, match="Upload-Offset"):
        parsed(RUFH, PATCH + f"Upload-Complete: ?0\nUpload-Offset: {value}")


def test_R03_parameters_mean_nothing() -> None:
    command = appended(PATCH + "Upload-Complete: ?0;a=?1\nUpload-Offset: 5;b\nUpload-Length: 9;c=1")
    values(command, complete=False, offset=5, length=9)


def test_R04_R13_R26_limits_are_a_dictionary_of_integers() -> None:
    status = replace(HALF, limits=LIMITS)
    text = fields(rendered(RUFH, HEAD, UploadShown(status=status)))["upload-limit"]
    assert http_sf.parse(text.encode(), tltype="dictionary") == {
        "max-size": (1000, {}),
        "max-age": (60, {}),
    }


def test_R06_no_limits_are_said_too() -> None:
    told = fields(rendered(RUFH, HEAD, UploadShown(status=HALF)))
    assert told["upload-limit"] == "min-size=0"


@pytest.mark.parametrize("path", ["/-/uploads/photos/a", URL])
def test_R05_options_is_a_description(path: str) -> None:
    assert isinstance(parsed(RUFH, f"OPTIONS {path}\n{V8}"), Describe)


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH"])
def test_R10_any_method_with_content_creates(method: str) -> None:
    text = NEW.replace("PUT", method) + (
        "Upload-Complete: ?1\nContent-Length: 10\nContent-Type: text/plain\n"
        "Sluice-Meta-a: b\nIf-None-Match: *"
    )
    assert parsed(RUFH, text) == CreateUpload(
        key=OBJECT,
        length=10,
        body=10,
        complete=True,
        attributes=Attributes(content_type="text/plain", metadata={"a": "b"}),
        conditions=Preconditions(if_none_match=("*",)),
        interim=8,
    )
    answer = rendered(RUFH, text, UploadMade(status=DONE, location=URL))
    told = fields(answer)
    assert (answer.status, told["etag"], told["upload-complete"]) == (201, '"abc"', "?1")
    assert told["content-length"] == "0"
    old = replace(DONE, stored=replace(STORED, created=False))
    again = rendered(RUFH, text, UploadMade(status=old, location=URL))
    assert (again.status, fields(again)["upload-complete"]) == (204, "?1")


@pytest.mark.parametrize(
    ("lines", "interim"),
    [
        ("Upload-Draft-Interop-Version: 8\n", 8),
        ("Upload-Draft-Interop-Version: 6\n", 6),
        ("Upload-Draft-Interop-Version: 5\n", 5),
        ("Upload-Draft-Interop-Version: 7\n", None),
        ("Upload-Draft-Interop-Version: 9\n", None),
        ("Upload-Draft-Interop-Version: x\n", None),
        ("", None),
    ],
)
def test_R11_R12_interim_responses_are_for_those_who_ask_in_a_known_version(
    lines: str, interim: int | None
) -> None:
    assert created(f"PUT /photos/a\n{lines}Upload-Complete: ?0").interim == interim
    assert appended(
        f"PATCH {URL}\n{lines}Content-Type: application/partial-upload\n"
        "Upload-Complete: ?0\nUpload-Offset: 0"
    ).interim == interim  # fmt: skip


def test_R13_R14_R15_what_is_not_all_is_201_with_where_to_go_on() -> None:
    text = NEW + "Upload-Complete: ?0\nContent-Length: 0"
    values(created(text), complete=False, body=0, length=None)
    status = replace(HALF, limits=LIMITS)
    answer = rendered(RUFH, text, UploadMade(status=status, location=URL))
    assert answer.status == 201
    assert fields(answer) == {
        "x-request-id": "r-1",
        "location": f"http://127.0.0.1:8080{URL}",
        "upload-complete": "?0",
        "upload-offset": "5",
        "upload-length": "10",
        "upload-limit": LIMITED,
        "content-length": "0",
    }


@pytest.mark.parametrize(
    "lines",
    [
        "Upload-Complete: ?1\nUpload-Length: 100\nContent-Length: 60",
        "Upload-Complete: ?0\nUpload-Length: 50\nContent-Length: 60",
    ],
)
def test_R17_lengths_that_contradict_each_other_are_400(lines: str) -> None:
    with pytest.raises(InconsistentLength) as caught:
        parsed(RUFH, NEW + lines)
    answer = refused(RUFH, NEW, caught.value)
    assert (answer.status, fields(answer)["upload-complete"]) == (400, "?0")
    problem = json.loads(answer.body)
    assert problem["type"].endswith("/http-problem-types#inconsistent-upload-length")


def test_R18_R42_what_is_too_large_learns_the_limit() -> None:
    answer = refused(RUFH, NEW, TooLarge("No.", max_size=1000))
    assert (answer.status, fields(answer)["upload-limit"]) == (413, "max-size=1000")
    assert "upload-limit" not in fields(refused(RUFH, PATCH, TooLarge("No.")))
    assert "upload-limit" not in fields(
        refused(RUFH, versioned(NEW, 5), TooLarge("No.", max_size=1))
    )


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ("Upload-Complete: ?0\nUpload-Length: 100", 100),
        ("Upload-Complete: ?1\nContent-Length: 60", 60),
        ("Upload-Complete: ?1\nContent-Length: 60\nUpload-Length: 60", 60),
        ("Upload-Complete: ?1\nTransfer-Encoding: chunked", None),
        ("Upload-Complete: ?0\nContent-Length: 60", None),
    ],
)
def test_R20_the_length_is_told_or_follows(lines: str, length: int | None) -> None:
    assert created(NEW + lines).length == length


def test_R21_without_upload_complete_a_request_is_plain() -> None:
    assert route(request(NEW + "Upload-Length: 5"), (), ()).dialect == "plain"


def test_R24_a_file_name_names_the_object_where_the_url_does_not() -> None:
    text = f"POST /-/uploads/photos\n{V8}Upload-Complete: ?0\nContent-Disposition: "
    assert created(text + 'attachment; filename="x.png"').key == ObjectKey("photos", "x.png")
    with pytest.raises(BadRequest, match="Name the object"):
        parsed(RUFH, text + "attachment")
    assert created(text + 'attachment; filename="../a/b"').key == ObjectKey("photos", "b")
    with pytest.raises(BadRequest, match="needs an object"):
        parsed(RUFH, text.replace("POST", "PUT") + 'attachment; filename="x.png"')
    assert parsed(RUFH, text.replace("photos", "photos/k") + "inline") == CreateUpload(
        key=ObjectKey("photos", "k"),
        length=None,
        body=None,
        complete=False,
        attributes=Attributes(content_disposition="inline"),
        interim=8,
    )
    with pytest.raises(BadRequest, match="needs an object"):
        parsed(RUFH, f"POST /-/uploads\n{V8}Upload-Complete: ?0")


def test_R25_the_type_of_a_creation_is_the_objects_unless_it_says_nothing() -> None:
    text = NEW + "Upload-Complete: ?0\nContent-Type: "
    assert created(text + "image/png").attributes.content_type == "image/png"
    assert created(text + "application/partial-upload").attributes.content_type is None
    with pytest.raises(UnsupportedMediaType):
        parsed(RUFH, text.replace("PUT", "POST") + "multipart/form-data; boundary=x")


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_R26_R27_R30_R32_asking_takes_over_and_tells_all(method: str) -> None:
    text = HEAD.replace("HEAD", method)
    assert parsed(RUFH, text) == InspectUpload(upload=ID, takes_over="always")
    answer = rendered(RUFH, text, UploadShown(status=replace(HALF, limits=LIMITS)))
    assert answer.status == 204
    assert fields(answer) == {
        "x-request-id": "r-1",
        "upload-complete": "?0",
        "upload-offset": "5",
        "upload-length": "10",
        "upload-limit": LIMITED,
        "cache-control": "no-store",
    }
    done = fields(rendered(RUFH, text, UploadShown(status=DONE)))
    assert (done["upload-complete"], done["upload-offset"]) == ("?1", "10")
    unknown = fields(rendered(RUFH, text, UploadShown(status=replace(HALF, length=None))))
    assert "upload-length" not in unknown


@pytest.mark.parametrize("error", [UploadNotFound("x"), UploadGone("x")])
def test_R29_what_is_not_there_is_404_or_410(error: GatewayError) -> None:
    answer = refused(RUFH, HEAD, error)
    assert (answer.status, answer.body) == (error.status, b"")
    assert "upload-offset" not in fields(answer)
    assert "upload-complete" not in fields(answer)


def test_passing_trouble_on_head_is_503() -> None:
    assert refused(RUFH, HEAD, RequestTimeout("x")).status == 503


def test_R33_an_append_that_is_not_the_last_is_204() -> None:
    text = PATCH + "Upload-Complete: ?0\nUpload-Offset: 0\nContent-Length: 5"
    assert parsed(RUFH, text) == AppendUpload(
        upload=ID, offset=0, body=5, complete=False, interim=8
    )
    answer = rendered(RUFH, text, UploadAppended(status=HALF))
    assert (answer.status, fields(answer)["upload-complete"]) == (204, "?0")
    assert fields(answer)["upload-offset"] == "5"


def test_R34_the_last_append_has_the_objects_own_answer() -> None:
    text = PATCH + "Upload-Complete: ?1\nUpload-Offset: 5\nContent-Length: 5"
    values(appended(text), complete=True, length=10)
    answer = rendered(RUFH, text, UploadAppended(status=DONE))
    assert (answer.status, fields(answer)["upload-complete"]) == (201, "?1")
    assert fields(answer)["etag"] == '"abc"'
    failure = Conflict("Somebody was there first.")
    assert fields(refused(RUFH, text, failure))["upload-complete"] == "?0"
    failure.final = True
    last = refused(RUFH, text, failure)
    assert (last.status, fields(last)["upload-complete"]) == (409, "?1")


def test_R35_a_wrong_offset_is_409_with_the_right_one() -> None:
    answer = refused(RUFH, PATCH, OffsetMismatch("No.", expected=7, provided=3))
    told = fields(answer)
    assert answer.status == 409
    assert (told["upload-offset"], told["upload-complete"]) == ("7", "?0")
    assert told["content-type"] == "application/problem+json"
    problem = json.loads(answer.body)
    assert problem["type"].endswith("#mismatching-upload-offset")
    assert (problem["expected-offset"], problem["provided-offset"]) == (7, 3)


@pytest.mark.parametrize("lines", ["Upload-Complete: ?1", "Upload-Offset: 5"])
def test_R36_an_append_tells_offset_and_completeness(lines: str) -> None:
    with pytest.raises(BadRequest):
        parsed(RUFH, PATCH + lines)


@pytest.mark.parametrize(
    "kind", ["", "application/octet-stream", "application/offset+octet-stream2"]
)
def test_R37_another_type_is_415(kind: str) -> None:
    lines = "Upload-Complete: ?0\nUpload-Offset: 0"
    with pytest.raises(UnsupportedMediaType):
        parsed(RUFH, f"PATCH {URL}\n{V8}Content-Type: {kind}\n{lines}")
    with pytest.raises(UnsupportedMediaType):
        parsed(RUFH, f"PATCH {URL}\n{lines}")


@pytest.mark.parametrize(
    "lines",
    [
        "Upload-Complete: ?0\nUpload-Offset: 8\nContent-Length: 3\nUpload-Length: 10",
        "Upload-Complete: ?0\nUpload-Offset: 11\nUpload-Length: 10",
        "Upload-Complete: ?1\nUpload-Offset: 5\nContent-Length: 4\nUpload-Length: 10",
    ],
)
def test_R38_R39_an_append_beyond_or_short_of_its_own_length_is_400(lines: str) -> None:
    with pytest.raises(InconsistentLength):
        parsed(RUFH, PATCH + lines)


def test_R40_R41_an_empty_append_may_complete_or_not() -> None:
    lines = "Upload-Offset: 10\nContent-Length: 0\nUpload-Length: 10\nUpload-Complete: "
    values(appended(PATCH + lines + "?1"), complete=True, length=10, body=0)
    values(appended(PATCH + lines + "?0"), complete=False, length=10, body=0)


def test_R44_an_append_to_what_is_complete_has_its_problem_type() -> None:
    answer = refused(RUFH, PATCH, UploadCompleted("It is there."))
    assert json.loads(answer.body)["type"].endswith("#completed-upload")


def test_R45_cancelling_is_204() -> None:
    for text in (f"DELETE {URL}\n{V8}", f"DELETE {URL}"):
        assert parsed(RUFH, text) == CancelUpload(upload=ID)
        assert rendered(RUFH, text, UploadCancelled()).status == 204


def test_R46_digests_of_the_content_and_of_the_whole() -> None:
    value = f"sha-256=:{b64encode(bytes(32)).decode()}:"
    digest = Digest("sha-256", bytes(32))
    lines = f"Upload-Complete: ?0\nUpload-Offset: 0\nContent-Digest: {value}\n"
    creation = created(NEW + lines + f"Repr-Digest: {value}\nWant-Repr-Digest: sha-256=1")
    values(creation, body_digest=digest, digests=(digest,), want_digests=("sha-256",))
    append = appended(PATCH + lines + "Want-Repr-Digest: sha-256=1")
    values(append, body_digest=digest, want_digests=("sha-256",))
    assert fields(rendered(RUFH, NEW + lines, UploadMade(status=DONE, location=URL)))[
        "repr-digest"
    ] == value  # fmt: skip
    assert refused(RUFH, PATCH, DigestMismatch("Other bytes.")).status == 400
    with pytest.raises(InvalidDigest):
        parsed(RUFH, PATCH + "Upload-Complete: ?0\nUpload-Offset: 0\nContent-Digest: sha-256=1")


def test_version_3_turns_completeness_round() -> None:
    new = versioned(NEW, 3)
    values(created(new + "Upload-Incomplete: ?1"), complete=False, interim=3)
    values(created(new + "Upload-Incomplete: ?0\nContent-Length: 4"), complete=True, length=4)
    assert route(request(new + "Upload-Complete: ?1"), (), ()).dialect == "plain"
    assert route(request(NEW + "Upload-Incomplete: ?1"), (), ()).dialect == "plain"
    patch = f"PATCH {URL}\nUpload-Draft-Interop-Version: 3\nUpload-Offset: 5\n"
    values(appended(patch), complete=True)
    values(appended(patch + "Upload-Incomplete: ?1"), complete=False)
    answer = rendered(RUFH, patch, UploadAppended(status=HALF))
    assert answer.status == 201
    assert fields(answer) == {
        "x-request-id": "r-1",
        "upload-incomplete": "?1",
        "upload-offset": "5",
        "upload-length": "10",
        "content-length": "0",
    }
    done = fields(rendered(RUFH, patch, UploadAppended(status=DONE)))
    assert (done["upload-incomplete"], done["upload-offset"]) == ("?0", "10")
    assert fields(refused(RUFH, patch, Conflict("x")))["upload-incomplete"] == "?1"


@pytest.mark.parametrize(
    ("version", "status", "limits"),
    [(5, 201, None), (6, 201, "max-size=1000, expires=60"), (8, 204, LIMITED)],
)
def test_versions_differ_in_limits_and_in_the_answer_to_an_append(
    version: int, status: int, limits: str | None
) -> None:
    text = versioned(PATCH, version) + "Upload-Complete: ?0\nUpload-Offset: 0"
    reply = UploadAppended(status=replace(HALF, limits=LIMITS))
    answer = rendered(RUFH, text, reply)
    assert (answer.status, fields(answer).get("upload-limit")) == (status, limits)
    assert fields(answer)["upload-offset"] == "5"


def test_version_5_appends_without_a_media_type() -> None:
    lines = "Upload-Complete: ?1\nUpload-Offset: 5"
    values(appended(f"PATCH {URL}\nUpload-Draft-Interop-Version: 5\n{lines}"), complete=True)
    with pytest.raises(UnsupportedMediaType):
        parsed(RUFH, f"PATCH {URL}\nUpload-Draft-Interop-Version: 6\n{lines}")


@pytest.mark.parametrize("method", ["PUT", "POST", "TRACE"])
def test_other_methods_are_405_with_those_that_exist(method: str) -> None:
    text = f"{method} {URL}\n{V8}"
    with pytest.raises(MethodNotAllowed) as caught:
        parsed(RUFH, text.replace(URL, "/-/uploads/photos") if method == "TRACE" else text)
    assert set(caught.value.allow) < set(RUFH.methods)


def test_a_credential_is_asked_for() -> None:
    assert b"www-authenticate" in dict(refused(RUFH, NEW, Unauthenticated("Sign it.")).headers)


def test_a_repeated_creation_has_the_same_name() -> None:
    text = NEW + "Upload-Complete: ?0\nIdempotency-Key: "
    name = created(text + '"a"').name
    assert name == created(text + '"a"').name
    assert name != created(text + '"b"').name
    assert created(NEW + "Upload-Complete: ?0").name is None


def test_case_58_what_aws_signs_is_honoured_or_refused_here_too() -> None:
    lines = "Upload-Complete: ?0\nx-amz-date: 1\nx-amz-meta-a: b\n"
    command = created(NEW + lines + "x-amz-checksum-crc32: AAAAAA==\nSluice-Meta-c: d")
    assert command.attributes.metadata == {"a": "b", "c": "d"}
    assert command.body_digest == Digest("crc32", bytes(4))
    for line in (
        "x-amz-acl: public-read",
        "x-amz-server-side-encryption: AES256",
        "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length: 4",
        "Content-Encoding: gzip, aws-chunked",
    ):
        with pytest.raises(NotImplementedHere):
            parsed(RUFH, NEW + lines + line)
    with pytest.raises(MetadataTooLarge):
        parsed(RUFH, NEW + lines + f"x-amz-meta-b: {'v' * 1500}\nSluice-Meta-c: {'v' * 1500}")


NAMES = (
    b"upload-complete upload-incomplete upload-offset upload-length upload-draft-interop-version "
    b"content-type content-length transfer-encoding content-disposition content-digest repr-digest "
    b"content-encoding x-amz-acl idempotency-key if-match sluice-meta-a"
).split()
VALUES = st.one_of(
    st.binary(max_size=10),
    st.sampled_from(
        [
            *(b"?0", b"?1", b"5", b"8", b"3", b"6", b"application/partial-upload", b"chunked"),
            *(b'attachment; filename="x"', b"sha-256=:AAAA:"),
        ]
    ),
)


@given(
    st.sampled_from(["PUT", "POST", "PATCH", "HEAD", "GET", "DELETE", "OPTIONS"]),
    st.sampled_from([URL, "/-/uploads/photos", "/photos/a", "/photos", "/"]),
    st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6),
)
def test_any_head_is_a_command_or_a_gateway_error(
    method: str, path: str, lines: list[tuple[bytes, bytes]]
) -> None:
    head = head_of(method, path, lines)
    try:
        target = route(head, (), ())
        command = RUFH.parse(effective_head(head, target), target)
    except GatewayError as error:
        RUFH.render_error(head, error, "r")
        return
    if isinstance(command, CreateUpload):
        RUFH.render(head, command, UploadMade(status=FRESH, location=URL), "r")


@given(
    st.sampled_from([3, 5, 6, 8]),
    st.integers(0, 10**15 - 1),
    st.integers(0, 10**15 - 1),
    st.booleans(),
    st.builds(
        Limits, max_size=st.none() | st.integers(0, 2**63), max_age=st.none() | st.integers(-9)
    ),
)
def test_the_state_that_is_told_is_the_one_that_is_taken(
    version: int, offset: int, length: int, complete: bool, limits: Limits
) -> None:
    status = replace(HALF, offset=offset, length=length, complete=complete, limits=limits)
    told = fields(rendered(RUFH, versioned(HEAD, version), UploadShown(status=status)))
    if version >= 6:
        http_sf.parse(told["upload-limit"].encode(), tltype="dictionary")
    again = "\n".join(f"{name}: {value}" for name, value in told.items() if name != "upload-length")
    text = f"{versioned(PATCH, version)}{again}"
    command = RUFH.parse(request(text), Target("rufh", None, upload=ID))
    values(command, offset=offset, complete=complete)
