"""Whether architectures keep the order that simulated examples give them on real ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from seqgra.compare.ranking import common_values, samples_of
from seqgra.compare.resample import Interval, interval, student_draws
from seqgra.compare.runs import at_size

#: Below so many shared architectures an order says nothing.
_FEWEST_LABELS = 3
_NONE = Interval(math.nan, math.nan, "none")
NAMES = (
    "grammar",
    "dataset",
    "size",
    "labels",
    "tau",
    "low",
    "high",
    "of",
    "p",
    "best",
    "best_real",
)
COLUMNS = (*NAMES, "same_best")


class _Side(NamedTuple):
    """Mean value of each label, float64 (K,), and in each draw, float64 (B, K), None with too few seeds."""

    means: np.ndarray
    draws: np.ndarray | None


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
        tau (Kendall's tau-b of the means) with low, high and of (`resample.Interval`: of
        `resample.student_draws` of each side's means, with enough seeds); p (two-sided, of so strong
        an order among labels in random order, which tells of other architectures too); best, best_real
        (highest mean); same_best (share of draws in which one label is best on both sides, else NaN).
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
    tau = float(kendall(one.means, other.means))
    found, same = _NONE, math.nan
    if one.draws is not None and other.draws is not None:
        drawn = kendall(one.draws, other.draws)
        found = interval(drawn[~np.isnan(drawn)], tau, 1.0)
        same = float((one.draws.argmax(axis=1) == other.draws.argmax(axis=1)).mean())
    p = float(stats.kendalltau(one.means, other.means).pvalue)
    best = [labels[int(side.means.argmax())] for side in (one, other)]
    return [(grammar, dataset, size, len(labels), tau, *found, p, *best, same)]


def _side(group: pd.DataFrame, labels: list[str], key: int) -> _Side:
    """Return the means of one side; labels share their draws of data seeds, sides do not.

    Crossed seeds: both sides share their draws of model seeds, since they share initialisations.
    """
    samples = samples_of(group[group["label"].isin(labels)])
    means = np.array([samples[label].by_row.mean() for label in labels])
    values = common_values([samples[label] for label in labels])
    return _Side(means, None if values is None else student_draws(values, key).T)


def kendall(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b along the last axis (..., K): NaN where all of one side are equal.

    Source: Kendall 1945, doi:10.1093/biomet/33.3.239.

    >>> float(kendall(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))).__round__(4)
    0.3333
    """
    left, right = np.triu_indices(one.shape[-1], 1)
    signs = [np.sign(side[..., left] - side[..., right]) for side in (one, other)]
    untied = np.prod([(sign != 0).sum(axis=-1) for sign in signs], axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray((signs[0] * signs[1]).sum(axis=-1) / np.sqrt(untied))


def shown_rows(table: pd.DataFrame, at: int | None) -> pd.DataFrame:
    """Return one row a pair: at the user's size where there is one, otherwise at the largest."""
    if at is not None and (table["size"] == at).any():
        return table[table["size"] == at]
    largest = table.groupby(["grammar", "dataset"])["size"].transform("max")
    return table[table["size"] == largest]
