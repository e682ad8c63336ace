"""A block of a rule as a picture: elements as boxes, gaps as lines between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch, Polygon

from seqgra.plot.style import FAINT, INK, text_width

#: All lengths are inches.
BOX = 0.22
SMALL, TEXT = 7.0, 8.0
_TIP, _LEAST_GAP, _LEAST_BOX, _SHARED = 0.09, 0.42, 0.34, 0.13


class Box(NamedTuple):
    """An element of a rule, or one of several."""

    #: Names and shares of the elements that may be there.
    choices: tuple[tuple[str, float], ...]
    #: 1 points right, -1 left, 2 either way, 0 has no direction.
    direction: int


class Tie(NamedTuple):
    """A gap between two boxes, by their numbers; `shared` where they overlap."""

    one: int
    two: int
    label: str
    random: bool
    shared: bool


class Chain(NamedTuple):
    """Boxes from left to right, and what ties them."""

    boxes: tuple[Box, ...]
    ties: tuple[Tie, ...]


def _box_width(box: Box) -> float:
    return max(_LEAST_BOX, max(text_width(text) for text in _box_texts(box)) + 0.16 + 2 * _TIP)


def _box_texts(box: Box) -> list[str]:
    if len(box.choices) == 1:
        return [box.choices[0][0]]
    return [f"{name} {100 * share:.3g} %" for name, share in box.choices]


def chain_places(chain: Chain) -> list[float]:
    """Return the left edge of each box, then the chain's width."""
    places, x = [], 0.0
    for number, box in enumerate(chain.boxes):
        places.append(x)
        x += _box_width(box)
        between = [tie for tie in chain.ties if {tie.one, tie.two} == {number, number + 1}]
        if between and between[0].shared:
            x -= _SHARED
        elif number + 1 < len(chain.boxes):
            widest = max((text_width(tie.label, SMALL) for tie in between), default=0.0)
            x += max(_LEAST_GAP, widest + 0.16)
    return [*places, x]


def far_ties(chain: Chain) -> list[Tie]:
    """Return the ties of boxes that do not lie side by side, drawn as brackets below."""
    return [tie for tie in chain.ties if abs(tie.one - tie.two) > 1]


def draw_chain(axis: Axes, chain: Chain, x: float, y: float, colours: Mapping[str, str]) -> None:
    """Draw boxes from `x` on, their middle at `y`, and what ties them."""
    places = chain_places(chain)
    widths = [_box_width(box) for box in chain.boxes]
    for tie in chain.ties:
        if abs(tie.one - tie.two) == 1:
            first = min(tie.one, tie.two)
            ends = (x + places[first] + widths[first], x + places[first + 1])
            _draw_tie(axis, tie, ends, y)
    far = far_ties(chain)
    for depth, tie in enumerate(far):
        low_x, high_x = sorted(x + places[n] + widths[n] / 2 for n in (tie.one, tie.two))
        low = y + BOX / 2 + 0.1 + 0.2 * depth
        axis.plot((low_x, low_x, high_x, high_x), (y, low, low, y), color=FAINT, lw=0.9, zorder=1)
        label = f"{tie.label} either order" if tie.random else tie.label
        _haloed(axis, (low_x + high_x) / 2, low, label)
    for box, at, width in zip(chain.boxes, places, widths, strict=False):
        _draw_box(axis, box, x + at, y, width, colours)


def _haloed(axis: Axes, x: float, y: float, text: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    axis.text(x, y, text, size=SMALL, ha="center", va="center", bbox=box, zorder=2)


def _draw_tie(axis: Axes, tie: Tie, ends: tuple[float, float], y: float) -> None:
    if tie.shared:
        middle = sum(ends) / 2
        label = f"{tie.label} (either order)" if tie.random else tie.label
        axis.text(middle, y - BOX / 2 - 0.03, label, size=SMALL, ha="center", va="bottom", zorder=5)
        return
    if tie.random:
        arrow = FancyArrowPatch(
            (ends[0] + 0.02, y),
            (ends[1] - 0.02, y),
            arrowstyle="<->",
            mutation_scale=7,
            shrinkA=0,
            shrinkB=0,
        )
        arrow.set(color=INK, linewidth=0.9)
        axis.add_patch(arrow)
    else:
        axis.plot(ends, (y, y), color=INK, lw=0.9, zorder=1, solid_capstyle="butt")
    axis.text(sum(ends) / 2, y - 0.03, tie.label, size=SMALL, ha="center", va="bottom")


def _draw_box(
    axis: Axes, box: Box, x: float, y: float, width: float, colours: Mapping[str, str]
) -> None:
    count = len(box.choices)
    top = y - count * BOX / 2
    for number, (text, (name, _)) in enumerate(zip(_box_texts(box), box.choices, strict=True)):
        low = top + number * BOX
        outline = _outline(x, low + 0.01, width, BOX - 0.02, box.direction)
        colour = to_rgb(colours[name])
        fill = tuple(1 - 0.28 * (1 - part) for part in colour)
        axis.add_patch(Polygon(outline, facecolor=fill, edgecolor=colour, lw=1.1, zorder=3))
        shift = {1: -_TIP / 2, -1: _TIP / 2}.get(box.direction, 0.0)
        middle = (x + width / 2 + shift / 2, low + BOX / 2)
        axis.text(*middle, text, size=TEXT, ha="center", va="center_baseline", zorder=4, color=INK)


def _outline(
    x: float, y: float, width: float, height: float, direction: int
) -> list[tuple[float, float]]:
    """Return the corners of a box that points where its element does."""
    right = _TIP if direction in (1, 2) else 0.0
    left = _TIP if direction in (-1, 2) else 0.0
    middle = y + height / 2
    return [
        (x + left, y),
        (x + width - right, y),
        (x + width, middle if right else y),
        *([] if right else [(x + width, y + height)]),
        (x + width - right, y + height),
        (x + left, y + height),
        (x, middle if left else y + height),
        *([] if left else [(x, y)]),
    ]
