"""The report's part on architectures: what each does on every grammar, what it costs, how it trains."""

from __future__ import annotations

import math

import pandas as pd

from seqgra.compare.decide import Statistics
from seqgra.compare.efficiency import TAUS, size_words
from seqgra.compare.runs import filled
from seqgra.plot.style import BASELINES
from seqgra.plot.training import one_architecture
from seqgra.report.content import Block, Part
from seqgra.report.drawing import Drawing, file_name, read_history, save_figure
from seqgra.report.page import Picture, Row, Table, count, number, percent
from seqgra.results import MACRO

_FAILED = ("collapsed", "diverged")


def architectures_block(drawing: Drawing, known: Statistics, tuned: pd.DataFrame) -> Block:
    """Return what every architecture does on each grammar: one table, and a part each to unfold.

    `tuned` is `tuning.tuning_table`, with a column label.
    """
    sizes = {decision.grammar: decision.size for decision in known.decisions}
    needed = known.needed[known.needed["version"] == "typical"].set_index(
        ["label", "grammar", "tau"]
    )
    recovery = drawing.tables.recovery
    recovery = recovery[(recovery["metric"] == drawing.metric) & (recovery["scope"] == MACRO)]
    recovery = recovery[recovery["size"] == recovery["grammar"].map(sizes)]
    means = recovery.groupby(["label", "grammar", "method"])[["value", "rescaled"]].mean()
    measured: dict[tuple[str, str], list[tuple[str, float, float]]] = {}
    for (label, grammar, method), value, rescaled in means.dropna(subset="value").itertuples():
        measured.setdefault((label, grammar), []).append((method, value, rescaled))
    runs = known.runs[known.runs["size"] == known.runs["grammar"].map(sizes)]
    rows = []
    for (label, grammar), group in runs.groupby(["label", "grammar"]):
        want = needed.loc[[(label, grammar, TAUS[0])]].iloc[0]
        words = size_words(float(want["needed"]), int(want["smallest"]), int(want["largest"]))
        failed = int((group["status"] != "done").sum())
        facts = [f"{group['value'].mean():.3f}", f"{failed} of {len(group)}", words]
        nothing = [("", math.nan, math.nan)]
        for method, *values in measured.get((str(label), str(grammar)), nothing):
            cells = [str(label), str(grammar), *facts, method, *(number(v, ".2f") for v in values)]
            rows.append(Row(cells, str(grammar), str(label), str(method)))
    heads = [
        "architecture",
        "grammar",
        "PR AUC",
        "not learnt",
        f"needs for {percent(TAUS[0])}",
        "method",
        "recovery",
        "of the ceiling",
    ]
    caption = (
        "Each architecture on each grammar at its largest size: mean PR AUC, runs that collapsed or "
        "diverged, examples needed, and recovery by each attribution method. Of the ceiling: where that "
        "lies between what background-only inputs give (0) and the exact posterior's recovery by the same "
        "method (1), if the grid has it."
    )
    table = Table(heads, rows, 2, caption)
    labels = sorted(known.runs["label"].unique())
    parts = [_part(drawing, known, tuned, label) for label in labels]
    return Block("architectures", "By architecture", [], [table], [], parts)


def _part(drawing: Drawing, known: Statistics, tuned: pd.DataFrame, label: str) -> Part:
    runs = known.runs[known.runs["label"] == label]
    first = sum(decision.label == label for decision in known.decisions)
    grammars = count(runs["grammar"].nunique(), "grammar")
    failed = int(runs["status"].isin(_FAILED).sum())
    summary = (
        f"named first on {first} of {grammars}; {failed} of {count(len(runs), 'run')} not learnt"
    )
    facts = [
        *_cost(drawing.tables.runs[drawing.tables.runs["label"] == label], known),
        _failures(runs),
        *_undefined(drawing.tables.status, label),
        _tuning(tuned, label),
    ]
    return Part(label, summary, facts, [_by_grammar(known, label)], _draw(drawing, known, label))


def _cost(runs: pd.DataFrame, known: Statistics) -> list[str]:
    """Say how large an architecture is and how long it took."""
    stages = ["train_seconds", "evaluate_seconds", "attribute_seconds"]
    facts = []
    parameters = runs["parameters"].dropna()
    if len(parameters):
        low, high = int(parameters.min()), int(parameters.max())
        spread = f"{low:,} to {high:,} by grammar" if low < high else f"{high:,}"
        facts.append(f"Parameters: {spread}.")
    sizes = {decision.grammar: decision.size for decision in known.decisions}
    largest = runs[runs["size"] == runs["grammar"].map(sizes)]["train_seconds"].mean()
    minutes = runs[stages].sum().sum() / 60
    if not math.isnan(largest):
        facts.append(
            f"A training at the largest size took {largest:,.1f} s on average; all runs, evaluated and "
            f"attributed, {minutes:,.1f} min."
        )
    return facts


def _failures(runs: pd.DataFrame) -> str:
    failed = runs[runs["status"].isin(_FAILED)]
    if failed.empty:
        return f"All of {count(len(runs), 'run')} learnt something."
    kinds = failed["status"].value_counts()
    told = " and ".join(f"{kinds[name]:,} {name}" for name in _FAILED if name in kinds)
    where = failed.groupby(["grammar", "size"], as_index=False).agg(many=("status", "size"))
    where = where.sort_values("many", ascending=False, kind="stable")
    first = where.head(4)[["many", "grammar", "size"]].to_numpy()
    places = [f"{many} on {grammar} at {size:,}" for many, grammar, size in first]
    more = f" and {len(where) - 4} more places" if len(where) > 4 else ""
    return f"Of {count(len(runs), 'run')} {told}: {', '.join(places)}{more}."


def _undefined(status: pd.DataFrame, label: str) -> list[str]:
    """Say which attribution methods and probes do not exist for an architecture."""
    told = status.loc[status["label"] == label, "not_defined"]
    reasons = sorted({words for text in told for words in text.split("; ") if words})
    return [f"Not defined for it: {words}." for words in reasons]


def _tuning(tuned: pd.DataFrame, label: str) -> str:
    own = tuned[(tuned["label"] == label) & tuned["chosen"]] if len(tuned) else tuned
    if own.empty:
        return "Not tuned: trained as its file says."
    picked = own["optimizer"].value_counts()
    words = ", ".join(f"{name} ({many} times)" for name, many in picked.items())
    return f"Tuned for {count(len(own), 'grammar and size')}: {words}."


def _by_grammar(known: Statistics, label: str) -> Table:
    """Return mean PR AUC of an architecture by grammar and size, collapsed runs counted in."""
    runs = filled(known.runs[known.runs["label"] == label])
    sizes = sorted(runs["size"].unique())
    means = runs.pivot_table(index="grammar", columns="size", values="value", aggfunc="mean")
    rows = []
    for grammar, row in means.iterrows():
        bounds = known.bounds[str(grammar)]
        ends = [number(bounds.chance, ".3f"), f"{bounds.ceiling:.3f}" if bounds.known else ""]
        cells = [str(grammar), *(number(row[size], ".3f") for size in sizes), *ends]
        rows.append(Row(cells, str(grammar), label))
    heads = ["grammar", *(f"{size:,}" for size in sizes), "constant", "ceiling"]
    return Table(heads, rows, 1, "Mean PR AUC by dataset size.")


def _draw(drawing: Drawing, known: Statistics, label: str) -> list[Picture]:
    """Draw the learning curves of an architecture over grammars, and one training on each."""
    runs = known.runs[known.runs["label"] == label]
    sizes = {decision.grammar: decision.size for decision in known.decisions}
    losses: dict[str, pd.DataFrame] = {}
    for cell in drawing.cells:
        wanted = cell.size == sizes.get(cell.grammar) and cell.grammar not in losses
        wanted &= cell.backend not in BASELINES  # whose rows are penalties, not epochs
        if (
            wanted
            and drawing.labels[cell.key] == label
            and len(history := read_history(cell.model))
        ):
            losses[cell.grammar] = history
    title = f"{label}: learning curves, and one training on each grammar"
    stem = save_figure(
        drawing, f"architecture-{file_name(label)}", one_architecture(runs, losses, title)
    )
    caption = (
        f"Left: mean PR AUC of {label} against dataset size, one line a grammar; bars from the smallest to "
        "the largest run, open where a run collapsed or diverged."
    )
    if losses:
        caption += (
            " Right: loss by epoch of its first run on each grammar at the largest size, validation solid "
            "and training dashed; a widening gap is overfitting, a flat line never learnt."
        )
    return [Picture(stem, title, caption)]
