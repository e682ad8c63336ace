"""Every figure of a comparison, drawn from its tables and the nouns behind them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seqgra.alphabet import PADDING
from seqgra.compare.ceiling import ceiling_facts, ceiling_kinds, is_ceiling, restricted
from seqgra.compare.facts import grammar_facts
from seqgra.compare.tables import KEYS, Cell, Tables, ceilings_only, headlines, models_only
from seqgra.dataset import Dataset, open_dataset
from seqgra.fingerprint import read_run
from seqgra.grammar.combinations import ROLES
from seqgra.grammar.schema import Grammar
from seqgra.plot.agreement import Panel, agreement_grid
from seqgra.plot.attribution import Example, Placed, example_logos, method_matrix
from seqgra.plot.curves import (
    Ceiling,
    Curves,
    Knowledge,
    Measure,
    against_size,
    mean_curves,
    roc_pr,
)
from seqgra.plot.page import Picture
from seqgra.plot.report import Section, metric_words
from seqgra.plot.style import Look, compact, save
from seqgra.results import MACRO, MICRO, read_pictured

#: ``roles(dataset, set_name, rows, explained)`` -> uint8 (K, L), see `plot.agreement.Panel`.
Roles = Callable[[Dataset, str, np.ndarray, np.ndarray], np.ndarray]
#: Recovery shown by default, where attributions hold it.
RECOVERY_METRIC = "ap_chance_corrected"
#: Ceilings of less knowledge this close share a line.
_ALIKE = 0.03


class Drawing(NamedTuple):
    """What all figures of a comparison share.

    Attributes
    ----------
    cells
        The grid.
    tables
        Its tables, with a column label.
    looks
        How each label is drawn.
    folder
        Where figures go.
    roles
        Roles of the positions of test examples.
    method, metric
        Attribution method and recovery metric shown; empty where there is no recovery.
    target
        The PR AUC to mark.
    """

    cells: list[Cell]
    tables: Tables
    looks: Mapping[str, Look]
    folder: Path
    roles: Roles
    method: str
    metric: str
    target: float


def draw_overview(drawing: Drawing) -> list[Picture]:
    """Draw PR AUC and recovery against dataset size; figures without data are left out."""
    scores = drawing.tables.scores
    areas = headlines(scores)
    shown = models_only(areas)
    pictures = []
    if len(shown):
        scopes = sorted(shown["scope"].unique())
        line = f"PR AUC {drawing.target:g}"
        title = "Prediction: PR AUC on the test set against dataset size"
        label = f"PR AUC ({scopes[0]})" if len(scopes) == 1 else "PR AUC"
        named = _scope_named if len(scopes) > 1 else _as_is
        ceilings = _ceilings(named(_with_kind(drawing, ceilings_only(areas))))
        less = _less_knowledge(named(_known_less(drawing, shown)))
        measure = Measure(label, title, None, drawing.target, line, ceilings, less)
        stem = _save(drawing, "pr-auc", against_size(named(shown), drawing.looks, measure))
        pictures.append(Picture(stem, title, _score_caption(shown, drawing.target)))
    pictures += _draw_recovery(drawing, "recovery")
    for method in _methods(drawing):
        if method != drawing.method:
            other = drawing._replace(method=method)
            pictures += _draw_recovery(other, f"recovery-{_file_name(method)}")
    return [*pictures, *_draw_methods(drawing)]


def _methods(drawing: Drawing) -> list[str]:
    """Return the attribution methods of the grid, in its order."""
    return list(dict.fromkeys(name for cell in drawing.cells for name, _ in cell.attributions))


def _draw_recovery(drawing: Drawing, name: str) -> list[Picture]:
    """Draw recovery by one method against dataset size, where there is any."""
    found = recovery_runs(drawing.tables.recovery, drawing.method, drawing.metric)
    shown = models_only(found)
    if shown.empty:
        return []
    title = f"Grammar recovery ({drawing.method}) against dataset size"
    ceilings = _ceilings(_with_kind(drawing, ceilings_only(found)))
    measure = Measure(metric_words(drawing.metric), title, 0.0, 0.0, "chance", ceilings)
    if "chance_corrected" not in drawing.metric:
        measure = measure._replace(line=None)
    status = drawing.tables.status[[*KEYS, "status"]]
    merged = shown.merge(status, on=list(KEYS), how="left")
    stem = _save(drawing, name, against_size(merged, drawing.looks, measure))
    return [Picture(stem, title, _recovery_caption(drawing, shown))]


def _draw_methods(drawing: Drawing) -> list[Picture]:
    """Draw recovery by method and architecture, where there are several methods."""
    recovery, methods = drawing.tables.recovery, _methods(drawing)
    if len(methods) < 2 or recovery.empty:
        return []
    shown = recovery[(recovery["metric"] == drawing.metric) & (recovery["scope"] == MACRO)].dropna()
    largest = shown[shown["size"] == shown.groupby("grammar")["size"].transform("max")]
    means = largest.groupby(["method", "label"])["value"].mean().unstack()
    labels = list(dict.fromkeys(drawing.tables.status["label"]))
    labels = [label for label in labels if label in means]
    values = means.reindex(index=methods, columns=labels)
    notes = pd.DataFrame("none", index=values.index, columns=values.columns)
    title = "Grammar recovery by attribution method and architecture"
    words = metric_words(drawing.metric)
    stem = _save(drawing, "methods", method_matrix(values, notes, words, title))
    caption = (
        f"{words}, mean over conditions, runs and grammars at the largest size of each. 1: every "
        "grammar position above every other; 0: chance. Methods without a number are not defined for "
        "the architecture; the table status says why."
    )
    return [Picture(stem, title, caption)]


def _as_is(shown: pd.DataFrame) -> pd.DataFrame:
    return shown


def _scope_named(shown: pd.DataFrame) -> pd.DataFrame:
    """Name the scope beside each grammar, where they differ."""
    return shown.assign(grammar=shown["grammar"] + " (" + shown["scope"] + ")")


def _with_kind(drawing: Drawing, rows: pd.DataFrame) -> pd.DataFrame:
    """Add a column kind: whether the ceiling of a grammar is exact."""
    return rows.assign(kind=rows["grammar"].map(ceiling_kinds(drawing.cells)))


def _ceilings(rows: pd.DataFrame) -> tuple[Ceiling, ...]:
    """Return the first ceiling of each grammar; what is no closed form is marked."""
    found: dict[str, Ceiling] = {}
    for grammar, value, kind in rows[["grammar", "value", "kind"]].to_numpy():
        found.setdefault(str(grammar), Ceiling(str(grammar), float(value), kind == "exact"))
    return tuple(found.values())


def _known_less(drawing: Drawing, shown: pd.DataFrame) -> pd.DataFrame:
    """Return what less knowledge reaches, by the scope each grammar is shown with."""
    known = restricted(drawing.cells)
    known = known[known["knows"] != "everything"]
    scopes = shown.groupby("grammar")["scope"].first()
    known = known.assign(scope=known["grammar"].map(scopes)).dropna(subset=["scope"])
    wanted = known["scope"].map({MICRO: "pr_auc_micro", MACRO: "pr_auc"})
    return known[known["metric"] == wanted]


def _less_knowledge(rows: pd.DataFrame) -> tuple[Knowledge, ...]:
    """Return one line for what is nearly alike, naming all that reaches it."""
    lines: list[Knowledge] = []
    order = rows.sort_values(["grammar", "value"], kind="stable")
    for grammar, value, knows in order[["grammar", "value", "knows"]].to_numpy():
        last = lines[-1] if lines else None
        if last and last.grammar == grammar and value - last.value < _ALIKE:
            lines[-1] = last._replace(knows=f"{last.knows}, {knows}")
        else:
            lines.append(Knowledge(str(grammar), float(value), str(knows)))
    return tuple(lines)


def recovery_runs(recovery: pd.DataFrame, method: str, metric: str) -> pd.DataFrame:
    """Return the rows of one method and metric, averaged over conditions, that have a value."""
    chosen = (recovery["method"] == method) & (recovery["metric"] == metric)
    return recovery[chosen & (recovery["scope"] == MACRO)].dropna()


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
        ceiling_facts(grammar, drawing.tables.regret, restricted(drawing.cells)),
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
    for cell, label in _first_seeds(drawing, areas.index, size):
        area: Any = areas.loc[[cell.key]].iloc[0]
        table = _curves(cell.scores / "curves.parquet", scope)
        curves[label] = Curves(table, float(area["roc_auc"]), float(area["pr_auc"]))
    title = f"{grammar}: ROC and precision-recall curves ({scope}) at {compact(size)} examples"
    drawn = roc_pr(curves, drawing.looks, title, chance)
    stem = _save(drawing, f"roc-pr-{_file_name(grammar)}", drawn)
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


def _curves(path: Path, scope: str) -> pd.DataFrame:
    """Return the pooled curves, or the mean of all conditions' own."""
    operator = "==" if scope == MICRO else "!="
    table = pd.read_parquet(path, filters=[("scope", operator, MICRO)])
    return table if scope == MICRO else mean_curves(table)


def _draw_agreement(drawing: Drawing, grammar: str, cells: list[Cell]) -> Picture | None:
    recovery = drawing.tables.recovery
    rows = recovery[(recovery["grammar"] == grammar) & (recovery["method"] == drawing.method)]
    if rows.empty or read_run(cells[0].test) is None:
        return None
    dataset = open_dataset(cells[0].test)
    size = int(rows["size"].max())
    status = drawing.tables.status.set_index(list(KEYS))["status"]
    index = pd.MultiIndex.from_frame(rows[list(KEYS)].drop_duplicates())
    panels = [
        _panel(drawing, dataset, cell, label, str(status[cell.key]))
        for cell, label in _first_seeds(drawing, index, size)
    ]
    title = f"{grammar}: grammar agreement ({drawing.method}) at {compact(size)} examples"
    stem = _save(drawing, f"agreement-{_file_name(grammar)}", agreement_grid(panels, title))
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
    cell, label = _first_seeds(drawing, index, size)[0]
    pictured = read_pictured(dict(cell.attributions)[drawing.method])
    _, first = np.unique(pictured.explained, return_index=True)
    examples = [_example(dataset, *(part[i] for part in pictured)) for i in first[:4]]
    title = f"{grammar}: examples as {label} sees them ({drawing.method}, {compact(size)} examples)"
    stem = _save(
        drawing,
        f"examples-{_file_name(grammar)}",
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


def _first_seeds(drawing: Drawing, finished: pd.Index, size: int) -> list[tuple[Cell, str]]:
    """Return, for each label, its first finished cell of a size (cells are sorted by seeds)."""
    keys, found = set(finished), dict[str, Cell]()
    labels = drawing.tables.status.set_index(list(KEYS))["label"]
    for cell in drawing.cells:
        wanted = cell.size == size or is_ceiling(cell.backend)
        if wanted and cell.key in keys:
            found.setdefault(str(labels[cell.key]), cell)
    return [(cell, label) for label, cell in found.items()]


def _grammar(test: Path) -> Grammar | None:
    """Return the grammar of a test set, None where it is not simulated yet."""
    return open_dataset(test).grammar if read_run(test) else None


def _save(drawing: Drawing, name: str, figure: Figure) -> Path:
    stem = drawing.folder / name
    save(figure, stem)
    return stem


def _file_name(grammar: str) -> str:
    return re.sub(r"[^\w.-]", "-", grammar)


def _score_caption(shown: pd.DataFrame, target: float) -> str:
    largest = shown["size"].max()
    return (
        f"Area under the precision-recall curve (average precision, {_scope_words(shown)}) on each "
        f"grammar's test set, against dataset size up to {largest:,} examples (70 % of it trains). "
        "Lines are means over seeds, whiskers reach from the smallest to the largest run, dots are "
        "single runs; architectures are set a little apart sideways. Open symbols are collapsed "
        "runs, which count in the means. Baselines without a network are dashed and grey. The "
        f"dotted line is {target:g}, the dash-dotted one a constant prediction, the shares of the "
        "conditions. The thin black line of a grammar, if there is one, is the exact posterior's value "
        "on the same test examples: no classifier is better but by chance. Where it has no closed form, "
        "a faint line marks an estimate or approximation instead, which is no bound."
    )


def _scope_words(shown: pd.DataFrame) -> str:
    """Say whether conditions are pooled or averaged, and where."""
    words = {MICRO: "micro: all conditions pooled", MACRO: "macro: the mean over conditions"}
    scopes = sorted(shown["scope"].unique(), reverse=True)
    if len(scopes) == 1:
        return words[scopes[0]]
    why = "in multi-label and unbalanced tasks"
    return f"{words[MICRO]}; {why} {words[MACRO]}"


def _recovery_caption(drawing: Drawing, shown: pd.DataFrame) -> str:
    examples, left_out = int(shown["examples"].max()), int(shown["left_out"].max())
    without = f" ({left_out:,} more have no grammar position)" if left_out else ""
    return (
        "How well feature importance points at the positions that carry the grammar: "
        f"{metric_words(drawing.metric)} of {drawing.method}, mean over conditions, on "
        f"{examples:,} explanations of test examples that all models share{without}. 1: every "
        "grammar position ranks above every background position; 0: no better than chance. Lines, "
        "whiskers, dots and open symbols as in the figure above. Even a perfect classifier stays "
        "below 1 where sites are weak: the thin black line is what the exact posterior's own importance "
        "reaches."
    )
