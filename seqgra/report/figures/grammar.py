"""What the report shows of one grammar: facts and figures, drawn from the results of first seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from seqgra.compare.ceiling import ceiling_facts, is_ceiling
from seqgra.compare.cells import KEYS
from seqgra.compare.tables import recovery_runs
from seqgra.dataset import open_dataset
from seqgra.fingerprint import read_run
from seqgra.grammar.schema import Grammar
from seqgra.plot.roc import Curves, mean_curves, roc_pr
from seqgra.plot.style import compact
from seqgra.report.content import Section
from seqgra.report.drawing import (
    Drawing,
    file_name,
    first_seeds,
    save_figure,
)
from seqgra.report.facts import grammar_facts
from seqgra.report.figures.recovery import draw_recovery
from seqgra.report.page import Picture
from seqgra.results import MACRO, MICRO, read_curves


def draw_grammar(drawing: Drawing, grammar: str) -> Section:
    """Draw the figures of one grammar at its largest size with scores, of each first seed."""
    cells = [cell for cell in drawing.cells if cell.grammar == grammar]
    roc_pr = _draw_roc_pr(drawing, grammar)
    described = _grammar(cells[0].test)
    scores = drawing.tables.scores
    scopes = scores.loc[(scores["grammar"] == grammar) & scores["headline"], "scope"]
    scope = str(scopes.iloc[0]) if len(scopes) else MICRO
    facts = [
        grammar_facts(described) if described else "",
        ceiling_facts(grammar, scope, drawing.tables.regret, drawing.less),
    ]
    return Section(
        grammar,
        described.description if described else "",
        " ".join(filter(None, facts)),
        [*([roc_pr] if roc_pr else []), *draw_recovery(drawing, grammar)],
        _confounding(drawing, grammar),
    )


def _confounding(drawing: Drawing, grammar: str) -> pd.DataFrame:
    """Return the mean share of importance on confounders at the largest size (see `Section`)."""
    recovery = drawing.tables.recovery
    means = {}
    for name in ("share", "share_lift"):
        shown = recovery_runs(recovery, drawing.method, f"confounder_{name}")
        shown = shown[shown["grammar"] == grammar]
        shown = shown[shown["size"] == shown["size"].max()]
        means[name.removeprefix("share_")] = shown.groupby("label")["value"].mean()
    return pd.DataFrame(means).reset_index()


def _draw_roc_pr(drawing: Drawing, grammar: str) -> Picture | None:
    scores = drawing.tables.scores
    areas = scores[(scores["grammar"] == grammar) & scores["headline"]]
    areas = areas[areas["metric"].isin(["roc_auc", "pr_auc"])].dropna(subset=["value"])
    if areas.empty:
        return None
    size, scope = int(areas["size"].max()), str(areas["scope"].iloc[0])
    chance = float(areas.loc[areas["metric"] == "pr_auc", "chance"].iloc[0])
    kept = (areas["size"] == size) | areas["backend"].map(is_ceiling).astype(bool)
    areas = areas[kept].pivot(index=list(KEYS), columns="metric", values="value")
    curves = {}
    for cell, label in first_seeds(drawing, areas.index, size):
        area: Any = areas.loc[[cell.key]].iloc[0]
        table = read_curves(cell.scores, scope)
        table = mean_curves(table) if scope == MACRO else table
        curves[label] = Curves(table, float(area["roc_auc"]), float(area["pr_auc"]))
    title = f"{grammar}: ROC and precision-recall curves ({scope}) at {compact(size)} examples"
    name = f"roc-pr-{file_name(grammar)}"
    stem = save_figure(drawing, name, roc_pr, curves, drawing.looks, title, chance)
    averaged = (
        "all conditions pooled (micro)"
        if scope == MICRO
        else "the mean of the conditions' curves at each false positive rate and recall (macro)"
    )
    caption = (
        f"ROC (left) and precision-recall curves (right) on the test set of {grammar}, trained at "
        f"dataset size {size:,}; one run an architecture (its first seed), {averaged}. Areas of these "
        "runs stand in the legend; baselines are dashed and grey, the exact posterior, if the grid has "
        f"it, is thin and black. Dash-dotted: a constant prediction (PR AUC {chance:.3f})."
    )
    return Picture(stem, title, caption)


def _grammar(test: Path) -> Grammar | None:
    """Return the grammar of a test set, None where it is not simulated yet."""
    return open_dataset(test).grammar if read_run(test) else None
