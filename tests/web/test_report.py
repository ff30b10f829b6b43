"""The log's side of what happens in the background."""

import pytest

from gateway.errors import StorageUnavailable
from gateway.model import MultipartRef, ObjectKey
from gateway.settings.sections import LogSection
from gateway.transfer.resumable.expiry import Ended
from gateway.transfer.sweep_report import SweepReport
from gateway.web.log import configure, get_log
from gateway.web.report import LogReporter
from tests.web.lab import lines


@pytest.fixture
def reporter() -> LogReporter:
    configure(LogSection())
    return LogReporter(get_log(), "storage.main (h:1)")


def test_a_sweep_is_told_when_there_was_something(
    reporter: LogReporter, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter.swept(SweepReport())
    reporter.swept(SweepReport(aborted=[MultipartRef("main", ObjectKey("b", "k"), "id")]))
    (line,) = lines(capsys.readouterr().out)

    assert (line["event"], line["aborted"], line["kept"]) == ("swept", 1, 0)


def test_ended_uploads_are_told_when_there_were_any(
    reporter: LogReporter, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter.ended(Ended(forgotten=["b"]))
    reporter.ended(Ended(expired=["a"], forgotten=["b"]))
    (line,) = lines(capsys.readouterr().out)

    assert (line["event"], line["expired"], line["forgotten"]) == ("uploads ended", 1, 1)


def test_failures_and_bugs_are_told(
    reporter: LogReporter, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter.failed("probe", StorageUnavailable("It is away."))
    reporter.crashed("sweep", ZeroDivisionError("a bug"))
    failed, bug = lines(capsys.readouterr().out)

    assert (failed["task"], failed["error"]) == ("probe", "storage-unavailable")
    assert (bug["task"], bug["exception"][0]["exc_type"]) == ("sweep", "ZeroDivisionError")


def test_waiting_names_who_is_waited_for(
    reporter: LogReporter, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter.waiting("probe", 2.0)
    (line,) = lines(capsys.readouterr().out)

    assert (line["event"], line["task"], line["seconds"]) == ("waiting", "probe", 2.0)
    assert line["detail"] == "no answer yet from storage.main (h:1)"
