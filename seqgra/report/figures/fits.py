"""Fitted learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from seqgra.compare.runs import filled
from seqgra.plot.legends import ceiling_handle
from seqgra.plot.panels import panels_above_legend
from seqgra.plot.style import (
    CEILING_LINE,
    CHANCE_LINE,
    FAINT,
    Look,
    compact,
    styled,
)
from seqgra.report.drawing import VALUE, Drawing, save_figure
from seqgra.report.page import Picture, caption

_PANEL = (3.5, 2.75)


def draw_fits(drawing: Drawing) -> list[Picture]:
    """Draw the fitted learning curves."""
    known = drawing.compared.statistics
    if not known.fits:
        return []
    title = "Learning curves, fitted and carried on to twice the largest size"
    stem = save_figure(
        drawing, "fits", fitted, filled(known.runs), known.fits, drawing.looks, title
    )
    worst = max(fit.error for fit in known.fits.values())
    words = caption("fits", worst=worst)
    return [Picture(stem, title, words)]


def fitted(
    runs: pd.DataFrame,
    fits: Mapping[tuple[str, str], Any],
    looks: Mapping[str, Look],
    title: str,
) -> Figure:
    """Draw fitted learning curves: solid within the sizes of the grid, dashed beyond, with their bands.

    Parameters
    ----------
    runs
        One row a run: grammar, label, size, value (see `runs.filled`), chance, ceiling.
    fits
        (grammar, label) -> `compare.fits.Fit`.
    looks
        How each label is drawn.
    title
        Of the figure.
    """
    with styled():
        grammars = sorted({grammar for grammar, _ in fits})
        labels = [name for name in looks if any((g, name) in fits for g in grammars)]
        entries, notes = _fit_handles(labels, looks), _fit_notes(runs, fits)
        panels = panels_above_legend(grammars, _PANEL, entries, notes, sharey=True)
        for axis, grammar in zip(panels.axes, grammars, strict=True):
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
            axis.tick_params(labelleft=True)
        return panels.finish(title, "dataset size (examples, log scale)", VALUE)


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
