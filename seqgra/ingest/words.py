"""The facts of an ingested dataset in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqgra.alphabet import SETS
from seqgra.ingest.columns import listed
from seqgra.textfile import aligned

#: Up to so many elements are told one by one.
_MOST_ELEMENTS = 20


def facts_in_words(content: Mapping[str, Any]) -> str:
    """Return what `dataset.json` of an ingested dataset holds, as plain text."""
    facts = content["ingest"]
    facts_of = {name: facts["sets"][name] for name in SETS if name in content["counts"]}
    labels = list(
        dict.fromkeys(label for of_set in facts_of.values() for label in of_set["labels"])
    )
    lines = [f"{facts['read']:,} read; {sum(content['counts'].values()):,} examples of "]
    lines[0] += f"{_lengths(facts_of.values())} letters ({content['alphabet']}, {content['task']})"
    by_label = facts.get("dropped_by_label", {})
    lines += [
        f"  {n:,} {reason}{_by_label(by_label.get(reason))}"
        for reason, n in facts["dropped"].items()
    ]
    lines += [f"split: {facts['split']}"] if "split" in facts else []
    lines += ["", *aligned(_label_rows(facts_of, labels, content["alphabet"] != "protein"))]
    if "shortcuts" in facts:
        lines += _shortcut_lines(facts["shortcuts"])
    names = content["elements"]
    if names:
        lines += ["", *aligned(_element_rows(facts_of, labels, names))]
        if len(names) > _MOST_ELEMENTS:
            lines.append(f"  and {len(names) - _MOST_ELEMENTS} more; all are in dataset.json")
    return "\n".join([*lines, *([""] if facts["notes"] else []), *facts["notes"]])


def _by_label(counts: Mapping[str, int] | None) -> str:
    if not counts:
        return ""
    return f" ({listed([f'{name} {count:,}' for name, count in counts.items()], 5)})"


def _label_rows(facts_of: Mapping[str, Any], labels: list[str], gc: bool) -> list[list[str]]:
    """Return examples of each label by set, mean GC content, and lengths where they differ."""
    several = len({length for facts in facts_of.values() for length in facts["lengths"]}) > 1
    rows = [
        ["examples", *facts_of, *(["mean GC"] if gc else []), *(["letters"] if several else [])]
    ]
    for label in labels:
        facts = [of_set["labels"].get(label) for of_set in facts_of.values()]
        row = [label, *(f"{f['examples']:,}" if f else "0" for f in facts)]
        row += [_gc(facts)] if gc else []
        ours = [f for f in facts if f and f.get("lengths")]
        row += (
            [_lengths(ours) + f", median {ours[0]['lengths'][1]:g}" if ours else ""]
            if several
            else []
        )
        rows.append(row)
    return rows


def _shortcut_lines(shortcuts: Mapping[str, Any]) -> list[str]:
    """Return how well labels are recognised by length and by composition."""
    found = shortcuts["labels"]
    rows = [[f"ROC AUC ({shortcuts['set']})", "length alone", f"{shortcuts['words']} alone"]]
    for name, auc in found.items():
        values = (auc["length"], auc["words"])
        rows.append([name, *("" if value is None else f"{value:.2f}" for value in values)])
    return ["", *aligned(rows)]


def _lengths(sets: Any) -> str:
    low = min(facts["lengths"][0] for facts in sets)
    high = max(facts["lengths"][2] for facts in sets)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _mean(facts: list[Any], value: Any) -> float | None:
    """Return the mean over the examples of several sets of what `value` takes from a label's facts."""
    given = [f for f in facts if f and f["examples"]]
    total = sum(f["examples"] for f in given)
    return sum(f["examples"] * value(f) for f in given) / total if total else None


def _gc(facts: list[Any]) -> str:
    mean = _mean(facts, lambda f: f["gc"])
    return "" if mean is None else f"{mean:.1%}"


def _element_rows(sets: Mapping[str, Any], labels: list[str], names: list[str]) -> list[list[str]]:
    """Return the mean number of each element in an example of each label, over all sets."""
    rows = [["elements in an example", *labels]]
    for name in names[:_MOST_ELEMENTS]:
        means = (
            _mean(
                [f["labels"].get(label) for f in sets.values()], lambda f, n=name: f["elements"][n]
            )
            for label in labels
        )
        rows.append([name, *("" if mean is None else f"{mean:.3g}" for mean in means)])
    return rows
