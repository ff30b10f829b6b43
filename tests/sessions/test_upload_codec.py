"""Uploads as text and back."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SessionsUnavailable
from gateway.model import Attributes, Digest, ObjectKey, Principal, WriteCondition
from gateway.sessions.extents import Extent, Piece
from gateway.sessions.upload_codec import (
    decode_extent,
    decode_made,
    encode_extent,
    encode_made,
    encode_standing,
    with_standing,
)
from gateway.sessions.uploads import Cut, Result, UploadSession
from tests.sessions.upload_contract import FULL, upload

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_MAYBE = st.none() | _TEXT
_BYTES = st.integers(0, 2**63 - 1)
_DIGESTS = st.lists(st.builds(Digest, _TEXT, st.binary(max_size=64)), max_size=3).map(tuple)
_EXTENTS = st.builds(
    Extent,
    offset=_BYTES,
    size=_BYTES,
    number=st.integers(0, 10_000),
    etag=_TEXT,
    name=_TEXT,
    digests=_DIGESTS,
    pieces=st.lists(st.builds(Piece, _BYTES, _BYTES, st.integers(0, 2**64 - 1)), max_size=3).map(
        tuple
    ),
)
_ATTRIBUTES = st.builds(
    Attributes,
    content_type=_MAYBE,
    content_disposition=_MAYBE,
    content_encoding=_MAYBE,
    content_language=_MAYBE,
    cache_control=_MAYBE,
    expires=_MAYBE,
    metadata=st.dictionaries(_TEXT, _TEXT, max_size=3),
    storage_class=_MAYBE,
    sse=_MAYBE,
    sse_kms_key_id=_MAYBE,
)
_TIMES = st.floats(0, 1e11)
_SESSIONS = st.builds(
    UploadSession,
    id=_TEXT,
    dialect=_TEXT,
    principal=st.builds(Principal, _TEXT, _MAYBE),
    policy=_TEXT,
    target=st.builds(ObjectKey, _TEXT, _TEXT),
    store=_TEXT,
    key=st.builds(ObjectKey, _TEXT, _TEXT),
    cut=st.builds(
        Cut,
        start=_BYTES,
        cap=_BYTES,
        run=st.none() | _BYTES,
        max_parts=_BYTES,
        stride=st.integers(1, 9),
    ),
    created=_TIMES,
    name=_MAYBE,
    attributes=_ATTRIBUTES,
    condition=st.builds(WriteCondition, st.booleans(), _MAYBE),
    overwrite=st.booleans(),
    max_size=st.none() | _BYTES,
    claims=_DIGESTS,
    metadata=_MAYBE,
    partial=st.booleans(),
    sources=st.lists(_TEXT, max_size=3).map(tuple),
    length=st.none() | _BYTES,
    expires=_TIMES,
    state=st.sampled_from(["open", "completing", "done", "failed", "ending", "gone"]),
    epoch=_BYTES,
    holder=_TEXT,
    yield_asked=st.booleans(),
    upload_id=_MAYBE,
    extents=st.lists(_EXTENTS, max_size=3).map(tuple),
    result=st.none()
    | st.builds(
        Result, etag=_TEXT, size=_BYTES, created=st.booleans(), version=_MAYBE, digests=_DIGESTS
    ),
    version=_BYTES,
)


def through_text(session: UploadSession) -> UploadSession:
    return with_standing(
        decode_made(encode_made(session)),
        encode_standing(session),
        epoch=session.epoch,
        version=session.version,
        yield_asked=session.yield_asked,
        extents=tuple(decode_extent(encode_extent(extent)) for extent in session.extents),
    )


@given(session=_SESSIONS)
def test_an_upload_survives_being_text(session: UploadSession) -> None:
    assert through_text(session) == session


@given(extent=_EXTENTS)
def test_an_extent_always_gives_the_same_text(extent: Extent) -> None:
    text = encode_extent(extent)
    assert encode_extent(decode_extent(text)) == text


def test_what_an_upload_was_made_as_does_not_depend_on_how_it_stands() -> None:
    later = replace(FULL, length=1, expires=2.0, state="gone", epoch=3, extents=(), result=None)
    assert encode_made(later) == encode_made(FULL)


def test_texts_of_version_1_are_still_read() -> None:
    """Written down here once: a change of the form needs a new version, and reads both."""
    made = (
        '{"v":1,"id":"u1","dialect":"tus","principal":["ann","AK1"],"policy":"photos","target":["photos","a/1.png"],'
        '"store":"main","key":["real","photos/a/1.png"],"cut":[8,64,100,10000,2],"created":1700000000.25,"name":null,'
        '"attributes":{},"user_metadata":{},"condition":[false,null],"overwrite":true,"max_size":null,"claims":[],'
        '"metadata":null,"partial":false,"sources":[]}'
    )
    standing = '{"v":1,"length":null,"expires":1700000000.25,"state":"open","holder":"","upload_id":null,"result":null}'
    extent = '[1,0,3,0,"","s0",[["crc32","AP+Afw=="]],[[0,3,7]]]'
    kept = Extent(
        offset=0,
        size=3,
        name="s0",
        digests=(Digest("crc32", b"\x00\xff\x80\x7f"),),
        pieces=(Piece(0, 3, 7),),
    )
    assert (encode_made(upload()), encode_standing(upload())) == (made, standing)
    assert encode_extent(kept) == extent
    assert decode_extent(extent) == kept
    found = with_standing(
        decode_made(made), standing, epoch=0, version=0, yield_asked=False, extents=()
    )
    assert found == upload()


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_version_that_is_not_known_is_refused(version: object) -> None:
    made = json.loads(encode_made(FULL)) | {"v": version}
    standing = json.loads(encode_standing(FULL)) | {"v": version}
    extent = [version, *json.loads(encode_extent(FULL.extents[0]))[1:], "something new"]
    with pytest.raises(SessionsUnavailable, match="another Sluice .version"):
        decode_made(json.dumps(made))
    with pytest.raises(SessionsUnavailable, match="another Sluice .version"):
        with_standing(FULL, json.dumps(standing), epoch=0, version=0, yield_asked=False, extents=())
    with pytest.raises(SessionsUnavailable, match="another Sluice .version"):
        decode_extent(json.dumps(extent))
