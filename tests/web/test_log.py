"""The log's form, and what it never holds."""

import asyncio
import logging

import pytest

from gateway.settings.sections import LogSection
from gateway.web.log import configure, get_log, masked, parameter_names, printable
from tests.web.lab import lines


def fail() -> None:
    password = "hunter2"  # a local variable of a frame that fails
    raise ZeroDivisionError(len(password))


def test_lines_are_json_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSection())
    get_log().info("request", path="/a")
    get_log().debug("not told")
    (line,) = lines(capsys.readouterr().out)

    assert (line["event"], line["level"], line["path"]) == ("request", "info", "/a")
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("form", ["json", "console"])
def test_pitfall_37_tracebacks_come_without_local_variables(
    capsys: pytest.CaptureFixture[str], form: str
) -> None:
    configure(LogSection.model_validate({"format": form}))
    try:
        fail()
    except ZeroDivisionError:
        get_log().exception("bug")
        logging.getLogger("uvicorn.error").exception("bug too")
    told = capsys.readouterr().out

    assert told.count("ZeroDivisionError") >= 2
    assert "test_log.py" in told
    assert "hunter2" not in told


def test_other_peoples_loggers_speak_our_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSection(level="warning"))
    logging.getLogger("somebody").warning("careful: %s", "wet")
    get_log().info("below the level")
    (line,) = lines(capsys.readouterr().out)

    assert (line["event"], line["level"]) == ("careful: wet", "warning")


def test_the_level_holds_for_other_peoples_loggers_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSection(level="error"))
    logging.getLogger("somebody").warning("careful")
    logging.getLogger("somebody").error("broken")
    (line,) = lines(capsys.readouterr().out)

    assert line["event"] == "broken"


@pytest.mark.parametrize(
    ("text", "line"),
    [("/ü", "/ü"), ("a\r\nb", "a\\r\\nb"), ("\x1b[31m", "\\x1b[31m"), ("\u2028", "\\u2028")],
)
def test_case_91_nobody_writes_lines_of_his_own(text: str, line: str) -> None:
    assert printable(text) == line


def test_pitfall_37_of_a_query_only_names_are_told() -> None:
    assert parameter_names(b"v2=s3cret&X-Amz-Signature=ab&&flag&=x&a%20b=1") == [
        "v2",
        "X-Amz-Signature",
        "flag",
        "?",
        "?",
    ]
    assert parameter_names(b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl") == ["?"]
    assert len(parameter_names(b"a=1&" * 1000)) == 32


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("/b/a.txt", "/b/a.txt"),
        ("/b/100%25/a=b&c", "/b/100%25/a=b&c"),
        (
            "/b/a.txt%3FX-Amz-Date=1&X-Amz-Signature=17f8&x=1",
            "/b/a.txt?X-Amz-Date=1&X-Amz-Signature=?&x=1",
        ),
        ("/b/a.txt&X-Amz-Signature=17f8", "/b/a.txt&X-Amz-Signature=?"),
        ("/b/a.txt%253fx%2Damz-signature%253d17f8", "/b/a.txt?x-amz-signature=?"),
        ("/b/a%3Fv=17f8&V3=17f8%26token=17f8", "/b/a?v=?&V3=?&token=?"),
        (
            "you may not get b/a?X-Amz-Security-Token=17f8.",
            "you may not get b/a?X-Amz-Security-Token=?",
        ),
    ],
)
def test_case_91_a_query_that_slipped_into_the_path_is_masked(text: str, line: str) -> None:
    assert masked(text) == line


def test_case_91_a_token_in_place_of_a_parameters_name_is_not_told() -> None:
    assert parameter_names(b"a17f8c0ffee0123456789&xY3kQ9ZpLm0aB7cD2eF5g=1") == ["?", "?"]


def test_informative_lines_wait_for_others_at_most_a_tenth_of_a_second(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def told() -> tuple[str, str]:
        get_log().info("request", number=1)
        get_log().info("request", number=2)
        at_once = capsys.readouterr().out
        await asyncio.sleep(0.15)
        return at_once, capsys.readouterr().out

    configure(LogSection())
    at_once, later = asyncio.run(told())

    assert at_once == ""
    assert [line["number"] for line in lines(later)] == [1, 2]


@pytest.mark.parametrize("level", ["warning", "error"])
def test_a_line_that_is_more_waits_for_nothing_and_keeps_the_order(
    capsys: pytest.CaptureFixture[str], level: str
) -> None:
    async def told() -> str:
        get_log().info("first")
        getattr(get_log(), level)("second")
        return capsys.readouterr().out

    configure(LogSection())

    assert [line["event"] for line in lines(asyncio.run(told()))] == ["first", "second"]


def test_many_lines_are_written_before_their_time(capsys: pytest.CaptureFixture[str]) -> None:
    async def told() -> str:
        for _ in range(70):
            get_log().info("request", path="/" + "a" * 1000)
        return capsys.readouterr().out

    configure(LogSection())

    assert len(lines(asyncio.run(told()))) > 50
