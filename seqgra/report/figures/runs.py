"""Single runs, at the largest and at the user's size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seqgra.compare.ranking import mean_interval
from seqgra.compare.runs import at_size, filled
from seqgra.plot.legends import ceiling_handle, chance_handle
from seqgra.plot.style import (
    CEILING_LINE,
    CHANCE_LINE,
    FAINT,
    INK,
    Look,
    columns_for,
    headline,
    label_outer,
    new_figure,
    styled,
    wrap,
    wrap_title,
)
from seqgra.report.drawing import VALUE, Drawing, save_figure
from seqgra.report.page import Picture, caption

_WIDTH = 3.6
#: Letters of a line of an architecture's name beside its row.
_NAME = 26


def draw_runs(drawing: Drawing) -> list[Picture]:
    """Draw every single run at each grammar's largest size."""
    known = drawing.compared.statistics
    sizes = {decision.grammar: decision.size for decision in known.decisions}
    shown = known.runs[known.runs["size"] == known.runs["grammar"].map(sizes)]
    if shown.empty:
        return []
    shown = filled(shown)
    title = "Single runs at the largest size"
    stem = save_figure(drawing, "runs", strip, shown, drawing.looks, title)
    words = caption("runs")
    return [Picture(stem, title, words)]


def draw_at(drawing: Drawing) -> list[Picture]:
    """Draw every architecture at the user's size."""
    known = drawing.compared.statistics
    if known.at is None or not known.chosen:
        return []
    shown = at_size(known.runs, known.at)
    title = f"PR AUC at {known.at:,} examples"
    shown = shown.merge(mean_interval(shown), on=["grammar", "label"], how="left")
    stem = save_figure(drawing, "at", bars, shown, drawing.looks, title)
    words = caption("at", size=known.at, between=known.at not in set(known.runs["size"]))
    return [Picture(stem, title, words)]


def strip(runs: pd.DataFrame, looks: Mapping[str, Look], title: str) -> Figure:
    """Draw every single run: one panel a grammar, one row an architecture, the best mean on top.

    Parameters
    ----------
    runs
        One row a run: grammar, label, value, status (``collapsed`` and ``diverged`` get open symbols),
        chance and ceiling (NaN where not known); optionally low and high, the ends of the 95 %
        interval of the label's mean, the same in all its rows.
    looks
        How each label is drawn.
    title
        Of the figure.
    """
    with styled():
        grammars = sorted(runs["grammar"].unique())
        columns = min(columns_for(len(grammars)), 3)
        rows = math.ceil(len(grammars) / columns)
        most = int(runs.groupby("grammar")["label"].nunique().max())
        width = _WIDTH * columns + 0.5
        lines = max(wrap(name, _NAME).count("\n") + 1 for name in runs["label"].unique())
        row = max(0.21, 0.16 * lines)
        figure = new_figure(max(6.4, width), (row * most + 0.75) * rows + 0.75)
        axes = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
        for axis, grammar in zip(axes, grammars, strict=False):
            _draw_strip(axis, runs[runs["grammar"] == grammar], looks)
            beside = 1.3 if lines > 1 else 0  # inches of names in several lines
            axis.set_title(wrap_title(grammar, width / columns - beside))
        label_outer(axes, len(grammars), columns, VALUE)
        headline(figure, title)
        figure.legend(handles=_strip_key(runs), loc="outside lower center", ncols=3)
    return figure


def _draw_strip(axis: Axes, runs: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    means = runs.groupby("label")["value"].mean()
    order = sorted(means.index, key=lambda label: (means[label], label))
    for y, label in enumerate(order):
        own, look = runs[runs["label"] == label], looks[label]
        fine = own["status"] == "done"
        spread = y + 0.26 * _jitter(len(own))
        common: dict[str, Any] = {"s": 17, "marker": look.marker, "zorder": 3}
        axis.scatter(own["value"][fine], spread[fine], color=look.color, lw=0, alpha=0.75, **common)
        axis.scatter(
            own["value"][~fine],
            spread[~fine],
            facecolor="white",
            edgecolor=look.color,
            lw=1,
            **common,
        )
        if "low" in own and own["low"].notna().any():
            axis.hlines(
                y, own["low"].iloc[0], own["high"].iloc[0], color=look.color, lw=5, alpha=0.25
            )
        axis.vlines(means[label], y - 0.36, y + 0.36, color=INK, lw=1.6, zorder=4)
    for name, line in (("chance", CHANCE_LINE), ("ceiling", CEILING_LINE)):
        if runs[name].notna().any():
            axis.axvline(runs[name].iloc[0], color=FAINT, lw=1, ls=line, zorder=1)
    axis.set_yticks(range(len(order)), [wrap(name, _NAME) for name in order])
    axis.set_ylim(-0.6, len(order) - 0.4)
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)


def _jitter(many: int) -> np.ndarray:
    """Return offsets in [-1, 1] that keep neighbours apart, the same every time."""
    return np.zeros(1) if many == 1 else 2 * ((np.arange(many) * 0.618) % 1) - 1


def _strip_key(runs: pd.DataFrame) -> list[Line2D]:
    grey: dict[str, Any] = {"color": FAINT, "ls": "", "marker": "o", "ms": 4.5}
    found = [
        Line2D([], [], **grey, label="single run"),
        Line2D([], [], color=INK, ls="", marker="|", ms=9, mew=1.6, label="mean"),
    ]
    if (runs["status"] != "done").any():
        found.append(Line2D([], [], **grey, mfc="white", label="open: collapsed or diverged"))
    if "low" in runs and runs["low"].notna().any():
        found.append(
            Line2D([], [], color=FAINT, lw=5, alpha=0.4, label="95 % interval of the mean")
        )
    if runs["chance"].notna().any():
        found.append(chance_handle())
    if runs["ceiling"].notna().any():
        found.append(ceiling_handle())
    return found


def bars(runs: pd.DataFrame, looks: Mapping[str, Look], title: str) -> Figure:
    """Draw the mean of each architecture as a bar from chance, single runs on it; see `strip`."""
    figure = strip(runs, looks, title)
    grammars = sorted(runs["grammar"].unique())
    for axis, grammar in zip(figure.axes, grammars, strict=False):
        own = runs[runs["grammar"] == grammar]
        means, chance = own.groupby("label")["value"].mean(), own["chance"].iloc[0]
        start = chance if chance == chance else 0.0
        order = sorted(means.index, key=lambda name: (means[name], name))
        for y, name in enumerate(order):
            axis.barh(
                y,
                means[name] - start,
                left=start,
                height=0.72,
                color=looks[name].color,
                alpha=0.22,
                lw=0,
            )
    return figure
