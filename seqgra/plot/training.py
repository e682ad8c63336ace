"""Figures of single runs: training and validation loss by epoch, and who is taken for whom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from seqgra.plot.legends import line_handles
from seqgra.plot.sizes import size_axis
from seqgra.plot.style import (
    FAINT,
    INK,
    Look,
    columns_for,
    line_looks,
    new_figure,
    styled,
    wrap,
    wrap_title,
)

#: Conditions above which a confusion matrix has no numbers in its cells.
_MOST_NUMBERS = 12


class Confusion(NamedTuple):
    """Who is taken for whom.

    Attributes
    ----------
    title
        Whose predictions.
    shares
        float (C, C): of the examples of each condition (rows), the share predicted as each (columns).
    """

    title: str
    shares: np.ndarray


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
        for i, axis in enumerate(axes):
            axis.set_visible(i < len(labels))
            if i % columns == 0:
                axis.set_ylabel("loss")
            if i + columns >= len(labels):
                axis.set_xlabel("epoch")
        axes[0].set_ylim(bottom=0)
        grey: dict[str, Any] = {"color": FAINT, "lw": 1.3}
        key = [
            Line2D([], [], **grey, label="validation"),
            Line2D([], [], **grey, ls=(0, (3, 1.5)), label="training"),
            Line2D(
                [], [], color=INK, marker="o", ms=4, ls="", label="lowest validation loss (kept)"
            ),
        ]
        if any(status != "done" for found in runs.values() for _, status in found):
            key.append(Line2D([], [], **grey, marker="x", ms=5, label="collapsed or diverged"))
        figure.suptitle(wrap(title, int(width * 12)), x=0.01, ha="left", weight="bold")
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
            handles.append(Line2D([], [], **grey, mfc="white", label="open: not learnt"))
        figure.suptitle(wrap(title, 105), x=0.01, ha="left", weight="bold")
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


def confusions(panels: Sequence[Confusion], conditions: Sequence[str], title: str) -> Figure:
    """Draw confusion matrices beside one another, the conditions in the same order in all.

    Parameters
    ----------
    panels
        At least one.
    conditions
        Names, in the order of rows and columns.
    title
        Of the figure.
    """
    with styled(grid=False):
        many = len(conditions)
        side = min(max(1.6, 0.28 * many), 4.2)
        columns = min(len(panels), max(1, int(10.5 / (side + 0.4))))
        rows = math.ceil(len(panels) / columns)
        longest = 0.055 * max(len(name) for name in conditions)
        width = max(6.4, (side + 0.15) * columns + longest + 1.3)
        figure = new_figure(width, (side + 0.3) * rows + longest + 0.75)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        small = 7 if many <= 2 * _MOST_NUMBERS else 5.5
        for i, (axis, panel) in enumerate(zip(axes, panels, strict=False)):
            image = axis.imshow(panel.shares, vmin=0, vmax=1, cmap="Blues")
            axis.set_title(wrap_title(panel.title, side + 0.2))
            lowest, left = i + columns >= len(panels), i % columns == 0
            names = list(conditions) if lowest else [""] * many
            axis.set_xticks(range(many), names, rotation=90, fontsize=small)
            names = list(conditions) if left else [""] * many
            axis.set_yticks(range(many), names, fontsize=small)
            axis.tick_params(length=0)
            if many <= _MOST_NUMBERS:
                _write_shares(axis, panel.shares)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        label = "share of the condition's examples"
        figure.colorbar(image, ax=list(axes), fraction=0.03, aspect=25, shrink=0.8, label=label)
        figure.supylabel("condition", fontsize=9)
        figure.supxlabel("predicted", fontsize=9)
        figure.suptitle(wrap(title, int(width * 12)), x=0.01, ha="left", weight="bold")
    return figure


def _write_shares(axis: Axes, shares: np.ndarray) -> None:
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            ink = "white" if share > 0.55 else INK
            text = f"{share:.2f}".removeprefix("0")
            axis.text(column, row, text, ha="center", va="center", fontsize=6.5, color=ink)
