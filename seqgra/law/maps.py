"""Compiled maps from raw 64-bit words to values (see `streams` for the laws they read)."""

from __future__ import annotations

import numpy as np

from seqgra.law.jit import part


@part
def below(word: np.uint64, n: np.uint64) -> np.uint64:
    """Return floor(word * n / 2**64), uniform over 0 .. n - 1 up to n / 2**64, for n below 2**32."""
    high, low = word >> np.uint64(32), word & np.uint64(0xFFFFFFFF)
    return (high * n + ((low * n) >> np.uint64(32))) >> np.uint64(32)


@part
def chosen_prefix(word: np.uint64, law: np.ndarray) -> int:
    """Return the index picked from a law whose last entry is any total up to 2**63: uint64 (K,).

    So the first entries of a scale-63 law are that law conditioned on its first values, and a whole one
    gives the first index whose entry is above ``word >> 1``.
    """
    half_word = np.uint64(32)
    mask = np.uint64(0xFFFFFFFF)
    total = law[-1]
    a, b, c, d = word >> half_word, word & mask, total >> half_word, total & mask
    middle = ((b * d) >> half_word) + ((a * d) & mask) + ((b * c) & mask)
    value = a * c + ((a * d) >> half_word) + ((b * c) >> half_word) + (middle >> half_word)
    low, high = 0, law.size - 1
    while low < high:
        half = (low + high) // 2
        if value < law[half]:
            high = half
        else:
            low = half + 1
    return low
