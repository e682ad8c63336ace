"""Reliability: how often what a model gives a probability is so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seqgra.compare.ceiling import is_ceiling
from seqgra.plot.panels import panels_above_legend
from seqgra.plot.style import (
    FAINT,
    INK,
    Look,
    styled,
    wrap,
)
from seqgra.report.drawing import Drawing, save_figure
from seqgra.report.page import Picture, caption

#: Bins with fewer pairs of an example and a condition are drawn open.
FEW = 30
_PANEL = (2.9, 2.7)
#: How a model is drawn as it was trained, and with its logits scaled.
_STYLES: Mapping[bool, Any] = {False: "-", True: (0, (2, 1.2))}


def draw_calibration(drawing: Drawing) -> list[Picture]:
    """Draw whether the probabilities of the architectures named are what they say."""
    table = drawing.compared.calibration
    exact = table["backend"].map(is_ceiling).astype(bool)
    if exact.all():  # the posterior by itself, or nothing
        return []
    shown = table[~(exact & table["scaled"])]
    bins = pooled(shown)
    title = "Reliability: are the probabilities of the architectures named right?"
    stem = save_figure(drawing, "calibration", reliabilities, bins, drawing.looks, title)
    sizes = shown.loc[~exact, "size"]
    words = caption("calibration", smallest=int(sizes.min()), largest=int(sizes.max()))
    return [Picture(stem, title, words)]


def pooled(table: pd.DataFrame) -> pd.DataFrame:
    """Return the bins of all runs together; see `reliabilities`.

    Parameters
    ----------
    table
        One row a run and bin: grammar, label, backend, data_seed, model_seed, scaled, low (of the bin),
        predicted, observed, examples and brier.
    """
    keys = ["grammar", "label", "scaled"]
    groups = table.assign(
        ceiling=table["backend"].map(is_ceiling),
        predicted=table["predicted"] * table["examples"],
        observed=table["observed"] * table["examples"],
    ).groupby([*keys, "low", "ceiling"])
    bins = groups[["predicted", "observed", "examples"]].sum().reset_index()
    bins = bins.assign(
        predicted=bins["predicted"] / bins["examples"], observed=bins["observed"] / bins["examples"]
    )
    runs = table.drop_duplicates([*keys, "data_seed", "model_seed"])
    brier = runs.groupby(keys)["brier"].mean().reset_index()
    return bins.merge(brier, on=keys).sort_values(["grammar", "ceiling", "scaled", "low"])


def reliabilities(bins: pd.DataFrame, looks: Mapping[str, Look], title: str) -> Figure:
    """Draw observed shares against predicted probabilities: a panel a grammar, a line a model.

    Parameters
    ----------
    bins
        One row a (grammar, label, scaled, bin): predicted and observed, over all predictions in it,
        examples, and brier, the mean over runs.
    looks
        How each label is drawn.
    title
        Of the figure.
    """
    with styled():
        grammars = sorted(bins["grammar"].unique())
        panels = panels_above_legend(grammars, _PANEL, [], _notes(bins), sharex=True, sharey=True)
        for axis, grammar in zip(panels.axes, grammars, strict=True):
            _draw(axis, bins[bins["grammar"] == grammar], looks)
            axis.tick_params(labelleft=True)
        return panels.finish(title, "predicted probability", "share that is so")


def _draw(axis: Axes, bins: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    axis.plot([0, 1], [0, 1], color=FAINT, lw=0.8, zorder=1)
    top = 0.97  # of the next name
    for (label, scaled), own in bins.groupby(["label", "scaled"], sort=False):
        look, enough = looks[str(label)], own["examples"] >= FEW
        line: dict[str, Any] = {"color": look.color, "zorder": 3}
        axis.plot(own["predicted"], own["observed"], ls=_STYLES[bool(scaled)], lw=1.2, **line)
        if look.marker:
            shape: dict[str, Any] = {"marker": look.marker, "edgecolor": look.color, "s": 20}
            for kind, face in ((enough, look.color), (~enough, "white")):
                part = own[kind]
                axis.scatter(part["predicted"], part["observed"], facecolor=face, **shape, zorder=4)
        text = wrap(f"{label}{', scaled' if scaled else ''}: {own['brier'].iloc[0]:.3f}", 40)
        axis.text(0.03, top, text, size=7, color=look.color, va="top", transform=axis.transAxes)
        top -= 0.075 + 0.05 * text.count("\n")
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
