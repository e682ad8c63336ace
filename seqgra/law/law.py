"""The whole law of a grammar, and drawing a block of examples from it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from seqgra.errors import Problem, raise_problems
from seqgra.grammar.schema import Grammar
from seqgra.law import background, elements, placement
from seqgra.streams import BLOCK, stream, words

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
        int32 (P,): condition of example i is groups[i mod P], every prefix as balanced as can be.
    """

    window: int
    conditions: int
    background: background.Background
    elements: elements.Elements
    placement: placement.Placement
    groups: np.ndarray


class Examples(NamedTuple):
    """Drawn examples.

    Attributes
    ----------
    x
        uint8 (N, L): letter codes.
    condition
        int32 (N,): number of the condition that generated each example.
    starts
        int32 (N, S): first position of the element in each slot of the condition, -1 if none.
    """

    x: np.ndarray
    condition: np.ndarray
    starts: np.ndarray


def compile_law(grammar: Grammar, file: str) -> Law:
    """Compile a resolved grammar.

    Raises
    ------
    InputError
        If the elements of a condition can hardly be placed without overlap; `file` names the grammar.
    """
    names = list(grammar.conditions)
    group_conditions = np.array([names.index(g.conditions[0]) for g in grammar.examples], np.int32)
    law = Law(
        grammar.window,
        len(names),
        background.compile_background(grammar),
        elements.compile_elements(grammar),
        placement.compile_placement(grammar),
        group_conditions[balanced_order([group.share for group in grammar.examples])],
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
    condition = law.groups[np.arange(first, first + BLOCK) % law.groups.size]
    x = np.empty((BLOCK, law.window), np.uint8)
    background.sample(law.background, stream(seed, "background", set_name, block), x)
    fires, swaps = placement.draw_rules(
        law.placement, condition, stream(seed, "rules", set_name, block)
    )
    starts = placement.draw_starts(
        law.placement, condition, fires, swaps, stream(seed, "placement", set_name, block)
    )
    example, slot = np.nonzero(starts >= 0)
    element = law.placement.slot_element[law.placement.slots[condition[example]] + slot]
    count = int(elements.words_needed(law.elements)[element].sum())
    raw = words(stream(seed, "letters", set_name, block), count)
    elements.paste(law.elements, x, example, element, starts[example, slot], raw)
    return Examples(x, condition, starts)


def _crowded(law: placement.Placement, grammar: Grammar, file: str) -> list[Problem]:
    """Name the conditions whose rules can hardly be placed without overlap.

    All rules together are the most crowded case; of mutually exclusive ones, each by itself.
    """
    problems = []
    blocks = max(int(np.diff(law.blocks).max()), 1)
    for number, name in enumerate(grammar.conditions):
        rule_of = law.block_rule[law.blocks[number] : law.blocks[number + 1]]
        rules = grammar.conditions[name].rules
        possible = [rule for rule in set(rule_of.tolist()) if rules[rule].probability > 0]
        together = [[rule] for rule in possible] if law.exclusive[number] else [sorted(possible)]
        for placed in together:
            fires = np.zeros(blocks, bool)
            fires[: rule_of.size] = np.isin(rule_of, placed)
            if fires.sum() < 2:
                continue
            share = placement.acceptance(law, number, fires, _ACCEPTANCE_DRAWS)
            if share < placement.LEAST_ACCEPTANCE:
                named = ", ".join(f"rules[{rule}]" for rule in placed)
                message = (
                    f"the elements of {named} fit into {grammar.window} letters without overlap in "
                    f"{share:.2%} of draws; widen the window or place fewer elements"
                )
                problems.append(Problem(file, f"conditions.{name}", message))
    return problems
