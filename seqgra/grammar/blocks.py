"""Blocks of a rule: elements tied by spacings lie in one block, every other element in its own."""

from __future__ import annotations

from typing import NamedTuple

from seqgra.grammar.schema import Arrangement, Spacing


class Edge(NamedTuple):
    """A spacing between two slots of a block: `child` lies after `parent`, or before it."""

    parent: int
    child: int
    after: bool
    spacing: Spacing


class Block(NamedTuple):
    """Slots (names within the rule), and the spacings that tie them, parents before children."""

    slots: tuple[str, ...]
    edges: tuple[Edge, ...]


def blocks_of(rule: Arrangement) -> list[Block]:
    """Return the blocks of a rule.

    A block starts with the first element of its first spacing. Spacings that close a circle are left
    out (`check` refuses them).

    >>> rule = Arrangement.model_validate({"elements": ["a", "b", "c", "d"],
    ...     "spacing": [{"elements": ["c", "a"], "gap": 5}, {"elements": ["d", "c"], "gap": 3}]})
    >>> [block.slots for block in blocks_of(rule)]
    [('c', 'a', 'd'), ('b',)]
    """
    blocks: list[Block] = []
    placed: set[str] = set()
    for name in rule.elements:
        if name in placed:
            continue
        tied = _tied(rule, name)
        first = next((s.elements[0] for s in rule.spacing if s.elements[0] in tied), name)
        block = _grow(rule, first)
        placed |= set(block.slots)
        blocks.append(block)
    return blocks


def _tied(rule: Arrangement, name: str) -> set[str]:
    """Return the slots that spacings tie to `name`, directly or through others."""
    tied = {name}
    for _ in rule.spacing:
        for spacing in rule.spacing:
            if tied & set(spacing.elements):
                tied |= set(spacing.elements)
    return tied


def _grow(rule: Arrangement, first: str) -> Block:
    slots, left = [first], list(rule.spacing)
    edges: list[Edge] = []
    while True:
        spacing = next((s for s in left if len(set(s.elements) & set(slots)) == 1), None)
        if spacing is None:
            return Block(tuple(slots), tuple(edges))
        left.remove(spacing)
        one, two = spacing.elements
        parent, child = (one, two) if one in slots else (two, one)
        edges.append(Edge(slots.index(parent), len(slots), child == two, spacing))
        slots.append(child)


def written_order(block: Block) -> list[int]:
    """Return the slots of a block in the order in which they are written: who overwrites comes later."""
    after: dict[int, set[int]] = {n: set() for n in range(len(block.slots))}
    for edge in block.edges:
        winner, loser = (edge.child, edge.parent)
        if parent_wins(edge):
            winner, loser = loser, winner
        after[winner].add(loser)
    order: list[int] = []
    while len(order) < len(after):  # edges form a tree, so there is always a next one
        order.append(next(n for n in after if n not in order and after[n] <= set(order)))
    return order


def parent_wins(edge: Edge) -> bool:
    """Tell whether shared columns show the letters of the slot that the edge starts from."""
    kind = edge.spacing.shared
    return kind != "product" and (kind == "first") == edge.after


def least_span(block: Block, widths: list[int], gaps: list[int]) -> int:
    """Return the letters that a block covers with the given widths of slots and gaps of edges."""
    starts = [0] * len(block.slots)
    for edge, gap in zip(block.edges, gaps, strict=True):
        step = widths[edge.parent] + gap if edge.after else -gap - widths[edge.child]
        starts[edge.child] = starts[edge.parent] + step
    ends = [start + width for start, width in zip(starts, widths, strict=True)]
    return max(ends) - min(starts)
