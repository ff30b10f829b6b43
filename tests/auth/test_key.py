"""When a key counts, and that it keeps its secret."""

from gateway.auth.key import Key


def _key(not_before: float | None, not_after: float | None, *, disabled: bool = False) -> Key:
    return Key(
        id="SLUICE00000000000001",
        secret="hunter2",
        principal="alice",
        policy="full-access",
        not_before=not_before,
        not_after=not_after,
        disabled=disabled,
    )


def test_a_key_without_dates_always_counts() -> None:
    assert _key(None, None).counts(0.0)


def test_dates_include_their_begin_and_exclude_their_end() -> None:
    key = _key(100.0, 200.0)
    assert [key.counts(now) for now in (99.9, 100.0, 199.9, 200.0)] == [False, True, True, False]


def test_a_disabled_key_never_counts() -> None:
    assert not _key(None, None, disabled=True).counts(0.0)


def test_pitfall_37_a_key_does_not_show_its_secret() -> None:
    assert "hunter2" not in repr(_key(None, None))
