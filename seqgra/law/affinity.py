"""Weak or strong sites: a PWM conditioned on the score of its site lying in a band of quantiles.

The score of a site is S = sum over columns w of round(R log2(P_w(l_w) / b(l_w))), an integer: R steps
a bit, 128 unless the tables would grow beyond 2**21 entries, then the largest power of two that
avoids it. The band [q0, q1] holds the scores from the first whose cumulative probability under the
PWM exceeds q0 to the first whose cumulative probability reaches q1, so that bands [0, q] and [q, 1]
share no site where q is attained, and a band's mass Z is never below q1 - q0. Within the band

    P(site | band) = P(site) 1[in band] / Z.

Sites are drawn column by column, exactly: P(l at w | score t so far) is proportional to
P_w(l) H_{w+1}(t + s_w(l)), with H_w(t) the probability that the columns from w on take t into the
band. Probabilities are integers in units of 2**-63 and logarithms are correctly rounded, so tables
and draws are the same on every platform.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Context, Decimal
from fractions import Fraction
from typing import NamedTuple

import numba
import numpy as np

from seqgra.law.jit import kept, part
from seqgra.streams import cumulative63

_ONE = 1 << 63
_STEPS_PER_BIT = 128
_LARGEST_TABLE = 1 << 21
_NARROWEST = 1e-6
#: Quantiles closer than this (of 2**63) to a cumulative probability are taken to be it.
_TIE = 1 << 23
_PRECISE = Context(prec=40)


class AffinityBand(NamedTuple):
    """A PWM of W columns over A letters within a band of scores."""

    #: int64 (W, A): score of each letter in each column (0 where the letter never occurs).
    scores: np.ndarray
    #: uint64 (W, A): probabilities in units of 2**-63.
    letters: np.ndarray
    #: uint64 (T,): H_w(t) in units of 2**-63 at first[w] + t - floor[w].
    tails: np.ndarray
    #: int64 (W + 1,): where the scores after w columns begin in `tails`; the lowest of them.
    first: np.ndarray
    floor: np.ndarray
    #: The lowest and the highest score in the band.
    low: int
    high: int
    #: Z, the probability of the band under the PWM.
    mass: float


def compile_band(
    matrix: np.ndarray, background: np.ndarray, low: float, high: float
) -> AffinityBand:
    """Return the law of the sites of a PWM between two quantiles of its score.

    Parameters
    ----------
    matrix
        float64 (W, A): letter probabilities of each column (any positive sum).
    background
        float64 (A,): letter probabilities that scores are relative to.
    low, high
        The quantiles, 0 <= low < high <= 1.

    Raises
    ------
    ValueError
        If the quantiles are no band, or a letter of the matrix never occurs in the background.
    """
    if not (0 <= low < high <= 1 and high - low >= _NARROWEST):
        raise ValueError(
            f"affinity is {{min: {low:g}, max: {high:g}}}; expected 0 <= min < max <= 1, "
            f"at least {_NARROWEST:g} apart"
        )
    letters = np.array([_units(column) for column in matrix], np.uint64)
    if np.any((letters > 0).any(axis=0) & (np.asarray(background) <= 0)):
        raise ValueError(
            "affinity compares the motif with the background, where some of its letters have "
            "probability 0; give every letter of the motif a background probability"
        )
    scores, first, floor = _scores(matrix, background, letters)
    sizes = np.diff(first)
    distribution = _forward(scores, letters, floor, int(sizes[-1]))
    lowest, highest = _band(distribution, low, high)
    tails = _backward(scores, letters, first, floor, lowest, highest)
    return AffinityBand(
        scores,
        letters,
        tails,
        first[:-1],
        floor,
        lowest + int(floor[-1]),
        highest + int(floor[-1]),
        int(tails[0]) / _ONE,
    )


def log_mass(band: AffinityBand) -> float:
    """Return log Z: log P(site | band) = log P(site) - log Z for a site in the band."""
    return math.log(band.mass)


def band_columns(band: AffinityBand) -> np.ndarray:
    """Return the letter probabilities of each column within the band: float64 (W, A)."""
    width, alphabet = band.scores.shape
    columns = np.zeros((width, alphabet))
    ends = np.append(band.first[1:], band.tails.size)
    reached = np.ones(1)  # probability of each score after the columns so far, band or not
    for w in range(width):
        tails = band.tails[band.first[w + 1] : ends[w + 1]] / _ONE
        after = np.zeros(tails.size)
        for letter in np.flatnonzero(band.letters[w]):
            shift = int(band.floor[w] + band.scores[w, letter] - band.floor[w + 1])
            moved = reached * (int(band.letters[w, letter]) / _ONE)
            after[shift : shift + reached.size] += moved
            columns[w, letter] = moved @ tails[shift : shift + reached.size]
        reached = after
    result: np.ndarray = columns / columns.sum(axis=1, keepdims=True)
    return result


def _units(probabilities: np.ndarray) -> list[int]:
    """Return the letters' shares of 2**63: the steps of the scale-63 law that a PWM is drawn from."""
    law = cumulative63(probabilities.tolist()).tolist()
    return [top - bottom for bottom, top in zip([0, *law[:-1]], law, strict=True)]


def _scores(
    matrix: np.ndarray, background: np.ndarray, letters: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores, bounds of the tables (W + 2,) and lowest scores (W + 1,)."""
    logs = _logs(matrix, background, letters)
    steps = Fraction(_STEPS_PER_BIT)
    while True:
        scores = np.array([[_rounded(log, steps) for log in row] for row in logs], np.int64)
        at_least = np.where(letters > 0, scores, np.iinfo(np.int64).max).min(axis=1)
        at_most = np.where(letters > 0, scores, np.iinfo(np.int64).min).max(axis=1)
        floor = np.concatenate([[0], np.cumsum(at_least)])
        ceiling = np.concatenate([[0], np.cumsum(at_most)])
        first = np.concatenate([[0], np.cumsum(ceiling - floor + 1)])
        if first[-1] <= _LARGEST_TABLE or steps == 1:
            return scores, first, floor
        steps /= 2


def _logs(matrix: np.ndarray, background: np.ndarray, letters: np.ndarray) -> list[list[Decimal]]:
    """Return log2(P / b), correctly rounded to 40 digits; 0 for letters that never occur."""
    context, two = _PRECISE, Decimal(2).ln(_PRECISE)
    known: dict[float, Decimal] = {}

    def log2(value: float) -> Decimal:
        if value not in known:
            known[value] = context.divide(context.ln(Decimal(value)), two)
        return known[value]

    shares = np.asarray(background, float).tolist()
    total = math.fsum(shares)
    result = []
    for column, units in zip(matrix.tolist(), letters, strict=True):
        norm = math.fsum(column)
        result.append(
            [
                context.subtract(log2(p / norm), log2(b / total)) if unit else Decimal(0)
                for p, b, unit in zip(column, shares, units, strict=True)
            ]
        )
    return result


def _rounded(log: Decimal, steps: Fraction) -> int:
    return round(Fraction(log) * steps)


def _band(distribution: np.ndarray, low: float, high: float) -> tuple[int, int]:
    """Return the first and last index of the band: uint64 (S,) probabilities of the scores."""
    total, so_far = sum(distribution.tolist()), 0
    below, reached = Fraction(low) * total + _TIE, Fraction(high) * total - _TIE
    lowest = -1
    for index, probability in enumerate(distribution.tolist()):
        so_far += probability
        if lowest < 0 and probability and so_far > below:
            lowest = index
        if lowest >= 0 and probability and so_far >= reached:
            break
    if high == 1:  # to the highest score, however rare
        index = distribution.size - 1
    return lowest if low > 0 else 0, index


@numba.njit(inline="always")
def _high(a: np.uint64, b: np.uint64) -> np.uint64:
    """Return the upper 64 bits of a * b."""
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    a1, a0, b1, b0 = a >> half, a & mask, b >> half, b & mask
    middle = ((a0 * b0) >> half) + ((a1 * b0) & mask) + ((a0 * b1) & mask)
    return a1 * b1 + ((a1 * b0) >> half) + ((a0 * b1) >> half) + (middle >> half)


@numba.njit(inline="always")
def _product(a: np.uint64, b: np.uint64) -> np.uint64:
    """Return a * b / 2**63, rounded, for a and b about 2**63 or less."""
    low = a * b
    rest = (low >> np.uint64(63)) + ((low >> np.uint64(62)) & np.uint64(1))
    return (_high(a, b) << np.uint64(1)) + rest


@kept()
def _forward(scores: np.ndarray, letters: np.ndarray, floor: np.ndarray, size: int) -> np.ndarray:
    """Return the probabilities of the final scores, from the lowest: uint64 (S,)."""
    now = np.zeros(size, np.uint64)
    now[0] = np.uint64(1) << np.uint64(63)
    for w in range(scores.shape[0]):
        after = np.zeros(size, np.uint64)
        for letter in range(scores.shape[1]):
            if letters[w, letter] > 0:
                shift = floor[w] + scores[w, letter] - floor[w + 1]
                for t in range(size - shift):
                    if now[t] > 0:
                        after[t + shift] += _product(letters[w, letter], now[t])
        now = after
    return now


@kept()
def _backward(
    scores: np.ndarray,
    letters: np.ndarray,
    first: np.ndarray,
    floor: np.ndarray,
    lowest: int,
    highest: int,
) -> np.ndarray:
    """Return H_w(t) for every column w and score t, in units of 2**-63: uint64 (T,)."""
    width, alphabet = scores.shape
    tails = np.zeros(first[-1], np.uint64)
    for t in range(lowest, highest + 1):
        tails[first[width] + t] = np.uint64(1) << np.uint64(63)
    for w in range(width - 1, -1, -1):
        for t in range(first[w + 1] - first[w]):
            total = np.uint64(0)
            for letter in range(alphabet):
                if letters[w, letter] > 0:
                    next_t = t + floor[w] + scores[w, letter] - floor[w + 1]
                    total += _product(letters[w, letter], tails[first[w + 1] + next_t])
            tails[first[w] + t] = total
    return tails


@part
def draw(
    scores: np.ndarray,
    letters: np.ndarray,
    tails: np.ndarray,
    first: np.ndarray,
    floor: np.ndarray,
    raw: np.ndarray,
    site: np.ndarray,
) -> None:
    """Write a site into `site` (uint8 (W,)) from raw words (uint64 (W,)); the rest as in the band."""
    width, alphabet = scores.shape
    score = 0
    for w in range(width):
        value = _high(raw[w], tails[first[w] + score - floor[w]])
        base = first[w + 1] + score - floor[w + 1]
        below = np.uint64(0)
        for letter in range(alphabet):
            if letters[w, letter] > 0:
                below += _product(letters[w, letter], tails[base + scores[w, letter]])
                if value < below:
                    site[w] = letter
                    score += scores[w, letter]
                    break


@kept(nogil=True)
def sample_site(band: AffinityBand, raw: np.ndarray) -> np.ndarray:
    """Return the letters of a site in the band, uint8 (W,), from raw words: uint64 (W,)."""
    site = np.empty(band.scores.shape[0], np.uint8)
    draw(band.scores, band.letters, band.tails, band.first, band.floor, raw, site)
    return site


class AffinityBands(NamedTuple):
    """The bands of several elements in one set of arrays, for compiled code that holds many."""

    #: int64, uint64 (B, W, A): as in `AffinityBand`, W the widest; unused columns are 0.
    scores: np.ndarray
    letters: np.ndarray
    #: uint64 (T,): all tables, one after another.
    tails: np.ndarray
    #: int64 (B, W + 1): as in `AffinityBand`.
    first: np.ndarray
    floor: np.ndarray
    #: int64 (B,): the lowest and the highest score in the band.
    low: np.ndarray
    high: np.ndarray


def stack_bands(bands: Sequence[AffinityBand], alphabet: int) -> AffinityBands:
    """Return bands over `alphabet` letters as one; none at all is fine."""
    widest = max((band.scores.shape[0] for band in bands), default=0)
    scores = np.zeros((len(bands), widest, alphabet), np.int64)
    letters = np.zeros((len(bands), widest, alphabet), np.uint64)
    first = np.zeros((len(bands), widest + 1), np.int64)
    floor = np.zeros((len(bands), widest + 1), np.int64)
    used = 0
    for b, band in enumerate(bands):
        width = band.scores.shape[0]
        scores[b, :width], letters[b, :width] = band.scores, band.letters
        first[b, : width + 1], floor[b, : width + 1] = band.first + used, band.floor
        used += band.tails.size
    tails = np.concatenate([np.zeros(0, np.uint64), *(band.tails for band in bands)])
    low = np.array([band.low for band in bands], np.int64)
    high = np.array([band.high for band in bands], np.int64)
    return AffinityBands(scores, letters, tails, first, floor, low, high)


@part
def draw_stacked(bands: AffinityBands, b: int, raw: np.ndarray, site: np.ndarray) -> None:
    """Write a site of band `b` into `site` (uint8 (W_b,)) from raw words (uint64 (W_b,))."""
    width = site.size
    draw(
        bands.scores[b, :width],
        bands.letters[b, :width],
        bands.tails,
        bands.first[b],
        bands.floor[b],
        raw,
        site,
    )
