"""What a grammar of the right shape can still get wrong; every function returns all it finds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from seqgra.alphabet import ALPHABETS, SETS
from seqgra.errors import Problem
from seqgra.grammar import backgrounds
from seqgra.grammar.blocks import blocks_of, least_span
from seqgra.grammar.combinations import applied_rules
from seqgra.grammar.laws import highest, lowest
from seqgra.grammar.schema import Arrangement, Grammar, Spacing
from seqgra.labels import NONE, name_problem, unwritable
from seqgra.yamlfile import suggest

_TOLERANCE = 1e-3
_LONGEST_PERIOD = 100_000
_MOST_COPIES = 20
#: A block of examples this long takes 400 MB.
LONGEST_WINDOW = 100_000


def problems(grammar: Grammar, file: str) -> list[Problem]:
    """Return every problem of meaning; elements whose motif could not be read have width 0."""
    found = [
        *_window(grammar),
        *_background(grammar),
        *_elements(grammar),
        *_conditions(grammar),
        *_confounders(grammar),
        *_noise(grammar),
        *_examples(grammar),
        *_rooms(grammar),
    ]
    return [Problem(file, place, message) for place, message in found]


Found = Iterator[tuple[str, str]]


def _window(grammar: Grammar) -> Found:
    if grammar.shortest < 1:
        yield "window", f"is {grammar.shortest}; give a positive number of letters"
    elif grammar.longest > LONGEST_WINDOW:
        yield "window", f"is {grammar.longest:,}; at most {LONGEST_WINDOW:,} letters"


def _background(grammar: Grammar) -> Found:
    alphabet, conditions = ALPHABETS[grammar.alphabet], list(grammar.conditions)
    none = grammar.task == "multi-label"
    yield from backgrounds.problems(
        grammar.background, alphabet, conditions, SETS, "background", none
    )


def _sums_to_one(values: object, place: str) -> Found:
    probabilities = list(values)  # type: ignore[call-overload]
    if any(not 0 <= p <= 1 for p in probabilities):
        yield place, "holds a number outside 0 to 1"
    elif abs(math.fsum(probabilities) - 1) > _TOLERANCE:
        yield place, f"sums to {math.fsum(probabilities):.6g}; probabilities must sum to 1"


def _elements(grammar: Grammar) -> Found:
    if not grammar.elements:
        yield "elements", "is empty; define at least one sequence element"
    letters = ALPHABETS[grammar.alphabet].letters
    for name, element in grammar.elements.items():
        place = f"elements.{name}"
        if not name.strip():
            yield "elements", f"names one {name!r}; a name needs a letter"
        if problem := unwritable(name):
            yield place, problem
        if element.kmers is not None:
            yield from _kmers(element.kmers, letters, f"{place}.kmers")
        if element.matrix == ():
            yield f"{place}.matrix", "has no rows"
        for row, probabilities in enumerate(element.matrix or ()):
            where = f"{place}.matrix[{row}]"
            if len(probabilities) != len(letters):
                yield (
                    where,
                    f"has {len(probabilities)} numbers; expected {len(letters)} ({letters})",
                )
            else:
                yield from _sums_to_one(probabilities, where)
        if 1 <= grammar.shortest < element.width:
            yield place, f"is {element.width} wide; the window has {grammar.shortest} letters"


def _kmers(kmers: dict[str, float], letters: str, place: str) -> Found:
    if not kmers:
        yield place, "is empty"
        return
    if len({len(kmer) for kmer in kmers}) > 1:
        yield place, "differ in length; the k-mers of one element must be equally long"
    for kmer in kmers:
        if not kmer or set(kmer) - set(letters):
            yield f"{place}.{kmer}", f"has letters outside {letters}"
    yield from _sums_to_one(kmers.values(), place)


def _conditions(grammar: Grammar) -> Found:
    least = 2 if grammar.task == "multi-class" else 1
    if len(grammar.conditions) < least:
        count, words = len(grammar.conditions), ("", "one", "two")
        yield "conditions", f"has {count}; a {grammar.task} task needs at least {words[least]}"
    for number, rule in enumerate(grammar.common.rules):
        yield from _rule(rule, grammar, f"common.rules[{number}]")
        yield from _probability(rule.probability, f"common.rules[{number}].probability")
    for name, condition in grammar.conditions.items():
        place = f"conditions.{name}"
        if not name.strip():
            yield "conditions", f"names one {name!r}; a name needs a letter"
        if problem := name_problem(name, grammar.task):
            yield place, problem
        for number, rule in enumerate(condition.rules):
            yield from _rule(rule, grammar, f"{place}.rules[{number}]")
            yield from _probability(rule.probability, f"{place}.rules[{number}].probability")
        total = math.fsum(rule.probability for rule in condition.rules)
        if condition.mode == "mutually-exclusive" and total > 1 + _TOLERANCE:
            message = f"probabilities sum to {total:.6g}; at most 1 when mutually exclusive"
            yield f"{place}.rules", message


def _probability(value: float, place: str) -> Found:
    if not 0 <= value <= 1:
        yield place, f"is {value:g}; a probability lies between 0 and 1"


def _confounders(grammar: Grammar) -> Found:
    for number, confounder in enumerate(grammar.confounders):
        place = f"confounders[{number}]"
        yield from _rule(confounder, grammar, place)
        for key in ("probability", *SETS):
            chances = getattr(confounder, key)
            if isinstance(chances, dict):
                yield from _by_condition(chances, grammar, f"{place}.{key}", none=True)
            elif chances is not None:
                yield from _probability(chances, f"{place}.{key}")


def _noise(grammar: Grammar) -> Found:
    if grammar.noise is not None:
        yield from _by_condition(grammar.noise.labels, grammar, "noise.labels")
        if not grammar.noise.sets:
            yield "noise.sets", f"is empty; choose from {', '.join(SETS)}"


def _by_condition(
    values: dict[str, float], grammar: Grammar, place: str, none: bool = False
) -> Found:
    """Look for unknown conditions and for numbers that are no probabilities."""
    known = list(grammar.conditions)
    if none and grammar.task == "multi-label":
        known.append(NONE)
    for name, value in values.items():
        if name not in known:
            yield f"{place}.{name}", f"unknown condition; {suggest(name, known)}"
        yield from _probability(value, f"{place}.{name}")


def _rooms(grammar: Grammar) -> Found:
    """Look for combinations of conditions whose elements cannot all lie in the window."""
    known = all(name in grammar.conditions for g in grammar.examples for name in g.conditions)
    if grammar.overlap == "allow" or not known:
        return
    shown = grammar.combinations or tuple((name,) for name in grammar.conditions)
    for conditions in shown:
        sure = [
            applied.rule
            for applied in applied_rules(grammar, conditions)
            if not applied.exclusive and max(applied.chances) > 0
        ]
        widths = [
            _widest(choice, grammar) * highest(rule.copies)
            for rule in sure
            if rule.k_of is None and not any(lowest(s.gap) < 0 for s in rule.spacing)
            for choice in rule.elements.values()
        ]
        if len(sure) > 1 and sum(widths) > grammar.shortest >= 1:
            place = f"conditions.{' + '.join(conditions)}.rules"
            yield (
                place,
                f"need {sum(widths)} letters together; the window has {grammar.shortest}",
            )


def _widest(choice: dict[str, float], grammar: Grammar) -> int:
    """Return the width of the widest element that a slot may hold."""
    return max((grammar.elements[e].width for e in choice if e in grammar.elements), default=0)


def _rule(rule: Arrangement, grammar: Grammar, place: str) -> Found:
    if not rule.elements:
        yield f"{place}.elements", "is empty; name at least one element"
    known = list(grammar.elements)
    for slot, choice in rule.elements.items():
        where = f"{place}.elements.{slot}"
        if any(weight < 0 for weight in choice.values()) or not sum(choice.values()) > 0:
            yield where, "needs weights that are not negative and not all 0"
        for name in choice:
            if name not in grammar.elements:
                yield where, f"unknown element {name!r}; {suggest(name, known)}"
    if lowest(rule.copies) < 0 or highest(rule.copies) > _MOST_COPIES:
        yield f"{place}.copies", f"lie between 0 and {_MOST_COPIES}"
    if rule.k_of is not None:
        yield from _k_of(rule, place)
    yield from _strands(rule, grammar, place)
    yield from _spacings(rule, grammar, place)
    known_slots = all(slot in rule.elements for s in rule.spacing for slot in s.elements)
    known_elements = all(e in grammar.elements for c in rule.elements.values() for e in c)
    if known_slots and known_elements:
        yield from _position(rule, grammar, f"{place}.position")


def _k_of(rule: Arrangement, place: str) -> Found:
    few, many = lowest(rule.k_of), highest(rule.k_of)
    if few < 0 or many > len(rule.elements):
        wrong = few if few < 0 else many
        yield f"{place}.k-of", f"is {wrong}; the rule has {len(rule.elements)} elements"
    if rule.spacing:
        yield f"{place}.k-of", "goes with elements that no spacing ties"


def _strands(rule: Arrangement, grammar: Grammar, place: str) -> Found:
    if grammar.alphabet != "DNA":
        for key, default in (("strand", "+"), ("orientation", "same")):
            if getattr(rule, key) != default:
                yield f"{place}.{key}", f"goes with DNA only; {grammar.alphabet} has one strand"
    if rule.orientation in ("convergent", "divergent"):
        for block in blocks_of(rule):
            if len(block.slots) != 2:
                message = f"{rule.orientation} is about two elements tied by a spacing"
                yield f"{place}.orientation", message
                return


def _spacings(rule: Arrangement, grammar: Grammar, place: str) -> Found:
    for number, spacing in enumerate(rule.spacing):
        yield from _spacing(spacing, rule, grammar, f"{place}.spacing[{number}]")
    edges = sum(len(block.edges) for block in blocks_of(rule))
    known = all(name in rule.elements for spacing in rule.spacing for name in spacing.elements)
    apart = all(len(set(spacing.elements)) == 2 for spacing in rule.spacing)
    if known and apart and edges < len(rule.spacing):
        yield f"{place}.spacing", "ties elements in a circle; leave one spacing out"


def _spacing(spacing: Spacing, rule: Arrangement, grammar: Grammar, place: str) -> Found:
    first, second = spacing.elements
    for number, name in enumerate(spacing.elements):
        if name not in rule.elements:
            advice = suggest(name, list(rule.elements))
            message = f"{name!r} is not among the rule's elements; {advice}"
            yield f"{place}.elements[{number}]", message
    if first == second:
        yield f"{place}.elements", f"ties {first!r} to itself"
    least = lowest(spacing.gap)
    if first in rule.elements and second in rule.elements:
        widths = [_widest(rule.elements[name], grammar) for name in spacing.elements]
        if least < 0 < min(widths):
            yield from _overlap(spacing, rule, grammar, place)
        span = sum(widths) + least
        if span > grammar.shortest >= 1 and min(widths) > 0:
            yield (
                f"{place}.gap",
                f"does not fit: {first} ({widths[0]}) + gap {least} + {second} ({widths[1]}) "
                f"= {span} letters; the window has {grammar.shortest}",
            )


def _overlap(spacing: Spacing, rule: Arrangement, grammar: Grammar, place: str) -> Found:
    """Look for what cannot share columns as a negative gap asks."""
    chosen = [
        [e for e in rule.elements[name] if e in grammar.elements] for name in spacing.elements
    ]
    narrowest = min(grammar.elements[e].width for names in chosen for e in names)
    least = lowest(spacing.gap)
    if least <= -narrowest:
        message = f"is {least}; elements {narrowest} wide can share {narrowest - 1} letters at most"
        yield f"{place}.gap", message
    for name in (e for names in chosen for e in names):
        element = grammar.elements[name]
        if spacing.shared == "product" and (element.kmers or element.affinity):
            kind = "k-mers" if element.kmers else "an affinity band"
            message = f"product needs independent columns, and {name} has {kind}; use first or last"
            yield f"{place}.shared", message


def _position(rule: Arrangement, grammar: Grammar, place: str) -> Found:
    position, blocks = rule.position, blocks_of(rule)
    placed = len(blocks) if rule.k_of is None else min(highest(rule.k_of), len(blocks))
    placed *= highest(rule.copies)
    first = 1 if isinstance(position, str) else lowest(position)
    fixed = not isinstance(position, tuple) or position[0] == position[1]
    fixed &= position != "random" and not isinstance(position, dict)
    if placed > 1 and fixed and grammar.overlap == "forbid":
        message = f"puts {placed} separate blocks at one place, where they overlap; tie the "
        yield place, f"{message}elements by a spacing or use position: random"
    if first < 1:
        yield place, f"is {first}; positions count from 1"
        return
    for block in blocks:
        widths = [_widest(rule.elements[slot], grammar) for slot in block.slots]
        span = least_span(block, widths, [lowest(edge.spacing.gap) for edge in block.edges])
        left = grammar.shortest - first + 1
        told = first == 1 and len(block.slots) < 3  # an element or a gap that fits nowhere
        if span > left and grammar.shortest >= 1 and not told:
            needs = f"{' + '.join(block.slots)} needs {span}"
            yield (
                place,
                f"{first} leaves {left} letters of the window's {grammar.shortest}; {needs}",
            )


def _examples(grammar: Grammar) -> Found:
    known = list(grammar.conditions)
    for number, group in enumerate(grammar.examples):
        place = f"examples[{number}]"
        if len(group.conditions) != 1 and grammar.task == "multi-class":
            yield f"{place}.conditions", "a multi-class example shows exactly one condition"
        if len(set(group.conditions)) < len(group.conditions):
            yield f"{place}.conditions", "name a condition twice"
        for name in group.conditions:
            if name not in grammar.conditions:
                yield f"{place}.conditions", f"unknown condition {name!r}; {suggest(name, known)}"
        shuffled = group.shuffle is not None
        if shuffled and any(
            c in grammar.conditions and grammar.conditions[c].rules for c in group.conditions
        ):
            yield (
                f"{place}.shuffle",
                "goes with conditions without rules; its examples are shuffles",
            )
        if group.share <= 0:
            yield f"{place}.share", f"is {group.share:g}; a share is above 0"
    if grammar.examples and all(group.shuffle is not None for group in grammar.examples):
        yield "examples", "are all shuffled; one group must be drawn from its rules"
    if all(group.share > 0 for group in grammar.examples):
        shares = [Fraction(str(group.share)) for group in grammar.examples]
        unit = math.lcm(*(share.denominator for share in shares))
        if (period := int(sum(shares) * unit)) > _LONGEST_PERIOD:
            message = f"repeat only after {period:,} examples; use rounder shares, such as 2 and 1"
            yield "examples", message
    if grammar.examples:
        shown = {name for group in grammar.examples for name in group.conditions}
        for name in known:
            if name not in shown:
                yield "examples", f"condition {name!r} has no group of examples"
