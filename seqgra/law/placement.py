"""Placement: which rules of a condition apply, and where their blocks of elements lie.

The law, for one example of a condition: rules and orders are drawn first. Each block draws its gap from
the gap law among the gaps that fit the window, then its start (uniform over what is left, or from the
position's law among the starts that fit). All placements of the example are then redrawn together
until no two elements overlap: the product law conditioned on no overlap, in which no rule goes first.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from seqgra.grammar.check import blocks_of
from seqgra.grammar.laws import table
from seqgra.grammar.schema import Condition, Grammar, Rule, Spacing
from seqgra.law.maps import below, chosen_prefix
from seqgra.streams import cumulative63, words

UNIFORM, CENTER, END, TABLE = range(4)
#: Share of joint placements without overlap below which a rule set is refused.
LEAST_ACCEPTANCE = 1e-3


class Placement(NamedTuple):
    """The placement laws of all conditions as flat tables.

    Slots are places for one element; blocks are runs of one or two slots; both are numbered through
    all conditions. Integer laws are ascending values beside a scale-63 law, so that "among those that
    fit" is a prefix.

    Attributes
    ----------
    window
        Length of the examples.
    slots, blocks, rules
        int32 (C + 1,): first slot, block and rule of each condition.
    slot_element, slot_width, slot_rule
        int32 (S,): element number, its width, the rule's number within the condition.
    block_slot, block_rule
        int32 (B,): first slot, and the rule's number within the condition.
    block_size, block_start, block_swaps
        int32 (B,): slots in it, kind of start law, 1 if the order is random.
    gap_range, start_range
        int32 (B, 2): rows of `values` and `law` that hold the gap law and the start law.
    values, law
        int32, uint64 (V,).
    rule_law
        uint64 (R,): chance of each rule in units of 2**-63; cumulative where `exclusive`.
    exclusive
        bool (C,): at most one rule of the condition applies.
    """

    window: int
    slots: np.ndarray
    blocks: np.ndarray
    rules: np.ndarray
    slot_element: np.ndarray
    slot_width: np.ndarray
    slot_rule: np.ndarray
    block_slot: np.ndarray
    block_rule: np.ndarray
    block_size: np.ndarray
    block_start: np.ndarray
    block_swaps: np.ndarray
    gap_range: np.ndarray
    start_range: np.ndarray
    values: np.ndarray
    law: np.ndarray
    rule_law: np.ndarray
    exclusive: np.ndarray

    @property
    def most_slots(self) -> int:
        """Slots of the condition that has most."""
        return int(np.diff(self.slots).max())


class _Tables:
    """Collects the flat tables while `compile_placement` walks through the conditions."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self.numbers = {name: number for number, name in enumerate(grammar.elements)}
        self.slots: list[tuple[int, int, int]] = []
        self.blocks: list[tuple[int, int, int, int, int]] = []
        self.gap_ranges: list[tuple[int, int]] = []
        self.start_ranges: list[tuple[int, int]] = []
        self.values: list[int] = []
        self.law: list[int] = []

    def add_rule(self, rule: Rule, number: int) -> None:
        for names, spacing in blocks_of(rule):
            first = len(self.slots)
            for name in names:
                width = self.grammar.elements[name].width
                self.slots.append((self.numbers[name], width, number))
            swaps = int(spacing is not None and spacing.order == "random")
            kind, starts = _start_law(rule)
            self.blocks.append((first, number, len(names), kind, swaps))
            self.gap_ranges.append(self._add_law(self._fitting_gaps(names, spacing, starts)))
            self.start_ranges.append(self._add_law(starts))

    def _fitting_gaps(
        self, names: tuple[str, ...], spacing: Spacing | None, starts: dict[int, float]
    ) -> dict[int, float]:
        if spacing is None:
            return {}
        room = self.grammar.window - min(starts, default=0)
        room -= sum(self.grammar.elements[name].width for name in names)
        fitting = {gap: weight for gap, weight in table(spacing.gap).items() if gap <= room}
        assert fitting, "a checked grammar has a gap that fits"
        return fitting

    def _add_law(self, weights: dict[int, float]) -> tuple[int, int]:
        first = len(self.values)
        if weights:
            self.values += weights
            self.law += cumulative63(weights.values()).tolist()
        return first, len(self.values)


def compile_placement(grammar: Grammar) -> Placement:
    """Return the placement laws of a resolved grammar."""
    tables = _Tables(grammar)
    slots, blocks, rules, rule_law = [0], [0], [0], []
    for condition in grammar.conditions.values():
        for number, rule in enumerate(condition.rules):
            tables.add_rule(rule, number)
        rule_law += _rule_law(condition)
        slots.append(len(tables.slots))
        blocks.append(len(tables.blocks))
        rules.append(len(rule_law))
    slot = np.array(tables.slots, np.int32).reshape(-1, 3).T.copy()
    block = np.array(tables.blocks, np.int32).reshape(-1, 5).T.copy()
    modes = [condition.mode for condition in grammar.conditions.values()]
    return Placement(
        window=grammar.window,
        slots=np.array(slots, np.int32),
        blocks=np.array(blocks, np.int32),
        rules=np.array(rules, np.int32),
        slot_element=slot[0],
        slot_width=slot[1],
        slot_rule=slot[2],
        block_slot=block[0],
        block_rule=block[1],
        block_size=block[2],
        block_start=block[3],
        block_swaps=block[4],
        gap_range=np.array(tables.gap_ranges, np.int32).reshape(-1, 2),
        start_range=np.array(tables.start_ranges, np.int32).reshape(-1, 2),
        values=np.array(tables.values, np.int32),
        law=np.array(tables.law, np.uint64),
        rule_law=np.array(rule_law, np.uint64),
        exclusive=np.array([mode == "mutually-exclusive" for mode in modes]),
    )


def _rule_law(condition: Condition) -> list[int]:
    chances = [round(rule.probability * 2**63) for rule in condition.rules]
    if condition.mode == "sequential":
        return chances
    return [min(sum(chances[: k + 1]), 2**63) for k in range(len(chances))]


def _start_law(rule: Rule) -> tuple[int, dict[int, float]]:
    """Return the kind of start law and, for `TABLE`, its 0-based starts with their weights."""
    if rule.position == "start":
        return TABLE, {0: 1.0}
    if isinstance(rule.position, str):
        return {"random": UNIFORM, "center": CENTER, "end": END}[rule.position], {}
    return TABLE, {start - 1: weight for start, weight in table(rule.position).items()}


def draw_rules(
    law: Placement, condition: np.ndarray, generator: np.random.PCG64
) -> tuple[np.ndarray, np.ndarray]:
    """Draw which blocks are placed and which of them swap their elements, for N examples.

    Parameters
    ----------
    law
        The placement laws.
    condition
        int32 (N,): number of each example's condition.
    generator
        Takes the same number of words whatever is drawn.

    Returns
    -------
    (fires, swaps)
        bool (N, most blocks of a condition) each.
    """
    blocks = max(int(np.diff(law.blocks).max()), 1)
    rules = max(int(np.diff(law.rules).max()), 1)
    fires, swaps = np.zeros((2, condition.size, blocks), bool)
    raw = words(generator, condition.size, rules + blocks)
    _draw_rules(law, condition, raw, rules, fires, swaps)
    return fires, swaps


@numba.njit(cache=True)
def _draw_rules(
    law: Placement,
    condition: np.ndarray,
    raw: np.ndarray,
    rules: int,
    fires: np.ndarray,
    swaps: np.ndarray,
) -> None:
    one = np.uint64(1)
    for i in range(condition.size):
        c = condition[i]
        first_rule, count = law.rules[c], law.rules[c + 1] - law.rules[c]
        only = -1
        if law.exclusive[c]:
            only = 0
            while only < count and (raw[i, 0] >> one) >= law.rule_law[first_rule + only]:
                only += 1
        for b in range(law.blocks[c + 1] - law.blocks[c]):
            block = law.blocks[c] + b
            rule = law.block_rule[block]
            if law.exclusive[c]:
                fires[i, b] = rule == only
            else:
                fires[i, b] = (raw[i, rule] >> one) < law.rule_law[first_rule + rule]
            swaps[i, b] = (
                law.block_swaps[block] == 1 and (raw[i, rules + b] >> np.uint64(63)) == one
            )


def draw_starts(
    law: Placement,
    condition: np.ndarray,
    fires: np.ndarray,
    swaps: np.ndarray,
    generator: np.random.PCG64,
) -> np.ndarray:
    """Place the blocks of N examples, redrawing an example until none of its elements overlap.

    Returns
    -------
    ndarray
        int32 (N, most slots of a condition): first position of the element in each slot of the
        example's condition; -1 where no element is placed.
    """
    starts = np.full((condition.size, law.most_slots), -1, np.int32)
    left = np.arange(condition.size)
    while left.size:
        raw = words(generator, left.size, 2 * fires.shape[1])
        accepted = np.empty(left.size, bool)
        _place(law, left, condition, fires, swaps, raw, starts, accepted)
        left = left[~accepted]
    return starts


def acceptance(law: Placement, condition: int, fires: np.ndarray, draws: int) -> float:
    """Return the share of joint placements of the blocks in `fires` (bool (B,)) without overlap."""
    generator = np.random.PCG64(0)
    fires = np.broadcast_to(fires, (draws, fires.size)).copy()
    starts = np.full((draws, law.most_slots), -1, np.int32)
    accepted = np.empty(draws, bool)
    raw = words(generator, draws, 2 * fires.shape[1])
    rows = np.arange(draws)
    swaps = words(generator, draws, fires.shape[1]) >> np.uint64(63) == 1
    swaps &= (law.block_swaps[law.blocks[condition] :][: fires.shape[1]] == 1)[None, :]
    conditions = np.full(draws, condition, np.int32)
    _place(law, rows, conditions, fires, swaps, raw, starts, accepted)
    return float(accepted.mean())


@numba.njit(cache=True)
def _place(
    law: Placement,
    rows: np.ndarray,
    condition: np.ndarray,
    fires: np.ndarray,
    swaps: np.ndarray,
    raw: np.ndarray,
    starts: np.ndarray,
    accepted: np.ndarray,
) -> None:
    for r in range(rows.size):
        i = rows[r]
        c = condition[i]
        first_slot = law.slots[c]
        for b in range(law.blocks[c + 1] - law.blocks[c]):
            if not fires[i, b]:
                continue
            block = law.blocks[c] + b
            slot = law.block_slot[block]
            span, gap = law.slot_width[slot], 0
            if law.block_size[block] == 2:
                low, high = law.gap_range[block]
                gap = law.values[low + chosen_prefix(raw[r, 2 * b], law.law[low:high])]
                span += gap + law.slot_width[slot + 1]
            start = _draw_start(law, block, span, raw[r, 2 * b + 1])
            if law.block_size[block] == 1:
                starts[i, slot - first_slot] = start
            elif swaps[i, b]:
                starts[i, slot + 1 - first_slot] = start
                starts[i, slot - first_slot] = start + law.slot_width[slot + 1] + gap
            else:
                starts[i, slot - first_slot] = start
                starts[i, slot + 1 - first_slot] = start + law.slot_width[slot] + gap
        accepted[r] = not _any_overlap(law, starts[i], first_slot, law.slots[c + 1] - first_slot)


@numba.njit
def _draw_start(law: Placement, block: int, span: int, word: np.uint64) -> int:
    kind, room = law.block_start[block], law.window - span
    if kind == CENTER:
        return room // 2
    if kind == END:
        return room
    if kind == UNIFORM:
        return int(below(word, np.uint64(room + 1)))
    low, high = law.start_range[block]
    fitting = np.searchsorted(law.values[low:high], room, side="right")
    return law.values[low + chosen_prefix(word, law.law[low : low + fitting])]


@numba.njit
def _any_overlap(law: Placement, starts: np.ndarray, first_slot: int, slots: int) -> bool:
    for s in range(slots):
        for t in range(s):
            if starts[s] >= 0 and starts[t] >= 0:
                s_end = starts[s] + law.slot_width[first_slot + s]
                t_end = starts[t] + law.slot_width[first_slot + t]
                if starts[s] < t_end and starts[t] < s_end:
                    return True
    return False
