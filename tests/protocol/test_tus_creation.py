"""How an upload of tus begins."""

from dataclasses import replace

import pytest

from gateway.errors import (
    BadRequest,
    InvalidArgument,
    InvalidUri,
    MetadataTooLarge,
    TooLarge,
    UnsupportedMediaType,
)
from gateway.model import ObjectKey
from gateway.protocol.upload_commands import (
    CreateUpload,
    JoinUploads,
    UploadMade,
    UploadShown,
)
from tests.protocol.tus import CT, HEAD, NEW, OBJECT, TUS, b64, created
from tests.protocol.uploads import (
    DONE,
    FRESH,
    HALF,
    ID,
    MAC,
    URL,
    fields,
    parsed,
    rendered,
    values,
)


def test_T12_a_length_makes_an_upload() -> None:
    text = NEW + "Upload-Length: 10\nContent-Length: 0"
    assert parsed(TUS, text) == CreateUpload(key=OBJECT, length=10, body=0)
    answer = rendered(TUS, text, UploadMade(status=FRESH, location=URL))
    assert (answer.status, fields(answer)["location"]) == (201, URL)


@pytest.mark.parametrize(
    "lines",
    ["", "Upload-Length: 10\nUpload-Defer-Length: 1"],
    ids=["T14 neither", "T15 both"],
)
def test_T14_T15_a_creation_tells_its_length_or_that_it_does_not(lines: str) -> None:
    with pytest.raises(BadRequest, match="either"):
        parsed(TUS, NEW + lines)


@pytest.mark.parametrize("value", ["-3", "abc", "1.5", "0x10", "+5", "", "1_0", "¹", "5 5"])
def test_T16_a_length_is_decimal_digits(value: str) -> None:
    with pytest.raises(BadRequest, match="decimal"):
        parsed(TUS, NEW + f"Upload-Length: {value}")


@pytest.mark.parametrize("value", [str(2**63), "9" * 64, "9" * 5000])
def test_T17_a_length_beyond_everything_is_413(value: str) -> None:
    with pytest.raises(TooLarge):
        parsed(TUS, NEW + f"Upload-Length: {value}")
    assert created(NEW + f"Upload-Length: {2**63 - 1}").length == 2**63 - 1


@pytest.mark.parametrize("value", ["2", "0", "", "?1"])
def test_T20_defer_length_is_one(value: str) -> None:
    with pytest.raises(BadRequest, match="Defer"):
        parsed(TUS, NEW + f"Upload-Defer-Length: {value}")
    assert created(NEW + "Upload-Defer-Length: 1").length is None


def test_T21_two_lengths_are_none() -> None:
    for lines in ("Upload-Length: 1\nUpload-Length: 2", "Upload-Length: 1, 2"):
        with pytest.raises(BadRequest):
            parsed(TUS, NEW + lines)


def test_T22_T25_metadata_is_kept_byte_for_byte() -> None:
    raw = "filename d29ybGQ=,is_confidential, X-Y  ,z ZQ=="
    command = created(NEW + f"Upload-Length: 1\nUpload-Metadata: {raw}")
    assert command.metadata == raw
    status = replace(FRESH, metadata=raw)
    assert fields(rendered(TUS, HEAD, UploadShown(status=status)))["upload-metadata"] == raw


def test_T23_an_empty_metadata_header_is_none() -> None:
    assert created(NEW + "Upload-Length: 1\nUpload-Metadata:").metadata is None


@pytest.mark.parametrize(
    "value", ["a !!!", "a YQ==,a Yg==", "a b c", ",a YQ==", "a YQ", "\xe9 YQ=="]
)
def test_T24_malformed_metadata_is_400(value: str) -> None:
    with pytest.raises(BadRequest, match="Upload-Metadata"):
        parsed(TUS, NEW + f"Upload-Length: 1\nUpload-Metadata: {value}")


def test_T26_metadata_has_a_bound() -> None:
    with pytest.raises(MetadataTooLarge):
        parsed(TUS, NEW + f"Upload-Length: 1\nUpload-Metadata: a {'A' * 4096}")


def test_T27_non_ascii_values_stay_what_they_are() -> None:
    pairs = f"filename {b64('ä日.png')},author {b64('Zoë')},filetype {b64('image/png')}"
    attributes = created(NEW + f"Upload-Length: 1\nUpload-Metadata: {pairs}").attributes
    assert attributes.metadata == {"author": "Zoë"}
    assert attributes.content_type == "image/png"
    assert attributes.content_disposition == (
        "inline; filename=\"__.png\"; filename*=UTF-8''%C3%A4%E6%97%A5.png"
    )


def test_T29_a_repeated_creation_has_the_same_name_and_another_none_of_it() -> None:
    first = created(NEW + "Upload-Length: 10\nX-Request-ID: abc").name
    assert first is not None
    assert created(NEW + "Upload-Length: 10\nX-Request-ID: abc").name == first
    others = [
        "Upload-Length: 11\nX-Request-ID: abc",
        "Upload-Length: 10\nX-Request-ID: abd",
        "Upload-Length: 10\nIdempotency-Key: abc",
        "Upload-Length: 10\nX-Request-ID: abc\nUpload-Concat: partial",
        "Upload-Length: 10\nX-Request-ID: abc\nUpload-Metadata: a",
    ]
    names = {created(NEW + lines).name for lines in others}
    assert len(names | {first}) == len(others) + 1
    assert created(NEW + "Upload-Length: 10").name is None
    with pytest.raises(InvalidArgument):
        parsed(TUS, NEW + "Upload-Length: 10\nX-Request-ID: a b")


def test_T30_T31_T36_a_creation_may_bring_bytes() -> None:
    some = NEW + f"Upload-Length: 10\n{CT}Content-Length: 5"
    assert created(some).body == 5
    told = fields(rendered(TUS, some, UploadMade(status=HALF, location=URL)))
    assert told["upload-offset"] == "5"
    whole = rendered(TUS, some, UploadMade(status=DONE, location=URL))
    assert (whole.status, fields(whole)["upload-offset"]) == (201, "10")
    assert "upload-expires" not in fields(whole)
    assert created(NEW + f"Upload-Length: 10\n{CT}Content-Length: 0").body == 0
    assert created(NEW + f"Upload-Length: 10\n{CT}").body is None
    assert created(NEW + f"Upload-Length: 10\n{CT}Transfer-Encoding: chunked").body is None


@pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("kind", ["", "Content-Type: image/png\n"])
def test_T32_bytes_of_another_type_are_415(framing: str, kind: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        parsed(TUS, NEW + f"Upload-Length: 10\n{kind}{framing}")
    assert created(NEW + f"Upload-Length: 10\n{kind}Content-Length: 0").body == 0


def test_T33_a_body_longer_than_the_upload_is_413() -> None:
    with pytest.raises(TooLarge):
        parsed(TUS, NEW + f"Upload-Length: 10\n{CT}Content-Length: 11")


def test_T80_a_partial_upload_needs_no_name() -> None:
    command = created(
        "POST /-/uploads/photos\nTus-Resumable: 1.0.0\nUpload-Length: 5\nUpload-Concat: partial"
    )
    values(command, partial=True, key=ObjectKey("photos", ""), length=5)
    assert not created(NEW + "Upload-Length: 5").partial


OTHER = "V" * 22


FINAL = "POST /-/uploads/photos/a.bin\nTus-Resumable: 1.0.0\nUpload-Concat: final;"


@pytest.mark.parametrize(
    ("urls", "sources"),
    [
        (f"{URL} /-/uploads/{OTHER}", (ID, OTHER)),
        (f" https://a.example:1/-/uploads/{OTHER}.{MAC}  {URL}", (OTHER, ID)),
        (f"../{ID}.{MAC} {URL}", (ID, ID)),
    ],
    ids=["paths", "absolute, a space after the semicolon", "relative, repeated"],
)
def test_T81_a_final_upload_joins_partial_ones_in_order(
    urls: str, sources: tuple[str, ...]
) -> None:
    command = parsed(TUS, FINAL + urls)
    assert command == JoinUploads(key=OBJECT, sources=sources)


def test_T81_relative_urls_resolve_against_a_buckets_too() -> None:
    text = FINAL.replace("/a.bin", "") + f"{ID}.{MAC}\nUpload-Metadata: key {b64('x')}"
    command = parsed(TUS, text)
    assert isinstance(command, JoinUploads)
    assert (command.key, command.sources) == (ObjectKey("photos", "x"), (ID,))
    assert command.metadata == f"key {b64('x')}"


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "/photos/a",
        f"{URL} /photos/a",
        "http://[/x",
        f"{URL}\nUpload-Length: 10",
        f"{URL}\nUpload-Defer-Length: 1",
        f"{URL}\n{CT}Content-Length: 5",
    ],
)
def test_T81_a_final_upload_has_urls_of_uploads_and_nothing_else(lines: str) -> None:
    with pytest.raises(BadRequest):
        parsed(TUS, FINAL + lines)


@pytest.mark.parametrize("value", ["parts", "partial;x", "Final;x", ";x"])
def test_T81_there_are_two_kinds_of_concatenation(value: str) -> None:
    with pytest.raises(BadRequest, match="Upload-Concat"):
        parsed(TUS, NEW + f"Upload-Length: 1\nUpload-Concat: {value}")


def test_the_key_is_the_urls_or_the_metadatas() -> None:
    bucket = "POST /-/uploads/photos/\nTus-Resumable: 1.0.0\nUpload-Length: 1\nUpload-Metadata: "
    assert created(bucket + f"filename {b64('f')}").key == ObjectKey("photos", "f")
    both = bucket + f"filename {b64('f')},key {b64('a/ä')}"
    assert created(both).key == ObjectKey("photos", "a/ä")
    same = NEW + f"Upload-Length: 1\nUpload-Metadata: key {b64('a.bin')},filename {b64('f')}"
    assert created(same).key == OBJECT
    with pytest.raises(BadRequest, match="different keys"):
        parsed(TUS, NEW + f"Upload-Length: 1\nUpload-Metadata: key {b64('b')}")
    with pytest.raises(BadRequest, match="Name the object"):
        parsed(TUS, bucket)
    with pytest.raises(BadRequest, match="begins at"):
        parsed(TUS, "POST /-/uploads\nTus-Resumable: 1.0.0")


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a\\b", "a\0b", "k" * 1025, "a/./b"])
def test_pitfall_11_a_file_name_is_no_way_out(name: str) -> None:
    text = "POST /-/uploads/photos\nTus-Resumable: 1.0.0\nUpload-Length: 1\n"
    with pytest.raises((InvalidArgument, InvalidUri, BadRequest)):
        parsed(TUS, text + f"Upload-Metadata: filename {b64(name)}")
