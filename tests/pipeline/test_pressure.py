"""Who spills, and when."""

import asyncio

import pytest

from gateway.pipeline.budget import Budget, Claim
from gateway.pipeline.pressure import Pressure


class Upload:
    """A holder with given properties, which gives its memory back at once when it spills."""

    def __init__(self, budget: Budget, pressure: Pressure, size: int, due: float) -> None:
        self.claim = Claim("p")
        self.claim.holder = self
        self._budget = budget
        self._due = due
        self.size = size
        self.busy = False
        self.spilled = 0
        pressure.add(self.claim)
        budget.start_part(self.claim)

    def spillable(self) -> int:
        return self.size

    def sending(self) -> bool:
        return self.busy

    def due(self) -> float:
        return self._due

    def spill(self) -> None:
        self.spilled, size, self.size = self.size, self.size, 0
        self._budget.credit(self.claim, size)


async def fill(budget: Budget, pressure: Pressure, *uploads: tuple[int, float]) -> list[Upload]:
    made = []
    for size, due in uploads:
        upload = Upload(budget, pressure, size, due)
        await budget.charge(upload.claim, size)
        made.append(upload)
    return made


def setting(total: int = 1000, reserve: int = 0) -> tuple[Budget, Pressure]:
    budget = Budget(total, reserve)
    loop = asyncio.get_running_loop()
    return budget, Pressure(budget, patience=1.0, clock=loop.time)


async def test_below_the_high_water_mark_nobody_spills() -> None:
    budget, pressure = setting()
    uploads = await fill(budget, pressure, (350, 60.0), (350, 60.0))
    await asyncio.sleep(0.05)
    assert [upload.spilled for upload in uploads] == [0, 0]


async def test_above_it_slow_uploads_spill_largest_first_down_to_the_low_water_mark() -> None:
    budget, pressure = setting()
    uploads = await fill(budget, pressure, (100, 60.0), (300, 60.0), (400, 0.1), (150, 60.0))
    await asyncio.sleep(0.05)
    assert [upload.spilled for upload in uploads] == [0, 300, 0, 150]
    assert budget.used == 500


async def test_the_holder_of_the_right_of_way_loses_it_when_its_client_is_slow() -> None:
    budget, pressure = setting(1000, 200)
    slow, fast = await fill(budget, pressure, (500, 60.0), (300, 0.1))
    waiting = asyncio.ensure_future(budget.charge(slow.claim, 100))
    await asyncio.sleep(0)
    assert budget.elder is slow.claim
    before = slow.claim.ticket
    await asyncio.sleep(0.05)
    assert slow.spilled == 500
    assert slow.claim.ticket != before
    assert budget.elder is None
    await waiting
    assert fast.spilled == 0


async def test_parts_that_block_each_other_spill_even_if_their_clients_are_fast() -> None:
    budget, pressure = setting()
    uploads = await fill(budget, pressure, (500, 0.1), (500, 0.1))
    waiting = asyncio.ensure_future(budget.charge(Claim("q"), 100))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await asyncio.wait_for(waiting, 1)
    assert sum(upload.spilled for upload in uploads) > 0


async def test_nothing_spills_for_a_store_that_stalls() -> None:
    budget, pressure = setting()
    now = [0.0]
    pressure._clock = lambda: now[0]
    uploads = await fill(budget, pressure, (1000, 0.1))
    uploads[0].busy = True
    waiting = asyncio.ensure_future(budget.charge(Claim("q"), 100))
    await asyncio.sleep(0.03)
    now[0] = 5.0
    await asyncio.sleep(0.1)
    assert uploads[0].spilled == 0
    uploads[0].busy = False
    await asyncio.wait_for(waiting, 1)


async def test_the_watch_ends_with_the_last_claim() -> None:
    budget, pressure = setting()
    (upload,) = await fill(budget, pressure, (1000, 0.1))
    assert len(pressure) == 1
    pressure.remove(upload.claim)
    await asyncio.sleep(0.05)
    assert upload.spilled == 0
    assert pressure._timer is None


@pytest.mark.parametrize("holder", [True, False])
async def test_claims_without_parts_are_left_alone(holder: bool) -> None:
    budget, pressure = setting()
    claim = Claim("download")
    pressure.add(claim)
    await budget.charge(claim, 1000)
    if holder:
        (upload,) = await fill(budget, pressure, (0, 60.0))
        budget.elder = upload.claim
    await asyncio.sleep(0.05)
    assert budget.used == 1000
