"""T16 to T18, T21: lengths as they should not come."""

from tests.conformance.tus.trial import SUITE, Trial, b64
from tests.conformance.wire import head

NEEDS = ("creation",)
BAD = ("-3", "abc", "1.5", "0x10", "+5", "", "1_000", "٣")


@SUITE.check(16, "Upload-Length that is no non-negative integer: 400", needs=NEEDS)
def bad_lengths(trial: Trial) -> None:
    for value in BAD:
        answer = trial.post([("Upload-Length", value)])
        trial.must(answer.status == 400, f"Upload-Length: {value!r} was answered {answer}")


@SUITE.check(17, "Upload-Length above 2^63-1: 400 or 413, never 5xx", needs=NEEDS)
def huge_lengths(trial: Trial) -> None:
    for value in (2**63, 2**64 + 5, 10**30):
        answer = trial.post([("Upload-Length", str(value))])
        good = answer.status in {400, 413}
        trial.must(answer.status < 500, f"{value} was answered {answer}")
        trial.strict(good or answer.status >= 500, f"{value} was answered {answer}")


@SUITE.check(18, "Upload-Length above Tus-Max-Size: 413", needs=NEEDS)
def above_the_limit(trial: Trial) -> None:
    limit = trial.target.max_size
    if not limit:
        trial.skip("the server names no Tus-Max-Size")
    answer = trial.post([("Upload-Length", str(limit + 1))])
    trial.must(answer.status == 413, f"{limit + 1} of {limit} was answered {answer}")
    trial.must(answer.get("location") is None, "an upload was created all the same")


@SUITE.check(21, "Two different Upload-Length lines, or a list: 400", needs=NEEDS)
def two_lengths(trial: Trial) -> None:
    two = trial.post([("Upload-Length", "10"), ("Upload-Length", "11")])
    trial.strict(two.status == 400, f"10 and 11 in two lines were answered {two}")
    for value in ("10, 11", "10,10"):
        name = trial.target.new_name()
        url = trial.target.creation_url(name)
        fields = [
            ("Upload-Length", value),
            ("Upload-Metadata", f"filename {b64(name)}"),
            ("Content-Length", "0"),
        ]
        answer = trial.exchange("POST", url, head("POST", url, trial.fields(fields)))
        trial.strict(answer.status == 400, f"{value!r} was answered {answer}")
