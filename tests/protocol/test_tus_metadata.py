"""Upload-Metadata: understood where it can be, refused where it is malformed."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, GatewayError, InvalidArgument, InvalidUri, KeyTooLong
from gateway.protocol.object_heads import MAX_METADATA
from gateway.protocol.tus_metadata import parse_metadata


def header(**pairs: str | bytes) -> str:
    return ",".join(
        f"{name} {b64encode(value.encode() if isinstance(value, str) else value).decode()}"
        for name, value in pairs.items()
    )


def test_pairs_are_decoded_and_the_header_kept() -> None:
    raw = "a YQ==, b,c "
    metadata = parse_metadata(raw)
    assert metadata.raw == raw
    assert metadata.pairs == {"a": b"a", "b": b"", "c": b""}
    assert parse_metadata(None) == parse_metadata("")


@pytest.mark.parametrize(
    ("pairs", "content_type"),
    [
        ({"filetype": "image/png"}, "image/png"),
        ({"contentType": "image/png"}, "image/png"),
        ({"filetype": "a/b", "contentType": "c/d"}, "a/b"),
        ({"filetype": "", "contentType": "c/d"}, "c/d"),
        ({"filetype": "null"}, None),
        ({"filetype": "a/b\r\nx: y"}, None),
        ({"filetype": b"\xff"}, None),
        ({}, None),
    ],
)
def test_the_type_is_the_files_if_it_is_one(
    pairs: dict[str, str | bytes], content_type: str | None
) -> None:
    assert parse_metadata(header(**pairs)).attributes().content_type == content_type


@pytest.mark.parametrize(
    ("pairs", "disposition"),
    [
        ({"filename": "a.zip"}, 'attachment; filename="a.zip"'),
        ({"filename": "a.png", "filetype": "image/png"}, 'inline; filename="a.png"'),
        ({"filename": "x/../a\u202eb.zip"}, 'attachment; filename="ab.zip"'),
        ({"filename": "a\nb"}, None),
        ({"filename": ""}, None),
        ({}, None),
    ],
)
def test_the_file_name_is_safe_in_a_header(
    pairs: dict[str, str | bytes], disposition: str | None
) -> None:
    assert parse_metadata(header(**pairs)).attributes().content_disposition == disposition


def test_the_rest_is_user_metadata_where_it_can_be() -> None:
    pairs: dict[str, str | bytes] = {
        "key": "k", "FileName": "f", "Author": "Zoë", "author": "x", "flag": "", "a:b": "c",
        "raw": b"\xff", "line": "a\nb",
    }  # fmt: skip
    assert parse_metadata(header(**pairs)).attributes().metadata == {"author": "Zoë", "flag": ""}


def test_the_rest_stops_where_there_is_no_more_room() -> None:
    pairs = {f"n{i}": "v" * 400 for i in range(6)}
    metadata = parse_metadata(header(**pairs)).attributes().metadata
    assert list(metadata) == ["n0", "n1", "n2", "n3", "n4"]
    assert sum(len(name) + len(value) for name, value in metadata.items()) <= MAX_METADATA


def test_the_key_is_named_as_such_or_as_a_file() -> None:
    assert parse_metadata(header(filename="f")).key() == "f"
    assert parse_metadata(header(filename="f", key="a/k")).key() == "a/k"
    assert parse_metadata(header(other="f")).key() is None


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("", InvalidArgument),
        (b"\xff", InvalidArgument),
        ("/a", InvalidArgument),
        ("a\\b", InvalidArgument),
        ("a/../b", InvalidUri),
        ("a\tb", InvalidUri),
        ("k" * 1025, KeyTooLong),
    ],
)
def test_pitfall_11_a_key_is_checked_strictly(key: str | bytes, error: type[GatewayError]) -> None:
    with pytest.raises(error):
        parse_metadata(header(key=key)).key()


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_header_is_metadata_or_a_bad_request(text: str) -> None:
    try:
        metadata = parse_metadata(text)
    except BadRequest:
        return
    attributes = metadata.attributes()
    for value in (attributes.content_type, attributes.content_disposition):
        assert value is None or "\n" not in value


@given(
    st.dictionaries(
        st.text(
            st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=1
        ),
        st.binary(max_size=20),
        max_size=5,
    )
)
def test_what_a_client_writes_is_read(pairs: dict[str, bytes]) -> None:
    text = ",".join(f"{name} {b64encode(value).decode()}" for name, value in pairs.items())
    assert parse_metadata(text).pairs == pairs
