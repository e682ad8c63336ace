"""Whether the elements of a grammar find room: how often placements do not overlap, and what never fits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from seqgra.errors import Problem
from seqgra.grammar.combinations import Applied, applied_rules
from seqgra.grammar.laws import highest, table
from seqgra.grammar.schema import Grammar
from seqgra.law.choices import ChoiceScratch, choose_blocks, choose_elements, scratch_for
from seqgra.law.jit import kernel, part
from seqgra.law.pcg import generator_state
from seqgra.law.placement import Placed, nothing_placed, place_apart
from seqgra.law.tables import ALL, Placement
from seqgra.streams import cumulative63

#: Share of joint placements without overlap below which a rule set is refused.
LEAST_ACCEPTANCE = 1e-3
#: Placements after which a choice of elements, orders and strands is taken to overlap always.
_PATIENCE = 100_000
_CHOICES = 2_000
#: Lengths of examples that are tried, the shortest and the longest among them.
_LENGTHS = 16
#: Ways in which mutually exclusive rules can meet that are tried for a combination of conditions.
_MOST_MEETINGS = 64


class Acceptance(NamedTuple):
    """How often the elements of some rules, placed together, do not overlap."""

    #: The combination of conditions.
    shown: tuple[str, ...]
    #: Where the rules stand in the file.
    places: tuple[str, ...]
    #: Of the draws of `_share`.
    share: float


class _Meeting(NamedTuple):
    """Rules that can apply together: combination of conditions and its number, places, and which apply."""

    number: int
    shown: tuple[str, ...]
    places: tuple[str, ...]
    applies: np.ndarray


def acceptances(law: Placement, grammar: Grammar) -> Iterator[Acceptance]:
    """Yield the shares of placements without overlap, where there are two elements at least.

    All rules together, with most copies, in the shortest window are the most crowded case; of mutually
    exclusive ones, one at a time. Combinations that another one includes are left out.
    """
    for met in _all_meetings(grammar):
        share = _share(law, met.number, met.applies, grammar.shortest, _CHOICES)
        yield Acceptance(met.shown, met.places, share)


def crowded(law: Placement, grammar: Grammar, file: str) -> list[Problem]:
    """Name the combinations of conditions whose rules can hardly be placed without overlap."""
    problems: list[Problem] = []
    for shown, places, share in acceptances(law, grammar):
        if share == 0:
            problems.append(_never(file, shown, places, grammar.shortest))
        elif share < LEAST_ACCEPTANCE:
            message = (
                f"the elements of {_short(places, shown)} fit into {grammar.shortest} letters without "
                f"overlap in {share:.2%} of draws; widen the window or place fewer elements"
            )
            problems.append(Problem(file, _place(shown), message))
    return problems or list(_hopeless(law, grammar, file))


def _hopeless(law: Placement, grammar: Grammar, file: str) -> Iterator[Problem]:
    """Name rules of which some choice of elements never fits, however rare, or fits only some lengths."""
    lengths = list(table(grammar.window))
    picked = np.unique(np.linspace(0, len(lengths) - 1, _LENGTHS).round().astype(int))
    even = _evenly(law)
    if picked.size == 1 and (even.weights == law.weights).all():
        return  # `acceptances` saw all there is
    for met in _all_meetings(grammar):
        for length in (lengths[n] for n in picked):
            if _share(even, met.number, met.applies, length, _CHOICES // picked.size) == 0:
                yield _never(file, met.shown, met.places, length)
                break


def _never(file: str, shown: tuple[str, ...], places: tuple[str, ...], length: int) -> Problem:
    message = (
        f"the elements of {_short(places, shown)} never fit into {length} letters without overlap, or "
        "some choice, order or strand of them never does; mend their positions and gaps, widen the "
        "window or place fewer elements"
    )
    return Problem(file, _place(shown), message)


def _evenly(law: Placement) -> Placement:
    """Return the law with every possible choice of an element equally likely."""
    weights = law.weights.copy()
    for _, count, first, end in law.laws[law.slots["choices"]].tolist():
        if count == 0:
            weights[first:end] = cumulative63([1] * (end - first))
    return law._replace(weights=weights)


def _all_meetings(grammar: Grammar) -> Iterator[_Meeting]:
    """Yield what `acceptances` tries, leaving out what has one element, which cannot overlap."""
    combinations = grammar.combinations
    for number, shown in enumerate(combinations):
        if any(set(shown) < set(other) for other in combinations):
            continue
        rules = applied_rules(grammar, shown)
        for together in itertools.islice(_meetings(rules), _MOST_MEETINGS):
            if _slots(rules, together) > 1:
                applies = np.isin(np.arange(len(rules)), together)
                yield _Meeting(number, shown, tuple(rules[n].place for n in together), applies)


def _meetings(rules: list[Applied]) -> Iterator[list[int]]:
    """Yield the sets of rules, by number, that can apply together and hold all that they can."""
    possible = [n for n, applied in enumerate(rules) if max(applied.chances) > 0]
    runs: dict[int, list[int]] = {}
    for n in possible:
        if rules[n].exclusive:
            runs.setdefault(rules[n].condition, []).append(n)
    always = [n for n in possible if not rules[n].exclusive]
    for chosen in itertools.product(*runs.values()):
        yield sorted([*chosen, *always])


def _slots(rules: list[Applied], together: list[int]) -> int:
    """Return how many elements these rules place at most."""
    found = 0
    for n in together:
        rule = rules[n].rule
        slots = len(rule.elements) if rule.k_of is None else highest(rule.k_of)
        found += slots * highest(rule.copies)
    return found


def _place(shown: tuple[str, ...]) -> str:
    """Return where a combination of conditions stands in the file."""
    return f"conditions.{' + '.join(shown)}" if shown else "common"


def _short(places: tuple[str, ...], shown: tuple[str, ...]) -> str:
    """Name rules by their places, without the condition where there is only one."""
    if len(shown) == 1:
        places = tuple(place.removeprefix(f"conditions.{shown[0]}.") for place in places)
    return ", ".join(places)


def _share(
    law: Placement, combination: int, applies: np.ndarray, length: int, choices: int
) -> float:
    """Return the share of placements that fit and do not overlap (or may); 0 if a choice never does.

    Parameters
    ----------
    law
        The placement laws.
    combination
        Its number.
    applies
        bool (R,): which of its rules apply, each with its most copies and slots.
    length
        Letters of the example.
    choices
        How often elements, orders and strands are drawn, each time placed until it fits, `_PATIENCE`
        times at most.
    """
    state = generator_state(np.random.PCG64(0))
    placed, scratch = nothing_placed((choices, law.most_slots)), scratch_for(law)
    return float(_accepted(law, combination, applies, length, state, placed, scratch))


@part
def _highest(law: Placement, number: int) -> int:
    record = law.laws[number]
    result: int = record.low + record.count - 1 if record.count > 0 else law.values[record.end - 1]
    return result


@kernel
def _accepted(
    law: Placement,
    combination: int,
    applies: np.ndarray,
    length: int,
    state: np.ndarray,
    placed: Placed,
    scratch: ChoiceScratch,
) -> float:
    """Return the share of placements without overlap, for one choice each row of `placed`."""
    first = law.combinations[combination].slot
    slots = law.combinations[combination + 1].slot - first
    placements = 0
    for choice in range(placed.start.shape[0]):
        start, element, strand = placed.start[choice], placed.element[choice], placed.strand[choice]
        blocks = int(np.int64(0))  # a literal would be a type of its own, compiled once more
        block = law.combinations[combination].block
        for rule in range(applies.size):
            record = law.rules[law.combinations[combination].rule + rule]
            for _ in range(record.most_copies):
                most = record.blocks
                if record.k_of != ALL:
                    most = _highest(law, record.k_of)
                most = most if applies[rule] else 0
                blocks = choose_blocks(block, record.blocks, most, state, scratch, blocks)
                block += record.blocks
        choose_elements(law, first, blocks, state, element, strand, scratch)
        tried = place_apart(
            law, first, slots, blocks, length, state, start, element, scratch, _PATIENCE
        )
        if tried == 0:
            return 0.0
        placements += tried
    result: float = placed.start.shape[0] / placements
    return result
