"""Names that clients chose, as error details and logs may repeat them.

A signature or a token can stand where a name belongs (``?17f8...`` instead of ``?v=17f8...``, a header cut in two), so
only what is made of words is repeated. What looks random is not: hexadecimal and base64 have digits and capitals in
the middle of things.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

#: The longest header of S3's has 47 characters.
_LONGEST: Final = 48
_WORD: Final = (
    "(?:(?:[A-Z]{0,4}[a-z]{1,14}){1,3}(?:[0-9]{1,3}[a-z]{0,4})?|[a-z0-9]{1,3}|[A-Z]{1,4}[0-9]?)"
)
_PLAIN: Final = re.compile(rf"{_WORD}(?:[._-]{_WORD})*", re.ASCII)
#: More names of one list say nothing more.
_MOST: Final = 5


@lru_cache(maxsize=256)  # the same few with every request
def shown(name: str) -> str:
    """The name, or ``?`` where it does not look like one."""
    return name if len(name) <= _LONGEST and _PLAIN.fullmatch(name) else "?"


def listed(names: Iterable[str]) -> str:
    """The first five names, with commas."""
    every = list(names)
    return ", ".join([shown(name) for name in every[:_MOST]] + ["..."] * (len(every) > _MOST))
