"""Placement: which rules apply to an example, and where their blocks of elements lie.

The law, for one example: which rules apply, how many copies and slots, which elements, orders and
strands are drawn first. Each block then draws its gaps from their laws among the gaps that fit the example
and its start (uniform over what is left, or from the position's law among the starts that fit). All
placements of the example are redrawn together until no two elements overlap: the product law conditioned
on no overlap, in which no rule goes first. Elements that a spacing ties share columns where its gap is
negative. With overlap allowed there is no condition, and later elements overwrite earlier ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.errors import SeqgraError
from seqgra.law.choices import ChoiceScratch, choose_elements, choose_rules, draw_law, scratch_for
from seqgra.law.jit import kernel, part
from seqgra.law.maps import below
from seqgra.law.pcg import next_word
from seqgra.law.tables import BY_LAW, CENTER, END, Placement

#: Placements after which an example is given up: seconds, where none of a checked grammar needs so many.
MOST_PLACEMENTS = 10_000_000


class Placed(NamedTuple):
    """Elements of N examples by slot of their combination, S the most slots."""

    #: int32 (N, S): first position; -1 where no element is placed.
    start: np.ndarray
    #: int32 (N, S): its number.
    element: np.ndarray
    #: int8 (N, S): 1 forward, -1 reverse.
    strand: np.ndarray
    #: bool (N, S): no later element overwrote its letters.
    intact: np.ndarray


class NoRoomError(SeqgraError):
    """An example was given up, because its elements never lay apart.

    Attributes
    ----------
    example
        Its number among those that were drawn.
    """

    def __init__(self, example: int) -> None:
        super().__init__(f"no room for the elements of example {example}")
        self.example = example


def draw_placements(
    law: Placement,
    set_number: int,
    combination: np.ndarray,
    length: np.ndarray,
    rules: np.ndarray,
    placement: np.ndarray,
) -> Placed:
    """Draw rules, elements and places for N examples.

    Parameters
    ----------
    law
        The placement laws.
    set_number
        Index in `SETS`: confounders may differ between sets.
    combination, length
        int32 (N,): number of each example's combination of conditions; its letters.
    rules, placement
        uint64 (4,): streams for what is drawn once, and for what is redrawn until nothing overlaps,
        advanced in place. Examples share them, so a block of examples is always drawn whole.

    Raises
    ------
    NoRoomError
        If the elements of an example overlap in all of `MOST_PLACEMENTS`.
    """
    shape = (combination.size, law.most_slots)
    placed = nothing_placed(shape)
    lost = _draw(law, set_number, combination, length, rules, placement, placed, scratch_for(law))
    if lost >= 0:
        raise NoRoomError(lost)
    return placed


def nothing_placed(shape: tuple[int, int]) -> Placed:
    """Return `Placed` of a shape (N, S) without elements."""
    start, element = np.full(shape, -1, np.int32), np.zeros(shape, np.int32)
    return Placed(start, element, np.ones(shape, np.int8), np.ones(shape, bool))


@part
def place_apart(
    law: Placement,
    first_slot: int,
    slots: int,
    blocks: int,
    length: int,
    state: np.ndarray,
    start: np.ndarray,
    element: np.ndarray,
    scratch: ChoiceScratch,
    most: int,
) -> int:
    """Draw places until nothing overlaps that may not; return how often, 0 after `most` in vain."""
    for tried in range(1, most + 1):
        if _place(law, first_slot, blocks, length, state, start, element, scratch):
            free = law.overlap or slots == 1
            if free or not _overlapping(law, first_slot, slots, start, element):
                return tried
    return 0


@kernel
def _draw(
    law: Placement,
    set_number: int,
    combination: np.ndarray,
    length: np.ndarray,
    once: np.ndarray,
    again: np.ndarray,
    placed: Placed,
    scratch: ChoiceScratch,
) -> int:
    """Fill `placed`; return the number of the first example that was given up, -1 for none."""
    for i in range(combination.size):
        c = combination[i]
        first = law.combinations[c].slot
        slots = law.combinations[c + 1].slot - first
        start, element = placed.start[i], placed.element[i]
        blocks = choose_rules(law, set_number, c, once, scratch)
        choose_elements(law, first, blocks, once, element, placed.strand[i], scratch)
        letters = int(np.int64(length[i]))  # not int32, which would be compiled once more
        if not place_apart(
            law, first, slots, blocks, letters, again, start, element, scratch, MOST_PLACEMENTS
        ):
            return i
        if law.overlap:
            _mark_overwritten(law, first, slots, start, element, placed.intact[i])
    return -1


@part
def _place(
    law: Placement,
    first_slot: int,
    blocks: int,
    length: int,
    state: np.ndarray,
    start: np.ndarray,
    element: np.ndarray,
    scratch: ChoiceScratch,
) -> bool:
    """Draw gaps and starts of every block that is placed; False as soon as one does not fit."""
    for n in range(blocks):
        b = scratch.blocks[n]
        block = law.blocks[b]
        slot, size = block.slot - first_slot, block.end_slot - block.slot
        room = length
        if block.start == BY_LAW:
            room -= law.laws[block.start_law].low
        span = law.width[element[slot]]
        start[slot] = 0
        if size > 1:
            span = _draw_gaps(law, b, slot, size, room, state, start, element, scratch)
        if span > room:
            return False
        origin = _draw_start(law, b, length - span, state)
        if scratch.reverse[b]:
            for s in range(slot, slot + size):
                start[s] = origin + span - start[s] - law.width[element[s]]
        else:
            for s in range(slot, slot + size):
                start[s] += origin
    return True


@part
def _draw_gaps(
    law: Placement,
    b: int,
    slot: int,
    size: int,
    room: int,
    state: np.ndarray,
    start: np.ndarray,
    element: np.ndarray,
    scratch: ChoiceScratch,
) -> int:
    """Draw the gaps of block b, set starts relative to its first letter; return the letters it covers.

    Each gap is drawn among those that fit by themselves; whether all fit together is for the caller.
    """
    low, high = 0, law.width[element[slot]]
    for e in range(law.blocks[b].edge, law.blocks[b].end_edge):
        edge = law.edges[e]
        parent, child = slot + edge.parent, slot + edge.child
        parent_width, width = law.width[element[parent]], law.width[element[child]]
        gap = draw_law(law, edge.gap, room - parent_width - width, state)
        if scratch.after[e]:
            start[child] = start[parent] + parent_width + gap
        else:
            start[child] = start[parent] - gap - width
        low, high = min(low, start[child]), max(high, start[child] + width)
    if low < 0:
        for s in range(slot, slot + size):
            start[s] -= low
    result: int = high - low
    return result


@part
def _draw_start(law: Placement, b: int, room: int, state: np.ndarray) -> int:
    """Draw the first letter of block b, when `room` letters are left."""
    kind = law.blocks[b].start
    if kind == CENTER:
        return room // 2
    if kind == END:
        return room
    if kind == BY_LAW:
        return draw_law(law, law.blocks[b].start_law, room, state)
    return int(below(next_word(state), np.uint64(room + 1)))


@part
def _overlapping(
    law: Placement, first_slot: int, slots: int, start: np.ndarray, element: np.ndarray
) -> bool:
    for s in range(1, slots):
        if start[s] >= 0:
            for t in range(s):
                if start[t] >= 0 and _overlap(law, first_slot, start, element, s, t):
                    return True
    return False


@part
def _mark_overwritten(
    law: Placement,
    first_slot: int,
    slots: int,
    start: np.ndarray,
    element: np.ndarray,
    intact: np.ndarray,
) -> None:
    for later in range(1, slots):
        s = law.slots[first_slot + later].paste
        for earlier in range(later):
            t = law.slots[first_slot + earlier].paste
            if min(start[s], start[t]) >= 0 and _overlap(law, first_slot, start, element, s, t):
                intact[t] = False


@part
def _overlap(
    law: Placement, first_slot: int, start: np.ndarray, element: np.ndarray, s: int, t: int
) -> bool:
    """Tell whether the elements of two slots share a letter although no spacing ties them."""
    apart = (
        start[s] + law.width[element[s]] <= start[t] or start[t] + law.width[element[t]] <= start[s]
    )
    return not (apart or law.slots[first_slot + s].tied == t or law.slots[first_slot + t].tied == s)
