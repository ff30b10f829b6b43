"""HTTP dates: three forms in, one out."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.dates import format_date, parse_date

DATE = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", DATE),
        ("Sunday, 06-Nov-94 08:49:37 GMT", DATE),
        ("Sun Nov  6 08:49:37 1994", DATE),
        ("Wed Nov 16 08:49:37 1994", DATE + timedelta(days=10)),
        ("Mon, 06 Nov 1994 08:49:37 GMT", DATE),
        ("Friday, 06-Nov-69 08:49:37 GMT", DATE.replace(year=2069)),
        ("Friday, 06-Nov-70 08:49:37 GMT", DATE.replace(year=1970)),
        ("Sat, 31 Dec 2016 23:59:60 GMT", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_all_three_forms_are_read(text: str, date: datetime) -> None:
    assert parse_date(text) == date


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "0",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Fri, 31 Dec 9999 23:59:60 GMT",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
    ],
)
def test_what_is_no_date_is_none(text: str | None) -> None:
    assert parse_date(text) is None


def test_dates_are_written_as_imf_fixdate_in_gmt() -> None:
    assert format_date(DATE + timedelta(milliseconds=999)) == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert (
        format_date(DATE.astimezone(timezone(timedelta(hours=5))))
        == "Sun, 06 Nov 1994 08:49:37 GMT"
    )


#: Years 1 to 9999, whatever the machine's zone.
SECONDS = st.floats(-62_135_596_800, 253_402_300_799)


@given(SECONDS.map(lambda seconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)))
def test_what_is_written_is_read_back(date: datetime) -> None:
    assert parse_date(format_date(date)) == date.replace(microsecond=0)


@given(st.text(max_size=40))
def test_no_text_raises(text: str) -> None:
    parse_date(text)
