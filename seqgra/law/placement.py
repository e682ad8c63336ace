"""Placement: which rules of a condition apply, and where their blocks of elements lie.

The law, for one example of a condition: which rules apply, how many copies, which elements, orders and
strands are drawn first. Each block then draws its gaps from their laws among the gaps that fit the window
and its start (uniform over what is left, or from the position's law among the starts that fit). All
placements of the example are redrawn together until no two elements overlap: the product law conditioned
on no overlap, in which no rule goes first. With overlap allowed there is no condition, and later elements
overwrite earlier ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from seqgra.grammar.blocks import Block, blocks_of
from seqgra.grammar.laws import highest, table
from seqgra.grammar.schema import Condition, Grammar, Rule
from seqgra.law.maps import below, chosen_prefix
from seqgra.law.pcg import generator_state, next_word
from seqgra.streams import cumulative63

UNIFORM, CENTER, END, TABLE = range(4)
STRANDS = {"+": 0, "-": 1, "random": 2}
ORIENTATIONS = {"same": 0, "convergent": 1, "divergent": 2, "any": 3}
#: Share of joint placements without overlap below which a rule set is refused.
LEAST_ACCEPTANCE = 1e-3
#: Condition number of elements that common rules placed.
COMMON = -1


class Placement(NamedTuple):
    """The placement laws of all conditions as flat tables.

    Slots are places for one element, edges are spacings, blocks are slots tied by edges, and copies of a
    rule are blocks of their own; all are numbered through all conditions, so that a condition's (block's)
    are a range. Integer laws are ascending values beside a scale-63 law: "among those that fit" is a prefix.

    Attributes
    ----------
    window, overlap
        Length of the examples; whether elements may overlap.
    conditions
        int32 (C + 1, 3): first slot, block and rule of each condition.
    slots
        int32 (S, 4): rule (numbered within its condition or the common rules), condition (or `COMMON`),
        first and end row of its elements in `values`.
    blocks
        int32 (B, 10): rule (within the condition, common ones last), copy, first and end slot, first and
        end edge, kind of start law, its first and end row, strand law.
    orientation
        int32 (B,).
    edges
        int32 (E, 6): parent and child (slots counted within the block), 1 if the child lies after the
        parent, 1 if the order is random, first and end row of the gap law.
    rules
        int32 (R, 2): first and end row of the law of copies.
    rule_law
        uint64 (R,): chance of each rule in units of 2**-63; cumulative over exclusive ones.
    exclusive
        int32 (C,): at most one of the condition's first so many rules applies.
    values, law
        int32, uint64 (V,).
    width
        int32 (E',): of each element of the grammar.
    """

    window: int
    overlap: bool
    conditions: np.ndarray
    slots: np.ndarray
    blocks: np.ndarray
    orientation: np.ndarray
    edges: np.ndarray
    rules: np.ndarray
    rule_law: np.ndarray
    exclusive: np.ndarray
    values: np.ndarray
    law: np.ndarray
    width: np.ndarray

    @property
    def most_slots(self) -> int:
        """Slots of the condition that has most."""
        return int(np.diff(self.conditions[:, 0]).max())

    @property
    def most_blocks(self) -> int:
        """Blocks of the condition that has most."""
        return int(np.diff(self.conditions[:, 1]).max())


class Placed(NamedTuple):
    """Elements of N examples by slot of their condition, S the most slots.

    Attributes
    ----------
    start
        int32 (N, S): first position; -1 where no element is placed.
    element
        int32 (N, S): its number.
    strand
        int8 (N, S): 1 forward, -1 reverse.
    intact
        bool (N, S): no later element overwrote its letters.
    """

    start: np.ndarray
    element: np.ndarray
    strand: np.ndarray
    intact: np.ndarray


class _Tables:
    """Collects the flat tables while `compile_placement` walks through the conditions."""

    def __init__(self, grammar: Grammar) -> None:
        self.numbers = {name: number for number, name in enumerate(grammar.elements)}
        self.conditions: list[tuple[int, int, int]] = [(0, 0, 0)]
        self.slots: list[tuple[int, ...]] = []
        self.blocks: list[tuple[int, ...]] = []
        self.orientation: list[int] = []
        self.edges: list[tuple[int, ...]] = []
        self.rules: list[tuple[int, int]] = []
        self.rule_law: list[int] = []
        self.exclusive: list[int] = []
        self.values: list[int] = []
        self.law: list[int] = []

    def add_condition(self, number: int, condition: Condition, common: tuple[Rule, ...]) -> None:
        exclusive = condition.mode == "mutually-exclusive"
        self.exclusive.append(len(condition.rules) if exclusive else 0)
        chances = [rule.probability for rule in (*condition.rules, *common)]
        for last in range(self.exclusive[-1]):
            chances[last] = min(sum(r.probability for r in condition.rules[: last + 1]), 1.0)
        self.rule_law += [round(chance * 2**63) for chance in chances]
        for rule_number, rule in enumerate(condition.rules):
            self._add_rule(rule, rule_number, rule_number, number)
        for rule_number, rule in enumerate(common):
            self._add_rule(rule, len(condition.rules) + rule_number, rule_number, COMMON)
        self.conditions.append((len(self.slots), len(self.blocks), len(self.rules)))

    def _add_rule(self, rule: Rule, local: int, reported: int, condition: int) -> None:
        self.rules.append(self._add_law(table(rule.copies)))
        starts = _start_law(rule)
        for copy in range(highest(rule.copies)):
            for block in blocks_of(rule):
                slots, edges = len(self.slots), len(self.edges)
                for slot in block.slots:
                    elements = {self.numbers[e]: w for e, w in rule.elements[slot].items() if w > 0}
                    self.slots.append((reported, condition, *self._add_law(elements)))
                self._add_edges(block)
                row = (local, copy, slots, len(self.slots), edges, len(self.edges), starts[0])
                self.blocks.append((*row, *self._add_law(starts[1]), STRANDS[rule.strand]))
                self.orientation.append(ORIENTATIONS[rule.orientation])

    def _add_edges(self, block: Block) -> None:
        for edge in block.edges:
            gap = self._add_law(table(edge.spacing.gap))
            random = edge.spacing.order == "random"
            self.edges.append((edge.parent, edge.child, int(edge.after), int(random), *gap))

    def _add_law(self, weights: dict[int, float]) -> tuple[int, int]:
        first = len(self.values)
        if weights:
            self.values += weights
            self.law += cumulative63(weights.values()).tolist()
        return first, len(self.values)


def compile_placement(grammar: Grammar) -> Placement:
    """Return the placement laws of a resolved grammar."""
    tables = _Tables(grammar)
    for number, condition in enumerate(grammar.conditions.values()):
        tables.add_condition(number, condition, grammar.common.rules)
    return Placement(
        window=grammar.longest,
        overlap=grammar.overlap == "allow",
        conditions=np.array(tables.conditions, np.int32),
        slots=np.array(tables.slots, np.int32).reshape(-1, 4),
        blocks=np.array(tables.blocks, np.int32).reshape(-1, 10),
        orientation=np.array(tables.orientation, np.int32),
        edges=np.array(tables.edges, np.int32).reshape(-1, 6),
        rules=np.array(tables.rules, np.int32).reshape(-1, 2),
        rule_law=np.array(tables.rule_law, np.uint64),
        exclusive=np.array(tables.exclusive, np.int32),
        values=np.array(tables.values, np.int32),
        law=np.array(tables.law, np.uint64),
        width=np.array([element.width for element in grammar.elements.values()], np.int32),
    )


def _start_law(rule: Rule) -> tuple[int, dict[int, float]]:
    """Return the kind of start law and, for `TABLE`, its 0-based starts with their weights."""
    if rule.position == "start":
        return TABLE, {0: 1.0}
    if isinstance(rule.position, str):
        return {"random": UNIFORM, "center": CENTER, "end": END}[rule.position], {}
    return TABLE, {start - 1: weight for start, weight in table(rule.position).items()}


def draw_placements(
    law: Placement,
    condition: np.ndarray,
    rules: np.random.PCG64,
    placement: np.random.PCG64,
) -> Placed:
    """Draw rules, elements and places for N examples.

    Parameters
    ----------
    law
        The placement laws.
    condition
        int32 (N,): number of each example's condition.
    rules, placement
        Streams for what is drawn once, and for what is redrawn until nothing overlaps. Examples share
        them, so a block of examples is always drawn whole.
    """
    shape = (condition.size, law.most_slots)
    start, element = np.full(shape, -1, np.int32), np.zeros(shape, np.int32)
    strand, intact = np.ones(shape, np.int8), np.ones(shape, bool)
    _draw(
        law,
        condition,
        generator_state(rules),
        generator_state(placement),
        start,
        element,
        strand,
        intact,
    )
    return Placed(start, element, strand, intact)


def acceptance(law: Placement, condition: int, fires: np.ndarray, draws: int) -> float:
    """Return the share of draws of the blocks in `fires` (bool (B,)) that fit and do not overlap (or may)."""
    state = generator_state(np.random.PCG64(0))
    return float(_acceptance(law, condition, fires, draws, state))


@numba.njit(cache=True)
def _acceptance(
    law: Placement, condition: int, fires: np.ndarray, draws: int, state: np.ndarray
) -> float:
    slots = law.conditions[condition + 1, 0] - law.conditions[condition, 0]
    start, element = np.full(slots, -1, np.int32), np.zeros(slots, np.int32)
    strand, scratch = np.ones(slots, np.int8), _scratch(law)
    accepted = 0
    for _ in range(draws):
        _choose_elements(law, condition, fires, state, element, strand, scratch)
        fits = _place(law, condition, fires, state, start, element, scratch)
        accepted += fits and (law.overlap or not _overlapping(law, start, element, slots))
    return accepted / draws


@numba.njit(cache=True)
def _draw(
    law: Placement,
    condition: np.ndarray,
    once: np.ndarray,
    again: np.ndarray,
    start: np.ndarray,
    element: np.ndarray,
    strand: np.ndarray,
    intact: np.ndarray,
) -> None:
    scratch = _scratch(law)
    fires = np.zeros(max(law.blocks.shape[0], 1), np.bool_)
    for i in range(condition.size):
        c = condition[i]
        slots = law.conditions[c + 1, 0] - law.conditions[c, 0]
        _choose_rules(law, c, once, fires)
        _choose_elements(law, c, fires, once, element[i], strand[i], scratch)
        while True:
            if not _place(law, c, fires, again, start[i], element[i], scratch):
                continue
            if law.overlap:
                _mark_overwritten(law, start[i], element[i], slots, intact[i])
                break
            if not _overlapping(law, start[i], element[i], slots):
                break


@numba.njit
def _scratch(law: Placement) -> np.ndarray:
    """Return int64 (2, n): whether each edge's child lies after its parent; each block's reversal."""
    return np.zeros((2, max(law.edges.shape[0], law.blocks.shape[0], 1)), np.int64)


@numba.njit
def _choose_rules(law: Placement, c: int, state: np.ndarray, fires: np.ndarray) -> None:
    """Draw which blocks of condition c are placed (counted within the condition)."""
    one = np.uint64(1)
    first_block, end_block = law.conditions[c, 1], law.conditions[c + 1, 1]
    first_rule, end_rule = law.conditions[c, 2], law.conditions[c + 1, 2]
    block = first_block
    only = -1
    if law.exclusive[c]:
        draw = next_word(state) >> one
        only = 0
        while only < law.exclusive[c] and draw >= law.rule_law[first_rule + only]:
            only += 1
    for rule in range(end_rule - first_rule):
        if rule < law.exclusive[c]:
            applies = rule == only
        else:
            applies = (next_word(state) >> one) < law.rule_law[first_rule + rule]
        low, high = law.rules[first_rule + rule, 0], law.rules[first_rule + rule, 1]
        copies = law.values[low]
        if high - low > 1:
            copies = law.values[low + chosen_prefix(next_word(state), law.law[low:high])]
        while block < end_block and law.blocks[block, 0] == rule:
            fires[block - first_block] = applies and law.blocks[block, 1] < copies
            block += 1


@numba.njit
def _choose_elements(
    law: Placement,
    c: int,
    fires: np.ndarray,
    state: np.ndarray,
    element: np.ndarray,
    strand: np.ndarray,
    scratch: np.ndarray,
) -> None:
    """Draw the elements, orders, strands and orientations of the blocks that are placed."""
    for b in range(law.conditions[c, 1], law.conditions[c + 1, 1]):
        if not fires[b - law.conditions[c, 1]]:
            continue
        block = law.blocks[b]
        reverse = block[9] == 1 or (block[9] == 2 and _coin(state))
        scratch[1, b] = reverse
        for e in range(block[4], block[5]):
            swapped = law.edges[e, 3] == 1 and _coin(state)
            scratch[0, e] = law.edges[e, 2] ^ swapped
        for s in range(block[2], block[3]):
            slot = s - law.conditions[c, 0]
            low, high = law.slots[s, 2], law.slots[s, 3]
            element[slot] = law.values[low]
            if high - low > 1:
                element[slot] = law.values[low + chosen_prefix(next_word(state), law.law[low:high])]
            backward = reverse
            if law.orientation[b] == 3:
                backward = _coin(state)
            strand[slot] = -1 if backward else 1
        if law.orientation[b] in (1, 2):
            _face(law, b, c, scratch, strand)


@numba.njit
def _face(law: Placement, b: int, c: int, scratch: np.ndarray, strand: np.ndarray) -> None:
    """Let the two elements of a block point at one another, or away: the left one decides.

    Reversing a convergent (divergent) pair gives a convergent (divergent) pair again.
    """
    first = law.blocks[b, 2] - law.conditions[c, 0]
    child_right = (scratch[0, law.blocks[b, 4]] == 1) != (scratch[1, b] == 1)
    left, right = (first, first + 1) if child_right else (first + 1, first)
    outward = 1 if law.orientation[b] == 1 else -1
    strand[left], strand[right] = outward, -outward


@numba.njit
def _coin(state: np.ndarray) -> bool:
    return (next_word(state) >> np.uint64(63)) == np.uint64(1)


@numba.njit
def _place(
    law: Placement,
    c: int,
    fires: np.ndarray,
    state: np.ndarray,
    start: np.ndarray,
    element: np.ndarray,
    scratch: np.ndarray,
) -> bool:
    """Draw gaps and starts of every block that is placed; False as soon as one does not fit."""
    first_slot = law.conditions[c, 0]
    for b in range(law.conditions[c, 1], law.conditions[c + 1, 1]):
        if not fires[b - law.conditions[c, 1]]:
            continue
        block = law.blocks[b]
        slot = block[2] - first_slot
        size = block[3] - block[2]
        room = law.window - (law.values[block[7]] if block[6] == TABLE else 0)
        span = _draw_gaps(law, b, slot, size, room, state, start, element, scratch)
        if span > room:
            return False
        origin = _draw_start(law, b, span, state)
        for s in range(slot, slot + size):
            if scratch[1, b]:
                start[s] = origin + span - start[s] - law.width[element[s]]
            else:
                start[s] += origin
    return True


@numba.njit
def _draw_gaps(
    law: Placement,
    b: int,
    slot: int,
    size: int,
    room: int,
    state: np.ndarray,
    start: np.ndarray,
    element: np.ndarray,
    scratch: np.ndarray,
) -> int:
    """Draw the gaps of block b, set starts relative to its first letter; return the letters it covers.

    Each gap is drawn among those that fit by themselves; whether all fit together is for the caller.
    """
    start[slot] = 0
    low, high = 0, law.width[element[slot]]
    for e in range(law.blocks[b, 4], law.blocks[b, 5]):
        parent, child = slot + law.edges[e, 0], slot + law.edges[e, 1]
        parent_width, width = law.width[element[parent]], law.width[element[child]]
        first, end = law.edges[e, 4], law.edges[e, 5]
        fitting = np.searchsorted(law.values[first:end], room - parent_width - width, side="right")
        pick = 0
        if end - first > 1:
            pick = chosen_prefix(next_word(state), law.law[first : first + fitting])
        gap = law.values[first + pick]
        if scratch[0, e]:
            start[child] = start[parent] + parent_width + gap
        else:
            start[child] = start[parent] - gap - width
        low, high = min(low, start[child]), max(high, start[child] + width)
    for s in range(slot, slot + size):
        start[s] -= low
    return high - low


@numba.njit
def _draw_start(law: Placement, b: int, span: int, state: np.ndarray) -> int:
    kind, room = law.blocks[b, 6], law.window - span
    if kind == CENTER:
        return room // 2
    if kind == END:
        return room
    if kind == UNIFORM:
        return int(below(next_word(state), np.uint64(room + 1)))
    low, high = law.blocks[b, 7], law.blocks[b, 8]
    if high - low == 1:
        return int(law.values[low])
    fitting = np.searchsorted(law.values[low:high], room, side="right")
    return int(law.values[low + chosen_prefix(next_word(state), law.law[low : low + fitting])])


@numba.njit
def _overlapping(law: Placement, start: np.ndarray, element: np.ndarray, slots: int) -> bool:
    for s in range(slots):
        for t in range(s):
            if _overlap(law, start, element, s, t):
                return True
    return False


@numba.njit
def _mark_overwritten(
    law: Placement, start: np.ndarray, element: np.ndarray, slots: int, intact: np.ndarray
) -> None:
    for s in range(slots):
        for t in range(s):
            if _overlap(law, start, element, s, t):
                intact[t] = False


@numba.njit
def _overlap(law: Placement, start: np.ndarray, element: np.ndarray, s: int, t: int) -> bool:
    """Tell whether the elements of two slots are both placed and share a letter."""
    if start[s] < 0 or start[t] < 0:
        return False
    before = start[s] + law.width[element[s]] <= start[t]
    return not before and start[t] + law.width[element[t]] > start[s]
