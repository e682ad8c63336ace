"""Prediction and recovery against the rate of wrong labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seqgra.compare.decide import TAU
from seqgra.compare.runs import filled
from seqgra.compare.tables import models_only, recovery_runs
from seqgra.plot.legends import chance_handle, legend_below, line_handles, target_handle
from seqgra.plot.style import (
    CHANCE_LINE,
    FAINT,
    TARGET_LINE,
    Look,
    headline,
    new_figure,
    sideways,
    styled,
    wrap,
    wrap_title,
)
from seqgra.report.drawing import Drawing, save_figure
from seqgra.report.page import Picture, caption, metric_words, percent

_PANEL = (3.3, 2.5)
#: Share of the rates' range over which architectures are spread sideways.
_SPREAD = 0.03


def draw_noise(drawing: Drawing) -> list[Picture]:
    """Draw prediction and recovery against wrong labels, for grammars that differ in nothing else."""
    known = drawing.compared.statistics
    pictures = []
    recovery = models_only(
        recovery_runs(
            drawing.compared.tables.recovery, drawing.compared.method, drawing.compared.metric
        )
    )
    predicted = filled(known.runs)
    for number, rates in enumerate(known.wrong_labels):
        cleanest = known.bounds[next(iter(rates))]
        way = f"{percent(TAU)} of the way to " + ("the ceiling" if cleanest.known else "1")
        target, chance = cleanest.target(TAU), cleanest.chance
        measures = [NoiseMeasure("PR AUC", _by_rate(predicted, rates), target, chance, way)]
        if len(found := _by_rate(recovery, rates)):
            measures.append(
                NoiseMeasure(f"recovery ({metric_words(drawing.compared.metric)})", found)
            )
        title = "Wrong labels: what they cost in prediction and in recovery"
        stem = save_figure(
            drawing, f"noise-{number}", against_noise, measures, drawing.looks, title
        )
        words = caption("noise", grammars=list(rates), way=way)
        pictures.append(Picture(stem, title, words))
    return pictures


def _by_rate(runs: pd.DataFrame, rates: Mapping[str, float]) -> pd.DataFrame:
    """Return the runs of some grammars, with their rates of wrong labels."""
    shown = runs[runs["grammar"].isin(list(rates))]
    return shown.assign(rate=shown["grammar"].map(rates))[["rate", "size", "label", "value"]]


class NoiseMeasure(NamedTuple):
    """A row of panels."""

    #: Of the y axis.
    label: str
    #: One row a run: rate (share of wrong labels), size, label, value.
    runs: pd.DataFrame
    #: Reference values to mark, NaN for none.
    target: float = math.nan
    chance: float = math.nan
    #: What the target is, for the legend.
    target_label: str = ""


def against_noise(
    measures: Sequence[NoiseMeasure], looks: Mapping[str, Look], title: str
) -> Figure:
    """Draw measures against the rate of wrong labels: a row a measure, a column a dataset size.

    Lines are means over runs, whiskers go from the smallest to the largest, dots are runs.

    Parameters
    ----------
    measures
        At least one.
    looks
        How each label is drawn.
    title
        Of the figure.
    """
    sizes = sorted({size for measure in measures for size in measure.runs["size"]})
    there = {label for measure in measures for label in measure.runs["label"]}
    labels = [name for name in looks if name in there]
    with styled():
        width = max(6.4, _PANEL[0] * len(sizes))
        legend = legend_below(line_handles(looks, labels), _notes(measures), width)
        figure = new_figure(width, _PANEL[1] * len(measures) + 0.2 * legend.rows + 0.4)
        axes = figure.subplots(len(measures), len(sizes), squeeze=False, sharex=True, sharey="row")
        for row, measure in zip(axes, measures, strict=True):
            for axis, size in zip(row, sizes, strict=True):
                _draw(axis, measure, size, labels, looks)
            row[0].set_ylabel(wrap(measure.label, 32))
        for axis, size in zip(axes[0], sizes, strict=True):
            axis.set_title(wrap_title(f"{size:,} examples", width / len(sizes)))
        for axis in axes[-1]:
            axis.set_xlabel("wrong training labels (%)")
        headline(figure, title)
        figure.legend(handles=legend.handles, loc="outside lower center", ncols=legend.columns)
    return figure


def _draw(
    axis: Axes, measure: NoiseMeasure, size: int, labels: Sequence[str], looks: Mapping[str, Look]
) -> None:
    panel = measure.runs[measure.runs["size"] == size]
    span = 100 * _SPREAD * float(measure.runs["rate"].max() - measure.runs["rate"].min())
    for number, label in enumerate(labels):
        own, look = panel[panel["label"] == label], looks[label]
        if own.empty:
            continue
        aside = span * sideways(number, len(labels))
        by_rate = own.groupby("rate")["value"].agg(["mean", "min", "max"])
        x = 100 * by_rate.index.to_numpy() + aside
        axis.plot(x, by_rate["mean"], color=look.color, ls=look.line, marker=look.marker, ms=4.5)
        axis.vlines(x, by_rate["min"], by_rate["max"], color=look.color, lw=0.9)
        axis.scatter(
            100 * own["rate"] + aside, own["value"], s=7, color=look.color, alpha=0.5, lw=0
        )
    for value, line in ((measure.target, TARGET_LINE), (measure.chance, CHANCE_LINE)):
        if value == value:
            axis.axhline(value, color=FAINT, lw=1, ls=line, zorder=1)


def _notes(measures: Sequence[NoiseMeasure]) -> list[Line2D]:
    """Return the legend entries that are no architecture."""
    notes = [target_handle(each.target_label) for each in measures if each.target == each.target]
    if any(measure.chance == measure.chance for measure in measures):
        notes.append(chance_handle())
    return notes
