"""Heads about objects: what is kept of a PUT, what a GET carries."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    BadRequest,
    GatewayError,
    InvalidArgument,
    MetadataTooLarge,
    NotImplementedHere,
)
from gateway.model import Attributes, ByteRange, ObjectKey
from gateway.protocol.commands import GetObject, ObjectOpened, RequestHead, Target
from gateway.protocol.digests import repr_digest
from gateway.protocol.object_heads import (
    MAX_METADATA,
    attribute_headers,
    checked_value,
    not_modified_headers,
    object_key,
    opened_headers,
    quoted,
    read_attributes,
    read_content_encoding,
    read_content_type,
    read_get,
    read_length,
    read_metadata,
    refuse_partial,
    replaced,
    wire,
)
from tests.protocol.heads import KEY, info, request


def put(*lines: str) -> RequestHead:
    return request("PUT /photos/a\n" + "\n".join(lines))


@pytest.mark.parametrize("key", [None, ObjectKey("photos", "")])
def test_a_bucket_is_no_object(key: ObjectKey | None) -> None:
    assert object_key(Target("plain", KEY)) == KEY
    with pytest.raises(BadRequest, match="needs an object"):
        object_key(Target("plain", key))


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        (["Content-Length: 0"], 0),
        (["Content-Length: 007"], 7),
        (["Content-Length: 53687091200000"], 53687091200000),
        (["Transfer-Encoding: Chunked"], None),
        ([], None),
    ],
)
def test_a_length_is_declared_or_unknown(lines: list[str], length: int | None) -> None:
    assert read_length(put(*lines)) == length


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: "],
        ["Content-Length: -1"],
        ["Content-Length: +5"],
        ["Content-Length: 0x1"],
        ["Content-Length: 1_0"],
        ["Content-Length: ٣".encode().decode("latin-1")],
        ["Content-Length: 1e3"],
        ["Content-Length: 100000000000000000000"],
        ["Content-Length: 5", "Content-Length: 5"],
        ["Content-Length: 5, 5"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ],
)
def test_case_32_and_33_odd_lengths_are_refused(lines: list[str]) -> None:
    with pytest.raises(BadRequest):
        read_length(put(*lines))


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "identity", "", "chunked, chunked"])
def test_case_33_other_transfer_codings_are_not_offered(coding: str) -> None:
    with pytest.raises(NotImplementedHere):
        read_length(put(f"Transfer-Encoding: {coding}"))


def test_a_piece_is_never_stored_as_the_whole() -> None:
    refuse_partial(put("Upload-Complete: ?1"))
    refuse_partial(put("Upload-Complete: 1"))  # no Boolean: as if it were not there
    with pytest.raises(BadRequest, match="Content-Range"):
        refuse_partial(put("Content-Range: bytes 0-4/10"))
    for line in ("Upload-Complete: ?0", "Upload-Complete: ?0;a", "Tus-Resumable: 1.0.0"):
        with pytest.raises(NotImplementedHere, match="whole object"):
            refuse_partial(put(line))


@pytest.mark.parametrize(
    "value",
    [
        "text/plain",
        "text/plain; charset=utf-8",
        "TEXT/Plain;charset=UTF-8",
        "application/vnd.api+json",
        'multipart/mixed; boundary="a b;c"',
        "image/x;a=ü",
        "a/b;",
    ],
)
def test_pitfall_06_a_content_type_is_kept_verbatim(value: str) -> None:
    assert read_content_type(put(f"Content-Type: {value}")) == value


@pytest.mark.parametrize(
    "value",
    [
        *(
            "text",
            "text/",
            "/plain",
            "te xt/plain",
            "text/pl(ain",
            "a/b/c",
            "ü/a",
            "a/b c",
            "a/b,c/d",
        ),
        *("a/b;\x0b", "a/b;\x00", "a/b\r\nX: y", "a/b;\r\nX: y", "a/b; \x7f"),
    ],
)
def test_case_86_a_content_type_that_is_none_is_refused(value: str) -> None:
    head = RequestHead("PUT", b"/photos/a", b"", [(b"content-type", value.encode("latin-1"))])
    with pytest.raises(InvalidArgument, match="type/subtype"):
        read_content_type(head)


def test_pitfall_06_an_absent_content_type_stays_absent_and_is_served_as_bytes() -> None:
    assert read_content_type(put()) is None
    assert read_content_type(put("Content-Type:")) is None
    assert attribute_headers(Attributes(), None) == (
        (b"content-type", b"application/octet-stream"),
    )


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        ([], None),
        (["Content-Encoding: gzip"], "gzip"),
        (["Content-Encoding: aws-chunked"], None),
        (["Content-Encoding: gzip,aws-chunked"], "gzip"),
        (["Content-Encoding: AWS-Chunked, gzip , br"], "gzip, br"),
        (["Content-Encoding: gzip", "Content-Encoding: aws-chunked"], "gzip"),
        (["Content-Encoding: ,"], None),
    ],
)
def test_aws_chunked_is_no_coding_of_the_object(lines: list[str], kept: str | None) -> None:
    assert read_content_encoding(put(*lines)) == kept


@pytest.mark.parametrize("char", ["\r", "\n", "\x00", "\x1b", "\x7f"])
@pytest.mark.parametrize(
    "name",
    [
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"cache-control",
        b"expires",
        b"x-meta-a",
    ],
)
def test_case_86_control_characters_in_stored_headers_are_refused(name: bytes, char: str) -> None:
    head = RequestHead("PUT", b"/photos/a", b"", [(name, f"a{char}b".encode())])
    with pytest.raises(InvalidArgument, match="control"):
        read_attributes(head, b"x-meta-")
    assert checked_value("a\tb ü", "x") == "a\tb ü"


def test_attributes_are_kept_as_sent() -> None:
    head = put(
        "Content-Type: text/html; charset=utf-8",
        'Content-Disposition: attachment; filename="ü.html"',
        "Content-Encoding: gzip",
        "Content-Language: de, en",
        "Cache-Control: max-age=60",
        "Cache-Control: public",
        "Expires: 0",
        "X-Meta-Colour: blue",
        "X-Meta-A: 1",
        "X-Meta-A: 2",
        "Other: x",
    )
    attributes = read_attributes(head, b"x-meta-")
    assert attributes == Attributes(
        content_type="text/html; charset=utf-8",
        content_disposition='attachment; filename="ü.html"',
        content_encoding="gzip",
        content_language="de, en",
        cache_control="max-age=60, public",
        expires="0",
        metadata={"colour": "blue", "a": "1,2"},
    )
    assert attribute_headers(attributes, b"x-meta-") == (
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-disposition", b'attachment; filename="\xfc.html"'),
        (b"content-encoding", b"gzip"),
        (b"content-language", b"de, en"),
        (b"cache-control", b"max-age=60, public"),
        (b"expires", b"0"),
        (b"x-meta-colour", b"blue"),
        (b"x-meta-a", b"1,2"),
    )


def test_case_51_metadata_ends_at_two_kib_of_names_and_values() -> None:
    assert read_metadata([(b"m-ab", b"x" * (MAX_METADATA - 2))], b"m-") == {"ab": "x" * 2046}
    for headers in ([(b"m-ab", b"x" * (MAX_METADATA - 1))], [(b"m-a", b"x" * 1024)] * 2):
        with pytest.raises(MetadataTooLarge, match="2048"):
            read_metadata(headers, b"m-")


@pytest.mark.parametrize("name", [b"m-", b"m-a b", b"m-\xfc", b"m-a:b"])
def test_a_metadata_name_is_a_token(name: bytes) -> None:
    with pytest.raises(InvalidArgument, match="token"):
        read_metadata([(name, b"x")], b"m-")


def test_text_from_elsewhere_becomes_a_header_that_cannot_split_the_response() -> None:
    assert wire("a\r\nSet-Cookie: x\x00") == b"a  Set-Cookie: x "
    assert wire("ü") == b"\xfc"
    assert wire("☃") == "☃".encode()
    assert wire("\ud800☃") == b"?\xe2\x98\x83"
    assert quoted("abc") == b'"abc"'


def test_metadata_that_no_header_can_carry_is_left_out() -> None:
    odd = Attributes(metadata={"a b": "1", "": "2", "c:d": "3", "☃": "4", "ok": "5"})
    assert attribute_headers(odd, b"m-")[1:] == ((b"m-ok", b"5"),)


def test_stronger_headers_replace_weaker_ones_of_their_name() -> None:
    weak = ((b"a", b"1"), (b"b", b"2"), (b"a", b"3"))
    assert replaced(weak, ()) == weak
    assert replaced(weak, ((b"a", b"4"), (b"c", b"5"))) == (
        (b"b", b"2"),
        (b"a", b"4"),
        (b"c", b"5"),
    )


def test_opened_headers_describe_the_whole_or_the_part() -> None:
    attributes = Attributes(content_type="image/png", cache_control="no-store")
    found = info(attributes=attributes)
    common = (
        (b"accept-ranges", b"bytes"),
        (b"etag", b'"abc"'),
        (b"last-modified", b"Sun, 06 Nov 1994 08:49:37 GMT"),
    )
    assert opened_headers(ObjectOpened(info=found), None) == (
        (b"content-length", b"10"),
        *common,
        (b"content-type", b"image/png"),
        (b"cache-control", b"no-store"),
    )
    part = ObjectOpened(info=found, range=ByteRange(2, 5), serving=((b"cache-control", b"x"),))
    assert opened_headers(part, None, ((b"content-type", b"a/b"), (b"cache-control", b"y"))) == (
        (b"content-length", b"3"),
        *common,
        (b"content-range", b"bytes 2-4/10"),
        (b"content-type", b"a/b"),
        (b"cache-control", b"x"),
    )


def test_304_repeats_validators_and_what_steers_caches() -> None:
    found = info(attributes=Attributes(content_type="image/png", cache_control="max-age=1"))
    serving = ((b"vary", b"Authorization"), (b"content-security-policy", b"sandbox"))
    assert not_modified_headers(found, serving) == (
        (b"etag", b'"abc"'),
        (b"last-modified", b"Sun, 06 Nov 1994 08:49:37 GMT"),
        (b"cache-control", b"max-age=1"),
        (b"vary", b"Authorization"),
    )


def test_range_is_defined_for_get_only_but_s3_answers_it_on_head() -> None:
    get = request('GET /photos/a\nRange: bytes=0-4\nIf-Range: "x"\nIf-None-Match: "y"')
    command = read_get(get, KEY)
    assert (command.range_header, command.if_range) == ("bytes=0-4", '"x"')
    assert command.conditions.if_none_match == ('"y"',)
    head = RequestHead("HEAD", get.raw_path, b"", get.headers)
    assert read_get(head, KEY) == GetObject(key=KEY, conditions=command.conditions, head_only=True)
    assert read_get(head, KEY, ranged_head=True).range_header == "bytes=0-4"


def test_an_empty_digest_field_is_no_header() -> None:
    assert repr_digest("") == ()
    assert repr_digest("sha-256=:x:") == ((b"repr-digest", b"sha-256=:x:"),)


NAMES = (
    *(b"content-type", b"content-encoding", b"content-length", b"transfer-encoding", b"expires"),
    *(b"m-a", b"m-", b"content-range", b"range", b"if-match", b"if-range", b"upload-complete"),
)
VALUES = st.one_of(st.binary(max_size=20), st.sampled_from([b"chunked", b"5", b"a/b", b'"x"']))


@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6))
def test_only_gateway_errors_escape(found: list[tuple[bytes, bytes]]) -> None:
    head = RequestHead("PUT", b"/photos/a", b"", found)
    with suppress(GatewayError):
        read_length(head)
    with suppress(GatewayError):
        refuse_partial(head)
    with suppress(GatewayError):
        read_attributes(head, b"m-")
    with suppress(GatewayError):
        read_get(head, KEY)
