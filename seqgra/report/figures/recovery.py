"""Figures of what models look at in one grammar: agreement, single examples, average motifs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seqgra.compare.cells import KEYS, CellResults
from seqgra.compare.tables import recovery_runs
from seqgra.dataset import Dataset, open_dataset
from seqgra.fingerprint import read_run
from seqgra.law.affinity import element_columns
from seqgra.motif import information
from seqgra.plot.agreement import BACKGROUND_ROLE, GRAMMAR_ROLE, Panel, agreement_grid
from seqgra.plot.attribution import example_logos
from seqgra.plot.motifs import Logo, logo_grid
from seqgra.plot.style import compact
from seqgra.plot.values import explained_example
from seqgra.recovery import position_roles
from seqgra.report.drawing import (
    Drawing,
    file_name,
    first_seeds,
    save_figure,
)
from seqgra.report.page import Picture
from seqgra.results import THRESHOLD, read_motifs, read_pictured

#: Elements and architectures of the figure of average motifs, at most.
_MOST_ELEMENTS, _MOST_MODELS = 4, 8


class _Shown(NamedTuple):
    """What the figures of a grammar show: one cell of each architecture, at the largest size."""

    grammar: str
    dataset: Dataset
    size: int
    cells: list[tuple[CellResults, str]]
    recovery: pd.DataFrame


def draw_recovery(drawing: Drawing, grammar: str) -> list[Picture]:
    """Draw what the first seed of each architecture looks at; nothing without attributions."""
    recovery = drawing.tables.recovery
    rows = recovery[(recovery["grammar"] == grammar) & (recovery["method"] == drawing.method)]
    test = next(cell.test for cell in drawing.cells if cell.grammar == grammar)
    if rows.empty or read_run(test) is None:
        return []
    index, size = (
        pd.MultiIndex.from_frame(rows[list(KEYS)].drop_duplicates()),
        int(rows["size"].max()),
    )
    cells, rows = first_seeds(drawing, index, size), rows.set_index(list(KEYS)).sort_index()
    shown = _Shown(grammar, open_dataset(test), size, cells, rows)
    panels = _panels(drawing, shown)
    pictures = [
        _draw_agreement(drawing, shown, _with_figures(shown, panels, "")),
        _draw_thresholded(drawing, shown, _with_figures(shown, panels, "_thresholded")),
    ]
    return [*pictures, _draw_examples(drawing, shown), *_draw_motifs(drawing, shown)]


def _draw_agreement(drawing: Drawing, shown: _Shown, panels: list[Panel]) -> Picture:
    grammar, dataset = shown.grammar, shown.dataset
    title = f"{grammar}: grammar agreement ({drawing.method}) at {compact(shown.size)} examples"
    names = _role_names(dataset)
    name = f"agreement-{file_name(grammar)}"
    stem = save_figure(drawing, name, agreement_grid, panels, title, names=names)
    part = names.get(GRAMMAR_ROLE, "part of the grammar")
    rest = names.get(BACKGROUND_ROLE, "background")
    row = "a label of a test example" if dataset.task == "multi-label" else "a test example"
    blue = ", blue: part of a confounder" if dataset.grammar.confounders else ""
    caption = (
        f"Grammar agreement on {grammar}: each row is {row}, grouped by condition, each column a "
        f"position. Hue tells what the position is (green: {part}, red: {rest}{blue}, "
        "grey: not counted, such as elements of other conditions, blank: beyond the end), darkness how "
        f"important it is to the network by {drawing.method}. A network that uses the grammar is dark "
        "where it is green and pale where it is red. Beside the rows: precision, recall and F1 of the "
        "condition, of all its explanations, each position counting by its importance. Dataset size "
        f"{shown.size:,}, first seed of each architecture."
    )
    return Picture(stem, title, caption)


def _role_names(dataset: Dataset) -> dict[int, str]:
    """Return what positions of real data are: hits of motifs, or what a table annotates."""
    if dataset.simulated:
        return {}
    facts = dataset.content["ingest"]
    if "motifs" not in facts.get("sources", {}):
        return {GRAMMAR_ROLE: "annotated", BACKGROUND_ROLE: "not annotated"}
    return {GRAMMAR_ROLE: f"hit at p <= {facts['recipe']['p_value']:g}", BACKGROUND_ROLE: "no hit"}


def real_annotations(cells: Iterable[CellResults]) -> dict[str, str]:
    """Return what recovery is scored against on each real dataset whose test set is there."""
    tests = {cell.grammar: cell.test for cell in cells}
    there = {name: open_dataset(test) for name, test in tests.items() if read_run(test)}
    roles = {
        n: _role_names(found)[GRAMMAR_ROLE] for n, found in there.items() if not found.simulated
    }
    return {
        name: f"motif {role.replace('hit', 'hits')}"
        if role.startswith("hit")
        else f"{role} positions"
        for name, role in roles.items()
    }


def _draw_thresholded(drawing: Drawing, shown: _Shown, panels: list[Panel]) -> Picture:
    words = f"{shown.grammar}: grammar agreement at a threshold ({drawing.method}"
    title = f"{words}, {compact(shown.size)} examples)"
    name = f"agreement-thresholded-{file_name(shown.grammar)}"
    stem = save_figure(drawing, name, agreement_grid, panels, title, thresholded=True)
    names = _role_names(shown.dataset)
    part = names.get(GRAMMAR_ROLE, "part of the grammar")
    rest = names.get(BACKGROUND_ROLE, "background")
    caption = (
        "The examples of the figure above, where every position with an attribution of at least "
        f"{THRESHOLD:g}, of any letter, is called important. Blue: important and {part}, "
        f"yellow: {part} but missed, orange: important but {rest}. Precision, recall and F1 as in "
        "the published seqgra. The threshold is in units of the logit: a model with large logits calls "
        "nearly everything important."
    )
    return Picture(stem, title, caption)


def _draw_examples(drawing: Drawing, shown: _Shown) -> Picture:
    """Draw the first explained example of each condition, by the network with the highest recovery."""
    rows = recovery_runs(drawing.tables.recovery, drawing.method, drawing.metric)
    rows = rows[(rows["grammar"] == shown.grammar) & (rows["size"] == shown.size)]
    means = rows.groupby("label")["value"].mean()
    cell, label = max(shown.cells, key=lambda pair: means.get(pair[1], -np.inf))
    dataset = shown.dataset
    pictured = read_pictured(dict(cell.attributions)[drawing.method])
    _, first = np.unique(pictured.explained, return_index=True)
    examples = [
        explained_example(dataset, "test", *(part[i] for part in pictured)) for i in first[:4]
    ]
    told = f"({drawing.method}, {compact(shown.size)} examples)"
    title = f"{shown.grammar}: examples as {label} sees them {told}"
    name, letters = f"examples-{file_name(shown.grammar)}", len(dataset.alphabet.letters)
    stem = save_figure(drawing, name, example_logos, examples, letters, title)
    caption = (
        f"The first explained test example of each condition of {shown.grammar}, at most four: letters as "
        f"high as what {drawing.method} gives their position (summed over letters), its elements above. "
        "Of long sequences the stretch around the elements of the condition."
    )
    return Picture(stem, title, caption)


def _draw_motifs(drawing: Drawing, shown: _Shown) -> list[Picture]:
    """Draw the average attribution at each element below the element's own letters."""
    dataset, grammar = shown.dataset, shown.dataset.grammar
    elements = drawing.tables.elements
    elements = elements[elements["method"] == drawing.method].set_index([*KEYS, "element"])
    models = shown.cells[:_MOST_MODELS]
    seen = [read_motifs(dict(cell.attributions)[drawing.method]) for cell, _ in models]
    names = [n for n in grammar.elements if any(n in set(table["element"]) for table in seen)]
    if not names:
        return []
    matrices, background = element_columns(grammar), grammar.letter_distribution()
    columns: list[list[Logo | None]] = []
    for name in names[:_MOST_ELEMENTS]:
        matrix = matrices[name]
        bits = np.maximum(information(matrix, background)[:, None], 0)
        column: list[Logo | None] = [Logo(matrix * bits, 1, f"{name}, bits")]
        for (cell, _), table in zip(models, seen, strict=True):
            own = table[table["element"] == name]
            if own.empty:
                column.append(None)
                continue
            heights = own[list(dataset.alphabet.letters)].to_numpy(float)
            like: Any = elements.loc[[(*cell.key, name)]].iloc[0]
            told = f"cosine {like['cosine']:.2f}, flanks {like['flank_mass']:.0%}"
            column.append(Logo(heights, int(own["column"].iloc[0]), told))
        columns.append(column)
    where = "true elements" if dataset.simulated else "motif hits"
    title = f"{shown.grammar}: average {drawing.method} at the {where}"
    rows = ["element", *(label for _, label in models)]
    name, letters = f"motifs-{file_name(shown.grammar)}", "".join(dataset.alphabet.letters)
    stem = save_figure(drawing, name, logo_grid, rows, columns, letters, title)
    more = (
        f" The first {_MOST_ELEMENTS} of {len(names)} elements." if names[_MOST_ELEMENTS:] else ""
    )
    caption = (
        "Top: the letters of each element, as high as their information. Below: the mean attribution of "
        "each letter over all explained instances of the element, five columns beside it on either side; "
        "each panel has its own scale. Cosine: of the positive part with the element, columns weighted "
        "by their information; flanks: share of the attribution beside the element. All elements: the "
        f"table elements. Dataset size {shown.size:,}, first seed of each architecture.{more}"
    )
    return [Picture(stem, title, caption)]


def _panels(drawing: Drawing, shown: _Shown) -> list[Panel]:
    """Return a panel of each cell shown, without figures beside its rows."""
    panels, known = [], dict[tuple[bytes, bytes], np.ndarray]()
    for cell, label in shown.cells:
        rows, explained, values = read_pictured(dict(cell.attributions)[drawing.method])
        examples = (rows.tobytes(), explained.tobytes())  # mostly the same of all cells
        if examples not in known:
            known[examples] = position_roles(shown.dataset, "test", rows, explained)
        order = np.lexsort((rows, explained))
        status = drawing.outcomes[cell.key]
        title = label if status == "done" else f"{label} ({status})"
        names = [shown.dataset.conditions[number] for number in explained[order]]
        panels.append(Panel(title, values[order], known[examples][order], names))
    return panels


def _with_figures(shown: _Shown, panels: list[Panel], kind: str) -> list[Panel]:
    """Add figures beside the rows of panels; `kind` is the end of the names of their metrics."""
    wanted, found = [f"{name}{kind}" for name in ("precision", "recall", "f1")], []
    for (cell, _), panel in zip(shown.cells, panels, strict=True):
        own = shown.recovery.loc[[cell.key]].pivot(index="scope", columns="metric", values="value")
        rows_of = own[wanted].itertuples() if set(wanted) <= set(own) else ()
        found.append(panel._replace(figures={str(scope): values for scope, *values in rows_of}))
    return found
