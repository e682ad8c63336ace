"""Sequence elements: PWMs (independent columns) and weighted k-mers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from seqgra.alphabet import ALPHABETS
from seqgra.grammar.combinations import applied_rules
from seqgra.grammar.laws import table
from seqgra.grammar.schema import Arrangement, Grammar, Spacing
from seqgra.law.affinity import AffinityBand, AffinityBands, compile_band, draw_stacked, stack_bands
from seqgra.law.jit import kept, part
from seqgra.law.maps import chosen_prefix
from seqgra.law.pcg import fill_words, next_word
from seqgra.law.placement import Placed
from seqgra.law.tables import PRODUCT, Placement
from seqgra.streams import cumulative63


class Elements(NamedTuple):
    """The laws of E elements, W the widest, K k-mers in all."""

    #: int32 (E,).
    width: np.ndarray
    #: uint64 (E, W, A): scale-63 law of each column of a PWM (unused rows of k-mer elements: 0).
    columns: np.ndarray
    #: float64 (E, W, A): of each letter in each column of a PWM.
    probabilities: np.ndarray
    #: float64 (A,): one over the overall letter distribution of the background.
    inverse_background: np.ndarray
    #: uint8 (K, W): codes of the k-mers, element after element.
    kmers: np.ndarray
    #: uint64 (K,): scale-63 law of the k-mers within their element.
    kmer_law: np.ndarray
    #: int32 (E, 2): first and end of the element's k-mers; empty for a PWM.
    kmer_range: np.ndarray
    #: int32 (E,): number of the element's affinity band, -1 for none.
    band_of: np.ndarray
    #: The affinity bands.
    bands: AffinityBands


class SiteScratch(NamedTuple):
    """Room for one site."""

    #: uint64 (W,): a raw word a column.
    words: np.ndarray
    #: float64 (A,): law of a shared column.
    product: np.ndarray


def make_scratch(law: Elements) -> SiteScratch:
    """Return room to work in for `paste`."""
    return SiteScratch(np.empty(law.columns.shape[1], np.uint64), np.empty(law.columns.shape[2]))


def compile_elements(grammar: Grammar) -> Elements:
    """Return the laws of a resolved grammar's elements, in the grammar's order."""
    alphabet = ALPHABETS[grammar.alphabet]
    elements = list(grammar.elements.values())
    width = np.array([element.width for element in elements], np.int32)
    columns = np.zeros((len(elements), width.max(initial=0), len(alphabet.letters)), np.uint64)
    probabilities = np.zeros(columns.shape)
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
        for column, chances in enumerate(element.matrix or ()):
            columns[number, column] = cumulative63(chances)
            probabilities[number, column] = chances
        ranges.append((first, len(kmers)))
        band_of.append(-1)
        if element.affinity:
            band_of[-1] = len(bands)
            matrix, low, high = np.array(element.matrix), element.affinity.min, element.affinity.max
            bands.append(compile_band(matrix, background, low, high))
    table = np.zeros((len(kmers), width.max(initial=0)), np.uint8)
    for row, kmer in enumerate(kmers):
        table[row, : len(kmer)] = kmer
    return Elements(
        width,
        columns,
        probabilities,
        1 / background,
        table,
        np.concatenate(laws),
        np.array(ranges, np.int32).reshape(-1, 2),
        np.array(band_of, np.int32),
        stack_bands(bands, len(alphabet.letters)),
    )


def disagreements(grammar: Grammar) -> Iterator[tuple[str, str]]:
    """Yield (place, message) of spacings whose shared columns no letter can fill."""
    for shown in grammar.combinations:
        for applied in applied_rules(grammar, shown):
            for n, spacing in enumerate(applied.rule.spacing):
                if spacing.shared == "product":
                    place = f"{applied.place}.spacing[{n}]"
                    yield from _impossible(grammar, applied.rule, spacing, place)


#: Strands of the left and of the right element by orientation. A block on the reverse strand is the mirror
#: image of one of these, in which the same letters meet.
_FACING = {
    "same": ((1, 1),),
    "convergent": ((1, -1),),
    "divergent": ((-1, 1),),
    "any": ((1, 1), (1, -1), (-1, 1), (-1, -1)),
}


def _impossible(
    grammar: Grammar, rule: Arrangement, spacing: Spacing, place: str
) -> Iterator[tuple[str, str]]:
    letters = ALPHABETS[grammar.alphabet].letters
    laws = {name: e.letter_probabilities(letters) for name, e in grammar.elements.items()}
    chosen = [[e for e, w in rule.elements[slot].items() if w > 0] for slot in spacing.elements]
    pairs = list(itertools.product(*chosen))
    gaps = [gap for gap in table(spacing.gap) if gap < 0]
    for gap, (first, second) in itertools.product(gaps, pairs):
        orders = [(first, second), (second, first)][: 1 + (spacing.order == "random")]
        for (left, right), (a, b) in itertools.product(orders, _FACING[rule.orientation]):
            suited = laws[left][::a, ::a][gap:] * laws[right][::b, ::b][:-gap]
            if not suited.any(axis=1).all():
                message = f"no letter suits both {left} and {right} at gap {gap}"
                yield f"{place}.gap", f"{message}; use shared: first or last"
                break


@part
def paste(
    law: Elements,
    placement: Placement,
    combination: int,
    placed: Placed,
    n: int,
    state: np.ndarray,
    scratch: SiteScratch,
    row: np.ndarray,
) -> None:
    """Draw and write the placed elements of example n into `row` (uint8 (L,)).

    Parameters
    ----------
    law, placement
        The elements, and the tables that say which of them share columns.
    combination
        Number of the example's combination of conditions.
    placed
        Where the elements of all examples lie.
    n
        Number of the example.
    state
        uint64 (4,): random stream (see `pcg`), advanced in place.
    scratch
        Room to work in, from `make_scratch`.
    row
        Letter codes.
    """
    first = placement.combinations[combination].slot
    slots = placement.combinations[combination + 1].slot - first
    for turn in range(slots):
        s = placement.slots[first + turn].paste
        if placed.start[n, s] >= 0:
            end = placed.start[n, s] + law.width[placed.element[n, s]]
            site = row[placed.start[n, s] : end]
            _write(law, placed.element[n, s], placed.strand[n, s], scratch.words, state, site)
    for s in range(slots):
        slot = placement.slots[first + s]
        if slot.tied < 0 or placed.start[n, s] < 0:
            continue
        if placement.edges[slot.edge].shared == PRODUCT:
            _share(law, placement, first, slots, placed, n, s, scratch.product, state, row)


@part
def _write(
    law: Elements, e: int, strand: int, raw: np.ndarray, state: np.ndarray, site: np.ndarray
) -> None:
    """Draw element e into `site` (uint8 (W,))."""
    first, end = law.kmer_range[e]
    if end > first:
        kmer = law.kmers[first + chosen_prefix(next_word(state), law.kmer_law[first:end])]
        for w in range(site.size):
            site[w] = kmer[w]
    elif law.band_of[e] >= 0:
        fill_words(state, raw[: site.size])
        draw_stacked(law.bands, law.band_of[e], raw[: site.size], site)
    else:
        for w in range(site.size):
            value, letter = next_word(state) >> np.uint64(1), np.uint8(0)
            for k in range(law.columns.shape[2] - 1):  # no branches: letters cannot be foreseen
                letter += np.uint8(value >= law.columns[e, w, k])
            site[w] = letter
    if strand < 0:
        _reverse_complement(site)


@part
def _share(
    law: Elements,
    placement: Placement,
    first_slot: int,
    slots: int,
    placed: Placed,
    n: int,
    s: int,
    product: np.ndarray,
    state: np.ndarray,
    row: np.ndarray,
) -> None:
    """Draw the columns that slot s of example n shares with the one it is tied to: product of laws."""
    t = placement.slots[first_slot + s].tied
    first = max(placed.start[n, s], placed.start[n, t])
    end = min(
        placed.start[n, s] + law.width[placed.element[n, s]],
        placed.start[n, t] + law.width[placed.element[n, t]],
    )
    for position in range(first, end):
        for letter in range(product.size):
            product[letter] = law.inverse_background[letter]
        _multiply_column(law, placed, n, s, position, product)
        _multiply_column(law, placed, n, t, position, product)
        total = 0.0
        for letter in range(product.size):
            total += product[letter]
        left = np.float64(next_word(state) >> np.uint64(11)) * 2.0**-53 * total
        letter = 0
        while letter < product.size - 1 and left >= product[letter]:
            left -= product[letter]
            letter += 1
        if not _written_over(law, placement, first_slot, slots, placed, n, s, position):
            row[position] = letter


@part
def _written_over(
    law: Elements,
    placement: Placement,
    first_slot: int,
    slots: int,
    placed: Placed,
    n: int,
    s: int,
    position: int,
) -> bool:
    """Tell whether an element that is written after slot s covers a position."""
    for turn in range(slots - 1, -1, -1):
        later = placement.slots[first_slot + turn].paste
        if later == s:
            return False
        start = placed.start[n, later]
        if 0 <= start <= position < start + law.width[placed.element[n, later]]:
            return True
    return False


@part
def _multiply_column(
    law: Elements, placed: Placed, n: int, s: int, position: int, product: np.ndarray
) -> None:
    """Multiply `product` (float64 (A,)) by the letter probabilities of slot s at a position."""
    e, column = placed.element[n, s], position - placed.start[n, s]
    if placed.strand[n, s] > 0:
        for letter in range(product.size):
            product[letter] *= law.probabilities[e, column, letter]
    else:
        column = law.width[e] - 1 - column
        for letter in range(product.size):
            product[letter] *= law.probabilities[e, column, product.size - 1 - letter]


@part
def _reverse_complement(site: np.ndarray) -> None:
    """Turn DNA codes (uint8 (W,)) into those of the other strand, in place: A 0 - T 3, C 1 - G 2."""
    last = site.size - 1
    for w in range((last + 2) // 2):
        site[w], site[last - w] = 3 - site[last - w], 3 - site[w]


@kept(nogil=True)
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
