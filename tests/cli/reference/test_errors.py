"""The page of the errors."""

from gateway.cli.reference.errors import errors_page
from gateway.errors import ClientGone
from gateway.protocol.remedies import every_error


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
