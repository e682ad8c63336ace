"""Published XML data definitions (seqgra 0.0.x) -> the content of a grammar file.

What the published simulator does is kept: later elements overwrite earlier ones (`overlap: allow`), elements
without a spacing constraint are placed independently. Labels are descriptions only; what an
example holds follows from the references.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from seqgra.alphabet import ALPHABETS, BACKGROUND_PRESETS, SETS
from seqgra.errors import InputError, Problem
from seqgra.grammar.legacy_reader import Reader
from seqgra.grammar.legacy_sets import read_groups, sizes
from seqgra.grammar.load import resolve
from seqgra.grammar.xmltree import Node, read_xml
from seqgra.yamlfile import suggest

_TASKS = {"multi-class classification": "multi-class", "multi-label classification": "multi-label"}
_MODES = {"sequential": "sequential", "mutually exclusive": "mutually-exclusive"}
_ORDERS = {"in-order": "in-order", "random": "random"}
#: Texts that the published examples carry where nobody wrote one.
_PLACEHOLDERS = ("default grammar name", "default grammar description")

#: The set and the condition that a background is for, None for all.
_Scope = tuple[str | None, str | None]


class Imported(NamedTuple):
    """A data definition read.

    Attributes
    ----------
    content
        The grammar file, as what YAML holds.
    id
        The definition's own id.
    counts
        Examples in each set, shuffles included.
    seed
        Simulation seed, None where there is none.
    notes
        What differs from the definition, a sentence each.
    """

    content: dict[str, Any]
    id: str
    counts: dict[str, int]
    seed: int | None
    notes: tuple[str, ...]


def import_definition(path: Path) -> Imported:
    """Read a published XML data definition.

    Raises
    ------
    InputError
        Holding every problem found, each with the line it stands in.
    """
    reader, root = Reader(str(path)), read_xml(path)
    if root.tag != "seqgradata":
        message = f"is a <{root.tag}>; a data definition is a <seqgradata>"
        raise InputError(Problem(str(path), f"line {root.line}", message))
    reader.check_tags(root)
    content, name, seed = _general(reader, root)
    conditions = _conditions(reader, root)
    elements = _elements(reader, root)
    content |= _background(reader, root, list(conditions), content.get("alphabet") or "DNA")
    groups, sets = read_groups(reader, root, conditions, content.get("task") == "multi-label")
    by_condition = content.get("background")
    if isinstance(by_condition, dict) and "by-condition" in by_condition:
        told = by_condition["by-condition"]
        for added in conditions.keys() - told.keys():  # whose examples are shuffles, never drawn
            told[added] = next(iter(told.values()))
    content["overlap"] = "allow"
    content |= {"elements": elements, "conditions": conditions}
    if groups:
        content["examples"] = groups
    reader.raise_problems()
    try:
        resolve(content, path, path.parent)
    except InputError as error:
        raise InputError(*(reader.located(problem) for problem in error.problems)) from None
    notes = [*reader.notes, *_overlap_notes(content)]
    return Imported(content, name, sizes(sets), seed, tuple(notes))


def _general(reader: Reader, root: Node) -> tuple[dict[str, Any], str, int | None]:
    """Return description, alphabet and task; the id; and the seed."""
    general = reader.child(root, "general")
    if general is None:
        return {}, "", None
    texts = [node.text for tag in ("name", "description") for node in general.all(tag)]
    told = [text for text in texts if text and text not in _PLACEHOLDERS]
    content: dict[str, Any] = {"description": ": ".join(told)} if told else {}
    spaces = {name.lower(): name for name in ALPHABETS}
    content["alphabet"] = reader.choice(reader.child(general, "sequencespace"), spaces)
    content["task"] = reader.choice(reader.child(general, "task"), _TASKS)
    older = [node for part in root.all("datageneration") for node in part.all("seed")]
    seeds = [*general.all("seed"), *older]
    seed = reader.integer(seeds[0], seeds[0].text) if seeds else None
    if seed is not None and seed < 0:
        reader.complain(seeds[0], f"is {seed}; a seed is a whole number from 0")
    return content, reader.identifier(general, "id"), seed


def _background(reader: Reader, root: Node, conditions: list[str], alphabet: str) -> dict[str, Any]:
    """Return window and background."""
    background = reader.child(root, "background")
    if background is None:
        return {}
    ends = [reader.child(background, tag) for tag in ("minlength", "maxlength")]
    shortest, longest = (reader.integer(node, node.text) if node else None for node in ends)
    if ends[0]:
        reader.lines["window"] = ends[0].line
    window = shortest if shortest == longest else [shortest, longest]
    lists = reader.child(background, "alphabetdistributions")
    told = _distributions(reader, lists, conditions, alphabet) if lists else {}
    if lists is None or not told or reader.problems:
        return {"window": window}
    reader.lines["background"] = lists.line
    keys = {
        (set_name, condition): _most_specific(reader, lists, told, set_name, condition)
        for set_name in SETS
        for condition in conditions
    }
    if reader.problems:
        return {"window": window}
    for (set_name, condition), key in keys.items():
        line = told[key][1].line
        reader.lines.setdefault(f"background.by-set.{set_name}", line)
        reader.lines.setdefault(f"background.by-condition.{condition}", line)
        reader.lines[f"background.by-condition.{condition}.by-set.{set_name}"] = line
    table = {place: told[key][0] for place, key in keys.items()}
    return {"window": window, "background": _compact(table, conditions)}


def _distributions(
    reader: Reader, lists: Node, conditions: list[str], alphabet: str
) -> dict[_Scope, tuple[Any, Node]]:
    """Return each background with its node, by the set and the condition it is for."""
    told: dict[_Scope, tuple[Any, Node]] = {}
    for node in lists.all("alphabetdistribution"):
        key = (node.attributes.get("setname"), node.attributes.get("cid"))
        if key[0] is not None and key[0] not in SETS:
            reader.complain(node, f"unknown set {key[0]!r}; {suggest(key[0], SETS)}")
        elif key[1] is not None and key[1] not in conditions:
            reader.complain(node, f"unknown condition {key[1]!r}; {suggest(key[1], conditions)}")
        elif key in told:
            reader.complain(node, "stands for the same examples as an earlier one; delete one")
        told[key] = (_preset(reader.letters(node, "background"), alphabet), node)
    if not told:
        reader.complain(lists, "holds no <alphabetdistribution>")
    return told


def _preset(letters: dict[str, float], alphabet: str) -> Any:
    """Return the name of a preset with exactly these letters, or the letters."""
    for name, by_alphabet in BACKGROUND_PRESETS.items():
        values = dict(zip(ALPHABETS[alphabet].letters, by_alphabet.get(alphabet, ()), strict=False))
        if letters == values:
            return name
    return letters


def _most_specific(
    reader: Reader, lists: Node, told: Mapping[_Scope, Any], set_name: str, condition: str
) -> _Scope:
    """Return the key of the background that holds for a set and a condition."""
    if (set_name, condition) in told:
        return set_name, condition
    if (set_name, None) in told and (None, condition) in told:
        message = f"has one for set {set_name} and one for condition {condition}"
        reader.complain(lists, f"{message}; give one for both together")
    for key in ((set_name, None), (None, condition), (None, None)):
        if key in told:
            return key
    reader.complain(lists, f"has none for condition {condition} in the {set_name} set")
    return None, None


def _compact(table: dict[tuple[str, str], Any], conditions: list[str]) -> Any:
    """Return the plainest background that says what the table says."""

    def same(values: list[Any]) -> bool:
        return all(value == values[0] for value in values)

    by_condition = {}
    for condition in conditions:
        sets = {name: table[name, condition] for name in SETS}
        alike = same(list(sets.values()))
        by_condition[condition] = sets[SETS[0]] if alike else {"by-set": sets}
    if same(list(by_condition.values())):
        return by_condition[conditions[0]]
    if all(same([table[name, condition] for condition in conditions]) for name in SETS):
        return {"by-set": {name: table[name, conditions[0]] for name in SETS}}
    return {"by-condition": by_condition}


def _conditions(reader: Reader, root: Node) -> dict[str, Any]:
    conditions: dict[str, Any] = {}
    for node in reader.items(root, "conditions", "condition"):
        name = reader.identifier(node, "id")
        if name in conditions:
            reader.complain(node, f"condition {name!r} is given twice")
        place = f"conditions.{name}"
        reader.lines[place] = node.line
        texts = [part.text for tag in ("label", "description") for part in node.all(tag)]
        condition: dict[str, Any] = {}
        if any(texts):
            condition["description"] = ": ".join(filter(None, texts))
        grammar = reader.child(node, "grammar")
        for mode in [*node.all("mode"), *(grammar.all("mode") if grammar else [])]:
            told = reader.choice(mode, _MODES)
            condition |= {} if told == "sequential" else {"mode": told}
        rules = [
            _rule(reader, rule, f"{place}.rules[{number}]")
            for number, rule in enumerate(grammar.all("rule") if grammar else [])
        ]
        conditions[name] = condition | ({"rules": rules} if rules else {})
    return conditions


def _rule(reader: Reader, node: Node, place: str) -> dict[str, Any]:
    reader.lines[place] = node.line
    names = [
        reader.identifier(ref, "sid")
        for ref in reader.items(node, "sequenceelementrefs", "sequenceelementref")
    ]
    slots = _slots(names)
    rule: dict[str, Any] = {"elements": slots if len(set(names)) < len(names) else names}
    where = reader.child(node, "position")
    position: int | str | None = where.text if where else "random"
    if where and position not in ("start", "center", "end", "random"):
        position = reader.integer(where, where.text, ", start, center, end or random")
    if where and position != "random":
        rule["position"] = position
        reader.lines[f"{place}.position"] = where.line
    chance = reader.child(node, "probability")
    probability = reader.number(chance, chance.text) if chance else 1.0
    if chance and probability != 1:
        rule["probability"] = probability
        reader.lines[f"{place}.probability"] = chance.line
    spacings = [item for part in node.all("spacingconstraints") for item in part.children]
    if spacings:
        rule["spacing"] = [
            _spacing(reader, item, slots, f"{place}.spacing[{n}]")
            for n, item in enumerate(spacings)
        ]
    return rule


def _slots(names: list[str]) -> dict[str, str]:
    """Return the element of each slot; one that is named again gets an alias.

    >>> _slots(["a", "b", "a"])
    {'a': 'a', 'b': 'b', 'a-2': 'a'}
    """
    slots: dict[str, str] = {}
    for name in names:
        slot, number = name, 1
        while slot in slots or (number > 1 and slot in names):
            number += 1
            slot = f"{name}-{number}"
        slots[slot] = name
    return slots


def _spacing(reader: Reader, node: Node, slots: dict[str, str], place: str) -> dict[str, Any]:
    reader.lines[place] = node.line
    first, second = (reader.identifier(node, key) for key in ("sid1", "sid2"))
    again = {name: [s for s, n in slots.items() if n == name][1:] for name in (first, second)}
    if first == second and again[first]:
        second = again[first][0]
    else:
        for name in [name for name, others in again.items() if others]:
            reader.note(node, f"the rule has {name} more than once; the spacing ties the first")
    least, most = (
        reader.integer(node, reader.attribute(node, key)) for key in ("mindistance", "maxdistance")
    )
    if least is not None and least < 0:
        reader.complain(node, f"mindistance is {least}; the published format starts at 0")
    spacing: dict[str, Any] = {
        "elements": [first, second],
        "gap": least if least == most else [least, most],
    }
    order = reader.choice(node, _ORDERS, reader.attribute(node, "order"))
    return spacing | ({"order": "random"} if order == "random" else {})


def _elements(reader: Reader, root: Node) -> dict[str, Any]:
    elements: dict[str, Any] = {}
    for node in reader.items(root, "sequenceelements", "sequenceelement"):
        name = reader.identifier(node, "id")
        place = f"elements.{name}"
        if name in elements:
            reader.complain(node, f"element {name!r} is given twice")
        reader.lines[place] = node.line
        kinds = [child for child in node.children if child.tag in ("kmerbased", "matrixbased")]
        if len(kinds) != 1:
            reader.complain(node, "needs either <kmerbased> or <matrixbased>")
            elements[name] = {}
        elif kinds[0].tag == "kmerbased":
            kmers = reader.letters(kinds[0], f"{place}.kmers", "kmer")
            elements[name] = {"kmers": kmers}
        else:
            elements[name] = {"matrix": []}
            for row, column in enumerate(kinds[0].all("position")):
                where = f"{place}.matrix[{row}]"
                reader.lines[where] = column.line
                elements[name]["matrix"].append(_row(reader, root, column))
    return elements


def _row(reader: Reader, root: Node, node: Node) -> list[float]:
    """Return the probabilities of a matrix position in the alphabet's order; a letter left out has 0."""
    given = reader.letters(node, "")
    space = [part.text for general in root.all("general") for part in general.all("sequencespace")]
    alphabets = {name.lower(): alphabet for name, alphabet in ALPHABETS.items()}
    alphabet = alphabets.get(space[0].lower() if space else "")
    if alphabet is None:
        return []  # reported where it stands
    for letter in given:
        if letter not in alphabet.letters:
            reader.complain(node, f"{letter!r} is no letter of {alphabet.name}")
    return [given.get(letter, 0.0) for letter in alphabet.letters]


def _overlap_notes(content: dict[str, Any]) -> list[str]:
    """Return what to know of elements that may overwrite one another."""
    several = content["task"] == "multi-label" or any(
        len(rule["elements"]) > 1 or len(condition.get("rules", ())) > 1
        for condition in content["conditions"].values()
        for rule in condition.get("rules", ())
    )
    if not several:
        return []
    return ["overlap: allow keeps what the published simulator does; forbid gives intact elements"]
