"""Figures of the evidence of a fitted grammar, and of the twin check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqgra.plot.style import (
    BACKGROUND,
    FAINT,
    GRAMMAR,
    INK,
    columns_for,
    new_figure,
    settle,
    styled,
    wrap_title,
)

_MOST_PANELS = 12
_PANEL = (2.6, 1.9)
_LABELLED = 6
_POSITION_BINS = 30
_BLUE = "#1f6fb4"


class HistogramPanel(NamedTuple):
    """A histogram seen, by chance and, where there is one, as fitted."""

    #: Of the panel.
    title: str
    #: float64 (B + 1,): edges of the bins.
    x: np.ndarray
    #: float64 (B,).
    seen: np.ndarray
    chance: np.ndarray
    fitted: np.ndarray | None = None
    #: First and last edge of what is marked, or None.
    marked: tuple[float, float] | None = None


class Dumbbell(NamedTuple):
    """A score of real examples and of the twin, and whether they differ too much."""

    model: str
    scope: str
    real: float
    twin: float
    flagged: bool


def panels(
    drawn: Sequence[HistogramPanel], title: str, x: str, y: str, columns: int | None = None
) -> Figure:
    """Draw histograms beside each other: seen as bars, chance and fit as lines."""
    shown = list(drawn)[:_MOST_PANELS]
    wide = columns or columns_for(len(shown))
    tall = -(-len(shown) // wide)
    left = f" (the first {len(shown)} of {len(drawn)})" if len(drawn) > len(shown) else ""
    with styled():
        figure = new_figure(max(_PANEL[0] * wide, 5.2), _PANEL[1] * tall + 0.8)
        axes = figure.subplots(tall, wide, squeeze=False)
        for axis, panel in zip(axes.flat, shown, strict=False):
            _draw_panel(axis, panel, max(_PANEL[0] * wide, 5.2) / wide)
        for axis in axes.flat[len(shown) :]:
            axis.axis("off")
        figure.supxlabel(x, fontsize=9)
        figure.supylabel(y, fontsize=9)
        handles, names = axes.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper right", ncols=len(names))
        figure.suptitle(title + left, x=0.01, ha="left", weight="bold")
    return settle(figure)


def _draw_panel(axis: Axes, panel: HistogramPanel, inches: float) -> None:
    if not panel.seen.any() and not panel.chance.any():
        axis.axis("off")
        return
    if panel.marked is not None:
        axis.axvspan(*panel.marked, color=GRAMMAR, alpha=0.15, lw=0)
    axis.stairs(panel.seen, panel.x, fill=True, color=_BLUE, alpha=0.45, label="seen")
    axis.stairs(panel.chance, panel.x, color=BACKGROUND, lw=1.2, label="by chance")
    if panel.fitted is not None:
        axis.stairs(panel.fitted, panel.x, color=INK, lw=1.0, label="fitted")
    lines = panel.title.split("\n")
    axis.set_title("\n".join(wrap_title(line, inches) for line in lines), fontsize=7.5)
    axis.set_ylim(bottom=0)
    axis.margins(x=0)


def scores(drawn: Sequence[Dumbbell], told: Mapping[str, float], flag: float, title: str) -> Figure:
    """Draw ROC AUC of real examples and twin by model and scope, and how well they are told apart."""
    with styled():
        figure = new_figure(7.6, 0.32 * max(len(drawn), len(told), 3) + 1.5)
        left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
        for row, item in enumerate(drawn):
            colour = BACKGROUND if item.flagged else FAINT
            left.plot((item.real, item.twin), (row, row), color=colour, lw=2, zorder=1)
            left.scatter(item.real, row, color=_BLUE, s=26, zorder=2, label="real")
            left.scatter(
                item.twin, row, facecolor="white", edgecolor=INK, s=26, zorder=3, label="twin"
            )
        left.set_yticks(range(len(drawn)), [f"{d.model}, {d.scope}" for d in drawn])
        left.set_ylim(len(drawn) - 0.5, -0.5)
        left.set_xlabel(
            f"ROC AUC on the test set; red: differs by more than {flag:g}, and than chance"
        )
        left.set_title("As hard to tell?")
        handles, names = left.get_legend_handles_labels()
        left.legend(handles[:2], names[:2], loc="best")
        right.barh(
            range(len(told)), [max(a - 0.5, 0) for a in told.values()], left=0.5, color=FAINT
        )
        for row, area in enumerate(told.values()):
            right.text(max(area, 0.5) + 0.01, row, f"{area:.2f}", va="center", fontsize=8)
        right.set_yticks(range(len(told)), list(told))
        if not told:
            middle: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8, "color": FAINT}
            right.text(0.79, 0, "too few test examples", **middle)
        right.set(xlim=(0.5, 1.08), ylim=(max(len(told), 1) - 0.5, -0.5))
        right.set_xticks([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
        right.set_xlabel("ROC AUC of words; 0.5: alike")
        right.set_title("Real or twin?")
        for axis in (left, right):
            axis.grid(axis="y", visible=False)
        figure.suptitle(title, x=0.01, ha="left", weight="bold")
    return settle(figure)


def spectra(found: Sequence[Any], title: str) -> Figure:
    """Draw frequencies of words in real examples against those in the twin, a panel a group."""
    wide = columns_for(len(found))
    tall = -(-len(found) // wide)
    with styled():
        figure = new_figure(2.9 * wide + 0.4, 2.9 * tall + 0.7)
        axes = figure.subplots(tall, wide, squeeze=False)
        for axis, item in zip(axes.flat, found, strict=False):
            _draw_spectrum(axis, item)
        for axis in axes.flat[len(found) :]:
            axis.axis("off")
        figure.supxlabel("per thousand words, real", fontsize=9)
        figure.supylabel("per thousand words, twin", fontsize=9)
        figure.suptitle(title, x=0.01, ha="left", weight="bold")
    return settle(figure)


def _draw_spectrum(axis: Axes, item: Any) -> None:
    real, other = 1000 * item.real, 1000 * item.twin
    high = max(real.max(), other.max())
    axis.plot((0, high), (0, high), color=FAINT, lw=0.8, zorder=1)
    axis.scatter(real, other, s=5, color=_BLUE, alpha=0.6, lw=0, zorder=2)
    away = np.abs(other - real) / np.sqrt(real + other + 1e-9)
    for n in _apart(np.argsort(-away), real, other, 0.08 * high):
        above = other[n] > real[n]
        axis.annotate(
            item.words[n],
            (real[n], other[n]),
            (-3 if above else 3, 3 if above else -3),
            textcoords="offset points",
            ha="right" if above else "left",
            va="bottom" if above else "top",
            fontsize=6,
        )
    axis.set(aspect="equal", title=item.group)
    axis.set_xlim(0, 1.05 * high)
    axis.set_ylim(0, 1.05 * high)


def _apart(order: np.ndarray, x: np.ndarray, y: np.ndarray, least: float) -> list[int]:
    """Return the first few of some points (int64) that lie so far from one another."""
    chosen: list[int] = []
    for n in order.tolist():
        if all(max(abs(x[n] - x[m]), abs(y[n] - y[m])) > least for m in chosen):
            chosen.append(n)
        if len(chosen) == _LABELLED:
            break
    return chosen


def binned(starts: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return edges and starts (int64) per place in at most 30 bins of a window."""
    edges = np.unique(np.linspace(0, length, min(_POSITION_BINS, length) + 1).round())
    return edges, np.histogram(starts, edges)[0] / np.diff(edges)
