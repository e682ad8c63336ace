"""The figure to decide by: every architecture on every grammar, with what each costs and knows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seqgra.plot.legends import chance_handle, legend_below
from seqgra.plot.style import (
    CEILING_LOOK,
    CHANCE_LINE,
    FAINT,
    INK,
    Look,
    columns_for,
    new_figure,
    styled,
    wrap,
    wrap_title,
)

#: Inches: a row, a panel whose rows have names of their own, and the width of a page of panels side by side.
_ROW, _OWN_ROW, _PANEL, _PAGE = 0.42, 0.6, 2.6, 10.2
#: Behind the row of the architecture that is named.
_NAMED = "#e3eefa"
#: Columns of text below a value: name of the column -> its heading.
_HEADS = {
    "value": "PR AUC",
    "rare": "at {}",
    "needed": "examples",
    "recovery": "recovery",
    "rule": "rule",
}


def answer_panels(
    rows: pd.DataFrame, looks: Mapping[str, Look], title: str, *, own_names: bool, rare: str = ""
) -> Figure:
    """Draw PR AUC with its interval, and numbers below it: a panel a grammar, a row an architecture.

    Parameters
    ----------
    rows
        One row a (grammar, label), in the order to draw: mean; low and high, its interval or its range over
        runs (NaN: none); chance and ceiling (NaN where not known); named, bool; texts value, rare, needed,
        recovery and rule, empty where there is none.
    looks
        How each label is drawn.
    title
        Of the figure.
    own_names
        Whether each panel has its own architectures, named in it; else all panels share their rows.
    rare
        The prevalence that the column ``rare`` is about, in words; empty without that column.
    """
    with styled():
        grammars = list(dict.fromkeys(rows["grammar"]))
        shared = list(dict.fromkeys(rows["label"]))
        columns = columns_for(len(grammars)) if own_names else len(grammars)
        lines = math.ceil(len(grammars) / columns)
        most = int(rows.groupby("grammar").size().max()) if own_names else len(shared)
        names = 0.0 if own_names else 0.2 + 0.066 * min(26, max(map(len, shared)))
        width = min(_PAGE, max(5.4, names + 3.2 * columns))
        legend = legend_below(_key(rows), [], width)
        height = (
            (most * (_OWN_ROW if own_names else _ROW) + 0.75) * lines + 0.55 + 0.2 * legend.rows
        )
        figure = new_figure(width, height)
        axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=not own_names)
        panel = (width - names) / columns
        heads = {n: head.format(rare) for n, head in _HEADS.items() if (rows[n] != "").any()}
        low = _lowest(rows)
        for axis, grammar in zip(axes.ravel(), grammars, strict=False):
            own = rows[rows["grammar"] == grammar]
            labels = own["label"].tolist() if own_names else shared
            _draw(axis, own.set_index("label"), labels, looks, heads, low, own_names)
            axis.set_title(wrap_title(grammar, panel), pad=16)
        for axis in axes.ravel()[len(grammars) :]:
            axis.set_visible(False)
        if not own_names:
            axes[0, 0].set_yticks(range(len(shared)), [wrap(name, 26) for name in shared])
        figure.suptitle(wrap(title, int(width * 11)), x=0.01, ha="left", weight="bold")
        figure.legend(handles=legend.handles, loc="outside lower center", ncols=legend.columns)
    return figure


def _lowest(rows: pd.DataFrame) -> float:
    """Return where the axis of PR AUC begins: below all that is drawn, at a twentieth."""
    low = float(np.nanmin(rows[["mean", "low", "chance"]].to_numpy(float)))
    return max(0.0, math.floor(20 * low - 0.4) / 20)


def _draw(
    axis: Axes,
    rows: pd.DataFrame,
    labels: Sequence[str],
    looks: Mapping[str, Look],
    heads: Mapping[str, str],
    low: float,
    own_names: bool,
) -> None:
    up = 0.02 if own_names else -0.16  # of a row's middle, where its value is drawn
    places = np.linspace(0, 1, len(heads) + 1)[:-1] + 0.5 / len(heads)
    across = axis.get_yaxis_transform()  # x in shares of the axis, y in rows
    for place, head in zip(places, heads.values(), strict=True):
        axis.text(
            place, -0.52, head, size=7, color=FAINT, ha="center", va="bottom", transform=across
        )
    for y, label in enumerate(labels):
        if own_names:
            weight = "bold" if label in rows.index and rows.loc[label, "named"] else "normal"
            name: dict[str, Any] = {"size": 7.5, "weight": weight, "va": "top"}
            axis.text(0.01, y - 0.46, wrap(label, 36), transform=across, **name)
        if label not in rows.index:
            axis.text(0.5, y, "no run", size=7.5, color=FAINT, ha="center", transform=across)
            continue
        row: Any = rows.loc[label]
        look = looks[label]
        if row["named"]:
            axis.axhspan(y - 0.48, y + 0.48, color=_NAMED, lw=0, zorder=0)
        if math.isfinite(row["low"]):
            axis.hlines(y + up, row["low"], row["high"], color=look.color, lw=4, alpha=0.35)
        dot: dict[str, Any] = {"s": 34, "marker": look.marker, "color": look.color, "lw": 0}
        axis.scatter(row["mean"], y + up, zorder=4, **dot)
        for place, column in zip(places, heads, strict=True):
            style: dict[str, Any] = {"size": 8.5, "weight": "bold" if row["named"] else "normal"}
            axis.text(
                place, y + 0.29, row[column], ha="center", va="center", transform=across, **style
            )
    middles = np.arange(len(labels)) + up
    for value, style in (  # beside the values, not across the numbers below them
        (rows["ceiling"].iloc[0], {"color": CEILING_LOOK.color, "lw": 1.0}),
        (rows["chance"].iloc[0], {"color": FAINT, "lw": 1.0, "ls": CHANCE_LINE}),
    ):
        if math.isfinite(value):
            axis.vlines([value] * len(labels), middles - 0.22, middles + 0.22, zorder=1, **style)
    for y in range(1, len(labels)):
        axis.axhline(y - 0.5, color="#e6e6e6", lw=0.7, zorder=0)
    axis.set(xlim=(low, 1.01), ylim=(len(labels) - 0.5, -0.5))
    axis.set_yticks([])
    axis.grid(visible=False)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", labelbottom=True, labelsize=7)


def _key(rows: pd.DataFrame) -> list[Line2D]:
    found = [Line2D([], [], color=_NAMED, lw=9, label="to use, or to try first")]
    if rows["low"].notna().any():
        kinds = " or ".join(sorted(set(rows.loc[rows["low"].notna(), "of"])))
        found.append(Line2D([], [], color=FAINT, lw=4, alpha=0.5, label=kinds))
    if rows["ceiling"].notna().any():
        found.append(Line2D([], [], color=INK, lw=1, label="ceiling: no classifier is better"))
    if rows["chance"].notna().any():
        found.append(chance_handle())
    return found
