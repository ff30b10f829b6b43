"""A download that outlives its backend connection."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayError, StorageCorrupt, StorageError, StorageUnavailable
from gateway.model import ByteRange, From, Opened
from gateway.transfer.resuming import MAX_BREAKS, ResumingSource
from tests.transfer.lab import KEY, Bench, Breaking, Store, bench, everything

DATA = bytes(range(256)) * 40
BREAK = StorageUnavailable("it broke")


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path) as made:
        await made.put(DATA)
        yield made


async def opened(lab: Bench, span: ByteRange | None = None) -> ResumingSource:
    span = span or ByteRange(0, len(DATA))
    found = await lab.store.get(KEY, range=From(span.start, span.stop))
    placement = lab.placements.resolve(KEY)
    return ResumingSource(
        placement, found.info.etag, span, found.source, lab.retriers["main"], lab.facts
    )


def breaks(lab: Bench, error: Exception, *sizes: int) -> Breaking:
    plan = Breaking(error, *sizes)
    assert isinstance(lab.store, Store)
    lab.store.sources = plan
    return plan


@pytest.mark.parametrize("span", [ByteRange(0, len(DATA)), ByteRange(100, 9000)])
async def test_reading_goes_on_where_the_store_broke(lab: Bench, span: ByteRange) -> None:
    plan = breaks(lab, BREAK, 1, 300, 4000)
    source = await opened(lab, span)

    assert source.length == span.size
    assert await everything(source) == DATA[span.start : span.stop]
    assert (lab.facts.resumed, source.length) == (3, 0)
    await source.aclose()
    await source.aclose()
    assert plan.closed == 4


async def test_a_store_that_ends_early_is_a_break(lab: Bench) -> None:
    assert isinstance(lab.store, Store)
    first = True

    def shorter(source: Any) -> Any:
        nonlocal first
        if first:
            source._data = source._data[:50]
        first = False
        return source

    lab.store.sources = shorter
    assert await everything(await opened(lab)) == DATA
    assert lab.facts.resumed == 1


async def test_breaks_without_a_byte_between_them_end_it(lab: Bench) -> None:
    breaks(lab, BREAK, 10, *[0] * (MAX_BREAKS + 1))
    source = await opened(lab)
    with pytest.raises(StorageUnavailable):
        await everything(source)

    assert lab.facts.resumed == MAX_BREAKS


async def test_an_error_that_stays_is_not_tried_again(lab: Bench) -> None:
    breaks(lab, StorageError("no"), 10)
    with pytest.raises(StorageError, match="no"):
        await everything(await opened(lab))

    assert lab.facts.resumed == 0


@pytest.mark.parametrize("honours", [True, False], ids=["If-Match honoured", "If-Match ignored"])
@pytest.mark.parametrize("after", [b"another version" * 1000, b"short", None])
async def test_case_72_two_versions_are_never_mixed(
    lab: Bench, honours: bool, after: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks(lab, BREAK, 100)
    source = await opened(lab)
    taken = memoryview(bytearray(1000))
    assert await source.read_into(taken) == 100
    if after is None:
        await lab.store.delete(KEY)
    else:
        await lab.put(after)
    if not honours:
        get = lab.store.get

        async def ignoring(key: Any, *, range: Any = None, if_match: Any = None) -> Opened:
            return await get(key, range=range)

        monkeypatch.setattr(lab.store, "get", ignoring)
    with pytest.raises(StorageCorrupt, match="replaced or removed"):
        await source.read_into(taken)
    assert bytes(taken[:100]) == DATA[:100]


async def test_a_store_that_answers_another_range_is_not_believed(
    lab: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks(lab, BREAK, 100)
    source = await opened(lab)
    get = lab.store.get

    async def from_the_start(key: Any, *, range: Any = None, if_match: Any = None) -> Opened:
        return replace(await get(key), range=ByteRange(0, len(DATA)))

    monkeypatch.setattr(lab.store, "get", from_the_start)
    with pytest.raises(StorageCorrupt):
        await everything(source)


async def test_what_cannot_be_reopened_is_the_stores_error(lab: Bench) -> None:
    breaks(lab, BREAK, 100)
    source = await opened(lab)

    async def away(name: str) -> None:
        raise BREAK

    assert isinstance(lab.store, Store)
    lab.store.before = away
    with pytest.raises(GatewayError) as caught:
        await everything(source)
    assert caught.value is BREAK
    assert lab.store.calls.count("get") == 1 + 3, "as often as the retry policy says, once"
