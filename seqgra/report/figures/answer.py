"""The figure that the page begins with, and the reliability of the architectures it names."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from seqgra.compare.ceiling import is_ceiling
from seqgra.compare.efficiency import size_words
from seqgra.compare.standing import RANGE, missing, selected
from seqgra.plot.answer_panels import answer_panels
from seqgra.plot.calibration import reliabilities
from seqgra.report.drawing import Drawing, save_figure
from seqgra.report.page import Picture, number

#: Architectures and grammars from which on the first figure shows only those that matter.
MANY_ROWS, MANY_COLUMNS = 9, 5
#: Grammars in a figure, at most: the table has all.
_MOST_PANELS = 40


def draw_answer(drawing: Drawing, rows: pd.DataFrame) -> tuple[list[Picture], list[Picture]]:
    """Draw the figure to decide by, and that of all architectures where the first one is a selection.

    Parameters
    ----------
    drawing
        What figures share.
    rows
        From `standing.standing`.
    """
    if rows.empty:
        return [], []
    labels, grammars = rows["label"].nunique(), rows["grammar"].nunique()
    few = labels < MANY_ROWS and grammars < MANY_COLUMNS
    shown = rows if few else selected(rows)
    order = rows.groupby("label")["mean"].mean().sort_values(ascending=False, kind="stable").index
    if few:
        place = {label: i for i, label in enumerate(order)}
        shown = shown.sort_values(["label"], key=lambda c: c.map(place), kind="stable")
    title, caption = _title(rows), _caption(drawing, rows)
    if not few:
        caption = (
            "Of each grammar the architecture named, the two behind it and the best baseline. "
            + caption
        )
    first = _draw(drawing, "answer", shown, title, own_names=not few)
    pictures = [Picture(first, title, caption)]
    if few:
        return pictures, []
    every = _draw(drawing, "answer-all", rows, f"{title}: all architectures", own_names=True)
    return pictures, [Picture(every, f"{title}: all architectures", caption)]


def _draw(drawing: Drawing, name: str, rows: pd.DataFrame, title: str, *, own_names: bool) -> Path:
    kept = list(dict.fromkeys(rows["grammar"]))[:_MOST_PANELS]
    texts = with_texts(rows[rows["grammar"].isin(kept)])
    share = rows["prevalence"].dropna()
    rare = percent_words(float(share.iloc[0])) if len(share) else ""
    return save_figure(
        drawing, name, answer_panels, texts, drawing.looks, title, own_names=own_names, rare=rare
    )


def with_texts(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the texts of the figure's numbers to rows of `standing`; `needed` is replaced by its own."""
    columns = ["needed", "smallest", "largest"]
    needed = [
        "" if missing(size) else size_words(size, int(smallest), int(largest))
        for size, smallest, largest in rows[columns].to_numpy(float).tolist()
    ]
    texts = {
        "value": [f"{value:.3f}" for value in rows["mean"]],
        "rare": [number(value, ".3f") for value in rows["rare"]],
        "recovery": [number(value, ".2f") for value in rows["recovery"]],
        "rule": [number(value, ".2f") for value in rows["rule"]],
    }
    return rows.assign(needed=needed, **texts)


def percent_words(share: float) -> str:
    """Return a prevalence in per cent.

    >>> percent_words(0.01), percent_words(0.0005)
    ('1 %', '0.05 %')
    """
    return f"{100 * share:g} %"


def _title(rows: pd.DataFrame) -> str:
    sizes = sorted(rows["size"].unique())
    if len(sizes) == 1:
        return f"Which architecture, at {sizes[0]:,} examples"
    return f"Which architecture, at {sizes[0]:,} to {sizes[-1]:,} examples"


def _caption(drawing: Drawing, rows: pd.DataFrame) -> str:
    """Say what the numbers are, and of how many runs, explanations and negatives."""
    runs = sorted(rows["runs"].unique())
    many = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    parts = [
        f"PR AUC on the test set, mean of {many} runs; bars: "
        + ("their range" if (rows["of"] == RANGE).any() else "95 % intervals of the mean")
        + ".",
        "Examples: dataset size at which it comes 90 % of the way from chance to the ceiling, or to 1 "
        "where no ceiling is known.",
    ]
    if rows["recovery"].notna().any():
        explained = sorted({int(n) for n in rows["explained"].dropna()})
        of = " or ".join(f"{n:,}" for n in explained)
        simulated = set(rows["grammar"]) - drawing.annotations.keys()
        kinds = ["the positions that carry the grammar"] if simulated else []
        kinds += [f"the {what} of {name}" for name, what in drawing.annotations.items()]
        what = ", or at ".join(kinds)
        parts.append(
            f"Recovery: how well {drawing.method} points at {what} (0: chance, 1: perfect; {of} "
            "explanations a run)."
        )
    if rows["rule"].notna().any():
        parts.append(
            "Rule: how well it knows what the grammar is about, by probes (1: as the best possible "
            "classifier, 0: not at all)."
        )
    if rows["rare"].notna().any():
        share = percent_words(float(rows["prevalence"].dropna().iloc[0]))
        fewest = int(rows["negatives"].min())
        parts.append(
            f"At {share}: PR AUC where {share} of the examples are positive, each condition in turn, mean "
            f"over conditions. It rests on {fewest:,} negative examples: false positive rates below 1 in "
            f"{fewest:,} cannot be seen."
        )
    return " ".join(parts)


def draw_calibration(drawing: Drawing, table: pd.DataFrame) -> list[Picture]:
    """Draw whether the probabilities of the architectures named are what they say.

    Parameters
    ----------
    drawing
        What figures share.
    table
        From `calibration.calibration`.
    """
    if table.empty:
        return []
    exact = table["backend"].map(is_ceiling).astype(bool)
    shown = table[~(exact & table["scaled"])]
    keys = ["grammar", "label", "scaled", "low"]
    groups = shown.assign(ceiling=shown["backend"].map(is_ceiling)).groupby([*keys, "ceiling"])
    bins = groups.agg(
        predicted=("predicted", "mean"), observed=("observed", "mean"), examples=("examples", "sum")
    ).reset_index()
    brier = shown.drop_duplicates(["grammar", "label", "scaled", "data_seed", "model_seed"])
    means = brier.groupby(keys[:3])["brier"].mean().reset_index()
    bins = bins.merge(means, on=keys[:3]).sort_values(["grammar", "ceiling", "scaled", "low"])
    title = "Are its probabilities what they say? Reliability of the architectures named"
    stem = save_figure(drawing, "calibration", reliabilities, bins, drawing.looks, title)
    sizes = shown.loc[~exact, "size"]
    caption = (
        "How often a condition is there, against the probability that the model gives it, in ten bins, over "
        f"all runs of the architecture at the largest size ({sizes.min():,}"
        + (f" to {sizes.max():,}" if sizes.min() < sizes.max() else "")
        + " examples). On the grey line probabilities are right; below it the model is too sure. The number "
        "behind each name is its Brier score (mean squared error of the probabilities, 0: perfect). Scaled: "
        "logits divided by the temperature that fits the validation set."
    )
    return [Picture(stem, title, caption)]
