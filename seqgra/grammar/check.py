"""What a grammar of the right shape can still get wrong; every function returns all it finds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from seqgra.alphabet import ALPHABETS, BACKGROUND_PRESETS
from seqgra.errors import Problem
from seqgra.grammar.laws import lowest
from seqgra.grammar.schema import Grammar, Rule, Spacing
from seqgra.yamlfile import suggest

_TOLERANCE = 1e-3
_LONGEST_PERIOD = 100_000
#: A block of examples this long takes 400 MB.
LONGEST_WINDOW = 100_000
#: Names of averages in tables, which no condition may have.
RESERVED_NAMES = ("micro", "macro")


def problems(grammar: Grammar, file: str) -> list[Problem]:
    """Return every problem of meaning; elements whose motif could not be read have width 0."""
    found = [
        *_window(grammar),
        *_background(grammar),
        *_elements(grammar),
        *_conditions(grammar),
        *_examples(grammar),
    ]
    return [Problem(file, place, message) for place, message in found]


Found = Iterator[tuple[str, str]]


def _window(grammar: Grammar) -> Found:
    if grammar.window < 1:
        yield "window", f"is {grammar.window}; give a positive number of letters"
    elif grammar.window > LONGEST_WINDOW:
        yield "window", f"is {grammar.window:,}; at most {LONGEST_WINDOW:,} letters"


def _background(grammar: Grammar) -> Found:
    background, letters = grammar.background, ALPHABETS[grammar.alphabet].letters
    if isinstance(background, str):
        known = [name for name, by in BACKGROUND_PRESETS.items() if grammar.alphabet in by]
        if background not in known:
            yield (
                "background",
                f"no preset {background!r} for {grammar.alphabet}; {suggest(background, known)}",
            )
        return
    yield from _letters(background, letters, "background")
    yield from _sums_to_one(background.values(), "background")
    for letter, probability in background.items():
        if probability == 0 and letter in letters:
            yield f"background.{letter}", "is 0; every letter needs a probability above 0"


def _letters(distribution: dict[str, float], letters: str, place: str) -> Found:
    for letter in distribution:
        if letter not in letters or len(letter) != 1:
            yield f"{place}.{letter}", f"is no letter of the alphabet {letters}"
    if missing := [letter for letter in letters if letter not in distribution]:
        yield place, f"has no probability for {', '.join(missing)}"


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
        if 1 <= grammar.window < element.width:
            yield place, f"is {element.width} wide; the window has {grammar.window} letters"


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
    if len(grammar.conditions) < 2:
        yield "conditions", f"has {len(grammar.conditions)}; a multi-class task needs at least two"
    for name, condition in grammar.conditions.items():
        place = f"conditions.{name}"
        if name in RESERVED_NAMES:
            yield place, "is a reserved name; tables use it for averages"
        for number, rule in enumerate(condition.rules):
            yield from _rule(rule, grammar, f"{place}.rules[{number}]")
        total = math.fsum(rule.probability for rule in condition.rules)
        if condition.mode == "mutually-exclusive" and total > 1 + _TOLERANCE:
            yield (
                f"{place}.rules",
                f"probabilities sum to {total:.6g}; at most 1 when mutually exclusive",
            )
        if condition.mode == "sequential":
            yield from _room(condition.rules, grammar, f"{place}.rules")


def _room(rules: tuple[Rule, ...], grammar: Grammar, place: str) -> Found:
    widths = [
        grammar.elements[name].width
        for rule in rules
        if rule.probability > 0
        for name in rule.elements
        if name in grammar.elements
    ]
    if len(rules) > 1 and sum(widths) > grammar.window >= 1:
        yield place, f"need {sum(widths)} letters together; the window has {grammar.window}"


def _rule(rule: Rule, grammar: Grammar, place: str) -> Found:
    if not 0 <= rule.probability <= 1:
        yield f"{place}.probability", f"is {rule.probability:g}; a probability lies between 0 and 1"
    if not rule.elements:
        yield f"{place}.elements", "is empty; name at least one element"
    known = list(grammar.elements)
    for number, name in enumerate(rule.elements):
        if name not in grammar.elements:
            yield f"{place}.elements[{number}]", f"unknown element {name!r}; {suggest(name, known)}"
        elif name in rule.elements[:number]:
            yield f"{place}.elements[{number}]", f"{name!r} is named twice in one rule"
    tied: set[str] = set()
    for number, spacing in enumerate(rule.spacing):
        where = f"{place}.spacing[{number}]"
        yield from _spacing(spacing, rule, grammar, where)
        if tied & set(spacing.elements):
            yield f"{where}.elements", "an element may stand in one spacing of a rule only"
        tied |= set(spacing.elements)
    if all(name in grammar.elements for name in rule.elements):
        yield from _position(rule, grammar, f"{place}.position")


def _spacing(spacing: Spacing, rule: Rule, grammar: Grammar, place: str) -> Found:
    first, second = spacing.elements
    for number, name in enumerate(spacing.elements):
        if name not in rule.elements:
            advice = suggest(name, rule.elements)
            yield (
                f"{place}.elements[{number}]",
                f"{name!r} is not among the rule's elements; {advice}",
            )
    if first == second:
        yield f"{place}.elements", f"ties {first!r} to itself"
    least = lowest(spacing.gap)
    if least < 0:
        yield f"{place}.gap", f"is {least}; a gap is at least 0"
    elif all(name in grammar.elements for name in spacing.elements):
        widths = [grammar.elements[name].width for name in spacing.elements]
        span = sum(widths) + least
        if span > grammar.window >= 1:
            yield (
                f"{place}.gap",
                f"does not fit: {first} ({widths[0]}) + gap {least} + {second} ({widths[1]}) "
                f"= {span} letters; the window has {grammar.window}",
            )


def _position(rule: Rule, grammar: Grammar, place: str) -> Found:
    position, blocks = rule.position, blocks_of(rule)
    if position == "random":
        return
    fixed = not isinstance(position, tuple) or position[0] == position[1]
    if len(blocks) > 1 and fixed and not isinstance(position, dict):
        message = f"puts {len(blocks)} separate blocks at one place, where they overlap; tie the "
        yield place, f"{message}elements by a spacing or use position: random"
    if isinstance(position, str):
        return
    first = lowest(position)
    if first < 1:
        yield place, f"is {first}; positions count from 1"
        return
    for names, spacing in blocks:
        span = sum(grammar.elements[name].width for name in names)
        span += lowest(spacing.gap) if spacing else 0
        left = grammar.window - first + 1
        if span > left and grammar.window >= 1:
            needs = f"{' + '.join(names)} needs {span}"
            yield place, f"{first} leaves {left} letters of the window's {grammar.window}; {needs}"


def blocks_of(rule: Rule) -> list[tuple[tuple[str, ...], Spacing | None]]:
    """Return the blocks of a rule: each its element names in order, and the spacing that ties them.

    >>> rule = Rule.model_validate({"elements": ["a", "b", "c"],
    ...                             "spacing": [{"elements": ["c", "a"], "gap": [0, 5]}]})
    >>> [names for names, _ in blocks_of(rule)]
    [('c', 'a'), ('b',)]
    """
    blocks: list[tuple[tuple[str, ...], Spacing | None]] = []
    tied = {name: spacing for spacing in rule.spacing for name in spacing.elements}
    for name in rule.elements:
        spacing = tied.get(name)
        if spacing is None:
            blocks.append(((name,), None))
        elif all(spacing is not other for _, other in blocks):
            blocks.append((spacing.elements, spacing))
    return blocks


def _examples(grammar: Grammar) -> Found:
    known = list(grammar.conditions)
    for number, group in enumerate(grammar.examples):
        place = f"examples[{number}]"
        if len(group.conditions) != 1:
            yield f"{place}.conditions", "a multi-class example shows exactly one condition"
        for name in group.conditions:
            if name not in grammar.conditions:
                yield f"{place}.conditions", f"unknown condition {name!r}; {suggest(name, known)}"
        shuffled = group.shuffle is not None
        if shuffled and any(
            c in grammar.conditions and grammar.conditions[c].rules for c in group.conditions
        ):
            yield (
                f"{place}.shuffle",
                "goes with a condition without rules; its examples are shuffles",
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
