"""Byte sizes and durations: constants, and the text form used in configuration.

Sizes are in bytes, durations in seconds. ``KiB`` and friends are powers of 1024; the decimal
forms (``KB``, ``MB``, ...) are powers of 1000, as in IEC 80000-13.
"""

import re
from typing import Final

KiB: Final = 1024
MiB: Final = 1024 * KiB
GiB: Final = 1024 * MiB
TiB: Final = 1024 * GiB

_SIZES: Final = {
    "": 1, "b": 1,
    "kib": KiB, "mib": MiB, "gib": GiB, "tib": TiB,
    "k": KiB, "m": MiB, "g": GiB, "t": TiB,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
}  # fmt: skip
_TIMES: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_NUMBER: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*\Z", re.ASCII)


def parse_size(text: str | int) -> int:
    """Read a size such as ``64MiB`` or ``1.5 GB`` into bytes.

    Raises:
        ValueError: the text is no size; the message names a right form.
    """
    if isinstance(text, int):
        if text < 0:
            raise ValueError(f"a size cannot be negative, got {text}")
        return text
    match = _NUMBER.match(text)
    if match is None or match[2].lower() not in _SIZES:
        raise ValueError(f"{text!r} is not a size; write for example 64MiB, 1.5GiB or 1048576")
    return (
        int(float(match[1]) * _SIZES[match[2].lower()])
        if "." in match[1]
        else (int(match[1]) * _SIZES[match[2].lower()])
    )


def parse_duration(text: str | float) -> float:
    """Read a duration such as ``30s``, ``1.5h`` or ``7d`` into seconds.

    Raises:
        ValueError: the text is no duration; the message names a right form.
    """
    if isinstance(text, int | float):
        if text < 0:
            raise ValueError(f"a duration cannot be negative, got {text}")
        return float(text)
    match = _NUMBER.match(text)
    if match is None or match[2].lower() not in _TIMES:
        raise ValueError(f"{text!r} is not a duration; write for example 30s, 15m, 24h or 7d")
    return float(match[1]) * _TIMES[match[2].lower()]


def format_size(size: int) -> str:
    """Write bytes in the largest binary unit that keeps them readable: ``64MiB``, ``1.5GiB``."""
    for unit, factor in (("TiB", TiB), ("GiB", GiB), ("MiB", MiB), ("KiB", KiB)):
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + unit
    return f"{size}B"


def format_duration(seconds: float) -> str:
    """Write seconds in the largest unit that divides them: ``24h``, ``90s``, ``250ms``."""
    for unit, factor in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= factor and seconds % factor == 0:
            return f"{seconds / factor:.0f}{unit}"
    return f"{seconds:g}s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:g}ms"
