"""The figures of one grammar: curves, agreement plot and logos, drawn from the nouns of first seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqgra.alphabet import PADDING
from seqgra.compare.ceiling import ceiling_facts, is_ceiling
from seqgra.compare.drawing import (
    Drawing,
    by_cell,
    file_name,
    first_seeds,
    recovery_runs,
    save_figure,
)
from seqgra.compare.facts import grammar_facts
from seqgra.compare.tables import KEYS, Cell
from seqgra.dataset import Dataset, open_dataset
from seqgra.fingerprint import read_run
from seqgra.grammar.combinations import ROLES
from seqgra.grammar.schema import Grammar
from seqgra.plot.agreement import Panel, agreement_grid
from seqgra.plot.attribution import Example, Placed, example_logos
from seqgra.plot.content import Section
from seqgra.plot.curves import (
    Curves,
    mean_curves,
    roc_pr,
)
from seqgra.plot.page import Picture
from seqgra.plot.style import compact
from seqgra.results import MACRO, MICRO, read_curves, read_pictured


def draw_grammar(drawing: Drawing, grammar: str) -> Section:
    """Draw the figures of one grammar at its largest size with scores, of each first seed."""
    cells = [cell for cell in drawing.cells if cell.grammar == grammar]
    pictures = [
        _draw_roc_pr(drawing, grammar),
        _draw_agreement(drawing, grammar, cells),
        _draw_examples(drawing, grammar, cells),
    ]
    described = _grammar(cells[0].test)
    facts = [
        grammar_facts(described) if described else "",
        ceiling_facts(grammar, drawing.tables.regret, drawing.less),
    ]
    return Section(
        grammar,
        described.description if described else "",
        " ".join(filter(None, facts)),
        [p for p in pictures if p is not None],
        _confounding(drawing, grammar),
    )


def _confounding(drawing: Drawing, grammar: str) -> pd.DataFrame:
    """Return the mean share of importance on confounders at the largest size (see `Section`)."""
    recovery = drawing.tables.recovery
    means = {}
    for name in ("share", "share_lift"):
        shown = recovery_runs(recovery, drawing.method, f"confounder_{name}")
        shown = shown[shown["grammar"] == grammar]
        shown = shown[shown["size"] == shown["size"].max()]
        means[name.removeprefix("share_")] = shown.groupby("label")["value"].mean()
    return pd.DataFrame(means).reset_index()


def _draw_roc_pr(drawing: Drawing, grammar: str) -> Picture | None:
    scores = drawing.tables.scores
    areas = scores[(scores["grammar"] == grammar) & scores["headline"]]
    areas = areas[areas["metric"].isin(["roc_auc", "pr_auc"])].dropna(subset=["value"])
    if areas.empty:
        return None
    size, scope = int(areas["size"].max()), str(areas["scope"].iloc[0])
    chance = float(areas.loc[areas["metric"] == "pr_auc", "chance"].iloc[0])
    kept = (areas["size"] == size) | areas["backend"].map(is_ceiling).astype(bool)
    areas = areas[kept].pivot(index=list(KEYS), columns="metric", values="value")
    curves = {}
    for cell, label in first_seeds(drawing, areas.index, size):
        area: Any = areas.loc[[cell.key]].iloc[0]
        table = read_curves(cell.scores, scope)
        table = mean_curves(table) if scope == MACRO else table
        curves[label] = Curves(table, float(area["roc_auc"]), float(area["pr_auc"]))
    title = f"{grammar}: ROC and precision-recall curves ({scope}) at {compact(size)} examples"
    drawn = roc_pr(curves, drawing.looks, title, chance)
    stem = save_figure(drawing, f"roc-pr-{file_name(grammar)}", drawn)
    averaged = (
        "all conditions pooled (micro)"
        if scope == MICRO
        else "the mean of the conditions' curves at each false positive rate and recall (macro)"
    )
    caption = (
        f"ROC (left) and precision-recall curves (right) on the test set of {grammar}, trained at "
        f"dataset size {size:,}; one run an architecture (its first seed), {averaged}. Areas of these "
        "runs stand in the legend; baselines are dashed and grey, the exact posterior, if the grid has "
        f"it, is thin and black. Dotted: a constant prediction (PR AUC {chance:.3f})."
    )
    return Picture(stem, title, caption)


def _draw_agreement(drawing: Drawing, grammar: str, cells: list[Cell]) -> Picture | None:
    recovery = drawing.tables.recovery
    rows = recovery[(recovery["grammar"] == grammar) & (recovery["method"] == drawing.method)]
    if rows.empty or read_run(cells[0].test) is None:
        return None
    dataset = open_dataset(cells[0].test)
    size = int(rows["size"].max())
    status = by_cell(drawing.tables.status, "status")
    index = pd.MultiIndex.from_frame(rows[list(KEYS)].drop_duplicates())
    panels = [
        _panel(drawing, dataset, cell, label, status[cell.key])
        for cell, label in first_seeds(drawing, index, size)
    ]
    title = f"{grammar}: grammar agreement ({drawing.method}) at {compact(size)} examples"
    stem = save_figure(drawing, f"agreement-{file_name(grammar)}", agreement_grid(panels, title))
    row = "a label of a test example" if dataset.task == "multi-label" else "a test example"
    blue = ", blue: part of a confounder" if dataset.grammar.confounders else ""
    caption = (
        f"Grammar agreement on {grammar}: each row is {row}, grouped by condition, each column a "
        f"position. Hue tells what the position is (green: part of the grammar, red: background{blue}, "
        "grey: not counted, such as elements of other conditions, blank: beyond the end), darkness how "
        f"important it is to the network by {drawing.method}. A network that uses the grammar is dark "
        f"where it is green and pale where it is red. Dataset size {size:,}, first seed of each "
        "architecture."
    )
    return Picture(stem, title, caption)


def _draw_examples(drawing: Drawing, grammar: str, cells: list[Cell]) -> Picture | None:
    """Draw the first explained example of each condition, by the first architecture that has any."""
    recovery = drawing.tables.recovery
    rows = recovery[(recovery["grammar"] == grammar) & (recovery["method"] == drawing.method)]
    if rows.empty or read_run(cells[0].test) is None:
        return None
    size, dataset = int(rows["size"].max()), open_dataset(cells[0].test)
    index = pd.MultiIndex.from_frame(rows[list(KEYS)].drop_duplicates())
    cell, label = first_seeds(drawing, index, size)[0]
    pictured = read_pictured(dict(cell.attributions)[drawing.method])
    _, first = np.unique(pictured.explained, return_index=True)
    examples = [_example(dataset, *(part[i] for part in pictured)) for i in first[:4]]
    title = f"{grammar}: examples as {label} sees them ({drawing.method}, {compact(size)} examples)"
    stem = save_figure(
        drawing,
        f"examples-{file_name(grammar)}",
        example_logos(examples, len(dataset.alphabet.letters), title),
    )
    caption = (
        f"The first explained test example of each condition of {grammar}, at most four: letters as high "
        f"as what {drawing.method} gives their position (summed over letters), its elements above. "
        "Of long sequences the stretch around the elements of the condition."
    )
    return Picture(stem, title, caption)


def _example(dataset: Dataset, row: int, explained: int, values: np.ndarray) -> Example:
    codes = np.asarray(dataset.x("test")[int(row)])
    codes = codes[codes != PADDING]
    table = dataset.elements("test", int(row) + 1)
    placed, names = [], list(dataset.grammar.elements)
    columns = ["element", "condition", "start", "end", "strand", "role"]
    chosen = table.loc[table["example"] == row, columns].to_numpy(np.int64).tolist()
    for element, condition, start, end, strand, role in chosen:
        own = ROLES[role] == "grammar" and condition == explained
        other = "confounder" if ROLES[role] == "confounder" else "other"
        placed.append(Placed(names[element], start, end, strand, "grammar" if own else other))
    scores = values.sum(axis=0)[: len(codes)]
    title = f"{dataset.conditions[explained]}, test example {row}"
    return Example(title, dataset.alphabet.decode(codes), scores, placed)


def _panel(drawing: Drawing, dataset: Dataset, cell: Cell, label: str, status: str) -> Panel:
    rows, explained, values = read_pictured(dict(cell.attributions)[drawing.method])
    order = np.lexsort((rows, explained))
    title = label if status == "done" else f"{label} ({status})"
    roles = drawing.roles(dataset, "test", rows, explained)
    names = [dataset.conditions[number] for number in explained[order]]
    return Panel(title, values[order], roles[order], names)


def _grammar(test: Path) -> Grammar | None:
    """Return the grammar of a test set, None where it is not simulated yet."""
    return open_dataset(test).grammar if read_run(test) else None
