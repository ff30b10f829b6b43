"""A part that fails while somebody is inside the sink, and who else wants the task to end."""

import asyncio

import pytest

from gateway.errors import (
    ClientGone,
    StorageRejected,
)
from gateway.pipeline.pump import pump
from gateway.pipeline.source import BytesSource
from gateway.pipeline.transforms import Chain
from tests.pipeline.fakes import (
    PART,
    Bench,
    Gate,
    TrickleSource,
    failing,
)


async def test_an_error_in_a_part_surfaces_as_itself_while_the_client_is_silent() -> None:
    bench = Bench()
    bench.store.before = failing("upload_part", StorageRejected("no"))

    class Silent(TrickleSource):
        async def read_into(self, view: memoryview, /) -> int:
            if self.given >= 2 * PART:
                await asyncio.Event().wait()
            return await super().read_into(view)

    with pytest.raises(StorageRejected):
        await asyncio.wait_for(bench.upload(Silent(bytes(4 * PART), PART), bench.sink(4 * PART)), 5)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert bench.store.calls["abort_multipart"] == 1
    bench.assert_clean()


async def test_an_external_cancellation_wins_over_a_part_that_failed() -> None:
    bench = Bench()
    bench.store.before = failing("upload_part", StorageRejected("no"))
    gate = Gate("abort_multipart")
    bench.store.after = gate
    task = asyncio.ensure_future(bench.upload(BytesSource(bytes(4 * PART)), bench.sink(4 * PART)))
    await gate.reached.wait()
    task.cancel()
    await asyncio.sleep(0)
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    bench.assert_clean()


async def test_a_bug_in_the_block_surfaces_as_itself() -> None:
    bench = Bench()
    sink = bench.sink(3 * PART)

    async def stumble() -> None:
        async with sink:
            await pump(BytesSource(bytes(3 * PART)), Chain(), sink)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await stumble()
    assert sink.multipart is None
    bench.assert_clean()


async def test_settle_raises_what_a_part_failed_with() -> None:
    bench = Bench()
    bench.store.before = failing("upload_part", StorageRejected("no"))

    async def run() -> None:
        async with bench.sink(2 * PART) as sink:
            await pump(BytesSource(bytes(2 * PART)), Chain(), sink)
            await sink.settle()

    with pytest.raises(StorageRejected):
        await run()
    bench.assert_clean()


async def test_a_part_that_fails_on_the_way_out_does_not_hide_why_we_leave() -> None:
    bench = Bench()
    leaving = asyncio.Event()

    async def late(operation: str, number: int) -> None:
        if operation == "upload_part":
            await leaving.wait()
            raise StorageRejected("too late")

    class Leaves(TrickleSource):
        async def read_into(self, view: memoryview, /) -> int:
            if self.given >= 2 * PART:
                asyncio.get_running_loop().call_later(0.01, leaving.set)
                raise ClientGone("gone")
            return await super().read_into(view)

    bench.store.before = late
    with pytest.raises(ClientGone):
        await bench.upload(Leaves(bytes(4 * PART), PART), bench.sink(4 * PART, grace=1))
    bench.assert_clean()
