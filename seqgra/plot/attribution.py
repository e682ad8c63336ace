"""Attributions of single examples as letters, and recovery of methods by architectures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seqgra.plot.elements import glyph, hue
from seqgra.plot.style import (
    CONFOUNDER,
    FAINT,
    GRAMMAR,
    IGNORED,
    INK,
    PALE_TO_DARK,
    headline,
    new_figure,
    styled,
    wrap,
)

_COLOURS = {"grammar": GRAMMAR, "confounder": CONFOUNDER, "other": IGNORED}
#: Letters in a line of a logo, at most.
LINE = 100
_WIDTH = 11.0


class ElementSpan(NamedTuple):
    """An element in an example: name, first position, end, strand and what it is.

    `kind` is ``grammar`` (it encodes the condition explained), ``confounder`` or ``other``.
    """

    name: str
    start: int
    end: int
    strand: int
    kind: str


class Example(NamedTuple):
    """One explained example."""

    #: What it is.
    title: str
    #: Its letters, one a position.
    letters: str
    #: float (L,): score of each position.
    scores: np.ndarray
    #: Its elements.
    placed: Sequence[ElementSpan]


def example_logos(examples: Sequence[Example], alphabet: int, title: str) -> Figure:
    """Draw examples as letters as high as their score, their true elements above them.

    Of an example longer than `LINE` letters the stretches around its elements are drawn, or its
    beginning where it has none. Letters of negative scores hang below the line.

    Parameters
    ----------
    examples
        At least one.
    alphabet
        Number of letters of the alphabet.
    title
        Title of the figure.
    """
    with styled(grid=False):
        figure = new_figure(_WIDTH, 1.35 * len(examples) + 0.9)
        rows = figure.subplots(len(examples) + 1, 1, height_ratios=[1.35] * len(examples) + [0.2])
        for axis, example in zip(rows, examples, strict=False):
            _draw_example(axis, example, alphabet)
        _draw_key(rows[-1], {part.kind for example in examples for part in example.placed})
        headline(figure, title)
    return figure


def stretch(length: int, placed: Sequence[ElementSpan]) -> tuple[int, int]:
    """Return which positions of an example are drawn, first and end: `LINE` at most.

    The grammar's elements and what lies between them, in the middle.

    >>> stretch(1000, [ElementSpan("a", 500, 510, 1, "grammar")])
    (455, 555)
    """
    if length <= LINE:
        return 0, length
    own = [part for part in placed if part.kind == "grammar"] or list(placed)
    if not own:
        return 0, LINE
    first, end = min(part.start for part in own), max(part.end for part in own)
    if end - first > LINE:
        end = own[0].end
        first = own[0].start
    begin = min(max((first + end - LINE) // 2, 0), length - LINE)
    return begin, begin + LINE


def _draw_example(axis: Axes, example: Example, alphabet: int) -> None:
    first, end = stretch(len(example.letters), example.placed)
    scores = np.nan_to_num(np.asarray(example.scores, float))
    highest = max(float(np.abs(scores).max(initial=0)), np.finfo(float).tiny)
    paths, colours = [], []
    for place in range(first, end):
        tall = scores[place] / highest
        letter = example.letters[place]
        if abs(tall) > 0.01 and letter.isalpha():
            try:
                colours.append(hue(letter, alphabet))
            except (KeyError, StopIteration):  # an unknown letter has no hue
                colours.append(FAINT)
            paths.append(glyph(letter, place + 0.04, min(tall, 0.0), 0.92, abs(tall)))
    axis.add_collection(PathCollection(paths, facecolors=colours, linewidths=0))
    axis.axhline(0, color=FAINT, lw=0.8)
    lowest = min(float(scores[first:end].min(initial=0)) / highest, -0.08)
    shown = [part for part in example.placed if part.end > first and part.start < end]
    for part in shown:
        _draw_element(axis, part, first, end)
    axis.set(xlim=(first, end), ylim=(lowest - 0.05, 1.62))
    axis.set_yticks([0, 1], ["0", f"{highest:.2g}"])
    ticks = np.arange(-(-first // 10) * 10, end, 10)
    axis.set_xticks(ticks + 0.5, [str(tick + 1) for tick in ticks])
    axis.set_title(example.title, loc="left", size=8)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.tick_params(axis="x", length=0)


def _draw_element(axis: Axes, part: ElementSpan, first: int, end: int) -> None:
    left, right = max(part.start, first), min(part.end, end)
    colour = _COLOURS[part.kind]
    axis.add_patch(Rectangle((left, 1.08), right - left, 0.14, color=colour, lw=0))
    axis.axvspan(left, right, ymax=0.72, color=colour, alpha=0.12, lw=0)
    arrow = "" if part.strand > 0 else " (reverse strand)"
    axis.text((left + right) / 2, 1.27, f"{part.name}{arrow}", size=7, ha="center", va="bottom")


def _draw_key(axis: Axes, kinds: set[str]) -> None:
    words = {
        "grammar": "element (real data: motif hit) of the condition explained",
        "confounder": "confounder",
        "other": "other element",
    }
    axis.set(xlim=(0, _WIDTH), ylim=(0, 1))
    axis.axis("off")
    left = 0.0
    for kind in (kind for kind in words if kind in kinds):
        axis.add_patch(Rectangle((left, 0.3), 0.25, 0.4, color=_COLOURS[kind], lw=0))
        axis.text(left + 0.32, 0.5, words[kind], size=8, va="center")
        left += 0.8 + 0.075 * len(words[kind])
    axis.text(
        left, 0.5, "height: score of the position; x: position in the sequence", size=8, va="center"
    )


def method_matrix(values: pd.DataFrame, label: str, title: str) -> Figure:
    """Draw recovery of attribution methods (rows) by architectures (columns).

    Parameters
    ----------
    values
        Means, float64; NaN where there is none.
    label
        Of the colour bar.
    title
        Title of the figure.
    """
    rows, columns = values.shape
    with styled(grid=False):
        width = min(3.2 + 0.85 * columns, 14)
        figure = new_figure(max(width, 5.2), 0.34 * rows + 1.7)
        axis = figure.subplots()
        shown = values.to_numpy(float)
        finite = shown[np.isfinite(shown)]
        low, high = min(0.0, *finite.tolist(), 0.0), max(1.0, *finite.tolist(), 1.0)
        image = axis.imshow(shown, cmap=PALE_TO_DARK, vmin=low, vmax=high, aspect="auto")
        for row in range(rows):
            for column in range(columns):
                value = shown[row, column]
                if math.isfinite(value):
                    colour = "white" if (value - low) / (high - low) > 0.5 else INK
                    axis.text(
                        column, row, f"{value:.2f}", ha="center", va="center", color=colour, size=8
                    )
                else:
                    axis.text(column, row, "none", ha="center", va="center", color=FAINT, size=7)
        axis.set_xticks(range(columns), [wrap(str(name), 14) for name in values.columns])
        axis.tick_params(axis="x", rotation=45 if columns > 6 else 0, length=0)
        axis.set_yticks(range(rows), [wrap(str(name), 26) for name in values.index])
        axis.tick_params(axis="y", length=0)
        axis.spines[:].set_visible(False)
        figure.colorbar(image, ax=axis, label=label, shrink=0.9)
        headline(figure, title)
    return figure
