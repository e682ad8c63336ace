"""Background: letters drawn independently, with a GC content of each example, or by a Markov chain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

from seqgra.alphabet import ALPHABETS
from seqgra.grammar import backgrounds
from seqgra.grammar.schema import Grammar
from seqgra.law.maps import chosen_prefix
from seqgra.streams import cumulative63

#: Letters drawn at a time, so that words and letters stay in the cache.
_CHUNK = 1 << 16


class Background(NamedTuple):
    """The laws of the background letters: D distinct ones, T tables of letter thresholds in all.

    A 32-bit draw v becomes the letter number sum(v >= thresholds of a table).

    Attributes
    ----------
    letters
        Size A of the alphabet.
    law_of
        int32 (sets, C): law of each condition in each set of `SETS`.
    tables
        uint32 (T, A - 1).
    first
        int32 (D,): first table of each law.
    choices
        int32 (D, 2): rows of `choice_law`: independent letters, whose table is chosen once for each
        example (its GC content); a single row means no choice.
    order
        int32 (D,): 0, or the order of a Markov chain, whose tables follow one another by context and
        whose `choices` are its first letters.
    choice_law
        uint64 (K,): scale-63 laws.
    """

    letters: int
    law_of: np.ndarray
    tables: np.ndarray
    first: np.ndarray
    choices: np.ndarray
    order: np.ndarray
    choice_law: np.ndarray


def compile_background(grammar: Grammar, sets: Sequence[str]) -> Background:
    """Return the background laws of a resolved grammar; `sets` orders `Background.law_of`."""
    alphabet = ALPHABETS[grammar.alphabet]
    distinct: list[backgrounds.Background] = []
    law_of = np.zeros((len(sets), len(grammar.conditions)), np.int32)
    for s, set_name in enumerate(sets):
        for c, condition in enumerate(grammar.conditions):
            law = grammar.background.of(condition, set_name)
            if law not in distinct:
                distinct.append(law)
            law_of[s, c] = distinct.index(law)
    tables: list[list[int]] = []
    first, choices = [], []
    choice_law: list[int] = []
    for law in distinct:
        rows, weights = _rows(law, alphabet.letters)
        first.append(len(tables))
        choices.append((len(choice_law), len(choice_law) + len(weights)))
        tables += [_thresholds(row) for row in rows]
        choice_law += cumulative63(weights).tolist()
    return Background(
        letters=len(alphabet.letters),
        law_of=law_of,
        tables=np.array(tables, np.uint32).reshape(len(tables), -1),
        first=np.array(first, np.int32),
        choices=np.array(choices, np.int32),
        order=np.array([law.markov.order if law.markov else 0 for law in distinct], np.int32),
        choice_law=np.array(choice_law, np.uint64),
    )


def _rows(law: backgrounds.Background, letters: str) -> tuple[list[list[float]], list[float]]:
    """Return letter distributions, and the weights of what is chosen once for each example."""
    if law.gc:
        contents = law.gc.law()
        rows = [backgrounds.gc_letters(gc).tolist() for gc in contents]
        return rows, list(contents.values())
    if law.markov:
        assert law.markov.table is not None and law.markov.initial is not None
        return [list(row) for row in law.markov.table], list(law.markov.initial)
    assert law.letters is not None
    return [[law.letters[letter] for letter in letters]], [1.0]


def _thresholds(probabilities: list[float]) -> list[int]:
    """Return the upper ends of all letters but the last in units of 2**-32, each letter possible."""
    sums = [math.fsum(probabilities[: k + 1]) for k in range(len(probabilities) - 1)]
    return [min(max(round(p * 2**32), 1), 2**32 - 1) for p in sums]


def sample(
    law: Background,
    which: np.ndarray,
    letters: np.random.PCG64,
    choices: np.random.PCG64,
    out: np.ndarray,
) -> None:
    """Fill `out` (uint8 (N, L), contiguous) with background letters.

    Each raw word gives two letters (low half first), with probabilities exact to 2**-32.

    Parameters
    ----------
    law
        The laws.
    which
        int32 (N,): number of each example's law.
    letters, choices
        Streams of the letters, and of what is chosen once for each example (one word each, unused where
        there is nothing to choose).
    out
        Gets the letters.
    """
    if law.tables.shape[0] == 1:
        sample_letters(law.tables[0], letters, out.reshape(-1))
        return
    picks = choices.random_raw(which.size)
    rows = max(1, _CHUNK // out.shape[1])
    words = -(-out.shape[1] // 2)
    for start in range(0, len(out), rows):
        part = out[start : start + rows]
        raw = letters.random_raw(len(part) * words).astype("<u8", copy=False).view("<u4")
        chunk = slice(start, start + rows)
        _rows_of_laws(law, which[chunk], picks[chunk], raw.reshape(len(part), -1), part)


def sample_letters(thresholds: np.ndarray, generator: np.random.PCG64, out: np.ndarray) -> None:
    """Fill `out` (uint8 (M,)) with letters of one table (uint32 (A - 1,))."""
    for start in range(0, out.size, _CHUNK):
        part = out[start : start + _CHUNK]
        raw = generator.random_raw((part.size + 1) // 2).astype("<u8", copy=False).view("<u4")
        if thresholds.size == 3:
            _four_letters(raw, thresholds[0], thresholds[1], thresholds[2], part)
        else:
            _letters(raw, thresholds, part)


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


@numba.njit(cache=True)
def _rows_of_laws(
    law: Background, which: np.ndarray, picks: np.ndarray, raw: np.ndarray, out: np.ndarray
) -> None:
    for n in range(out.shape[0]):
        d = which[n]
        low, high = law.choices[d, 0], law.choices[d, 1]
        pick = 0
        if high - low > 1:
            pick = chosen_prefix(picks[n], law.choice_law[low:high])
        if law.order[d] == 0:
            _letters(raw[n], law.tables[law.first[d] + pick], out[n])
        else:
            _chain(law, d, pick, raw[n], out[n])


@numba.njit
def _chain(law: Background, d: int, context: int, raw: np.ndarray, out: np.ndarray) -> None:
    """Write the first letters `context` stands for, then each letter given those before it."""
    order, letters = law.order[d], law.letters
    rest = context
    for position in range(order - 1, -1, -1):
        if position < out.size:
            out[position] = rest % letters
        rest //= letters
    contexts = letters**order
    for position in range(order, out.size):
        thresholds = law.tables[law.first[d] + context]
        letter = 0
        while letter < letters - 1 and raw[position] >= thresholds[letter]:
            letter += 1
        out[position] = letter
        context = (context * letters + letter) % contexts
