"""The whole law of a grammar, and drawing a block of examples from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from seqgra.alphabet import SETS
from seqgra.errors import Problem, bad_input, raise_problems
from seqgra.grammar.laws import table
from seqgra.grammar.schema import Grammar
from seqgra.labels import NONE
from seqgra.law import background, crowding, elements, letters, noise, placement, tables
from seqgra.law.jit import kept
from seqgra.law.maps import below
from seqgra.law.pcg import words
from seqgra.law.shuffle import shuffle_rows
from seqgra.streams import BLOCK, cumulative63, stream_state


class Law(NamedTuple):
    """The probability model of a grammar, compiled."""

    #: Names the grammar in errors.
    file: str
    #: Length of the longest examples: L.
    window: int
    #: Number of conditions C.
    conditions: int
    #: int32, uint64 (K,): lengths of examples and their scale-63 law.
    lengths: np.ndarray
    length_law: np.ndarray
    #: The parts.
    background: background.CompiledBackground
    elements: elements.Elements
    placement: tables.Placement
    noise: noise.CompiledNoise
    #: int32 (P,): group of example i is groups[i mod P], every prefix near its shares.
    groups: np.ndarray
    #: int32 (G,): combination that a group shows; k of its k-mer-preserving shuffles, 0 for none.
    group_combination: np.ndarray
    group_shuffle: np.ndarray
    #: The conditions of each combination: names; uint8 (K, C).
    shown: tuple[tuple[str, ...], ...]
    labels: np.ndarray
    #: int32 (K, C + 1): how many conditions lend a combination their background, and which.
    backgrounds: np.ndarray
    #: int32, uint64 (K,): groups that shuffles are made of and the scale-63 law of their shares.
    sources: np.ndarray
    source_law: np.ndarray


class SampledExamples(NamedTuple):
    """Drawn examples."""

    #: uint8 (N, L): letter codes, `PADDING` beyond the end of shorter ones.
    x: np.ndarray
    #: uint8 (N, C): recorded labels, and the conditions that each example shows.
    y: np.ndarray
    y_true: np.ndarray
    #: int32 (N,): number of the combination that each example was drawn from.
    combination: np.ndarray
    #: The elements, by slot of the combination.
    placed: placement.Placed
    #: bool (N,): the example is a shuffle that equals its source.
    unchanged: np.ndarray


def compile_law(grammar: Grammar, file: str) -> Law:
    """Compile a resolved grammar.

    Raises
    ------
    InputError
        If the elements of a combination of conditions can hardly be placed without overlap, or cannot
        share columns; `file` names the grammar. Also if a FASTA pool cannot be read.
    """
    groups, combinations = grammar.examples, grammar.combinations
    raise_problems([Problem(file, *found) for found in elements.disagreements(grammar)])
    shuffle = np.array([group.shuffle or 0 for group in groups], np.int32)
    sources = np.flatnonzero(shuffle == 0)
    shown = [set(combination) for combination in combinations]
    lengths = table(grammar.window)
    law = Law(
        file,
        grammar.longest,
        len(grammar.conditions),
        np.array(list(lengths), np.int32),
        cumulative63(lengths.values()),
        background.compile_background(grammar, SETS),
        elements.compile_elements(grammar),
        tables.compile_placement(grammar),
        noise.compile_noise(grammar),
        balanced_order([group.share for group in groups]).astype(np.int32),
        np.array([shown.index(set(group.conditions)) for group in groups], np.int32),
        shuffle,
        combinations,
        np.array([[name in part for name in grammar.conditions] for part in shown], np.uint8),
        _lenders(grammar),
        sources.astype(np.int32),
        cumulative63([groups[g].share for g in sources]),
    )
    raise_problems(crowding.crowded(law.placement, grammar, file))
    return law


def _lenders(grammar: Grammar) -> np.ndarray:
    """Return `Law.backgrounds`; the number after those of the conditions stands for none of them."""
    names = tuple(grammar.conditions)
    rows = np.zeros((len(grammar.combinations), len(names) + 1), np.int32)
    for row, shown in zip(rows, grammar.combinations, strict=True):
        given = grammar.background.lenders(shown, names)
        lenders = [(*names, NONE).index(name) for name in given]
        row[0] = len(lenders)
        row[1 : len(lenders) + 1] = lenders
    return rows


def balanced_order(shares: list[float]) -> np.ndarray:
    """Return the period of the group sequence: int64 (P,).

    Example i takes the group with the largest share * (i + 1) - count (ties: the first), in exact
    integers; after P examples every group has had exactly its share.

    >>> balanced_order([2, 1]).tolist()
    [0, 1, 0]
    """
    fractions = [Fraction(str(share)) for share in shares]
    unit = math.lcm(*(fraction.denominator for fraction in fractions))
    weights = np.array([int(fraction * unit) for fraction in fractions], object)
    weights //= math.gcd(*weights)
    period = int(sum(weights))
    owed = np.zeros_like(weights)
    order = np.empty(period, np.int64)
    for i in range(period):
        owed += weights
        order[i] = max(range(len(owed)), key=lambda g: owed[g])
        owed[order[i]] -= period
    return order


def draw_block(
    law: Law, seed: int, set_name: str, block: int, x: np.ndarray | None = None
) -> SampledExamples:
    """Draw the examples ``block * BLOCK`` up to ``(block + 1) * BLOCK`` of a set.

    They depend on the law, the seed, the set and the block alone. Their letters are written into `x`
    (uint8 (BLOCK, L)) where it is given.

    Raises
    ------
    InputError
        If no room is found for the elements of an example.
    """

    def of(stage: str) -> np.ndarray:
        return stream_state(seed, stage, set_name, block)

    first, set_number = block * BLOCK, SETS.index(set_name)
    group = law.groups[np.arange(first, first + BLOCK) % law.groups.size]
    combination = law.group_combination[_sources(law, group, of("shuffle source"))]
    length = _lengths(law, of("length"))
    if x is None:
        x = np.empty((BLOCK, law.window), np.uint8)
    lender = _lender(law, combination, of("background condition"))
    which = law.background.law_of[set_number, lender]
    try:
        placed = placement.draw_placements(
            law.placement, set_number, combination, length, of("rules"), of("placement")
        )
    except placement.NoRoomError as error:
        n = error.example
        place = f"conditions.{' + '.join(law.shown[combination[n]])}"
        message = (
            f"found no room in {length[n]} letters for the elements of example {first + n} of "
            f"{set_name} in {placement.MOST_PLACEMENTS:,} draws; widen the window or place fewer elements"
        )
        raise bad_input(law.file, place, message) from error
    laws = letters.Laws(law.background, law.elements, law.placement)
    streams = letters.Streams(of("background"), of("background choice"), of("letters"))
    letters.write(laws, which, length, combination, placed, streams, x)
    unchanged = np.zeros(BLOCK, bool)
    if law.group_shuffle.any():
        unchanged = _shuffle(law, group, x, seed, set_name, block)
        placed.start[law.group_shuffle[group] > 0] = -1
        combination = law.group_combination[group]
    y_true = law.labels[combination]
    y = noise.sample(law.noise, set_name, y_true, of("noise"))
    return SampledExamples(x, y, y_true, combination, placed, unchanged)


def draw_examples(law: Law, seed: int, set_name: str, examples: int) -> SampledExamples:
    """Return the first examples of a set, in memory: `examples` of them, see `draw_block`."""
    blocks = [draw_block(law, seed, set_name, block) for block in range(-(-examples // BLOCK))]

    def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(parts)[:examples]

    x, y, y_true, combination, placed, unchanged = zip(*blocks, strict=True)
    return SampledExamples(
        joined(x),
        joined(y),
        joined(y_true),
        joined(combination),
        placement.Placed(*map(joined, zip(*placed, strict=True))),
        joined(unchanged),
    )


def _sources(law: Law, group: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Return the group each example is drawn from: its own, or for a shuffle one without: (N,)."""
    shuffled = law.group_shuffle[group] > 0
    if not shuffled.any():
        return group
    raw = words(state, group.size) >> np.uint64(1)
    drawn = law.sources[np.searchsorted(law.source_law, raw, side="right")]
    return np.where(shuffled, drawn, group)


def _lengths(law: Law, state: np.ndarray) -> np.ndarray:
    """Return the length of each example of a block: int32 (N,)."""
    if law.lengths.size == 1:
        return np.full(BLOCK, law.window, np.int32)
    raw = words(state, BLOCK) >> np.uint64(1)
    return law.lengths[np.searchsorted(law.length_law, raw, side="right")]


def _lender(law: Law, combination: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Return the condition whose background each example has: int32 (N,)."""
    if (law.backgrounds[:, 0] == 1).all():
        return np.asarray(law.backgrounds[combination, 1])
    raw = words(state, combination.size)
    result: np.ndarray = law.backgrounds[
        combination, 1 + _below(raw, law.backgrounds[combination, 0])
    ]
    return result


@kept()
def _below(raw: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return a whole number from 0 to n - 1 for each raw word (uint64 (N,)): int64 (N,)."""
    numbers = np.empty(raw.size, np.int64)
    for i in range(raw.size):
        numbers[i] = below(raw[i], np.uint64(n[i]))
    return numbers


def _shuffle(
    law: Law, group: np.ndarray, x: np.ndarray, seed: int, set_name: str, block: int
) -> np.ndarray:
    """Shuffle the examples of shuffled groups in place; return which equal their source: bool (N,)."""
    unchanged = np.zeros(group.size, bool)
    wanted = law.group_shuffle[group]
    for k in np.unique(wanted[wanted > 0]).tolist():
        rows = np.flatnonzero(wanted == k)
        state = stream_state(seed, f"shuffle {k}", set_name, block)
        unchanged[rows] = shuffle_rows(x, rows, law.background.letters, k, state)
    return unchanged
