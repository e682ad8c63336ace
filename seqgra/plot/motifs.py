"""Average attributions at elements, as letters below the elements' own logos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from seqgra.plot.elements import glyph, hue
from seqgra.plot.style import FAINT, headline, new_figure, styled, wrap, wrap_title

_LETTER, _ROW = 0.17, 0.95


class Logo(NamedTuple):
    """Letters of one panel."""

    #: float (W, A): height of each letter; negative ones hang below the line.
    heights: np.ndarray
    #: Number of the first column.
    first: int
    #: What it is.
    title: str


def logo_grid(
    rows: Sequence[str], columns: Sequence[Sequence[Logo | None]], letters: str, title: str
) -> Figure:
    """Draw logos below each other, columns of letters aligned; None leaves a panel empty.

    Parameters
    ----------
    rows
        What each row shows.
    columns
        Of each column one logo a row, the first of which is there and whose place is shaded in all.
    letters
        Of the alphabet.
    title
        Title of the figure.
    """
    widths = [max(_LETTER * (_end(column) - _start(column)), 1.6) + 0.5 for column in columns]
    with styled(grid=False):
        width = max(sum(widths) + 1.3, 6.0)
        figure = new_figure(width, _ROW * len(rows) + 0.7)
        axes = figure.subplots(len(rows), len(columns), squeeze=False, width_ratios=widths)
        for place, column in enumerate(columns):
            start, end, shared = _start(column), _end(column), _end(column[:1])
            for row, logo in enumerate(column):
                axis = axes[row, place]
                axis.set_xlim(start - 0.5, end - 0.5)
                axis.axvspan(0.5, shared - 0.5, color="#f2f5f8", lw=0)
                if place == 0:
                    axis.set_ylabel(
                        wrap(rows[row], 16), rotation=0, ha="right", va="center", labelpad=16
                    )
                if logo is None:
                    axis.set_yticks([])
                    axis.spines[:].set_visible(False)
                    axis.text((start + end) / 2, 0.5, "none", ha="center", color=FAINT, size=8)
                else:
                    _draw(axis, logo, letters)
                    axis.set_title(wrap_title(logo.title, widths[place]), size=8)
                axis.tick_params(axis="x", length=0)
                ticks = [tick for tick in range(1, end) if tick == 1 or tick % 5 == 0]
                last = row == len(rows) - 1
                axis.set_xticks(ticks, [str(tick) for tick in ticks] if last else [""] * len(ticks))
        headline(figure, title)
    return figure


def _start(column: Sequence[Logo | None]) -> int:
    return min(logo.first for logo in column if logo)


def _end(column: Sequence[Logo | None]) -> int:
    return max(logo.first + len(logo.heights) for logo in column if logo)


def _draw(axis: Axes, logo: Logo, letters: str) -> None:
    """Draw stacks of letters, the highest farthest from the line."""
    heights = np.nan_to_num(np.asarray(logo.heights, float))
    up = np.maximum(heights, 0).sum(axis=1).max(initial=0)
    down = np.minimum(heights, 0).sum(axis=1).min(initial=0)
    size = max(up - down, np.finfo(float).tiny)
    paths, colours = [], []
    for place, column in enumerate(heights):
        ends = {1: 0.0, -1: 0.0}
        for letter in np.argsort(np.abs(column), kind="stable"):
            tall = float(column[letter])
            if abs(tall) < 0.004 * size:
                continue
            side = 1 if tall > 0 else -1
            bottom = min(ends[side], ends[side] + tall)
            left = logo.first + place - 0.47
            paths.append(glyph(letters[letter], left, bottom / size, 0.94, abs(tall) / size))
            colours.append(hue(letters[letter], len(letters)))
            ends[side] += tall
    axis.add_collection(PathCollection(paths, facecolors=colours, linewidths=0))
    axis.axhline(0, color=FAINT, lw=0.8)
    axis.set_ylim(min(down / size - 0.02, -0.02), max(up / size, 0.02) + 0.03)
    axis.set_yticks([0, up / size], ["0", f"{up:.2g}"])
    axis.spines[["top", "right", "bottom"]].set_visible(False)
