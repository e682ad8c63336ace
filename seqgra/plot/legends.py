"""Entries of legends that many figures share, and a legend below a figure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from matplotlib.lines import Line2D

from seqgra.plot.style import CEILING_LINE, CHANCE_LINE, FAINT, TARGET_LINE, Look


class Legend(NamedTuple):
    """Entries with empty ones between, so that each part begins a column, and their arrangement."""

    handles: list[Line2D]
    rows: int
    columns: int


def legend_below(entries: list[Line2D], notes: list[Line2D], width: float) -> Legend:
    """Return entries, then notes in columns of their own, as flat as `width` inches allow."""
    longest = max(len(str(handle.get_label())) for handle in [*entries, *notes])
    most = max(1, int((width - 0.2) / (0.075 * longest + 0.62)))
    parts = [entries, notes] if most > 2 else [[*entries, *notes]]
    rows = 1
    while rows < len(entries) + len(notes) and _columns(parts, rows) > most:
        rows += 1
    handles: list[Line2D] = []
    for part in parts:
        handles += [*part, *(Line2D([], [], ls="", label=" ") for _ in range(-len(part) % rows))]
    return Legend(handles, rows, _columns(parts, rows))


def _columns(parts: Sequence[list[Line2D]], rows: int) -> int:
    return sum(math.ceil(len(part) / rows) for part in parts)


def line_handles(looks: Mapping[str, Look], names: Iterable[str]) -> list[Line2D]:
    """Return entries of lines with their markers."""
    return [
        Line2D([], [], color=look.color, ls=look.line, marker=look.marker, ms=4.5, label=name)
        for name, look in ((name, looks[name]) for name in names)
    ]


def marker_handles(looks: Mapping[str, Look], names: Iterable[str]) -> list[Line2D]:
    """Return entries of markers alone."""
    return [
        Line2D([], [], color=look.color, ls="", marker=look.marker, ms=6, label=name)
        for name, look in ((name, looks[name]) for name in names)
    ]


def chance_handle() -> Line2D:
    """Return the entry of a constant prediction's line."""
    return Line2D([], [], color=FAINT, lw=1, ls=CHANCE_LINE, label="constant prediction")


def ceiling_handle() -> Line2D:
    """Return the entry of the ceiling among single runs."""
    return Line2D([], [], color=FAINT, lw=1, ls=CEILING_LINE, label="ceiling")


def target_handle(label: str) -> Line2D:
    """Return the entry of a value to reach."""
    return Line2D([], [], color=FAINT, lw=1, ls=TARGET_LINE, label=label)
