"""Layouts: what an example may hold, as weighted sets of blocks, and every way a block may lie.

A block of a rule comes in *variants* (which elements, orders, strands). Variants whose elements cover the
same places with the same chances share a *layout*; they differ only in the letters they show. A *scenario*
is what is drawn once for an example: the layouts of the blocks that it gets.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from seqgra.alphabet import SETS
from seqgra.errors import bad_input
from seqgra.grammar.blocks import Block, blocks_of, written_order
from seqgra.grammar.combinations import Applied, applied_rules
from seqgra.grammar.laws import table
from seqgra.grammar.schema import Arrangement, Grammar
from seqgra.law.posterior.shared_columns import Placing, shown_parts
from seqgra.law.posterior.site_probabilities import SiteTable

#: Ways a block may lie relative to its start, and scenarios, beyond which no posterior is computed.
MOST_CONFIGURATIONS = 1_000_000
MOST_SCENARIOS = 50_000


class Limit(NamedTuple):
    """A gap is drawn among those that leave room for two elements of `letters` letters in all."""

    values: np.ndarray
    sums: np.ndarray
    letters: int


class Start(NamedTuple):
    """Law of a block's first letter: kind (uniform, center, end or law), its 0-based values and weights."""

    kind: str
    values: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()


class LayoutVariant(NamedTuple):
    """Letters of a layout: its chance, and parts int32 (K, P) with their offsets; -1 for no part."""

    weight: float
    parts: np.ndarray
    offsets: np.ndarray


class Layout(NamedTuple):
    """Where the S elements of a block may lie: K configurations.

    Attributes
    ----------
    offsets, widths
        int32 (K, S): of the elements, ascending, from the block's first letter.
    span, prior
        int32, float64 (K,): letters covered; probability of the gaps, before `limits`.
    limits
        One for each spacing.
    start
        Law of the first letter.
    order
        Place of the block among those that are written, where that matters.
    variants
        Their weights sum to 1.
    """

    offsets: np.ndarray
    widths: np.ndarray
    span: np.ndarray
    prior: np.ndarray
    limits: tuple[Limit, ...]
    start: Start
    variants: tuple[LayoutVariant, ...]

    @property
    def single(self) -> bool:
        """Whether it is one element."""
        result: bool = self.offsets.shape[1] == 1
        return result


class LayoutAtLength(NamedTuple):
    """A layout in examples of one length."""

    #: float64 (K,): chance of a configuration over the sum of its start weights.
    weight: np.ndarray
    #: int64 (K,): its starts.
    first: np.ndarray
    last: np.ndarray
    #: float64 (L,): weight of each start.
    start: np.ndarray


#: Layouts, by number, in the order in which they are written (any order where nothing may overlap).
Scenario = tuple[int, ...]


class LayoutTable:
    """Collects layouts by what they are, so that equal blocks of several conditions are one."""

    def __init__(self, grammar: Grammar, sites: SiteTable) -> None:
        self._grammar, self._sites = grammar, sites
        self._ordered = grammar.overlap == "allow"
        self._numbers: dict[object, int] = {}
        self.layouts: list[Layout] = []

    def scenarios(self, shown: tuple[str, ...], set_name: str) -> dict[Scenario, float]:
        """Return the probability of each scenario in examples that show these conditions.

        Raises
        ------
        InputError
            If there are too many.
        """
        laws: dict[Scenario, float] = {(): 1.0}
        for factor in self._factors(applied_rules(self._grammar, shown), SETS.index(set_name)):
            laws = self._together(laws, factor)
        return laws

    def _factors(self, rules: list[Applied], number: int) -> Iterator[dict[Scenario, float]]:
        """Yield the law of each rule, and one for all exclusive rules of a condition."""
        for condition, run in itertools.groupby(
            rules, lambda rule: rule.condition if rule.exclusive else None
        ):
            together = list(run)
            groups = [together] if condition is not None else [[rule] for rule in together]
            for group in groups:
                chances, left = [], 1.0
                for applied in group:
                    chances.append(min(applied.chances[number], left))
                    left -= chances[-1]
                laws: dict[Scenario, float] = {(): max(left, 0.0)}
                for chance, applied in zip(chances, group, strict=True):
                    if chance > 0:
                        _add(laws, self._rule(applied.rule), chance)
                yield {scenario: p for scenario, p in laws.items() if p > 0}

    def _rule(self, rule: Arrangement) -> dict[Scenario, float]:
        """Return the law of the blocks of a rule that applies."""
        blocks = [self._block(rule, block) for block in blocks_of(rule)]
        copy: dict[Scenario, float] = {}
        for chance, chosen in _subsets(rule, len(blocks)):
            laws: dict[Scenario, float] = {(): 1.0}
            for number in chosen:
                laws = self._together(laws, blocks[number])
            _add(copy, laws, chance)
        found: dict[Scenario, float] = {}
        copies: dict[Scenario, float] = {(): 1.0}
        so_far = 0
        weights = table(rule.copies)
        for count, weight in weights.items():
            for _ in range(count - so_far):
                copies = self._together(copies, copy)
            so_far = count
            _add(found, copies, weight / math.fsum(weights.values()))
        return found

    def _together(
        self, one: dict[Scenario, float], two: dict[Scenario, float]
    ) -> dict[Scenario, float]:
        found: dict[Scenario, float] = {}
        for (first, p), (second, q) in itertools.product(one.items(), two.items()):
            both = first + second if self._ordered else tuple(sorted(first + second))
            found[both] = found.get(both, 0.0) + p * q
        if len(found) > MOST_SCENARIOS:
            raise bad_input(
                "bayes-optimal",
                "rules",
                f"have more than {MOST_SCENARIOS:,} outcomes; use fewer rules, copies or choices",
            )
        return found

    def _block(self, rule: Arrangement, block: Block) -> dict[Scenario, float]:
        """Return the law of the layouts of a block."""
        start = _start(rule)
        gathered: dict[object, tuple[Layout, list[LayoutVariant]]] = {}
        for placing, weight in _variants(rule, block):
            layout = self._layout(block, placing, start)
            key = _key(layout)
            gathered.setdefault(key, (layout, []))[1].append(
                layout.variants[0]._replace(weight=weight)
            )
        found: dict[Scenario, float] = {}
        for key, (layout, variants) in gathered.items():
            total = math.fsum(variant.weight for variant in variants)
            merged = _merged(variants, total)
            identity = (key, tuple((v.weight, v.parts.tobytes()) for v in merged))
            if identity not in self._numbers:
                self._numbers[identity] = len(self.layouts)
                self.layouts.append(layout._replace(variants=merged))
            _add(found, {(self._numbers[identity],): 1.0}, total)
        return found

    def _layout(self, block: Block, placing: Placing, start: Start) -> Layout:
        """Return all configurations of one variant."""
        widths = np.array([self._sites.width(e) for e in placing.elements], np.int32)
        room = self._grammar.longest - min(start.values, default=0)
        starts, prior = np.zeros((1, len(widths)), np.int64), np.ones(1)
        limits = []
        for number, (edge, after) in enumerate(zip(block.edges, placing.after, strict=True)):
            law = table(edge.spacing.gap)
            gaps, weights = np.array(list(law)), np.array(list(law.values()))
            weights = weights / weights.sum()
            letters = int(widths[edge.parent] + widths[edge.child])
            limits.append(Limit(gaps, np.cumsum(weights), letters))
            fits = gaps + letters <= room
            step = gaps[fits] + widths[edge.parent] if after else -gaps[fits] - widths[edge.child]
            child = (starts[:, edge.parent, None] + step).ravel()
            starts = np.repeat(starts, fits.sum(), axis=0)
            starts[:, edge.child] = child
            prior = (prior[:, None] * weights[fits]).ravel()
            placed = [block.edges[0].parent, *(e.child for e in block.edges[: number + 1])]
            ends = (starts[:, placed] + widths[placed]).max(axis=1)
            kept = ends - starts[:, placed].min(axis=1) <= room
            starts, prior = starts[kept], prior[kept]
            if len(starts) > MOST_CONFIGURATIONS:
                message = f"may lie in more than {MOST_CONFIGURATIONS:,} ways; use narrower gaps"
                raise bad_input("bayes-optimal", " + ".join(block.slots), message)
        starts -= starts.min(axis=1, keepdims=True)
        span = (starts + widths).max(axis=1)
        if placing.reverse:
            starts = span[:, None] - starts - widths
        return self._painted(block, placing, start, starts, span, prior, widths, tuple(limits))

    def _painted(
        self,
        block: Block,
        placing: Placing,
        start: Start,
        starts: np.ndarray,
        span: np.ndarray,
        prior: np.ndarray,
        widths: np.ndarray,
        limits: tuple[Limit, ...],
    ) -> Layout:
        """Find the parts of each configuration, and leave out those whose elements may not overlap."""
        order = np.argsort(starts, axis=1, kind="stable")
        offsets = np.take_along_axis(starts, order, axis=1)
        sorted_widths = widths[order]
        touching = (offsets[:, 1:] < (offsets + sorted_widths)[:, :-1]).any(axis=1)
        written = written_order(block)
        simple = [self._sites.part(placing.elements[s], placing.strands[s]) for s in written]
        rows = [(simple, starts[k, written].tolist()) for k in range(len(starts))]
        kept = np.ones(len(starts), bool)
        for k in np.flatnonzero(touching).tolist():
            found = shown_parts(self._sites, block, placing, starts[k], self._ordered)
            kept[k] = found is not None
            rows[k] = found or ([], [])
        most = max((len(parts) for parts, _ in rows), default=1)
        parts = np.full((len(rows), most), -1, np.int32)
        part_offsets = np.zeros((len(rows), most), np.int32)
        for k, (numbers, places) in enumerate(rows):
            parts[k, : len(numbers)], part_offsets[k, : len(numbers)] = numbers, places
        return Layout(
            offsets[kept].astype(np.int32),
            sorted_widths[kept].astype(np.int32),
            span[kept].astype(np.int32),
            prior[kept],
            limits,
            start,
            (LayoutVariant(1.0, parts[kept], part_offsets[kept]),),
        )


def fitted(layout: Layout, length: int) -> LayoutAtLength:
    """Return the chances of a layout's configurations in examples of `length` letters.

    A gap is drawn among those that fit by themselves, the start among those that fit the whole block.
    Configurations that do not fit together have weight 0: they are drawn anew with all others.
    """
    start = layout.start
    room = length - min(start.values, default=0)
    weight = np.where(layout.span <= room, layout.prior, 0.0)
    for limit in layout.limits:
        fitting = np.searchsorted(limit.values, room - limit.letters, side="right")
        if fitting == 0:
            weight = np.zeros_like(weight)
        elif len(limit.values) > 1:
            weight = weight / limit.sums[fitting - 1]
    last = np.maximum(length - layout.span.astype(np.int64), 0)
    weights = np.ones(length)
    if start.kind == "center":
        return LayoutAtLength(weight, last // 2, last // 2, weights)
    if start.kind == "end":
        return LayoutAtLength(weight, last, last, weights)
    if start.kind == "law":
        values = np.array(start.values)
        weights[:] = 0
        inside = values < length
        weights[values[inside]] = np.array(start.weights)[inside]
    sums = np.cumsum(weights)[last]
    first = np.full_like(last, min(start.values, default=0))
    weight = np.divide(weight, sums, out=np.zeros_like(weight), where=(sums > 0) & (weight > 0))
    return LayoutAtLength(weight, first, last, weights)


def _add(into: dict[Scenario, float], law: dict[Scenario, float], chance: float) -> None:
    for scenario, p in law.items():
        into[scenario] = into.get(scenario, 0.0) + chance * p


def _subsets(rule: Arrangement, blocks: int) -> Iterator[tuple[float, Iterable[int]]]:
    """Yield which blocks of a copy are placed, with their chance."""
    if rule.k_of is None:
        yield 1.0, range(blocks)
        return
    law = table(rule.k_of)
    for count, weight in law.items():
        chance = weight / math.fsum(law.values()) / math.comb(blocks, count)
        for chosen in itertools.combinations(range(blocks), count):
            yield chance, chosen


def _start(rule: Arrangement) -> Start:
    if rule.position == "start":
        return Start("law", (0,), (1.0,))
    if isinstance(rule.position, str):
        return Start({"random": "uniform"}.get(rule.position, rule.position))
    law = table(rule.position)
    return Start("law", tuple(value - 1 for value in law), tuple(law.values()))


def _variants(rule: Arrangement, block: Block) -> Iterator[tuple[Placing, float]]:
    """Yield which elements, orders and strands a block may have, with their chance."""
    choices = []
    for slot in block.slots:
        total = math.fsum(rule.elements[slot].values())
        choices.append([(e, w / total) for e, w in rule.elements[slot].items() if w > 0])
    orders = [
        [(edge.after, 1.0)]
        if edge.spacing.order == "in-order"
        else [(edge.after, 0.5), (not edge.after, 0.5)]
        for edge in block.edges
    ]
    reversals = {"+": [(False, 1.0)], "-": [(True, 1.0)], "random": [(False, 0.5), (True, 0.5)]}
    for elements in itertools.product(*choices):
        for after in itertools.product(*orders):
            for reverse, half in reversals[rule.strand]:
                for strands, part in _strands(rule, [a for a, _ in after], reverse):
                    chance = math.prod([*(w for _, w in elements), *(w for _, w in after)])
                    placing = Placing(
                        tuple(e for e, _ in elements), tuple(a for a, _ in after), reverse, strands
                    )
                    yield placing, chance * half * part


def _strands(
    rule: Arrangement, after: list[bool], reverse: bool
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield the strand of each slot of a block, with its chance."""
    slots = len(after) + 1
    if rule.orientation == "any":
        for strands in itertools.product((1, -1), repeat=slots):
            yield strands, 0.5**slots
    elif rule.orientation in ("convergent", "divergent"):
        outward = 1 if rule.orientation == "convergent" else -1
        child_right = after[0] != reverse
        yield ((outward, -outward) if child_right else (-outward, outward)), 1.0
    else:
        yield ((-1 if reverse else 1,) * slots), 1.0


def _key(layout: Layout) -> object:
    limits = tuple(
        (part.values.tobytes(), part.sums.tobytes(), part.letters) for part in layout.limits
    )
    arrays = (layout.offsets, layout.widths, layout.span, layout.prior)
    return tuple(array.tobytes() for array in arrays), layout.offsets.shape, limits, layout.start


def _merged(variants: list[LayoutVariant], total: float) -> tuple[LayoutVariant, ...]:
    """Return variants with equal ones added up and weights that sum to 1."""
    found: dict[bytes, LayoutVariant] = {}
    for variant in variants:
        key = variant.parts.tobytes() + variant.offsets.tobytes()
        before = found[key].weight if key in found else 0.0
        found[key] = variant._replace(weight=before + variant.weight / total)
    return tuple(found.values())
