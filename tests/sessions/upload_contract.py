"""What every store does with uploads. Each test file of a store inherits these tests; ``another`` opens one more
store of the same data, as another process has it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import strategies as st

from gateway.errors import GatewayError, Overtaken, UploadGone
from gateway.model import Attributes, ByteRange, Digest, ObjectKey, Principal, WriteCondition
from gateway.sessions.base import Sessions
from gateway.sessions.extents import Extent, Piece
from gateway.sessions.upload_codec import decode_extent
from gateway.sessions.uploads import Change, Cut, Result, UploadSession, UploadSessions, UploadState
from tests.sessions.conftest import Another

NOW = 1_700_000_000.25


def upload(number: int = 1, *, name: str | None = None, expires: float = NOW) -> UploadSession:
    """A new upload for tests."""
    return UploadSession(
        id=f"u{number}",
        dialect="tus",
        principal=Principal("ann", "AK1"),
        policy="photos",
        target=ObjectKey("photos", "a/1.png"),
        store="main",
        key=ObjectKey("real", "photos/a/1.png"),
        cut=Cut(start=8, cap=64, run=100, max_parts=10_000, stride=2),
        created=NOW,
        name=name,
        expires=expires,
    )


def part(number: int, size: int = 8, *, etag: str = "e") -> Extent:
    """Part ``number`` (from 1) of equal ones."""
    return Extent(offset=(number - 1) * size, size=size, number=number, etag=etag)


def segment(offset: int, size: int) -> Extent:
    """A segment."""
    return Extent(offset=offset, size=size, name=f"s{offset}")


def count_decoded(monkeypatch: pytest.MonkeyPatch, module: str) -> list[str]:
    """The texts of extents that a store reads from now on."""
    decoded: list[str] = []

    def decode(text: str) -> Extent:
        decoded.append(text)
        return decode_extent(text)

    monkeypatch.setattr(f"{module}.decode_extent", decode)
    return decoded


async def only_what_is_new_is_read_again(
    one: UploadSessions, two: UploadSessions, decoded: list[str]
) -> None:
    """Of an upload that ``two`` has seen. ``decoded`` grows with what is read."""
    await one.create_upload(upload())
    for number in range(1, 51):
        await one.change_upload("u1", 0, Change(add=[part(number)]))
    await two.upload("u1")
    await one.change_upload("u1", 0, Change(add=[part(51)]))
    decoded.clear()
    assert await two.upload("u1") == await one.upload("u1") == await two.upload("u1")
    assert len(decoded) == 1
    await one.change_upload("u1", 0, Change(drop=[part(51)], add=[segment(400, 8)]))
    assert await two.upload("u1") == await one.upload("u1")
    assert len(decoded) == 1 + 51


#: Every field differs from its default, and holds what is hard to store.
FULL = replace(
    upload(9, name="caf\u00e9 \x00 '; {u}"),
    principal=Principal("b\u00f6b/\x00", None),
    attributes=Attributes(content_type="", expires="x", metadata={"content_type": "y", "k": "\U0001f600"}),
    condition=WriteCondition(absent=True, etag='"x"'),
    overwrite=False,
    max_size=2**50,
    claims=(Digest("sha-256", bytes(range(32))), Digest("crc32", b"\x00\xff\x80\x7f")),
    metadata="filename d29ybGQ=, is_confidential",
    partial=True,
    sources=("p1", "p2"),
    length=2**50,
    expires=NOW + 0.000001,
    upload_id="u/1+2=",
    holder="boot/1/2/3",
    extents=(
        Extent(offset=0, size=2**44, number=1, etag="e", digests=(Digest("crc64nvme", b"12345678"),)),
        Extent(offset=2**44, size=3, name="seg/\u00e9", pieces=(Piece(2**44, 3, 2**64 - 1),)),
    ),
    result=Result(etag="f", size=5, created=True, version="v", digests=(Digest("md5", b"m"),)),
)  # fmt: skip


class UploadContract:
    """The contract suite."""

    # --- create and read ---

    async def test_an_upload_is_read_back_exactly(self, another: Another) -> None:
        one, two = await another(), await another()
        for session in (upload(), FULL):
            assert await one.create_upload(session) == session
            assert await one.upload(session.id) == session
            assert await two.upload(session.id) == session
        assert await two.upload_named(FULL.principal.id, FULL.name or "") == FULL

    async def test_what_is_not_there_is_none(self, sessions: Sessions) -> None:
        assert await sessions.upload("u1") is None
        assert await sessions.upload_named("ann", "n") is None
        assert await sessions.touched("u1") is None
        assert await sessions.expired_uploads(NOW, 10) == []

    async def test_what_was_acknowledged_is_there_for_who_comes_later(
        self, another: Another
    ) -> None:
        one = await another()
        await one.create_upload(upload(name="n"))
        await one.change_upload("u1", 0, Change(add=[part(1), part(2)], length=24))
        await one.change_upload("u1", 0, Change(add=[segment(16, 4)], upload_id="m"))
        taken = await one.take_upload("u1", "h", 0)
        two = await another()
        assert await two.upload("u1") == taken
        assert taken.extents == (part(1), part(2), segment(16, 4))
        assert (taken.offset, taken.missing) == (20, (ByteRange(20, 24),))
        assert await two.upload_named("ann", "n") == taken

    # --- names ---

    async def test_a_name_is_given_once_per_principal(self, another: Another) -> None:
        one, two = await another(), await another()
        first = await one.create_upload(upload(1, name="n"))
        assert await two.create_upload(upload(2, name="n")) == first
        assert await two.upload("u2") is None, "nothing was written"
        assert await two.expired_uploads(NOW, 10) == ["u1"]
        other = replace(upload(3, name="n"), principal=Principal("bob"))
        assert await two.create_upload(other) == other
        assert await one.create_upload(upload(4, name="m")) == upload(4, name="m")
        unnamed = [await one.create_upload(upload(number)) for number in (5, 6)]
        assert [session.id for session in unnamed] == ["u5", "u6"]
        assert await one.upload_named("bob", "n") == other
        assert await one.upload_named("bob", "m") is None

    async def test_creating_the_same_twice_is_creating_it_once(self, sessions: Sessions) -> None:
        for session in (upload(1), upload(2, name="n")):
            await sessions.create_upload(session)
            changed = await sessions.change_upload(session.id, 0, Change(add=[part(1)]))
            assert await sessions.create_upload(session) == changed

    async def test_the_name_of_one_that_is_gone_is_free(self, another: Another) -> None:
        one, two = await another(), await another()
        await one.create_upload(upload(1, name="n"))
        for state in ("ending", "gone"):
            assert await two.create_upload(upload(2, name="n")) == await one.upload("u1")
            every = frozenset[UploadState](["open", "ending"])
            await one.change_upload("u1", 0, Change(state=state, only_in=every))
        assert await two.upload_named("ann", "n") is None
        assert await two.create_upload(upload(2, name="n")) == upload(2, name="n")
        await one.forget_upload("u1", 0)
        assert await one.upload_named("ann", "n") == upload(2, name="n")

    async def test_the_name_of_one_that_has_expired_is_free_before_any_sweep(
        self, another: Another
    ) -> None:
        one, two = await another(), await another()
        old = await one.create_upload(upload(1, name="n", expires=NOW - 1))
        assert await two.upload_named("ann", "n") == old
        new = upload(2, name="n", expires=NOW + 9)
        assert await two.create_upload(new) == new
        assert await one.upload_named("ann", "n") == new
        assert await one.create_upload(upload(3, name="n")) == new
        assert await one.upload("u1") == old, "the sweep has to find it yet"
        assert await two.expired_uploads(NOW, 10) == ["u1"]
        await two.take_upload("u1", "", 0)
        await two.change_upload("u1", 1, Change(state="ending"))
        await two.forget_upload("u1", 1)
        assert await one.upload_named("ann", "n") == new

    async def test_of_many_of_one_name_at_once_one_is_made(self, another: Another) -> None:
        stores = [await another(), await another()]
        made = await asyncio.gather(
            *(stores[number % 2].create_upload(upload(number, name="n")) for number in range(20))
        )
        (winner,) = {session.id for session in made}
        assert await stores[0].expired_uploads(NOW, 100) == [winner]
        there = [number for number in range(20) if await stores[1].upload(f"u{number}")]
        assert there == [int(winner[1:])]

    # --- changes ---

    async def test_a_change_changes_what_it_names_and_nothing_else(self, another: Another) -> None:
        one, two = await another(), await another()
        await one.create_upload(upload())
        result = Result(etag="e", size=8, created=False, digests=(Digest("md5", b"x"),))
        changes = [
            Change(length=8),
            Change(expires=NOW + 5),
            Change(upload_id="m"),
            Change(holder="h"),
            Change(add=[part(1)]),
            Change(state="completing"),
            Change(state="done", result=result, only_in=frozenset({"completing"})),
        ]
        expected = upload()
        for store, change in zip([one, two, two, one, two, one, two], changes, strict=True):
            after = await store.change_upload("u1", 0, change)
            named = ("length", "expires", "upload_id", "holder", "state", "result")
            fields = {name: getattr(change, name) or getattr(expected, name) for name in named}
            extents = (part(1),) if change.add else expected.extents
            expected = replace(expected, **fields, extents=extents, version=expected.version + 1)
            assert after == expected
            assert await one.upload("u1") == await two.upload("u1") == expected

    async def test_a_known_multipart_is_never_another(self, another: Another) -> None:
        """Parts of the first are mapped already: nobody who comes later may take them away from under them."""
        one, two = await another(), await another()
        await one.create_upload(upload())
        await one.change_upload("u1", 0, Change(upload_id="m"))
        taken = await two.take_upload("u1", "h", 0)
        with pytest.raises(Overtaken, match="begun to send"):
            await one.change_upload("u1", 1, Change(upload_id="other"))
        assert await two.upload("u1") == taken
        again = await two.change_upload("u1", 1, Change(upload_id="m"))
        assert again.upload_id == "m"

    async def test_extents_come_in_any_order_and_the_offset_is_their_unbroken_run(
        self, another: Another
    ) -> None:
        stores = [await another(), await another()]
        await stores[0].create_upload(replace(upload(), length=48))
        offsets = []
        for turn, number in enumerate((3, 1, 5, 2, 6, 4)):
            after = await stores[turn % 2].change_upload("u1", 0, Change(add=[part(number)]))
            offsets.append(after.offset)
        assert offsets == [0, 8, 8, 24, 24, 48]
        for store in stores:
            found = await store.upload("u1")
            assert found is not None
            assert found.extents == tuple(part(number) for number in range(1, 7))
            assert found.missing == ()

    async def test_segments_become_a_part_in_one_change(self, another: Another) -> None:
        one, two = await another(), await another()
        await one.create_upload(upload())
        small = [segment(0, 3), segment(3, 3), segment(6, 2)]
        for extent in small:
            await one.change_upload("u1", 0, Change(add=[extent]))
        assert await two.upload("u1") == await one.upload("u1")
        await two.change_upload("u1", 0, Change(add=[segment(8, 1)]))
        after = await one.change_upload("u1", 0, Change(add=[part(1)], drop=small))
        assert after.extents == (part(1), segment(8, 1))
        assert await two.upload("u1") == await (await another()).upload("u1") == after

    async def test_an_extent_that_is_there_is_not_added_again(self, another: Another) -> None:
        one, two = await another(), await another()
        await one.create_upload(upload())
        first = replace(part(1), pieces=(Piece(0, 8, 1),))
        await one.change_upload("u1", 0, Change(add=[first]))
        again = replace(part(1), pieces=(Piece(0, 4, 2), Piece(4, 4, 3)))
        other = part(1, etag="other")
        after = await two.change_upload("u1", 0, Change(add=[again, other, other]))
        assert after.extents == (first, other)
        third = await another()
        assert await third.upload("u1") == await one.upload("u1") == after
        replaced = await one.change_upload("u1", 0, Change(add=[again], drop=[part(1)]))
        assert replaced.extents == (again, other)
        assert await (await another()).upload("u1") == await two.upload("u1") == replaced

    async def test_a_change_that_is_a_mistake_changes_nothing(self, another: Another) -> None:
        one, two = await another(), await another()
        await one.create_upload(upload())
        before = await one.change_upload("u1", 0, Change(add=[part(1), part(2), part(4)]))
        mistakes = [
            Change(drop=[part(3)], length=5),
            Change(drop=[part(1)], add=[part(5)]),
            Change(drop=[part(2, etag="x")]),
            Change(add=[replace(part(1), size=9), part(3)]),
        ]
        for store in (one, two):
            for change in mistakes:
                with pytest.raises(ValueError, match="this change would"):
                    await store.change_upload("u1", 0, change)
        assert await (await another()).upload("u1") == await one.upload("u1") == before
        beyond = await two.change_upload("u1", 0, Change(drop=[part(4)]))
        assert beyond.extents == (part(1), part(2))

    async def test_a_change_is_only_made_in_the_states_it_is_for(self, another: Another) -> None:
        one, two = await another(), await another()
        await one.create_upload(upload())
        await two.upload("u1")
        await one.change_upload("u1", 0, Change(state="completing"))
        for store in (one, two):
            with pytest.raises(UploadGone):
                await store.change_upload("u1", 0, Change(add=[part(1)]))
        only = frozenset[UploadState](["completing", "done"])
        await two.change_upload("u1", 0, Change(state="done", only_in=only))
        after = await one.change_upload("u1", 0, Change(expires=NOW + 9, only_in=only))
        assert (after.state, after.extents, after.expires) == ("done", (), NOW + 9)

    async def test_of_many_that_claim_a_state_one_gets_it(self, another: Another) -> None:
        stores = [await another(), await another()]
        await stores[0].create_upload(upload())
        claims = [
            store.change_upload("u1", 0, Change(state="ending"))
            for store in stores
            for _ in range(10)
        ]
        answers = await asyncio.gather(*claims, return_exceptions=True)
        assert sum(isinstance(answer, UploadSession) for answer in answers) == 1
        assert sum(isinstance(answer, UploadGone) for answer in answers) == 19

    async def test_500_changes_at_once_are_all_made(self, another: Another) -> None:
        stores = [await another(), await another()]
        await stores[0].create_upload(upload())
        answers = await asyncio.gather(
            *(
                stores[number % 2].change_upload("u1", 0, Change(add=[part(number)]))
                for number in range(1, 501)
            )
        )
        assert sorted(answer.version for answer in answers) == list(range(1, 501))
        for store in (*stores, await another()):
            found = await store.upload("u1")
            assert found is not None
            assert found.extents == tuple(part(number) for number in range(1, 501))
            assert found.offset == 4000

    # --- one serial writer ---

    async def test_who_takes_an_upload_fences_off_who_had_it(self, another: Another) -> None:
        one, two = await another(), await another()
        await one.create_upload(upload())
        first = await one.take_upload("u1", "h1", 0)
        assert (first.epoch, first.holder) == (1, "h1")
        await one.change_upload("u1", 1, Change(add=[part(1)]))
        second = await two.take_upload("u1", "h2", 1)
        assert (second.epoch, second.holder, second.extents) == (2, "h2", (part(1),))
        for store in (one, two):
            for epoch in (0, 1, 3):
                with pytest.raises(Overtaken):
                    await store.change_upload("u1", epoch, Change(add=[part(2)]))
                with pytest.raises(Overtaken):
                    await store.take_upload("u1", "late", epoch)
        assert await one.upload("u1") == await two.upload("u1") == second
        after = await one.change_upload("u1", 2, Change(add=[part(2)]))
        assert after.offset == 16

    async def test_the_multipart_that_parts_lie_in_is_never_replaced(
        self, another: Another
    ) -> None:
        """Who slept through his lease would have all parts forgotten that others have brought."""
        one, two = await another(), await another()
        await one.create_upload(upload())
        await one.change_upload("u1", 0, Change(upload_id="first"))
        await one.change_upload("u1", 0, Change(upload_id="first", add=[part(1)]))
        with pytest.raises(Overtaken):
            await two.change_upload("u1", 0, Change(upload_id="second"))
        found = await two.upload("u1")
        assert found is not None
        assert (found.upload_id, found.extents) == ("first", (part(1),))

    async def test_of_many_takers_one_gets_it(self, another: Another) -> None:
        stores = [await another(), await another()]
        await stores[0].create_upload(upload())
        takes = [
            store.take_upload("u1", f"h{number}", 0) for store in stores for number in range(10)
        ]
        answers = await asyncio.gather(*takes, return_exceptions=True)
        assert sum(isinstance(answer, Overtaken) for answer in answers) == 19
        assert await stores[1].touched("u1") == (1, False)

    @pytest.mark.parametrize("state", ["ending", "gone"])
    async def test_what_is_cleaned_up_is_not_taken(
        self, another: Another, state: UploadState
    ) -> None:
        one, two = await another(), await another()
        await one.create_upload(upload())
        await two.upload("u1")
        await one.change_upload("u1", 0, Change(state=state))
        for epoch in (0, 7):
            with pytest.raises(UploadGone):
                await two.take_upload("u1", "h", epoch)
        assert await two.touched("u1") == (0, False)

    @pytest.mark.parametrize("state", ["completing", "done", "failed"])
    async def test_what_still_has_something_to_do_is_taken(
        self, sessions: Sessions, state: UploadState
    ) -> None:
        await sessions.create_upload(upload())
        await sessions.change_upload("u1", 0, Change(state=state))
        assert (await sessions.take_upload("u1", "h", 0)).epoch == 1

    async def test_a_holder_is_asked_to_yield_until_somebody_takes_it(
        self, another: Another
    ) -> None:
        one, two = await another(), await another()
        await one.create_upload(upload())
        await one.take_upload("u1", "h1", 0)
        for epoch in (0, 2):
            await two.ask_to_yield("u1", epoch)
            assert await one.touched("u1") == (1, False)
        await two.ask_to_yield("u1", 1)
        await two.ask_to_yield("u1", 1)
        assert await one.touched("u1") == (1, True)
        found = await one.upload("u1")
        assert found is not None
        assert found.yield_asked
        kept = await one.change_upload("u1", 1, Change(add=[part(1)]))
        assert kept.yield_asked, "what it still keeps does not take back the question"
        taken = await two.take_upload("u1", "h2", 1)
        assert (taken.yield_asked, taken.extents) == (False, (part(1),))
        assert await one.touched("u1") == (2, False)
        assert await one.upload("u1") == taken

    async def test_asking_nobody_is_no_error(self, sessions: Sessions) -> None:
        await sessions.ask_to_yield("u1", 0)
        assert await sessions.upload("u1") is None
        assert await sessions.touched("u1") is None

    # --- the end ---

    async def test_expired_uploads_come_soonest_first(self, another: Another) -> None:
        one, two = await another(), await another()
        for number in range(1, 41):
            await one.create_upload(upload(number, expires=NOW + number * 7 % 41))
        order = sorted(range(1, 41), key=lambda number: number * 7 % 41)
        ids = [f"u{number}" for number in order]
        assert await two.expired_uploads(NOW + 40, 100) == ids
        assert await two.expired_uploads(NOW + 40, 7) == ids[:7]
        assert await two.expired_uploads(NOW + 3, 100) == ids[:3], "just now is passed"
        assert await two.expired_uploads(NOW + 0.999, 100) == []
        await two.change_upload(ids[0], 0, Change(expires=NOW + 100))
        await two.change_upload(ids[2], 0, Change(state="gone"))
        assert await one.expired_uploads(NOW + 3, 100) == ids[1:3]
        assert (await one.expired_uploads(NOW + 100, 100))[-1] == ids[0]

    async def test_a_forgotten_upload_leaves_nothing(self, another: Another) -> None:
        one, two = await another(), await another()
        await one.create_upload(upload(name="n"))
        await one.change_upload("u1", 0, Change(add=[part(1)]))
        await two.upload("u1")
        await two.forget_upload("u1", 0)
        for store in (one, two):
            assert await store.upload("u1") is None
            assert await store.upload_named("ann", "n") is None
            assert await store.touched("u1") is None
            assert await store.expired_uploads(NOW, 10) == []
            with pytest.raises(UploadGone):
                await store.change_upload("u1", 0, Change(length=1))
            with pytest.raises(UploadGone):
                await store.take_upload("u1", "h", 0)
            await store.forget_upload("u1", 0)
        await one.create_upload(upload(name="n"))
        assert await two.upload("u1") == upload(name="n"), "without the extents of the first"

    async def test_one_that_was_taken_meanwhile_is_not_forgotten(self, another: Another) -> None:
        one, two = await another(), await another()
        await one.create_upload(upload(name="n"))
        taken = await one.take_upload("u1", "h", 0)
        await two.forget_upload("u1", 0)
        assert await two.upload_named("ann", "n") == await one.upload("u1") == taken


#: Steps of a history: which of two stores does what with which of two uploads, and numbers for it.
UPLOAD_STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1]),
        st.sampled_from(
            ["create", "add", "add", "add", "merge", "take", "stale", "yield", "state", "forget", "read"]
        ),
        st.sampled_from([1, 2]),
        st.integers(0, 11),
    ),
    max_size=40,
)  # fmt: skip

_STATES: tuple[UploadState, ...] = ("open", "completing", "done", "failed", "ending", "gone")


async def upload_history(
    stores: Sequence[Sessions], steps: list[tuple[int, str, int, int]]
) -> list[object]:
    """What stores of the same data answer to a history."""
    answers: list[object] = []
    for which, step, number, seed in steps:
        try:
            answers.append(await _one_step(stores[which], step, f"u{number}", seed))
        except (GatewayError, ValueError) as error:
            answers.append((type(error), str(error)))
    return answers


async def _one_step(store: Sessions, step: str, upload_id: str, seed: int) -> object:
    found = await store.upload(upload_id) if step == "merge" else None
    epoch, _ = await store.touched(upload_id) or (0, False)
    match step:
        case "create":
            new = upload(int(upload_id[1:]), name="n" if seed % 2 else None, expires=NOW + seed)
            return await store.create_upload(new)
        case "add":
            change = Change(add=[segment(seed * 2, 2)], expires=NOW + seed)
        case "merge":
            small = [extent for extent in found.extents if not extent.number] if found else []
            change = Change(add=[part(seed % 3 + 1)], drop=small[seed % 2 : seed])
        case "take":
            return await store.take_upload(upload_id, f"h{seed}", epoch)
        case "stale":
            return await store.change_upload(upload_id, epoch - 1, Change(length=seed))
        case "yield":
            await store.ask_to_yield(upload_id, epoch - seed % 2)
            return None
        case "state":
            change = Change(state=_STATES[seed % 6], only_in=frozenset(_STATES[: seed // 2 + 1]))
        case "forget":
            await store.forget_upload(upload_id, epoch - seed % 2)
            return None
        case _:
            named = await store.upload_named("ann", "n")
            expired = await store.expired_uploads(NOW + seed, 5)
            return await store.upload(upload_id), named, await store.touched(upload_id), expired
    return await store.change_upload(upload_id, epoch, change)
