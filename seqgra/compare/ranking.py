"""Which architecture is best, and what the runs carry.

Within a grammar, architectures are paired by data seed, and of crossed seeds by model seed. Across
grammars the grammar is the block: seeds of one grammar are not independent problems.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import permutations
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from seqgra.compare.resample import (
    DRAWS,
    FEWEST_SEEDS,
    Seeds,
    is_crossed,
    mean_over_seeds,
    median,
    student_draws,
    whole,
)

#: How often a claim may be wrong.
ALPHA = 0.05


class Across(NamedTuple):
    """Architectures compared over grammars."""

    #: Mean rank of each label, 1 the best, sorted.
    ranks: pd.Series
    #: One row a pair: label, other, p (two-sided, Holm over all pairs; Wilcoxon signed rank, or the test of
    #: crossed seeds; NaN where those are too few).
    p_values: pd.DataFrame
    #: Labels that do not differ significantly, runs of `ranks`; those of one label are left out.
    cliques: list[tuple[str, ...]]
    #: The complete blocks: grammars with a value of every label.
    grammars: list[str]
    #: P value of Friedman's test that all are alike; NaN below three labels or grammars, or where grammars
    #: are no independent blocks.
    friedman: float
    #: The smallest p value, after Holm, that so many grammars can give; 1 where nothing can be tested.
    least: float
    #: Whether grammars share initialisations, so that they are no independent blocks.
    crossed: bool = False
    #: Labels that most of the grammars asked about have no value of, which are not compared.
    left_out: tuple[str, ...] = ()


class Sample(NamedTuple):
    """Values of one label by seed."""

    #: float64, index data seed (or grammar), one column a model seed; NaN where there is none.
    table: pd.DataFrame
    #: Whether rows share the initialisations.
    crossed: bool

    @property
    def by_row(self) -> pd.Series:
        """Mean over model seeds."""
        return self.table.mean(axis=1)

    def minus(self, other: Sample) -> Sample:
        """Return paired differences: crossed if one of the two is, by model seed where both are."""
        if not (self.crossed or other.crossed):
            return Sample((self.by_row - other.by_row).to_frame(), False)
        if self.crossed and other.crossed:
            one, two = self.table.align(other.table, join="inner")
            return Sample(one - two, True)
        if self.crossed:  # the other's initialisations differ by row
            return Sample(self.table.sub(other.by_row, axis=0), True)
        return Sample(-other.table.sub(self.by_row, axis=0), True)


def samples_of(runs: pd.DataFrame, row: str = "data_seed") -> dict[str, Sample]:
    """Return the values of each label by seed.

    Parameters
    ----------
    runs
        Columns label, data_seed, model_seed, value and seeds (see `runs.curve_runs`); NaN is left out.
    row
        What the rows of the tables are; what else varies is averaged.
    """
    runs = runs.dropna(subset=["value"])
    found = {}
    for label, own in runs.groupby("label"):
        table = own.pivot_table(index=row, columns="model_seed", values="value", aggfunc="mean")
        found[str(label)] = Sample(table, is_crossed(own["seeds"]))
    return found


def means_of(runs: pd.DataFrame) -> pd.Series:
    """Return the mean of each label over data seeds, each the mean of its model seeds."""
    by_seed = runs.groupby(["label", "data_seed"])["value"].mean()
    return by_seed.groupby("label").mean()


def gaps_of(runs: pd.DataFrame) -> dict[str, float]:
    """Return how far the mean of each label is behind the best, 0 for the best itself.

    Labels with other data seeds are compared over those that two share, where there are any: seeds may be
    hard. The best is then who leads by most, or lags by least, beside its nearest rival.

    Parameters
    ----------
    runs
        As for `standings`, of one grammar.
    """
    samples = samples_of(runs)
    labels = list(samples)
    own = np.array([sample.by_row.mean() for sample in samples.values()])
    if len({tuple(sample.by_row.index) for sample in samples.values()}) == 1:
        return dict(zip(labels, (own.max() - own).tolist(), strict=True))
    ahead = np.where(np.eye(len(labels), dtype=bool), math.inf, own[:, None] - own)
    for (i, a), (j, b) in permutations(enumerate(labels), 2):
        paired = mean_over_seeds(*samples[a].minus(samples[b])).value
        ahead[i, j] = ahead[i, j] if math.isnan(paired) else paired
    best = int(ahead.min(axis=1).argmax())
    ahead[best, best] = 0.0
    return dict(zip(labels, ahead[best].tolist(), strict=True))


def standings(runs: pd.DataFrame, leader: str | None = None) -> pd.DataFrame:
    """Compare the architectures of one grammar by the mean of a value; higher is better.

    Parameters
    ----------
    runs
        One row a run: label, data_seed, model_seed, value and seeds; NaN is left out.
    leader
        The label to compare the others with; that of the highest mean if not given.

    Returns
    -------
    DataFrame
        One row a label, the leader first, then by mean: mean; design, ``crossed`` where the difference
        from the leader is one of crossed seeds, else ``nested``; seeds, data seeds shared with the leader,
        and model_seeds, the same of crossed ones (0 of nested ones); behind, by how much the leader leads,
        mean over those; behind_low and behind_high, its 95 % interval (`resample.mean_over_seeds`); p,
        two-sided, Holm over the others; best, the probability of the highest mean; regret, by how
        much it is expected to fall short of the best, both over `resample.student_draws`. NaN with too
        few seeds.
    """
    samples = samples_of(runs)
    means = {label: float(sample.by_row.mean()) for label, sample in samples.items()}
    order = sorted(samples, key=lambda label: (label != leader, -means[label], label))
    rows = []
    for label in order:
        behind = mean_over_seeds(*samples[order[0]].minus(samples[label]))
        low, high = behind.interval if label != order[0] else (0.0, 0.0)
        design = "crossed" if samples[order[0]].crossed or samples[label].crossed else "nested"
        seeds = (behind.data_seeds, behind.model_seeds)
        rows.append((label, means[label], design, *seeds, behind.value, low, high, behind.p))
    columns = ["label", "mean", "design", "seeds", "model_seeds"]
    columns += ["behind", "behind_low", "behind_high", "p"]
    table = pd.DataFrame(rows, columns=columns)
    table.loc[0, "p"] = math.nan
    table.loc[1:, "p"] = holm(table["p"].to_numpy()[1:])
    best, regret = _chances([samples[label] for label in order])
    return table.assign(best=best, regret=regret)


def mean_interval(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the 95 % interval of each mean over seeds, cut to 0 to 1; none with too few seeds.

    Parameters
    ----------
    runs
        One row a run: grammar, label, data_seed, model_seed, value, in 0 to 1, and seeds.

    Returns
    -------
    DataFrame
        Columns grammar, label, low and high.
    """
    rows = []
    for grammar, own in runs.groupby("grammar"):
        for label, sample in samples_of(own).items():
            low, high = np.clip(mean_over_seeds(*sample).interval, 0, 1).tolist()
            rows.append((grammar, label, low, high))
    return pd.DataFrame(rows, columns=["grammar", "label", "low", "high"]).dropna()


def _chances(samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """Return how often each label is best, and its expected regret, over draws of all means at once."""
    values = common_values(samples)
    if values is None:
        return np.full(len(samples), math.nan), np.full(len(samples), math.nan)
    means = student_draws(values)
    highest = means.max(axis=0)
    ties = means == highest
    return (ties / ties.sum(axis=0)).mean(axis=1), (highest - means).mean(axis=1)


def common_values(samples: Sequence[Sample]) -> np.ndarray | None:
    """Return the values of labels at the seeds that all share, None where those are too few or have gaps.

    Returns
    -------
    ndarray
        float64 (K, D), or (K, D, M) if one of the labels is of crossed seeds; another then has its mean
        of a data seed at every model seed.
    """
    rows = sorted(set.intersection(*(set(sample.by_row.dropna().index) for sample in samples)))
    crossed = [sample for sample in samples if sample.crossed]
    if not crossed:
        found = np.stack([sample.by_row[rows].to_numpy(np.float64) for sample in samples])
        return found if len(rows) >= FEWEST_SEEDS else None
    columns = sorted(set.intersection(*(set(sample.table.columns) for sample in crossed)))
    tables = np.stack(
        [
            sample.table.reindex(index=rows, columns=columns).to_numpy(np.float64)
            if sample.crossed
            else np.repeat(sample.by_row[rows].to_numpy(np.float64)[:, None], len(columns), axis=1)
            for sample in samples
        ]
    )
    return tables if whole(~np.isnan(tables).any(axis=0)) else None


def chance_fewest(
    crossing: Mapping[str, np.ndarray],
    seeds: Mapping[str, Seeds],
    areas: Mapping[str, np.ndarray],
    least: Mapping[str, float],
) -> dict[str, float]:
    """Return how often each label has the smallest median of examples needed, ties by area.

    Draws are paired by data seed, and of crossed seeds by model seed. Empty with too few shared seeds; a
    draw in which no label reaches the target goes to the largest area.

    Parameters
    ----------
    crossing, seeds, areas
        Label -> float64 (S,), the seeds of S runs and float64 (S,): log2 sizes, seeds and areas of its
        complete curves, from `efficiency`.
    least
        Label -> log2 of its smallest size.
    """
    labels = sorted(crossing)
    if not labels:
        return {}
    shared = set.intersection(*(set(seeds[label].data.tolist()) for label in labels))
    if len(shared) < FEWEST_SEEDS:
        return {}
    needs, area = np.empty((len(labels), DRAWS)), np.empty((len(labels), DRAWS))
    for i, label in enumerate(labels):
        own = seeds[label].among(shared)
        chosen = seeds[label].take(own)
        if not chosen.enough:
            return {}
        rows = own[chosen.draw(key=i)]
        needs[i] = median(crossing[label][rows], least[label])
        area[i] = median(areas[label][rows])
    first = needs == needs.min(axis=0)
    won = np.where(first, area, -np.inf)
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


def across(
    values: pd.DataFrame, crossed: Mapping[str, pd.DataFrame] = MappingProxyType({})
) -> Across | None:
    """Compare architectures over grammars by ranks; None below two complete grammars or two labels.

    Labels that most grammars lack are left out, so that they do not leave out these grammars.

    Pairs are tested by themselves, not by mean ranks, whose tests depend on which other architectures
    are there (Benavoli, Corani and Mangili, JMLR 17(5), 2016). Where a label's grammars share its
    initialisations they are no independent blocks, and differences are tested as crossed ones, with
    grammars in the place of data seeds (`resample.crossed_error`), of min(G, M) - 1 degrees of freedom.

    Parameters
    ----------
    values
        float64, index grammar, one column a label; higher is better, NaN where there is none.
    crossed
        Labels of crossed seeds -> float64, index grammar, one column a model seed.
    """
    rare = values.isna().mean() > 0.5
    left_out = tuple(map(str, values.columns[rare]))
    blocks = values.loc[:, ~rare].dropna()
    if min(blocks.shape) < 2:
        return None
    ranks = blocks.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    labels = [str(label) for label in ranks.index]
    pairs = [(a, b) for i, a in enumerate(labels) for b in labels[i + 1 :]]
    samples = {
        label: Sample(crossed[label].reindex(blocks.index), True)
        if label in crossed
        else Sample(blocks[[label]], False)
        for label in labels
    }
    p = holm(np.array([_p_over_grammars(samples[a].minus(samples[b])) for a, b in pairs]))
    table = pd.DataFrame(pairs, columns=["label", "other"]).assign(p=p)
    friedman = (
        float(stats.friedmanchisquare(*(blocks[label] for label in labels)).pvalue)
        if len(labels) > 2 and len(blocks) > 2 and not crossed
        else math.nan
    )
    tested = p[~np.isnan(p)]
    least = (
        min(1.0, len(tested) * 2.0 ** (1 - len(blocks))) if not crossed else float(not len(tested))
    )
    grammars = [str(name) for name in blocks.index]
    cliques = _cliques(labels, table)
    return Across(ranks, table, cliques, grammars, friedman, least, bool(crossed), left_out)


def _p_over_grammars(difference: Sample) -> float:
    """Return the two-sided p value of differences by grammar; NaN where crossed seeds are too few.

    Crossed: of the fewest degrees of freedom that there can be. Those of `crossed_error` vary with the mean
    squares, and in the small p values that Holm asks of many pairs that tells: three model seeds would
    give 6 to 10 % false differences of three alike architectures (benchmarks/decisions.py).
    """
    if difference.crossed:
        mean = mean_over_seeds(*difference)
        return mean._replace(df=min(mean.data_seeds, mean.model_seeds) - 1.0).p
    return _wilcoxon(difference.table.iloc[:, 0])


def _wilcoxon(difference: pd.Series) -> float:
    if not difference.any():
        return 1.0
    return float(stats.wilcoxon(difference).pvalue)


def _cliques(labels: list[str], p_values: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the longest runs of ranked labels in which no two differ significantly."""
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
