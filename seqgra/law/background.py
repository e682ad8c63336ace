"""Background: letters drawn independently from one distribution."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from seqgra.grammar.schema import Grammar

#: Letters drawn at a time, so that words and letters stay in the cache.
_CHUNK = 1 << 16


class Background(NamedTuple):
    """The law of the background letters.

    Attributes
    ----------
    probabilities
        float64 (A,), all above 0.
    thresholds
        uint32 (A - 1,): a 32-bit draw v becomes the letter number sum(v >= thresholds).
    """

    probabilities: np.ndarray
    thresholds: np.ndarray


def compile_background(grammar: Grammar) -> Background:
    """Return the background law of a resolved grammar."""
    probabilities = list(grammar.background.values())
    sums = [math.fsum(probabilities[: k + 1]) for k in range(len(probabilities) - 1)]
    thresholds = [min(max(round(p * 2**32), 1), 2**32 - 1) for p in sums]
    return Background(np.array(probabilities), np.array(thresholds, np.uint32))


def sample(law: Background, generator: np.random.PCG64, out: np.ndarray) -> None:
    """Fill `out` (uint8, any shape, contiguous) with background letters.

    Each raw word gives two letters (low half first), with probabilities exact to 2**-32.
    """
    flat = out.reshape(-1)
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK]
        raw = generator.random_raw((part.size + 1) // 2).astype("<u8", copy=False).view("<u4")
        if law.thresholds.size == 3:
            _four_letters(raw, law.thresholds[0], law.thresholds[1], law.thresholds[2], part)
        else:
            _letters(raw, law.thresholds, part)


@numba.njit(cache=True)
def _four_letters(
    raw: np.ndarray, first: np.uint32, second: np.uint32, third: np.uint32, out: np.ndarray
) -> None:
    for i in range(out.size):
        v = raw[i]
        out[i] = np.uint8(v >= first) + np.uint8(v >= second) + np.uint8(v >= third)


@numba.njit(cache=True)
def _letters(raw: np.ndarray, thresholds: np.ndarray, out: np.ndarray) -> None:
    out[:] = 0
    for threshold in thresholds:
        for i in range(out.size):
            out[i] += np.uint8(raw[i] >= threshold)
