"""The figures to decide by, drawn from the statistics of a comparison and the results behind them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from seqgra.alphabet import ALPHABETS
from seqgra.compare.ceiling import is_ceiling
from seqgra.compare.cells import KEYS, CellResults
from seqgra.compare.concordance import shown_rows
from seqgra.compare.decide import TAU, Decision, Statistics
from seqgra.compare.ranking import mean_interval
from seqgra.compare.runs import at_size, filled
from seqgra.compare.tables import models_only, recovery_runs
from seqgra.dataset import open_dataset
from seqgra.grammar.schema import Grammar
from seqgra.motif import divergences
from seqgra.plot.concordance import concordances
from seqgra.plot.decision import bars, fitted, pareto, ranking, strip
from seqgra.plot.noise import NoiseMeasure, against_noise
from seqgra.plot.style import BASELINES, compact
from seqgra.plot.training import Confusion, confusions, histories
from seqgra.report.drawing import (
    Drawing,
    file_name,
    read_history,
    save_figure,
)
from seqgra.report.page import Picture, metric_words, percent
from seqgra.results import read_predictions

#: Runs of an architecture whose histories are drawn.
_MOST_HISTORIES = 4
#: Architectures in a figure of one grammar.
_MOST_PANELS = 6


def draw_runs(drawing: Drawing, known: Statistics) -> list[Picture]:
    """Draw every single run at each grammar's largest size."""
    sizes = {decision.grammar: decision.size for decision in known.decisions}
    shown = known.runs[known.runs["size"] == known.runs["grammar"].map(sizes)]
    if shown.empty:
        return []
    shown = filled(shown)
    title = "Single runs at the largest size"
    stem = save_figure(drawing, "runs", strip, shown, drawing.looks, title, "PR AUC")
    caption = (
        "PR AUC of every single run at each grammar's largest size, the architecture with the highest "
        "mean on top. A mean hides runs that never learnt: open symbols collapsed (they predict no better "
        "than a constant) or diverged (they count as a constant)."
    )
    return [Picture(stem, title, caption)]


def draw_fits(drawing: Drawing, known: Statistics) -> list[Picture]:
    """Draw the fitted learning curves."""
    if not known.fits:
        return []
    title = "Learning curves, fitted and carried on to twice the largest size"
    stem = save_figure(
        drawing, "fits", fitted, known.runs, known.fits, drawing.looks, title, "PR AUC"
    )
    worst = max(fit.error for fit in known.fits.values())
    caption = (
        "Means over runs (symbols) and a curve through them: a logistic in log size or a power law, "
        "whichever predicts the largest size better from the others (it misses it by at most "
        f"{worst:.3f} here). Dashed: beyond the grid, up to twice its largest size. Bands, where there "
        "are enough seeds, are 95 % intervals of the curve over resampled seeds; they know nothing of a "
        "wrong shape."
    )
    return [Picture(stem, title, caption)]


def draw_pareto(drawing: Drawing, known: Statistics) -> list[Picture]:
    """Draw examples needed against recovery and cost, where recovery was measured."""
    points = pareto_points(drawing, known)
    if points.empty:
        return []
    title = "What an architecture costs and gives: examples, recovery, training time"
    measure = f"recovery ({metric_words(drawing.metric)})"
    stem = save_figure(drawing, "pareto", pareto, points, drawing.looks, title, measure)
    caption = (
        f"Examples needed by the typical run for {percent(TAU)} of the way from chance to the ceiling (to 1 "
        "where no ceiling is known) against grammar recovery at the largest size; better is up and left. "
        "On the grey strip: not reached within the grid. The symbol's area grows with the mean training "
        "time at the largest size. Ringed: no other architecture is at least as good in all three and "
        "better in one. Points without intervals: whether two differ is told above."
    )
    return [Picture(stem, title, caption)]


def pareto_points(drawing: Drawing, known: Statistics) -> pd.DataFrame:
    """Return examples needed, recovery and seconds of each (grammar, label) at the largest size."""
    needed = known.needed[(known.needed["tau"] == TAU) & (known.needed["version"] == "typical")]
    sizes = {decision.grammar: decision.size for decision in known.decisions}

    def largest(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["size"] == table["grammar"].map(sizes)]

    keys = ["grammar", "label"]
    recovery = largest(recovery_runs(drawing.tables.recovery, drawing.method, drawing.metric))
    means = recovery.groupby(keys)["value"].mean().rename("recovery")
    cost = largest(drawing.tables.runs).groupby(keys)["train_seconds"].mean().rename("seconds")
    points = needed.set_index(keys)[["needed", "smallest", "largest"]].join(means).join(cost)
    points = points.dropna(subset=["needed", "recovery"]).reset_index()
    front = [_undominated(points, row) for row in range(len(points))]
    return points.assign(front=np.array(front, bool))


def _undominated(points: pd.DataFrame, row: int) -> bool:
    own = points[points["grammar"] == points["grammar"].iloc[row]]
    costs = np.column_stack([own["needed"], -own["recovery"], own["seconds"].fillna(0)])
    mine = costs[own.index.get_loc(points.index[row])]
    return not ((costs <= mine).all(axis=1) & (costs < mine).any(axis=1)).any()


def draw_ranking(drawing: Drawing, known: Statistics) -> list[Picture]:
    """Draw mean ranks over all grammars, where they can tell anything apart or at least be ranked."""
    pictures = []
    for number, (name, found) in enumerate(known.across.items()):
        title = f"Mean ranks over {len(found.grammars)} grammars ({name})"
        stem = save_figure(
            drawing, f"ranking-{number}", ranking, found.ranks, found.cliques, drawing.looks, title
        )
        caption = (
            f"Mean rank of each architecture by mean PR AUC over {len(found.grammars)} grammars, one "
            "block a grammar. Bars join architectures that no pair of which is told apart (Wilcoxon "
            "signed rank over grammars, two-sided, Holm over all pairs, 5 %). So many grammars can give a "
            f"corrected p of {found.least:.2g} at the least."
        )
        pictures.append(Picture(stem, title, caption))
    return pictures


def draw_noise(drawing: Drawing, known: Statistics) -> list[Picture]:
    """Draw prediction and recovery against wrong labels, for grammars that differ in nothing else."""
    pictures = []
    recovery = models_only(recovery_runs(drawing.tables.recovery, drawing.method, drawing.metric))
    predicted = filled(known.runs)
    for number, rates in enumerate(known.wrong_labels):
        cleanest = known.bounds[next(iter(rates))]
        way = f"{percent(TAU)} of the way to " + ("the ceiling" if cleanest.known else "1")
        target, chance = cleanest.target(TAU), cleanest.chance
        measures = [NoiseMeasure("PR AUC", _by_rate(predicted, rates), target, chance, way)]
        if len(found := _by_rate(recovery, rates)):
            measures.append(NoiseMeasure(f"recovery ({metric_words(drawing.metric)})", found))
        title = "Wrong labels: what they cost in prediction and in recovery"
        stem = save_figure(
            drawing, f"noise-{number}", against_noise, measures, drawing.looks, title
        )
        caption = (
            f"{', '.join(rates)}: grammars that differ in the rate of wrong training labels only; test "
            "labels are clean. Lines are means over runs, whiskers reach from the smallest to the largest "
            "run, architectures are set a little apart sideways; runs that diverged are drawn at a "
            f"constant's value. Dotted: {way} from chance, of the cleanest; the table tells at which rates "
            "the median run still reaches it."
        )
        pictures.append(Picture(stem, title, caption))
    return pictures


def _by_rate(runs: pd.DataFrame, rates: Mapping[str, float]) -> pd.DataFrame:
    """Return the runs of some grammars, with their rates of wrong labels."""
    shown = runs[runs["grammar"].isin(list(rates))]
    return shown.assign(rate=shown["grammar"].map(rates))[["rate", "size", "label", "value"]]


def draw_concordance(drawing: Drawing, known: Statistics) -> list[Picture]:
    """Draw every architecture simulated against real, at the user's or the largest size."""
    pairs = shown_rows(known.concordance, known.at)
    values = pd.concat([at_size(known.runs, int(size)) for size in sorted(set(pairs["size"]))])
    title = "Simulated and real: PR AUC of every architecture"
    stem = save_figure(
        drawing, "concordance", concordances, pairs, values, drawing.looks, title, "PR AUC"
    )
    caption = (
        "Mean PR AUC of each architecture on simulated and on real examples, at the same dataset size; lines "
        "reach over its single runs. Where simulation orders architectures as real examples do, symbols "
        "rise from left to right."
    )
    return [Picture(stem, title, caption)]


def draw_at(drawing: Drawing, known: Statistics) -> list[Picture]:
    """Draw every architecture at the user's size."""
    if known.at is None or not known.chosen:
        return []
    shown = at_size(known.runs, known.at)
    title = f"PR AUC at {known.at:,} examples"
    shown = shown.merge(mean_interval(shown), on=["grammar", "label"], how="left")
    stem = save_figure(drawing, "at", bars, shown, drawing.looks, title, "PR AUC")
    between = "" if known.at in set(known.runs["size"]) else ", read between the sizes of the grid"
    caption = (
        f"PR AUC of each architecture at {known.at:,} examples{between} (linear in log size, curve by "
        "curve; open where one of the two runs collapsed). Bars reach from a constant prediction to the "
        "mean; dots are single runs. Intervals of "
        "means, where there are enough seeds, are 95 % (Student's t over seeds); "
        "architectures share data seeds, so that overlapping intervals can still differ."
    )
    return [Picture(stem, title, caption)]


def draw_histories(drawing: Drawing, decision: Decision) -> list[Picture]:
    """Draw the losses of single runs of a grammar at its largest size."""
    runs: dict[str, list[tuple[pd.DataFrame, str]]] = {}
    for cell in drawing.cells:
        here = cell.grammar == decision.grammar and cell.size == decision.size
        if not here or cell.backend in BASELINES:  # whose rows are penalties, not epochs
            continue
        there = runs.setdefault(drawing.labels[cell.key], [])
        if len(there) < _MOST_HISTORIES and len(history := read_history(cell.model)):
            there.append((history, drawing.outcomes[cell.key]))
    order = [label for label in decision.others["label"] if runs.get(label)][:_MOST_PANELS]
    if not order:
        return []
    title = f"{decision.grammar}: training and validation loss at {compact(decision.size)} examples"
    shown = {label: runs[label] for label in order}
    name = f"losses-{file_name(decision.grammar)}"
    stem = save_figure(drawing, name, histories, shown, drawing.looks, title)
    caption = (
        f"Loss by epoch of single runs on {decision.grammar} at dataset size {decision.size:,} (at most "
        f"{_MOST_HISTORIES} of each architecture, the {len(order)} with the highest means). A widening gap "
        "between training (dashed) and validation (solid) is overfitting; a flat line never learnt."
    )
    return [Picture(stem, title, caption)]


def draw_confusion(drawing: Drawing, decision: Decision, grammar: Grammar | None) -> list[Picture]:
    """Draw who is taken for whom, of multi-class grammars with three conditions or more."""
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
    caption = (
        f"Of the test examples of each condition (row), the share predicted as each (column); the first "
        f"run of each architecture at dataset size {decision.size:,}. Conditions stand next to those whose "
        "elements are most alike (average linkage of the least symmetric Kullback-Leibler divergence "
        "between their elements), so that confusions of look-alikes lie near the diagonal."
    )
    return [Picture(stem, title, caption)]


def _first_cells(drawing: Drawing, decision: Decision) -> list[tuple[str, CellResults]]:
    """Return the first evaluated cell of each label at the largest size; the ceiling's own comes first."""
    scores = drawing.tables.scores
    done = {tuple(key) for key in scores[list(KEYS)].drop_duplicates().itertuples(index=False)}
    found: dict[str, CellResults] = {}
    for cell in drawing.cells:
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
