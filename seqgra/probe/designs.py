"""What is asked of a model: constructed sequences that differ in one property of a rule, and in nothing else.

A *design* asks one question of one rule. Its *cells* are the same question at another gap or place, and the
*arms* of a cell are versions of the same sequences: row b of every arm has background b. Which designs there
are follows from the grammar alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from seqgra.grammar.backgrounds import Background
from seqgra.grammar.schema import Grammar
from seqgra.labels import NONE
from seqgra.law.constructed import BlockSpacing, Construction, RuleBlock, overlapping
from seqgra.law.placement import Placed
from seqgra.streams import stream

#: Backgrounds, and so sequences of each arm of a cell.
BACKGROUNDS = 200
#: Fewer sequences than this make no cell.
FEWEST = 50
#: Placements drawn of each combination of conditions, from which those of each cell are chosen.
DRAWN = 16384
#: Quantiles of a gap's distribution at which its bins end.
GAP_QUANTILES = (0.05, 0.134, 0.345, 0.68, 1.0)
#: Fewer gaps than this make no bin.
FEWEST_GAPS = 3
#: Thirds of the starts that a block has.
PLACES = ("left", "middle", "right")
#: Where a block is moved to: shares of the room that it has.
_MOVED = {"left": (0.0, 0.1), "middle": (0.45, 0.55), "right": (0.9, 1.0)}
#: Gaps at which the curve of a spacing is drawn, about; the same of starts, over the window and within what
#: conditions make.
_CURVE, _STARTS = 24, (16, 12)
#: Properties whose measure at each gap, start or number of copies is drawn.
CURVES = ("spacing curve", "position curve", "copies curve")
#: Arm of sufficiency that holds the rule; the others are named as conditions, which have a name.
THE_RULE = ""
#: Place of a point of a curve that no condition makes.
NEVER_MADE = "never made"
#: Conditions that are asked about at most; pairs of them that differ in a property; and of grammars with so
#: many conditions the curves of such pairs.
MOST_CONDITIONS, MOST_PAIRS, MOST_CURVES = 10, 6, 2
#: Properties that are asked by comparing conditions that differ in nothing else.
CONTRASTS = ("position", "strand", "orientation", "copies", "affinity")
#: Change of the GC content of shifted backgrounds.
_GC_SHIFT = 0.1


class ProbeCell(NamedTuple):
    """One question at one gap and place."""

    #: First and last gap, None where no gap matters.
    gap: tuple[int, int] | None
    #: One of `PLACES`, or empty.
    place: str
    #: Name -> int64 (n,): rows of the sequences; row i of every arm has background i.
    arms: dict[str, np.ndarray]


@dataclass(frozen=True)
class Design:
    """A question about one rule.

    Attributes
    ----------
    property
        Such as ``order``.
    condition, other
        Numbers of the condition y whose rule it is, and of y' that it is compared with; -1 for none.
    rule
        Place of the rule in the grammar.
    subject
        The elements it is about.
    cells
        Where it is asked.
    reason
        Why it cannot be asked, where there are no cells.
    """

    property: str
    condition: int
    rule: str
    subject: str
    cells: tuple[ProbeCell, ...] = ()
    other: int = -1
    reason: str = ""

    def rows(self) -> Iterator[np.ndarray]:
        """Yield the rows of each arm of each cell, int64 (n,)."""
        for cell in self.cells:
            yield from cell.arms.values()


def asked_about(design: Design) -> str:
    """Return the property that a design is about: a curve is about that whose curve it is."""
    return design.property.removesuffix(" curve")


@dataclass
class Sequences:
    """The sequences of all designs, in the order in which they were made."""

    parts: list[np.ndarray] = field(default_factory=list)
    count: int = 0

    def add(self, x: np.ndarray) -> np.ndarray:
        """Add sequences (uint8 (n, L)) and return their rows: int64 (n,)."""
        rows = np.arange(self.count, self.count + len(x))
        self.parts.append(x)
        self.count += len(x)
        return rows


class _Drawn(NamedTuple):
    """Placements of one condition."""

    combination: int
    blocks: list[RuleBlock]
    #: With the grammar's confounders, and without.
    confounded: Placed
    placed: Placed

    @property
    def tied(self) -> tuple[tuple[int, int], ...]:
        return tuple((e.parent, e.child) for block in self.blocks for e in block.edges)


class _Sides(NamedTuple):
    """Pairs of elements: slots of the left and the right one, int64 (N,); widths, (2, N); gap, (N,)."""

    left: np.ndarray
    right: np.ndarray
    widths: np.ndarray
    gap: np.ndarray


class Designer:
    """Makes the designs of a grammar.

    Attributes
    ----------
    sequences
        The sequences so far.

    Parameters
    ----------
    grammar
        Resolved.
    seed
        Of the sequences, not negative.
    set_name
        Whose distributions hold.

    Raises
    ------
    InputError
        If the elements can hardly be placed without overlap, or a FASTA file cannot be read.
    """

    def __init__(self, grammar: Grammar, seed: int, set_name: str = "test") -> None:
        self.grammar, self.seed, self.set_name = grammar, seed, set_name
        self.construction = Construction(grammar, BACKGROUNDS, seed, set_name)
        self.sequences = Sequences()
        self.names = tuple(grammar.conditions)
        self.elements = tuple(grammar.elements)
        self.drawn: dict[int, _Drawn] = {}
        for condition in range(len(self.names)):
            combination = self.construction.combination(condition)
            if combination is not None:
                self.drawn[condition] = self._draw(combination, DRAWN, f"condition {condition}")
        self.asked = [*self.drawn][:MOST_CONDITIONS]
        self._random = np.random.Generator(stream(seed, "designs", "constructed", 0))

    def designs(self) -> list[Design]:
        """Return every design that the grammar gives reason for, cells in a fixed order."""
        makers: tuple[Callable[[], Iterator[Design]], ...] = (
            self._vocabulary,
            self._sufficiency,
            self._order,
            self._spacing,
            self._translation,
            self._contrasts,
            self._position_curves,
            self._copies_curves,
            self._logic,
            self._confounders,
            self._shift,
        )
        return [design for make in makers for design in make()]

    # --- what all designs share

    def _draw(self, combination: int, count: int, purpose: str) -> _Drawn:
        blocks = self.construction.blocks(combination)
        placed = self.construction.draw(combination, count, purpose)
        start = placed.start.copy()
        start[:, [s for b in blocks if b.role == "confounder" for s in b.slots]] = -1
        return _Drawn(combination, blocks, placed, placed._replace(start=start))

    def _write(self, condition: int, placed: Placed, chosen: np.ndarray) -> np.ndarray:
        """Write the chosen placements (n <= B of them) over backgrounds 0 to n - 1: uint8 (n, L)."""
        filled = np.resize(chosen, self.construction.backgrounds)
        scene = Placed(*(part[filled] for part in placed))
        return self.construction.write(self.drawn[condition].combination, scene)[: len(chosen)]

    def _arm(self, condition: int, placed: Placed, chosen: np.ndarray) -> np.ndarray:
        return self.sequences.add(self._write(condition, placed, chosen))

    def _rules(self, condition: int) -> list[RuleBlock]:
        """Return the first copies of the blocks that a condition's own rules place."""
        return [
            block
            for block in self.drawn[condition].blocks
            if block.role == "grammar" and block.condition == condition and block.copy == 0
        ]

    def _place(self, condition: int, rule: int) -> str:
        return f"conditions.{self.names[condition]}.rules[{rule}]"

    def _called(self, numbers: Sequence[int]) -> str:
        return " or ".join(self.elements[number] for number in numbers)

    def _pair_name(self, block: RuleBlock) -> str:
        return ", ".join(self._called(numbers) for numbers in block.elements)

    def _there(self, condition: int, block: RuleBlock) -> np.ndarray:
        """Return in which placements all slots of a block are filled: bool (N,)."""
        return np.asarray((self.drawn[condition].placed.start[:, block.slots] >= 0).all(axis=1))

    def _span(self, placed: Placed, slots: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the first letter and the end of some slots: int64 (N,) each."""
        start = placed.start[:, slots].astype(np.int64)
        end = start + self.construction.width[placed.element[:, slots]]
        return start.min(axis=1), end.max(axis=1)

    # --- vocabulary and sufficiency

    def _vocabulary(self) -> Iterator[Design]:
        """Each element of each rule: the sequence, and the same with the element's letters replaced."""
        for condition in self.asked:
            drawn = self.drawn[condition]
            background = self.construction.background()
            slots: dict[tuple[int, int], list[int]] = {}
            for block in drawn.blocks:
                if block.role == "grammar" and block.condition == condition:
                    for slot, numbers in zip(block.slots, block.elements, strict=True):
                        for number in numbers:
                            slots.setdefault((block.rule, number), []).append(slot)
            for (rule, number), own in slots.items():
                held = drawn.placed.element[:, own] == number
                held &= drawn.placed.start[:, own] >= 0
                chosen = np.flatnonzero(held.any(axis=1))[:BACKGROUNDS]
                place, subject = self._place(condition, rule), self.elements[number]
                if len(chosen) < FEWEST:
                    yield Design("vocabulary", condition, place, subject, reason=_RARE)
                    continue
                x = self._write(condition, drawn.placed, chosen)
                without = x.copy()
                position = np.arange(x.shape[1])
                for slot, where in zip(own, held[chosen].T, strict=True):
                    start = np.where(where, drawn.placed.start[chosen, slot], x.shape[1])[:, None]
                    inside = (position >= start) & (
                        position < start + self.construction.width[number]
                    )
                    without[inside] = background[: len(x)][inside]
                arms = {"with": self.sequences.add(x), "without": self.sequences.add(without)}
                yield Design("vocabulary", condition, place, subject, (ProbeCell(None, "", arms),))

    def _sufficiency(self) -> Iterator[Design]:
        """Each rule: its sequences, and those of every other condition, on the same backgrounds.

        Where there is no other one, those of examples that show none.
        """
        if len(self.asked) < 2 and self.grammar.task == "multi-class":
            return
        all_rows = np.arange(BACKGROUNDS)
        typical = {self.names[c]: self._arm(c, self.drawn[c].placed, all_rows) for c in self.asked}
        without = np.flatnonzero(~self.construction.law.labels.any(axis=1))
        if len(typical) == 1 and without.size:
            none = self._draw(int(without[0]), BACKGROUNDS, "no condition")
            x = self.construction.write(none.combination, none.placed)
            typical[NONE] = self.sequences.add(x)
        for condition in self.asked:
            for rule, blocks in itertools.groupby(self._rules(condition), lambda b: b.rule):
                there = np.all([self._there(condition, block) for block in blocks], axis=0)
                chosen = np.flatnonzero(there)[:BACKGROUNDS]
                place = self._place(condition, rule)
                if len(chosen) < FEWEST or len(typical) == 1:
                    reason = _RARE if len(chosen) < FEWEST else "no other condition"
                    yield Design("sufficiency", condition, place, "", reason=reason)
                    continue
                own = self._arm(condition, self.drawn[condition].placed, chosen)
                arms = {THE_RULE: own} | {
                    name: rows[: len(own)]
                    for name, rows in typical.items()
                    if name != self.names[condition]
                }
                yield Design("sufficiency", condition, place, "", (ProbeCell(None, "", arms),))

    # --- order

    def _order(self) -> Iterator[Design]:
        """Each spacing in a fixed order that another condition reverses: the pair, and the pair swapped.

        Where no condition places the elements the other way round, no example teaches their order.
        """
        edges = [(c, block, e) for c in self.asked for block in self._rules(c) for e in block.edges]
        each = _sequences_each(len(edges))
        for condition, block, edge in edges:
            left, right = _elements_of(block, edge)
            if edge.random or left == right:
                continue
            place = self._place(condition, block.rule)
            subject = f"{self._called(left)}, {self._called(right)}"
            found = Design("order", condition, place, subject)
            other = self._reversed_in(condition, block, edge)
            if other is None:
                yield replace(found, reason="no condition has the elements in another order")
                continue
            multi_label = self.grammar.task == "multi-label"
            cells = tuple(self._order_cells(condition, block, edge, each))
            yield replace(
                found,
                cells=cells,
                other=-1 if multi_label else other,
                reason="" if cells else _NO_ROOM,
            )

    def _reversed_in(self, condition: int, block: RuleBlock, edge: BlockSpacing) -> int | None:
        """Return another condition that places the elements of a spacing the other way round, if any."""
        left, right = _elements_of(block, edge)
        for other in self.drawn:
            for theirs in self._rules(other) if other != condition else ():
                if theirs.strand != block.strand:
                    continue
                for their_edge in theirs.edges:
                    pair = _elements_of(theirs, their_edge)
                    same_gaps = np.isin(edge.gaps, their_edge.gaps).any()
                    if same_gaps and (
                        pair == (right, left) or (their_edge.random and pair == (left, right))
                    ):
                        return other
        return None

    def _order_cells(
        self, condition: int, block: RuleBlock, edge: BlockSpacing, each: int
    ) -> Iterator[ProbeCell]:
        one, two = edge.parent, edge.child
        drawn = self.drawn[condition]
        placed, width = drawn.placed, self.construction.width
        start, end = self._span(placed, (one, two))
        gap = end - start - width[placed.element[:, [one, two]]].sum(axis=1)
        swapped = placed._replace(start=placed.start.copy())
        first = placed.start[:, one] < placed.start[:, two]
        left, right = np.where(first, one, two), np.where(first, two, one)
        rows = np.arange(len(start))
        swapped.start[rows, right] = start
        swapped.start[rows, left] = end - width[placed.element[rows, left]]
        usable = self._there(condition, block) & (gap >= 0)
        usable &= ~overlapping(swapped, width, drawn.tied)
        block_start, block_end = self._span(placed, block.slots)
        room = self.construction.law.window - (block_end - block_start)
        third = np.where(room > 0, np.minimum(3 * block_start // np.maximum(room + 1, 1), 2), 1)
        fits = self.construction.law.window - sum(
            width[list(block.elements[block.slots.index(s)])].min() for s in (one, two)
        )
        for low, high in gap_bins(edge.gaps, edge.weights, fits):
            for number, place in enumerate(PLACES):
                here = usable & (gap >= low) & (gap <= high) & (third == number)
                chosen = np.flatnonzero(here)[:each]
                if len(chosen) >= FEWEST:
                    arms = {
                        "as it is": self._arm(condition, placed, chosen),
                        "swapped": self._arm(condition, swapped, chosen),
                    }
                    yield ProbeCell((low, high), place, arms)

    # --- spacing

    def _spacing(self) -> Iterator[Design]:
        """Pairs of conditions that place the same elements at other gaps: one held, the others moved."""
        pairs = (
            (condition, other, mine, theirs)
            for condition, other in itertools.combinations(self.drawn, 2)
            for mine, theirs in itertools.product(self._rules(condition), self._rules(other))
            if _other_gaps(mine, theirs)
        )
        drawn = MOST_CURVES if len(self.drawn) >= MOST_CONDITIONS else MOST_PAIRS
        for number, pair in enumerate(itertools.islice(pairs, MOST_PAIRS)):
            yield from self._spacing_of(*pair, curve=number < drawn)

    def _spacing_of(
        self, condition: int, other: int, mine: RuleBlock, theirs: RuleBlock, curve: bool
    ) -> Iterator[Design]:
        """The spacing of two blocks with the same elements, and its curve if asked for."""
        place, subject = self._place(condition, mine.rule), self._pair_name(mine)
        found = Design("spacing", condition, place, subject, other=other)
        if not (mine.free and theirs.free):
            yield replace(found, reason="the position of the pair is not free")
            return
        cells = [
            cell
            for held in range(len(mine.slots))
            if (cell := self._held(condition, other, mine, theirs, held)) is not None
        ]
        if len(cells) < len(mine.slots):
            yield replace(found, reason=_NO_ROOM)
            return
        yield replace(found, cells=tuple(cells))
        if curve and len(mine.slots) == 2:
            points = tuple(self._spacing_curve(condition, other, mine, theirs))
            yield replace(found, property="spacing curve", cells=points)

    def _sides(self, condition: int, block: RuleBlock) -> _Sides:
        """Return which element of a pair lies left, how wide both are, and their gap."""
        placed, width = self.drawn[condition].placed, self.construction.width
        one, two = block.slots
        rows = np.arange(len(placed.start))
        first = placed.start[:, one] <= placed.start[:, two]
        left, right = np.where(first, one, two), np.where(first, two, one)
        widths = np.stack([width[placed.element[rows, side]] for side in (left, right)])
        gap = placed.start[rows, right] - placed.start[rows, left] - widths[0]
        return _Sides(left, right, widths.astype(np.int64), gap.astype(np.int64))

    def _held(
        self, condition: int, other: int, mine: RuleBlock, theirs: RuleBlock, held: int
    ) -> ProbeCell | None:
        """Hold the n-th element from the left where the blocks of both conditions fit.

        All that is not of the block is of one condition's example, in both arms.
        """
        width, many = self.construction.width, len(mine.slots)
        rows, usable = np.arange(DRAWN)[:, None], np.ones(DRAWN, bool)
        offsets, spans, shown, slots = [], [], [], []
        for number, block in ((condition, mine), (other, theirs)):
            placed = self.drawn[number].placed
            order = np.array(block.slots)[np.argsort(placed.start[:, block.slots], axis=1)]
            start = placed.start[rows, order].astype(np.int64)
            end = start + width[placed.element[rows, order]]
            usable &= self._there(number, block) & (start[:, 1:] >= end[:, :-1]).all(axis=1)
            offsets.append(start - start[:, held : held + 1])
            spans.append((start[:, held] - start.min(axis=1), end.max(axis=1) - start[:, held]))
            shown.append((placed.element[rows, order], placed.strand[rows, order]))
            slots.append(order)
        for one, two in zip(*shown, strict=True):  # the same elements, facing the same way
            usable &= (one == two).all(axis=1)
        before, after = (np.maximum(*sides) for sides in zip(*spans, strict=True))
        room = self.construction.law.window - before - after
        place = before + (self._random.random(DRAWN) * (room + 1)).astype(np.int64)
        usable &= room >= 0
        drawn, scenes = self.drawn[condition], []
        for offset in offsets:
            scene = drawn.placed._replace(start=drawn.placed.start.copy())
            scene.start[rows, slots[0]] = place[:, None] + offset
            usable &= ~overlapping(scene, width, drawn.tied)
            scenes.append(scene)
        chosen = np.flatnonzero(usable)[:BACKGROUNDS]
        if len(chosen) < FEWEST:
            return None
        which = (
            ("left element", "right element")[held]
            if many == 2
            else f"element {held + 1} of {many}"
        )
        return self._pair_of_arms(condition, scenes, chosen, f"{which} held")

    def _pair_of_arms(
        self, condition: int, scenes: Sequence[Placed], chosen: np.ndarray, place: str = ""
    ) -> ProbeCell:
        """Return the cell of two versions of the same examples of a condition."""
        arms = zip(("condition", "other"), scenes, strict=True)
        return ProbeCell(
            None, place, {arm: self._arm(condition, scene, chosen) for arm, scene in arms}
        )

    def _set_pair(self, condition: int, side: _Sides, gap: np.ndarray, start: np.ndarray) -> Placed:
        """Return the placements with a pair at given gaps and starts, int64 (N,)."""
        placed = self.drawn[condition].placed
        placed = placed._replace(start=placed.start.copy())
        rows = np.arange(len(start))
        placed.start[rows, side.left] = start
        placed.start[rows, side.right] = start + side.widths[0] + gap
        return placed

    def _spacing_curve(
        self, condition: int, other: int, mine: RuleBlock, theirs: RuleBlock
    ) -> Iterator[ProbeCell]:
        """Gaps from the least to the largest, also those that the grammar never makes, of one condition."""
        window, width = self.construction.law.window, self.construction.width
        pairs = {condition: mine, other: theirs}
        sides = {number: self._sides(number, block) for number, block in pairs.items()}
        most = window - int(min(side.widths.sum(axis=0).min() for side in sides.values()))
        made = {
            number: {g for g in block.edges[0].gaps.tolist() if 0 <= g <= most}
            for number, block in pairs.items()
        }
        every = sorted(set.union(*made.values()))
        side, drawn = sides[condition], self.drawn[condition]
        for gap in np.unique(np.linspace(every[0], every[-1], _CURVE).round().astype(int)).tolist():
            room = window - side.widths.sum(axis=0) - gap
            start = (self._random.random(DRAWN) * np.maximum(room + 1, 1)).astype(np.int64)
            scene = self._set_pair(condition, side, np.full(DRAWN, gap), start)
            usable = self._there(condition, mine) & (room >= 0)
            usable &= ~overlapping(scene, width, drawn.tied)
            chosen = np.flatnonzero(usable)[: BACKGROUNDS // 2]
            if len(chosen) >= FEWEST:
                arms = {"block": self._arm(condition, scene, chosen)}
                yield ProbeCell((gap, gap), self._made_by(gap, made), arms)

    def _made_by(self, point: int, made: dict[int, set[int]]) -> str:
        """Return the place of a point of a curve: which conditions make it."""
        makers = [self.names[number] for number, points in made.items() if point in points]
        return f"made by {' and '.join(makers)}" if makers else NEVER_MADE

    # --- translation

    def _translation(self) -> Iterator[Design]:
        """Blocks that may lie anywhere, moved to the left, the middle and the right of their room."""
        movable = {
            condition: block
            for condition in self.asked
            if (block := next((b for b in self._rules(condition) if b.free), None)) is not None
        }
        if len(movable) < 2:
            return
        scenes: dict[str, dict[int, tuple[Placed, np.ndarray]]] = {}
        for place, (low, high) in _MOVED.items():
            scenes[place] = {}
            for condition, block in movable.items():
                drawn = self.drawn[condition]
                start, end = self._span(drawn.placed, block.slots)
                room = self.construction.law.window - (end - start)
                share = low + (high - low) * self._random.random(DRAWN)
                step = np.rint(share * room).astype(np.int64) - start
                scene = drawn.placed._replace(start=drawn.placed.start.copy())
                scene.start[:, block.slots] += step[:, None].astype(np.int32)
                usable = self._there(condition, block) & (room > 0)
                usable &= ~overlapping(scene, self.construction.width, drawn.tied)
                scenes[place][condition] = (scene, np.flatnonzero(usable)[:BACKGROUNDS])
        count = min(len(rows) for found in scenes.values() for _, rows in found.values())
        count = min(count, _sequences_each(len(movable)))
        if count < FEWEST:
            yield Design("translation", -1, "", "", reason=_NO_ROOM)
            return
        cells = tuple(
            ProbeCell(
                None,
                place,
                {
                    self.names[condition]: self._arm(condition, scene, rows[:count])
                    for condition, (scene, rows) in found.items()
                },
            )
            for place, found in scenes.items()
        )
        yield Design("translation", -1, "", "", cells)

    # --- position, strand, orientation, copies, affinity: conditions that differ in nothing else

    def _contrasts(self) -> Iterator[Design]:
        """Pairs of conditions whose rules differ in one property alone: sequences of both."""
        pairs = (
            (condition, other, found)
            for condition, other in itertools.combinations(self.drawn, 2)
            if (found := self._only_difference(condition, other)) is not None
        )
        for condition, other, found in itertools.islice(pairs, MOST_PAIRS):
            name, mine, theirs = found
            place, subject = self._place(condition, mine.rule), self._pair_name(mine)
            design = Design(name, condition, place, subject, other=other)
            if name == "copies":
                cell = self._other_copies(condition, other, mine, theirs)
            elif self._places_one(condition) and self._places_one(other):
                cell = self._exchanged(
                    name, (condition, other), *map(self._rules, (condition, other))
                )
            else:
                cell = self._exchanged(name, (condition, other), [mine], [theirs])
            yield replace(design, cells=(cell,)) if cell else replace(design, reason=_RARE)

    def _exchanged(
        self,
        name: str,
        conditions: tuple[int, int],
        mine: Sequence[RuleBlock],
        theirs: Sequence[RuleBlock],
    ) -> ProbeCell | None:
        """Examples of a condition, and the same with their block as the other condition has it.

        The block is one of `mine` and one of `theirs`, which differ in the property `name` alone.
        """
        placed, given = (self.drawn[number].placed for number in conditions)
        there, own = self._filled(conditions[0], mine)
        given_there, other = self._filled(conditions[1], theirs)
        rows, scene = np.arange(DRAWN)[:, None], Placed(*(part.copy() for part in placed))
        start = given.start[rows, other].astype(np.int64)
        if name != "position":  # at the same place
            start += (placed.start[rows, own].min(axis=1) - start.min(axis=1))[:, None]
        scene.start[rows, own] = start
        scene.element[rows, own] = given.element[rows, other]
        scene.strand[rows, own] = given.strand[rows, other]
        end = start + self.construction.width[scene.element[rows, own]]
        usable = there & given_there & (end <= self.construction.law.window).all(axis=1)
        usable &= ~overlapping(scene, self.construction.width, self.drawn[conditions[0]].tied)
        if name != "affinity":
            usable &= (scene.element == placed.element).all(axis=1)
        chosen = np.flatnonzero(usable)[:BACKGROUNDS]
        if len(chosen) < FEWEST:
            return None
        return self._pair_of_arms(conditions[0], (placed, scene), chosen)

    def _filled(self, condition: int, blocks: Sequence[RuleBlock]) -> tuple[np.ndarray, np.ndarray]:
        """Return whether one of like blocks is there, bool (N,), and the slots of the first: int64 (N, K)."""
        there = np.array([self._there(condition, block) for block in blocks])
        slots = np.array([block.slots for block in blocks])
        return np.asarray(there.any(axis=0)), slots[there.argmax(axis=0)]

    def _other_copies(
        self, condition: int, other: int, mine: RuleBlock, theirs: RuleBlock
    ) -> ProbeCell | None:
        """Examples with the most copies, cut down to as many as each of two conditions has."""
        copies = {n: self._copies_of(n, block) for n, block in ((condition, mine), (other, theirs))}
        there = {n: self._which_there(n, blocks) for n, blocks in copies.items()}
        number = max(copies, key=lambda n: len(copies[n]))
        chosen = np.flatnonzero(there[number].all(axis=1))[:BACKGROUNDS]
        counts = [own.sum(axis=1) for own in there.values()]
        counts = [np.resize(own[own > 0], len(chosen)) for own in counts]
        if len(chosen) < FEWEST:
            return None
        scenes = []
        for own in counts:
            many = np.zeros(DRAWN, np.int64)
            many[chosen] = own
            scenes.append(self._fewer(number, copies[number], there[number], many))
        return self._pair_of_arms(number, scenes, chosen)

    def _copies_of(self, condition: int, first: RuleBlock) -> list[RuleBlock]:
        return [
            block
            for block in self.drawn[condition].blocks
            if block[:3] == first[:3] and block.elements == first.elements
        ]

    def _which_there(self, condition: int, blocks: Sequence[RuleBlock]) -> np.ndarray:
        """Return which blocks are there: bool (N, blocks)."""
        return np.stack([self._there(condition, block) for block in blocks], axis=1)

    def _fewer(
        self, condition: int, copies: Sequence[RuleBlock], there: np.ndarray, many: np.ndarray | int
    ) -> Placed:
        """Return the placements with at most so many of the copies, int64 (N,) or the same for all."""
        placed = self.drawn[condition].placed
        scene = placed._replace(start=placed.start.copy())
        surplus = np.cumsum(there, axis=1) > np.reshape(many, (-1, 1))
        for block, out in zip(copies, surplus.T, strict=True):
            for slot in block.slots:
                scene.start[out, slot] = -1
        return scene

    def _places_one(self, condition: int) -> bool:
        """Return whether every example of a condition has one block of its rules, and no other."""
        rules = self._rules(condition)
        exclusive = self.grammar.conditions[self.names[condition]].mode == "mutually-exclusive"
        placed = self.drawn[condition].placed
        there = [(placed.start[:, block.slots] >= 0).all(axis=1) for block in rules]
        single = all(block.copies.tolist() == [1] for block in rules)
        return single and (len(rules) == 1 or exclusive) and bool(np.any(there, axis=0).all())

    def _only_difference(
        self, condition: int, other: int
    ) -> tuple[str, RuleBlock, RuleBlock] | None:
        """Return the one property of `CONTRASTS` in which two conditions differ, and the blocks that do.

        Either each of their rules is like its counterpart but for one, or every example of both has one
        block, and all blocks of the one differ from all of the other in the same property.
        """
        rules = self._rules(condition), self._rules(other)
        if self._places_one(condition) and self._places_one(other):
            pairs = list(itertools.product(*rules))
            differences = [self._differences(mine, theirs) for mine, theirs in pairs]
            if len({tuple(differ) for differ in differences}) != 1 or len(differences[0]) != 1:
                return None
        elif len(rules[0]) == len(rules[1]):
            pairs = list(zip(*rules, strict=True))
            differences = [self._differences(mine, theirs) for mine, theirs in pairs]
            if sum(map(len, differences)) != 1:
                return None
        else:
            return None
        (name, mine, theirs), *_ = (
            (differ[0], *pair) for differ, pair in zip(differences, pairs, strict=True) if differ
        )
        return (name, mine, theirs) if name in CONTRASTS else None

    def _differences(self, mine: RuleBlock, theirs: RuleBlock) -> list[str]:
        """Return what two blocks differ in, as far as a property has a name for it."""
        found = []
        if mine.elements != theirs.elements:
            found.append("affinity" if self._same_matrices(mine, theirs) else "elements")
        if [_order_of(e) for e in mine.edges] != [_order_of(e) for e in theirs.edges]:
            found.append("order")
        if any(_gaps_differ(a, b) for a, b in zip(mine.edges, theirs.edges, strict=False)):
            found.append("spacing")
        if mine.free != theirs.free or mine.starts.tolist() != theirs.starts.tolist():
            found.append("position")
        if mine.orientation != theirs.orientation:
            found.append("orientation")  # a pair that faces either way has no strand
        elif mine.strand != theirs.strand:
            found.append("strand")
        if mine.copies.tolist() != theirs.copies.tolist():
            found.append("copies")
        return found

    def _same_matrices(self, mine: RuleBlock, theirs: RuleBlock) -> bool:
        """Return whether elements differ in their affinity bands alone."""
        if [len(e) for e in mine.elements] != [len(e) for e in theirs.elements]:
            return False
        elements = list(self.grammar.elements.values())
        return all(
            elements[a].matrix is not None and elements[a].matrix == elements[b].matrix
            for one, two in zip(mine.elements, theirs.elements, strict=True)
            for a, b in zip(one, two, strict=True)
        )

    # --- curves of position and copies

    def _position_curves(self) -> Iterator[Design]:
        """Blocks that have a position: the block at starts from the left end to the right.

        Compared with another condition that has a position for the same elements, if there is one.
        """
        placed = [(c, block) for c in self.asked for block in self._rules(c) if not block.free]
        drawn: set[tuple[object, ...]] = set()
        for condition, block in placed:
            others = (c for c, b in placed if c != condition and b.elements == block.elements)
            other = next(others, -1)
            key = (block.elements, min(condition, other), max(condition, other))
            if key in drawn or len(drawn) == MOST_CONDITIONS:
                continue
            drawn.add(key)
            own = {
                number: [b for c, b in placed if c == number and b.elements == block.elements]
                for number in (condition, other)
                if number >= 0
            }
            cells = tuple(self._start_cells(own))
            rule, subject = self._place(condition, block.rule), self._pair_name(block)
            found = Design("position curve", condition, rule, subject, cells, other)
            yield found if cells else replace(found, property="position", reason=_NO_ROOM)

    def _start_cells(self, own: dict[int, list[RuleBlock]]) -> Iterator[ProbeCell]:
        """Yield starts of like blocks, by the numbers of their conditions; the first one is moved."""
        window = self.construction.law.window
        made: dict[int, set[int]] = {}
        lengths = []
        for number, blocks in own.items():
            made[number] = set()
            for block in blocks:
                start, end = self._span(self.drawn[number].placed, block.slots)
                there = self._there(number, block)
                made[number] |= set(start[there].tolist())
                lengths += (end - start)[there].tolist()
        if not lengths:
            return
        within = sorted(set.union(*made.values()))
        every, some = (
            np.linspace(0, most, count).round().astype(int)
            for most, count in zip((window - min(lengths), len(within) - 1), _STARTS, strict=True)
        )
        number, (block, *_) = next(iter(own.items()))
        drawn = self.drawn[number]
        start, end = self._span(drawn.placed, block.slots)
        for point in np.unique([*every, *(within[n] for n in some)]).tolist():
            scene = drawn.placed._replace(start=drawn.placed.start.copy())
            scene.start[:, block.slots] += (point - start)[:, None].astype(np.int32)
            usable = self._there(number, block) & (point + end - start <= window)
            usable &= ~overlapping(scene, self.construction.width, drawn.tied)
            chosen = np.flatnonzero(usable)[: BACKGROUNDS // 2]
            if len(chosen) >= FEWEST:
                arms = {"block": self._arm(number, scene, chosen)}
                yield ProbeCell((point, point), self._made_by(point, made), arms)

    def _copies_curves(self) -> Iterator[Design]:
        """Rules with several numbers of copies: none of them, one, and so on to the most."""
        for condition in self.asked:
            for first in self._rules(condition):
                copies = self._copies_of(condition, first)
                if first.copies.size < 2 or len(copies) < first.copies.max():
                    continue
                there = self._which_there(condition, copies)
                number = there.sum(axis=1)
                made = {condition: set(number.tolist())}
                cells = []
                for many in range(len(copies) + 1):
                    chosen = np.flatnonzero(number >= many)[: BACKGROUNDS // 2]
                    if len(chosen) >= FEWEST:
                        scene = self._fewer(condition, copies, there, many)
                        arms = {"block": self._arm(condition, scene, chosen)}
                        cells.append(ProbeCell((many, many), self._made_by(many, made), arms))
                rule, subject = self._place(condition, first.rule), self._pair_name(first)
                yield Design("copies curve", condition, rule, subject, tuple(cells))

    # --- logic

    def _logic(self) -> Iterator[Design]:
        """Which elements are there, where no element by itself decides: a row of the truth table a cell."""
        if self.grammar.task != "multi-class":
            return
        rows: dict[frozenset[int], dict[int, np.ndarray]] = {}
        for condition in self.asked:
            drawn = self.drawn[condition]
            slots = [
                slot
                for block in drawn.blocks
                if block.role == "grammar" and block.condition == condition
                for slot in block.slots
            ]
            there = np.zeros((DRAWN, len(self.elements)), bool)
            for slot in slots:
                filled = np.flatnonzero(drawn.placed.start[:, slot] >= 0)
                there[filled, drawn.placed.element[filled, slot]] = True
            patterns, number = np.unique(there, axis=0, return_inverse=True)
            for n, pattern in enumerate(patterns):
                chosen = np.flatnonzero(number.ravel() == n)[:BACKGROUNDS]
                rows.setdefault(frozenset(np.flatnonzero(pattern).tolist()), {})[condition] = chosen
        if not _is_logic(rows, len(self.elements)):
            return
        cells = []
        for pattern in sorted(rows, key=sorted):
            found = rows[pattern]
            ((condition, chosen),) = found.items() if len(found) == 1 else ((-1, _NONE),)
            if len(chosen) >= FEWEST:
                present = " and ".join(self.elements[e] for e in sorted(pattern)) or "none"
                arm = self._arm(condition, self.drawn[condition].placed, chosen)
                cells.append(ProbeCell(None, present, {self.names[condition]: arm}))
        reason = (
            "" if len(cells) > 1 else "no row of the truth table belongs to one condition alone"
        )
        yield Design("logic", -1, "", "", tuple(cells) if not reason else (), reason=reason)

    # --- confounders and shifts

    def _confounders(self) -> Iterator[Design]:
        """Each confounder: its letters, an element's, or as long a stretch of background, drawn anew."""
        for number in range(len(self.grammar.confounders)):
            for condition in self.asked:
                cell = self._confounder_cell(condition, number)
                if cell is not None:
                    subject = ", ".join(
                        " or ".join(choices)
                        for choices in self.grammar.confounders[number].elements.values()
                    )
                    yield Design(
                        "confounder", condition, f"confounders[{number}]", subject, (cell,)
                    )
                    break

    def _confounder_cell(self, condition: int, number: int) -> ProbeCell | None:
        drawn = self.drawn[condition]
        confounding = [b for b in drawn.blocks if b.role == "confounder" and b.rule == number]
        rules = self._rules(condition)
        if not confounding or not rules:
            return None
        block, rule = confounding[0], rules[0]
        slots = (block.slots[0], rule.slots[0])
        placed, window = drawn.confounded, self.construction.law.window
        start = placed.start[:, slots].astype(np.int64)
        end = start + self.construction.width[placed.element[:, slots]]
        length = end[:, 0] - start[:, 0]
        stretch = (self._random.random(DRAWN) * (window - length + 1)).astype(np.int64)
        every = np.where(placed.start >= 0, placed.start, window)
        every_end = every + self.construction.width[placed.element]
        clear = (every >= (stretch + length)[:, None]) | (every_end <= stretch[:, None])
        usable = (placed.start[:, block.slots] >= 0).all(axis=1) & self._there(condition, rule)
        usable &= clear.all(axis=1)
        chosen = np.flatnonzero(usable)[:BACKGROUNDS]
        if len(chosen) < FEWEST:
            return None
        x = self._write(condition, placed, chosen)
        redrawn = Construction(self.grammar, BACKGROUNDS, self.seed + 1, self.set_name)
        fresh = redrawn.background()[: len(x)]
        position = np.arange(window)
        arms = {"as it is": self.sequences.add(x)}
        for name, first, stop in (
            ("confounder", start[:, 0], end[:, 0]),
            ("element", start[:, 1], end[:, 1]),
            ("background", stretch, stretch + length),
        ):
            inside = (position >= first[chosen][:, None]) & (position < stop[chosen][:, None])
            arms[name] = self.sequences.add(np.where(inside, fresh, x).astype(np.uint8))
        return ProbeCell(None, "", arms)

    def _shift(self) -> Iterator[Design]:
        """The same placements over backgrounds of another GC content."""
        if self.grammar.task != "multi-class" or len(self.asked) < 2:
            return
        cells = []
        each = _sequences_each(len(self.asked))
        all_rows = np.arange(BACKGROUNDS)
        for name, grammar in {"as trained": self.grammar, **_shifted(self.grammar)}.items():
            construction = Construction(grammar, BACKGROUNDS, self.seed, self.set_name)
            arms = {}
            for condition in self.asked:
                drawn = self.drawn[condition]
                scene = Placed(*(part[all_rows] for part in drawn.placed))
                arms[self.names[condition]] = self.sequences.add(
                    construction.write(drawn.combination, scene)[:each]
                )
            cells.append(ProbeCell(None, name, arms))
        if len(cells) < 2:
            reason = "the background has no letter frequencies that could be shifted"
            yield Design("shift", -1, "", "", reason=reason)
        else:
            yield Design("shift", -1, "", "", tuple(cells))


def _sequences_each(conditions: int) -> int:
    """Return how many sequences each of many conditions has, so that a cell holds no more than of two.

    >>> [_sequences_each(conditions) for conditions in (2, 4, 10)]
    [200, 100, 50]
    """
    return max(FEWEST, min(BACKGROUNDS, 2 * BACKGROUNDS // max(conditions, 1)))


def gap_bins(gaps: np.ndarray, weights: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Return first and last gap of each bin of a gap's distribution, by `GAP_QUANTILES`.

    Parameters
    ----------
    gaps, weights
        int64, float64 (K,): the distribution, ascending.
    most
        The largest gap that fits; negative gaps are left out as well.

    >>> gap_bins(np.arange(151), np.full(151, 1 / 151), 118)
    [(0, 5), (6, 15), (16, 40), (41, 80), (81, 118)]
    """
    fitting = (gaps >= 0) & (gaps <= most)
    gaps, weights = gaps[fitting], weights[fitting]
    if not gaps.size:
        return []
    middle = (np.cumsum(weights) - weights / 2) / weights.sum()
    number = np.searchsorted(GAP_QUANTILES, middle)
    bins: list[list[int]] = []
    for n in range(len(GAP_QUANTILES)):
        own = gaps[number == n].tolist()
        if bins and (len(bins[-1]) < FEWEST_GAPS or len(own) < FEWEST_GAPS):
            bins[-1] += own
        elif own:
            bins.append(own)
    return [(own[0], own[-1]) for own in bins]


def _other_gaps(mine: RuleBlock, theirs: RuleBlock) -> bool:
    """Return whether two blocks have the same elements in the same order, at other gaps."""
    if not 1 < len(mine.slots) == len(theirs.slots) or mine.elements != theirs.elements:
        return False
    edges = [
        [
            (block.slots.index(e.parent), block.slots.index(e.child), e.after, e.random)
            for e in block.edges
        ]
        for block in (mine, theirs)
    ]
    return edges[0] == edges[1] and any(map(_gaps_differ, mine.edges, theirs.edges))


def _elements_of(block: RuleBlock, edge: BlockSpacing) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the elements of a spacing, left and right on the block's own strand."""
    parent, child = (block.elements[block.slots.index(slot)] for slot in edge[:2])
    return (parent, child) if edge.after else (child, parent)


def _order_of(edge: BlockSpacing) -> tuple[bool, bool]:
    return edge.after, edge.random


def _gaps_differ(one: BlockSpacing, two: BlockSpacing) -> bool:
    return one.gaps.tolist() != two.gaps.tolist() or not np.allclose(one.weights, two.weights)


def _is_logic(rows: dict[frozenset[int], dict[int, np.ndarray]], elements: int) -> bool:
    """Return whether the elements that are there tell conditions apart, but no single element does.

    A single element does if every condition has one that is there in all of its rows and in no other, or
    in all others and in none of its own. Rows that several conditions share tell nothing.
    """
    decided = {p: next(iter(found)) for p, found in rows.items() if len(found) == 1}
    conditions = set(decided.values())
    if len(conditions) < 2:
        return False

    def single(condition: int) -> bool:
        own = [pattern for pattern, of in decided.items() if of == condition]
        others = [pattern for pattern, of in decided.items() if of != condition]
        return any(
            (all(e in p for p in own) and not any(e in p for p in others))
            or (not any(e in p for p in own) and all(e in p for p in others))
            for e in range(elements)
        )

    return not all(single(condition) for condition in conditions)


def _shifted(grammar: Grammar) -> dict[str, Grammar]:
    """Return the grammar over backgrounds with more and with less G and C; none without letters."""
    frequencies = grammar.background.letters
    if frequencies is None or not {"G", "C", "A"} <= frequencies.keys() or len(frequencies) != 4:
        return {}
    content = frequencies["G"] + frequencies["C"]
    found = {}
    for name, target in (("GC +10 %", content + _GC_SHIFT), ("GC -10 %", content - _GC_SHIFT)):
        if 0 < target < 1:
            scaled = {
                letter: p * (target / content if letter in "GC" else (1 - target) / (1 - content))
                for letter, p in frequencies.items()
            }
            background = Background(letters=scaled)
            found[name] = grammar.model_copy(update={"background": background})
    return found


_NONE = np.zeros(0, np.int64)
_RARE = f"fewer than {FEWEST} of {DRAWN:,} drawn examples have it"
_NO_ROOM = f"fewer than {FEWEST} of {DRAWN:,} drawn placements leave room for it"
