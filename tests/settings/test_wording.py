"""Our sentences for what pydantic finds."""

import pytest

from gateway.settings.wording import sentence


@pytest.mark.parametrize(
    ("kind", "loc", "ctx", "words"),
    [
        ("missing", ("a",), {}, "it is required and missing"),
        ("int_parsing", ("a",), {}, "a whole number is wanted"),
        ("less_than_equal", ("a",), {"le": 20}, "at most 20 is wanted"),
        ("literal_error", ("a",), {"expected": "'x' or 'y'"}, "one of 'x' or 'y' is wanted"),
        ("string_too_short", ("a",), {"min_length": 1}, "at least 1 characters are wanted"),
        (
            "string_too_short",
            ("keys", "AB", "[key]"),
            {"min_length": 16},
            "the name of an access key has at least 16 characters",
        ),
    ],
)
def test_common_mistakes_are_told_in_our_words(
    kind: str, loc: tuple[str, ...], ctx: dict[str, object], words: str
) -> None:
    assert sentence({"type": kind, "loc": loc, "ctx": ctx, "msg": "theirs"}) == words


def test_what_our_own_validators_say_and_what_is_rare_stays() -> None:
    assert sentence({"type": "value_error", "loc": (), "msg": "Value error, ours"}) == "ours"
    assert sentence({"type": "rare", "loc": (), "msg": "theirs"}) == "theirs"
