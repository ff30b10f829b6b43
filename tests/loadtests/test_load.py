"""A load run that loads nothing is a failure."""

from pathlib import Path

import pytest

from loadtests.load import requests_made

HEAD = "Type,Name,Request Count,Failure Count\n"


@pytest.mark.parametrize(
    ("rows", "made"),
    [("GET,GET slot,3,0\n,Aggregated,3,0\n", 3), (",Aggregated,0,0\n", 0), ("", 0)],
)
def test_requests_are_those_of_all_users(tmp_path: Path, rows: str, made: int) -> None:
    statistics = tmp_path / "locust_stats.csv"
    statistics.write_text(HEAD + rows)
    assert requests_made(statistics) == made
