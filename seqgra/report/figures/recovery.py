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
from seqgra.law.element_motifs import element_columns
from seqgra.motif import information
from seqgra.plot.agreement import BACKGROUND_ROLE, GRAMMAR_ROLE, ModelAttributions, agreement_grid
from seqgra.plot.attribution import example_logos
from seqgra.plot.motifs import Logo, logo_grid
from seqgra.plot.style import compact
from seqgra.plot.values import explained_example
from seqgra.recovery import position_roles
from seqgra.report.drawing import Drawing, file_name, first_seeds, save_figure
from seqgra.report.page import Picture, caption
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
    recovery = drawing.compared.tables.recovery
    rows = recovery[
        (recovery["grammar"] == grammar) & (recovery["method"] == drawing.compared.method)
    ]
    test = next(cell.test for cell in drawing.compared.cells if cell.grammar == grammar)
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


def _draw_agreement(drawing: Drawing, shown: _Shown, panels: list[ModelAttributions]) -> Picture:
    grammar, dataset = shown.grammar, shown.dataset
    title = f"{grammar}: grammar agreement ({drawing.compared.method}) at {compact(shown.size)} examples"
    names = _role_names(dataset)
    stem = save_figure(
        drawing, f"agreement-{file_name(grammar)}", agreement_grid, panels, title, names=names
    )
    words = caption(
        "agreement",
        grammar=grammar,
        several=dataset.task == "multi-label",
        part=names.get(GRAMMAR_ROLE, "part of the grammar"),
        rest=names.get(BACKGROUND_ROLE, "background"),
        confounders=bool(dataset.grammar.confounders),
        method=drawing.compared.method,
        size=shown.size,
    )
    return Picture(stem, title, words)


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


def _draw_thresholded(drawing: Drawing, shown: _Shown, panels: list[ModelAttributions]) -> Picture:
    words = f"{shown.grammar}: grammar agreement at a threshold ({drawing.compared.method}"
    title = f"{words}, {compact(shown.size)} examples)"
    name = f"agreement-thresholded-{file_name(shown.grammar)}"
    stem = save_figure(drawing, name, agreement_grid, panels, title, thresholded=True)
    names = _role_names(shown.dataset)
    words = caption(
        "agreement_thresholded",
        threshold=THRESHOLD,
        part=names.get(GRAMMAR_ROLE, "part of the grammar"),
        rest=names.get(BACKGROUND_ROLE, "background"),
    )
    return Picture(stem, title, words)


def _draw_examples(drawing: Drawing, shown: _Shown) -> Picture:
    """Draw the first explained example of each condition, by the network with the highest recovery."""
    rows = recovery_runs(
        drawing.compared.tables.recovery, drawing.compared.method, drawing.compared.metric
    )
    rows = rows[(rows["grammar"] == shown.grammar) & (rows["size"] == shown.size)]
    means = rows.groupby("label")["value"].mean()
    cell, label = max(shown.cells, key=lambda pair: means.get(pair[1], -np.inf))
    dataset = shown.dataset
    pictured = read_pictured(dict(cell.attributions)[drawing.compared.method])
    _, first = np.unique(pictured.explained, return_index=True)
    examples = [
        explained_example(dataset, "test", *(part[i] for part in pictured)) for i in first[:4]
    ]
    how = f"({drawing.compared.method}, {compact(shown.size)} examples)"
    title = f"{shown.grammar}: examples as {label} sees them {how}"
    stem = save_figure(
        drawing,
        f"examples-{file_name(shown.grammar)}",
        example_logos,
        examples,
        len(dataset.alphabet.letters),
        title,
    )
    words = caption("examples", grammar=shown.grammar, method=drawing.compared.method)
    return Picture(stem, title, words)


def _draw_motifs(drawing: Drawing, shown: _Shown) -> list[Picture]:
    """Draw the average attribution at each element below the element's own letters."""
    dataset, grammar = shown.dataset, shown.dataset.grammar
    elements = drawing.compared.tables.elements
    elements = elements[elements["method"] == drawing.compared.method].set_index([*KEYS, "element"])
    models = shown.cells[:_MOST_MODELS]
    seen = [read_motifs(dict(cell.attributions)[drawing.compared.method]) for cell, _ in models]
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
            words = f"cosine {like['cosine']:.2f}, flanks {like['flank_mass']:.0%}"
            column.append(Logo(heights, int(own["column"].iloc[0]), words))
        columns.append(column)
    where = "true elements" if dataset.simulated else "motif hits"
    title = f"{shown.grammar}: average {drawing.compared.method} at the {where}"
    rows = ["element", *(label for _, label in models)]
    stem = save_figure(
        drawing,
        f"motifs-{file_name(shown.grammar)}",
        logo_grid,
        rows,
        columns,
        "".join(dataset.alphabet.letters),
        title,
    )
    words = caption(
        "motifs", size=shown.size, shown=min(_MOST_ELEMENTS, len(names)), elements=len(names)
    )
    return [Picture(stem, title, words)]


def _panels(drawing: Drawing, shown: _Shown) -> list[ModelAttributions]:
    """Return a panel of each cell shown, without figures beside its rows."""
    panels, known = [], dict[tuple[bytes, bytes], np.ndarray]()
    for cell, label in shown.cells:
        rows, explained, values = read_pictured(dict(cell.attributions)[drawing.compared.method])
        examples = (rows.tobytes(), explained.tobytes())  # mostly the same of all cells
        if examples not in known:
            known[examples] = position_roles(shown.dataset, "test", rows, explained)
        order = np.lexsort((rows, explained))
        status = drawing.outcomes[cell.key]
        title = label if status == "done" else f"{label} ({status})"
        names = [shown.dataset.conditions[number] for number in explained[order]]
        panels.append(ModelAttributions(title, values[order], known[examples][order], names))
    return panels


def _with_figures(
    shown: _Shown, panels: list[ModelAttributions], kind: str
) -> list[ModelAttributions]:
    """Add figures beside the rows of panels; `kind` is the end of the names of their metrics."""
    wanted, found = [f"{name}{kind}" for name in ("precision", "recall", "f1")], []
    for (cell, _), panel in zip(shown.cells, panels, strict=True):
        own = shown.recovery.loc[[cell.key]].pivot(index="scope", columns="metric", values="value")
        rows_of = own[wanted].itertuples() if set(wanted) <= set(own) else ()
        found.append(panel._replace(figures={str(scope): values for scope, *values in rows_of}))
    return found
