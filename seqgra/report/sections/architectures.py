"""What each architecture does on every grammar, what it costs, how it trains."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from seqgra.compare.decide import Statistics
from seqgra.compare.efficiency import TAUS, size_words
from seqgra.compare.runs import filled
from seqgra.model import FOREIGN
from seqgra.report.drawing import Drawing
from seqgra.report.figures.architecture import draw_architecture
from seqgra.report.page import TableRow, number, percent
from seqgra.report.sections import Section, ShownSection
from seqgra.results import MACRO, NOT_LEARNT

#: Places named where runs have failed.
_MOST_PLACES = 4


def _shown(drawing: Drawing) -> Iterable[ShownSection]:
    known = drawing.compared.statistics
    if known.runs.empty:
        return
    context = {
        "share_needed": percent(TAUS[0]),
        "rows": _rows(drawing, known),
        "architectures": [_part(drawing, label) for label in sorted(known.runs["label"].unique())],
    }
    yield ShownSection("architectures", "By architecture", context)


def _rows(drawing: Drawing, known: Statistics) -> list[TableRow]:
    """Return what every architecture does on each grammar at its largest size, by attribution method."""
    sizes = {decision.grammar: decision.size for decision in known.decisions}
    needed = known.needed[known.needed["version"] == "typical"].set_index(
        ["label", "grammar", "tau"]
    )
    recovery = drawing.compared.tables.recovery
    recovery = recovery[
        (recovery["metric"] == drawing.compared.metric) & (recovery["scope"] == MACRO)
    ]
    recovery = recovery[recovery["size"] == recovery["grammar"].map(sizes)]
    means = recovery.groupby(["label", "grammar", "method"])[["value", "rescaled"]].mean()
    measured: dict[tuple[str, str], list[tuple[str, float, float]]] = {}
    for (label, grammar, method), value, rescaled in means.dropna(subset="value").itertuples():
        measured.setdefault((label, grammar), []).append((method, value, rescaled))
    runs = filled(known.runs[known.runs["size"] == known.runs["grammar"].map(sizes)])
    rows = []
    for (label, grammar), group in runs.groupby(["label", "grammar"]):
        want = needed.loc[[(label, grammar, TAUS[0])]].iloc[0]
        words = size_words(float(want["needed"]), int(want["smallest"]), int(want["largest"]))
        failed = int((group["status"] != "done").sum())
        facts = [f"{group['value'].mean():.3f}", f"{failed} of {len(group)}", words]
        nothing = [("", math.nan, math.nan)]
        for method, *values in measured.get((str(label), str(grammar)), nothing):
            cells = [str(label), str(grammar), *facts, method, *(number(v, ".2f") for v in values)]
            rows.append(TableRow(cells, str(grammar), str(label), str(method)))
    return rows


def _part(drawing: Drawing, label: str) -> dict[str, Any]:
    """Return numbers, figure and table of one architecture."""
    known = drawing.compared.statistics
    runs = known.runs[known.runs["label"] == label]
    failed = runs[runs["status"].isin(NOT_LEARNT)]
    kinds = failed["status"].value_counts()
    where = failed.groupby(["grammar", "size"], as_index=False).agg(many=("status", "size"))
    where = where.sort_values("many", ascending=False, kind="stable")
    tuned = drawing.compared.tuned
    tuned = tuned[(tuned["label"] == label) & tuned["chosen"].astype(bool)]
    heads, rows = _by_grammar(known, label)
    return {
        "label": label,
        "first": sum(decision.label == label for decision in known.decisions),
        "grammars": runs["grammar"].nunique(),
        "runs": len(runs),
        "failed": len(failed),
        "kinds": [(int(kinds[name]), name) for name in NOT_LEARNT if name in kinds],
        "places": where.head(_MOST_PLACES)[["many", "grammar", "size"]].to_numpy().tolist(),
        "more_places": max(len(where) - _MOST_PLACES, 0),
        "not_defined": _not_defined(drawing.compared.tables.status, label),
        "foreign": bool((runs["backend"] == FOREIGN).all()),
        "tuned": len(tuned),
        "picked": list(tuned["optimizer"].value_counts().items()),
        "pictures": draw_architecture(drawing, label),
        "heads": heads,
        "rows": rows,
        **_cost(
            drawing.compared.tables.runs[drawing.compared.tables.runs["label"] == label], known
        ),
    }


def _not_defined(status: pd.DataFrame, label: str) -> list[str]:
    """Return which attribution methods and probes do not exist for an architecture."""
    reasons = status.loc[status["label"] == label, "not_defined"]
    return sorted({words for text in reasons for words in text.split("; ") if words})


def _cost(runs: pd.DataFrame, known: Statistics) -> dict[str, Any]:
    """Return how large an architecture is and how long it took."""
    stages = ["train_seconds", "evaluate_seconds", "attribute_seconds"]
    parameters = runs["parameters"].dropna()
    sizes = {decision.grammar: decision.size for decision in known.decisions}
    largest = runs[runs["size"] == runs["grammar"].map(sizes)]["train_seconds"].mean()
    return {
        "parameters": (int(parameters.min()), int(parameters.max())) if len(parameters) else None,
        "seconds": largest,
        "minutes": runs[stages].sum().sum() / 60,
    }


def _by_grammar(known: Statistics, label: str) -> tuple[list[str], list[TableRow]]:
    """Return mean PR AUC of an architecture by grammar and size, collapsed runs counted in."""
    runs = filled(known.runs[known.runs["label"] == label])
    sizes = sorted(runs["size"].unique())
    means = runs.pivot_table(index="grammar", columns="size", values="value", aggfunc="mean")
    rows = []
    for grammar, row in means.iterrows():
        bounds = known.bounds[str(grammar)]
        ends = [number(bounds.chance, ".3f"), f"{bounds.ceiling:.3f}" if bounds.known else ""]
        cells = [str(grammar), *(number(row[size], ".3f") for size in sizes), *ends]
        rows.append(TableRow(cells, str(grammar), label))
    heads = ["grammar", *(f"{size:,}" for size in sizes), "constant", "ceiling"]
    return heads, rows


SECTION = Section(40, "architectures.html.j2", _shown)
