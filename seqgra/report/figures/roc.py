"""ROC and precision-recall curves of one grammar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seqgra.compare.ceiling import is_ceiling
from seqgra.compare.cells import KEYS
from seqgra.plot.style import (
    CHANCE_LINE,
    FAINT,
    INK,
    Look,
    compact,
    headline,
    new_figure,
    styled,
    wrap,
)
from seqgra.report.drawing import Drawing, file_name, first_seeds, save_figure
from seqgra.report.page import Picture, caption
from seqgra.results import MACRO, MICRO, read_curves

#: Curves are drawn with at most about this many points a side.
_RESOLUTION = 500


def draw_roc_pr(drawing: Drawing, grammar: str) -> list[Picture]:
    """Draw the curves of each architecture's first seed at the largest size of a grammar."""
    scores = drawing.compared.tables.scores
    areas = scores[(scores["grammar"] == grammar) & scores["headline"]]
    areas = areas[areas["metric"].isin(["roc_auc", "pr_auc"])].dropna(subset=["value"])
    if areas.empty:
        return []
    size, scope = int(areas["size"].max()), str(areas["scope"].iloc[0])
    chance = float(areas.loc[areas["metric"] == "pr_auc", "chance"].iloc[0])
    kept = (areas["size"] == size) | areas["backend"].map(is_ceiling).astype(bool)
    areas = areas[kept].pivot(index=list(KEYS), columns="metric", values="value")
    # a label of every example has no ROC curve
    areas = areas.reindex(columns=["roc_auc", "pr_auc"])
    curves = {}
    for cell, label in first_seeds(drawing, areas.index, size):
        area: Any = areas.loc[[cell.key]].iloc[0]
        table = read_curves(cell.scores, scope)
        table = table[(table["curve"] + "_auc").isin(area.dropna().index)]
        table = mean_curves(table) if scope == MACRO else table
        curves[label] = RocCurves(table, float(area["roc_auc"]), float(area["pr_auc"]))
    title = f"{grammar}: ROC and precision-recall curves ({scope}) at {compact(size)} examples"
    stem = save_figure(
        drawing, f"roc-pr-{file_name(grammar)}", roc_pr, curves, drawing.looks, title, chance
    )
    words = caption("roc_pr", grammar=grammar, size=size, pooled=scope == MICRO, chance=chance)
    return [Picture(stem, title, words)]


class RocCurves(NamedTuple):
    """The curves of one architecture for `roc_pr`."""

    #: Columns curve (roc or pr), x, y.
    curves: pd.DataFrame
    #: Areas, for the legend; NaN where not defined.
    roc_auc: float
    pr_auc: float


def mean_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over scopes of ROC curves at each false positive rate, of PR at each recall.

    The areas below them are the means of the areas.

    Parameters
    ----------
    curves
        Columns curve (roc or pr), scope, x, y; x ascends from 0 to 1 in each.

    Returns
    -------
    DataFrame
        Columns curve, x, y.
    """
    grid, parts = np.linspace(0, 1, 2 * _RESOLUTION + 1), []
    for kind, table in curves.groupby("curve"):
        of_kind = _roc_at if kind == "roc" else _precision_at
        points = [part[["x", "y"]].to_numpy(np.float64) for _, part in table.groupby("scope")]
        y = np.mean([of_kind(xy[:, 0], xy[:, 1], grid) for xy in points], axis=0)
        if kind == "roc":
            parts.append(pd.DataFrame({"curve": kind, "x": [0.0], "y": [0.0]}))
        parts.append(pd.DataFrame({"curve": kind, "x": grid, "y": y}))
    return pd.concat(parts, ignore_index=True)


def _roc_at(x: np.ndarray, y: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the highest true positive rate at each false positive rate."""
    result: np.ndarray = np.interp(grid, x, y)
    return result


def _precision_at(x: np.ndarray, y: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the precision at the first threshold that reaches each recall."""
    return np.asarray(y[np.searchsorted(x, grid)])


def roc_pr(
    curves: Mapping[str, RocCurves],
    looks: Mapping[str, Look],
    title: str,
    chance: float | None = None,
) -> Figure:
    """Draw ROC curves (left) and precision-recall curves (right), one line an architecture.

    Parameters
    ----------
    curves
        By label.
    looks
        How each label is drawn.
    title
        Title of the figure.
    chance
        PR AUC of a constant prediction, to mark.
    """
    with styled():
        labels = [name for name in looks if name in curves]
        handles = [_curve_handle(label, looks[label], curves[label]) for label in labels]
        lines = sum(str(handle.get_label()).count("\n") + 1 for handle in handles)
        figure = new_figure(9, max(3.1, 0.9 + 0.165 * lines))
        left, right = figure.subplots(1, 2)
        for label in labels:
            # average precision holds each precision over the recall gained with it: steps
            for axis, kind, style in ((left, "roc", "default"), (right, "pr", "steps-pre")):
                table = curves[label].curves
                x, y = _thinned(table[table["curve"] == kind])
                look = looks[label]
                axis.plot(x, y, color=look.color, linestyle=look.line, lw=1.5, drawstyle=style)
        left.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=CHANCE_LINE, zorder=1)
        if chance is not None:
            right.axhline(chance, color=FAINT, lw=1, ls=CHANCE_LINE, zorder=1)
        left.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate")
        right.set(title="precision and recall", xlabel="recall", ylabel="precision")
        for axis in (left, right):
            axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", anchor="N")
        headline(figure, title)
        legend = figure.legend(
            handles=handles, loc="outside right center", title="architecture  (ROC AUC, PR AUC)"
        )
        legend.set_alignment("left")
        legend.get_title().set(fontsize=8.5, color=INK)
    return figure


def _curve_handle(label: str, look: Look, curves: RocCurves) -> Line2D:
    areas = ["–" if np.isnan(area) else f"{area:.3f}" for area in curves[1:]]
    text = f"{wrap(label, 30)}  ({', '.join(areas)})"
    return Line2D([], [], color=look.color, ls=look.line, label=text)


def _thinned(curve: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y (float64) without points that fall onto the one before on paper."""
    points = curve[["x", "y"]].to_numpy(np.float64)
    cells = np.round(points * _RESOLUTION).astype(np.int64)
    keep = np.ones(len(points), bool)
    keep[1:-1] = (cells[1:-1] != cells[:-2]).any(axis=1)
    return points[keep, 0], points[keep, 1]
