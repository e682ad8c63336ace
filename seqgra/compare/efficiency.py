"""How many examples an architecture needs, from its learning curves over dataset sizes.

A *curve* is one run's value at each size of the grid: same grammar, architecture, data seed and model
seed. Its training sets are nested, so its points are correlated and it is resampled whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from seqgra.compare.resample import Interval, Seeds, interval, median, median_draws, seeds_of
from seqgra.results import NOT_LEARNT

#: How far from chance to the ceiling counts as having learnt the task.
TAUS = (0.9, 0.95, 0.99)
_UNKNOWN = Interval(math.nan, math.nan, "none")
#: What names the curves that are summarised together.
GROUP = ["grammar", "label"]


class LearningCurves(NamedTuple):
    """The learning curves of one architecture on one grammar."""

    #: int64 (K,): dataset sizes, ascending.
    sizes: np.ndarray
    #: float64 (S, K): value of each curve at each size, NaN where it diverged or is missing.
    values: np.ndarray
    #: bool (S, K): False where the run collapsed, diverged or is missing.
    learnt: np.ndarray
    #: bool (S, K): False where the run is missing.
    there: np.ndarray
    #: Of each curve.
    seeds: Seeds

    @property
    def complete(self) -> np.ndarray:
        """Bool (S,): whether a curve has a run at every size."""
        return np.asarray(self.there.all(axis=1))


class Bounds(NamedTuple):
    """What the values of a grammar can be."""

    #: Value of a constant prediction.
    chance: float
    #: Value of the best possible classifier, or 1 where that is not known.
    ceiling: float
    #: Whether `ceiling` is the grammar's own.
    known: bool

    def target(self, tau: float) -> float:
        """Return the value that is the share `tau` of the way from chance to the ceiling."""
        return self.chance + tau * (self.ceiling - self.chance)


def bounds_of(runs: pd.DataFrame) -> dict[str, Bounds]:
    """Return the bounds of each grammar.

    Parameters
    ----------
    runs
        Columns grammar, chance and ceiling (NaN where unknown), constant within a grammar.
    """
    found = {}
    for grammar, group in runs.groupby("grammar"):
        chance, ceiling = group["chance"].median(), group["ceiling"].median()
        known = bool(ceiling == ceiling)
        found[str(grammar)] = Bounds(
            float(chance) if chance == chance else 0.0, float(ceiling) if known else 1.0, known
        )
    return found


def curves_of(runs: pd.DataFrame) -> LearningCurves:
    """Return the curves of runs of one grammar and architecture.

    Parameters
    ----------
    runs
        One row a run: data_seed, model_seed, seeds, size, value (NaN where it diverged) and status.
    """
    seeds = runs[["data_seed", "model_seed"]].to_numpy(np.int64)
    both, row = np.unique(seeds, axis=0, return_inverse=True)
    sizes, column = np.unique(runs["size"].to_numpy(np.int64), return_inverse=True)
    values = np.full((len(both), len(sizes)), np.nan)
    there, failed = np.zeros((2, *values.shape), bool)
    values[row, column] = runs["value"].to_numpy(np.float64)
    there[row, column] = True
    failed[row, column] = runs["status"].isin(NOT_LEARNT).to_numpy(bool)
    own = Seeds(both[:, 0], both[:, 1], seeds_of(runs).crossed)
    return LearningCurves(sizes, values, there & ~failed & np.isfinite(values), there, own)


def best_of_restarts(runs: pd.DataFrame) -> pd.DataFrame:
    """Return, of the model seeds of each size and data seed, the run with the least validation loss.

    That is what laboratories do. A diverged run, whose loss is that of an epoch before, comes behind all
    others. Ties, and runs without a loss, go to the first model seed. All have model seed 0 in the result: of
    crossed seeds, whose restarts all data seeds share, no interval follows.

    Parameters
    ----------
    runs
        One row a run: `GROUP`, size, data_seed, model_seed, status and validation_loss.
    """
    keys = [*GROUP, "size", "data_seed"]
    order = [*keys, "diverged", "validation_loss", "model_seed"]
    runs = runs.assign(diverged=runs["status"] == "diverged")
    ordered = runs.sort_values(order, na_position="last").drop(columns="diverged")
    return ordered.drop_duplicates(keys).assign(model_seed=0)


def crossings(curves: LearningCurves, target: float, sizes: np.ndarray | None = None) -> np.ndarray:
    """Return log2 of the size at which each curve reaches a value, float64 (S,).

    A curve is made monotone in size (isotonic regression over the sizes at which it neither collapsed
    nor diverged) and is linear in log2 of the size between sizes. A size at which it collapsed or
    diverged before it first reaches the target is not reached: the crossing is no smaller.
    -inf: reached at the smallest size already; inf: not reached; NaN: the curve lacks a size, or the
    crossing lies between sizes of the curve that are no neighbours in the grid (an adaptive grid spared
    those between them), so that it is not known.

    Parameters
    ----------
    curves
        S curves.
    target
        The value to reach.
    sizes
        int64, ascending: dataset sizes of the grid; None: those of the curves.
    """
    x = np.log2(curves.sizes.astype(np.float64))
    found = np.full(len(curves.values), np.nan)
    for i in np.flatnonzero(curves.complete):
        at = np.flatnonzero(curves.learnt[i])
        found[i] = _crossing(x, at, curves.values[i], target)
    if sizes is not None and len(sizes) > len(curves.sizes):
        between = np.isfinite(found) & ~np.isin(found, x)
        above = np.searchsorted(x, found[between])
        place = np.searchsorted(sizes, curves.sizes)
        apart = place[above] - place[above - 1] > 1
        found[np.flatnonzero(between)[apart]] = np.nan
    return found


def _crossing(x: np.ndarray, at: np.ndarray, values: np.ndarray, target: float) -> float:
    if not len(at):
        return math.inf
    smooth = isotonic_regression(values[at]).x
    reaching = np.flatnonzero(smooth >= target)
    if not len(reaching):
        return math.inf
    first = int(reaching[0])
    place = int(at[first])
    if first == 0:  # every smaller size, if any, collapsed
        return -math.inf if place == 0 else float(x[place])
    before = int(at[first - 1])
    share = (target - smooth[first - 1]) / (smooth[first] - smooth[first - 1])
    log2_size = x[before] + share * (x[place] - x[before])
    return float(max(log2_size, x[place - 1]) if place - 1 > before else log2_size)


def area(curves: LearningCurves, bounds: Bounds) -> np.ndarray:
    """Return the area under each curve between chance and ceiling on the log2 axis, float64 (S,).

    ALC = [ int (value(n) - c) d log2 n ] / [ (ceiling - c) (log2 n_K - log2 n_1) ], by trapezoids over
    the sizes as they are: the score of the Active Learning Challenge of 2010
    (https://www.causality.inf.ethz.ch/activelearning.php?page=evaluation) with the ceiling in place of 1.
    A diverged run counts as chance, a collapsed one as what it scored. NaN: the curve lacks a size, or
    there is one size only. It depends on the sizes: compare within a grid only.
    """
    x = np.log2(curves.sizes.astype(np.float64))
    span = bounds.ceiling - bounds.chance
    if len(x) < 2 or span <= 0:
        return np.full(len(curves.values), np.nan)
    values = np.where(np.isfinite(curves.values), curves.values, bounds.chance)
    areas = np.trapezoid((values - bounds.chance) / span, x, axis=1) / (x[-1] - x[0])
    return np.where(curves.complete, areas, np.nan)


def efficiency(runs: pd.DataFrame, taus: Iterable[float] = TAUS) -> pd.DataFrame:
    """Return the examples needed by each architecture on each grammar.

    Parameters
    ----------
    runs
        One row a run: `GROUP`, data_seed, model_seed, seeds, size, value, status, validation_loss, chance and
        ceiling (see `runs.curve_runs`).
    taus
        Shares of the way from chance to the ceiling.

    Returns
    -------
    DataFrame
        One row a (grammar, label, version, tau): version, ``typical`` (the median run) or ``best of k``
        restarts; target, the value to reach, and reference, ``ceiling`` or ``perfect`` (1, where the
        ceiling is not known); needed, low, high: dataset sizes, inf where not reached by `largest` and
        0 where reached at `smallest`, NaN where sizes around it were spared; of: ``interval`` (95 %, with
        enough seeds), ``range`` of single curves or ``none``; reached, how many of `curves` reach it;
        data_seeds; alc, the median area (NaN where the grammar has more sizes: it could not be compared);
        smallest, largest, the sizes that were run.
    """
    rows = []
    bounds = bounds_of(runs)
    sizes = {str(name): np.unique(own) for name, own in runs.groupby("grammar")["size"]}
    for (grammar, label), group in runs.groupby(GROUP):
        restarts = group.groupby(["size", "data_seed"])["model_seed"].nunique().max()
        versions = {"typical": group}
        if restarts > 1:
            versions[f"best of {restarts}"] = best_of_restarts(group)
        for version, chosen in versions.items():
            curves, limits = curves_of(chosen), bounds[str(grammar)]
            areas = area(curves, limits)
            whole = curves.complete.any() and len(curves.sizes) == len(sizes[str(grammar)])
            alc = float(np.median(areas[curves.complete])) if whole else math.nan
            for tau in taus:
                facts = (grammar, label, version, tau, limits.target(tau), limits.known, alc)
                rows.append(_row(curves, sizes[str(grammar)], facts))
    return pd.DataFrame(rows, columns=_COLUMNS)


_COLUMNS = [
    *GROUP,
    *("version", "tau", "target", "reference", "needed", "low", "high", "of"),
    *("reached", "curves", "data_seeds", "alc", "smallest", "largest"),
]


def _row(curves: LearningCurves, grid: np.ndarray, facts: tuple[Any, ...]) -> tuple[Any, ...]:
    *names, target, known, alc = facts
    crossing = crossings(curves, target, grid)[curves.complete]
    seeds = curves.seeds.take(np.flatnonzero(curves.complete))
    ends = np.log2(curves.sizes[[0, -1]].astype(np.float64))
    point, bound = math.nan, _UNKNOWN
    if not np.isnan(crossing).any():
        point, bound = needed(crossing, seeds, (ends[0], ends[1]))
    reached = int(np.count_nonzero(~(crossing == math.inf)))
    reference = "ceiling" if known else "perfect"
    sizes = (int(curves.sizes[0]), int(curves.sizes[-1]))
    found = (2.0**value for value in (point, bound.low, bound.high))
    counts = (reached, len(crossing), seeds.many)
    return (*names, target, reference, *found, bound.of, *counts, alc, *sizes)


def needed(crossing: np.ndarray, seeds: Seeds, ends: tuple[float, float]) -> tuple[float, Interval]:
    """Return the median of log2 sizes and its interval, or their range with too few seeds.

    Curves that do not reach the target count as infinite, those that always do as minus infinite. All
    curves end at the same sizes, so of an odd number this is the Kaplan-Meier median too.

    Parameters
    ----------
    crossing
        float64 (S,): from `crossings`, no NaN.
    seeds
        Of the curves.
    ends
        log2 of the smallest and the largest size: what is beyond counts as an octave beyond in the
        `stretch` of crossed seeds.
    """
    if not len(crossing):
        return math.nan, _UNKNOWN
    point = float(median(crossing[None], ends[0])[0])
    if not seeds.enough:
        return point, Interval(float(crossing.min()), float(crossing.max()), "range")
    stretch = seeds.stretch(np.clip(crossing, ends[0] - 1, ends[1] + 1))
    return point, interval(median_draws(crossing, seeds, ends[0]), point, stretch)


def size_words(size: float, smallest: int, largest: int) -> str:
    """Return examples needed in words, censored at the ends of the grid.

    >>> size_words(float("inf"), 500, 40000), size_words(0, 500, 40000), size_words(2345.6, 500, 40000)
    ('> 40,000', '≤ 500', '2,300')
    """
    if math.isnan(size):
        return "unknown"
    if size > largest:
        return f"> {largest:,}"
    if size <= smallest:
        return f"≤ {smallest:,}"
    digits = max(0, int(math.log10(size)) - 1)
    return f"{round(size, -digits):,.0f}"


def noise_tolerated(runs: pd.DataFrame, rates: dict[str, float], tau: float = 0.9) -> pd.DataFrame:
    """Return the largest rate of wrong labels at which the median run still learns the task.

    The target is that of the grammar with the lowest rate. Rates are those of the grid; nothing is
    interpolated between them.

    Parameters
    ----------
    runs
        As for `efficiency`, of grammars that differ in nothing but their label noise and whose test
        sets are clean.
    rates
        Grammar -> its share of wrong labels.
    tau
        Share of the way from chance to the ceiling.

    Returns
    -------
    DataFrame
        One row a (label, size): rate (NaN: not even the lowest), highest (the highest rate of the
        grid) and runs, the fewest at a rate. The target must hold at every lower rate too; where one of
        these has no runs nothing is known beyond.
    """
    cleanest = min(rates, key=lambda name: rates[name])
    target = bounds_of(runs)[cleanest].target(tau)
    shown = runs[runs["grammar"].isin(list(rates))].assign(
        rate=lambda t: t["grammar"].map(rates), value=lambda t: t["value"].fillna(-math.inf)
    )
    rows = []
    for (label, size), group in shown.groupby(["label", "size"]):
        by_rate = group.groupby("rate")["value"].agg(["median", "size"]).sort_index()
        medians = by_rate["median"].reindex(sorted(set(rates.values())))
        holds = (medians >= target).cummin()
        rate = float(holds.index[holds].max()) if holds.any() else math.nan
        rows.append((label, size, rate, float(by_rate.index.max()), int(by_rate["size"].min())))
    return pd.DataFrame(rows, columns=["label", "size", "rate", "highest", "runs"])
