"""A network as a picture: its layers from input to output, with shapes and parameters."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from seqgra.architecture.layers import LayerRow
from seqgra.plot.style import FAINT, INK, new_figure, styled, text_width, wrap

#: Inches: height of a box and of what lies between two, indent of a layer inside of another.
_BOX, _STEP, _INDENT = 0.24, 0.34, 0.22
_SIZE = 8.0
_COLOURS = {
    "conv": "#bcd7ee",
    "dense": "#f6d5b0",
    "lstm": "#d8cdea",
    "gru": "#d8cdea",
    "attention": "#d8cdea",
    "attention-pool": "#cfe6cf",
    "max-pool": "#cfe6cf",
    "average-pool": "#cfe6cf",
    "global-max-pool": "#cfe6cf",
    "global-average-pool": "#cfe6cf",
    "output": "#f6d5b0",
}
_PLAIN, _FRAME = "#eeeeee", "#9a9a9a"


def network_figure(rows: Sequence[LayerRow], title: str) -> Figure:
    """Draw a network from top to bottom.

    Parameters
    ----------
    rows
        Of `network_rows`: what lies in another layer follows it, with a greater depth.
    title
        Title of the figure.

    Returns
    -------
    Figure
        A box a layer, frames around what lies in another, and beside each box the shape after it and its
        parameters.
    """
    deepest = max(row.depth for row in rows)
    box = max(text_width(row.text, _SIZE) + _INDENT * row.depth for row in rows) + 0.35
    box += _INDENT * deepest
    shapes = max(text_width(str(row.shape), _SIZE) for row in rows) + 0.2
    width, height = box + shapes + 1.15, _STEP * len(rows) + 0.25
    with styled(grid=False):
        wrapped = wrap(title, int(11 * width))
        figure = new_figure(width + 0.2, height + 0.25 + 0.17 * wrapped.count("\n"))
        axis = figure.subplots()
        axis.axis("off")
        axis.set(xlim=(0, width), ylim=(height, -0.22), aspect="equal")
        for x, text in ((box + 0.12, "shape after it"), (width, "parameters")):
            axis.text(x, -0.08, text, color=FAINT, size=7, ha="left" if x < width else "right")
        for number, row in enumerate(rows):
            top = number * _STEP + 0.05
            left, right = _INDENT * row.depth, box - _INDENT * row.depth
            end = number + 1
            while end < len(rows) and rows[end].depth > row.depth:
                end += 1
            if end > number + 1:  # a frame around what lies in it
                frame = Rectangle(
                    (left, top),
                    right - left,
                    (end - number) * _STEP - 0.06 - 0.02 * row.depth,
                    facecolor="none" if row.depth else "#fafafa",
                    edgecolor=_FRAME,
                    linewidth=0.8,
                    zorder=0,
                )
                axis.add_patch(frame)
                axis.text(left + 0.1, top + _BOX / 2, row.text, size=_SIZE, va="center", color=INK)
            elif row.kind == "path":
                axis.text(
                    left + 0.1, top + _BOX / 2, row.text, size=_SIZE, va="center", color=FAINT
                )
            else:
                style = "round,pad=0,rounding_size=0.05"
                colour = _COLOURS.get(row.kind, _PLAIN)
                axis.add_patch(
                    FancyBboxPatch(
                        (left, top),
                        right - left,
                        _BOX,
                        boxstyle=style,
                        facecolor=colour,
                        edgecolor="none",
                    )
                )
                axis.text(left + 0.1, top + _BOX / 2, row.text, size=_SIZE, va="center", color=INK)
            if row.kind != "path":
                place = top + _BOX / 2
                axis.text(box + 0.12, place, str(row.shape), size=_SIZE, va="center", color=INK)
                if row.cost.parameters:
                    count = f"{row.cost.parameters:,}"
                    axis.text(width, place, count, size=_SIZE, va="center", ha="right", color=INK)
        figure.suptitle(wrapped, x=0.01, ha="left", weight="bold")
    return figure
