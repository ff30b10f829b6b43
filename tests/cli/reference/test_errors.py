"""The page of the errors."""

from pathlib import Path

from gateway.cli.reference.errors import errors_page
from gateway.errors import ClientGone
from gateway.protocol.remedies import every_error

DOCS = Path(__file__).parents[3] / "docs"


def test_every_error_that_can_be_answered_is_on_the_page_once() -> None:
    page = errors_page()
    for error in every_error():
        shown = 0 if error is ClientGone else 1
        assert page.count(f"\n## `{error.code}`\n") == shown


def test_s3_clients_find_their_code_and_status() -> None:
    assert (
        "| [`too-large`](#too-large) | 413 | `EntityTooLarge` | 400 | client | no |"
        in errors_page()
    )


def test_an_error_that_cannot_be_answered_yet_says_so() -> None:
    section = errors_page().partition("## `invalid-part`")[2].partition("## ")[0]
    assert "Not answered yet" in section


def test_what_is_not_implemented_leads_to_the_list_of_what_is() -> None:
    section = errors_page().partition("## `not-implemented`")[2].partition("## ")[0]
    assert "docs/s3.md" in section
    assert "`?uploads`" in (DOCS / "s3.md").read_text(encoding="utf-8")
