"""What is said while something is tried again."""

import sys

import pytest

from gateway.cli.retries import Retries
from gateway.client import Corrupt, Interrupted, Refused, Retry, TransferFailed

BROKE = Interrupted("broke")
BUSY = Refused(503, "SlowDown", "Later.", 5.0)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def again(error: TransferFailed, failures: int, delay: float = 0.25) -> Retry:
    return Retry(error=error, failures=failures, attempts=8, delay=delay)


def test_a_reason_is_told_once_and_then_every_ten_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    retries = Retries(quiet=False, now=clock)
    for failures in range(1, 7):
        retries(again(BUSY, failures, delay=5.0))
        clock.now += 5.0
    retries(again(BROKE, 7))

    assert capsys.readouterr().err.splitlines() == [
        "sluice: 503 SlowDown: Later; attempt 2 of 8 in 5 s",
        "sluice: still the same; attempt 4 of 8 in 5 s",
        "sluice: still the same; attempt 6 of 8 in 5 s",
        "sluice: broke; attempt 8 of 8 in 0.2 s",
    ]


def test_on_a_terminal_one_line_changes_and_is_taken_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    retries = Retries(quiet=False, now=Clock())
    retries(again(BROKE, 1))
    retries(again(BROKE, 2))
    retries(again(BROKE, 3))
    retries.clear()
    retries.clear()

    assert capsys.readouterr().err == (
        "\r\x1b[Ksluice: broke; attempt 2 of 8 in 0.2 s\n"
        "\r\x1b[Ksluice: the same; attempt 3 of 8 in 0.2 s"
        "\r\x1b[Ksluice: the same; attempt 4 of 8 in 0.2 s"
        "\r\x1b[K"
    )


def test_quiet_says_nothing_but_the_end() -> None:
    clock = Clock()
    retries = Retries(quiet=True, now=clock)
    retries(again(BROKE, 1))
    clock.now += 41.0
    retries(again(BROKE, 7))

    assert retries.end(BROKE) == "; given up after 8 attempts in 41 s"


def test_attempts_before_progress_do_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    retries = Retries(quiet=False, now=clock)
    retries(again(BUSY, 3))
    clock.now += 600.0
    retries(again(BUSY, 1))
    clock.now += 2.0

    assert retries.end(BUSY) == ("; given up after 2 attempts in 2 s; it asks to come back in 5 s")


def test_what_no_retry_helps_has_no_more_to_say() -> None:
    for error in (Corrupt("no"), Refused(403, "AccessDenied", "No.", None)):
        retries = Retries(quiet=True)
        retries(again(BROKE, 1))
        assert retries.end(error) == ""


@pytest.mark.parametrize(
    ("error", "end"),
    [(BROKE, ""), (BUSY, "; it asks to come back in 5 s"), (Refused(500, "x", "", None), "")],
)
def test_what_was_never_tried_again_says_no_count(error: TransferFailed, end: str) -> None:
    assert Retries(quiet=True).end(error) == end


def test_nothing_is_said_where_quiet_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    retries = Retries(quiet=True)
    retries(again(BROKE, 1))
    retries.clear()

    assert capsys.readouterr().err == ""
