"""The whole law of a grammar, and drawing a block of examples from it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from seqgra.alphabet import SETS
from seqgra.errors import Problem, raise_problems
from seqgra.grammar.schema import Grammar
from seqgra.law import background, elements, placement
from seqgra.law.pcg import generator_state
from seqgra.law.shuffle import shuffle_rows
from seqgra.streams import BLOCK, cumulative63, stream, words

_ACCEPTANCE_DRAWS = 20_000


class Law(NamedTuple):
    """The probability model of a grammar, compiled.

    Attributes
    ----------
    window
        Length of the examples.
    conditions
        Number of conditions C.
    background, elements, placement
        The parts.
    groups
        int32 (P,): group of example i is groups[i mod P], every prefix as balanced as can be.
    group_condition, group_shuffle
        int32 (G,): condition that a group shows; k of its k-mer-preserving shuffles, 0 for none.
    sources, source_law
        int32, uint64 (K,): groups that shuffles are made of and the scale-63 law of their shares.
    """

    window: int
    conditions: int
    background: background.Background
    elements: elements.Elements
    placement: placement.Placement
    groups: np.ndarray
    group_condition: np.ndarray
    group_shuffle: np.ndarray
    sources: np.ndarray
    source_law: np.ndarray


class Examples(NamedTuple):
    """Drawn examples.

    Attributes
    ----------
    x
        uint8 (N, L): letter codes.
    condition
        int32 (N,): number of the condition that each example shows.
    placed
        The elements, by slot of the condition.
    unchanged
        bool (N,): the example is a shuffle that equals its source.
    """

    x: np.ndarray
    condition: np.ndarray
    placed: placement.Placed
    unchanged: np.ndarray


def compile_law(grammar: Grammar, file: str) -> Law:
    """Compile a resolved grammar.

    Raises
    ------
    InputError
        If the elements of a condition can hardly be placed without overlap; `file` names the grammar.
    """
    names, groups = list(grammar.conditions), grammar.examples
    shuffle = np.array([group.shuffle or 0 for group in groups], np.int32)
    sources = np.flatnonzero(shuffle == 0)
    law = Law(
        grammar.longest,
        len(names),
        background.compile_background(grammar, SETS),
        elements.compile_elements(grammar),
        placement.compile_placement(grammar),
        balanced_order([group.share for group in groups]).astype(np.int32),
        np.array([names.index(group.conditions[0]) for group in groups], np.int32),
        shuffle,
        sources.astype(np.int32),
        cumulative63([groups[g].share for g in sources]),
    )
    raise_problems(_crowded(law.placement, grammar, file))
    return law


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


def draw_block(law: Law, seed: int, set_name: str, block: int) -> Examples:
    """Draw the examples ``block * BLOCK`` up to ``(block + 1) * BLOCK`` of a set.

    They depend on the law, the seed, the set and the block alone.
    """
    first = block * BLOCK
    group = law.groups[np.arange(first, first + BLOCK) % law.groups.size]
    source = _sources(law, group, stream(seed, "shuffle source", set_name, block))
    condition = law.group_condition[source]
    x = np.empty((BLOCK, law.window), np.uint8)
    background.sample(
        law.background,
        law.background.law_of[SETS.index(set_name), condition],
        stream(seed, "background", set_name, block),
        stream(seed, "background choice", set_name, block),
        x,
    )
    placed = placement.draw_placements(
        law.placement,
        condition,
        stream(seed, "rules", set_name, block),
        stream(seed, "placement", set_name, block),
    )
    example, slot = np.nonzero(placed.start >= 0)
    chosen = (example, slot)
    count = int(elements.words_needed(law.elements)[placed.element[chosen]].sum())
    raw = words(stream(seed, "letters", set_name, block), count)
    elements.paste(
        law.elements,
        x,
        example,
        placed.element[chosen],
        placed.start[chosen],
        placed.strand[chosen],
        raw,
    )
    unchanged = _shuffle(law, group, x, seed, set_name, block)
    placed.start[law.group_shuffle[group] > 0] = -1
    return Examples(x, law.group_condition[group], placed, unchanged)


def _sources(law: Law, group: np.ndarray, generator: np.random.PCG64) -> np.ndarray:
    """Return the group each example is drawn from: its own, or for a shuffle one without: (N,)."""
    shuffled = law.group_shuffle[group] > 0
    if not shuffled.any():
        return group
    raw = words(generator, group.size) >> np.uint64(1)
    drawn = law.sources[np.searchsorted(law.source_law, raw, side="right")]
    return np.where(shuffled, drawn, group)


def _shuffle(
    law: Law, group: np.ndarray, x: np.ndarray, seed: int, set_name: str, block: int
) -> np.ndarray:
    """Shuffle the examples of shuffled groups in place; return which equal their source: bool (N,)."""
    unchanged = np.zeros(group.size, bool)
    wanted = law.group_shuffle[group]
    for k in np.unique(wanted[wanted > 0]).tolist():
        rows = np.flatnonzero(wanted == k)
        state = generator_state(stream(seed, f"shuffle {k}", set_name, block))
        unchanged[rows] = shuffle_rows(x, rows, law.background.letters, k, state)
    return unchanged


def _crowded(law: placement.Placement, grammar: Grammar, file: str) -> list[Problem]:
    """Name the conditions whose rules can hardly be placed without overlap.

    All rules together are the most crowded case; of mutually exclusive ones, each by itself.
    """
    problems: list[Problem] = []
    common = [(f"common.rules[{n}]", rule) for n, rule in enumerate(grammar.common.rules)]
    for number, (name, condition) in enumerate(grammar.conditions.items()):
        rules = [(f"rules[{n}]", rule) for n, rule in enumerate(condition.rules)] + common
        blocks = law.blocks[law.conditions[number, 1] : law.conditions[number + 1, 1]]
        rule_of, slots_of = blocks[:, 0], blocks[:, 3] - blocks[:, 2]
        possible = [n for n, (_, rule) in enumerate(rules) if rule.probability > 0]
        together = [possible]
        if exclusive := int(law.exclusive[number]):
            always = [n for n in possible if n >= exclusive]
            together = [[n, *always] for n in possible if n < exclusive]
        for placed in together:
            fires = np.isin(rule_of, placed)
            if fires.sum() < 2 and slots_of[fires].sum() < 3:
                continue  # nothing to overlap, and its gap is drawn among those that fit
            share = placement.acceptance(law, number, fires, _ACCEPTANCE_DRAWS)
            if share < placement.LEAST_ACCEPTANCE:
                named = ", ".join(rules[n][0] for n in placed)
                message = (
                    f"the elements of {named} fit into {grammar.longest} letters without overlap in "
                    f"{share:.2%} of draws; widen the window or place fewer elements"
                )
                problems.append(Problem(file, f"conditions.{name}", message))
    return problems
