"""Every figure of a comparison, drawn from its tables and the nouns behind them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seqgra.compare.tables import KEYS, Cell, Tables
from seqgra.dataset import Dataset, open_dataset
from seqgra.fingerprint import read_run
from seqgra.plot.agreement import Panel, agreement_grid
from seqgra.plot.curves import Curves, Measure, against_size, roc_pr
from seqgra.plot.page import Picture
from seqgra.plot.report import Section, metric_words
from seqgra.plot.style import Look, compact, save
from seqgra.results import MACRO, MICRO, read_pictured

#: ``roles(dataset, set_name, rows)`` -> uint8 (K, L): 0 background, 1 grammar, 2 ignored.
Roles = Callable[[Dataset, str, np.ndarray], np.ndarray]
#: Recovery shown by default, where attributions hold it.
RECOVERY_METRIC = "ap_chance_corrected"


class Drawing(NamedTuple):
    """What all figures of a comparison share.

    Attributes
    ----------
    cells
        The grid.
    tables
        Its tables, with a column label.
    looks
        How each label is drawn.
    folder
        Where figures go.
    roles
        Roles of the positions of test examples.
    method, metric
        Attribution method and recovery metric shown; empty where there is no recovery.
    target
        The PR AUC to mark.
    """

    cells: list[Cell]
    tables: Tables
    looks: Mapping[str, Look]
    folder: Path
    roles: Roles
    method: str
    metric: str
    target: float


def draw_overview(drawing: Drawing) -> list[Picture]:
    """Draw PR AUC and recovery against dataset size; figures without data are left out."""
    scores, recovery = drawing.tables.scores, drawing.tables.recovery
    shown = scores[(scores["metric"] == "pr_auc") & (scores["scope"] == MICRO)].dropna()
    pictures = []
    if len(shown):
        line = f"PR AUC {drawing.target:g}"
        title = "Prediction: PR AUC on the test set against dataset size"
        measure = Measure("PR AUC (micro)", title, None, drawing.target, line)
        stem = _save(drawing, "pr-auc", against_size(shown, drawing.looks, measure))
        pictures.append(Picture(stem, title, _score_caption(shown, drawing.target)))
    shown = recovery_runs(recovery, drawing.method, drawing.metric)
    if len(shown):
        words = metric_words(drawing.metric)
        title = f"Grammar recovery ({drawing.method}) against dataset size"
        measure = Measure(words, title, 0.0, 0.0, "chance")
        if "chance_corrected" not in drawing.metric:
            measure = measure._replace(line=None)
        status = drawing.tables.status[[*KEYS, "status"]]
        merged = shown.merge(status, on=list(KEYS), how="left")
        stem = _save(drawing, "recovery", against_size(merged, drawing.looks, measure))
        pictures.append(Picture(stem, title, _recovery_caption(drawing, shown)))
    return pictures


def recovery_runs(recovery: pd.DataFrame, method: str, metric: str) -> pd.DataFrame:
    """Return the rows of one method and metric, averaged over conditions, that have a value."""
    chosen = (recovery["method"] == method) & (recovery["metric"] == metric)
    return recovery[chosen & (recovery["scope"] == MACRO)].dropna()


def draw_grammar(drawing: Drawing, grammar: str) -> Section:
    """Draw the figures of one grammar at its largest size with scores, of each first seed."""
    cells = [cell for cell in drawing.cells if cell.grammar == grammar]
    pictures = [_draw_roc_pr(drawing, grammar), _draw_agreement(drawing, grammar, cells)]
    return Section(grammar, _description(cells[0].test), [p for p in pictures if p is not None])


def _draw_roc_pr(drawing: Drawing, grammar: str) -> Picture | None:
    scores = drawing.tables.scores
    micro = scores[(scores["grammar"] == grammar) & (scores["scope"] == MICRO)]
    areas = micro[micro["metric"].isin(["roc_auc", "pr_auc"])].dropna()
    if areas.empty:
        return None
    size = int(areas["size"].max())
    areas = areas[areas["size"] == size].pivot(index=list(KEYS), columns="metric", values="value")
    curves = {}
    for cell, label in _first_seeds(drawing, areas.index, size):
        only = [("scope", "==", MICRO)]
        table = pd.read_parquet(cell.scores / "curves.parquet", filters=only)
        area: Any = areas.loc[[cell.key]].iloc[0]
        curves[label] = Curves(table, float(area["roc_auc"]), float(area["pr_auc"]))
    title = f"{grammar}: ROC and precision-recall curves at {compact(size)} examples"
    stem = _save(drawing, f"roc-pr-{_file_name(grammar)}", roc_pr(curves, drawing.looks, title))
    caption = (
        f"ROC (left) and precision-recall curves (right) on the test set of {grammar}, trained at "
        f"dataset size {size:,}; one run an architecture (its first seed), all conditions pooled "
        "(micro). Areas of these runs stand in the legend; baselines are dashed and grey."
    )
    return Picture(stem, title, caption)


def _draw_agreement(drawing: Drawing, grammar: str, cells: list[Cell]) -> Picture | None:
    recovery = drawing.tables.recovery
    rows = recovery[(recovery["grammar"] == grammar) & (recovery["method"] == drawing.method)]
    if rows.empty or read_run(cells[0].test) is None:
        return None
    size, dataset = int(rows["size"].max()), open_dataset(cells[0].test)
    status = drawing.tables.status.set_index(list(KEYS))["status"]
    index = pd.MultiIndex.from_frame(rows[list(KEYS)].drop_duplicates())
    panels = [
        _panel(drawing, dataset, cell, label, str(status[cell.key]))
        for cell, label in _first_seeds(drawing, index, size)
    ]
    title = f"{grammar}: grammar agreement ({drawing.method}) at {compact(size)} examples"
    stem = _save(drawing, f"agreement-{_file_name(grammar)}", agreement_grid(panels, title))
    caption = (
        f"Grammar agreement on {grammar}: each row is a test example, grouped by condition, each "
        "column a position. Hue tells what the position is (green: part of the grammar, red: "
        "background, grey: not counted), darkness how important it is to the network by "
        f"{drawing.method}. A network that uses the grammar is dark where it is green and pale "
        f"where it is red. Dataset size {size:,}, first seed of each architecture."
    )
    return Picture(stem, title, caption)


def _panel(drawing: Drawing, dataset: Dataset, cell: Cell, label: str, status: str) -> Panel:
    rows, values = read_pictured(dict(cell.attributions)[drawing.method])
    labels = np.asarray(dataset.y("test"))[rows].astype(bool)
    names = np.array(dataset.conditions)
    conditions = [" + ".join(names[row]) or "none" for row in labels]
    order = np.lexsort((rows, *(~labels).T[::-1]))  # by condition, the first one first
    title = label if status == "done" else f"{label} ({status})"
    roles = drawing.roles(dataset, "test", rows)
    return Panel(title, values[order], roles[order], [conditions[i] for i in order])


def _first_seeds(drawing: Drawing, finished: pd.Index, size: int) -> list[tuple[Cell, str]]:
    """Return, for each label, its first finished cell of a size (cells are sorted by seeds)."""
    keys, found = set(finished), dict[str, Cell]()
    labels = drawing.tables.status.set_index(list(KEYS))["label"]
    for cell in drawing.cells:
        if cell.size == size and cell.key in keys:
            found.setdefault(str(labels[cell.key]), cell)
    return [(cell, label) for label, cell in found.items()]


def _description(test: Path) -> str:
    if read_run(test) is None:
        return ""
    grammar = open_dataset(test).content.get("grammar", {})
    return str(grammar.get("description", ""))


def _save(drawing: Drawing, name: str, figure: Figure) -> Path:
    stem = drawing.folder / name
    save(figure, stem)
    return stem


def _file_name(grammar: str) -> str:
    return re.sub(r"[^\w.-]", "-", grammar)


def _score_caption(shown: pd.DataFrame, target: float) -> str:
    largest = shown["size"].max()
    return (
        "Area under the precision-recall curve (average precision, all conditions pooled) on each "
        f"grammar's test set, against dataset size up to {largest:,} examples (70 % of it trains). "
        "Lines are means over seeds, whiskers reach from the smallest to the largest run, dots are "
        "single runs; architectures are set a little apart sideways. Open symbols are collapsed "
        "runs, which count in the means. Baselines without a network are dashed and grey. The "
        f"dotted line is {target:g}."
    )


def _recovery_caption(drawing: Drawing, shown: pd.DataFrame) -> str:
    examples = int(shown["examples"].max())
    return (
        "How well feature importance points at the positions that carry the grammar: "
        f"{metric_words(drawing.metric)} of {drawing.method}, mean over conditions, on "
        f"{examples:,} test examples that all models share. 1: every grammar position ranks above "
        "every background position; 0: no better than chance. Lines, whiskers, dots and "
        "open symbols as in the figure above. Even a perfect classifier stays below 1 where sites "
        "are weak."
    )
