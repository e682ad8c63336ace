"""Learning curves of one architecture on all grammars, and one training on each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from seqgra.plot.legends import line_handles
from seqgra.plot.sizes import size_axis
from seqgra.plot.style import BASELINES, FAINT, Look, headline, line_looks, new_figure, styled
from seqgra.report.drawing import Drawing, file_name, read_history, save_figure
from seqgra.report.page import Picture, caption


def draw_architecture(drawing: Drawing, label: str) -> list[Picture]:
    """Draw the learning curves of an architecture over grammars, and one training on each."""
    known = drawing.compared.statistics
    runs = known.runs[known.runs["label"] == label]
    sizes = {decision.grammar: decision.size for decision in known.decisions}
    losses: dict[str, pd.DataFrame] = {}
    for cell in drawing.compared.cells:
        wanted = cell.size == sizes.get(cell.grammar) and cell.grammar not in losses
        wanted &= cell.backend not in BASELINES  # whose rows are penalties, not epochs
        if (
            wanted
            and drawing.labels[cell.key] == label
            and len(history := read_history(cell.model))
        ):
            losses[cell.grammar] = history
    title = f"{label}: learning curves, and one training on each grammar"
    stem = save_figure(
        drawing, f"architecture-{file_name(label)}", one_architecture, runs, losses, title
    )
    words = caption("architecture", label=label, losses=bool(losses))
    return [Picture(stem, title, words)]


def one_architecture(runs: pd.DataFrame, losses: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Draw the learning curves of one architecture, a line a grammar, beside a training on each.

    Parameters
    ----------
    runs
        One row a run: grammar, size, value (NaN where it diverged), status and chance.
    losses
        Grammar -> history: columns epoch, training_loss, validation_loss. Without any, there is one panel.
    title
        Of the figure.
    """
    with styled():
        grammars = sorted(runs["grammar"].unique())
        looks = line_looks(grammars)
        figure = new_figure(9, max(3.1, 0.5 + 0.19 * len(grammars)))
        left, *others = figure.subplots(1, 2 if losses else 1, squeeze=False)[0]
        filled = runs.assign(value=runs["value"].fillna(runs["chance"]))
        for grammar, own in filled.groupby("grammar"):
            _draw_curve(left, own, looks[str(grammar)])
        size_axis(left, np.sort(runs["size"].unique()), 3.6 if losses else 7.0)
        left.set(title="PR AUC", xlabel="dataset size (examples, log scale)")
        left.set_ylim(top=1.02)
        for right in others:
            for grammar, history in losses.items():
                style: dict[str, Any] = {"color": looks[grammar].color, "lw": 1.1}
                right.plot(history["epoch"], history["training_loss"], ls=(0, (3, 1.5)), **style)
                right.plot(history["epoch"], history["validation_loss"], **style)
            right.set(title="loss (dashed: training)", xlabel="epoch")
            right.xaxis.set_major_locator(MaxNLocator(integer=True))
            right.set_ylim(bottom=0)
        handles = line_handles(looks, looks)
        if (runs["status"] != "done").any():
            grey: dict[str, Any] = {"color": FAINT, "marker": "o", "ls": ""}
            handles.append(Line2D([], [], **grey, mfc="white", label="open: did not learn"))
        headline(figure, title)
        figure.legend(handles=handles, loc="outside right center")
    return figure


def _draw_curve(axis: Axes, runs: pd.DataFrame, look: Look) -> None:
    by_size = runs.groupby("size")["value"].agg(["mean", "min", "max"])
    axis.vlines(by_size.index, by_size["min"], by_size["max"], color=look.color, lw=1, alpha=0.5)
    axis.plot(
        by_size.index,
        by_size["mean"],
        color=look.color,
        ls=look.line,
        marker=look.marker,
        ms=4,
        lw=1.4,
    )
    failed = runs[runs["status"] != "done"]
    axis.scatter(
        failed["size"],
        failed["value"],
        s=22,
        facecolor="white",
        edgecolor=look.color,
        lw=1,
        zorder=4,
    )
