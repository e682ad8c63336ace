"""Grammars of a grid that differ in one field, and whether that changes which architecture is best."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from seqgra.grammar.schema import Grammar

#: Parts of a grammar that hold rules; a field of theirs is named by the rule's key.
_WITH_RULES = ("conditions", "common")


class Change(NamedTuple):
    """Two grammars that differ in one field."""

    #: Their names, sorted.
    grammar: str
    other: str
    #: What differs, such as ``window`` or ``rules: copies``.
    field: str


def one_field_changes(grammars: Mapping[str, Grammar]) -> list[Change]:
    """Return the pairs of grammars that differ in exactly one field, descriptions apart."""
    leaves = {name: dict(_leaves(grammars[name].model_dump(mode="json"))) for name in grammars}
    found = []
    for one, other in itertools.combinations(sorted(grammars), 2):
        paths = leaves[one].keys() | leaves[other].keys()
        fields = {
            _field(path)
            for path in paths
            if not _same(leaves[one].get(path), leaves[other].get(path))
        } - {"description"}
        if len(fields) == 1:
            found.append(Change(one, other, fields.pop()))
    return found


def _same(one: Any, other: Any) -> bool:
    """Compare two leaves; the numbers of a grammar and of its variants differ in last digits."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _leaves(part, (*path, str(key)))
    elif isinstance(value, list) and value:
        for number, part in enumerate(value):
            yield from _leaves(part, (*path, str(number)))
    elif value is not None:
        yield path, value


def _field(path: tuple[str, ...]) -> str:
    if path[0] == "elements":
        return f"elements: {path[2]}" if len(path) > 2 else "elements"
    if path[0] in _WITH_RULES and "rules" in path:
        inside = [part for part in path[path.index("rules") + 1 :] if not part.isdecimal()]
        deeper = inside[:2] if inside[:1] == ["spacing"] else inside[:1]
        return f"rules: {' '.join(deeper)}" if inside else "rules"
    if path[0] in _WITH_RULES:
        return f"{path[0]}: {path[-1]}"
    return path[0]


def families(names: list[str], changes: list[Change]) -> dict[str, str]:
    """Return the family of each grammar: those joined by one-field changes, named by the shortest name.

    >>> families(["a-1", "a", "b"], [Change("a", "a-1", "window")])
    {'a-1': 'a', 'a': 'a', 'b': 'b'}
    """
    family = {name: name for name in names}
    for change in changes:
        one, other = family[change.grammar], family[change.other]
        keep = min(one, other, key=lambda name: (len(name), name))
        family = {name: keep if own in (one, other) else own for name, own in family.items()}
    return family


def stability(values: pd.DataFrame, changes: list[Change]) -> pd.DataFrame:
    """Tell how the order of architectures changes with one field of the grammar.

    Parameters
    ----------
    values
        Mean value: index grammar, one column a label.
    changes
        From `one_field_changes`.

    Returns
    -------
    DataFrame
        One row a change: grammar, other, field; tau (Kendall's tau-b of the means over shared labels, NaN
        below two), labels (how many are shared), best and best_other (the highest mean of each), and
        shift, the largest change of a label's mean.
    """
    rows = []
    for change in changes:
        if not {change.grammar, change.other} <= set(values.index):
            continue
        both = values.loc[[change.grammar, change.other]].dropna(axis=1)
        if both.shape[1] == 0:
            continue
        one, other = both.to_numpy()
        tau = float(stats.kendalltau(one, other).statistic) if len(one) > 1 else math.nan
        best = [str(both.columns[int(row.argmax())]) for row in (one, other)]
        rows.append((*change, tau, len(one), *best, float(np.abs(one - other).max())))
    names = ["grammar", "other", "field", "tau", "labels", "best", "best_other", "shift"]
    return pd.DataFrame(rows, columns=names)


def wrong_labels(grammars: Mapping[str, Grammar], changes: list[Change]) -> list[dict[str, float]]:
    """Return the sets of grammars that differ in label noise only: name -> mean rate, rising.

    Sets whose test sets are noisy too are left out.
    """
    noise = [change for change in changes if change.field == "noise"]
    groups: dict[str, dict[str, float]] = {}
    family = families(sorted(grammars), noise)
    for name, own in family.items():
        given = grammars[name].noise
        if given is None or "test" not in given.sets:
            rates = given.labels if given else {}
            conditions = grammars[name].conditions
            rate = sum(rates.get(condition, 0.0) for condition in conditions) / len(conditions)
            groups.setdefault(own, {})[name] = rate
    return [
        dict(sorted(rates.items(), key=lambda item: item[1]))
        for rates in groups.values()
        if len(set(rates.values())) > 1
    ]
