"""What many requests have in common, and so need not be read again with each of them.

A client sends the same header lines with every request, but for the length of the body and, where it signs them, the
date, the body's hash and the signature; and the presigned URLs of one signer differ in the path, the date and the
signature. What follows from the rest (the dialect, how a query is spelled canonically, what a PUT stores beside the
bytes, ...) is worked out once, by the ordinary readers, and remembered as a fact of the request's *shape*. A fact is a
pure function of the shape: it never depends on what :class:`Common` carries apart, nor on a secret. What cannot be cut
up so has no shape, and is read anew each time.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

#: Shapes remembered by one process, whatever header lines they came with: who varies both must not fill its memory.
_MOST: Final = 2048
#: Bytes of a query beyond which it is not remembered.
_LONGEST: Final = 1024
#: Lengths of texts of which layouts are remembered, and layouts of texts of one length.
_MOST_SIZES: Final = 1024
_MOST_ALIKE: Final = 4
_DATE: Final = b"X-Amz-Date="
_SIGNATURE: Final = b"X-Amz-Signature="
_DATE_SIZE: Final = len("YYYYMMDDTHHMMSSZ")
_SIGNATURE_SIZE: Final = 64
#: With one of these the lines are a credential's, or the date or the signature in the query is not the only one.
_OWN: Final = frozenset(
    {b"cookie", b"proxy-authorization", b"x-amz-security-token", b"x-amz-signature"}
)
#: With these too, unless what is a request's own in them was cut out of the lines.
_SIGNED: Final = frozenset({b"authorization", b"x-amz-date"})
#: The place of a piece that there is not.
NOWHERE: Final = slice(0, 0)


class Layout:
    """Where in texts of one length stand the pieces that are each text's own, and what is left without them. Two texts
    of which as much is left, and the same, have their own pieces in the same places."""

    __slots__ = ("own", "places", "rest")

    def __init__(self, places: Sequence[slice]) -> None:
        """``places`` of at least two pieces, each of one size always, but for one; they do not overlap."""
        self.places: Final = places
        ends = [0]
        for start, stop in sorted((place.start, place.stop) for place in places if place.stop):
            ends += (start, stop)
        self.own: Final = itemgetter(*places)
        self.rest: Final = itemgetter(*map(slice, ends[::2], (*ends[1::2], None)))


class Layouts:
    """Those of the texts that one process has seen."""

    __slots__ = ("_by_size",)

    def __init__(self) -> None:
        self._by_size: dict[int, list[Layout]] = {}

    def of(self, size: int) -> Sequence[Layout]:
        """Those of texts of ``size`` bytes."""
        return self._by_size.get(size, ())

    def learn(self, size: int, places: Sequence[slice]) -> Layout:
        """The one with own pieces at ``places``."""
        for layout in self.of(size):
            if layout.places == places:
                return layout
        if len(self._by_size) >= _MOST_SIZES:
            self._by_size.clear()
        alike = self._by_size.setdefault(size, [])
        del alike[: 1 - _MOST_ALIKE]
        alike.append(Layout(places))
        return alike[-1]


class Own(NamedTuple):
    """What is a request's own among its header lines, as it was sent; empty where there is none. ``length`` is the
    Content-Length; the others are cut out only where the request is signed in its headers, and then there are a
    ``date`` and a ``signature``: ``payload`` is the body's SHA-256 in hex, ``call`` how an SDK names the call."""

    length: bytes = b""
    date: bytes = b""
    payload: bytes = b""
    signature: bytes = b""
    call: bytes = b""


class Common:
    """A request's shape, and what is its own: ``facts`` are the shape's, by the name of who found them out;
    ``length`` is the Content-Length in bytes (None: none was sent), ``date`` and ``signature`` are the values in a
    presigned URL or in signed header lines (empty: there are none), letters and digits; ``payload`` and ``call`` as of
    :class:`Own`."""

    __slots__ = ("call", "date", "facts", "length", "payload", "signature")

    def __init__(
        self,
        facts: dict[Any, Any],
        length: int | None,
        date: bytes = b"",
        signature: bytes = b"",
        payload: bytes = b"",
        call: bytes = b"",
    ) -> None:
        self.facts = facts
        self.length = length
        self.date = date
        self.signature = signature
        self.payload = payload
        self.call = call


#: A section, a method, and what a query has around the date and the signature.
Shape: TypeAlias = tuple["Section", str, Any]


class Shapes:
    """The facts of each shape that one process remembers."""

    __slots__ = ("facts", "layouts")

    def __init__(self) -> None:
        self.facts: dict[Shape, dict[Any, Any]] = {}
        self.layouts = Layouts()

    def learn(self, shape: Shape) -> dict[Any, Any]:
        """A place for the facts of one more."""
        if len(self.facts) >= _MOST:
            self.facts.clear()
        return self.facts.setdefault(shape, {})


class Section:
    """Header lines, without what is a request's :class:`Own`, that many requests are sent with. ``shapes`` are those of
    all sections; it is of one by itself where none are given."""

    __slots__ = ("_shapes",)

    def __init__(self, shapes: Shapes | None = None) -> None:
        self._shapes = Shapes() if shapes is None else shapes

    def common(
        self, method: str, raw_query: bytes, length: int | None, own: Own | None = None
    ) -> Common | None:
        """The shape of a request with these lines; None where its query has none. ``own`` is there where
        it is signed in its headers."""
        shapes = self._shapes
        if own is not None:
            facts = self._whole(method, raw_query)
            if facts is None:
                return None
            return Common(facts, length, own.date, own.signature, own.payload, own.call)
        for layout in shapes.layouts.of(len(raw_query)):
            facts = shapes.facts.get((self, method, layout.rest(raw_query)))
            if facts is not None:
                date, signature = layout.own(raw_query)
                if date.isalnum() and signature.isalnum():
                    return Common(facts, length, date, signature)
        return self._read(method, raw_query, length)

    def _read(self, method: str, raw_query: bytes, length: int | None) -> Common | None:
        if _DATE not in raw_query:
            facts = self._whole(method, raw_query)
            return None if facts is None else Common(facts, length)
        places = _places(raw_query)
        if places is None:
            return None
        layout = self._shapes.layouts.learn(len(raw_query), places)
        date, signature = layout.own(raw_query)
        facts = self._shapes.learn((self, method, layout.rest(raw_query)))
        return Common(facts, length, date, signature)

    def _whole(self, method: str, raw_query: bytes) -> dict[Any, Any] | None:
        """The facts of a shape in which all of a query is; None where it is too long."""
        if len(raw_query) > _LONGEST:
            return None
        shape = self, method, raw_query
        facts = self._shapes.facts.get(shape)
        return self._shapes.learn(shape) if facts is None else facts


def section_of(names: frozenset[bytes], shapes: Shapes, *, signed: bool = False) -> Section | None:
    """Where shapes of requests with headers of these names (in lower case) are remembered, among ``shapes``; None:
    nowhere. ``signed``: their signatures and dates were cut out of the lines."""
    barred = _OWN if signed else _OWN | _SIGNED
    return Section(shapes) if names.isdisjoint(barred) else None


def _places(raw_query: bytes) -> tuple[slice, slice] | None:
    """Where the date and the signature of a presigned URL stand, parameters of their own, in this order; None where
    that cannot be told for certain."""
    dated, signed = raw_query.find(_DATE), raw_query.find(_SIGNATURE)
    date = slice(dated + len(_DATE), dated + len(_DATE) + _DATE_SIZE)
    signature = slice(signed + len(_SIGNATURE), signed + len(_SIGNATURE) + _SIGNATURE_SIZE)
    if len(raw_query) > _LONGEST or signed < date.stop:
        return None
    for at, place in ((dated, date), (signed, signature)):
        value = raw_query[place]
        if (
            not value.isalnum()
            or len(value) != place.stop - place.start
            or raw_query[at - 1 : at] not in (b"&", b"")
            or raw_query[place.stop : place.stop + 1] not in (b"&", b"")
        ):
            return None
    return date, signature
