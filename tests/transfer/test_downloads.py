"""Downloads: judged, ranged, of one version."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import (
    ConcurrentWrite,
    InvalidRange,
    ObjectNotFound,
    PreconditionFailed,
)
from gateway.model import ByteRange, ObjectKey
from gateway.protocol.commands import GetObject, NotModified, ObjectOpened, Preconditions
from gateway.transfer.ahead import WORTH, AheadSource
from gateway.transfer.downloads import MAX_LOOKS, Download
from gateway.transfer.resuming import ResumingSource
from gateway.units import MiB
from tests.transfer.lab import KEY, Bench, Store, bench, everything

DATA = b"0123456789"


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path) as made:
        await made.put(DATA)
        calls(made).clear()
        yield made


def calls(lab: Bench) -> list[str]:
    assert isinstance(lab.store, Store)
    return lab.store.calls


async def read(lab: Bench, **command: Any) -> tuple[ByteRange | None, bytes]:
    download = await lab.downloads.open(GetObject(key=KEY, **command), "alice")
    assert isinstance(download.reply, ObjectOpened)
    assert download.source is not None
    return download.reply.range, await everything(download.source)


@pytest.mark.parametrize(
    ("header", "span", "data"),
    [
        (None, None, DATA),
        ("bytes=2-4", ByteRange(2, 5), b"234"),
        ("bytes=8-", ByteRange(8, 10), b"89"),
        ("bytes=-3", ByteRange(7, 10), b"789"),
        ("bytes=5-99999", ByteRange(5, 10), b"56789"),
        ("lines=1-2", None, DATA),
        ("bytes=4-2", None, DATA),
    ],
)
async def test_one_range_costs_one_call(
    lab: Bench, header: str | None, span: ByteRange | None, data: bytes
) -> None:
    assert await read(lab, range_header=header) == (span, data)
    assert calls(lab) == ["get"]


async def test_case_68_several_ranges_are_answered_whole_or_as_the_only_one_that_fits(
    lab: Bench,
) -> None:
    assert await read(lab, range_header="bytes=0-0,2-2") == (None, DATA)
    assert await read(lab, range_header="bytes=3-4,50-60") == (ByteRange(3, 5), b"34")
    with pytest.raises(InvalidRange):
        await read(lab, range_header="bytes=50-60,70-")


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=-0", "bytes=10-20,30-40"])
async def test_case_69_a_range_outside_says_how_long_the_object_is(lab: Bench, header: str) -> None:
    with pytest.raises(InvalidRange) as caught:
        await read(lab, range_header=header)

    assert caught.value.size == 10


async def test_a_store_that_tells_no_size_is_asked_for_it(
    lab: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def vague(*args: Any, **more: Any) -> Any:
        raise InvalidRange("somewhere else")

    monkeypatch.setattr(lab.store, "get", vague)
    with pytest.raises(InvalidRange) as caught:
        await read(lab, range_header="bytes=10-")
    assert caught.value.size == 10


async def test_an_empty_object_has_no_range(lab: Bench) -> None:
    await lab.put(b"")
    assert await read(lab) == (None, b"")
    with pytest.raises(InvalidRange):
        await read(lab, range_header="bytes=0-")


async def test_if_range_of_another_version_sends_all_of_this_one(lab: Bench) -> None:
    etag = (await lab.store.head(KEY)).etag
    assert await read(lab, range_header="bytes=1-2", if_range=f'"{etag}"') == (
        ByteRange(1, 3),
        b"12",
    )
    assert await read(lab, range_header="bytes=1-2", if_range='"old"') == (None, DATA)
    # Without a range there is nothing to judge.
    calls(lab).clear()
    assert await read(lab, if_range='"old"') == (None, DATA)
    assert calls(lab) == ["get"]


async def test_conditions_are_judged_before_a_byte_is_fetched(lab: Bench) -> None:
    etag = (await lab.store.head(KEY)).etag
    same = Preconditions(if_none_match=(f'"{etag}"',))
    calls(lab).clear()
    unchanged = await lab.downloads.open(GetObject(key=KEY, conditions=same), "alice")
    with pytest.raises(PreconditionFailed):
        await lab.downloads.open(
            GetObject(key=KEY, conditions=Preconditions(if_match=('"other"',))), "alice"
        )

    assert isinstance(unchanged.reply, NotModified)
    assert unchanged.source is None
    assert calls(lab) == ["head", "head"]


async def test_head_opens_nothing(lab: Bench) -> None:
    download = await lab.downloads.open(
        GetObject(key=KEY, head_only=True, range_header="bytes=0-1"), "alice"
    )

    assert isinstance(download.reply, ObjectOpened)
    assert (download.reply.range, download.source) == (ByteRange(0, 2), None)
    assert calls(lab) == ["head"]


async def test_what_is_missing_is_missing(lab: Bench) -> None:
    for head_only in (True, False):
        with pytest.raises(ObjectNotFound):
            await lab.downloads.open(
                GetObject(key=ObjectKey("photos", "none"), head_only=head_only), "alice"
            )


async def test_case_72_a_replaced_object_is_judged_anew_not_refused(lab: Bench) -> None:
    """Replaced between the look and the GET: the client named no version, so it gets the new one."""
    assert isinstance(lab.store, Store)
    store = lab.store

    async def replace_once(name: str) -> None:
        if name == "get":
            store.before = _nothing
            await lab.put(b"the new one")

    store.before = replace_once
    assert await read(lab, conditions=Preconditions(if_none_match=('"old"',))) == (
        None,
        b"the new one",
    )


async def test_case_72_a_client_that_named_a_version_gets_that_or_412(lab: Bench) -> None:
    assert isinstance(lab.store, Store)
    store = lab.store
    etag = (await store.head(KEY)).etag

    async def replace_once(name: str) -> None:
        if name == "get":
            store.before = _nothing
            await lab.put(b"the new one")

    store.before = replace_once
    with pytest.raises(PreconditionFailed):
        await read(lab, conditions=Preconditions(if_match=(f'"{etag}"',)), range_header="bytes=1-2")


async def test_an_object_that_never_rests_is_given_up(lab: Bench) -> None:
    assert isinstance(lab.store, Store)
    store, looks = lab.store, 0

    async def replace_always(name: str) -> None:
        nonlocal looks
        if name == "get":
            looks += 1
            store._objects.pop(KEY)
            store.before = _nothing
            await lab.put(b"version %d" % looks)
            store.before = replace_always

    store.before = replace_always
    with pytest.raises(ConcurrentWrite):
        await read(lab, conditions=Preconditions(if_match=("*",)))
    assert looks == MAX_LOOKS


async def _nothing(name: str) -> None: ...


async def test_the_end_of_a_body_is_told(lab: Bench) -> None:
    download: Download = await lab.downloads.open(GetObject(key=KEY), "alice")
    lab.downloads.finished(download, "sent", 10)

    assert lab.facts.downloads == [("sent", 10)]


@pytest.mark.parametrize(
    ("size", "streams", "kind"),
    [(WORTH - 1, 10, ResumingSource), (WORTH, 10, AheadSource), (WORTH, 1, ResumingSource)],
)
async def test_only_large_bodies_may_be_read_ahead(
    lab: Bench, size: int, streams: int, kind: type
) -> None:
    await lab.put(bytes(size))
    lab.downloads._ahead = replace(lab.ahead, streams=streams)
    calls(lab).clear()
    download = await lab.downloads.open(GetObject(key=KEY), "alice")
    assert type(download.source) is kind
    assert download.source is not None
    assert await everything(download.source, MiB) == bytes(size)
    await download.source.aclose()
    assert calls(lab) == ["get"]
    await lab.assert_clean()
