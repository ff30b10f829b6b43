"""What pydantic finds wrong, in our own sentences: what is wanted, never what was given, as that may be a secret."""

from collections.abc import Mapping
from typing import Any, Final

_SENTENCES: Final = {
    "missing": "it is required and missing",
    "string_type": "text in quotes is wanted",
    "string_too_short": "at least {min_length} characters are wanted",
    "string_too_long": "at most {max_length} characters are wanted",
    "int_parsing": "a whole number is wanted",
    "int_type": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "float_parsing": "a number is wanted",
    "float_type": "a number is wanted",
    "bool_parsing": "true or false is wanted",
    "bool_type": "true or false is wanted",
    "greater_than": "more than {gt} is wanted",
    "greater_than_equal": "at least {ge} is wanted",
    "less_than": "less than {lt} is wanted",
    "less_than_equal": "at most {le} is wanted",
    "literal_error": "one of {expected} is wanted",
    "path_type": "a path in quotes is wanted",
    "tuple_type": "a list is wanted",
    "too_short": "at least {min_length} of them are wanted",
    "dict_type": "a section is wanted, not a single value",
    "model_type": "a section is wanted, not a single value",
    "model_attributes_type": "a section is wanted, not a single value",
    "datetime_type": "a time is wanted, for example 2027-01-31T12:00:00Z",
    "datetime_parsing": "a time is wanted, for example 2027-01-31T12:00:00Z",
    "datetime_from_date_parsing": "a time is wanted, for example 2027-01-31T12:00:00Z",
    "timezone_aware": "the time needs a zone, for example 2027-01-31T12:00:00Z",
}
#: What stands in a place's path where the name itself is wrong.
NAME: Final = "[key]"
#: The only names that have a form of their own are those of access keys.
_NAME_SENTENCES: Final = {
    "string_too_short": "the name of an access key has at least {min_length} characters",
    "string_too_long": "the name of an access key has at most {max_length} characters",
    "string_pattern_mismatch": "the name of an access key has only letters, digits and _",
}


def sentence(item: Mapping[str, Any]) -> str:
    """One of pydantic's errors (``ErrorDetails``) in words."""
    sentences = _NAME_SENTENCES if NAME in item["loc"] else _SENTENCES
    found = sentences.get(item["type"])
    if found is None:
        return str(item["msg"]).removeprefix("Value error, ")
    return found.format(**item.get("ctx", {}))
