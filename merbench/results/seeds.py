"""Randomness is derived per purpose, by hashing names: two models with seed k see the same data
order and can be compared in pairs.
"""

from hashlib import sha256

FIRST_TUNING_SEED = 10**9
"""Tuning seeds count from here: none of them is a seed of a final run."""
MOST_SEEDS = 10_000
"""So many at most are asked for by their number; a list names any."""


def derive(seed: int, *names: object) -> int:
    """A 63-bit seed for one purpose of one run: ``derive(3, "order", fold)``."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(sha256(text.encode()).digest()[:8]) >> 1
