"""Figures of sequence elements: how alike they are, and logos."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from seqgra.plot.style import (
    FAINT,
    INK,
    PALE_TO_DARK,
    headline,
    new_figure,
    settle,
    styled,
    text_width,
    wrap_title,
)

#: Up to so many elements every cell holds its number.
_MOST_NUMBERS = 12
#: Width of a letter, height of the highest stack and of a logo with all that belongs to it, least letter:
#: inches.
_LETTER, _STACK, _PANEL, _LEAST_LETTER = 0.17, 0.62, 1.12, 0.002
#: Hues that people with any colour vision tell apart (Okabe and Ito); letters of proteins by chemistry.
_HUES = {"A": "#009e73", "C": "#0072b2", "G": "#e69f00", "T": "#d55e00", "U": "#d55e00"}
_CHEMISTRY = {"DE": "#d55e00", "KRH": "#0072b2", "AVLIMFWPC": "#3d3d3d", "GSTYNQ": "#009e73"}


class HeatMap(NamedTuple):
    """One heat map: its title, values float64 (E, E), axis labels, and the ends of its colours.

    The first end is drawn darkest.
    """

    title: str
    values: np.ndarray
    rows: str
    columns: str
    dark: float
    pale: float


def similarity_maps(names: Sequence[str], measures: Sequence[HeatMap], title: str) -> Figure:
    """Draw heat maps of pairs of elements beside each other; darker is more alike.

    Parameters
    ----------
    names
        Of the E elements.
    measures
        At least one.
    title
        Title of the figure.
    """
    count = len(names)
    side = max(1.9, min(0.42 * count, 5.2), 0.13 * count)
    label = min(0.075 * max(map(len, names)), 1.6)
    with styled(grid=False):
        width = (side + label + 1.15) * len(measures)
        figure = new_figure(max(width, 6.0), side + label + 1.3)
        axes = figure.subplots(1, len(measures), squeeze=False)[0]
        for axis, measure in zip(axes, measures, strict=True):
            _draw_map(figure, axis, names, measure, side / count)
            axis.set_title(wrap_title(measure.title, side + label))
        headline(figure, title)
    return settle(figure)


def _draw_map(
    figure: Figure, axis: Axes, names: Sequence[str], measure: HeatMap, cell: float
) -> None:
    low, high = sorted((measure.dark, measure.pale))
    dark_is_low = measure.dark < measure.pale
    colours = PALE_TO_DARK.reversed() if dark_is_low else PALE_TO_DARK
    picture = axis.imshow(
        measure.values, cmap=colours, vmin=low, vmax=high, aspect="equal", interpolation="none"
    )
    size = 8 if cell > 0.2 else max(4.5, cell * 42)
    ticks = np.arange(len(names))
    shown = [name if len(name) <= 22 else f"{name[:20]}…" for name in names]
    axis.set_xticks(ticks, shown, rotation=90, fontsize=size)
    axis.set_yticks(ticks, shown, fontsize=size)
    axis.tick_params(length=0, pad=2)
    axis.set_xlabel(measure.columns)
    axis.set_ylabel(measure.rows)
    axis.spines[:].set_visible(False)
    if len(names) <= _MOST_NUMBERS:
        for (i, j), value in np.ndenumerate(measure.values):
            shade = (value - measure.pale) / (measure.dark - measure.pale)
            colour = "white" if shade > 0.55 else INK
            text = "–" if math.isnan(value) else f"{value:.1f}" if high > 9.95 else f"{value:.2f}"
            axis.text(j, i, text, ha="center", va="center", fontsize=7.5, color=colour)
    axis.set_facecolor("white")  # undefined values
    bar = figure.colorbar(picture, cax=axis.inset_axes((1.03, 0, 0.12 / (cell * len(names)), 1)))
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7, length=2)
    if dark_is_low:
        bar.ax.invert_yaxis()


def logos(
    elements: Mapping[str, np.ndarray], letters: str, bits: Mapping[str, np.ndarray], title: str
) -> Figure:
    """Draw a logo of each element.

    Parameters
    ----------
    elements
        Letter probabilities by name: float64 (W, A).
    letters
        Of the alphabet.
    bits
        Information of each column by name, float64 (W,): the height of its letters together.
    title
        Title of the figure.
    """
    names = list(elements)
    columns = min(len(names), 2 if len(names) <= 6 else 3 if len(names) <= 30 else 4)
    rows = math.ceil(len(names) / columns)
    widest = max(len(matrix) for matrix in elements.values())
    titles = [f"{name} ({bits[name].sum():.1f} bits)" for name in names]
    panel = max(_LETTER * widest, *(text_width(title) * 1.15 for title in titles), 1.2) + 0.5
    highest = max(1.0, *(float(column.max()) for column in bits.values()))
    width, height = max(panel * columns + 0.2, 4.0), _PANEL * rows + 0.45
    with styled(grid=False):
        figure = Figure(figsize=(width, height))  # one axis for all: many are slow to lay out
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set(xlim=(0, width), ylim=(0, height))
        axis.axis("off")
        axis.text(0.1, height - 0.24, title, size=11, weight="bold", va="center")
        for number, name in enumerate(names):
            row, column = divmod(number, columns)
            corner = (0.4 + panel * column, height - 0.45 - _PANEL * (row + 1) + 0.22)
            logo = _Logo(*corner, _STACK / highest, math.floor(highest))
            axis.text(corner[0], corner[1] + _STACK + 0.1, titles[number], size=8, weight="bold")
            _draw_logo(axis, logo, elements[name], letters, bits[name])
    return figure


class _Logo(NamedTuple):
    """Lower left corner of a logo, inches a bit, and the bits to mark."""

    x: float
    y: float
    scale: float
    mark: int


def _draw_logo(axis: Axes, logo: _Logo, matrix: np.ndarray, letters: str, bits: np.ndarray) -> None:
    """Draw stacks of letters, the likeliest on top, each as high as its share of the column's bits."""
    paths, colours = [], []
    for place, (column, height) in enumerate(zip(matrix, bits, strict=True)):
        base, left = logo.y, logo.x + _LETTER * place
        for letter in np.argsort(column, kind="stable"):
            tall = float(column[letter] * max(height, 0)) * logo.scale
            if tall > _LEAST_LETTER:
                paths.append(glyph(letters[letter], left + 0.004, base, _LETTER - 0.008, tall))
                colours.append(hue(letters[letter], len(letters)))
            base += tall
        if place == 0 or (place + 1) % 5 == 0:
            middle = left + _LETTER / 2
            axis.text(middle, logo.y - 0.05, str(place + 1), size=6.5, ha="center", va="top")
    axis.add_collection(PathCollection(paths, facecolors=colours, linewidths=0))
    right, top = logo.x + _LETTER * len(matrix), logo.y + logo.mark * logo.scale
    axis.plot((logo.x - 0.03, right), (logo.y, logo.y), color=FAINT, lw=0.8)
    axis.plot((logo.x - 0.03,) * 2, (logo.y, top), color=FAINT, lw=0.8)
    for at, text in ((logo.y, "0"), (top, f"{logo.mark}")):
        axis.text(logo.x - 0.07, at, text, size=6.5, ha="right", va="center")


def hue(letter: str, letters: int) -> str:
    """Return the colour of a letter of an alphabet of so many."""
    if letters == 4:
        return _HUES[letter]
    return next(hue for group, hue in _CHEMISTRY.items() if letter in group)


@lru_cache(maxsize=64)
def _outline(letter: str) -> Outline:
    return TextPath(
        (0, 0), letter, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold")
    )


def glyph(letter: str, x: float, y: float, width: float, height: float) -> Outline:
    """Return a letter's outline, stretched to a box."""
    outline = _outline(letter)
    box = outline.get_extents()
    wide = max(box.width, 0.5)  # an I stays slim
    shift = (wide - box.width) / 2 - box.x0
    move = Affine2D().translate(shift, -box.y0).scale(width / wide, height / box.height)
    return move.translate(x, y).transform_path(outline)
