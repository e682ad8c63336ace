"""Placement laws of a grammar as flat tables, which the kernels of `placement` read.

Each combination of conditions that examples show has its own rules, blocks, edges and slots, a range of
each table. Slots are places for one element, edges are spacings, blocks are slots tied by edges; copies of
a rule are blocks of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from seqgra.alphabet import SETS
from seqgra.grammar.blocks import Block, Edge, blocks_of, parent_wins, written_order
from seqgra.grammar.combinations import ROLES, Applied, applied_rules
from seqgra.grammar.laws import Law, highest, table
from seqgra.grammar.schema import Arrangement, Grammar
from seqgra.streams import cumulative63

#: Where a block starts.
UNIFORM, CENTER, END, BY_LAW = range(4)
STRANDS = {"+": 0, "-": 1, "random": 2}
ORIENTATIONS = {"same": 0, "convergent": 1, "divergent": 2, "any": 3}
#: Whose letters stand in the columns that two elements share.
PRODUCT, FIRST, LAST = range(3)
#: No law: all slots of a rule are placed.
ALL = -1

#: An integer law: `count` values from `low` on, equally likely, or the rows `first` to `end` of `values`.
LAW = np.dtype([(name, np.int32) for name in ("low", "count", "first", "end")])
#: First slot, block, edge and rule of a combination; the next one's are its ends.
COMBINATION = np.dtype([(name, np.int32) for name in ("slot", "block", "edge", "rule")])
#: `exclusive`: rules of the run that starts here, of which at most one applies; 0 elsewhere, -1 inside it.
RULE = np.dtype(
    [(name, np.int32) for name in ("exclusive", "blocks", "copies", "most_copies", "k_of")]
)
#: Slots and edges of a block are ranges; `root` is the slot (within the block) that edges start from.
BLOCK = np.dtype(
    [
        (name, np.int32)
        for name in (
            *("rule", "slot", "end_slot", "edge", "end_edge"),
            *("start", "start_law", "strand", "orientation"),
        )
    ]
)
#: `parent` and `child` are slots within the block; `shared` says whose letters shared columns have.
EDGE = np.dtype(
    [(name, np.int32) for name in ("parent", "child", "after", "random", "gap", "shared")]
)
#: `tied`: slot (within the combination) that an edge leads here from, -1 for none; `paste`: slot that is
#: written at this slot's turn.
SLOT = np.dtype(
    [(n, np.int32) for n in ("role", "condition", "rule", "choices", "tied", "edge", "paste")]
)


class Placement(NamedTuple):
    """The placement laws of all combinations."""

    #: Whether elements may overlap.
    overlap: bool
    #: Records of the types above; `combinations` has one more, where the tables end.
    combinations: np.ndarray
    rules: np.ndarray
    blocks: np.ndarray
    edges: np.ndarray
    slots: np.ndarray
    laws: np.ndarray
    #: uint64 (sets, R): chance of each rule in units of 2**-63; cumulative over exclusive ones.
    chances: np.ndarray
    #: int32, uint64 (V,): ascending values beside their scale-63 law, so that "among those that fit" is a
    #: prefix.
    values: np.ndarray
    weights: np.ndarray
    #: int32 (E,): of each element of the grammar.
    width: np.ndarray

    @property
    def most_slots(self) -> int:
        """Slots of the combination that has most."""
        return int(np.diff(self.combinations["slot"]).max())


class _Tables:
    """Collects the records while `compile_placement` walks through the combinations."""

    def __init__(self, grammar: Grammar) -> None:
        self.elements = {name: number for number, name in enumerate(grammar.elements)}
        self.combinations: list[tuple[int, ...]] = []
        self.rules: list[tuple[int, ...]] = []
        self.blocks: list[tuple[int, ...]] = []
        self.edges: list[tuple[int, ...]] = []
        self.slots: list[tuple[int, ...]] = []
        self.laws: list[tuple[int, ...]] = []
        self.chances: list[list[int]] = []
        self.values: list[int] = []
        self.weights: list[int] = []

    def begin(self) -> None:
        """Begin a combination, or close the last one."""
        self.first_slot = len(self.slots)
        ends = (len(self.slots), len(self.blocks), len(self.edges), len(self.rules))
        self.combinations.append(ends)

    def add_rules(self, rules: list[Applied]) -> None:
        """Add the rules of the combination that was begun."""
        for number, applied in enumerate(rules):
            run = _run(rules, number) if applied.exclusive else []
            marker = len(run) if run and run[0] == number else -1 if run else 0
            before = [rules[n] for n in run if n < number]
            sums = [
                min(sum(other.chances[s] for other in before) + applied.chances[s], 1.0)
                for s in range(len(SETS))
            ]
            self.chances.append([round(chance * 2**63) for chance in sums])
            self._add_rule(applied, number, marker)

    def _add_rule(self, applied: Applied, number: int, exclusive: int) -> None:
        rule, most = applied.rule, highest(applied.rule.copies)
        k_of = ALL if rule.k_of is None else self._add_law(rule.k_of)
        blocks = blocks_of(rule)
        copies = self._add_law(rule.copies)
        start, start_law = self._add_start(rule)
        self.rules.append((exclusive, len(blocks), copies, most, k_of))
        for _ in range(most):
            for block in blocks:
                slot, edge = len(self.slots), len(self.edges)
                self._add_slots(block, applied)
                ends = (number, slot, len(self.slots), edge, len(self.edges))
                strands = (STRANDS[rule.strand], ORIENTATIONS[rule.orientation])
                self.blocks.append((*ends, start, start_law, *strands))

    def _add_slots(self, block: Block, applied: Applied) -> None:
        first = len(self.slots) - self.first_slot
        edge_of = {edge.child: edge for edge in block.edges}
        order = written_order(block)
        for n, slot in enumerate(block.slots):
            weights = applied.rule.elements[slot]
            choices = self._add_law({self.elements[e]: w for e, w in weights.items() if w > 0})
            tied, number = -1, -1
            if n in edge_of:
                tied = first + edge_of[n].parent
                number = len(self.edges) + block.edges.index(edge_of[n])
            identity = (ROLES.index(applied.role), applied.condition, applied.number)
            self.slots.append((*identity, choices, tied, number, first + order[n]))
        for edge in block.edges:
            gap, random = self._add_law(edge.spacing.gap), edge.spacing.order == "random"
            row = (edge.parent, edge.child, int(edge.after), int(random), gap, _shared(edge))
            self.edges.append(row)

    def _add_start(self, rule: Arrangement) -> tuple[int, int]:
        if rule.position in ("random", "center", "end"):
            kinds = {"random": UNIFORM, "center": CENTER, "end": END}
            return kinds[rule.position], ALL
        if rule.position == "start":
            return BY_LAW, self._add_law((0, 0))
        if isinstance(rule.position, tuple):
            return BY_LAW, self._add_law((rule.position[0] - 1, rule.position[1] - 1))
        starts = {start - 1: weight for start, weight in table(rule.position).items()}
        return BY_LAW, self._add_law(starts)

    def _add_law(self, law: Law | Mapping[int, float]) -> int:
        if isinstance(law, tuple):
            self.laws.append((law[0], law[1] - law[0] + 1, 0, 0))
        elif len(law) == 1:
            self.laws.append((next(iter(law)), 1, 0, 0))
        else:
            first = len(self.values)
            self.values += law
            self.weights += cumulative63(law.values()).tolist()
            self.laws.append((self.values[first], 0, first, len(self.values)))
        return len(self.laws) - 1


def _run(rules: list[Applied], number: int) -> list[int]:
    """Return the numbers of the exclusive rules of the same condition."""
    condition = rules[number].condition
    return [n for n, rule in enumerate(rules) if rule.exclusive and rule.condition == condition]


def _shared(edge: Edge) -> int:
    """Return whose letters shared columns have: product, or those of the edge's parent or child."""
    if edge.spacing.shared == "product":
        return PRODUCT
    return FIRST if parent_wins(edge) else LAST


def compile_placement(grammar: Grammar) -> Placement:
    """Return the placement laws of a resolved grammar, in the order of `Grammar.combinations`."""
    tables = _Tables(grammar)
    for shown in grammar.combinations:
        tables.begin()
        tables.add_rules(applied_rules(grammar, shown))
    tables.begin()
    return Placement(
        overlap=grammar.overlap == "allow",
        combinations=np.array(tables.combinations, COMBINATION),
        rules=np.array(tables.rules, RULE),
        blocks=np.array(tables.blocks, BLOCK),
        edges=np.array(tables.edges, EDGE),
        slots=np.array(tables.slots, SLOT),
        laws=np.array(tables.laws, LAW),
        chances=np.array(tables.chances, np.uint64).reshape(-1, len(SETS)).T.copy(),
        values=np.array(tables.values, np.int32),
        weights=np.array(tables.weights, np.uint64),
        width=np.array([element.width for element in grammar.elements.values()], np.int32),
    )
