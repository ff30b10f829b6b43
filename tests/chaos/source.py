"""What is uploaded: bytes that differ everywhere, and from one upload to the next."""

import random
from functools import lru_cache


@lru_cache(maxsize=1)
def _ground() -> bytes:
    return random.Random(0).randbytes(17 * 1024 * 1024)


def content(size: int, name: str) -> bytes:
    """``size`` bytes (16 MiB at most): a piece of one long random text that nobody else has, begun by the name."""
    rng = random.Random(name)
    at = rng.randrange(1024 * 1024)
    own = rng.randbytes(min(size, 4096))
    return own + _ground()[at + len(own) : at + size]
