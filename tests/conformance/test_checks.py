import pytest

from tests.conformance.checks import Findings, Level, Result, Skipped, Status, Stopped, in_order
from tests.conformance.report import as_json, as_markdown, as_text, from_json, tally
from tests.conformance.tus import SUITE
from tests.conformance.tus.runner import select

GOOD = Result("T1", "one", Status.PASS, None, "as expected")
BAD = Result("T2", "two", Status.FAIL, Level.SHOULD, "PATCH | POST", 1.5)
LEFT = Result("T10", "ten", Status.SKIP, None, "not offered")


def test_every_item_of_tus_has_its_check_and_no_other() -> None:
    assert [check.number for check in SUITE.ordered()] == [f"T{n}" for n in range(1, 83)]


def test_the_heaviest_of_what_failed_is_the_result() -> None:
    found = Findings()
    found.strict(False, "light")
    found.should(True, "fine")
    found.must(False, "heavy")
    result = found.conclude("T1", "one", 0)
    assert (result.status, result.level) == (Status.FAIL, Level.MUST)
    assert result.seen == "heavy; light (STRICT)"
    assert result.verdict() == "fail (MUST)"


def test_where_nothing_failed_the_notes_are_what_was_seen() -> None:
    found = Findings()
    assert found.conclude("T1", "one", 0).seen == "as expected"
    found.saw("a note")
    assert found.conclude("T1", "one", 0) == Result("T1", "one", Status.PASS, None, "a note")


def test_a_need_stops_and_a_skip_skips() -> None:
    found = Findings()
    found.need(True, "no")
    with pytest.raises(Stopped):
        found.need(False, "yes", Level.SHOULD)
    assert found.failed == [(Level.SHOULD, "yes")]
    with pytest.raises(Skipped, match="why"):
        found.skip("why")


def test_items_are_ordered_by_their_number() -> None:
    assert sorted(["T10", "T2", "R3"], key=in_order) == ["R3", "T2", "T10"]
    with pytest.raises(ValueError, match="T16"):
        in_order("16")


def test_only_known_numbers_can_be_chosen() -> None:
    checks = SUITE.ordered()
    assert [check.number for check in select(checks, ["T16", "T3"])] == ["T3", "T16"]
    assert select(checks, []) == checks
    with pytest.raises(ValueError, match="T99"):
        select(checks, ["T1", "T99"])


def test_results_survive_json() -> None:
    about = {"name": "x"}
    assert from_json(as_json(about, [GOOD, BAD, LEFT])) == (about, [GOOD, BAD, LEFT])


def test_a_tally_counts_failures_by_level() -> None:
    assert tally([GOOD, BAD, LEFT]) == "1 pass, 1 fail (1 SHOULD), 1 skip"


def test_the_text_says_what_was_seen_where_it_was_not_expected() -> None:
    text = as_text([GOOD, BAD])
    assert "as expected" not in text
    assert "PATCH | POST" in text
    assert "T2   fail (SHOULD)" in text


def test_the_table_has_a_column_per_server_and_escapes() -> None:
    table = as_markdown(
        {"a": [GOOD, BAD], "b": [GOOD, LEFT, Result("T2", "two", Status.PASS, None, "")]}
    )
    assert "| T1 | one | ✓ | ✓ |" in table
    assert "| T2 | two | **✗** SHOULD | ✓ |" in table
    assert "PATCH \\| POST" in table
    assert "Skipped: T10 (not offered)." in table
