"""How mistakes are told."""

import pytest

from gateway.cli.mistakes import Mistake, one_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileNotFoundError(2, "No such file or directory", "x"), "x: No such file or directory"),
        (OSError(98, "Address already in use"), "Address already in use"),
        (OSError("odd"), "odd"),
        (ValueError(), "ValueError"),
    ],
)
def test_an_exception_is_told_in_its_own_words(error: Exception, line: str) -> None:
    assert one_line(error) == line


def test_several_mistakes_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    Mistake("a\nb").show()
    assert capsys.readouterr().err == "sluice: a\nsluice: b\n"
