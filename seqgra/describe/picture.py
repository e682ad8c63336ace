"""A grammar's rules as the rows of `seqgra.plot.grammar.rules_picture`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from seqgra.describe.rules import chance, chance_lines, percent, place, short
from seqgra.grammar.blocks import Block, blocks_of
from seqgra.grammar.laws import highest, lowest
from seqgra.grammar.schema import Arrangement, Grammar, Spacing
from seqgra.plot.grammar import RuleGroup, RuleRow
from seqgra.plot.rule_boxes import Box, Chain, Tie

_MOST_CHANCES = 4


def rule_groups(written: Grammar, resolved: Grammar) -> list[RuleGroup]:
    """Return the rows of the picture: conditions, common rules, confounders."""
    total = math.fsum(group.share for group in resolved.examples)
    shares = dict.fromkeys(written.conditions, 0.0)
    for group in resolved.examples:
        for name in group.conditions:
            shares[name] += group.share / total
    shuffled = {name for group in resolved.examples if group.shuffle for name in group.conditions}
    groups = []
    for name, condition in written.conditions.items():
        known = resolved.conditions[name].rules
        notes = [f"{percent(shares[name])} of examples"]
        if condition.mode == "mutually-exclusive":
            notes.append("at most one rule applies")
        if name in shuffled:
            notes.append("shuffled examples of others")
        rows = tuple(
            _row(rule, after, chance(rule.probability), resolved)
            for rule, after in zip(condition.rules, known, strict=True)
        )
        groups.append(RuleGroup(name, "\n".join(notes), rows))
    if written.common.rules:
        rows = tuple(
            _row(rule, after, chance(rule.probability), resolved)
            for rule, after in zip(written.common.rules, resolved.common.rules, strict=True)
        )
        groups.append(RuleGroup("every condition", "tells nothing", rows))
    if written.confounders:
        rows = tuple(
            _row(confounder, after, "\n".join(chance_lines(confounder, _MOST_CHANCES)), resolved)
            for confounder, after in zip(written.confounders, resolved.confounders, strict=True)
        )
        groups.append(RuleGroup("confounders", "in examples of", rows))
    return groups


def _row(rule: Arrangement, resolved: Arrangement, how_often: str, grammar: Grammar) -> RuleRow:
    gaps = {id(one): two for one, two in zip(rule.spacing, resolved.spacing, strict=True)}
    directed = grammar.alphabet == "DNA"
    chains = tuple(_chain(block, rule, gaps, grammar, directed) for block in blocks_of(rule))
    before = "" if rule.k_of is None else f"{short(rule.k_of)} of"
    after = []
    if lowest(resolved.copies) != 1 or highest(resolved.copies) != 1:
        after.append(f"× {short(rule.copies)}")
    if rule.strand == "random":
        after.append("either strand")
    return RuleRow(
        how_often,
        before,
        chains,
        ", ".join(after),
        place(rule.position),
        _starts(resolved, grammar),
    )


def _starts(rule: Arrangement, grammar: Grammar) -> tuple[float, float]:
    """Return the first and last start of a block as shares of the longest window."""
    window = grammar.longest
    words = {"random": (0.0, 1.0), "start": (0.0, 0.0), "center": (0.5, 0.5), "end": (1.0, 1.0)}
    if isinstance(rule.position, str):
        return words[rule.position]
    return (lowest(rule.position) - 1) / window, min(highest(rule.position) / window, 1.0)


def _chain(
    block: Block,
    rule: Arrangement,
    resolved: Mapping[int, Spacing],
    grammar: Grammar,
    directed: bool,
) -> Chain:
    """Return the boxes of a block in the order of their mean places."""
    widths = {
        slot: max(grammar.elements[name].width for name in rule.elements[slot])
        for slot in block.slots
    }
    middle = dict.fromkeys(block.slots, 0.0)
    for edge in block.edges:
        parent, child = block.slots[edge.parent], block.slots[edge.child]
        gap = _mean(resolved[id(edge.spacing)].gap)
        step = widths[parent] + gap if edge.after else -gap - widths[child]
        middle[child] = middle[parent] + step
    order = sorted(block.slots, key=lambda slot: middle[slot])
    facing = _facing(rule, order)
    if rule.strand == "-":  # the reverse complement of the whole block
        order = order[::-1]
        facing = {slot: way if way == 2 else -way for slot, way in facing.items()}
    boxes = tuple(
        Box(_choices(rule.elements[slot]), facing[slot] if directed else 0) for slot in order
    )
    ties = []
    for edge in block.edges:
        ends = (order.index(block.slots[edge.parent]), order.index(block.slots[edge.child]))
        gap = resolved[id(edge.spacing)].gap
        spacing = edge.spacing
        shared = lowest(gap) < 0 and abs(ends[0] - ends[1]) == 1
        ties.append(Tie(*ends, short(spacing.gap), spacing.order == "random", shared))
    return Chain(boxes, tuple(ties))


def _choices(weights: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    total = math.fsum(weights.values())
    return tuple((name, weight / total) for name, weight in weights.items() if weight > 0)


def _facing(rule: Arrangement, order: list[str]) -> dict[str, int]:
    """Return where each element of a block points on the forward strand."""
    if rule.orientation == "any" and len(order) > 1:
        return dict.fromkeys(order, 2)
    if rule.orientation in ("convergent", "divergent") and len(order) == 2:
        first = 1 if rule.orientation == "convergent" else -1
        return {order[0]: first, order[1]: -first}
    if len(order) == 1 and rule.orientation == "any":
        return dict.fromkeys(order, 2)
    if len(order) == 1 and rule.strand == "random":
        return dict.fromkeys(order, 2)
    return dict.fromkeys(order, 1)


def _mean(distribution: Any) -> float:
    """Return the mean of a resolved distribution."""
    if isinstance(distribution, tuple):
        result: float = (distribution[0] + distribution[1]) / 2
        return result
    total = math.fsum(distribution.values())
    return math.fsum(v * w for v, w in distribution.items()) / total
