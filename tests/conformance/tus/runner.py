"""Run checks: most of them several at a time, the rest alone."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from subprocess import SubprocessError

from tests.conformance.checks import (
    Check,
    Result,
    Skipped,
    Status,
    Stopped,
    in_order,
)
from tests.conformance.tus.trial import Target, Trial
from tests.conformance.wire import WireError

#: They only look, and a server that takes 20 s to close a connection is not to be waited for by all.
JOBS = 4


def run(
    target: Target,
    checks: Iterable[Check[Trial]],
    on_result: Callable[[Result], None] = lambda _: None,
    *,
    jobs: int = JOBS,
) -> list[Result]:
    """The results by number. ``on_result`` is called from several threads' results, one at a time."""
    chosen = list(checks)
    together = [check for check in chosen if not check.alone]
    results = []
    with ThreadPoolExecutor(jobs) as pool:
        for result in pool.map(lambda check: one(target, check), together):
            on_result(result)
            results.append(result)
    for check in (check for check in chosen if check.alone):
        result = one(target, check)
        on_result(result)
        results.append(result)
    return sorted(results, key=lambda result: in_order(result.number))


def one(target: Target, check: Check[Trial]) -> Result:
    """Run one check, and remove what it made."""
    trial = Trial(target=target, number=check.number)
    started = time.monotonic()
    try:
        missing = [name for name in check.needs if name not in target.extensions]
        if missing:
            trial.skip(f"the server does not offer {', '.join(missing)}")
        check.run(trial)
    except Skipped as reason:
        if not trial.failed:
            return Result(
                check.number,
                check.title,
                Status.SKIP,
                None,
                str(reason),
                time.monotonic() - started,
            )
    except Stopped:
        pass
    except (WireError, SubprocessError) as error:
        trial.must(False, str(error))
    except Exception as error:
        trial.must(False, f"the check could not make sense of an answer: {error!r}")
    seconds = time.monotonic() - started
    _remove(trial)
    return trial.conclude(check.number, check.title, seconds)


def _remove(trial: Trial) -> None:
    if not trial.offers("termination"):
        return
    for upload in trial.made:
        trial.remove(upload)


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
