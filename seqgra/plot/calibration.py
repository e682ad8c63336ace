"""Reliability: how often what a model gives a probability is so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seqgra.plot.legends import legend_below
from seqgra.plot.style import (
    FAINT,
    INK,
    Look,
    columns_for,
    new_figure,
    styled,
    wrap,
    wrap_title,
)

#: Bins with fewer pairs of an example and a condition are drawn open.
FEW = 30
_PANEL = (2.9, 2.7)
#: How a model is drawn as it was trained, and with its logits scaled.
_STYLES: Mapping[bool, Any] = {False: "-", True: (0, (2, 1.2))}


def reliabilities(bins: pd.DataFrame, looks: Mapping[str, Look], title: str) -> Figure:
    """Draw observed shares against predicted probabilities: a panel a grammar, a line a model.

    Parameters
    ----------
    bins
        One row a (grammar, label, scaled, bin): predicted, observed, examples and brier; means over runs.
    looks
        How each label is drawn.
    title
        Of the figure.
    """
    with styled():
        grammars = sorted(bins["grammar"].unique())
        columns = min(columns_for(len(grammars)), 3)
        rows = math.ceil(len(grammars) / columns)
        width = max(6.4, _PANEL[0] * columns)
        legend = legend_below([], _notes(bins), width)
        figure = new_figure(width, _PANEL[1] * rows + 0.2 * legend.rows + 0.5)
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axis, grammar in zip(axes, grammars, strict=False):
            _draw(axis, bins[bins["grammar"] == grammar], looks)
            axis.set_title(wrap_title(grammar, width / columns))
        for i, axis in enumerate(axes):
            axis.set_visible(i < len(grammars))
            axis.tick_params(labelleft=True)
            if i % columns == 0:
                axis.set_ylabel("share that is so")
            if i + columns >= len(grammars):
                axis.tick_params(labelbottom=True)
                axis.set_xlabel("predicted probability")
        figure.suptitle(wrap(title, int(width * 12)), x=0.01, ha="left", weight="bold")
        figure.legend(handles=legend.handles, loc="outside lower center", ncols=legend.columns)
    return figure


def _draw(axis: Axes, bins: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    axis.plot([0, 1], [0, 1], color=FAINT, lw=0.8, zorder=1)
    for place, ((label, scaled), own) in enumerate(bins.groupby(["label", "scaled"], sort=False)):
        look, enough = looks[str(label)], own["examples"] >= FEW
        line: dict[str, Any] = {"color": look.color, "zorder": 3}
        axis.plot(own["predicted"], own["observed"], ls=_STYLES[bool(scaled)], lw=1.2, **line)
        if look.marker:
            shape: dict[str, Any] = {"marker": look.marker, "edgecolor": look.color, "s": 20}
            for kind, face in ((enough, look.color), (~enough, "white")):
                part = own[kind]
                axis.scatter(part["predicted"], part["observed"], facecolor=face, **shape, zorder=4)
        text = f"{label}{', scaled' if scaled else ''}: {own['brier'].iloc[0]:.3f}"
        place_y = 0.97 - 0.075 * place
        axis.text(0.03, place_y, text, size=7, color=look.color, va="top", transform=axis.transAxes)
    axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))


def _notes(bins: pd.DataFrame) -> list[Line2D]:
    notes = [
        Line2D([], [], color=INK, lw=1.2, label="as trained"),
        Line2D([], [], color=FAINT, lw=0.8, label="as it should be"),
    ]
    if bins["scaled"].any():
        style = _STYLES[True]
        notes.insert(1, Line2D([], [], color=INK, lw=1.2, ls=style, label="with its temperature"))
    if (bins["examples"] < FEW).any():
        open_: dict[str, Any] = {"marker": "o", "ls": "", "mfc": "white", "color": FAINT}
        notes.append(Line2D([], [], **open_, label=f"open: fewer than {FEW} predictions"))
    return notes
