"""A grammar in words: every key of the file as sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from seqgra.alphabet import ALPHABETS, SETS
from seqgra.describe.phrases import (
    arrangement_phrase,
    background_lines,
    counted,
    law_words,
    listed,
    number,
    percent,
)
from seqgra.grammar.schema import (
    NONE,
    Arrangement,
    Chances,
    Condition,
    Confounder,
    Element,
    Grammar,
    Group,
    Rule,
)

_LONG_CONSENSUS = 30


def setting(written: Grammar, resolved: Grammar) -> list[str]:
    """Return task, alphabet, window, background and overlap: a Markdown list.

    Parameters
    ----------
    written, resolved
        The grammar as its file says it, and with its laws and motifs resolved.
    """
    alphabet = ALPHABETS[written.alphabet]
    count = len(written.conditions)
    tasks = {
        "multi-class": f"multi-class: every example shows exactly one of {count} conditions",
        "multi-label": f"multi-label: an example shows any number of {count} conditions",
    }
    window = law_words(written.window)
    if resolved.shortest == resolved.longest:
        length = f"every example has {counted(resolved.longest, 'letter')}"
    else:
        length = f"each example has {window.of('letter')}{window.aside}, drawn by itself"
    first, *branches = background_lines(written.background, alphabet.letters)
    overlap = {
        "forbid": "elements never overlap; all places of an example are drawn again until none do",
        "allow": "elements may overlap; later ones overwrite earlier ones",
    }
    return [
        f"- Task: {tasks[written.task]}.",
        f"- Alphabet: {alphabet.name}, letters {alphabet.letters}.",
        f"- Window: {length}.",
        f"- Background: {first}{'' if branches else '.'}",
        *branches,
        "- Gaps and positions are drawn among those that fit the example.",
        f"- Overlap: {overlap[written.overlap]}.",
    ]


def element_kind(element: Element) -> str:
    """Return what an element is, as its file says it."""
    if element.kmers is not None:
        words = counted(len(element.kmers), "k-mer")
    elif element.consensus is not None:
        words = f"consensus {element.consensus}"
    elif element.motif is not None:
        added = f", pseudocount {number(element.pseudocount)}" if element.pseudocount else ""
        words = f"motif {element.id} of {Path(element.motif).name}{added}"
    else:
        words = "matrix"
    if element.affinity is None:
        return words
    low, high = element.affinity.min, element.affinity.max
    if low == 0:
        return f"{words}, the weakest {percent(high)} of its sites"
    if high == 1:
        return f"{words}, the strongest {percent(1 - low)} of its sites"
    return f"{words}, its sites between quantiles {low:g} and {high:g} of the score"


def condition_lines(name: str, condition: Condition, resolved: Condition) -> list[str]:
    """Return the rules of one condition: a heading and a Markdown list."""
    lines = [f"### {name}", ""]
    if condition.description:
        lines += [condition.description.strip(), ""]
    if not condition.rules:
        return [*lines, "No rules: background alone."]
    exclusive = condition.mode == "mutually-exclusive"
    if exclusive:
        rest = 1 - math.fsum(rule.probability for rule in condition.rules)
        none = f"; none of them in {percent(rest)} of examples" if rest > 1e-9 else ""
        lines += [f"At most one of these applies to an example{none}:", ""]
    for rule, known in zip(condition.rules, resolved.rules, strict=True):
        lines.append(f"- {rule_sentence(rule, known, exclusive)}")
    return lines


def rule_sentence(rule: Rule, resolved: Rule, exclusive: bool = False) -> str:
    """Return a rule as one sentence, its chance last."""
    chance = "always" if rule.probability == 1 else f"in {percent(rule.probability)} of examples"
    if rule.probability == 0:
        chance = "never"
    if exclusive and 0 < rule.probability < 1:
        chance += ", instead of the others"
    return _sentence(f"{arrangement_phrase(rule, resolved)}, {chance}")


def confounder_sentence(confounder: Confounder, resolved: Arrangement) -> str:
    """Return a confounder as one sentence, with its chances by condition and set."""
    told = [chances_phrase(confounder.probability)]
    same: dict[str, list[str]] = {}
    for name in SETS:
        chances = getattr(confounder, name)
        if chances is not None:
            same.setdefault(chances_phrase(chances), []).append(name)
    for phrase, names in same.items():
        told.append(f"in the {listed(names)} {'sets' if len(names) > 1 else 'set'} {phrase}")
    return _sentence(f"{arrangement_phrase(confounder, resolved)}; {'; '.join(told)}")


def chances_phrase(chances: Chances) -> str:
    """Return the chances of a confounder.

    >>> chances_phrase(0.5), chances_phrase({"a": 0.8, "b": 0.2, "none": 0.2})
    ('in 50 % of examples', 'in 80 % of examples that show a, 20 % of those of b or no condition')
    """
    if isinstance(chances, float):
        return f"in {percent(chances)} of examples"
    by_chance: dict[float, list[str]] = {}
    for name, chance in chances.items():
        by_chance.setdefault(chance, []).append("no condition" if name == NONE else name)
    told = [(percent(chance), listed(names, "or")) for chance, names in by_chance.items()]
    (share, names), *rest = told
    first = f"in {share} of examples that show {names}"
    return ", ".join([first, *(f"{share} of those of {names}" for share, names in rest)])


def noise_lines(grammar: Grammar) -> list[str]:
    """Return the label noise of a grammar that has some: a Markdown list."""
    assert grammar.noise is not None
    sets = listed(grammar.noise.sets)
    where = f"{sets} {'sets' if len(grammar.noise.sets) > 1 else 'set'}"
    if grammar.task == "multi-class":
        what = "recorded as another condition, each of the others equally likely"
    else:
        what = "flipped, each condition's label by itself"
    rates = ", ".join(f"{name} {percent(rate)}" for name, rate in grammar.noise.labels.items())
    silent = [name for name in grammar.conditions if name not in grammar.noise.labels]
    rest = f"; never of {listed(silent, 'or')}" if silent else ""
    return [f"- In the {where} some labels are {what}: {rates}{rest}."]


def group_lines(groups: Sequence[Group]) -> list[str]:
    """Return the groups of examples with their shares: a Markdown list."""
    total = math.fsum(group.share for group in groups)
    lines = []
    for group in groups:
        shown = listed(group.conditions) if group.conditions else "no condition"
        shuffled = ""
        if group.shuffle:
            words = "letters" if group.shuffle == 1 else f"words of {group.shuffle} letters"
            shuffled = (
                f", as shuffles of examples of the other groups that keep the counts of {words}"
            )
        lines.append(f"- {percent(group.share / total)} show {shown}{shuffled}.")
    return lines


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a Markdown table whose columns are aligned in plain text, numbers to the right."""
    body = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *body, strict=True)]
    right = [
        bool(body) and all(_is_number(cell) for cell in column)
        for column in zip(*body, strict=True)
    ] or [False] * len(header)

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(cells, widths, right, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = ["-" * (w - 1) + ":" if r else "-" * w for w, r in zip(widths, right, strict=True)]
    return [line(header), line(rule), *map(line, body)]


def _is_number(cell: str) -> bool:
    return (
        cell.replace(",", "").replace("e-", "").replace(".", "").rstrip(" %").lstrip("-").isdigit()
    )


def shortened(text: str, most: int = _LONG_CONSENSUS) -> str:
    """Return a text without its middle where it is long."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[1 - most // 2 :]}"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def rule_sections(written: Grammar, resolved: Grammar) -> dict[str, list[str]]:
    """Return conditions, common rules, confounders, label noise and examples by heading."""
    lines: list[str] = []
    for name, condition in written.conditions.items():
        lines += ["", *condition_lines(name, condition, resolved.conditions[name])]
    sections = {"Conditions": lines[1:]}
    if written.common.rules:
        pairs = zip(written.common.rules, resolved.common.rules, strict=True)
        sections["In every condition"] = [f"- {rule_sentence(one, known)}" for one, known in pairs]
    if written.confounders:
        both = zip(written.confounders, resolved.confounders, strict=True)
        told = [f"- {confounder_sentence(one, known)}" for one, known in both]
        sections["Confounders"] = told
    if written.noise:
        sections["Label noise"] = noise_lines(written)
    return {**sections, "Examples": group_lines(resolved.examples)}


def shares_of_conditions(groups: Sequence[Group]) -> Mapping[str, float]:
    """Return the share of examples that show each condition."""
    total = math.fsum(group.share for group in groups)
    found: dict[str, float] = {}
    for group in groups:
        for name in group.conditions:
            found[name] = found.get(name, 0.0) + group.share / total
    return found
