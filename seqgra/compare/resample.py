"""Means over seeds: their standard errors, and draws of runs and of means, for both seed designs.

Nested seeds: each data seed has initialisations of its own, so data seeds are independent trials, each with
the mean of its model seeds. Crossed seeds: every initialisation meets every data seed, so that data seeds
and model seeds are two samples (see `seqgra.training.Options.source`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

#: Below so many data seeds there are no intervals and no claims, only points and ranges.
FEWEST_SEEDS = 5
#: The same of the model seeds of crossed seeds.
FEWEST_MODEL_SEEDS = 3
#: Draws of every bootstrap.
DRAWS = 2000
#: Shares below and above a 95 % interval.
TAIL = 0.025
#: What the runs of a label can say of their seeds so that data seeds are independent trials; `NO_SEEDS`:
#: nothing in the training is random, as of baselines.
NO_SEEDS = "none"
_INDEPENDENT = frozenset({"nested", NO_SEEDS})


class Interval(NamedTuple):
    """Where a number lies."""

    #: Its ends.
    low: float
    high: float
    #: ``interval`` (95 %), ``range`` (of single values: too few for an interval) or ``none``.
    of: str


class Mean(NamedTuple):
    """A mean over seeds."""

    #: The mean.
    value: float
    #: Its standard error and the degrees of freedom of that; NaN with too few seeds.
    error: float
    df: float
    #: Over how many data seeds.
    data_seeds: int
    #: Of crossed seeds: over how many model seeds; 0 of nested ones.
    model_seeds: int

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the 95 % interval (Student's t)."""
        half = float(stats.t.ppf(1 - TAIL, self.df)) * self.error
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """The two-sided p value of a mean of 0; NaN with too few seeds."""
        if math.isnan(self.error):
            return math.nan
        ratio = abs(self.value) / self.error if self.error else math.inf if self.value else 0.0
        return float(2 * stats.t.sf(ratio, self.df))


def is_crossed(designs: Iterable[str]) -> bool:
    """Return whether runs must be compared as crossed seeds: not all are known to be nested.

    >>> is_crossed(["nested", "none"]), is_crossed(["nested", "crossed"]), is_crossed([""])
    (False, True, True)
    """
    return not set(designs) <= _INDEPENDENT


def mean_over_seeds(table: pd.DataFrame, crossed: bool) -> Mean:
    """Return the mean of values over seeds.

    Parameters
    ----------
    table
        float64, index data seed, one column a model seed; NaN where there is none. Of crossed seeds that
        have gaps there is a mean, and no error of it.
    crossed
        Whether all data seeds share the initialisations.
    """
    if not crossed:
        means = table.mean(axis=1).dropna().to_numpy()
        value = float(means.mean()) if len(means) else math.nan
        if len(means) < FEWEST_SEEDS:
            return Mean(value, math.nan, math.nan, len(means), 0)
        error, df = nested_error(means)
        return Mean(value, float(error), float(df), len(means), 0)
    values = table.dropna(how="all").dropna(axis=1, how="all").to_numpy(np.float64)
    if not whole(~np.isnan(values)):
        return Mean(float(table.mean(axis=1).mean()), math.nan, math.nan, *values.shape)
    error, df = crossed_error(values)
    return Mean(float(values.mean()), float(error), float(df), *values.shape)


def nested_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard error of the mean of (..., D) values of data seeds, and its D - 1 degrees."""
    many = values.shape[-1]
    error = values.std(axis=-1, ddof=1) / math.sqrt(many)
    return error, np.full_like(error, many - 1)


def crossed_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard error of a mean over crossed data and model seeds, and its degrees of freedom.

    With the mean squares of data seeds, model seeds and residual,

        SE^2 = max(MS_D + MS_M - MS_R, MS_D, MS_M) / (D M)
        df = (D M SE^2)^2 / (MS_D^2 / (D - 1) + MS_M^2 / (M - 1) + MS_R^2 / ((D - 1) (M - 1))),

    at least min(D, M) - 1: Satterthwaite 1946, doi:10.2307/3002019. The maximum keeps the error from
    falling below that of either sample alone; without an effect of initialisations it is conservative.

    Parameters
    ----------
    values
        float64 (..., D, M).

    Returns
    -------
    (ndarray, ndarray)
        float64 (...) each.
    """
    data, model = values.shape[-2:]
    of_data, of_model, rest = mean_squares(values)
    scaled = np.maximum(of_data + of_model - rest, np.maximum(of_data, of_model))
    spread = of_data**2 / (data - 1) + of_model**2 / (model - 1)
    spread += rest**2 / ((data - 1) * (model - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        df = np.where(spread > 0, scaled**2 / spread, 0.0)
    return np.sqrt(scaled / (data * model)), np.maximum(df, min(data, model) - 1)


def mean_squares(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean squares of rows, columns and residual of complete two-way tables.

    MS_D = M sum (d_d. - d)^2 / (D - 1), MS_M = D sum (d_.m - d)^2 / (M - 1), and what is left over
    (D - 1) (M - 1).

    Parameters
    ----------
    values
        float64 (..., D, M), D and M above 1.
    """
    data, model = values.shape[-2:]
    mean = values.mean(axis=(-2, -1), keepdims=True)
    rows, columns = values.mean(axis=-1, keepdims=True), values.mean(axis=-2, keepdims=True)
    rest = values - rows - columns + mean
    sums = [np.square(part).sum(axis=(-2, -1)) for part in (rows - mean, columns - mean, rest)]
    of_data, of_model = model * sums[0] / (data - 1), data * sums[1] / (model - 1)
    return of_data, of_model, sums[2] / ((data - 1) * (model - 1))


def whole(there: np.ndarray) -> bool:
    """Return whether crossed seeds are enough, and every pair of them, bool (D, M), is there."""
    data, model = there.shape
    return data >= FEWEST_SEEDS and model >= FEWEST_MODEL_SEEDS and bool(there.all())


def student_draws(values: np.ndarray, key: int = 0) -> np.ndarray:
    """Return draws of the means of several labels, which agree with Student's t on their differences.

    Nested: the mean plus its standard error times a multivariate t of D - 1 degrees of freedom, with the
    labels' covariance over data seeds. Crossed: the errors of both samples of seeds are added, which is
    no less than the error of `crossed_error`; degrees of freedom are the fewest of a difference with
    the first label.

    Parameters
    ----------
    values
        float64 (K, D) of nested, (K, D, M) of crossed seeds.
    key
        Of the random numbers of data seeds; those of crossed model seeds are always the same.

    Returns
    -------
    ndarray
        float64 (K, DRAWS); the same random numbers for the same shape and key.
    """
    if values.ndim == 2:
        mean, many = values.mean(axis=1, keepdims=True), values.shape[1]
        noise, df = (values - mean) @ _normal(many, key), float(many - 1)
    else:
        mean = values.mean(axis=(1, 2))[:, None]
        rows, columns = values.mean(axis=2), values.mean(axis=1)
        noise = (rows - mean) @ _normal(rows.shape[1], key)
        noise = noise + (columns - mean) @ _normal(columns.shape[1], -1)
        df = float(crossed_error(values[:1] - values[1:])[1].min()) if len(values) > 1 else 1.0
    return np.asarray(mean + noise * np.sqrt(df / _chi_square(df, key)))


@cache
def _normal(many: int, key: int) -> np.ndarray:
    """Return (many, DRAWS) normal numbers: deviations times them have the variance of their mean."""
    scale = math.sqrt(1 / (many * (many - 1)))
    return scale * _generator(100 + key).normal(size=(many, DRAWS))


def _chi_square(df: float, key: int) -> np.ndarray:
    """Return (DRAWS,) numbers by chi-square's quantiles, in random order."""
    shares = (_generator(200 + key).permutation(DRAWS) + 0.5) / DRAWS
    return np.asarray(stats.chi2.ppf(shares, df))


class Seeds(NamedTuple):
    """Seeds of runs, from which runs are drawn."""

    #: int64 (S,): data seed and model seed of each run.
    data: np.ndarray
    model: np.ndarray
    #: Whether all data seeds share the initialisations.
    crossed: bool

    @property
    def many(self) -> int:
        """Number of data seeds."""
        return len(np.unique(self.data))

    @property
    def enough(self) -> bool:
        """Whether there are enough seeds for an interval."""
        return whole(self.table >= 0) if self.crossed else self.many >= FEWEST_SEEDS

    @property
    def table(self) -> np.ndarray:
        """Rows of crossed runs, int64 (D, M); -1 where a pair of seeds has none."""
        names = [np.unique(seeds, return_inverse=True) for seeds in (self.data, self.model)]
        place = np.full([len(found) for found, _ in names], -1)
        place[names[0][1], names[1][1]] = np.arange(len(self.data))
        return place

    def among(self, data_seeds: Iterable[int]) -> np.ndarray:
        """Return the rows of runs of some data seeds, in their order: int64 (R,)."""
        rows = np.flatnonzero(np.isin(self.data, list(data_seeds)))
        return rows[np.lexsort((self.model[rows], self.data[rows]))]

    def take(self, rows: np.ndarray) -> Seeds:
        """Return the seeds of some runs."""
        return Seeds(self.data[rows], self.model[rows], self.crossed)

    def draw(self, draws: int = DRAWS, key: int = 0) -> np.ndarray:
        """Return rows to take in each draw, int64 (draws, D x M): D data seeds, M runs of each.

        D data seeds are drawn with replacement. Nested: within each as many runs as the seed with most
        runs has. Crossed: M model seeds are drawn too, the same for all data seeds of a draw (Owen 2007,
        doi:10.1214/07-AOAS122). Equal sets of seeds give the same draws of them, so that draws of two
        architectures are paired; with another key, other runs are drawn within nested seeds.
        """
        if self.crossed:
            table = self.table
            data, model = table.shape
            rows = _generator(0).integers(data, size=(draws, data))
            columns = _generator(50).integers(model, size=(draws, model))
            return table[rows[:, :, None], columns[:, None, :]].reshape(draws, -1)
        names, place = np.unique(self.data, return_inverse=True)
        chosen = _generator(0).integers(len(names), size=(draws, len(names)))
        counts = np.bincount(place)
        order = np.argsort(place, kind="stable")
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        within = _generator(1 + key).random((draws, len(names), counts.max()))
        picked = (within * counts[chosen][..., None]).astype(np.int64)
        return order[starts[chosen][..., None] + picked].reshape(draws, -1)

    def stretch(self, values: np.ndarray) -> float:
        """Return by how much draws spread too little about their point.

        Nested: sqrt(D / (D - 1)), since a bootstrap of D values has a variance that is (D - 1) / D too
        small. Crossed: that many times is Student's t wider than the normal distribution, at the degrees
        of freedom of `crossed_error`: three model seeds are few.

        Parameters
        ----------
        values
            float64 (S,): one a run, finite.
        """
        if not self.crossed:
            return math.sqrt(self.many / (self.many - 1))
        df = float(crossed_error(values[self.table])[1])
        return float(stats.t.ppf(1 - TAIL, df) / stats.norm.ppf(1 - TAIL))


def seeds_of(runs: pd.DataFrame) -> Seeds:
    """Return the seeds of runs: columns data_seed, model_seed and seeds (see `runs.curve_runs`)."""
    data, model = (runs[name].to_numpy(np.int64) for name in ("data_seed", "model_seed"))
    return Seeds(data, model, is_crossed(runs["seeds"]))


def _generator(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(key))


def median_draws(values: np.ndarray, seeds: Seeds, least: float = -math.inf) -> np.ndarray:
    """Return the median of runs in each draw, float64 (DRAWS,), see `median`.

    Parameters
    ----------
    values
        float64 (S,): one a run.
    seeds
        Of the runs.
    least
        See `median`.
    """
    return median(values[seeds.draw()], least)


def median(values: np.ndarray, least: float = -math.inf) -> np.ndarray:
    """Return the median of each row of (B, S), S > 0; infinities are values like others.

    Of an even number it is the middle of the middle two. Where the lower one is -inf ("at most `least`") and
    the upper one is not, `least` stands in, so that the median is at most that; where the upper one is inf
    ("not reached") it is inf: more than half are needed to have reached it.

    Parameters
    ----------
    values
        float64 (B, S).
    least
        What -inf is at most.

    >>> median(np.array([[1.0, np.inf, 2.0], [np.inf, -np.inf, np.inf]])).tolist()
    [2.0, inf]
    >>> median(np.array([[-np.inf, 6.0], [-np.inf, -np.inf], [2.0, np.inf]]), least=2.0).tolist()
    [4.0, -inf, inf]
    """
    ordered = np.sort(values, axis=1)
    low, high = ordered[:, (values.shape[1] - 1) // 2], ordered[:, values.shape[1] // 2]
    low = np.where(np.isneginf(low) & np.isfinite(high), least, low)
    with np.errstate(invalid="ignore"):
        middle = (low + high) / 2
    return np.where(np.isnan(middle), high, middle)


def interval(draws: np.ndarray, point: float, stretch: float) -> Interval:
    """Return the 95 % percentile interval of draws, stretched about the point.

    Ends that are infinite stay so.

    Parameters
    ----------
    draws
        float64 (B,): the number in each draw.
    point
        The number itself.
    stretch
        From `Seeds.stretch`.
    """
    ordered = np.sort(draws)
    low = ordered[math.floor(TAIL * (len(draws) - 1))]
    high = ordered[math.ceil((1 - TAIL) * (len(draws) - 1))]
    if math.isfinite(point):
        low, high = point + stretch * (low - point), point + stretch * (high - point)
    return Interval(float(low), float(high), "interval")
