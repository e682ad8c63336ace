"""Smooth curves through learning curves: for reading between sizes and a little beyond them.

Two families, in which c is chance and U at most the ceiling (Viering and Loog, 10.48550/arXiv.2103.10948,
find none that fits all learners):

    logistic   y(n) = c + (U - c) / (1 + (n / n50)^-h)      a plateau, then a rise
    power      y(n) = U - a n^-b                            diminishing returns

The shape (n50 and h, or b) is searched on a grid and the rest is least squares, so that thousands of
resampled curves are fitted at once. The family that predicts the largest size better from the others
is taken.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.compare.efficiency import Bounds, LearningCurves

#: How far beyond the largest size a curve is shown.
BEYOND = 2
#: Sizes below which nothing is fitted.
FEWEST_SIZES = 4
_DRAWS = 500
_POINTS = 61


class Fit(NamedTuple):
    """A curve through the mean of some runs."""

    #: ``logistic`` or ``power``.
    family: str
    #: float64 (P,): from the smallest size to twice the largest, evenly in log2.
    sizes: np.ndarray
    #: float64 (P,): the curve.
    values: np.ndarray
    #: float64 (P,): 95 % band of the curve from draws of seeds, whole curves each; NaN with too few seeds.
    low: np.ndarray
    high: np.ndarray
    #: By how much the family missed the largest size when fitted to the others.
    error: float


def fit(curves: LearningCurves, bounds: Bounds) -> Fit | None:
    """Fit the mean of the curves that have a run at every size; None below four sizes.

    A diverged run counts as chance, a collapsed one as what it scored.
    """
    values = np.where(np.isfinite(curves.values), curves.values, bounds.chance)[curves.complete]
    seeds = curves.seeds.take(np.flatnonzero(curves.complete))
    sizes = curves.sizes.astype(np.float64)
    if len(sizes) < FEWEST_SIZES or not len(values) or bounds.ceiling <= bounds.chance:
        return None
    points = np.geomspace(sizes[0], BEYOND * sizes[-1], _POINTS)
    mean = values.mean(axis=0)[None]
    errors = {
        name: abs(float(family(sizes[:-1], mean[:, :-1], bounds, sizes[-1:])[0, 0] - mean[0, -1]))
        for name, family in _FAMILIES.items()
    }
    name = min(errors, key=lambda key: errors[key])
    family = _FAMILIES[name]
    low = high = np.full(_POINTS, np.nan)
    curve = family(sizes, mean, bounds, points)[0]
    if seeds.enough:
        draws = values[seeds.draw(_DRAWS)].mean(axis=1)
        drawn = family(sizes, draws, bounds, points)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        stretch = seeds.stretch(values.mean(axis=1))
        low, high = curve + stretch * (low - curve), curve + stretch * (high - curve)
        low, high = np.clip([low, high], min(bounds.chance, curve.min()), bounds.ceiling)
    return Fit(name, points, curve, low, high, errors[name])


def _logistic(sizes: np.ndarray, y: np.ndarray, bounds: Bounds, points: np.ndarray) -> np.ndarray:
    """Return the best logistic of each row of y (B, K) at points (P,), float64 (B, P)."""
    n50 = np.geomspace(sizes[0] / 4, 8 * sizes[-1], 80)
    steep = np.geomspace(0.25, 8, 26)
    shapes = np.stack(np.meshgrid(n50, steep, indexing="ij"), axis=-1).reshape(-1, 2)
    basis = _rise(sizes, shapes)  # (K, G)
    shifted = y - bounds.chance
    square = np.square(basis).sum(axis=0)
    along = shifted @ basis
    height = np.clip(along / np.maximum(square, 1e-300), 0, bounds.ceiling - bounds.chance)
    loss = height * height * square - 2 * height * along
    best = loss.argmin(axis=1)
    chosen = height[np.arange(len(y)), best]
    result: np.ndarray = bounds.chance + chosen[:, None] * _rise(points, shapes[best]).T
    return result


def _rise(sizes: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Return the logistics from 0 to 1, float64 (K, G)."""
    logs = np.log(sizes[:, None]) - np.log(shapes[None, :, 0])
    result: np.ndarray = 1 / (1 + np.exp(-shapes[None, :, 1] * logs))
    return result


def _power(sizes: np.ndarray, y: np.ndarray, bounds: Bounds, points: np.ndarray) -> np.ndarray:
    """Return the best power law of each row of y (B, K) at points (P,), float64 (B, P)."""
    powers = np.geomspace(0.02, 4, 60)
    scale = sizes[0]
    decay = (sizes[:, None] / scale) ** -powers  # (K, G), 1 at the smallest size
    k = len(sizes)
    mean_d, mean_y = decay.mean(axis=0), y.mean(axis=1, keepdims=True)
    spread = np.square(decay - mean_d).sum(axis=0)
    drop = -((y - mean_y) @ (decay - mean_d)) / np.maximum(spread, 1e-300)
    top = mean_y + drop * mean_d
    over = top > bounds.ceiling  # then it is the ceiling, and only the drop is free
    held = ((bounds.ceiling - y) @ decay) / np.square(decay).sum(axis=0)
    drop, top = np.maximum(np.where(over, held, drop), 0), np.where(over, bounds.ceiling, top)
    top = np.where(drop == 0, np.minimum(mean_y, bounds.ceiling), top)
    square = np.square(decay).sum(axis=0)
    loss = (
        np.square(y).sum(axis=1, keepdims=True)
        - 2 * (top * k * mean_y - drop * (y @ decay))
        + k * top * top
        - 2 * top * drop * decay.sum(axis=0)
        + drop * drop * square
    )
    rows, best = np.arange(len(y)), loss.argmin(axis=1)
    falls = (points[None] / scale) ** -powers[best][:, None]
    result: np.ndarray = top[rows, best][:, None] - drop[rows, best][:, None] * falls
    return result


_FAMILIES = {"logistic": _logistic, "power": _power}
