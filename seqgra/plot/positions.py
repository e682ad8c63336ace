"""Heat map of where elements start, by condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqgra.plot.style import (
    FAINT,
    PALE_TO_DARK,
    headline,
    new_figure,
    position_axis,
    settle,
    styled,
    text_width,
    wrap,
)

_MOST_BINS = 50
_STARTS_A_BIN = 12
_DARKEST = 4.0


class Lane(NamedTuple):
    """One element in the examples of one condition."""

    #: Names; lanes of one group lie together.
    group: str
    element: str
    #: Share of the group's examples that hold the element.
    share: float
    #: int64 (K,): first positions, counted from 0.
    starts: np.ndarray


def bins(lanes: Sequence[Lane], window: int) -> np.ndarray:
    """Return the edges of the bins of a window: int64 (B + 1,), few where there are few starts."""
    typical = float(np.median([lane.starts.size for lane in lanes]))
    count = int(min(_MOST_BINS, window, max(10, typical / _STARTS_A_BIN)))
    return np.unique(np.linspace(0, window, count + 1).round().astype(np.int64))


def density(starts: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return how often starts fall into each bin, relative to a uniform law: float64 (B,).

    >>> density(np.array([0, 1, 2, 3]), np.array([0, 2, 8])).tolist()
    [2.0, 0.6666666666666666]
    """
    found = np.histogram(starts, edges)[0] / max(starts.size, 1)
    return np.asarray(found / (np.diff(edges) / (edges[-1] - edges[0])))


def position_map(lanes: Sequence[Lane], window: int, title: str) -> Figure:
    """Draw where elements start: a lane an element, grouped by condition.

    Parameters
    ----------
    lanes
        At least one.
    window
        Length of the longest examples.
    title
        Title of the figure.
    """
    edges = bins(lanes, window)
    picture = np.array([density(lane.starts, edges) for lane in lanes])
    lane_height = 0.24 if len(lanes) <= 24 else 0.17
    size = 8 if len(lanes) <= 24 else 7
    widest = max(len(lane.group) for lane in lanes)
    with styled(grid=False):
        tall = max(lane_height * len(lanes), 0.5)
        figure = new_figure(7.6 + 0.06 * min(widest, 30), tall + 1.5)
        axis, below = figure.subplots(2, 1, height_ratios=(tall, 0.1))
        drawn = axis.pcolormesh(
            edges, np.arange(len(lanes) + 1), picture, cmap=PALE_TO_DARK, vmin=0, vmax=_DARKEST
        )
        axis.set(xlim=(0, window), ylim=(len(lanes), 0), xlabel="position of the first letter")
        middles = np.arange(len(lanes)) + 0.5
        axis.set_yticks(middles, [lane.element for lane in lanes], fontsize=size)
        axis.tick_params(axis="y", length=0)
        position_axis(axis, window)
        axis.spines[:].set_visible(False)
        shares = axis.secondary_yaxis("right")
        shares.set_yticks(middles, [f"{100 * lane.share:.3g} %" for lane in lanes], fontsize=size)
        shares.tick_params(length=0)
        shares.spines[:].set_visible(False)
        axis.set_title("in so many examples", loc="right", fontsize=7.5, weight="normal", pad=3)
        _draw_groups(axis, lanes, window, size)
        below.axis("off")
        scale = below.inset_axes((0.2, 0, 0.6, 1))
        bar = figure.colorbar(drawn, cax=scale, orientation="horizontal", extend="max")
        bar.set_label("starts, relative to a uniform distribution over the window")
        bar.ax.tick_params(labelsize=7, length=2)
        bar.outline.set_visible(False)
        headline(figure, title)
    return settle(figure)


def _draw_groups(axis: Axes, lanes: Sequence[Lane], window: int, size: float) -> None:
    """Name each group left of its lanes' names, and draw lines between groups."""
    names = [lane.group for lane in lanes]
    lines = len(set(names)) < len(names)
    away = 72 * max(text_width(lane.element, size) for lane in lanes) + 14
    for group in dict.fromkeys(names):
        first, count = names.index(group), names.count(group)
        axis.annotate(
            wrap(group, 24) if count > 1 else group,
            (0, first + count / 2),
            (-away, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=size,
            weight="bold",
            annotation_clip=False,
        )
        if first and lines:
            axis.plot((0, window), (first, first), color="white", linewidth=2.4, clip_on=False)
            axis.plot((0, window), (first, first), color=FAINT, linewidth=0.6, clip_on=False)
