"""A measure against dataset size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seqgra.plot.legends import chance_handle, line_handles, target_handle
from seqgra.plot.panels import panels_above_legend
from seqgra.plot.style import (
    CEILING_LOOK,
    CHANCE_LINE,
    FAINT,
    TARGET_LINE,
    Look,
    compact,
    sideways,
    spaced,
    styled,
)
from seqgra.results import NOT_LEARNT

_PANEL = (3.3, 2.7)
#: Natural logarithm of the ratio between a size and where the outermost architectures are drawn: 3 %.
_SPREAD = math.log(1.03)
#: The ceiling, and what is only an estimate or approximation of it.
_CEILING: dict[str, Any] = {"color": CEILING_LOOK.color, "ls": CEILING_LOOK.line, "lw": 1.0}
_LESS: dict[str, Any] = {"color": FAINT, "ls": "-", "lw": 0.5}
#: Points of the letters beside lines.
_NAME_SIZE = 7.0
_NO_BOUND: dict[str, Any] = {"color": FAINT, "ls": "-", "lw": 0.8}


class Ceiling(NamedTuple):
    """The exact posterior's value for a grammar; not `exact`: an estimate or approximation, no bound."""

    grammar: str
    value: float
    exact: bool


class Knowledge(NamedTuple):
    """What a classifier reaches that knows one thing alone; what that is, several names where they tie."""

    grammar: str
    value: float
    knows: tuple[str, ...]


class YAxis(NamedTuple):
    """What the y axis of `against_size` shows."""

    #: Axis label.
    label: str
    #: Title of the figure.
    title: str
    #: Lowest value that the axis always shows, or None to follow the data.
    floor: float | None = None
    #: A reference value to mark, or None.
    line: float | None = None
    #: What the reference is, for the legend.
    line_label: str = ""
    #: Of the grammars that have one: the ceiling, and what is reached by knowing something alone.
    ceilings: tuple[Ceiling, ...] = ()
    less: tuple[Knowledge, ...] = ()


def against_size(runs: pd.DataFrame, looks: Mapping[str, Look], measure: YAxis) -> Figure:
    """Draw a measure against dataset size: one panel a grammar, one line an architecture.

    Parameters
    ----------
    runs
        One row a run: grammar, label, size, value and status (`NOT_LEARNT` get open symbols);
        optionally chance, the value of a constant prediction, the same for all runs of a grammar.
    looks
        How each label is drawn.
    measure
        What `value` is.

    Returns
    -------
    Figure
        Lines are means over runs, whiskers go from the smallest to the largest, dots are runs.
    """
    with styled():
        grammars = sorted(runs["grammar"].unique())
        labels = [name for name in looks if name in set(runs["label"])]
        panels = panels_above_legend(
            *(grammars, _PANEL, line_handles(looks, labels), _notes(runs, measure)),
            most=4,
            more=0.45,
            sharey=True,
        )
        sizes = np.sort(runs["size"].unique())
        for axis, grammar in zip(panels.axes, grammars, strict=True):
            panel = runs[runs["grammar"] == grammar]
            _draw_panel(axis, panel, labels, looks, sizes, measure)
            _draw_ceiling(axis, grammar, measure)
            size_axis(axis, sizes, panels.width)
            axis.tick_params(labelleft=True)
        _value_axis(
            panels.axes[0], runs[[*runs.columns.intersection(["value", "chance"])]], measure
        )
        for axis, grammar in zip(panels.axes, grammars, strict=True):
            known = [each for each in measure.less if each.grammar == grammar]
            _name_knowledge(axis, known, _letters(measure))
        return panels.finish(measure.title, "dataset size (examples, log scale)", measure.label)


def _draw_panel(
    axis: Axes,
    panel: pd.DataFrame,
    labels: list[str],
    looks: Mapping[str, Look],
    sizes: np.ndarray,
    measure: YAxis,
) -> None:
    if measure.line is not None:
        axis.axhline(measure.line, color=FAINT, linewidth=1, linestyle=TARGET_LINE, zorder=1)
    if "chance" in panel:
        axis.axhline(
            panel["chance"].iloc[0], color=FAINT, linewidth=1, linestyle=CHANCE_LINE, zorder=1
        )
    parts, ranges = [], []
    for i, label in enumerate(labels):
        runs = panel[panel["label"] == label].dropna(subset=["value"])
        if runs.empty:
            continue
        shift = math.exp(2 * _SPREAD * sideways(i, len(labels)))
        runs = runs.assign(x=runs["size"] * shift, color=looks[label].color)
        parts.append(runs[~runs["status"].isin(NOT_LEARNT)])
        ranges.append(_draw_line(axis, runs, looks[label]).assign(color=looks[label].color))
    if parts:  # of all architectures at once: thousands of dots and bars
        dots, bars = pd.concat(parts), pd.concat(ranges)
        style: dict[str, Any] = {"s": 9, "linewidths": 0, "alpha": 0.45, "zorder": 2}
        axis.scatter(dots["x"], dots["value"], color=dots["color"].tolist(), **style)
        colors = bars["color"].tolist()
        axis.vlines(bars.index, bars["min"], bars["max"], colors=colors, linewidth=1, alpha=0.55)


def _draw_ceiling(axis: Axes, grammar: str, measure: YAxis) -> None:
    for ceiling in measure.ceilings:
        if ceiling.grammar == grammar:
            style = _CEILING if ceiling.exact else _NO_BOUND
            axis.axhline(ceiling.value, **style, zorder=2.5)
    for known in measure.less:
        if known.grammar == grammar:
            axis.axhline(known.value, **_LESS, zorder=1.5)


def _letters(measure: YAxis) -> dict[str, str]:
    """Return what is known -> the letter that stands for it in all panels."""
    names = sorted({name for known in measure.less for name in known.knows})
    return dict(zip(names, ascii_uppercase, strict=False))


def _name_knowledge(axis: Axes, known: Sequence[Knowledge], letters: Mapping[str, str]) -> None:
    """Write what is known beside the end of its line, moved apart where lines are close."""
    known = sorted(known, key=lambda each: each.value)
    low, high = axis.get_ylim()
    inch = (high - low) / (_PANEL[1] - 0.75)  # of the axis, without title and labels
    places = spaced([each.value for each in known], 1.3 * _NAME_SIZE / 72 * inch)
    for each, place in zip(known, places, strict=True):
        axis.annotate(
            "".join(sorted(letters[name] for name in each.knows)),
            (1, place),
            xytext=(2, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            size=_NAME_SIZE,
            color=FAINT,
            va="center",
            annotation_clip=False,
        )


def _draw_line(axis: Axes, runs: pd.DataFrame, look: Look) -> pd.DataFrame:
    """Draw means and failed runs of an architecture; return mean, min and max by x."""
    by_size = runs.groupby("x")["value"].agg(["mean", "min", "max"])
    failed = runs[runs["status"].isin(NOT_LEARNT)]
    axis.plot(
        by_size.index.to_numpy(),
        by_size["mean"],
        color=look.color,
        linestyle=look.line,
        marker=look.marker,
        markersize=4.5,
        linewidth=1.5,
        zorder=3,
    )
    if len(failed):
        axis.scatter(
            failed["x"],
            failed["value"],
            s=30,
            marker=look.marker,
            facecolor="white",
            edgecolor=look.color,
            linewidths=1.1,
            zorder=4,
        )
    return by_size


def size_axis(axis: Axes, sizes: np.ndarray, width: float) -> None:
    """Put a tick at every size of the grid, and a label where there is room, at powers of ten first."""
    axis.set_xscale("log")
    steps = np.diff(np.log(sizes))
    margin = math.exp(max(0.4 * steps.min(), 0.02 * steps.sum()) if len(steps) else 0.7)
    low, high = sizes[0] / margin, sizes[-1] * margin
    axis.set_xlim(low, high)
    inches = (width - 0.8) / math.log(high / low)
    ends: dict[float, tuple[float, float]] = {}  # of each label, in inches
    for size in sorted(sizes, key=lambda size: (not math.log10(size).is_integer(), size)):
        at, half = math.log(size) * inches, 0.038 * len(compact(size))
        if all(
            at - half >= right + 0.1 or at + half <= left - 0.1 for left, right in ends.values()
        ):
            ends[size] = at - half, at + half
    axis.set_xticks(sizes, [compact(size) if size in ends else "" for size in sizes])
    axis.minorticks_off()


def _value_axis(axis: Axes, values: pd.DataFrame, measure: YAxis) -> None:
    bounds = [ceiling.value for ceiling in measure.ceilings]
    bounds += [known.value for known in measure.less]
    low = min([values.min().min(), *bounds])
    high = max([values.max().max(), measure.line or 0, *bounds])
    if measure.floor is not None:
        low = min(low, measure.floor)
    low = math.floor(low * 20) / 20
    margin = 0.03 * (1 - low)
    axis.set_ylim(low - margin, max(high, 1.0) + margin)


def _notes(runs: pd.DataFrame, measure: YAxis) -> list[Line2D]:
    """Return the legend entries that are no architecture."""
    notes = []
    grey: dict[str, Any] = {"color": FAINT, "marker": "o", "ls": ""}
    if runs.groupby(["grammar", "label", "size"]).size().max() > 1:
        notes.append(Line2D([], [], **grey, ms=3, label="single run; bar: min to max"))
    if failed := sorted(set(runs["status"]) & set(NOT_LEARNT)):
        words = f"open: {' or '.join(failed)} run"
        notes.append(Line2D([], [], **grey, ms=5.5, mfc="white", label=words))
    shown = [ceiling for ceiling in measure.ceilings if ceiling.grammar in set(runs["grammar"])]
    if any(ceiling.exact for ceiling in shown):
        notes.append(Line2D([], [], **_CEILING, label="ceiling: exact posterior"))
    if not all(ceiling.exact for ceiling in shown):
        notes.append(Line2D([], [], **_NO_BOUND, label="posterior, estimated: no bound"))
    if any(known.grammar in set(runs["grammar"]) for known in measure.less):
        notes += [
            Line2D([], [], **_LESS, label=f"{letter}: by {name} alone")
            for name, letter in _letters(measure).items()
        ]
    if measure.line is not None:
        notes.append(target_handle(measure.line_label))
    if "chance" in runs:
        notes.append(chance_handle())
    return notes
