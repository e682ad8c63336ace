"""The facts of an ingested dataset in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqgra.alphabet import SETS

#: Up to so many elements are told one by one.
_MOST_ELEMENTS = 20


def facts_in_words(content: Mapping[str, Any]) -> str:
    """Return what `dataset.json` of an ingested dataset tells, as plain text."""
    told = content["ingest"]
    facts_of = {name: told["sets"][name] for name in SETS if name in content["counts"]}
    labels = list(dict.fromkeys(label for facts in facts_of.values() for label in facts["labels"]))
    lines = [f"{told['read']:,} read; {sum(content['counts'].values()):,} examples of "]
    lines[0] += f"{_lengths(facts_of.values())} letters ({content['alphabet']}, {content['task']})"
    lines += [f"  {count:,} {reason}" for reason, count in told["dropped"].items()]
    rows = (
        [["examples", *facts_of, "mean GC"]]
        if content["alphabet"] != "protein"
        else [["examples", *facts_of]]
    )
    for label in labels:
        facts = [of_set["labels"].get(label) for of_set in facts_of.values()]
        row = [label, *(f"{f['examples']:,}" if f else "0" for f in facts)]
        rows.append(row + ([_gc(facts)] if content["alphabet"] != "protein" else []))
    lines += ["", *_aligned(rows)]
    names = content["elements"]
    if names:
        lines += ["", *_aligned(_element_rows(facts_of, labels, names))]
        if len(names) > _MOST_ELEMENTS:
            lines.append(f"  and {len(names) - _MOST_ELEMENTS} more; all are in dataset.json")
    return "\n".join([*lines, *told["notes"]])


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


def _aligned(rows: list[list[str]]) -> list[str]:
    """Return a table as lines: the first column on the left, numbers on the right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
