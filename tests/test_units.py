"""Sizes and durations as people write them."""

import pytest

from gateway.units import GiB, KiB, MiB, format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MiB", 64 * MiB),
        ("1.5 GiB", 3 * GiB // 2),
        ("16k", 16 * KiB),
        ("5MB", 5_000_000),
        ("7", 7),
        (9, 9),
    ],
)
def test_sizes_are_read(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1 XB", "0x10", "1e3", "١MiB", -1])
def test_what_is_no_size_is_refused_with_an_example(text: str | int) -> None:
    with pytest.raises(ValueError, match="64MiB|negative"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1.5h", 5400), ("250ms", 0.25), ("7d", 604800), ("2m", 120), (3, 3), (0.5, 0.5)],
)
def test_durations_are_read(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 week", -2.0])
def test_what_is_no_duration_is_refused_with_an_example(text: str | float) -> None:
    with pytest.raises(ValueError, match="30s|negative"):
        parse_duration(text)


def test_sizes_and_durations_are_written_in_the_largest_readable_unit() -> None:
    assert [format_size(n) for n in (0, 1023, KiB, 3 * GiB // 2, 64 * MiB)] == [
        "0B",
        "1023B",
        "1KiB",
        "1.5GiB",
        "64MiB",
    ]
    assert [format_duration(n) for n in (0, 0.25, 30, 90, 86400, 7200)] == [
        "0s",
        "250ms",
        "30s",
        "90s",
        "1d",
        "2h",
    ]
