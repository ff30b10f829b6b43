"""What happens in one run: all of it decided by the seed and the run's number, before it begins."""

import random
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from gateway.units import KiB, MiB
from tests.chaos.client import Move
from tests.chaos.dialects import DIALECTS, JOINED, PARALLEL, SERIAL, WHOLE
from tests.chaos.proxy import FAULTS

PART: Final = 5 * MiB
#: Into how many chunks a small upload may be cut where chunks are tiny.
TINY: Final = 30
#: Sizes of uploads, and how often each kind comes.
_SMALL, _AROUND, _LARGE = range(3)
_KINDS: Final = (_SMALL,) * 14 + (_AROUND,) * 3 + (_LARGE,) * 3
#: How the end of an upload may be: finished, given up by its client, or forgotten, which is the sweep's.
ENDS: Final = ("finished",) * 18 + ("cancelled", "forgotten")
_DIGESTS: Final = ("", "", "", "right", "wrong")
#: Two kinds of faults take seconds: they come less often.
_WEIGHTS: Final = {"silence": 0.3, "kill before": 0.8, "kill after": 0.8}


@dataclass(frozen=True)
class Weather:
    """How bad things are. ``writers`` and ``faults`` are how many of them a run may have, ``kills`` how often a fault
    is one. ``more``: what is no resumable upload, too, and chunks of a few hundred bytes."""

    gateways: int = 2
    writers: tuple[int, ...] = (1, 1, 2, 3)
    kills: float = 0.8
    faults: tuple[int, ...] = (0, 1, 1, 2, 3)
    more: bool = False


FAIR: Final = Weather()
FOUL: Final = Weather(
    gateways=3, writers=(1, 2, 3, 4, 6), kills=2.5, faults=(0, 1, 2, 3, 4), more=True
)


@dataclass(frozen=True)
class Plan:
    """``writers`` send in turn what their moves say, in chunks ``chunks`` where the order is free; ``faults`` by the
    number of the call to the store. ``told``: whether the length is said at the beginning."""

    number: int
    dialect: str
    length: int
    told: bool
    end: str
    writers: tuple[tuple[Move, ...], ...]
    chunks: tuple[tuple[int, int], ...]
    faults: dict[int, str]


def plan(seed: int, number: int, weather: Weather = FAIR) -> Plan:
    """Of run ``number`` (from 0)."""
    rng = random.Random(f"{seed}/{number}")
    dialect = rng.choice((*DIALECTS, *WHOLE, JOINED) if weather.more else DIALECTS)
    length = _length(rng)
    writers = rng.choice(weather.writers)
    end = rng.choice(ENDS)
    if dialect in (*WHOLE, JOINED):
        end = "finished"
    return Plan(
        number=number,
        dialect=dialect,
        length=length,
        told=dialect == "range" or rng.random() < 0.7,
        end="finished" if end == "cancelled" and dialect == "range" else end,
        writers=tuple(_moves(rng, dialect, length, weather) for _ in range(writers)),
        chunks=_chunks(rng, length, weather) if dialect in PARALLEL else (),
        faults=_faults(rng, weather),
    )


def _length(rng: random.Random) -> int:
    kind = rng.choice(_KINDS)
    if kind == _SMALL:
        return rng.choice((1, 100, 64 * KiB, rng.randint(2, 400 * KiB)))
    if kind == _AROUND:
        return PART + rng.choice((-1, 0, 1, rng.randint(2, 200 * KiB)))
    return rng.choice((2 * PART, rng.randint(2 * PART + 1, 3 * PART)))


def _moves(rng: random.Random, dialect: str, length: int, weather: Weather) -> tuple[Move, ...]:
    last = weather.gateways - 1
    asks = ("", "", dialect, "json", *SERIAL) if dialect in SERIAL else ("",)
    moves = tuple(
        Move(
            size=max(1, int(length * rng.choice((0.05, 0.2, 0.4, 0.6, 1.0)))),
            gateway=rng.randint(0, last),
            asks=rng.choice(asks),
            digest=rng.choice(_DIGESTS),
            cut=rng.random() if rng.random() < 0.15 else None,
            silence=rng.choice((0.0, 0.0, 0.3, 2.5)),
        )
        for _ in range(rng.randint(3, 8))
    )
    # One of them succeeds, or it would never end.
    return (*moves, Move(size=max(1, length // 2), gateway=rng.randint(0, last)))


def _chunks(rng: random.Random, length: int, weather: Weather) -> tuple[tuple[int, int], ...]:
    """Pieces of one size or at random places, the first one first, some of them twice and some overlapping."""
    if weather.more and 4 <= length <= PART and rng.random() < 0.4:
        bounds = [0, *sorted(rng.sample(range(1, length), min(length - 1, TINY))), length]
    elif rng.random() < 0.5 or length < 4:
        size = max(1, length // rng.randint(1, 8), min(length, PART) if length > PART else 1)
        bounds = [*range(0, length, size), length]
    else:
        inner = rng.sample(range(1, length), min(length - 1, rng.randint(1, 9)))
        bounds = [0, *sorted(inner), length]
    spans = list(pairwise(bounds))
    first, rest = spans[0], spans[1:]
    rest += [span for span in rest if rng.random() < 0.2]
    rest += [(a + 1, b) for a, b in rest if b - a > 2 and rng.random() < 0.1]
    rng.shuffle(rest)
    return (first, *rest)


def _faults(rng: random.Random, weather: Weather) -> dict[int, str]:
    """In two thirds of the runs; sometimes the attempts of one call fail altogether."""
    found: dict[int, str] = {}
    weights = _WEIGHTS | dict.fromkeys(("kill before", "kill after"), weather.kills)
    for _ in range(rng.choice(weather.faults)):
        fault = rng.choices(FAULTS, [weights.get(each, 2.0) for each in FAULTS])[0]
        at = rng.randint(1, 14)
        times = 3 if fault in ("500", "503", "reset", "lost") and rng.random() < 0.3 else 1
        found |= dict.fromkeys(range(at, at + times), fault)
    return found
