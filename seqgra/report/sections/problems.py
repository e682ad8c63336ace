"""What went wrong: the cells that are not done, or lack something."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from seqgra.report.drawing import Drawing
from seqgra.report.sections import Section, ShownSection

#: Rows of the table; the status table has all.
_MOST_PROBLEMS = 60
#: Cell status -> what the table calls it, the worst first.
_OUTCOMES = {
    "diverged": "diverged",
    "collapsed": "collapsed",
    "missing": "missing",
    "skipped": "skipped",
    "done": "incomplete",
}


def _shown(drawing: Drawing) -> Iterable[ShownSection]:
    yield ShownSection("problems", "What went wrong", _problems(drawing.compared.tables.status))


def _problems(status: pd.DataFrame) -> dict[str, Any]:
    """Return the cells that are not done, or lack something, joined where the reason is alike."""
    wrong = status[(status["status"] != "done") | (status["reason"] != "")]
    wrong = wrong[wrong["status"] != "spared"]
    counts = wrong["status"].map(_OUTCOMES).value_counts()
    alike = wrong["reason"].str.replace(r"\d+\.\d+", "#", regex=True)  # but for measured numbers
    groups = wrong.groupby([wrong["grammar"], wrong["label"], wrong["status"], alike])
    rows = []
    for key, group in groups:
        example = "such as: " if group["reason"].nunique() > 1 else ""
        reason = f"{example}{group['reason'].iloc[0]}"
        outcome = _OUTCOMES[str(key[2])]
        rows.append([*map(str, key[:2]), outcome, reason, f"{len(group):,}", _which(group)])
    rows.sort(key=lambda row: [*_OUTCOMES.values()].index(row[2]))  # the worst first
    return {
        "cells": len(status),
        "outcomes": [(many, name) for name, many in sorted(counts.items())],
        "rows": rows[:_MOST_PROBLEMS],
        "more": max(len(rows) - _MOST_PROBLEMS, 0),
    }


def _which(group: pd.DataFrame, most: int = 6) -> str:
    by_size: dict[int, list[str]] = {}
    chosen = group[["size", "data_seed", "model_seed"]]
    for size, data, model in chosen.head(most).itertuples(index=False):
        by_size.setdefault(size, []).append(f"s{data}-m{model}")
    words = "; ".join(f"{size:,}: {', '.join(seeds)}" for size, seeds in by_size.items())
    return words + (f" and {len(group) - most:,} more" if len(group) > most else "")


SECTION = Section(60, "problems.html.j2", _shown)
