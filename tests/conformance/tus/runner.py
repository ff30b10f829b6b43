"""Run checks: most of them several at a time, the rest alone."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from subprocess import SubprocessError
from typing import Final, TypeAlias

from tests.conformance.checks import Check, Level, Result, Skipped, Status, Stopped, in_order
from tests.conformance.tus.trial import Target, Trial
from tests.conformance.wire import WireError

#: Most checks wait more than they work.
JOBS: Final = 4

OnResult: TypeAlias = Callable[[Result], None]


def run(
    target: Target,
    checks: Iterable[Check[Trial]],
    on_result: OnResult = lambda _: None,
    *,
    jobs: int = JOBS,
) -> list[Result]:
    """The results by number. Where the server dies and there is a command to start it again, the checks are made once
    more one by one: so it is known which of them it doesn't survive."""
    chosen = list(checks)
    together = [check for check in chosen if not check.alone]
    results = []
    if jobs > 1:
        with ThreadPoolExecutor(jobs) as pool:
            for result in pool.map(lambda check: one(target, check), together):
                on_result(result)
                results.append(result)
    if jobs == 1 or _died(target):
        results = [_survived(target, check) for check in together]
        for result in results if jobs == 1 else []:
            on_result(result)
    for check in (check for check in chosen if check.alone):
        results.append(_survived(target, check))
        on_result(results[-1])
    return sorted(results, key=lambda result: in_order(result.number))


def _died(target: Target) -> bool:
    """Whether the server is gone; it is started again then."""
    if target.options.restart_command is None or target.is_up():
        return False
    target.restart(None)
    return True


def _survived(target: Target, check: Check[Trial]) -> Result:
    """A check, and that the server is still there."""
    result = one(target, check)
    if not _died(target):
        return result
    seen = "the server is gone afterwards"
    if result.status is Status.FAIL:
        seen = f"{seen}; {result.seen}"
    return Result(check.number, check.title, Status.FAIL, Level.MUST, seen, result.seconds)


def one(target: Target, check: Check[Trial]) -> Result:
    """Run one check, and remove what it made."""
    trial = target.trial(check.number)
    started = time.monotonic()
    reason = _attempt(trial, check)
    seconds = time.monotonic() - started
    if trial.offers("termination"):
        for upload in trial.made:
            trial.remove(upload)
    if reason is not None and not trial.failed:
        return Result(check.number, check.title, Status.SKIP, None, reason, seconds)
    return trial.conclude(check.number, check.title, seconds)


def _attempt(trial: Trial, check: Check[Trial]) -> str | None:
    """Why it is skipped, if it is."""
    missing = [name for name in check.needs if name not in trial.target.extensions]
    if missing:
        return f"the server does not offer {', '.join(missing)}"
    try:
        check.run(trial)
    except Skipped as reason:
        return str(reason)
    except Stopped:
        pass
    except (WireError, SubprocessError) as error:
        trial.must(False, str(error))
    except Exception as error:
        # An answer that nobody thought of must not end the run.
        trial.must(False, f"the check could not make sense of an answer: {error!r}")
    return None


def select(checks: Sequence[Check[Trial]], only: Sequence[str]) -> list[Check[Trial]]:
    """Those of these numbers, all where there are none.

    Raises:
        ValueError: there is no such number.
    """
    known = {check.number for check in checks}
    unknown = [number for number in only if number not in known]
    if unknown:
        raise ValueError(f"there is no {', '.join(unknown)}")
    return [check for check in checks if not only or check.number in only]
