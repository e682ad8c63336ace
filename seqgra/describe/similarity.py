"""Numbers of a grammar's elements: columns, information, chance matches, similarity."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.alphabet import ALPHABETS
from seqgra.grammar.schema import Grammar
from seqgra.law.affinity import compile_band, sample_site
from seqgra.law.element_motifs import element_columns
from seqgra.law.jit import kept
from seqgra.law.pcg import words
from seqgra.motif import (
    chance_as_good,
    consensus,
    divergences,
    information,
    least_overlap,
    log_odds,
)
from seqgra.streams import cumulative63, stream_state

#: Sites drawn from each element for the empirical score.
SITES = 500


class ElementNumbers(NamedTuple):
    """Numbers of one element."""

    #: float64 (W, A): letter probabilities; of a band of affinities those of the sites in the band.
    columns: np.ndarray
    #: Likeliest letters, see `seqgra.grammar.difficulty.consensus`.
    consensus: str
    #: Bits of each column against the grammar's background: float64 (W,).
    information: np.ndarray
    #: Chance that W background letters score as high as the element's average site.
    chance: float
    #: Expected number of such places in the background of a window of the longest length, on the forward
    #: strand.
    places: float


class Similarity(NamedTuple):
    """How alike the elements are."""

    #: float64 (E, E): bits, see `seqgra.grammar.difficulty.divergences`.
    divergence: np.ndarray
    #: float64 (E, E): row: whose sites, column: whose scores, see `empirical_scores`.
    score: np.ndarray
    #: Sites drawn from each element.
    sites: int


def element_numbers(grammar: Grammar) -> dict[str, ElementNumbers]:
    """Return the numbers of each element of a resolved grammar, by name."""
    letters, background = ALPHABETS[grammar.alphabet].letters, grammar.letter_distribution()
    numbers = {}
    for name, columns in element_columns(grammar).items():
        chance, bits = chance_as_good(columns, background), information(columns, background)
        numbers[name] = ElementNumbers(
            columns,
            consensus(columns, letters, bits),
            bits,
            chance,
            chance * (grammar.longest - len(columns) + 1),
        )
    return numbers


def similarity(grammar: Grammar, seed: int, sites: int = SITES) -> Similarity:
    """Return both similarities of a resolved grammar's elements."""
    columns, dna = list(element_columns(grammar).values()), grammar.alphabet == "DNA"
    divergence = divergences(columns, grammar.letter_distribution(), dna)
    return Similarity(divergence, empirical_scores(grammar, seed, sites), sites)


def empirical_scores(grammar: Grammar, seed: int, sites: int = SITES) -> np.ndarray:
    """Return how well the sites of each element score by each other's matrix: float64 (E, E).

    s_ij = S_ij / S_jj, where S_ij is the mean over `sites` sites of element i of the best log-odds score
    that element j's matrix gives the site: over all alignments with `least_overlap` columns in common,
    for DNA both strands, and at least 0, the score of no alignment at all. So s_jj = 1, 0 means that j's
    matrix sees nothing in i's sites, and s_ij can be above 1 where i holds a strong form of j. NaN
    where S_jj = 0 (an element without information). Not symmetric.

    Parameters
    ----------
    grammar
        A resolved grammar.
    seed
        Of the sites.
    sites
        How many of each element.
    """
    background = grammar.letter_distribution()
    columns = list(element_columns(grammar).values())
    widths = np.array([len(p) for p in columns], np.int64)
    scores = np.zeros((len(columns), widths.max(), background.size))
    for row, p in zip(scores, columns, strict=True):
        row[: len(p)] = log_odds(p, background)
    needed = np.array([[least_overlap(one, two) for two in widths] for one in widths])
    dna = grammar.alphabet == "DNA"
    means = np.empty((len(columns), len(columns)))
    for number in range(len(columns)):
        drawn = draw_sites(grammar, number, seed, sites)
        means[number] = _mean_best(drawn, scores, widths, needed[number], dna)
    own = np.diag(means)
    return np.divide(means, own, out=np.full_like(means, np.nan), where=own > 0)


def draw_sites(grammar: Grammar, number: int, seed: int, sites: int) -> np.ndarray:
    """Draw sites of one element: uint8 (sites, W)."""
    alphabet = ALPHABETS[grammar.alphabet]
    element = list(grammar.elements.values())[number]
    raw = words(stream_state(seed, f"describe sites {number}", "", 0), sites, element.width)
    if element.kmers:
        kmers = np.array([alphabet.encode(kmer) for kmer in element.kmers])
        law = cumulative63(element.kmers.values())
        return np.asarray(kmers[np.searchsorted(law, raw[:, 0] >> np.uint64(1), side="right")])
    if element.affinity:
        low, high = element.affinity.min, element.affinity.max
        matrix = element.letter_probabilities(alphabet.letters)
        band = compile_band(matrix, grammar.letter_distribution(), low, high)
        return np.array([sample_site(band, row) for row in raw])
    drawn = [
        np.searchsorted(cumulative63(column), raw[:, w] >> np.uint64(1), side="right")
        for w, column in enumerate(element.matrix or ())
    ]
    return np.stack(drawn, axis=1).astype(np.uint8)


@kept()
def _mean_best(
    sites: np.ndarray,
    scores: np.ndarray,
    widths: np.ndarray,
    needed: np.ndarray,
    both_strands: bool,
) -> np.ndarray:
    """Return the mean best score of sites (uint8 (N, W)) by each matrix: float64 (E,).

    `scores` is float64 (E, W', A); `needed` int64 (E,) columns that an alignment has in common.
    """
    count, width = sites.shape
    letters = scores.shape[2]
    means = np.zeros(widths.size)
    for e in range(widths.size):
        for n in range(count):
            best = 0.0
            for offset in range(needed[e] - widths[e], width - needed[e] + 1):
                first, end = max(0, offset), min(width, offset + widths[e])
                forward, reverse = 0.0, 0.0
                for k in range(first, end):
                    forward += scores[e, k - offset, sites[n, k]]
                if both_strands:
                    for k in range(first, end):
                        letter = letters - 1 - sites[n, k]
                        reverse += scores[e, widths[e] - 1 - (k - offset), letter]
                best = max(best, forward, reverse)
            means[e] += best
    result: np.ndarray = means / count
    return result
