"""Losses by epoch of single runs of a grammar."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from seqgra.compare.decide import Decision
from seqgra.plot.style import (
    BASELINES,
    FAINT,
    INK,
    Look,
    columns_for,
    compact,
    headline,
    label_outer,
    new_figure,
    styled,
    wrap_title,
)
from seqgra.report.drawing import Drawing, file_name, read_history, save_figure
from seqgra.report.page import Picture, caption

#: Runs of an architecture whose histories are drawn.
_MOST_HISTORIES = 4
#: Architectures in a figure of one grammar.
_MOST_PANELS = 6


def draw_histories(drawing: Drawing, decision: Decision) -> list[Picture]:
    """Draw the losses of single runs of a grammar at its largest size."""
    runs: dict[str, list[tuple[pd.DataFrame, str]]] = {}
    for cell in drawing.compared.cells:
        here = cell.grammar == decision.grammar and cell.size == decision.size
        if not here or cell.backend in BASELINES:  # whose rows are penalties, not epochs
            continue
        there = runs.setdefault(drawing.labels[cell.key], [])
        if len(there) < _MOST_HISTORIES and len(history := read_history(cell.model)):
            there.append((history, drawing.outcomes[cell.key]))
    order = [label for label in decision.others["label"] if runs.get(label)][:_MOST_PANELS]
    if not order:
        return []
    title = f"{decision.grammar}: training and validation loss at {compact(decision.size)} examples"
    stem = save_figure(
        drawing,
        f"losses-{file_name(decision.grammar)}",
        histories,
        {label: runs[label] for label in order},
        drawing.looks,
        title,
    )
    words = caption(
        "losses",
        grammar=decision.grammar,
        size=decision.size,
        most=_MOST_HISTORIES,
        shown=len(order),
    )
    return [Picture(stem, title, words)]


def histories(
    runs: Mapping[str, Sequence[tuple[pd.DataFrame, str]]], looks: Mapping[str, Look], title: str
) -> Figure:
    """Draw training (dashed) and validation loss (solid) of single runs by epoch, a panel a label.

    Parameters
    ----------
    runs
        Label -> of each run its history (columns epoch, training_loss, validation_loss) and status.
    looks
        How each label is drawn.
    title
        Of the figure.
    """
    with styled():
        labels = [name for name in looks if name in runs]
        columns = min(columns_for(len(labels)), 3)
        rows = math.ceil(len(labels) / columns)
        width = max(6.4, 2.7 * columns)
        figure = new_figure(width, 2.2 * rows + 0.85)
        axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for axis, label in zip(axes, labels, strict=False):
            for history, status in runs[label]:
                _draw_history(axis, history, status, looks[label])
            axis.set_title(wrap_title(label, width / columns))
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        label_outer(axes, len(labels), columns, "epoch", "loss")
        axes[0].set_ylim(bottom=0)
        grey: dict[str, Any] = {"color": FAINT, "lw": 1.3}
        key = [
            Line2D([], [], **grey, label="validation"),
            Line2D([], [], **grey, ls=(0, (3, 1.5)), label="training"),
            Line2D([], [], color=INK, marker="o", ms=4, ls="", label="lowest validation loss"),
        ]
        if any(status != "done" for found in runs.values() for _, status in found):
            key.append(Line2D([], [], **grey, marker="x", ms=5, label="collapsed or diverged"))
        headline(figure, title)
        figure.legend(handles=key, loc="outside lower center", ncols=len(key))
    return figure


def _draw_history(axis: Axes, history: pd.DataFrame, status: str, look: Look) -> None:
    x, validation = history["epoch"], history["validation_loss"]
    style: dict[str, Any] = {"color": look.color, "lw": 1.1, "alpha": 0.75}
    axis.plot(x, history["training_loss"], ls=(0, (3, 1.5)), **style)
    axis.plot(x, validation, **style)
    if validation.notna().any():
        best = int(np.nanargmin(validation.to_numpy()))
        axis.scatter(x.iloc[best], validation.iloc[best], s=13, color=INK, lw=0, zorder=4)
    if status != "done":
        axis.scatter(x.iloc[-1], validation.iloc[-1], s=26, marker="x", color=look.color, zorder=5)
