"""Figures on probes: the report card, curves, and rule scores against recovery and dataset size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from seqgra.compare.cells import KEYS
from seqgra.compare.probes import ASKED, WORDS, known, rule_runs
from seqgra.compare.tables import models_only, recovery_runs
from seqgra.plot.legends import line_handles, marker_handles
from seqgra.plot.panels import panels_above_legend
from seqgra.plot.sizes import YAxis, against_size
from seqgra.plot.style import (
    CEILING_LOOK,
    CHANCE_LINE,
    FAINT,
    GRAMMAR,
    INK,
    PALE_TO_DARK,
    Look,
    headline,
    new_figure,
    styled,
    wrap,
)
from seqgra.report.drawing import Drawing, file_name, save_figure
from seqgra.report.page import Picture, caption

#: Properties that are about how motifs are placed; the least of them is a model's rule score.
RULES = tuple(
    name for name in WORDS if name not in ("vocabulary", "sufficiency", "confounder", "shift")
)
#: Panels of curves of a grammar, at most.
_MOST_PANELS = 4
_PANEL = (3.3, 2.5)
#: Columns of panels at most: with more, letters are too small on a narrow page.
_COLUMNS = 2
_MORE = 0.75
_GREY = "#e3e3e3"
#: How much colour is left of what the grammar does not ask for.
_PALE = 0.35


def draw_card(drawing: Drawing, grammar: str) -> list[Picture]:
    """Draw how well each architecture knows each property of a grammar's rules."""
    scores = drawing.compared.properties
    found = known(drawing.compared.rule_card, grammar)
    labels = [label for label in drawing.looks if label in found]
    names = [name for name in WORDS if any(name in found[label] for label in labels)]
    values = pd.DataFrame(
        [
            [found[label][name].score if name in found[label] else math.nan for name in names]
            for label in labels
        ],
        labels,
        names,
    )
    asked = pd.DataFrame(
        [
            [found[label][name].asked if name in found[label] else "" for name in names]
            for label in labels
        ],
        labels,
        names,
    )
    size = scores.loc[scores["grammar"] == grammar, "size"].max()
    title = f"{grammar}: rule report card at {size:,} examples"
    stem = save_figure(drawing, f"rules-{file_name(grammar)}", report_card, values, asked, title)
    reasons = sorted(
        {own.reason for of_label in found.values() for own in of_label.values() if own.reason}
    )
    words = caption("rules_card", reasons=reasons)
    return [Picture(stem, title, words)]


def draw_order(drawing: Drawing, grammar: str) -> list[Picture]:
    """Draw Flip by gap, a panel a place."""
    rules = drawing.compared.rules
    cells = rules[
        (rules["grammar"] == grammar) & (rules["property"] == "order") & (rules["level"] == "cell")
    ]
    cells = cells[(cells["size"] == cells["size"].max()) & (cells["place"] != "")]
    if cells.empty:
        return []
    bins = sorted(set(zip(cells["gap_low"], cells["gap_high"], strict=True)))
    places = np.arange(len(bins), dtype=float)
    names = [f"{low:.0f}-{high:.0f}" for low, high in bins]
    by_gap = cells.groupby(["place", "label", "gap_low"])[["raw", "ceiling"]].mean()
    panels = []
    for place in [name for name in ("left", "middle", "right") if name in set(cells["place"])]:
        own = by_gap.loc[place]
        lines = {
            label: np.array([own["raw"].get((label, low), math.nan) for low, _ in bins])
            for label in drawing.looks
            if label in own.index.get_level_values(0)
        }
        ceiling = own.groupby(level="gap_low")["ceiling"].mean()
        best = np.array([ceiling.get(low, math.nan) for low, _ in bins])
        panels.append(LinePanel(f"{place} third", lines, best, places, names))
    title = f"{grammar}: both orders of a pair called right, by gap and place"
    words = ("gap, letters", "share of pairs (Flip)")
    stem = save_figure(
        drawing,
        f"order-{file_name(grammar)}",
        panels_figure,
        panels,
        drawing.looks,
        title,
        words,
        (0.25, "a coin for each order"),
    )
    below = caption("rules_order", size=int(cells["size"].max()))
    return [Picture(stem, title, below)]


def draw_curves(drawing: Drawing, grammar: str) -> list[Picture]:
    """Draw the curves of spacing, position and copies, with what the grammar makes shaded."""
    probes, pictures = drawing.compared.tables.probes, []
    for name, x, what in (
        ("spacing curve", "gap, letters", "gap"),
        ("position curve", "start, letters from the left", "start"),
        ("copies curve", "sites", "number of sites"),
    ):
        own = probes[(probes["grammar"] == grammar) & (probes["property"] == name)]
        own = own[(own["size"] == own["size"].max()) & (own["level"] == "curve")]
        if own.empty:
            continue
        panels = [
            curve_panel(
                drawing, rows, f"{condition}{f' against {other}' if other else ''}: {subject}"
            )
            for (condition, other, _, subject), rows in own.groupby(
                ["condition", "other", "rule", "subject"], sort=False
            )
        ]
        title = f"{grammar}: evidence by {what}"
        words = (x, "evidence (logits)")
        stem = save_figure(
            drawing,
            f"{name.replace(' ', '-')}-{file_name(grammar)}",
            panels_figure,
            panels[:_MOST_PANELS],
            drawing.looks,
            title,
            words,
            (0.0, "neither"),
        )
        below = caption("rules_curve", what=what)
        pictures.append(Picture(stem, title, below))
    return pictures


def curve_panel(drawing: Drawing, rows: pd.DataFrame, title: str) -> LinePanel:
    """Return evidence of every architecture by gap, start or copies; `rows`: of one subject."""
    mean = rows.groupby(["label", "gap_low"])[["raw", "ceiling"]].mean()
    places = np.array(sorted(rows["gap_low"].unique()))
    lines = {
        label: mean.loc[label]["raw"].reindex(places).to_numpy()
        for label in drawing.looks
        if label in mean.index.get_level_values(0)
    }
    ceiling = rows.groupby("gap_low")["ceiling"].mean().reindex(places).to_numpy()
    makers = rows.groupby("gap_low")["place"].first().reindex(places)
    shaded: dict[str, list[tuple[float, float]]] = {}
    for condition in dict.fromkeys((rows["condition"].iloc[0], rows["other"].iloc[0])):
        for place, maker in zip(places, makers, strict=True):
            if condition in maker.removeprefix("made by ").split(" and "):
                stretches = shaded.setdefault(condition, [])
                before = places[places < place]
                if stretches and len(before) and stretches[-1][1] == before[-1]:
                    stretches[-1] = (stretches[-1][0], float(place))
                else:
                    stretches.append((float(place), float(place)))
    return LinePanel(title, lines, ceiling, places, (), shaded)


def draw_scatter(drawing: Drawing) -> list[Picture]:
    """Draw the least score of a model's rules against its recovery."""
    scores = drawing.compared.properties
    asked = scores[(scores["asked"] == ASKED) & scores["property"].isin(RULES)]
    least = asked.groupby([*KEYS, "label"])["value"].min().dropna().rename("score").reset_index()
    found = recovery_runs(
        models_only(drawing.compared.tables.recovery),
        drawing.compared.method,
        drawing.compared.metric,
    )
    points = least.merge(found[[*KEYS, "value"]], on=list(KEYS))
    points = points.rename(columns={"value": "recovery"})
    if points.empty:
        return []
    title = "Finding the motifs is not knowing the rule"
    words = caption("rules_recovery", metric=drawing.compared.metric)
    return [
        Picture(
            save_figure(
                drawing,
                "rule-recovery",
                recovery_scatter,
                points,
                drawing.looks,
                title,
                f"recovery ({drawing.compared.method})",
            ),
            title,
            words,
        )
    ]


def draw_sizes(drawing: Drawing) -> list[Picture]:
    """Draw the score of each property against dataset size, where it was asked for at several."""
    scores, pictures = drawing.compared.properties, []
    for name, runs in rule_runs(scores, drawing.compared.tables.status).items():
        runs = runs.dropna(subset=["value"])
        if name not in (*RULES, "vocabulary") or runs.empty:
            continue
        title = f"Rule score of {name} against dataset size"
        measure = YAxis("score", title, 0.0, 1.0, "exact posterior")
        stem = save_figure(
            drawing,
            f"rule-{name}",
            against_size,
            runs,
            drawing.looks,
            measure,
        )
        words = caption("rules_size", what=WORDS[name])
        pictures.append(Picture(stem, title, words))
    return pictures


def report_card(values: pd.DataFrame, asked: pd.DataFrame, title: str) -> Figure:
    """Draw scores of architectures (rows) by properties (columns).

    Parameters
    ----------
    values
        float64, 0 to 1; NaN where there is none.
    asked
        ``asked``, ``testable`` or ``not asked``; of the same shape.
    title
        Title of the figure.
    """
    rows, columns = values.shape
    with styled(grid=False):
        names = max(len(str(name)) for name in values.index)
        width = max(5.2, 0.9 + 0.075 * names + 0.86 * columns)
        figure = new_figure(width, 0.36 * rows + 1.35)
        axis = figure.subplots()
        for row in range(rows):
            for column in range(columns):
                value = values.to_numpy(float)[row, column]
                _draw_cell(axis, row, column, value, str(asked.iat[row, column]))
        axis.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
        axis.set_xticks(range(columns), [wrap(str(name), 11) for name in values.columns])
        axis.set_yticks(range(rows), [wrap(str(name), 26) for name in values.index])
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        headline(figure, title)
    return figure


def _draw_cell(axis: Axes, row: int, column: int, value: float, asked: str) -> None:
    colour, ink, text, size = np.array(to_rgb(_GREY)), INK, "not\nasked", 7.0
    if asked != "not asked":
        text, size = "not\ngraded", 7.0
        if math.isfinite(value):
            colour, text, size = np.array(PALE_TO_DARK(value)[:3]), f"{value:.2f}", 9.0
            if asked == "testable":
                colour = 1 - _PALE * (1 - colour)
            ink = "white" if colour.mean() < 0.55 else INK
    axis.add_patch(Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, color=colour, lw=0))
    style = "italic" if asked == "testable" else "normal"
    axis.text(
        column,
        row,
        text,
        ha="center",
        va="center",
        color=ink,
        size=size,
        style=style,
        linespacing=0.95,
    )


class LinePanel(NamedTuple):
    """Lines of a panel."""

    #: Of the panel.
    title: str
    #: Label -> values at `places`, NaN where there is none.
    lines: Mapping[str, np.ndarray]
    #: The same of the exact posterior.
    ceiling: np.ndarray
    #: Places on the x axis, and what stands there; no names where places are numbers.
    places: np.ndarray
    names: Sequence[str] = ()
    #: Name -> stretches of the x axis that a condition makes.
    shaded: Mapping[str, Sequence[tuple[float, float]]] = {}


def panels_figure(
    panels: Sequence[LinePanel],
    looks: Mapping[str, Look],
    title: str,
    axes_words: tuple[str, str],
    line: tuple[float, str],
) -> Figure:
    """Draw lines of architectures and of the exact posterior.

    Parameters
    ----------
    panels
        One or more.
    looks
        How each label is drawn.
    title
        Title of the figure.
    axes_words
        Labels of the x and the y axis.
    line
        A value to mark, and what it is.
    """
    with styled():
        there = {label for panel in panels for label in panel.lines}
        notes = [
            Line2D([], [], color=CEILING_LOOK.color, lw=1.6, label="exact posterior"),
            Line2D([], [], color=FAINT, lw=1, ls=CHANCE_LINE, label=line[1]),
        ]
        names = {name for panel in panels for name in panel.shaded}
        for name, colour in _shades(names).items():
            notes.append(Line2D([], [], color=colour, lw=7, alpha=0.22, label=f"made by {name}"))
        entries = line_handles(looks, [label for label in looks if label in there])
        titles = [panel.title for panel in panels]
        grid = panels_above_legend(
            titles, _PANEL, entries, notes, most=_COLUMNS, more=_MORE, sharey=True
        )
        for axis, panel in zip(grid.axes, panels, strict=True):
            _draw_panel(axis, panel, looks, line[0], _shades(names))
            axis.set_xlabel(axes_words[0])
        for axis in grid.axes[:: grid.columns]:
            axis.set_ylabel(axes_words[1])
        return grid.finish(title, loc="outside lower left", borderpad=0)


def _shades(names: set[str]) -> dict[str, str]:
    return {
        name: (GRAMMAR, "#e08a00", "#7b4fa3", "#56b4e9")[n % 4]
        for n, name in enumerate(sorted(names))
    }


def _draw_panel(
    axis: Axes, panel: LinePanel, looks: Mapping[str, Look], line: float, shades: Mapping[str, str]
) -> None:
    for name, stretches in panel.shaded.items():
        for low, high in stretches:
            axis.axvspan(low - 0.5, high + 0.5, color=shades[name], alpha=0.13, lw=0)
    axis.axhline(line, color=FAINT, lw=1, ls=CHANCE_LINE)
    axis.plot(panel.places, panel.ceiling, color=CEILING_LOOK.color, lw=1.6)
    for label, values in panel.lines.items():
        look = looks[label]
        axis.plot(
            panel.places, values, color=look.color, ls=look.line, marker=look.marker, ms=4, lw=1.3
        )
    if panel.names:
        axis.set_xticks(panel.places, list(panel.names))


def recovery_scatter(
    points: pd.DataFrame, looks: Mapping[str, Look], title: str, label: str
) -> Figure:
    """Draw recovery against rule score: a panel a grammar, a point a model.

    Parameters
    ----------
    points
        Columns grammar, label, recovery and score.
    looks
        How each label is drawn.
    title
        Title of the figure.
    label
        What recovery is, for the x axis.
    """
    with styled():
        grammars = sorted(points["grammar"].unique())
        shown = [name for name in looks if name in set(points["label"])]
        entries = marker_handles(looks, shown)
        size = (_PANEL[0], 2.9)
        grid = panels_above_legend(
            grammars, size, entries, [], most=_COLUMNS, more=_MORE, sharex=True, sharey=True
        )
        for axis, grammar in zip(grid.axes, grammars, strict=True):
            own = points[points["grammar"] == grammar]
            for name in shown:
                part = own[own["label"] == name]
                look = looks[name]
                axis.scatter(
                    part["recovery"], part["score"], color=look.color, marker=look.marker, s=30
                )
            axis.set(ylim=(-0.26, 1.05), xlabel=label, yticks=np.linspace(0, 1, 6))
            words = "finds the motifs,\ndoes not know the rule"
            axis.text(
                0.98,
                0.03,
                words,
                transform=axis.transAxes,
                ha="right",
                va="bottom",
                color=FAINT,
                size=7.5,
            )
        for axis in grid.axes[:: grid.columns]:
            axis.set_ylabel("rule score")
        return grid.finish(title, loc="outside lower left", borderpad=0)
