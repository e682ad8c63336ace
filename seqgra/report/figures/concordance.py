"""Every architecture simulated against real."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqgra.compare.concordance import shown_rows
from seqgra.compare.runs import at_size
from seqgra.plot.legends import marker_handles
from seqgra.plot.panels import panels_above_legend
from seqgra.plot.style import (
    FAINT,
    INK,
    Look,
    styled,
    wrap,
)
from seqgra.report.drawing import VALUE, Drawing, save_figure
from seqgra.report.page import Picture, caption, number

_PANEL = (3.2, 2.9)


def draw_concordance(drawing: Drawing) -> list[Picture]:
    """Draw every architecture simulated against real, at the user's or the largest size."""
    known = drawing.compared.statistics
    pairs = shown_rows(known.concordance, known.at)
    values = pd.concat([at_size(known.runs, int(size)) for size in sorted(set(pairs["size"]))])
    title = "Simulated and real: PR AUC of every architecture"
    stem = save_figure(drawing, "concordance", concordances, pairs, values, drawing.looks, title)
    words = caption("concordance")
    return [Picture(stem, title, words)]


def concordances(
    pairs: pd.DataFrame, values: pd.DataFrame, looks: Mapping[str, Look], title: str
) -> Figure:
    """Draw a panel for each grammar and real dataset: one symbol an architecture, with its range.

    Parameters
    ----------
    pairs
        One row a panel: grammar, dataset, size, tau.
    values
        One row a run: grammar (or dataset), size, label, value.
    looks
        How each label is drawn.
    title
        Of the figure.
    """
    with styled():
        shown = pairs.to_dict("records")
        titles = [
            f"tau {number(pair['tau'], '.2f') or 'not defined'} at {pair['size']:,} examples"
            for pair in shown
        ]
        entries = marker_handles(looks, sorted(set(values["label"])))
        panels = panels_above_legend(titles, _PANEL, entries, [])
        for axis, pair in zip(panels.axes, shown, strict=True):
            _draw(axis, pair, values[values["size"] == pair["size"]], looks)
            axis.set_xlabel(wrap(f"{VALUE} on {pair['grammar']}", 44))
            axis.set_ylabel(wrap(f"{VALUE} on {pair['dataset']} (real)", 36))
        return panels.finish(title)


def _draw(
    axis: Axes, pair: Mapping[Any, Any], values: pd.DataFrame, looks: Mapping[str, Look]
) -> None:
    sides = [values[values["grammar"] == pair[name]] for name in ("grammar", "dataset")]
    shared = sorted(set(sides[0]["label"]) & set(sides[1]["label"]))
    for label in shared:
        own = [side.loc[side["label"] == label, "value"].to_numpy() for side in sides]
        x, y = (float(np.mean(value)) for value in own)
        axis.plot([own[0].min(), own[0].max()], [y, y], color=looks[label].color, lw=0.9, alpha=0.6)
        axis.plot([x, x], [own[1].min(), own[1].max()], color=looks[label].color, lw=0.9, alpha=0.6)
        axis.scatter(x, y, s=34, marker=looks[label].marker, color=looks[label].color, zorder=3)
        axis.scatter(
            x,
            y,
            s=34,
            marker=looks[label].marker,
            facecolor="none",
            lw=0.5,
            edgecolor=INK,
            zorder=4,
        )
    axis.tick_params(color=FAINT)
    axis.margins(0.08)
