"""Slabs become parts, at every alignment."""

import asyncio
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapt.part_size import PartPlan
from gateway.pipeline.parts import Draft, PartBuilder
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.slabs import Slab
from gateway.pipeline.spool import Spool
from gateway.units import KiB, MiB
from tests.pipeline.fakes import spool_in

DATA = bytes(number * 31 % 251 for number in range(400 * KiB))


async def cut(plan: PartPlan, size: int, reads: list[int], wishes: list[int]) -> list[bytes]:
    """Feed ``size`` bytes in reads of these sizes, slabs of these; answer the parts' bytes."""
    pool, parts, at, step = SlabPool(16 * MiB), [], 0, 0
    builder = PartBuilder(plan)
    seen = bytearray()

    def see(slab: Slab | None) -> None:
        if slab is not None:
            seen.extend(slab.data())

    with pool.account("a") as account:
        while at < size:
            if not builder.is_open:
                wish = wishes[step % len(wishes)]
                builder.add(await account.take(builder.slab_size(wish, None)))
            window = builder.window()
            read = min(len(window), reads[step % len(reads)], size - at)
            window[:read] = DATA[at : at + read]
            at, step = at + read, step + 1
            see(builder.advance(read))
            if not builder.draft.room:
                parts.append(builder.cut())
        see(builder.seal())
        parts.append(builder.cut())
        assert bytes(seen) == DATA[:size]
        contents, offset = [], 0
        for number, draft in enumerate(parts, start=1):
            part = draft.part()
            assert (part.number, part.offset) == (number, offset)
            contents.append(b"".join(part.views))
            assert part.size == len(contents[-1]) == draft.size
            offset += part.size
            del part
            draft.release()
            draft.release()
        assert account.held == 0
    return contents


@settings(max_examples=150, deadline=None)
@given(
    part=st.integers(1, 100 * KiB),
    size=st.integers(0, len(DATA)),
    reads=st.lists(st.integers(1, 70 * KiB), min_size=1, max_size=5),
    wishes=st.lists(st.sampled_from([16 * KiB, 32 * KiB, 64 * KiB, MiB]), min_size=1, max_size=4),
)
def test_a_stream_is_cut_exactly_at_every_alignment(
    part: int, size: int, reads: list[int], wishes: list[int]
) -> None:
    size = min(size, part * 50)
    reads = [max(read, 512) for read in reads]
    contents = asyncio.run(cut(PartPlan(None, part, part, None, 60), size, reads, wishes))
    assert b"".join(contents) == DATA[:size]
    assert all(len(content) == part for content in contents[:-1])


async def test_one_byte_reads_at_a_boundary_of_part_and_slab() -> None:
    for part in (16 * KiB - 1, 16 * KiB, 16 * KiB + 1):
        contents = await cut(PartPlan(None, part, part, None, 9), 3 * part, [1], [16 * KiB])
        assert [len(content) for content in contents] == [part, part, part, 0]


async def test_aligned_parts_leave_no_slab_half_empty() -> None:
    pool = SlabPool(16 * MiB)
    builder = PartBuilder(PartPlan(None, 1008 * KiB, 1008 * KiB, None, 3))
    with pool.account("a") as account:
        while builder.draft.room:
            builder.add(await account.take(builder.slab_size(MiB, None)))
            builder.advance(len(builder.window()))
        assert account.held == builder.draft.size == 1008 * KiB
        builder.draft.release()


def test_a_slab_is_no_larger_than_what_can_still_come() -> None:
    builder = PartBuilder(PartPlan(None, 8 * MiB, 8 * MiB, None, 3))
    assert builder.slab_size(MiB, None) == MiB
    assert builder.slab_size(MiB, 100 * KiB) == 64 * KiB
    assert builder.slab_size(MiB, 3) == 16 * KiB
    assert builder.slab_size(64 * KiB, None) == 64 * KiB


async def test_an_empty_slab_goes_back_at_the_end() -> None:
    with SlabPool(MiB).account("a") as account:
        builder = PartBuilder(PartPlan(None, 64 * KiB, 64 * KiB, None, 3))
        assert builder.seal() is None
        builder.add(await account.take(1))
        assert builder.seal() is None
        assert account.held == 0


async def draft_of(pieces: list[bytes], pool: SlabPool) -> tuple[Draft, list[Slab]]:
    draft = Draft(1, 0, 64 * KiB)
    account = pool.account("a")
    account.open()
    for piece in pieces:
        slab = await account.take(len(piece))
        slab.window(len(piece))[:] = piece
        slab.filled = len(piece)
        draft.slabs.append(slab)
        draft.size += len(piece)
    return draft, draft.slabs[:-1]


async def test_a_spilled_part_is_whole_again_when_it_is_sent(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as spool:
        pool = SlabPool(MiB)
        draft, front = await draft_of([b"one", b"two", b"three"], pool)
        assert await draft.spill(spool, front)
        assert pool.statistics().used == 16 * KiB
        assert draft.spooled == spool.used == 6
        assert b"".join(draft.part().views) == b"onetwothree"
        draft.release()
        assert (pool.statistics().used, spool.used) == (0, 0)


async def test_a_spool_without_room_leaves_the_part_in_memory(tmp_path: Path) -> None:
    async with spool_in(tmp_path, limit=5) as spool:
        draft, front = await draft_of([b"one", b"two", b"three"], SlabPool(MiB))
        assert not await draft.spill(spool, front)
        assert b"".join(draft.part().views) == b"onetwothree"
        draft.release()


async def test_a_spool_that_makes_no_file_leaves_the_part_in_memory(tmp_path: Path) -> None:
    class Broken(Spool):
        def open(self) -> "SpoolFile":  # type: ignore[name-defined]  # noqa: F821
            raise OSError("disk failure")

    broken = Broken(tmp_path, 100)
    draft, front = await draft_of([b"one", b"two"], SlabPool(MiB))
    assert not await draft.spill(broken, front)
    assert broken.full
    assert b"".join(draft.part().views) == b"onetwo"
    draft.release()
