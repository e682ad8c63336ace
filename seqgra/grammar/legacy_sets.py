"""The sets of a published XML data definition: groups of examples, sizes, shuffled copies."""

from __future__ import annotations

import math
from typing import Any

from seqgra.alphabet import SETS
from seqgra.grammar.legacy_reader import Reader
from seqgra.grammar.xmltree import Node
from seqgra.yamlfile import suggest

_SHUFFLE = "kmer-frequency-preserving-shuffle"
#: Shares that repeat only after more examples than this are rounded to `_ROUNDED` parts.
_LONGEST_PERIOD, _ROUNDED = 100_000, 10_000

#: Examples of each group: by the conditions shown, and the k of a shuffle (0: none).
Groups = dict[tuple[tuple[str, ...], int], int]


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
        told = ", ".join(f"{_name(key)} {count:,}" for key, count in groups.items())
        reader.notes.append(
            f"shares differ between sets; those of the {whose} set hold for all. The {name} set had: "
            f"{told}"
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
