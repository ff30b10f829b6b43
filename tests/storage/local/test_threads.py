import asyncio
import threading
import time

import pytest

from gateway.errors import ObjectNotFound, StorageError, StorageRejected, StorageUnavailable
from gateway.storage.local.threads import Abandoned, Job, Threads


@pytest.fixture
def threads() -> Threads:
    return Threads("test", 2)


async def test_work_is_done_in_another_thread(threads: Threads) -> None:
    assert await threads.run(lambda _: threading.get_ident()) != threading.get_ident()


async def test_errors_of_the_system_come_out_as_ours(threads: Threads) -> None:
    def broken(_: Job) -> None:
        raise PermissionError(13, "Permission denied", "/secret/path")

    with pytest.raises(StorageRejected) as caught:
        await threads.run(broken)
    assert "/secret/path" not in caught.value.detail

    def missing(_: Job) -> None:
        raise ObjectNotFound("none")

    with pytest.raises(ObjectNotFound):
        await threads.run(missing)


async def test_a_cancelled_call_returns_only_when_its_thread_is_done(threads: Threads) -> None:
    began, events = threading.Event(), []

    def slow(job: Job) -> None:
        began.set()
        try:
            while True:
                time.sleep(0.001)
                job.check()
        except Abandoned:
            time.sleep(0.05)
            events.append("thread done")
            raise

    call = asyncio.create_task(threads.run(slow))
    await asyncio.to_thread(began.wait)
    call.cancel()
    await asyncio.sleep(0.01)
    call.cancel()  # impatience changes nothing
    with pytest.raises(asyncio.CancelledError):
        await call
    assert events == ["thread done"]


async def test_a_result_that_comes_too_late_is_discarded(threads: Threads) -> None:
    began, release, discarded = threading.Event(), threading.Event(), threading.Event()

    def work(_: Job) -> str:
        began.set()
        release.wait(5)
        return "late"

    call = asyncio.create_task(
        threads.run(work, discard=lambda late: discarded.set() if late == "late" else None)
    )
    await asyncio.to_thread(began.wait)
    call.cancel()
    await asyncio.sleep(0)
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(discarded.wait, 5)


async def test_an_error_that_comes_too_late_is_forgotten(threads: Threads) -> None:
    began, release = threading.Event(), threading.Event()

    def work(_: Job) -> str:
        began.set()
        release.wait(5)
        raise OSError(5, "broken")

    call = asyncio.create_task(threads.run(work, discard=print))
    await asyncio.to_thread(began.wait)
    call.cancel()
    await asyncio.sleep(0)
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_work_that_waited_in_line_is_never_begun_after_a_cancel() -> None:
    threads, release, begun = Threads("one", 1), threading.Event(), []
    first = asyncio.create_task(threads.run(lambda _: release.wait(5)))
    second = asyncio.create_task(threads.run(lambda _: begun.append(2)))
    await asyncio.sleep(0.01)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    release.set()
    assert await first
    assert begun == []


async def test_after_closing_nothing_runs(threads: Threads) -> None:
    threads.close()
    with pytest.raises(StorageUnavailable):
        await threads.run(lambda _: 1)


async def test_closing_lets_running_work_finish(threads: Threads) -> None:
    def work(_: Job) -> str:
        time.sleep(0.05)
        return "done"

    call = asyncio.create_task(threads.run(work))
    await asyncio.sleep(0.01)
    await asyncio.to_thread(threads.close)
    assert await call == "done"


async def test_an_unknown_failure_of_the_disk_is_a_storage_error(threads: Threads) -> None:
    def broken(_: Job) -> None:
        raise OSError("no number")

    with pytest.raises(StorageError):
        await threads.run(broken)
