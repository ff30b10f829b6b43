"""What every session store does. Each test file of a store inherits these tests for its ``sessions``."""

import asyncio
from dataclasses import replace

from hypothesis import strategies as st

from gateway.model import MultipartRef, ObjectKey
from gateway.sessions.base import Intent, SessionStore

NOW = 1_700_000_000.25


def intent(number: int = 1, *, created: float = NOW, upload_id: str | None = None) -> Intent:
    """An intent for tests."""
    return Intent(
        id=f"i{number}",
        store="main",
        key=ObjectKey("photos", f"a/{number}.png"),
        owner="boot/1/2/3",
        created=created,
        upload_id=upload_id,
    )


class SessionContract:
    """The contract suite."""

    async def test_it_answers_a_ping(self, sessions: SessionStore) -> None:
        await sessions.ping()

    # --- intents ---

    async def test_an_intent_is_kept_until_dropped(self, sessions: SessionStore) -> None:
        await sessions.put_intent(intent())
        assert await sessions.intents() == [intent()]
        await sessions.drop_intent("i1")
        assert await sessions.intents() == []

    async def test_an_intent_learns_its_upload_id(self, sessions: SessionStore) -> None:
        await sessions.put_intent(intent())
        await sessions.put_intent(replace(intent(), upload_id="u/1+2="))
        (found,) = await sessions.intents()
        assert found.ref() == MultipartRef("main", ObjectKey("photos", "a/1.png"), "u/1+2=")

    async def test_intents_come_oldest_first(self, sessions: SessionStore) -> None:
        for number, created in ((1, NOW), (2, NOW - 1), (3, NOW + 0.001)):
            await sessions.put_intent(intent(number, created=created))
        assert [found.id for found in await sessions.intents()] == ["i2", "i1", "i3"]

    async def test_dropping_an_unknown_intent_is_no_error(self, sessions: SessionStore) -> None:
        await sessions.drop_intent("nobody")

    async def test_any_key_is_kept_exactly(self, sessions: SessionStore) -> None:
        names = [
            "",
            "caf\u00e9",
            "cafe\u0301",
            "a\x00b",
            "\n",
            "'; DROP TABLE intents",
            "\U0001f600",
            "x" * 1024,
        ]
        for number, name in enumerate(names):
            await sessions.put_intent(replace(intent(number), key=ObjectKey("b", name)))
        assert {found.key.name for found in await sessions.intents()} == set(names)

    # --- heartbeats ---

    async def test_an_owner_lives_until_its_heartbeat_expires(self, sessions: SessionStore) -> None:
        await sessions.beat("a", NOW + 10)
        await sessions.beat("b", NOW + 20)
        assert await sessions.owners(NOW) == {"a", "b"}
        assert await sessions.owners(NOW + 10) == {"b"}
        assert await sessions.owners(NOW) == {"b"}, "what has expired is forgotten"

    async def test_a_heartbeat_is_renewed_and_taken_back(self, sessions: SessionStore) -> None:
        await sessions.beat("a", NOW + 10)
        await sessions.beat("a", NOW + 30)
        assert await sessions.owners(NOW + 20) == {"a"}
        await sessions.beat("a", 0.0)
        assert await sessions.owners(NOW) == frozenset()

    # --- nonces ---

    async def test_case_14_a_nonce_is_used_once(self, sessions: SessionStore) -> None:
        assert await sessions.use_once("jwt", "n", NOW, NOW + 60)
        assert not await sessions.use_once("jwt", "n", NOW + 1, NOW + 61)
        assert not await sessions.use_once("jwt", "n", NOW + 59.9, NOW + 120)

    async def test_nonces_of_other_scopes_are_others(self, sessions: SessionStore) -> None:
        for scope, nonce in (("a", "b:c"), ("a:b", "c"), ("", "a:b:c"), ("a", "b"), ("b", "a")):
            assert await sessions.use_once(scope, nonce, NOW, NOW + 60)

    async def test_a_nonce_is_forgotten_when_it_expires(self, sessions: SessionStore) -> None:
        assert await sessions.use_once("jwt", "n", NOW, NOW + 60)
        assert await sessions.use_once("jwt", "n", NOW + 60, NOW + 120)
        assert not await sessions.use_once("jwt", "n", NOW + 61, NOW + 120)

    async def test_tidying_up_keeps_what_counts(self, sessions: SessionStore) -> None:
        assert await sessions.use_once("s", "short", NOW, NOW + 10)
        assert await sessions.use_once("s", "long", NOW, NOW + 1000)
        assert await sessions.acquire("lease", "a", NOW, 1000)
        assert await sessions.use_once("s", "other", NOW + 500, NOW + 1000)
        assert not await sessions.use_once("s", "long", NOW + 500, NOW + 1000)
        assert await sessions.use_once("s", "short", NOW + 500, NOW + 1000)
        assert await sessions.acquire("lease", "b", NOW + 500, 10) is None

    async def test_case_14_of_many_at_once_one_uses_a_nonce(self, sessions: SessionStore) -> None:
        uses = [sessions.use_once("jwt", "n", NOW, NOW + 60) for _ in range(20)]
        assert sorted(await asyncio.gather(*uses)) == [False] * 19 + [True]

    # --- leases ---

    async def test_a_lease_has_one_holder(self, sessions: SessionStore) -> None:
        lease = await sessions.acquire("k", "a", NOW, 10)
        assert lease is not None
        assert (lease.name, lease.holder, lease.expires) == ("k", "a", NOW + 10)
        assert await sessions.acquire("k", "b", NOW + 9.9, 10) is None
        assert await sessions.acquire("other", "b", NOW, 10) is not None

    async def test_a_holder_renews_its_lease_with_the_same_epoch(
        self, sessions: SessionStore
    ) -> None:
        first = await sessions.acquire("k", "a", NOW, 10)
        again = await sessions.acquire("k", "a", NOW + 5, 10)
        assert first is not None
        assert again is not None
        assert (again.epoch, again.expires) == (first.epoch, NOW + 15)
        assert await sessions.acquire("k", "b", NOW + 14, 10) is None

    async def test_an_expired_lease_goes_to_the_next_with_a_later_epoch(
        self, sessions: SessionStore
    ) -> None:
        first = await sessions.acquire("k", "a", NOW, 10)
        second = await sessions.acquire("k", "b", NOW + 10, 10)
        assert first is not None
        assert second is not None
        assert second.epoch > first.epoch
        await sessions.release(first)
        assert await sessions.acquire("k", "a", NOW + 11, 10) is None, "the old one was fenced off"

    async def test_a_released_lease_is_free_and_epochs_still_grow(
        self, sessions: SessionStore
    ) -> None:
        epochs = []
        for holder in ("a", "b", "a", "a"):
            lease = await sessions.acquire("k", holder, NOW, 1000)
            assert lease is not None
            epochs.append(lease.epoch)
            await sessions.release(lease)
            await sessions.release(lease)
        assert epochs == sorted(set(epochs))

    async def test_who_holds_a_lease_can_be_asked(self, sessions: SessionStore) -> None:
        assert await sessions.held("k") is None
        lease = await sessions.acquire("k", "a/b", NOW, 10)
        assert lease is not None
        assert await sessions.held("k") == lease
        renewed = await sessions.acquire("k", "a/b", NOW + 5, 10)
        assert await sessions.held("k") == renewed
        await sessions.release(lease)
        assert await sessions.held("k") is None

    async def test_of_many_at_once_one_gets_the_lease(self, sessions: SessionStore) -> None:
        tries = [sessions.acquire("k", f"h{number}", NOW, 10) for number in range(20)]
        won = [lease for lease in await asyncio.gather(*tries) if lease is not None]
        assert len(won) == 1


#: Steps of a history: who does what, and how much later.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["acquire", "release", "use"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([0.0, 1.0, 5.0, 70.0]),
    ),
    max_size=25,
)


async def history(
    sessions: SessionStore, name: str, steps: list[tuple[str, str, float]]
) -> list[object]:
    """What a store answers to a history, epochs told as ranks because stores may skip numbers."""
    answers: list[object] = []
    held = {}
    epochs: list[int] = []
    now = NOW
    for step, holder, later in steps:
        now += later
        if step == "acquire":
            lease = await sessions.acquire(name, holder, now, 6.0)
            if lease is not None:
                held[holder] = lease
                epochs.append(lease.epoch)
                assert epochs == sorted(epochs)
            answers.append(lease is not None)
        elif step == "release" and holder in held:
            await sessions.release(held.pop(holder))
        elif step == "use":
            answers.append(await sessions.use_once(name, holder, now, now + 6.0))
    return answers
