"""Gapped k-mers: letters at fixed places, anything between them (Ghandi et al. 2014).

doi:10.1371/journal.pcbi.1003711. A word is a pattern of places, the first of them 0, and a letter for each;
its number is pattern x A^k + the letters read as a number with A digits.
"""

from __future__ import annotations

import itertools

import numpy as np

from seqgra.law.jit import kept
from seqgra.law.word_counts import complement_words


def patterns(length: int, informative: int) -> np.ndarray:
    """Return the places of the letters, the first of them 0: int64 (P, k), k = `informative`.

    >>> patterns(3, 2).tolist()
    [[0, 1], [0, 2]]
    """
    rest = itertools.combinations(range(1, length), informative - 1)
    return np.array([(0, *places) for places in rest], np.int64)


def word_columns(places: np.ndarray, letters: int, both: bool) -> np.ndarray:
    """Return the number of the word that each word counts for: int32 (P x A^k,).

    That is the word itself; of `both` strands of DNA the lesser of a word and its reverse complement.
    """
    count, k = places.shape
    words = np.arange(count * letters**k).reshape(count, -1)
    if not both:
        return np.asarray(words.ravel(), np.int32)
    order = {tuple(row): number for number, row in enumerate(places.tolist())}
    turned = np.array([order[tuple(row[-1] - row[::-1])] for row in places])
    reverse = turned[:, None] * letters**k + complement_words(k, letters)
    return np.asarray(np.minimum(words, reverse).ravel(), np.int32)


@kept(nogil=True)
def _each_word(
    row: np.ndarray, places: np.ndarray, letters: int, columns: np.ndarray, found: np.ndarray
) -> int:
    """Write the column of every word of a sequence to `found`; return how many there are."""
    count, k = places.shape
    size, number = letters**k, 0
    for start in range(len(row)):
        for pattern in range(count):
            if start + places[pattern, k - 1] >= len(row):
                continue
            word = 0
            for j in range(k):
                letter = row[start + places[pattern, j]]
                if letter >= letters:
                    word = -1
                    break
                word = word * letters + letter
            if word >= 0 and columns[pattern * size + word] >= 0:
                found[number] = columns[pattern * size + word]
                number += 1
    return number


@kept(nogil=True)
def counts(
    x: np.ndarray, places: np.ndarray, letters: int, columns: np.ndarray, width: int
) -> np.ndarray:
    """Return how often words stand in sequences; those over padding or unknown letters do not count.

    Parameters
    ----------
    x
        uint8 (N, L): letter codes.
    places, letters
        As of `patterns`; size A of the alphabet.
    columns
        int32 (P x A^k,): the column that each word counts for, -1 for none.
    width
        Columns F.

    Returns
    -------
    ndarray
        float32 (N, F).
    """
    result = np.zeros((len(x), width), np.float32)
    found = np.empty(x.shape[1] * len(places), np.int32)
    for n in range(len(x)):
        for number in range(_each_word(x[n], places, letters, columns, found)):
            result[n, found[number]] += 1
    return result


@kept(nogil=True)
def _moments(
    x: np.ndarray, y: np.ndarray, places: np.ndarray, letters: int, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return sums of counts by condition, float64 (C, W), and sums of squares, float64 (W,)."""
    sums, squares = np.zeros((y.shape[1], len(columns))), np.zeros(len(columns))
    found = np.empty(x.shape[1] * len(places), np.int32)
    once = np.zeros(len(columns), np.int32)
    for n in range(len(x)):
        number = _each_word(x[n], places, letters, columns, found)
        for i in range(number):
            once[found[i]] += 1
        for i in range(number):
            value = once[found[i]]
            if value:
                squares[found[i]] += value * value
                for c in range(y.shape[1]):
                    if y[n, c]:
                        sums[c, found[i]] += value
                once[found[i]] = 0
    return sums, squares


def distinct_words(
    x: np.ndarray, y: np.ndarray, places: np.ndarray, letters: int, both: bool, most: int
) -> np.ndarray:
    """Return the words whose counts differ most between examples with and without a condition.

    Parameters
    ----------
    x, y
        Letter codes uint8 (N, L), and labels (N, C) of training examples.
    places, letters, both
        As of `word_columns`.
    most
        Words at most.

    Returns
    -------
    ndarray
        int64 (F,), ascending: those of the largest |t| of any condition (pooled variance); of equal ones the
        first. Words that no example has, or all have equally often, are left out.
    """
    columns, n = word_columns(places, letters, both), len(x)
    groups = np.column_stack([y, np.ones(n, np.uint8)])  # the last one: all examples
    sums, squares = _moments(np.ascontiguousarray(x), groups, places, letters, columns)
    *by_condition, total = sums
    variance = squares / n - (total / n) ** 2
    strength = np.zeros(len(columns))
    for condition, having in zip(by_condition, np.asarray(y).sum(axis=0), strict=True):
        if 0 < having < n:
            difference = condition / having - (total - condition) / (n - having)
            error = np.sqrt(np.maximum(variance, 1e-12) * (1 / having + 1 / (n - having)))
            strength = np.maximum(strength, np.abs(difference) / error)
    strength[variance <= 1e-12] = 0
    chosen = np.argsort(-strength, kind="stable")[:most]
    return np.asarray(np.sort(chosen[strength[chosen] > 0]), np.int64)


def chosen_columns(places: np.ndarray, letters: int, both: bool, words: np.ndarray) -> np.ndarray:
    """Return the column of every word where `words`, int64 (F,), are the features: int32 (P x A^k,)."""
    column = np.full(len(places) * letters ** places.shape[1], -1, np.int32)
    column[words] = np.arange(len(words))
    return np.asarray(column[word_columns(places, letters, both)])
