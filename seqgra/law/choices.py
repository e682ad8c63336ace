"""What is placed in an example: rules, copies, and the elements, orders and strands of their blocks.

All of it is drawn once for an example; `placement` draws gaps and starts, again and again where need be.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.law.jit import part
from seqgra.law.maps import below, chosen_prefix
from seqgra.law.pcg import next_word
from seqgra.law.tables import ALL, Placement


class ChoiceScratch(NamedTuple):
    """What the kernels note about one example."""

    #: int32 (B,): the blocks that are placed.
    blocks: np.ndarray
    #: bool (E,), (B,): whether the edge's child lies after its parent; whether the block is reversed.
    after: np.ndarray
    reverse: np.ndarray


def scratch_for(law: Placement) -> ChoiceScratch:
    """Return room for what the kernels note."""
    blocks, edges = law.blocks.size, law.edges.size
    return ChoiceScratch(np.zeros(blocks, np.int32), np.zeros(edges, bool), np.zeros(blocks, bool))


@part
def draw_law(law: Placement, number: int, most: int, state: np.ndarray) -> int:
    """Draw a value of an integer law among those up to `most`; its lowest where none is."""
    record = law.laws[number]
    if record.count > 0:
        fitting = min(record.count, most - record.low + 1)
        if fitting <= 1:
            return int(record.low)
        return int(record.low) + int(below(next_word(state), np.uint64(fitting)))
    first, end = record.first, record.end
    fitting = np.searchsorted(law.values[first:end], most, side="right")
    if fitting <= 1:
        return int(record.low)
    return int(
        law.values[first + chosen_prefix(next_word(state), law.weights[first : first + fitting])]
    )


_ANY = np.iinfo(np.int32).max


@part
def choose_rules(
    law: Placement, set_number: int, c: int, state: np.ndarray, scratch: ChoiceScratch
) -> int:
    """Draw which blocks of combination c are placed; return how many, listed in `scratch.blocks`."""
    one = np.uint64(1)
    first, end = law.combinations[c].rule, law.combinations[c + 1].rule
    block, blocks = law.combinations[c].block, 0
    only = -1
    for rule in range(first, end):
        record = law.rules[rule]
        if record.exclusive > 0:
            draw = next_word(state) >> one
            only = rule
            while only < rule + record.exclusive and draw >= law.chances[set_number, only]:
                only += 1
        if record.exclusive:
            applies = rule == only
        else:
            applies = (next_word(state) >> one) < law.chances[set_number, rule]
        copies = draw_law(law, record.copies, _ANY, state) if applies else 0
        for _ in range(copies):
            wanted = record.blocks
            if record.k_of != ALL:
                wanted = draw_law(law, record.k_of, _ANY, state)
            blocks = choose_blocks(block, record.blocks, wanted, state, scratch, blocks)
            block += record.blocks
        block += (record.most_copies - copies) * record.blocks
    return blocks


@part
def choose_blocks(
    first: int, there: int, wanted: int, state: np.ndarray, scratch: ChoiceScratch, blocks: int
) -> int:
    """Append `wanted` of the blocks `first` .. `first + there - 1`, each subset equally likely."""
    for n in range(there):
        left = there - n
        if wanted == left or (wanted and int(below(next_word(state), np.uint64(left))) < wanted):
            scratch.blocks[blocks] = first + n
            blocks += 1
            wanted -= 1
    return blocks


@part
def choose_elements(
    law: Placement,
    first_slot: int,
    blocks: int,
    state: np.ndarray,
    element: np.ndarray,
    strand: np.ndarray,
    scratch: ChoiceScratch,
) -> None:
    """Draw the elements, orders, strands and orientations of the blocks that are placed."""
    for n in range(blocks):
        b = scratch.blocks[n]
        block = law.blocks[b]
        reverse = block.strand == 1 or (block.strand == 2 and _coin(state))
        scratch.reverse[b] = reverse
        for e in range(block.edge, block.end_edge):
            swapped = law.edges[e].random == 1 and _coin(state)
            scratch.after[e] = (law.edges[e].after == 1) != swapped
        for s in range(block.slot, block.end_slot):
            element[s - first_slot] = draw_law(law, law.slots[s].choices, _ANY, state)
            backward = reverse
            if block.orientation == 3:
                backward = _coin(state)
            strand[s - first_slot] = -1 if backward else 1
        if block.orientation == 1 or block.orientation == 2:
            _face(law, b, first_slot, scratch, strand)


@part
def _face(
    law: Placement, b: int, first_slot: int, scratch: ChoiceScratch, strand: np.ndarray
) -> None:
    """Let the two elements of a block point at one another, or away: the left one decides.

    Reversing a convergent (divergent) pair gives a convergent (divergent) pair again.
    """
    first = law.blocks[b].slot - first_slot
    child_right = scratch.after[law.blocks[b].edge] != scratch.reverse[b]
    left, right = (first, first + 1) if child_right else (first + 1, first)
    outward = 1 if law.blocks[b].orientation == 1 else -1
    strand[left], strand[right] = outward, -outward


@part
def _coin(state: np.ndarray) -> bool:
    result: bool = (next_word(state) >> np.uint64(63)) == np.uint64(1)
    return result
