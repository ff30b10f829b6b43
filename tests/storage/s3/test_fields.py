from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRange, StorageCorrupt
from gateway.model import (
    ByteRange,
    From,
    ObjectKey,
    RangeRequest,
    Suffix,
    WriteCondition,
)
from gateway.storage.s3.fields import (
    condition_parameters,
    decode_metadata,
    encode_metadata,
    etag_of,
    info_of,
    range_of,
    version_of,
)

KEY = ObjectKey("b", "k")


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_any_metadata_survives_its_header(value: str) -> None:
    header = encode_metadata(value)
    assert header.isascii()
    assert header == header.strip()
    assert not set(header) & set("\r\n\0")
    assert all(len(word) <= 75 for word in header.split(" ")) or header == value
    assert decode_metadata(header) == value


def test_plain_metadata_stays_plain() -> None:
    assert encode_metadata("a, b  ; c=d?") == "a, b  ; c=d?"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("=?UTF-8?Q?caf=C3=A9?=", "café"),
        ("=?UTF-8?B?w6k=?= =?utf-8?b?w6k=?=", "éé"),
        ("=?UTF-8?B?w6k=?= and more", "=?UTF-8?B?w6k=?= and more"),
        ("=?no-such-charset?B?w6k=?=", "=?no-such-charset?B?w6k=?="),
        ("=?UTF-8?B?/w==?=", "=?UTF-8?B?/w==?="),
        ("=?UTF-8?B?a?=", "=?UTF-8?B?a?="),
        ("=?é?Q?a?=", "=?é?Q?a?="),
        ("=?=?Q?a?=", "=?=?Q?a?="),
    ],
)
def test_metadata_is_decoded_only_where_it_is_encoded(header: str, value: str) -> None:
    assert decode_metadata(header) == value


@given(st.from_regex(r"=\?[^?\s]+\?[BbQq]\?[^?\s]*\?=", fullmatch=True))
def test_whatever_others_stored_as_encoded_words_is_read_as_something(header: str) -> None:
    assert isinstance(decode_metadata(header), str)


def test_conditions_quote_etags_unless_told_not_to() -> None:
    assert condition_parameters(WriteCondition(), bare_etags=False) == {}
    assert condition_parameters(WriteCondition(absent=True), bare_etags=False) == {
        "IfNoneMatch": "*"
    }
    on_etag = WriteCondition(etag="e")
    assert condition_parameters(on_etag, bare_etags=False) == {"IfMatch": '"e"'}
    assert condition_parameters(on_etag, bare_etags=True) == {"IfMatch": "e"}


@pytest.mark.parametrize(
    ("answer", "request_", "expected"),
    [
        ({"ContentLength": 10}, None, (ByteRange(0, 10), 10)),
        ({"ContentLength": 0}, None, (None, 0)),
        ({"ContentLength": 3, "ContentRange": "bytes 2-4/9"}, From(2, 5), (ByteRange(2, 5), 9)),
        ({"ContentLength": 9}, From(0), (ByteRange(0, 9), 9)),
        ({"ContentLength": 9, "ContentRange": "bytes 0-8/9"}, None, (ByteRange(0, 9), 9)),
        ({"ContentLength": 7, "ContentRange": "bytes 2-8/9"}, From(2, 20), (ByteRange(2, 9), 9)),
        ({"ContentLength": 9, "ContentRange": "bytes 0-8/9"}, Suffix(20), (ByteRange(0, 9), 9)),
        ({"ContentLength": 9}, Suffix(9), (ByteRange(0, 9), 9)),
    ],
)
def test_answers_say_what_they_deliver(
    answer: dict[str, object],
    request_: RangeRequest | None,
    expected: tuple[ByteRange | None, int],
) -> None:
    assert range_of(answer, request_) == expected


@pytest.mark.parametrize(
    ("answer", "request_"),
    [
        ({"ContentLength": 9}, From(1)),
        ({"ContentLength": 9}, Suffix(3)),
        ({}, None),
        ({"ContentLength": 4, "ContentRange": "bytes 2-4/9"}, From(2, 5)),
        ({"ContentLength": 3, "ContentRange": "bytes 2-4/*"}, From(2, 5)),
        ({"ContentLength": 3, "ContentRange": "bytes 0-2/9"}, From(2, 5)),
        ({"ContentLength": 3, "ContentRange": "bytes 0-2/9"}, Suffix(3)),
        ({"ContentLength": 3, "ContentRange": "bytes 0-2/9"}, None),
        ({"ContentLength": 3, "ContentRange": "bytes six"}, None),
        ({"ContentLength": 4, "ContentRange": "bytes 2-5/9"}, From(2, 5)),
        ({"ContentLength": 2, "ContentRange": "bytes 2-3/9"}, From(2, 5)),
        ({"ContentLength": 2, "ContentRange": "bytes 7-8/9"}, Suffix(3)),
        ({"ContentLength": 1, "ContentRange": "bytes 5-2/9"}, From(5)),
    ],
)
def test_answers_that_contradict_themselves_are_corrupt(
    answer: dict[str, object], request_: RangeRequest | None
) -> None:
    with pytest.raises(StorageCorrupt):
        range_of(answer, request_)


def test_a_range_of_an_empty_object_is_invalid_even_where_it_was_ignored() -> None:
    with pytest.raises(InvalidRange) as caught:
        range_of({"ContentLength": 0}, From(0))
    assert caught.value.size == 0


def test_etags_lose_their_quotes_only() -> None:
    assert etag_of({"ETag": '"abc-2"'}) == "abc-2"
    assert etag_of({"ETag": 'W/"abc"'}) == "abc"
    with pytest.raises(StorageCorrupt):
        etag_of({"ETag": '""'})


def test_the_null_version_is_none() -> None:
    assert version_of({"VersionId": "null"}) is None
    assert version_of({"VersionId": "v1"}) == "v1"


def test_metadata_names_are_lower_case_and_times_are_aware() -> None:
    info = info_of(KEY, {"ETag": '"e"', "Metadata": {"Camel": "x"}}, 3)
    assert info.attributes.metadata == {"camel": "x"}
    assert info.modified == datetime.fromtimestamp(0, UTC)
