"""Figures to decide by: single runs, trade-offs, ranks over grammars, fitted learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from seqgra.plot.legends import ceiling_handle, chance_handle, legend_below, marker_handles
from seqgra.plot.style import (
    CEILING_LINE,
    CHANCE_LINE,
    FAINT,
    INK,
    Look,
    columns_for,
    compact,
    new_figure,
    styled,
    wrap,
    wrap_title,
)

_WIDTH = 3.6


def strip(runs: pd.DataFrame, looks: Mapping[str, Look], title: str, label: str) -> Figure:
    """Draw every single run: one panel a grammar, one row an architecture, the best mean on top.

    Parameters
    ----------
    runs
        One row a run: grammar, label, value, status (``collapsed`` and ``diverged`` get open symbols),
        chance and ceiling (NaN where not known); optionally low and high, the ends of the 95 %
        interval of the label's mean, the same in all its rows.
    looks
        How each label is drawn.
    title, label
        Of the figure and of the value.
    """
    with styled():
        grammars = sorted(runs["grammar"].unique())
        columns = min(columns_for(len(grammars)), 3)
        rows = math.ceil(len(grammars) / columns)
        most = int(runs.groupby("grammar")["label"].nunique().max())
        width = _WIDTH * columns + 0.5
        figure = new_figure(max(6.4, width), (0.21 * most + 0.75) * rows + 0.75)
        axes = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
        for axis, grammar in zip(axes, grammars, strict=False):
            _draw_strip(axis, runs[runs["grammar"] == grammar], looks)
            axis.set_title(wrap_title(grammar, width / columns))
        for i, axis in enumerate(axes):
            axis.set_visible(i < len(grammars))
            if i + columns >= len(grammars):
                axis.tick_params(labelbottom=True)
                axis.set_xlabel(label)
        figure.suptitle(wrap(title, int(max(6.4, width) * 12)), x=0.01, ha="left", weight="bold")
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
    axis.set_yticks(range(len(order)), order)
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


def bars(runs: pd.DataFrame, looks: Mapping[str, Look], title: str, label: str) -> Figure:
    """Draw the mean of each architecture as a bar from chance, single runs on it; see `strip`."""
    figure = strip(runs, looks, title, label)
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
        columns = min(columns_for(len(grammars)), 3)
        rows = math.ceil(len(grammars) / columns)
        width = max(6.4, _WIDTH * columns)
        labels = [name for name in looks if name in set(points["label"])]
        legend = legend_below(marker_handles(looks, labels), _pareto_notes(), width)
        figure = new_figure(width, 2.9 * rows + 0.2 * legend.rows + 0.5)
        axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for axis, grammar in zip(axes, grammars, strict=False):
            _draw_pareto(axis, points[points["grammar"] == grammar], looks, points["seconds"].max())
            axis.set_title(wrap_title(grammar, width / columns))
        for i, axis in enumerate(axes):
            axis.set_visible(i < len(grammars))
            axis.tick_params(labelleft=True)
            if i % columns == 0:
                axis.set_ylabel(wrap(measure, 34))
            if i + columns >= len(grammars):
                axis.set_xlabel("examples needed (log scale)")
        figure.suptitle(wrap(title, int(width * 12)), x=0.01, ha="left", weight="bold")
        figure.legend(handles=legend.handles, loc="outside lower center", ncols=legend.columns)
    return figure


def _pareto_notes() -> list[Line2D]:
    ring: dict[str, Any] = {"marker": "o", "ls": "", "mfc": "none"}
    return [
        Line2D([], [], **ring, color=INK, ms=8, label="ringed: no other is better in all"),
        Line2D([], [], **ring, color=FAINT, ms=11, label="larger: slower to train"),
    ]


def _draw_pareto(axis: Axes, points: pd.DataFrame, looks: Mapping[str, Look], most: float) -> None:
    low, high = float(points["smallest"].min()), float(points["largest"].max())
    beyond, before = high * 1.7, low / 1.35
    axis.axvspan(high * 1.25, high * 2.3, color="#f1f1f1", lw=0, zorder=0)
    for row in points.to_dict("records"):
        look, needed = looks[row["label"]], row["needed"]
        x = beyond if needed > high else (before if needed <= low else needed)
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
    axis.set_xlim(before / 1.3, high * 2.3)
    ticks = sorted(set(points["smallest"]) | set(points["largest"]))
    inner = [
        t for t in LogLocator(subs=(1, 2, 5)).tick_values(low, high) if low * 1.4 < t < high / 1.4
    ]
    at = [before, *inner, beyond]
    axis.set_xticks(at, [f"≤{compact(ticks[0])}", *map(compact, inner), f">{compact(ticks[-1])}"])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_ylim(min(0.0, float(points["recovery"].min())) - 0.06, 1.06)


def ranking(
    ranks: pd.Series, cliques: Sequence[Sequence[str]], looks: Mapping[str, Look], title: str
) -> Figure:
    """Draw mean ranks over grammars; bars join architectures that are not told apart.

    Parameters
    ----------
    ranks
        Mean rank by label, sorted.
    cliques
        Labels that a bar joins.
    looks
        How each label is drawn.
    title
        Of the figure.
    """
    with styled(grid=False):
        many = len(ranks)
        figure = new_figure(7.4, 0.24 * many + 0.16 * len(cliques) + 1.25)
        axis = figure.subplots()
        for y, (label, rank) in enumerate(ranks.items()):
            look = looks[str(label)]
            axis.plot([1, rank], [-y, -y], color="#dddddd", lw=0.8, zorder=1)
            axis.scatter(rank, -y, s=34, marker=look.marker, color=look.color, zorder=3)
            axis.text(
                rank + 0.012 * many + 0.06, -y, f"{rank:.2f}", va="center", fontsize=8, color=FAINT
            )
        places = {str(label): rank for label, rank in ranks.items()}
        for i, clique in enumerate(cliques):
            x = [places[label] for label in clique]
            axis.plot([min(x) - 0.03, max(x) + 0.03], [0.75 + 0.55 * i] * 2, color=INK, lw=3.2)
        axis.set_yticks([-y for y in range(many)], [str(label) for label in ranks.index])
        axis.set_ylim(-many + 0.4, 0.85 + 0.55 * len(cliques))
        axis.set_xlim(0.9, many + 0.35)
        axis.set_xticks(range(1, many + 1))
        axis.set_xlabel("mean rank over grammars (1: best); thick bars join what is not told apart")
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
        figure.suptitle(wrap(title, 85), x=0.01, ha="left", weight="bold")
    return figure


def fitted(
    runs: pd.DataFrame,
    fits: Mapping[tuple[str, str], Any],
    looks: Mapping[str, Look],
    title: str,
    label: str,
) -> Figure:
    """Draw fitted learning curves: solid within the sizes of the grid, dashed beyond, with their bands.

    Parameters
    ----------
    runs
        One row a run: grammar, label, size, value, chance, ceiling.
    fits
        (grammar, label) -> `compare.fits.Fit`.
    looks
        How each label is drawn.
    title, label
        Of the figure and of the value.
    """
    with styled():
        grammars = sorted({grammar for grammar, _ in fits})
        columns = min(columns_for(len(grammars)), 3)
        rows = math.ceil(len(grammars) / columns)
        width = max(6.4, 3.5 * columns)
        labels = [name for name in looks if any((g, name) in fits for g in grammars)]
        legend = legend_below(_fit_handles(labels, looks), _fit_notes(runs, fits), width)
        figure = new_figure(width, 2.75 * rows + 0.2 * legend.rows + 0.5)
        axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for axis, grammar in zip(axes, grammars, strict=False):
            own = runs[runs["grammar"] == grammar]
            for name in labels:
                if (grammar, name) in fits:
                    _draw_fit(axis, fits[grammar, name], own[own["label"] == name], looks[name])
            for column, line in (("chance", CHANCE_LINE), ("ceiling", CEILING_LINE)):
                if own[column].notna().any():
                    axis.axhline(own[column].iloc[0], color=FAINT, lw=1, ls=line, zorder=1)
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter(FuncFormatter(_compact_tick))
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axis.xaxis.set_minor_locator(NullLocator())
            axis.set_title(wrap_title(grammar, width / columns))
        for i, axis in enumerate(axes):
            axis.set_visible(i < len(grammars))
            axis.tick_params(labelleft=True)
            if i % columns == 0:
                axis.set_ylabel(label)
            if i + columns >= len(grammars):
                axis.set_xlabel("dataset size (examples, log scale)")
        figure.suptitle(wrap(title, int(width * 12)), x=0.01, ha="left", weight="bold")
        figure.legend(handles=legend.handles, loc="outside lower center", ncols=legend.columns)
    return figure


def _fit_handles(labels: Sequence[str], looks: Mapping[str, Look]) -> list[Line2D]:
    return [
        Line2D([], [], color=looks[n].color, marker=looks[n].marker, ms=4, lw=1.5, label=n)
        for n in labels
    ]


def _fit_notes(runs: pd.DataFrame, fits: Mapping[tuple[str, str], Any]) -> list[Line2D]:
    notes = [Line2D([], [], color=FAINT, ls="--", label="dashed: beyond the grid")]
    if any(np.isfinite(fit.low).all() for fit in fits.values()):
        notes.append(Line2D([], [], color=FAINT, lw=6, alpha=0.35, label="95 % band"))
    if runs["ceiling"].notna().any():
        notes.append(ceiling_handle())
    return notes


def _draw_fit(axis: Axes, fit: Any, runs: pd.DataFrame, look: Look) -> None:
    largest = runs["size"].max()
    means = runs.groupby("size")["value"].mean()
    inside = fit.sizes <= largest * (1 + 1e-9)
    axis.fill_between(fit.sizes, fit.low, fit.high, color=look.color, alpha=0.16, lw=0)
    axis.plot(fit.sizes[inside], fit.values[inside], color=look.color, lw=1.5)
    axis.plot(fit.sizes[~inside], fit.values[~inside], color=look.color, lw=1.5, ls="--")
    axis.scatter(means.index, means, s=13, marker=look.marker, color=look.color, lw=0, zorder=3)


def _compact_tick(value: float, _: int | None) -> str:
    return compact(value)  # no lambda: a figure may be sent to another process
