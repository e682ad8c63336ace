"""The picture of a grammar's rules: a row a rule, elements as boxes, gaps as lines between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seqgra.plot.rule_boxes import BOX, SMALL, TEXT, Chain, chain_places, draw_chain, far_ties
from seqgra.plot.style import FAINT, element_colours, styled, text_width, wrap

#: All lengths are inches.
_BETWEEN, _PAD, _LINE, _TRACK = 0.3, 0.14, 0.15, 1.1
_MOST_ROWS, _WIDEST = 26, 15.0
_GREY = "#5f5f5f"


class RuleRow(NamedTuple):
    """A rule.

    Attributes
    ----------
    chance
        When it applies; may have several lines.
    before, after
        Words before and after the boxes.
    chains
        Its blocks.
    where
        Place of its blocks, in words.
    starts
        First and last start of a block as shares of the window.
    """

    chance: str
    before: str
    chains: tuple[Chain, ...]
    after: str
    where: str
    starts: tuple[float, float]


class RuleGroup(NamedTuple):
    """A condition, the common rules, or the confounders; `note` stands below the name."""

    name: str
    note: str
    rules: tuple[RuleRow, ...]


class _Columns(NamedTuple):
    """Left edges of the columns of one panel, and its width."""

    chance: float
    boxes: float
    track: float
    where: float
    width: float


def rules_picture(groups: Sequence[RuleGroup], elements: Sequence[str], title: str) -> Figure:
    """Draw the rules of a grammar.

    Parameters
    ----------
    groups
        From top to bottom.
    elements
        All names, in the order of the colours.
    title
        Title of the figure.
    """
    colours = element_colours(elements)
    columns = _columns(groups)
    heights = [_group_height(group) for group in groups]
    count = sum(max(len(group.rules), 1) for group in groups)
    panels = 2 if count > _MOST_ROWS and 2 * columns.width < _WIDEST else 1
    split = _split(heights, panels)
    top = 0.75
    tall = max(sum(heights[first:end]) for first, end in split)
    width = max(panels * columns.width, 5.6)
    title = wrap(title, int(width * 10))
    key = _key_text(groups)
    with styled(grid=False):
        key_lines = wrap(key, int(width * 17.5)).split("\n")
        height = top + tall + 0.2 + 0.16 * len(key_lines)
        figure = Figure(figsize=(width, height))  # every place is computed here
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set(xlim=(0, width), ylim=(height, 0))
        axis.axis("off")
        axis.text(0.12, 0.28, title, size=11, weight="bold", va="center")
        for panel, (first, end) in enumerate(split):
            left = panel * columns.width
            _draw_header(axis, columns, left, top - 0.14)
            y = top
            for group, tall_group in zip(groups[first:end], heights[first:end], strict=True):
                axis.plot((left + 0.1, left + columns.width - 0.1), (y, y), color="#dddddd", lw=0.7)
                _draw_group(axis, group, columns, left, y, tall_group, colours)
                y += tall_group
        for line, text in enumerate(key_lines):
            at = height - 0.12 - 0.16 * (len(key_lines) - 1 - line)
            axis.text(0.12, at, text, size=SMALL, color=_GREY, va="center")
    return figure


def _key_text(groups: Sequence[RuleGroup]) -> str:
    """Explain the marks that the picture uses."""
    rows = [row for group in groups for row in group.rules]
    boxes = [box for row in rows for chain in row.chains for box in chain.boxes]
    ties = [tie for row in rows for chain in row.chains for tie in chain.ties]
    told = ["Box: element"]
    if any(box.direction in (1, -1) for box in boxes):
        told.append("its tip points along its strand (right: forward)")
    if any(box.direction == 2 for box in boxes):
        told.append("two tips: either strand")
    if any(len(box.choices) > 1 for box in boxes):
        told.append("stacked boxes: one of them")
    if any(not tie.shared for tie in ties):
        told.append("line: letters between two elements")
    if any(tie.random and not tie.shared and abs(tie.one - tie.two) == 1 for tie in ties):
        told.append("double arrow: either order")
    if any(tie.shared for tie in ties):
        told.append("overlapping boxes: shared columns, as negative numbers")
    told.append("grey bar: the window, dark where a block may start")
    return "; ".join(told) + ". Boxes are not to scale."


def _split(heights: Sequence[float], panels: int) -> list[tuple[int, int]]:
    """Return which groups go to each panel, about equally high."""
    if panels == 1:
        return [(0, len(heights))]
    half, so_far = sum(heights) / 2, 0.0
    for number, height in enumerate(heights):
        so_far += height
        if so_far >= half - 1e-9:
            return [(0, number + 1), (number + 1, len(heights))]
    return [(0, len(heights))]


def _columns(groups: Sequence[RuleGroup]) -> _Columns:
    rows = [row for group in groups for row in group.rules]
    name = max(
        max(text_width(_wrapped(group.name)) * 1.12, text_width(group.note, SMALL))
        for group in groups
    )
    chance = max((text_width(row.chance, SMALL) for row in rows), default=0.5)
    boxes = max((_row_width(row) for row in rows), default=1.5)
    where = max((text_width(row.where, SMALL) for row in rows), default=0.5)
    at_chance = 0.12 + name + 0.2
    at_boxes = at_chance + chance + 0.2
    at_track = at_boxes + max(boxes, 0.9) + 0.25
    at_where = at_track + _TRACK + 0.12
    return _Columns(at_chance, at_boxes, at_track, at_where, at_where + max(where, 0.4) + 0.2)


def _wrapped(name: str) -> str:
    return wrap(name, 24)


def _row_width(row: RuleRow) -> float:
    words = (text_width(text, SMALL) + 0.12 for text in (row.before, row.after) if text)
    chains = [chain_places(chain)[-1] for chain in row.chains]
    return sum(words) + sum(chains) + _BETWEEN * (len(chains) - 1)


def _row_parts(row: RuleRow) -> tuple[float, float]:
    """Return the height of a rule above and below the middle of its boxes."""
    boxes = [box for chain in row.chains for box in chain.boxes]
    stack = max(len(box.choices) for box in boxes) * BOX / 2
    shared = any(tie.shared for chain in row.chains for tie in chain.ties)
    lines = (row.chance.count("\n") + 1) * _LINE / 2
    brackets = max(len(far_ties(chain)) for chain in row.chains) * 0.22
    above = max(stack + (0.17 if shared else 0.0), lines, 0.17)
    return above + _PAD / 2, max(stack + brackets, lines, 0.11) + _PAD / 2


def _group_height(group: RuleGroup) -> float:
    rows = sum(sum(_row_parts(row)) for row in group.rules)
    lines = (_wrapped(group.name).count("\n") + 1) * 0.15 + (group.note.count("\n") + 1) * 0.13
    return max(rows, lines + _PAD, 0.4)


def _draw_header(axis: Axes, columns: _Columns, left: float, y: float) -> None:
    heads = (
        (0.12, "condition"),
        (columns.chance, "applies"),
        (columns.boxes, "elements"),
        (columns.track, "where the block starts"),
    )
    for at, text in heads:
        axis.text(left + at, y, text, size=SMALL, color=_GREY, va="center")


def _draw_group(
    axis: Axes,
    group: RuleGroup,
    columns: _Columns,
    left: float,
    top: float,
    height: float,
    colours: Mapping[str, str],
) -> None:
    y = top + 0.04
    # one by one: lines of one text move with their letters
    for line in _wrapped(group.name).split("\n"):
        y += 0.14
        axis.text(left + 0.12, y, line, size=TEXT, weight="bold", va="baseline")
    for line in group.note.split("\n"):
        y += 0.13
        axis.text(left + 0.12, y, line, size=SMALL, color=_GREY, va="baseline")
    if not group.rules:
        middle = top + height / 2
        words = "background alone"
        axis.text(left + columns.boxes, middle, words, size=SMALL, color=_GREY, va="center")
        return
    spare = (height - sum(sum(_row_parts(row)) for row in group.rules)) / 2
    y = top + spare
    for row in group.rules:
        above, below = _row_parts(row)
        _draw_row(axis, row, columns, left, y + above, colours)
        y += above + below


def _draw_row(
    axis: Axes,
    row: RuleRow,
    columns: _Columns,
    left: float,
    y: float,
    colours: Mapping[str, str],
) -> None:
    axis.text(
        left + columns.chance, y, row.chance, size=SMALL, linespacing=1.15, **_level(row.chance)
    )
    x = left + columns.boxes
    if row.before:
        axis.text(x, y, row.before, size=SMALL, **_level(row.before))
        x += text_width(row.before, SMALL) + 0.12
    for number, chain in enumerate(row.chains):
        if number:
            axis.text(x + _BETWEEN / 2, y, "+", size=TEXT, color=FAINT, ha="center", va="center")
            x += _BETWEEN
        places = chain_places(chain)
        draw_chain(axis, chain, x, y, colours)
        x += places[-1]
    if row.after:
        axis.text(x + 0.12, y, row.after, size=SMALL, color=_GREY, **_level(row.after))
    _draw_track(axis, row.starts, left + columns.track, y)
    axis.text(left + columns.where, y, row.where, size=SMALL, **_level(row.where))


def _level(text: str) -> dict[str, Any]:
    """Return how a text is aligned, so that all single lines stand on one line."""
    return {"va": "center" if "\n" in text else "center_baseline"}


def _draw_track(axis: Axes, starts: tuple[float, float], x: float, y: float) -> None:
    low, high = starts
    axis.add_patch(Rectangle((x, y - 0.03), _TRACK, 0.06, facecolor="#e3e3e3", lw=0))
    width = max((high - low) * _TRACK, 0.05)
    at = min(x + low * _TRACK, x + _TRACK - width)
    axis.add_patch(Rectangle((at, y - 0.05), width, 0.1, facecolor="#959595", lw=0))
