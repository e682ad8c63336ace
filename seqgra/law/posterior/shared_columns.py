"""Whose letters stand in each column where elements of one block overlap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.grammar.blocks import Block, Edge, written_order
from seqgra.law.posterior.site_probabilities import SiteTable


class Placing(NamedTuple):
    """What is drawn for a block once: elements, orders, reversal and strands (by slot)."""

    elements: tuple[str, ...]
    after: tuple[bool, ...]
    reverse: bool
    strands: tuple[int, ...]


def shown_parts(
    sites: SiteTable, block: Block, placing: Placing, starts: np.ndarray, overlap: bool
) -> tuple[list[int], list[int]] | None:
    """Return the parts that show in a configuration and their offsets; None if it may not be.

    Parameters
    ----------
    sites
        Gets the parts.
    block, placing
        What is placed.
    starts
        int64 (S,): first letter of each slot.
    overlap
        Whether elements that no spacing ties may overlap.
    """
    first = starts.tolist()
    ends = [s + sites.width(e) for s, e in zip(first, placing.elements, strict=True)]
    tied = {frozenset((edge.parent, edge.child)) for edge in block.edges}
    for s in range(len(first)):
        for t in range(s):
            apart = ends[s] <= first[t] or ends[t] <= first[s]
            if not (apart or overlap or frozenset((s, t)) in tied):
                return None
    owner: dict[int, tuple[str, int]] = {}
    order = written_order(block)
    products = {edge.child: edge for edge in block.edges if edge.spacing.shared == "product"}
    for slot in order:
        owner |= {column: ("slot", slot) for column in range(first[slot], ends[slot])}
        if slot in products:  # its parent is written before it
            parent = products[slot].parent
            both = range(max(first[parent], first[slot]), min(ends[parent], ends[slot]))
            owner |= {column: ("edge", slot) for column in both}
    parts, offsets = [], []
    for slot in order:
        shown = tuple(owner[c] == ("slot", slot) for c in range(first[slot], ends[slot]))
        if any(shown):
            parts.append(sites.part(placing.elements[slot], placing.strands[slot], shown))
            offsets.append(first[slot])
    for child, edge in sorted(products.items()):
        for column in sorted(c for c, who in owner.items() if who == ("edge", child)):
            parts.append(sites.shared(_product(sites, placing, edge, first, column)))
            offsets.append(column)
    return parts, offsets


def _product(
    sites: SiteTable, placing: Placing, edge: Edge, first: list[int], column: int
) -> np.ndarray:
    """Return the letter law of a column that two elements share: p1 p2 / b, float64 (1, A)."""
    law = 1 / sites.background
    for slot in (edge.parent, edge.child):
        columns = sites.columns(placing.elements[slot], placing.strands[slot])
        law = law * columns[column - first[slot]]
    return np.asarray(law / law.sum())[None]
