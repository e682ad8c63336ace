"""Sequence elements: PWMs (independent columns) and weighted k-mers."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from seqgra.alphabet import ALPHABETS
from seqgra.grammar.schema import Grammar
from seqgra.law.affinity import AffinityBand, AffinityBands, compile_band, draw_stacked, stack_bands
from seqgra.law.maps import chosen
from seqgra.streams import cumulative63


class Elements(NamedTuple):
    """The laws of E elements, W the widest, K k-mers in all.

    Attributes
    ----------
    width
        int32 (E,).
    columns
        uint64 (E, W, A): scale-63 law of each column of a PWM (unused rows of k-mer elements: 0).
    kmers
        uint8 (K, W): codes of the k-mers, element after element.
    kmer_law
        uint64 (K,): scale-63 law of the k-mers within their element.
    kmer_range
        int32 (E, 2): first and end of the element's k-mers; empty for a PWM.
    band_of
        int32 (E,): number of the element's affinity band, -1 for none.
    bands
        The affinity bands.
    """

    width: np.ndarray
    columns: np.ndarray
    kmers: np.ndarray
    kmer_law: np.ndarray
    kmer_range: np.ndarray
    band_of: np.ndarray
    bands: AffinityBands


def compile_elements(grammar: Grammar) -> Elements:
    """Return the laws of a resolved grammar's elements, in the grammar's order."""
    alphabet = ALPHABETS[grammar.alphabet]
    elements = list(grammar.elements.values())
    width = np.array([element.width for element in elements], np.int32)
    columns = np.zeros((len(elements), width.max(), len(alphabet.letters)), np.uint64)
    kmers: list[np.ndarray] = []
    laws, ranges = [np.zeros(0, np.uint64)], []
    background = grammar.letter_distribution()
    band_of: list[int] = []
    bands: list[AffinityBand] = []
    for number, element in enumerate(elements):
        first = len(kmers)
        if element.kmers:
            kmers += [alphabet.encode(kmer) for kmer in element.kmers]
            laws.append(cumulative63(element.kmers.values()))
        for column, probabilities in enumerate(element.matrix or ()):
            columns[number, column] = cumulative63(probabilities)
        ranges.append((first, len(kmers)))
        band_of.append(-1)
        if element.affinity:
            band_of[-1] = len(bands)
            matrix, low, high = np.array(element.matrix), element.affinity.min, element.affinity.max
            bands.append(compile_band(matrix, background, low, high))
    table = np.zeros((len(kmers), width.max()), np.uint8)
    for row, kmer in enumerate(kmers):
        table[row, : len(kmer)] = kmer
    return Elements(
        width,
        columns,
        table,
        np.concatenate(laws),
        np.array(ranges, np.int32),
        np.array(band_of, np.int32),
        stack_bands(bands, len(alphabet.letters)),
    )


def words_needed(law: Elements) -> np.ndarray:
    """Return how many words one copy of each element takes: int64 (E,)."""
    is_kmer = law.kmer_range[:, 1] > law.kmer_range[:, 0]
    return np.where(is_kmer, 1, law.width).astype(np.int64)


@numba.njit(cache=True)
def paste(
    law: Elements,
    x: np.ndarray,
    example: np.ndarray,
    element: np.ndarray,
    start: np.ndarray,
    strand: np.ndarray,
    raw: np.ndarray,
) -> None:
    """Draw and write M placed elements into `x` (uint8 (N, L)), in place.

    Parameters
    ----------
    law
        The elements.
    x
        Letter codes.
    example, element, start, strand
        int (M,): row of `x`, number of the element, first position, -1 for the reverse strand (DNA).
    raw
        uint64: `words_needed` words for each placed element, one after another.
    """
    used = 0
    for m in range(example.size):
        row, e, position = x[example[m]], element[m], start[m]
        first, end = law.kmer_range[e]
        if end > first:
            kmer = law.kmers[first + chosen(raw[used], law.kmer_law[first:end])]
            used += 1
            for w in range(law.width[e]):
                row[position + w] = kmer[w]
        elif law.band_of[e] >= 0:
            width = law.width[e]
            site = row[position : position + width]
            draw_stacked(law.bands, law.band_of[e], raw[used : used + width], site)
            used += width
        else:
            for w in range(law.width[e]):
                row[position + w] = chosen(raw[used], law.columns[e, w])
                used += 1
        if strand[m] < 0:
            _reverse_complement(row[position : position + law.width[e]])


@numba.njit
def _reverse_complement(site: np.ndarray) -> None:
    """Turn DNA codes (uint8 (W,)) into those of the other strand, in place: A 0 - T 3, C 1 - G 2."""
    last = site.size - 1
    for w in range((last + 2) // 2):
        site[w], site[last - w] = 3 - site[last - w], 3 - site[w]


@numba.njit(cache=True, nogil=True)
def best_scores(x: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the best score of a matrix over all places of each sequence.

    Parameters
    ----------
    x
        uint8 (N, L): letter codes; places with padding or unknown letters do not count.
    scores
        float32 (W, A): score of each letter in each column.

    Returns
    -------
    ndarray
        float32 (N,); -inf where no place counts.
    """
    examples, length = x.shape
    width, letters = scores.shape
    best = np.full(examples, -np.inf, np.float32)
    for n in range(examples):
        for start in range(length - width + 1):
            total = np.float32(0)
            for w in range(width):
                letter = x[n, start + w]
                total += scores[w, letter] if letter < letters else np.float32(-np.inf)
            best[n] = max(best[n], total)
    return best
