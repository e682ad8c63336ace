"""Figures of panels of one size, whose legend stands below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seqgra.plot.legends import Legend, legend_below
from seqgra.plot.style import columns_for, headline, label_outer, new_figure, wrap_title


class Panels(NamedTuple):
    """A figure with an axis for each panel, in columns that are `width` inches wide, and its legend."""

    figure: Figure
    axes: list[Axes]
    columns: int
    width: float
    legend: Legend

    def finish(self, title: str, x: str = "", y: str = "", **legend: Any) -> Figure:
        """Write title and legend (whose options may be given), and labels as `label_outer` does."""
        if x:
            label_outer(self.axes, len(self.axes), self.columns, x, y)
        headline(self.figure, title)
        legend = {"loc": "outside lower center", "ncols": self.legend.columns, **legend}
        self.figure.legend(handles=self.legend.handles, **legend)
        return self.figure


def panels_above_legend(
    titles: Sequence[str],
    size: tuple[float, float],
    entries: list[Line2D],
    notes: list[Line2D],
    *,
    most: int = 3,
    more: float = 0.5,
    sharex: bool = False,
    sharey: bool = False,
) -> Panels:
    """Return a figure with a panel for each title, to be drawn into and finished inside `styled`.

    Parameters
    ----------
    titles, size
        Of the panels; inches.
    entries, notes
        See `legend_below`.
    most, more
        Columns at most; inches of height beside panels and legend.
    sharex, sharey
        See `Figure.subplots`.
    """
    columns = min(columns_for(len(titles)), most)
    rows = math.ceil(len(titles) / columns)
    width = max(6.4, size[0] * columns)
    legend = legend_below(entries, notes, width)
    figure = new_figure(width, size[1] * rows + 0.2 * legend.rows + more)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey).ravel()
    for axis in axes[len(titles) :]:
        axis.set_visible(False)
    for axis, title in zip(axes, titles, strict=False):
        axis.set_title(wrap_title(title, width / columns))
    return Panels(figure, list(axes[: len(titles)]), columns, width / columns, legend)
