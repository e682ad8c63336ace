"""Which architecture is best, and what the runs carry.

Within a grammar, architectures are paired by data seed. Across grammars the grammar is the block:
seeds of one grammar are not independent problems.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from seqgra.compare.resample import DRAWS, FEWEST_SEEDS, draw_seeds, median

#: How often a claim may be wrong.
ALPHA = 0.05


class Across(NamedTuple):
    """Architectures compared over grammars.

    Attributes
    ----------
    ranks
        Mean rank of each label, 1 the best, sorted.
    p_values
        One row a pair: label, other, p (Wilcoxon signed rank, two-sided, Holm over all pairs).
    cliques
        Labels that are not told apart, runs of `ranks`; those of one label are left out.
    grammars
        The complete blocks: grammars with a value of every label.
    friedman
        P value of Friedman's test that all are alike; NaN below three labels or grammars.
    least
        The smallest p value, after Holm, that so many grammars can give.
    """

    ranks: pd.Series
    p_values: pd.DataFrame
    cliques: list[tuple[str, ...]]
    grammars: list[str]
    friedman: float
    least: float


def standings(runs: pd.DataFrame, leader: str | None = None) -> pd.DataFrame:
    """Compare the architectures of one grammar by the mean of a value; higher is better.

    Parameters
    ----------
    runs
        One row a run: label, data_seed and value; NaN is left out.
    leader
        The label to compare the others with; that of the highest mean if not given.

    Returns
    -------
    DataFrame
        One row a label, the leader first, then by mean: mean; seeds, data seeds shared with the
        leader; behind, by how much the leader leads, mean over those; behind_low and behind_high, its
        95 % interval (Student's t, paired by data seed); p, two-sided, Holm over the others; best, the
        share of bootstrap draws in which it has the highest mean; regret, by how much it is expected to
        fall short of the best, mean over draws. NaN below five shared data seeds.
    """
    runs = runs.dropna(subset=["value"])
    by_seed = runs.pivot_table(index="data_seed", columns="label", values="value", aggfunc="mean")
    order = sorted(
        by_seed.columns, key=lambda label: (label != leader, -by_seed[label].mean(), label)
    )
    rows = [
        (label, float(by_seed[label].mean()), *_paired(by_seed, order[0], label)) for label in order
    ]
    columns = ["label", "mean", "seeds", "behind", "behind_low", "behind_high", "p"]
    table = pd.DataFrame(rows, columns=columns)
    table.loc[1:, "p"] = holm(table["p"].to_numpy()[1:])
    best, regret = _chances(runs, order)
    return table.assign(best=best, regret=regret)


def _paired(
    by_seed: pd.DataFrame, leader: str, label: str
) -> tuple[int, float, float, float, float]:
    """Return shared seeds, mean difference, its interval and p value."""
    difference = (by_seed[leader] - by_seed[label]).dropna().to_numpy()
    many, nothing = len(difference), math.nan
    mean = float(difference.mean()) if many else nothing
    if label == leader:
        return many, 0.0, 0.0, 0.0, nothing
    if many < FEWEST_SEEDS:
        return many, mean, nothing, nothing, nothing
    error = float(difference.std(ddof=1)) / math.sqrt(many)
    width = float(stats.t.ppf(1 - ALPHA / 2, many - 1)) * error
    ratio = abs(mean) / error if error else math.inf if mean else 0.0
    p = float(2 * stats.t.sf(ratio, many - 1))
    return many, mean, mean - width, mean + width, p


def mean_interval(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the 95 % interval of each mean, Student's t over data seeds; none below five.

    Parameters
    ----------
    runs
        One row a run: grammar, label, data_seed, value.

    Returns
    -------
    DataFrame
        Columns grammar, label, low and high.
    """
    keys = ["grammar", "label"]
    by_seed = runs.groupby([*keys, "data_seed"])["value"].mean().groupby(keys)
    table = by_seed.agg(["mean", "std", "size"]).reset_index()
    table = table[table["size"] >= FEWEST_SEEDS]
    half = stats.t.ppf(1 - ALPHA / 2, table["size"] - 1) * table["std"] / np.sqrt(table["size"])
    return table[keys].assign(low=table["mean"] - half, high=table["mean"] + half)


def _chances(runs: pd.DataFrame, order: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return how often each label is best, and its expected regret, over paired draws."""
    shared = set.intersection(*(set(g["data_seed"]) for _, g in runs.groupby("label")))
    if len(shared) < FEWEST_SEEDS:
        return np.full(len(order), np.nan), np.full(len(order), np.nan)
    runs = runs[runs["data_seed"].isin(shared)].sort_values("data_seed")
    means = np.empty((len(order), DRAWS))
    for i, label in enumerate(order):
        own = runs[runs["label"] == label]
        rows = draw_seeds(own["data_seed"].to_numpy(np.int64), key=i)
        means[i] = own["value"].to_numpy()[rows].mean(axis=1)
    centre, many = means.mean(axis=1, keepdims=True), len(shared)
    means = centre + math.sqrt(many / (many - 1)) * (means - centre)  # see `resample.interval`
    highest = means.max(axis=0)
    ties = means == highest
    return (ties / ties.sum(axis=0)).mean(axis=1), (highest - means).mean(axis=1)


def chance_fewest(
    crossing: Mapping[str, np.ndarray],
    seeds: Mapping[str, np.ndarray],
    areas: Mapping[str, np.ndarray],
) -> dict[str, float]:
    """Return how often each label has the smallest median of examples needed, ties by area.

    Draws are paired by data seed. Empty below five shared data seeds; a draw in which no label
    reaches the target goes to the largest area.

    Parameters
    ----------
    crossing, seeds, areas
        Label -> float64 (S,), int64 (S,) and float64 (S,): log2 sizes, data seeds and areas of its
        complete curves, from `efficiency`.
    """
    labels = sorted(crossing)
    shared = (
        set.intersection(*(set(seeds[label].tolist()) for label in labels)) if labels else set()
    )
    if len(shared) < FEWEST_SEEDS:
        return {}
    needs, area = np.empty((len(labels), DRAWS)), np.empty((len(labels), DRAWS))
    for i, label in enumerate(labels):
        own = np.flatnonzero(np.isin(seeds[label], list(shared)))
        own = own[np.argsort(seeds[label][own], kind="stable")]
        rows = own[draw_seeds(seeds[label][own], key=i)]
        needs[i], area[i] = median(crossing[label][rows]), median(areas[label][rows])
    least = needs == needs.min(axis=0)
    won = np.where(least, area, -np.inf)
    ties = won == won.max(axis=0)
    return dict(zip(labels, (ties / ties.sum(axis=0)).mean(axis=1).tolist(), strict=True))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p values adjusted for testing all of them (Holm 1979); NaN stays and does not count.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    adjusted = np.full(len(p), np.nan)
    there = np.flatnonzero(~np.isnan(p))
    order = there[np.argsort(p[there], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def across(values: pd.DataFrame) -> Across | None:
    """Compare architectures over grammars by ranks; None below two complete grammars or two labels.

    Pairs are tested by themselves, not by mean ranks, whose tests depend on which other architectures
    are there (Benavoli, Corani and Mangili, JMLR 17(5), 2016).

    Parameters
    ----------
    values
        float64, index grammar, one column a label; higher is better, NaN where there is none.
    """
    blocks = values.dropna()
    if min(blocks.shape) < 2:
        return None
    ranks = blocks.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    labels = [str(label) for label in ranks.index]
    pairs = [(a, b) for i, a in enumerate(labels) for b in labels[i + 1 :]]
    p = holm(np.array([_wilcoxon(blocks[a] - blocks[b]) for a, b in pairs]))
    table = pd.DataFrame(pairs, columns=["label", "other"]).assign(p=p)
    friedman = (
        float(stats.friedmanchisquare(*(blocks[label] for label in labels)).pvalue)
        if len(labels) > 2 and len(blocks) > 2
        else math.nan
    )
    least = min(1.0, len(pairs) * 2.0 ** (1 - len(blocks)))
    grammars = [str(name) for name in blocks.index]
    return Across(ranks, table, _cliques(labels, table), grammars, friedman, least)


def _wilcoxon(difference: pd.Series) -> float:
    if not difference.any():
        return 1.0
    return float(stats.wilcoxon(difference).pvalue)


def _cliques(labels: list[str], p_values: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the longest runs of ranked labels in which no pair is told apart."""
    apart = {
        frozenset(pair)
        for *pair, p in p_values[["label", "other", "p"]].itertuples(index=False)
        if p <= ALPHA
    }
    found: list[tuple[str, ...]] = []
    end = 0
    for start in range(len(labels)):
        stop = start + 1
        while stop < len(labels) and not any(
            frozenset((labels[stop], label)) in apart for label in labels[start:stop]
        ):
            stop += 1
        if stop - start > 1 and stop > end:
            found.append(tuple(labels[start:stop]))
            end = stop
    return found
