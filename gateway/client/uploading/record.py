"""What has to be known to go on with an upload in another process, and its form as JSON."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

#: Raised when a field changes its meaning: a record of another form is no record.
FORM: Final = 1

Kind = Literal["tus", "chunked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which file, as it was when the upload began. ``modified`` in nanoseconds since 1970."""

    path: str
    size: int
    modified: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An upload that has begun. ``location`` is the raw path of its URL, empty as long as no answer has told it;
    it may be a secret. ``session`` is the name that this client gave it, so that asking again for it does not
    make another. ``sha256`` in hex, of the whole file. ``expires`` in Unix seconds, None: not known. ``chunk_size`` is
    what the server stores in one piece: a chunk that crosses its multiples has to be put together there."""

    kind: Kind
    file: Identity
    content_type: str
    sha256: str
    session: str
    location: str = ""
    expires: float | None = None
    chunk_size: int | None = None

    def dump(self) -> str:
        """As JSON."""
        return json.dumps({"form": FORM, **asdict(self)})


def load(text: str) -> Record | None:
    """Read what :meth:`Record.dump` wrote; None where it is nothing of the kind."""
    try:
        found = json.loads(text)
        if found.pop("form") != FORM:
            return None
        file = Identity(**found.pop("file"))
        record = Record(file=file, **found)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if _typed(file) and _typed(record) and record.kind in ("tus", "chunked") else None


#: What JSON must have given for each annotation.
_TYPES: Final[dict[Any, tuple[type, ...]]] = {
    str: (str,),
    int: (int,),
    int | None: (int, type(None)),
    float | None: (float, int, type(None)),
    Kind: (str,),
    Identity: (Identity,),
}


def _typed(value: Record | Identity) -> bool:
    return all(isinstance(getattr(value, each.name), _TYPES[each.type]) for each in fields(value))
