"""What many requests have in common, and so need not be read again with each of them.

A client sends the same header lines with every request, but for the length of the body; and the presigned URLs of
one signer differ in the path, the date and the signature. What follows from the rest (the dialect, how a query is
spelled canonically, what a PUT stores beside the bytes, ...) is worked out once, by the ordinary readers, and
remembered as a fact of the request's *shape*. A fact is a pure function of the shape: it never depends on
what :class:`Common` carries apart, nor on a secret. What cannot be cut up so has no shape, and is read anew each time.
"""

from typing import Any, Final, TypeAlias

#: Shapes remembered by one process, whatever header lines they came with: who varies both must not fill its memory.
_MOST: Final = 2048
#: Bytes of a query beyond which it is not remembered.
_LONGEST: Final = 1024
_DATE: Final = b"X-Amz-Date="
_SIGNATURE: Final = b"X-Amz-Signature="
_DATE_SIZE: Final = len("YYYYMMDDTHHMMSSZ")
_SIGNATURE_SIZE: Final = 64
#: With one of these the date or the signature in the query is not the only one, or the lines are a credential's.
_OWN: Final = frozenset(
    {
        b"authorization",
        b"cookie",
        b"proxy-authorization",
        b"x-amz-date",
        b"x-amz-security-token",
        b"x-amz-signature",
    }
)


class Common:
    """A request's shape, and what is its own: ``facts`` are the shape's, by the name of who found them out;
    ``length`` is the Content-Length in bytes (None: none was sent), ``date`` and ``signature`` are the values in a
    presigned URL (empty: there are none), letters and digits."""

    __slots__ = ("date", "facts", "length", "signature")

    def __init__(
        self, facts: dict[Any, Any], length: int | None, date: bytes, signature: bytes
    ) -> None:
        self.facts = facts
        self.length = length
        self.date = date
        self.signature = signature


#: The facts of each shape that one process remembers: a section, a method, and what a query has around the date and
#: the signature.
Shapes: TypeAlias = dict[tuple["Section", str, bytes, bytes, bytes], dict[Any, Any]]


class Section:
    """Header lines, the value of Content-Length left out, that many requests are sent with. ``shapes`` are those of
    all sections; it is of one by itself where none are given."""

    __slots__ = ("_shapes",)

    def __init__(self, shapes: Shapes | None = None) -> None:
        self._shapes: Shapes = {} if shapes is None else shapes

    def common(self, method: str, raw_query: bytes, length: int | None) -> Common | None:
        """The shape of a request with these lines; None where its query has none."""
        if len(raw_query) > _LONGEST:
            return None
        before, dated, rest = raw_query.partition(_DATE)
        if not dated:
            return Common(self._facts(method, raw_query, b"", b""), length, b"", b"")
        between, signed, rest = rest.partition(_SIGNATURE)
        date, middle = between[:_DATE_SIZE], between[_DATE_SIZE:]
        signature, after = rest[:_SIGNATURE_SIZE], rest[_SIGNATURE_SIZE:]
        if (
            not signed
            or not _is_word(date, _DATE_SIZE)
            or not _is_word(signature, _SIGNATURE_SIZE)
            or not (middle.startswith(b"&") and middle.endswith(b"&"))
            or (before and not before.endswith(b"&"))
            or (after and not after.startswith(b"&"))
        ):
            return None
        return Common(self._facts(method, before, middle, after), length, date, signature)

    def _facts(self, method: str, before: bytes, middle: bytes, after: bytes) -> dict[Any, Any]:
        key = (self, method, before, middle, after)
        facts = self._shapes.get(key)
        if facts is None:
            if len(self._shapes) >= _MOST:
                self._shapes.clear()
            facts = self._shapes[key] = {}
        return facts


def section_of(names: frozenset[bytes], shapes: Shapes) -> Section | None:
    """Where shapes of requests with headers of these names (in lower case) are remembered, among ``shapes``; None:
    nowhere."""
    return Section(shapes) if names.isdisjoint(_OWN) else None


def _is_word(text: bytes, size: int) -> bool:
    return len(text) == size and text.isalnum()
