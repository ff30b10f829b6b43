"""tus 1.0, item by item (``T16`` is item 16 of what a server must get right), as far as a codec decides it."""

import json
from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    BadRequest,
    DigestMismatch,
    Forbidden,
    GatewayError,
    InvalidDigest,
    MethodNotAllowed,
    OffsetMismatch,
    PayloadHashMismatch,
    RequestTimeout,
    SessionsUnavailable,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
    UnsupportedProtocolVersion,
    UploadGone,
    UploadNotFound,
)
from gateway.model import Digest
from gateway.protocol.commands import Describe, Target
from gateway.protocol.routing import effective_head, route
from gateway.protocol.upload_commands import (
    AppendUpload,
    CancelUpload,
    CreateUpload,
    InspectUpload,
    JoinUploads,
    UploadAppended,
    UploadCancelled,
    UploadMade,
    UploadShown,
    WatchUpload,
)
from tests.protocol.heads import request
from tests.protocol.tus import CT, HEAD, NEW, PATCH, TUS, appended, created
from tests.protocol.uploads import (
    DONE,
    EXPIRES,
    FRESH,
    HALF,
    ID,
    LIMITS,
    URL,
    fields,
    head_of,
    parsed,
    refused,
    rendered,
    values,
)


@pytest.mark.parametrize("path", ["/-/uploads/photos", "/-/uploads/photos/a.bin", URL])
@pytest.mark.parametrize("lines", ["", "\nTus-Resumable: 9.9.9"])
def test_T04_T05_options_takes_any_version_anywhere(path: str, lines: str) -> None:
    command = parsed(TUS, f"OPTIONS {path}{lines}\nOrigin: https://a")
    assert isinstance(command, Describe)
    assert command.origin == "https://a"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "HEAD", "GET"])
@pytest.mark.parametrize("version", ["0.2.2", "1.0", "2", ""])
def test_T06_T07_T08_another_version_is_412_and_says_which(method: str, version: str) -> None:
    path = "/-/uploads/photos/a" if method == "POST" else URL
    text = f"{method} {path}\nTus-Resumable: {version}\nUpload-Length: 1\nUpload-Offset: 0\n{CT}"
    with pytest.raises(UnsupportedProtocolVersion) as caught:
        parsed(TUS, text)
    answer = refused(TUS, text, caught.value)
    assert answer.status == 412
    assert fields(answer)["tus-version"] == "1.0.0"


def test_T06_a_post_without_version_creates_nothing() -> None:
    with pytest.raises(UnsupportedProtocolVersion):
        parsed(TUS, "POST /-/uploads/photos/a\nUpload-Length: 10")
    with pytest.raises(UnsupportedProtocolVersion):
        parsed(TUS, f"PATCH {URL}\n{CT}Upload-Offset: 0")


def test_T08_reading_needs_no_version_and_pleases_both_protocols() -> None:
    text = f"HEAD {URL}"
    assert parsed(TUS, text) == InspectUpload(upload=ID, takes_over="stale")
    answer = rendered(TUS, text, UploadShown(status=replace(HALF, limits=LIMITS)))
    assert answer.status == 200
    told = fields(answer)
    assert told["tus-resumable"] == "1.0.0"
    assert told["upload-complete"] == "?0"
    assert told["upload-limit"] == "max-size=1000, max-age=60"
    assert (told["upload-offset"], told["upload-length"]) == ("5", "10")
    assert "upload-complete" not in fields(rendered(TUS, HEAD, UploadShown(status=HALF)))


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        (NEW + "Upload-Length: 10", UploadMade(status=FRESH, location=URL)),
        (PATCH + "Upload-Offset: 0", UploadAppended(status=HALF)),
        (HEAD, UploadShown(status=HALF)),
        (f"DELETE {URL}\nTus-Resumable: 1.0.0", UploadCancelled()),
        (f"GET {URL}", UploadShown(status=HALF)),
        (f"GET {URL}\nAccept: text/event-stream", UploadShown(status=HALF)),
    ],
)
def test_T09_T82_every_answer_carries_version_nosniff_and_request_id(
    text: str, reply: UploadMade | UploadAppended | UploadShown | UploadCancelled
) -> None:
    told = fields(rendered(TUS, text, reply))
    assert told["tus-resumable"] == "1.0.0"
    assert told["x-content-type-options"] == "nosniff"
    assert told["x-request-id"] == "r-1"


def test_T09_errors_are_text_with_version_and_nosniff() -> None:
    answer = refused(TUS, HEAD.replace("HEAD", "GET"), UploadNotFound("No such upload."))
    told = fields(answer)
    assert answer.status == 404
    assert told["tus-resumable"] == "1.0.0"
    assert told["x-content-type-options"] == "nosniff"
    assert told["content-type"].startswith("text/plain")
    assert answer.body == b"No such upload.\n\n(upload-not-found, request r-1)\n"
    assert told["content-length"] == str(len(answer.body))
    unsigned = refused(TUS, NEW, Unauthenticated("Sign it."))
    assert (unsigned.status, "www-authenticate" in fields(unsigned)) == (401, True)


@pytest.mark.parametrize(
    ("text", "allow"),
    [
        (f"PUT {URL}", ("HEAD", "GET", "PATCH", "DELETE", "OPTIONS")),
        ("PUT /-/uploads/photos", ("POST", "OPTIONS")),
        ("HEAD /-/uploads/photos", ("POST", "OPTIONS")),
        (f"POST {URL}\nTus-Resumable: 1.0.0", ("HEAD", "GET", "PATCH", "DELETE", "OPTIONS")),
    ],
)
def test_T10_other_methods_are_405_with_those_that_exist(text: str, allow: tuple[str, ...]) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        parsed(TUS, text)
    assert caught.value.allow == allow
    assert set(allow) < set(TUS.methods)
    answer = refused(TUS, text, caught.value)
    assert fields(answer)["allow"] == ", ".join(allow)


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
@pytest.mark.parametrize(
    ("override", "kind"),
    [("PATCH", AppendUpload), ("delete", CancelUpload), ("HEAD", InspectUpload)],
)
def test_T11_an_override_replaces_the_method(method: str, override: str, kind: type) -> None:
    text = PATCH.replace("PATCH", method) + f"Upload-Offset: 0\nX-HTTP-Method-Override: {override}"
    assert type(parsed(TUS, text)) is kind
    head = request(text)
    assert effective_head(head, route(head, (), ())).method == override.upper()


def test_T11_an_override_of_the_same_method_or_none_changes_nothing() -> None:
    for line in ("X-HTTP-Method-Override: POST", "X-HTTP-Method-Override:"):
        head = request(NEW + line)
        assert effective_head(head, route(head, (), ())) is head


def test_T11_no_override_reaches_what_tus_does_not_have() -> None:
    for method in ("OPTIONS", "PUT", "CONNECT", "x"):
        with pytest.raises(BadRequest, match="Override"):
            parsed(TUS, NEW + f"X-HTTP-Method-Override: {method}")
    with pytest.raises(BadRequest, match="more than once"):
        parsed(TUS, NEW + "X-HTTP-Method-Override: PATCH\nX-HTTP-Method-Override: HEAD")


def test_T11_outside_tus_an_override_means_nothing() -> None:
    head = request("POST /photos/a\nX-HTTP-Method-Override: DELETE")
    assert effective_head(head, route(head, (), ())) is head


def test_T13_the_location_is_a_path_that_any_proxy_leaves_right() -> None:
    text = NEW + "Upload-Length: 10\nHost: internal:81\nX-Forwarded-Host: evil.example"
    assert fields(rendered(TUS, text, UploadMade(status=FRESH, location=URL)))["location"] == URL


def test_T13_the_location_is_a_url_for_aiotus_which_follows_no_path() -> None:
    text = NEW + "Upload-Length: 10\nHost: h:81\nUser-Agent: Python/3.11 aiohttp/3.14.5"
    told = fields(rendered(TUS, text, UploadMade(status=FRESH, location=URL)))["location"]
    assert told == f"http://h:81{URL}"


def test_T19_an_empty_upload_is_complete_at_once() -> None:
    text = NEW + "Upload-Length: 0"
    assert created(text).length == 0
    empty = replace(DONE, offset=0, length=0)
    told = fields(rendered(TUS, text, UploadMade(status=empty, location=URL)))
    assert told["upload-offset"] == "0"
    assert "upload-expires" not in told
    head = fields(rendered(TUS, HEAD, UploadShown(status=empty)))
    assert (head["upload-offset"], head["upload-length"]) == ("0", "0")


def test_T37_head_tells_offset_and_length_and_is_not_cached() -> None:
    answer = rendered(TUS, HEAD, UploadShown(status=DONE))
    told = fields(answer)
    assert answer.status == 200
    assert (told["upload-offset"], told["upload-length"]) == ("10", "10")
    assert told["cache-control"] == "no-store"
    assert fields(rendered(TUS, HEAD, UploadShown(status=FRESH)))["upload-offset"] == "0"


def test_T38_an_unknown_length_is_deferred() -> None:
    told = fields(rendered(TUS, HEAD, UploadShown(status=replace(HALF, length=None))))
    assert told["upload-defer-length"] == "1"
    assert "upload-length" not in told
    known = fields(rendered(TUS, HEAD, UploadShown(status=HALF)))
    assert "upload-defer-length" not in known


@pytest.mark.parametrize("error", [UploadNotFound("x"), UploadGone("x"), Forbidden("x")])
def test_T39_what_is_not_there_has_no_offset(error: GatewayError) -> None:
    answer = refused(TUS, HEAD, error)
    assert answer.status == error.status
    assert answer.body == b""
    assert "upload-offset" not in fields(answer)


def test_T40_head_has_no_body_and_says_so() -> None:
    answer = rendered(TUS, HEAD, UploadShown(status=HALF))
    assert (answer.body, fields(answer)["content-length"]) == (b"", "0")


def test_T41_concatenation_is_echoed() -> None:
    partial = replace(HALF, partial=True)
    assert fields(rendered(TUS, HEAD, UploadShown(status=partial)))["upload-concat"] == "partial"
    final = replace(DONE, sources=("a", "b"))
    told = fields(rendered(TUS, HEAD, UploadShown(status=final)))
    assert told["upload-concat"] == "final;/-/uploads/a /-/uploads/b"
    assert "upload-concat" not in fields(rendered(TUS, HEAD, UploadShown(status=HALF)))


@pytest.mark.parametrize("error", [SessionsUnavailable("x"), RequestTimeout("x")])
def test_T43_passing_trouble_on_head_is_503_with_a_time(error: GatewayError) -> None:
    answer = refused(TUS, HEAD, error)
    assert (answer.status, fields(answer)["retry-after"]) == (503, "1")


def test_T43_a_timeout_elsewhere_is_itself() -> None:
    assert refused(TUS, PATCH, RequestTimeout("x")).status == 408


def test_T45_an_append_tells_the_new_offset_and_has_no_body() -> None:
    text = PATCH + "Upload-Offset: 0\nContent-Length: 5"
    assert parsed(TUS, text) == AppendUpload(upload=ID, offset=0, body=5)
    answer = rendered(TUS, text, UploadAppended(status=HALF))
    assert (answer.status, answer.body) == (204, b"")
    assert fields(answer)["upload-offset"] == "5"


def test_T46_another_type_is_415_and_parameters_mean_nothing() -> None:
    lines = "Upload-Offset: 0\nContent-Length: 5"
    for kind in ("application/octet-stream", "", "application/offset+octet-streams"):
        with pytest.raises(UnsupportedMediaType):
            parsed(TUS, f"PATCH {URL}\nTus-Resumable: 1.0.0\nContent-Type: {kind}\n{lines}")
    assert appended(PATCH.replace("stream\n", "stream;charset=utf-8\n") + lines).offset == 0


@pytest.mark.parametrize(
    "line", ["", "Upload-Offset: -1", "Upload-Offset: a", "Upload-Offset: 1.0"]
)
def test_T47_an_offset_is_there_and_decimal(line: str) -> None:
    with pytest.raises(BadRequest):
        parsed(TUS, PATCH + line)


def test_T48_a_wrong_offset_is_409_with_the_right_one() -> None:
    answer = refused(TUS, PATCH, OffsetMismatch("No.", expected=7, provided=3))
    assert (answer.status, fields(answer)["upload-offset"]) == (409, "7")
    assert "upload-offset" not in fields(refused(TUS, PATCH, OffsetMismatch("No.")))


def test_T50_T51_an_append_may_be_empty() -> None:
    assert appended(PATCH + "Upload-Offset: 10\nContent-Length: 0").body == 0
    answer = rendered(TUS, PATCH + "Upload-Offset: 10", UploadAppended(status=DONE))
    assert (answer.status, fields(answer)["upload-offset"]) == (204, "10")


def test_T52_T53_a_body_past_a_told_length_is_413() -> None:
    with pytest.raises(TooLarge):
        parsed(TUS, PATCH + "Upload-Offset: 8\nUpload-Length: 10\nContent-Length: 3")


def test_T54_a_chunked_body_is_of_unknown_length() -> None:
    assert appended(PATCH + "Upload-Offset: 0\nTransfer-Encoding: chunked").body is None


def test_T64_T66_an_append_may_tell_the_length() -> None:
    assert appended(PATCH + "Upload-Offset: 0\nUpload-Length: 10").length == 10
    assert appended(PATCH + "Upload-Offset: 0").length is None


def test_T68_T69_a_length_before_the_offset_is_400_and_at_it_is_fine() -> None:
    with pytest.raises(BadRequest, match="before"):
        parsed(TUS, PATCH + "Upload-Offset: 11\nUpload-Length: 10")
    assert appended(PATCH + "Upload-Offset: 10\nUpload-Length: 10\nContent-Length: 0").length == 10


def test_T71_T72_T74_what_can_expire_says_when() -> None:
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    assert FRESH.expires == EXPIRES
    text = NEW + "Upload-Length: 10"
    for reply in (UploadMade(status=FRESH, location=URL), UploadAppended(status=HALF)):
        assert fields(rendered(TUS, text, reply))["upload-expires"] == date
    for status in (DONE, replace(HALF, expires=None)):
        assert "upload-expires" not in fields(rendered(TUS, HEAD, UploadShown(status=status)))


@pytest.mark.parametrize(
    ("line", "digest"),
    [
        (f"sha1 {b64encode(bytes(20)).decode()}", Digest("sha1", bytes(20))),
        (f"sha256 {b64encode(bytes(32)).decode()}", Digest("sha-256", bytes(32))),
        (f"crc32 {b64encode(bytes(4)).decode()}", Digest("crc32", bytes(4))),
    ],
)
def test_T75_a_checksum_is_the_bodys(line: str, digest: Digest) -> None:
    assert appended(PATCH + f"Upload-Offset: 0\nUpload-Checksum: {line}").body_digest == digest
    creation = created(NEW + f"Upload-Length: 9\n{CT}Upload-Checksum: {line}")
    assert creation.body_digest == digest


@pytest.mark.parametrize("value", ["md5 AAAA", "sha1", "sha1 !", "sha1 AAAA", "", "sha1  AA AA"])
def test_T75_a_checksum_that_is_none_is_400(value: str) -> None:
    with pytest.raises(InvalidDigest):
        parsed(TUS, PATCH + f"Upload-Offset: 0\nUpload-Checksum: {value}")


def test_T75_a_wrong_checksum_is_460() -> None:
    assert refused(TUS, PATCH, DigestMismatch("Other bytes.")).status == 460
    assert refused(TUS, PATCH, PayloadHashMismatch("Other bytes.")).status == 400


def test_T78_a_checksum_comes_before_or_behind_not_both() -> None:
    trailing = "Upload-Offset: 0\nTransfer-Encoding: chunked\nTrailer: Expires, upload-checksum\n"
    command = appended(PATCH + trailing)
    assert (command.trailing, command.body_digest) == (True, None)
    assert created(NEW + f"{CT}Upload-Length: 9\n{trailing}").trailing
    with pytest.raises(BadRequest, match="both"):
        parsed(TUS, PATCH + trailing + f"Upload-Checksum: sha1 {b64encode(bytes(20)).decode()}")
    with pytest.raises(BadRequest, match="chunked"):
        parsed(TUS, PATCH + "Upload-Offset: 0\nContent-Length: 5\nTrailer: Upload-Checksum")


def test_T79_deleting_is_exactly_204() -> None:
    text = f"DELETE {URL}\nTus-Resumable: 1.0.0"
    assert parsed(TUS, text) == CancelUpload(upload=ID)
    answer = rendered(TUS, text, UploadCancelled())
    assert (answer.status, answer.body) == (204, b"")


def test_T81_a_final_upload_has_no_offset_before_it_is_one() -> None:
    told = fields(rendered(TUS, HEAD, UploadShown(status=replace(FRESH, sources=("a",)))))
    assert "upload-offset" not in told
    done = replace(DONE, sources=("a",))
    assert fields(rendered(TUS, HEAD, UploadShown(status=done)))["upload-offset"] == "10"


def test_reading_an_upload_is_its_state_as_json_or_events() -> None:
    text = f"GET {URL}\nAccept: application/json"
    assert parsed(TUS, text) == WatchUpload(upload=ID, events=False)
    answer = rendered(TUS, text, UploadShown(status=HALF))
    assert json.loads(answer.body)["missing"] == ["5-9"]
    assert fields(answer)["upload-offset"] == "5"
    stream = f"GET {URL}\nAccept: text/event-stream"
    assert parsed(TUS, stream) == WatchUpload(upload=ID, events=True)
    answer = rendered(TUS, stream, UploadShown(status=HALF))
    assert fields(answer)["content-type"] == "text/event-stream"
    assert answer.body == b""


NAMES = (
    b"tus-resumable upload-length upload-offset upload-defer-length upload-metadata upload-concat "
    b"upload-checksum content-type content-length transfer-encoding trailer x-http-method-override "
    b"x-request-id idempotency-key accept"
).split()
VALUES = st.one_of(
    st.binary(max_size=10),
    st.sampled_from(
        [
            *(b"1.0.0", b"10", b"1", b"chunked", b"application/offset+octet-stream", b"PATCH"),
            *(b"partial", b"final;" + URL.encode(), b"sha1 AAAA", b"filename YQ=="),
            b"upload-checksum",
        ]
    ),
)
VALID = [(b"tus-resumable", b"1.0.0"), (b"content-type", b"application/offset+octet-stream")]


@given(
    st.sampled_from(["POST", "PATCH", "HEAD", "GET", "DELETE", "PUT", "OPTIONS"]),
    st.sampled_from([URL, "/-/uploads/photos", "/-/uploads/photos/a", "/-/uploads"]),
    st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=5),
)
def test_any_head_is_a_command_or_a_gateway_error(
    method: str, path: str, lines: list[tuple[bytes, bytes]]
) -> None:
    head = head_of(method, path, VALID + lines)
    try:
        target = route(head, (), ())
        command = TUS.parse(effective_head(head, target), target)
    except GatewayError as error:
        TUS.render_error(head, error, "r")
        return
    assert isinstance(
        command,
        CreateUpload | JoinUploads | AppendUpload | InspectUpload | CancelUpload
        | WatchUpload | Describe,
    )  # fmt: skip


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_the_offset_that_is_told_is_the_one_that_is_taken(offset: int, length: int) -> None:
    status = replace(HALF, offset=offset, length=length)
    told = fields(rendered(TUS, HEAD, UploadShown(status=status)))
    command = TUS.parse(
        request(PATCH + f"Upload-Offset: {told['upload-offset']}"), Target("tus", None, upload=ID)
    )
    values(command, offset=offset)
