"""Who is taken for whom, of grammars with many conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from seqgra.alphabet import ALPHABETS
from seqgra.compare.ceiling import is_ceiling
from seqgra.compare.cells import KEYS, CellResults
from seqgra.compare.decide import Decision
from seqgra.dataset import open_dataset
from seqgra.grammar.schema import Grammar
from seqgra.motif import divergences
from seqgra.plot.style import INK, compact, headline, new_figure, styled, wrap_title
from seqgra.report.drawing import Drawing, file_name, save_figure
from seqgra.report.page import Picture, caption
from seqgra.results import read_predictions

#: Architectures in a figure of one grammar.
_MOST_PANELS = 6
#: Conditions above which a confusion matrix has no numbers in its cells.
_MOST_NUMBERS = 12


def draw_confusion(drawing: Drawing, decision: Decision) -> list[Picture]:
    """Draw who is taken for whom, of multi-class grammars with three conditions or more."""
    grammar = drawing.compared.grammars.get(decision.grammar)
    if grammar is None or grammar.task != "multi-class" or len(grammar.conditions) < 3:
        return []
    cells = _first_cells(drawing, decision)
    if not cells:
        return []
    dataset = open_dataset(cells[0][1].test)
    order = condition_order(grammar)
    panels = [
        Confusion(
            label,
            confusion(read_predictions(cell.scores), dataset.y("test"))[order][:, order],
        )
        for label, cell in cells[:_MOST_PANELS]
    ]
    names = [dataset.conditions[number] for number in order]
    title = f"{decision.grammar}: who is taken for whom at {compact(decision.size)} examples"
    stem = save_figure(
        drawing, f"confusion-{file_name(decision.grammar)}", confusions, panels, names, title
    )
    words = caption("confusion", size=decision.size)
    return [Picture(stem, title, words)]


def _first_cells(drawing: Drawing, decision: Decision) -> list[tuple[str, CellResults]]:
    """Return the first evaluated cell of each label at the largest size; the ceiling's own comes first."""
    scores = drawing.compared.tables.scores
    done = {tuple(key) for key in scores[list(KEYS)].drop_duplicates().itertuples(index=False)}
    found: dict[str, CellResults] = {}
    for cell in drawing.compared.cells:
        wanted = cell.size == decision.size or is_ceiling(cell.backend)
        if cell.grammar == decision.grammar and wanted and cell.key in done:
            found.setdefault(drawing.labels[cell.key], cell)
    order = [*decision.others["label"]]
    ceilings = [label for label in found if label not in order]
    return [(label, found[label]) for label in [*ceilings, *order] if label in found]


def confusion(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the share of each condition's examples predicted as each, float64 (C, C); rows sum to 1.

    Parameters
    ----------
    logits
        float (N, C).
    y
        (M, C), M >= N: one-hot labels.
    """
    true = np.asarray(y)[: len(logits)].argmax(axis=1)
    many = logits.shape[1]
    counts = np.zeros((many, many))
    np.add.at(counts, (true, logits.argmax(axis=1)), 1)
    result: np.ndarray = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return result


def condition_order(grammar: Grammar) -> np.ndarray:
    """Return an order of the conditions in which those with similar elements are neighbours."""
    letters = ALPHABETS[grammar.alphabet].letters
    names = list(grammar.elements)
    columns = [grammar.elements[name].letter_probabilities(letters) for name in names]
    between = divergences(columns, grammar.letter_distribution(), grammar.alphabet == "DNA")
    own = [
        [
            names.index(element)
            for rule in condition.rules
            for choices in rule.elements.values()
            for element in choices
        ]
        for condition in grammar.conditions.values()
    ]
    many, far = len(own), float(between.max()) + 1
    distance = np.full((many, many), far)
    for i, one in enumerate(own):
        for j, other in enumerate(own):
            if one and other:
                least = between[np.ix_(one, other)].min(axis=1).mean()
                distance[i, j] = min(distance[i, j], least)
    distance = (distance + distance.T) / 2
    np.fill_diagonal(distance, 0)
    return np.asarray(leaves_list(linkage(squareform(distance, checks=False), "average")))


class Confusion(NamedTuple):
    """Who is taken for whom."""

    #: Whose predictions.
    title: str
    #: float (C, C): of the examples of each condition (rows), the share predicted as each (columns).
    shares: np.ndarray


def confusions(panels: Sequence[Confusion], conditions: Sequence[str], title: str) -> Figure:
    """Draw confusion matrices beside one another, the conditions in the same order in all.

    Parameters
    ----------
    panels
        At least one.
    conditions
        Names, in the order of rows and columns.
    title
        Of the figure.
    """
    with styled(grid=False):
        many = len(conditions)
        side = min(max(1.6, 0.28 * many), 4.2)
        columns = min(len(panels), max(1, int(10.5 / (side + 0.4))))
        rows = math.ceil(len(panels) / columns)
        longest = 0.055 * max(len(name) for name in conditions)
        width = max(6.4, (side + 0.15) * columns + longest + 1.3)
        figure = new_figure(width, (side + 0.3) * rows + longest + 0.75)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        small = 7 if many <= 2 * _MOST_NUMBERS else 5.5
        for i, (axis, panel) in enumerate(zip(axes, panels, strict=False)):
            image = axis.imshow(panel.shares, vmin=0, vmax=1, cmap="Blues")
            axis.set_title(wrap_title(panel.title, side + 0.2))
            lowest, left = i + columns >= len(panels), i % columns == 0
            names = list(conditions) if lowest else [""] * many
            axis.set_xticks(range(many), names, rotation=90, fontsize=small)
            names = list(conditions) if left else [""] * many
            axis.set_yticks(range(many), names, fontsize=small)
            axis.tick_params(length=0)
            if many <= _MOST_NUMBERS:
                _write_shares(axis, panel.shares)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        label = "share of the condition's examples"
        figure.colorbar(image, ax=list(axes), fraction=0.03, aspect=25, shrink=0.8, label=label)
        figure.supylabel("condition", fontsize=9)
        figure.supxlabel("predicted", fontsize=9)
        headline(figure, title)
    return figure


def _write_shares(axis: Axes, shares: np.ndarray) -> None:
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            ink = "white" if share > 0.55 else INK
            text = f"{share:.2f}".removeprefix("0")
            axis.text(column, row, text, ha="center", va="center", fontsize=6.5, color=ink)
