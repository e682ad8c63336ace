"""The figure that the page begins with: what every architecture reaches, costs and knows on every grammar."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seqgra.compare.efficiency import size_words
from seqgra.compare.standing import INTERVAL, RANGE, selected
from seqgra.plot.legends import Legend, chance_handle, legend_below
from seqgra.plot.style import (
    CEILING_LOOK,
    CHANCE_LINE,
    FAINT,
    INK,
    Look,
    columns_for,
    headline,
    new_figure,
    styled,
    text_width,
    wrap,
    wrap_title,
)
from seqgra.report.drawing import Drawing, save_figure
from seqgra.report.page import Picture, caption, number

#: Architectures and grammars from which on the first figure shows only those that matter.
MANY_ROWS, MANY_COLUMNS = 9, 5
#: Grammars in a figure, at most: the table has all.
_MOST_PANELS = 40
#: Grammars up to which there is a figure for phones, one panel below the other.
_MOST_NARROW = 12
#: Inches: a row, one with a name of its own, and the widths of a page of panels side by side and of a phone.
_ROW, _OWN_ROW, _PAGE, _NARROW = 0.34, 0.47, 12.0, 3.7
#: Behind the row of the architecture that is named.
_NAMED = "#e3eefa"
#: Columns of text below a value: name of the column -> its heading.
_HEADS = {
    "value": "PR AUC",
    "rare": "PR AUC\nat {}",
    "needed": "examples\nneeded",
    "recovery": "recovery",
    "rule": "rule",
}


def draw_answer(drawing: Drawing, *, every: bool = False) -> list[Picture]:
    """Draw the figure to decide by: all architectures, or where these are many those that matter.

    Parameters
    ----------
    drawing
        What figures share.
    every
        Draw all of them where they are many, and nothing where the figure to decide by has them.
    """
    rows = drawing.compared.standing
    few = rows["label"].nunique() < MANY_ROWS and rows["grammar"].nunique() < MANY_COLUMNS
    if rows.empty or (every and few):
        return []
    sizes = sorted(rows["size"].unique())
    span = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    title = f"Which architecture, at {span} examples" + (": all architectures" if every else "")
    shown = rows if few or every else selected(rows)
    if few:
        means = rows.groupby("label")["mean"].mean()
        order = means.sort_values(ascending=False, kind="stable").index
        place = {label: i for i, label in enumerate(order)}
        shown = shown.sort_values(["label"], key=lambda c: c.map(place), kind="stable")
    words = _caption(drawing, rows, chosen=not few and not every)
    name = "answer-all" if every else "answer"
    stem = _save(drawing, name, shown, title, own_names=not few)
    narrow = None
    if not every and rows["grammar"].nunique() <= _MOST_NARROW:
        narrow = _save(drawing, f"{name}-narrow", shown, title, own_names=True, narrow=True)
    return [Picture(stem, title, words, narrow)]


def _save(
    drawing: Drawing,
    name: str,
    rows: pd.DataFrame,
    title: str,
    *,
    own_names: bool,
    narrow: bool = False,
) -> Path:
    kept = list(dict.fromkeys(rows["grammar"]))[:_MOST_PANELS]
    texts = with_texts(rows[rows["grammar"].isin(kept)])
    share = rows["prevalence"].dropna()
    rare = percent_words(float(share.iloc[0])) if len(share) else ""
    return save_figure(
        drawing,
        name,
        answer_panels,
        texts,
        drawing.looks,
        title,
        own_names=own_names,
        rare=rare,
        narrow=narrow,
    )


def with_texts(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the texts of the figure's numbers to rows of `standing`; `needed` is replaced by its own."""
    columns = ["needed", "smallest", "largest"]
    needed = [
        "" if math.isnan(size) else size_words(size, int(smallest), int(largest))
        for size, smallest, largest in rows[columns].to_numpy(float).tolist()
    ]
    texts = {
        "value": [f"{value:.3f}" for value in rows["mean"]],
        "rare": [number(value, ".3f") for value in rows["rare"]],
        "recovery": [number(value, ".2f") for value in rows["recovery"]],
        "rule": [number(value, ".2f") for value in rows["rule"]],
    }
    return rows.assign(needed=needed, **texts)


def percent_words(share: float) -> str:
    """Return a prevalence in per cent.

    >>> percent_words(0.01), percent_words(0.0005)
    ('1 %', '0.05 %')
    """
    return f"{100 * share:g} %"


def _caption(drawing: Drawing, rows: pd.DataFrame, *, chosen: bool) -> str:
    """Say what the numbers are, and of how many runs, explanations and negatives."""
    kinds = [f"the {what} of {name}" for name, what in drawing.annotations.items()]
    if set(rows["grammar"]) - drawing.annotations.keys():
        kinds.insert(0, "the positions that carry the grammar")
    share = rows["prevalence"].dropna()
    rare = (
        {"share": percent_words(share.iloc[0]), "negatives": int(rows["negatives"].min())}
        if len(share)
        else None
    )
    return caption(
        "answer",
        selected=chosen,
        runs=sorted(rows["runs"].unique().tolist()),
        spans=_spans(set(rows["of"])),
        method=drawing.compared.method,
        recovery=kinds if rows["recovery"].notna().any() else [],
        explained=sorted({int(n) for n in rows["explained"].dropna()}),
        recovery_at=_elsewhere(rows, "recovery_size"),
        rule=bool(rows["rule"].notna().any()),
        rule_at=_elsewhere(rows, "rule_size"),
        rare=rare,
    )


def _spans(kinds: set[str]) -> str:
    """Return what the bars are: all intervals, all ranges, or both."""
    if RANGE not in kinds:
        return "intervals"
    return "both" if INTERVAL in kinds else "ranges"


def _elsewhere(rows: pd.DataFrame, column: str) -> list[int]:
    """Return the sizes at which something was measured, where these are not those of the rows."""
    sizes = rows[rows[column].notna() & (rows[column] != rows["size"])][column]
    return sorted(set(sizes.astype(int)))


def answer_panels(
    rows: pd.DataFrame,
    looks: Mapping[str, Look],
    title: str,
    *,
    own_names: bool,
    rare: str = "",
    narrow: bool = False,
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
    narrow
        One panel below the other, for the screen of a phone; each names its own architectures.
    """
    with styled():
        grammars = sorted(rows["grammar"].unique())
        shared = list(dict.fromkeys(rows["label"]))
        own_names |= narrow
        columns = 1 if narrow else columns_for(len(grammars)) if own_names else len(grammars)
        lines = math.ceil(len(grammars) / columns)
        most = int(rows.groupby("grammar").size().max()) if own_names else len(shared)
        named = [wrap(name, 36) for name in shared]  # beside the rows
        names = 0.0 if own_names else 0.2 + max(text_width(name) for name in named)
        more = max(name.count("\n") for name in named)
        row = _OWN_ROW + 0.13 * more if own_names else max(_ROW, 0.19 + 0.13 * more)
        width = _NARROW if narrow else min(_PAGE, max(5.4, names + 3.2 * columns))
        key = _key(rows)
        legend = legend_below(key, [], width)
        if sum(text_width(str(entry.get_label()), 8.5) + 0.65 for entry in key) < width:
            legend = Legend(key, 1, len(key))
        height = (most * row + 0.73) * lines + 0.3 + 0.19 * legend.rows
        figure = new_figure(width, height)
        axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=not own_names)
        panel = (width - names) / columns
        heads = {n: head.format(rare) for n, head in _HEADS.items() if (rows[n] != "").any()}
        low = _lowest(rows)
        for axis, grammar in zip(axes.ravel(), grammars, strict=False):
            own = rows[rows["grammar"] == grammar]
            labels = own["label"].tolist() if own_names else shared
            _draw(axis, own.set_index("label"), labels, looks, heads, low, row, own_names)
            axis.set_title(wrap_title(grammar, panel), pad=25)
        for axis in axes.ravel()[len(grammars) :]:
            axis.set_visible(False)
        if not own_names:
            axes[0, 0].set_yticks(range(len(shared)), named)
        headline(figure, title)
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
    inches: float,
    own_names: bool,
) -> None:
    middle = 0.5 - 0.165 / inches if own_names else 0.0  # of what is not the name, in rows
    up, down = middle - 0.065 / inches, middle + 0.08 / inches  # where values and numbers are drawn
    tall = 0.07 / inches
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
                place, y + down, row[column], ha="center", va="center", transform=across, **style
            )
    middles = np.arange(len(labels)) + up
    for value, style in (  # beside the values, not across the numbers below them
        (rows["ceiling"].iloc[0], {"color": CEILING_LOOK.color, "lw": 1.0}),
        (rows["chance"].iloc[0], {"color": FAINT, "lw": 1.0, "ls": CHANCE_LINE}),
    ):
        if math.isfinite(value):
            axis.vlines([value] * len(labels), middles - tall, middles + tall, zorder=1, **style)
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
