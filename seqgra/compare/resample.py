"""Resampling of runs: data seeds are drawn, and within them their model seeds."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

#: Below so many data seeds there are no intervals and no claims, only points and ranges.
FEWEST_SEEDS = 5
#: Draws of every bootstrap.
DRAWS = 2000
#: Shares below and above a 95 % interval.
_TAIL = 0.025


class Interval(NamedTuple):
    """Where a number lies.

    Attributes
    ----------
    low, high
        Its ends.
    of
        ``interval`` (95 %), ``range`` (of single values: too few for an interval) or ``none``.
    """

    low: float
    high: float
    of: str


def draw_seeds(seeds: np.ndarray, draws: int = DRAWS, key: int = 0) -> np.ndarray:
    """Return rows to take in each draw, int64 (draws, D x M): D data seeds, M runs of each.

    D data seeds are drawn with replacement, and within each as many runs as the seed with most runs has.
    Equal sets of data seeds give the same draws of them, so that draws of two architectures are paired;
    with another key, other runs are drawn within them.

    Parameters
    ----------
    seeds
        int64 (S,): data seed of each run.
    """
    names, place = np.unique(seeds, return_inverse=True)
    chosen = _generator(0).integers(len(names), size=(draws, len(names)))
    counts = np.bincount(place)
    order = np.argsort(place, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    within = _generator(1 + key).random((draws, len(names), counts.max()))
    picked = (within * counts[chosen][..., None]).astype(np.int64)
    return order[starts[chosen][..., None] + picked].reshape(draws, -1)


def _generator(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(key))


def median_draws(values: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Return the median of runs in each draw, float64 (DRAWS,); infinities are values like others.

    Parameters
    ----------
    values, seeds
        float64 (S,) and int64 (S,): one a run.
    """
    return median(values[draw_seeds(seeds)])


def median(values: np.ndarray) -> np.ndarray:
    """Return the median of each row of (B, S), S > 0; infinities are values like others.

    >>> median(np.array([[1.0, np.inf, 2.0], [np.inf, -np.inf, np.inf]])).tolist()
    [2.0, inf]
    """
    ordered = np.sort(values, axis=1)
    low, high = ordered[:, (values.shape[1] - 1) // 2], ordered[:, values.shape[1] // 2]
    with np.errstate(invalid="ignore"):
        middle = (low + high) / 2
    return np.where(np.isnan(middle), high, middle)


def interval(draws: np.ndarray, point: float, seeds: int) -> Interval:
    """Return the 95 % percentile interval, stretched about the point by sqrt(D / (D - 1)).

    A bootstrap of D values has a variance that is (D - 1) / D too small; the stretch undoes that.
    Ends that are infinite stay so.

    Parameters
    ----------
    draws
        float64 (B,): the number in each draw.
    point
        The number itself.
    seeds
        D, how many data seeds were drawn from.
    """
    ordered = np.sort(draws)
    low = ordered[math.floor(_TAIL * (len(draws) - 1))]
    high = ordered[math.ceil((1 - _TAIL) * (len(draws) - 1))]
    stretch = math.sqrt(seeds / (seeds - 1))
    if math.isfinite(point):
        low, high = point + stretch * (low - point), point + stretch * (high - point)
    return Interval(float(low), float(high), "interval")
