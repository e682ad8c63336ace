"""Examples needed against recovery and cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from seqgra.compare.decide import TAU
from seqgra.compare.tables import recovery_runs
from seqgra.plot.legends import marker_handles
from seqgra.plot.panels import panels_above_legend
from seqgra.plot.style import (
    FAINT,
    INK,
    Look,
    compact,
    sideways,
    styled,
    wrap,
)
from seqgra.report.drawing import Drawing, save_figure
from seqgra.report.page import Picture, caption, metric_words

_PANEL = (3.6, 2.9)


def draw_pareto(drawing: Drawing) -> list[Picture]:
    """Draw examples needed against recovery and cost, where recovery was measured."""
    points = pareto_points(drawing)
    if points.empty:
        return []
    title = "What an architecture costs and gives: examples, recovery, training time"
    measure = f"recovery ({metric_words(drawing.compared.metric)})"
    stem = save_figure(drawing, "pareto", pareto, points, drawing.looks, title, measure)
    words = caption("pareto", share=TAU)
    return [Picture(stem, title, words)]


def pareto_points(drawing: Drawing) -> pd.DataFrame:
    """Return examples needed, recovery and seconds of each (grammar, label) at the largest size."""
    known = drawing.compared.statistics
    needed = known.needed[(known.needed["tau"] == TAU) & (known.needed["version"] == "typical")]
    sizes = {decision.grammar: decision.size for decision in known.decisions}

    def largest(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["size"] == table["grammar"].map(sizes)]

    keys = ["grammar", "label"]
    recovery = largest(
        recovery_runs(
            drawing.compared.tables.recovery, drawing.compared.method, drawing.compared.metric
        )
    )
    means = recovery.groupby(keys)["value"].mean().rename("recovery")
    cost = (
        largest(drawing.compared.tables.runs)
        .groupby(keys)["train_seconds"]
        .mean()
        .rename("seconds")
    )
    points = needed.set_index(keys)[["needed", "smallest", "largest"]].join(means).join(cost)
    points = points.dropna(subset=["needed", "recovery"]).reset_index()
    front = [_undominated(points, row) for row in range(len(points))]
    return points.assign(front=np.array(front, bool))


def _undominated(points: pd.DataFrame, row: int) -> bool:
    own = points[points["grammar"] == points["grammar"].iloc[row]]
    costs = np.column_stack([own["needed"], -own["recovery"], own["seconds"].fillna(0)])
    mine = costs[own.index.get_loc(points.index[row])]
    return not ((costs <= mine).all(axis=1) & (costs < mine).any(axis=1)).any()


def pareto(points: pd.DataFrame, looks: Mapping[str, Look], title: str, measure: str) -> Figure:
    """Draw examples needed against recovery; larger symbols take longer to train.

    Parameters
    ----------
    points
        One row a (grammar, label): needed (inf: more than `largest`, 0: at most `smallest`), recovery,
        seconds, smallest, largest and front (whether no other is at least as good in all three and
        better in one).
    looks
        How each label is drawn.
    title, measure
        Of the figure, and what recovery is.
    """
    with styled():
        grammars = sorted(points["grammar"].unique())
        labels = [name for name in looks if name in set(points["label"])]
        entries = marker_handles(looks, labels)
        panels = panels_above_legend(grammars, _PANEL, entries, _pareto_notes(), sharey=True)
        for axis, grammar in zip(panels.axes, grammars, strict=True):
            _draw_pareto(axis, points[points["grammar"] == grammar], looks, points["seconds"].max())
            axis.tick_params(labelleft=True)
        return panels.finish(title, "examples needed (log scale)", wrap(measure, 34))


def _pareto_notes() -> list[Line2D]:
    ring: dict[str, Any] = {"marker": "o", "ls": "", "mfc": "none"}
    return [
        Line2D([], [], **ring, color=INK, ms=8, label="ringed: no other is better in all"),
        Line2D([], [], **ring, color=FAINT, ms=11, label="larger: slower to train"),
    ]


def _draw_pareto(axis: Axes, points: pd.DataFrame, looks: Mapping[str, Look], most: float) -> None:
    low, high = float(points["smallest"].min()), float(points["largest"].max())
    beyond, before = high * 1.9, low / 1.35
    axis.axvspan(high * 1.25, high * 2.9, color="#f1f1f1", lw=0, zorder=0)
    out = points.loc[points["needed"] > high, "label"].tolist()
    for row in points.to_dict("records"):
        look, needed = looks[row["label"]], row["needed"]
        x = before if needed <= low else needed
        if row["label"] in out:  # side by side within the strip
            x = beyond * math.exp(0.34 * sideways(out.index(row["label"]), len(out)))
        area = (
            28 + 190 * math.sqrt(row["seconds"] / most) if row["seconds"] == row["seconds"] else 40
        )
        axis.scatter(
            x, row["recovery"], s=area, marker=look.marker, color=look.color, lw=0, alpha=0.8
        )
        if row["front"]:
            axis.scatter(
                x,
                row["recovery"],
                s=2 * area + 40,
                marker="o",
                facecolor="none",
                edgecolor=INK,
                lw=1,
            )
    axis.set_xscale("log")
    axis.set_xlim(before / 1.3, high * 2.9)
    ticks = sorted(set(points["smallest"]) | set(points["largest"]))
    inner = [
        t for t in LogLocator(subs=(1, 2, 5)).tick_values(low, high) if low * 1.4 < t < high / 1.4
    ]
    at = [before, *inner, beyond]
    axis.set_xticks(at, [f"≤{compact(ticks[0])}", *map(compact, inner), f">{compact(ticks[-1])}"])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_ylim(min(0.0, float(points["recovery"].min())) - 0.06, 1.06)
