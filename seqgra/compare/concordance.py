"""Whether architectures keep the order that simulated examples give them on real ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from seqgra.compare.ranking import ALPHA, Sample, common_values, holm, samples_of
from seqgra.compare.resample import mean_over_seeds, student_draws
from seqgra.compare.runs import at_size

#: Below so many shared architectures an order says nothing.
_FEWEST_LABELS = 3
NAMES = (
    "grammar",
    "dataset",
    "size",
    "labels",
    "tau",
    "p",
    "pairs",
    "same",
    "best",
    "best_real",
)
COLUMNS = (*NAMES, "same_best")


class _Side(NamedTuple):
    """What one side says of K labels."""

    #: float64 (K,): mean value of each label.
    means: np.ndarray
    #: float64 (B, K): the same in each draw; None with too few seeds.
    draws: np.ndarray | None
    #: int8 (K (K - 1) / 2,): of each pair, the sign of its difference where that is shown (paired over seeds,
    #: two-sided, Holm over the pairs), else 0.
    shown: np.ndarray


def concordance(runs: pd.DataFrame, real: Collection[str], at: int | None) -> pd.DataFrame:
    """Compare the order of architectures on each grammar with that on each real dataset, by size.

    Parameters
    ----------
    runs
        From `runs.curve_runs`, of grammars and real datasets.
    real
        Names of the real datasets.
    at
        The user's size, taken beside the sizes that both sides have; None if not asked.

    Returns
    -------
    DataFrame
        One row a pair and size with at least three shared labels, columns `COLUMNS`: labels (how many);
        tau (Kendall's tau-b of the means; seeds blur means, so that it tends to lie below that of the true
        ones; NaN where all means of one side are equal); p (two-sided, of so strong an order among labels
        in random order, which holds for other architectures too); pairs, how many pairs of labels are shown
        to differ on both sides, and same, how many of these in the same direction; best, best_real (highest
        mean); same_best (share of draws in which one label is best on both sides, NaN with too few seeds or
        without tau).
    """
    rows = []
    simulated = sorted(set(runs["grammar"]) - set(real))
    for grammar, dataset in itertools.product(simulated, sorted(set(real) & set(runs["grammar"]))):
        pair = runs[runs["grammar"].isin([grammar, dataset])]
        sizes = set.intersection(*(set(own["size"]) for _, own in pair.groupby("grammar")))
        for size in sorted(sizes | ({at} if at else set())):
            rows += _compare(pair, grammar, dataset, size)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _compare(pair: pd.DataFrame, grammar: str, dataset: str, size: int) -> list[tuple[object, ...]]:
    """Return the row of one pair and size, none where too little is shared."""
    groups = [at_size(pair[pair["grammar"] == name], size) for name in (grammar, dataset)]
    labels = sorted(set.intersection(*(set(group["label"]) for group in groups)))
    if len(labels) < _FEWEST_LABELS:
        return []
    one, other = (_side(group, labels, key) for key, group in enumerate(groups))
    tau, p = map(float, stats.kendalltau(one.means, other.means))
    same_best = math.nan
    if math.isfinite(tau) and one.draws is not None and other.draws is not None:
        same_best = float((one.draws.argmax(axis=1) == other.draws.argmax(axis=1)).mean())
    both = one.shown * other.shown
    shown = (int(np.count_nonzero(both)), int((both > 0).sum()))
    best = [labels[int(side.means.argmax())] for side in (one, other)]
    return [(grammar, dataset, size, len(labels), tau, p, *shown, *best, same_best)]


def _side(group: pd.DataFrame, labels: list[str], key: int) -> _Side:
    """Return the means of one side; labels share their draws of data seeds, sides do not.

    Crossed seeds: both sides share their draws of model seeds, since they share initialisations.
    """
    samples = samples_of(group[group["label"].isin(labels)])
    means = np.array([samples[label].by_row.mean() for label in labels])
    values = common_values([samples[label] for label in labels])
    draws = None if values is None else student_draws(values, key).T
    return _Side(means, draws, _shown([samples[label] for label in labels]))


def _shown(samples: Sequence[Sample]) -> np.ndarray:
    """Return the sign of the difference of each pair that is shown, see `_Side`."""
    found = [mean_over_seeds(*a.minus(b)) for a, b in itertools.combinations(samples, 2)]
    shown = holm(np.array([mean.p for mean in found])) <= ALPHA
    return np.where(shown, np.sign([mean.value for mean in found]), 0).astype(np.int8)


def shown_rows(table: pd.DataFrame, at: int | None) -> pd.DataFrame:
    """Return one row a pair: at the user's size where there is one, otherwise at the largest."""
    if at is not None and (table["size"] == at).any():
        return table[table["size"] == at]
    largest = table.groupby(["grammar", "dataset"])["size"].transform("max")
    return table[table["size"] == largest]
