"""Published XML data definitions (seqgra 0.0.x) -> the content of a grammar file.

What the published simulator does is kept: later elements overwrite earlier ones (`overlap: allow`), elements
without a spacing constraint are placed independently. Labels are descriptions only; what an
example holds follows from the references.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

from seqgra.alphabet import ALPHABETS, BACKGROUND_PRESETS, SETS
from seqgra.errors import InputError, Problem, bad_input, raise_problems
from seqgra.grammar.load import resolve
from seqgra.yamlfile import suggest

_TASKS = {"multi-class classification": "multi-class", "multi-label classification": "multi-label"}
_MODES = {"sequential": "sequential", "mutually exclusive": "mutually-exclusive"}
_ORDERS = {"in-order": "in-order", "random": "random"}
#: Texts that the published examples carry where nobody wrote one.
_PLACEHOLDERS = ("default grammar name", "default grammar description")

#: The set and the condition that a background is for, None for all.
_Scope = tuple[str | None, str | None]
_SHUFFLE = "kmer-frequency-preserving-shuffle"
#: Shares that repeat only after more examples than this are rounded to `_ROUNDED` parts.
_LONGEST_PERIOD, _ROUNDED = 100_000, 10_000

#: Examples of each group: by the conditions shown, and the k of a shuffle (0: none).
Groups = dict[tuple[tuple[str, ...], int], int]
#: Beyond these a file is no data definition.
_MOST_BYTES, _DEEPEST = 64 << 20, 50
#: Children and attributes of each tag; those that are not here hold text only.
_TAGS = {
    "seqgradata": ("general background datageneration conditions sequenceelements", ""),
    "general": ("name label description task sequencespace seed", "id"),
    "background": ("minlength maxlength alphabetdistributions", ""),
    "alphabetdistributions": ("alphabetdistribution", ""),
    "alphabetdistribution": ("letter", "setname cid"),
    "letter": ("", "probability"),
    "datageneration": ("seed sets postprocessing", ""),
    "sets": ("set", ""),
    "set": ("example", "name"),
    "example": ("conditionref", "samples"),
    "conditionref": ("", "cid"),
    "postprocessing": ("operation", ""),
    "operation": ("", "labels k"),
    "conditions": ("condition", ""),
    "condition": ("label description mode grammar", "id"),
    "grammar": ("mode rule", ""),
    "rule": ("position probability sequenceelementrefs spacingconstraints", ""),
    "position": ("letter", ""),
    "sequenceelementrefs": ("sequenceelementref", ""),
    "sequenceelementref": ("", "sid"),
    "spacingconstraints": ("spacingconstraint", ""),
    "spacingconstraint": ("", "sid1 sid2 mindistance maxdistance order"),
    "sequenceelements": ("sequenceelement", ""),
    "sequenceelement": ("kmerbased matrixbased", "id"),
    "kmerbased": ("kmer", ""),
    "kmer": ("", "probability"),
    "matrixbased": ("position", ""),
}
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]+")
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Imported(NamedTuple):
    """A data definition read."""

    #: The grammar file, as what YAML holds.
    content: dict[str, Any]
    #: The definition's own id.
    id: str
    #: Examples in each set, shuffles included.
    counts: dict[str, int]
    #: Simulation seed, None where there is none.
    seed: int | None
    #: What differs from the definition, a sentence each.
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
        backgrounds = by_condition["by-condition"]
        for each in conditions:  # examples of those that have none are shuffles, never drawn
            backgrounds.setdefault(each, next(iter(backgrounds.values())))
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
    descriptions = [text for text in texts if text and text not in _PLACEHOLDERS]
    content: dict[str, Any] = {"description": ": ".join(descriptions)} if descriptions else {}
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
    distributions = _distributions(reader, lists, conditions, alphabet) if lists else {}
    if lists is None or not distributions or reader.problems:
        return {"window": window}
    reader.lines["background"] = lists.line
    keys = {
        (set_name, condition): _most_specific(reader, lists, distributions, set_name, condition)
        for set_name in SETS
        for condition in conditions
    }
    if reader.problems:
        return {"window": window}
    for (set_name, condition), key in keys.items():
        line = distributions[key][1].line
        reader.lines.setdefault(f"background.by-set.{set_name}", line)
        reader.lines.setdefault(f"background.by-condition.{condition}", line)
        reader.lines[f"background.by-condition.{condition}.by-set.{set_name}"] = line
    table = {place: distributions[key][0] for place, key in keys.items()}
    return {"window": window, "background": _compact(table, conditions)}


def _distributions(
    reader: Reader, lists: Node, conditions: list[str], alphabet: str
) -> dict[_Scope, tuple[Any, Node]]:
    """Return each background with its node, by the set and the condition it is for."""
    distributions: dict[_Scope, tuple[Any, Node]] = {}
    for node in lists.all("alphabetdistribution"):
        key = (node.attributes.get("setname"), node.attributes.get("cid"))
        if key[0] is not None and key[0] not in SETS:
            reader.complain(node, f"unknown set {key[0]!r}; {suggest(key[0], SETS)}")
        elif key[1] is not None and key[1] not in conditions:
            reader.complain(node, f"unknown condition {key[1]!r}; {suggest(key[1], conditions)}")
        elif key in distributions:
            reader.complain(node, "stands for the same examples as an earlier one; delete one")
        distributions[key] = (_preset(reader.letters(node, "background"), alphabet), node)
    if not distributions:
        reader.complain(lists, "holds no <alphabetdistribution>")
    return distributions


def _preset(letters: dict[str, float], alphabet: str) -> Any:
    """Return the name of a preset with exactly these letters, or the letters."""
    for name, by_alphabet in BACKGROUND_PRESETS.items():
        values = dict(zip(ALPHABETS[alphabet].letters, by_alphabet.get(alphabet, ()), strict=False))
        if letters == values:
            return name
    return letters


def _most_specific(
    reader: Reader, lists: Node, distributions: Mapping[_Scope, Any], set_name: str, condition: str
) -> _Scope:
    """Return the key of the background that holds for a set and a condition."""
    if (set_name, condition) in distributions:
        return set_name, condition
    if (set_name, None) in distributions and (None, condition) in distributions:
        message = f"has one for set {set_name} and one for condition {condition}"
        reader.complain(lists, f"{message}; give one for both together")
    for key in ((set_name, None), (None, condition), (None, None)):
        if key in distributions:
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
            chosen_mode = reader.choice(mode, _MODES)
            condition |= {} if chosen_mode == "sequential" else {"mode": chosen_mode}
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


def read_groups(
    reader: Reader, root: Node, conditions: dict[str, Any], multi_label: bool
) -> tuple[list[dict[str, Any]], dict[str, Groups]]:
    """Return the `examples` of the grammar (none where the default says it), and each set's groups.

    A condition that only labels shuffles is added to `conditions`.
    """
    generation = reader.child(root, "datageneration")
    if generation is None:
        return [], {}
    sets: dict[str, Groups] = {}
    for node in reader.items(generation, "sets", "set"):
        name = reader.attribute(node, "name")
        if name not in SETS:
            reader.complain(node, f"unknown set {name!r}; {suggest(name, SETS)}")
        elif name in sets:
            reader.complain(node, f"set {name!r} is given twice")
        sets[name] = _set(reader, node, list(conditions))
    for operations in generation.all("postprocessing"):
        for node in operations.children:
            _shuffle(reader, node, sets, conditions, multi_label)
    kept = next((sets[name] for name in SETS if name in sets), {})
    _compare_sets(reader, sets, kept)
    shares = _shares(reader, kept)
    if list(shares.items()) == [(((name,), 0), 1) for name in conditions]:
        return [], sets
    groups = []
    for number, ((shown, k), share) in enumerate(shares.items()):
        reader.lines.setdefault(f"examples[{number}]", generation.line)
        groups.append({"conditions": list(shown), "share": share} | ({"shuffle": k} if k else {}))
    return groups, sets


def sizes(sets: dict[str, Groups]) -> dict[str, int]:
    """Return how many examples each set has."""
    return {name: sum(sets[name].values()) for name in SETS if name in sets}


def _set(reader: Reader, node: Node, conditions: list[str]) -> Groups:
    """Return the groups of one set; the same conditions twice count together."""
    groups: Groups = {}
    if not node.children:
        reader.complain(node, "holds no <example>")
    for example in node.all("example"):
        number = len(groups)
        shown = [reader.attribute(ref, "cid") for ref in example.all("conditionref")]
        for name in shown:
            if name not in conditions:
                reader.complain(example, f"unknown condition {name!r}; {suggest(name, conditions)}")
                return {}
        if len(set(shown)) < len(shown):
            reader.complain(example, "names a condition twice")
        samples = reader.integer(example, reader.attribute(example, "samples"))
        if samples is not None and samples < 1:
            reader.complain(example, f"samples is {samples}; expected a whole number from 1")
        key = (tuple(sorted(shown, key=conditions.index)), 0)
        groups[key] = groups.get(key, 0) + max(samples or 1, 1)
        if node.attributes.get("name") == SETS[0]:
            reader.lines.setdefault(f"examples[{number}]", example.line)
    return groups


def _shuffle(
    reader: Reader,
    node: Node,
    sets: dict[str, Groups],
    conditions: dict[str, Any],
    multi_label: bool,
) -> None:
    """Add a shuffled copy of all examples to each set, as the operation says."""
    if node.text != _SHUFFLE:
        reader.complain(node, f"is {node.text!r}; known operations: {_SHUFFLE}")
        return
    k = reader.integer(node, node.attributes.get("k", "1"))
    if k is None or not 1 <= k <= 6:
        if k is not None:
            reader.complain(node, f"k is {k}; expected 1 to 6")
        return
    labels = [label for label in node.attributes.get("labels", "").split("|") if label]
    if not multi_label and len(labels) != 1:
        advice = 'name one for the shuffles, such as labels="shuffled"'
        reader.complain(node, f"labels is {'|'.join(labels)!r} in a multi-class task; {advice}")
        return
    for label in labels:
        if label not in conditions and not multi_label:
            conditions[label] = {"description": f"shuffles that keep {k}-mer counts"}
            reader.note(node, f"condition {label} is added: the shuffles' label")
        elif label not in conditions:
            advice = suggest(label, list(conditions))
            reader.complain(node, f"unknown condition {label!r}; {advice}")
            return
    key = (tuple(sorted(labels, key=list(conditions).index)), k)
    for groups in sets.values():
        drawn = sum(count for (_, shuffled), count in groups.items() if not shuffled)
        groups[key] = groups.get(key, 0) + drawn
    reader.note(
        node,
        "shuffles are of freshly drawn examples here, and not of the set's own; each set counts them",
    )


def _compare_sets(reader: Reader, sets: dict[str, Groups], kept: Groups) -> None:
    """Note the sets whose shares differ from those that the grammar keeps."""
    whose = next((name for name in SETS if name in sets), "")
    total = sum(kept.values())
    for name, groups in sets.items():
        size = sum(groups.values())
        keys = kept.keys() | groups.keys()
        if all(kept.get(key, 0) * size == groups.get(key, 0) * total for key in keys):
            continue
        counts = ", ".join(f"{_name(key)} {count:,}" for key, count in groups.items())
        reader.notes.append(
            f"shares differ between sets; those of the {whose} set hold for all. The {name} set had: "
            f"{counts}"
        )


def _name(key: tuple[tuple[str, ...], int]) -> str:
    shown, k = key
    return f"{'+'.join(shown) or '(none)'}{' shuffled' if k else ''}"


def _shares(reader: Reader, groups: Groups) -> Groups:
    """Return counts as shares in lowest terms, rounded where they would make a very long table."""
    unit = math.gcd(*groups.values()) or 1
    shares = {key: count // unit for key, count in groups.items()}
    if (period := sum(shares.values())) <= _LONGEST_PERIOD:
        return shares
    reader.notes.append(
        f"shares repeat only after {period:,} examples; they are rounded to 1 in {_ROUNDED:,}"
    )
    rounded = {key: max(round(s * _ROUNDED / period), 1) for key, s in shares.items()}
    unit = math.gcd(*rounded.values())
    return {key: share // unit for key, share in rounded.items()}


class Reader:
    """What reading a file has found so far.

    Attributes
    ----------
    file
        What messages name.
    problems, notes
        What is wrong; what differs from the definition.
    lines
        The line behind each place of the grammar, such as ``conditions.c1.rules[0].position``.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.lines: dict[str, int] = {}

    def complain(self, node: Node, message: str) -> None:
        """Add a problem of a node."""
        self.problems.append(Problem(self.file, f"line {node.line}", f"<{node.tag}>: {message}"))

    def note(self, node: Node, message: str) -> None:
        """Add a note on a node."""
        self.notes.append(f"XML line {node.line}: {message}")

    def raise_problems(self) -> None:
        """Raise all problems, in the file's order.

        Raises
        ------
        InputError
            If there is a problem.
        """
        order = sorted(dict.fromkeys(self.problems), key=lambda p: int(p.path.split()[1]))
        raise_problems(order)

    def located(self, problem: Problem) -> Problem:
        """Return a problem of the grammar as one of the XML file: with the line, where it is known."""
        place = problem.path
        while place and place not in self.lines:
            place = place[: max(place.rfind("."), place.rfind("["), 0)]
        if not place:
            return problem
        return Problem(self.file, f"line {self.lines[place]}: {problem.path}", problem.message)

    def check_tags(self, node: Node) -> None:
        """Look for tags and attributes that the format does not have, at any depth."""
        children, attributes = (part.split() for part in _TAGS.get(node.tag, ("", "")))
        for name in node.attributes:
            if name not in attributes and not name.startswith(("xmlns", "xsi:")):
                advice = suggest(name, attributes) if attributes else "it takes none"
                self.complain(node, f"unknown attribute {name!r}; {advice}")
        for child in node.children:
            if child.tag in children:
                self.check_tags(child)
            else:
                advice = suggest(child.tag, children) if children else "only text belongs here"
                self.complain(child, f"unknown tag in <{node.tag}>; {advice}")

    def child(self, node: Node, tag: str) -> Node | None:
        """Return the one child of a tag; a problem if there is none, or more."""
        found = node.all(tag)
        if not found:
            self.complain(node, f"has no <{tag}>")
        elif len(found) > 1:
            self.complain(found[1], f"is given twice in <{node.tag}>; delete one")
        return found[0] if found else None

    def items(self, node: Node, tag: str, item: str) -> list[Node]:
        """Return the items of a list; a problem if there is no list, or nothing in it."""
        holder = self.child(node, tag)
        found = holder.all(item) if holder else []
        if holder and not found:
            self.complain(holder, f"holds no <{item}>")
        return found

    def attribute(self, node: Node, name: str) -> str:
        """Return an attribute; a problem if there is none."""
        if name not in node.attributes:
            self.complain(node, f"has no attribute {name}")
            return ""
        return node.attributes[name].strip()

    def identifier(self, node: Node, name: str) -> str:
        """Return an attribute that is an id: letters, digits, _ and -."""
        text = self.attribute(node, name)
        if name in node.attributes and not _IDENTIFIER.fullmatch(text):
            self.complain(node, f"{name} is {text!r}; ids hold letters, digits, _ and - only")
        return text

    def choice(
        self, node: Node | None, known: Mapping[str, str], text: str | None = None
    ) -> str | None:
        """Return what one of the `known` words (in lower case) stands for; a node's text by default."""
        if node is None or (text is not None and not text):
            return None
        text = node.text if text is None else text
        if text.lower() not in known:
            self.complain(node, f"is {text!r}; {suggest(text.lower(), list(known))}")
        return known.get(text.lower())

    def integer(self, node: Node, text: str, else_: str = "") -> int | None:
        """Read a whole number; a problem if it is none."""
        if _INTEGER.fullmatch(text):
            return int(text)
        if not (text == "" and self._told(node)):
            self.complain(node, f"is {text!r}; expected a whole number{else_}")
        return None

    def number(self, node: Node, text: str) -> float:
        """Read a number; a problem if it is none."""
        if _NUMBER.fullmatch(text):
            return float(text)
        if not (text == "" and self._told(node)):
            self.complain(node, f"is {text!r}; expected a number")
        return 0.0

    def _told(self, node: Node) -> bool:
        """Return whether a missing attribute of this node is among the problems already."""
        start = f"<{node.tag}>: has no attribute"
        return any(
            problem.path == f"line {node.line}" and problem.message.startswith(start)
            for problem in self.problems
        )

    def letters(self, node: Node, place: str, tag: str = "letter") -> dict[str, float]:
        """Return the probabilities of letters or k-mers, which become upper case."""
        found: dict[str, float] = {}
        if place:
            self.lines[place] = node.line
        for item in node.all(tag):
            text = item.text.upper()
            if not text:
                self.complain(item, "is empty")
            elif text in found:
                self.complain(item, f"{text!r} is given twice")
            elif tag == "letter" and len(text) > 1:
                self.complain(item, f"is {text!r}; expected one letter")
            found[text] = self.number(item, self.attribute(item, "probability"))
            self.lines[f"{place}.{text}"] = item.line
        if not found:
            self.complain(node, f"holds no <{tag}>")
        return found


@dataclass
class Node:
    """An XML element: its tag, attributes, line (from 1), children, and the text between them."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[Node] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text, with white space trimmed and runs of it made one blank."""
        return " ".join("".join(self.parts).split())

    def all(self, tag: str) -> list[Node]:
        """Return the children of this tag."""
        return [child for child in self.children if child.tag == tag]


class _Builder:
    """Handlers of the parser: the open nodes, outermost first, below a root that holds the document's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.top = Node("", {}, 0)
        self._open = [self.top]
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._doctype

    @property
    def innermost(self) -> Node | None:
        """The innermost open node."""
        return self._open[-1] if len(self._open) > 1 else None

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        line = self.parser.CurrentLineNumber
        if len(self._open) > _DEEPEST:
            raise bad_input(self.path, f"line {line}", f"nests more than {_DEEPEST} tags")
        node = Node(tag, attributes, line)
        self._open[-1].children.append(node)
        self._open.append(node)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _characters(self, text: str) -> None:
        self._open[-1].parts.append(text)

    def _doctype(self, *_: object) -> None:
        place = f"line {self.parser.CurrentLineNumber}"
        message = "has a DOCTYPE, which can define entities and name other files; delete it"
        raise bad_input(self.path, place, message)


def read_xml(path: Path) -> Node:
    """Return the root node of an XML file. Nothing but the file itself is read.

    Raises
    ------
    InputError
        If the file cannot be read, is no XML, or has a DOCTYPE.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise bad_input(path, "", f"is larger than {_MOST_BYTES >> 20} MiB")
        content = path.read_bytes()
    except OSError as error:
        raise bad_input(path, "", f"cannot be read ({error.strerror})") from None
    if not content.strip():
        raise bad_input(path, "", "is empty")
    builder = _Builder(path)
    try:
        builder.parser.Parse(content, True)
    except expat.ExpatError as error:
        place = f"line {error.lineno}, column {error.offset + 1}"
        message = f"is not XML: {expat.ErrorString(error.code)}"
        if innermost := builder.innermost:
            message += f"; <{innermost.tag}> of line {innermost.line} is open here"
        raise bad_input(path, place, message) from None
    except (LookupError, ValueError) as error:  # an encoding that cannot be decoded
        raise bad_input(path, "line 1", f"is not XML: {error}") from None
    return builder.top.children[0]
