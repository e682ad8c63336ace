"""How hard elements are to see and to tell apart: information, chance matches, divergence.

An element is a matrix of letter probabilities p_la here (float64 (W, A)), whatever it was written as,
and b (float64 (A,)) the letters of the background.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

#: Share of background letters mixed into every column before logarithms, so that none is infinite.
MIXED = 0.01
#: Steps of a bit on which scores of random places are counted.
_STEPS = 64
#: Columns below this carry no information worth a letter.
_LEAST_BITS = 0.1


def information(columns: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return the information of each column, in bits: float64 (W,).

    I_l = sum_a p_la log2(p_la / b_a) (doi:10.1016/0022-2836(86)90165-8 for the idea).

    >>> information(np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]]), np.full(4, 0.25)).tolist()
    [2.0, 0.0]
    """
    ratio = np.divide(columns, background, out=np.ones_like(columns), where=columns > 0)
    return np.asarray((columns * np.log2(ratio)).sum(axis=1))


def consensus(columns: np.ndarray, letters: str, bits: np.ndarray) -> str:
    """Return the likeliest letter of each column.

    It is in lower case where it has less than half, and a dot where the column has under 0.1 bit.

    >>> columns = np.array([[0.9, 0.1, 0, 0], [0.4, 0.2, 0.2, 0.2], [0.25, 0.25, 0.25, 0.25]])
    >>> consensus(columns, "ACGT", np.array([1.5, 0.2, 0]))
    'Aa.'
    """
    best = [letters[column.argmax()] for column in columns]
    likely = columns.max(axis=1) >= 0.5
    cased = [c if sure else c.lower() for c, sure in zip(best, likely, strict=True)]
    return "".join("." if few else c for c, few in zip(cased, bits < _LEAST_BITS, strict=True))


def mixed(columns: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return p' = (1 - m) p + m b with m = `MIXED`: float64 (W, A), nowhere 0."""
    return (1 - MIXED) * columns + MIXED * background


def log_odds(columns: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return the scores log2(p'_la / b_a), in bits: float64 (W, A)."""
    return np.asarray(np.log2(mixed(columns, background) / background))


def chance_as_good(columns: np.ndarray, background: np.ndarray) -> float:
    """Return the chance that random letters score as high as an average site of the element.

    The score is the log-odds score; that of an average site is its mean over sites. Scores are rounded
    to 1/64 bit for counting.
    """
    steps = np.rint(log_odds(columns, background) * _STEPS).astype(np.int64)
    average = float((columns * steps).sum())
    low = steps.min(axis=1)
    chances = np.ones(1)
    for column, first in zip(steps, low, strict=True):
        longer = np.zeros(chances.size + int(column.max() - first))
        for step, chance in zip(column, background, strict=True):
            at = int(step - first)
            longer[at : at + chances.size] += chance * chances
        chances = longer
    # The average is no whole number of steps: what is within half a step of it counts as as good.
    return float(chances[max(math.ceil(average - 0.5) - int(low.sum()), 0) :].sum())


def least_overlap(one: int, two: int) -> int:
    """Return the least number of columns in which elements of these widths are aligned.

    Half of the narrower one's, but at least 4 or, if it is narrower still, all of it.

    >>> [least_overlap(8, 20), least_overlap(20, 20), least_overlap(5, 9), least_overlap(3, 9)]
    [4, 10, 4, 3]
    """
    narrow = min(one, two)
    return max((narrow + 1) // 2, min(narrow, 4))


def divergences(
    elements: Sequence[np.ndarray], background: np.ndarray, both_strands: bool
) -> np.ndarray:
    """Return the divergence of each pair of elements, in bits: float64 (E, E).

    Two aligned elements span a window; where an element does not reach, it has background letters. With
    p', q' the two mixed laws of the window's columns, the divergence is the symmetric Kullback-Leibler
    divergence

        J = 1/2 sum_l sum_a [p'_la log2(p'_la / q'_la) + q'_la log2(q'_la / p'_la)],

    the least over all alignments with `least_overlap` columns in common, and with `both_strands` over
    the reverse complement of either. It is symmetric, and 0 for an element and itself.

    Parameters
    ----------
    elements
        float64 (W, A) each.
    background
        float64 (A,).
    both_strands
        Letters in an order in which complements are mirrored (DNA).
    """
    forward = [mixed(columns, background) for columns in elements]
    found = _least(forward, forward, background)
    if both_strands:
        reverse = [mixed(columns[::-1, ::-1], background) for columns in elements]
        found = np.minimum(found, _least(forward, reverse, background))
    return np.asarray(np.minimum(found, found.T))


def _least(
    ones: Sequence[np.ndarray], twos: Sequence[np.ndarray], background: np.ndarray
) -> np.ndarray:
    """Return the least J over the offsets of every pair, one strand: float64 (E, E)."""
    widths = np.array([len(columns) for columns in ones])
    widest, count = int(widths.max()), len(ones)
    p, q = (_padded(side, widest, background) for side in (ones, twos))
    pairs = _between(p.reshape(-1, background.size), q.reshape(-1, background.size))
    pairs = pairs.reshape(count, widest, count, widest)
    alone_p = _between(p.reshape(-1, background.size), background[None]).reshape(count, widest)
    alone_q = _between(q.reshape(-1, background.size), background[None]).reshape(count, widest)
    needed = np.array([[least_overlap(one, two) for two in widths] for one in widths])
    least = np.full((count, count), np.inf)
    for offset in range(1 - widest, widest):  # column k of the second lies below k + offset
        first, end = max(0, offset), min(widest, widest + offset)
        at = np.arange(first, end)
        total = pairs[:, at, :, at - offset].sum(axis=0)
        total = (
            total + alone_p[:, :first].sum(axis=1)[:, None] + alone_p[:, end:].sum(axis=1)[:, None]
        )
        total = (
            total
            + alone_q[:, : first - offset].sum(axis=1)
            + alone_q[:, end - offset :].sum(axis=1)
        )
        common = np.minimum(widths[:, None], widths + offset) - first
        least = np.where(common >= needed, np.minimum(least, total), least)
    return np.maximum(least, 0)


def _padded(elements: Sequence[np.ndarray], widest: int, background: np.ndarray) -> np.ndarray:
    """Return the elements followed by background columns: float64 (E, widest, A)."""
    padded = np.tile(background, (len(elements), widest, 1))
    for row, columns in zip(padded, elements, strict=True):
        row[: len(columns)] = columns
    return padded


def _between(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return J of each column of one set (M, A) and each of another (K, A): float64 (M, K)."""
    log_p, log_q = np.log2(p), np.log2(q)
    own_p, own_q = (p * log_p).sum(axis=1), (q * log_q).sum(axis=1)
    return np.asarray((own_p[:, None] + own_q - p @ log_q.T - log_p @ q.T) / 2)
