"""Areas under ROC and precision-recall curves, errors, and log odds to rank examples by: defined here once.

Equal scores count together. In `Ranking` they enter at one threshold, as in scikit-learn. Where positions of
a sequence are ranked (`rank_measures`, `chance_average_precision`), precision is the mean over the orders of
ties.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Points kept of a curve, at most.
POINTS = 200


class Ranking(NamedTuple):
    """Examples at or above each distinct score, from none to all; equal scores enter together.

    >>> ranking = rank(np.array([.9, .5, .5, .1]), np.array([True, True, False, False]))
    >>> ranking.roc_auc, round(ranking.average_precision, 4)
    (0.875, 0.8333)
    """

    #: float64 (T + 1,): counts, or sums of weights, ascending from 0.
    positives: NDArray[np.float64]
    negatives: NDArray[np.float64]

    @property
    def roc_auc(self) -> float:
        """Area under the ROC curve, ties counted as half; NaN without both kinds of examples."""
        pairs = float(self.positives[-1] * self.negatives[-1])
        return float(np.trapezoid(self.positives, self.negatives)) / pairs if pairs else np.nan

    @property
    def average_precision(self) -> float:
        """Area under the steps of the precision-recall curve; NaN without positive examples."""
        positives = self.positives[-1]
        steps = np.diff(self.positives) * self.precision[1:]
        return float(steps.sum() / positives) if positives else np.nan

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of positives at or above each threshold, float64 (T + 1,): 1 where nothing is there."""
        above = self.positives + self.negatives
        precision = np.ones_like(self.positives)
        np.divide(self.positives, above, out=precision, where=above > 0)
        return precision

    def at_prevalence(self, share: float) -> Ranking:
        """Return the ranking of a population in which a share of the examples is positive.

        At each threshold recall and the false positive rate stay what they are, and precision is
        p TPR / (p TPR + (1 - p) FPR) with p the share (Saito and Rehmsmeier 2015,
        doi:10.1371/journal.pone.0118432). Counts become shares of the population. Without positive or without
        negative examples areas are NaN.

        Parameters
        ----------
        share
            Prevalence of positive examples, in (0, 1).

        >>> ranking = rank(np.array([.9, .5, .4, .1]), np.array([True, False, True, False]))
        >>> [round(ranking.at_prevalence(p).average_precision, 4) for p in (0.5, 0.01)]
        [0.8333, 0.5099]
        """
        if not (self.positives[-1] and self.negatives[-1]):
            return Ranking(np.zeros(1), np.zeros(1))
        return Ranking(
            share * self.positives / self.positives[-1],
            (1 - share) * self.negatives / self.negatives[-1],
        )

    def roc_points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return false and true positive rates, at most `POINTS`, at even steps of their sum.

        Both are empty without positive or without negative examples.
        """
        totals = self.negatives[-1], self.positives[-1]
        if not all(totals):
            return np.zeros(0), np.zeros(0)
        x, y = self.negatives / totals[0], self.positives / totals[1]
        if x.size > POINTS:
            kept = np.unique(np.searchsorted(x + y, np.linspace(0, 2, POINTS)))
            x, y = x[kept], y[kept]
        return x, y

    def pr_points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return recall and precision, at most `POINTS`, at even steps of recall.

        Both ends of a vertical stretch are kept, so that curves of few positives keep their teeth. Both are
        empty without positive examples.
        """
        if not self.positives[-1]:
            return np.zeros(0), np.zeros(0)
        x, y = self.positives / self.positives[-1], self.precision
        if x.size > POINTS:
            first = np.searchsorted(x, np.linspace(0, 1, POINTS // 2))
            last = np.searchsorted(x, x[first], side="right") - 1
            kept = np.union1d(first, last)
            x, y = x[kept], y[kept]
        return x, y


def rank(scores: NDArray[np.floating], true: NDArray[np.bool_]) -> Ranking:
    """Return the ranking of examples by their scores.

    Parameters
    ----------
    scores
        float (N,), N at least 1; higher is more likely positive.
    true
        bool (N,): which examples are positive.
    """
    return Sorted(scores, true).ranking()


class Sorted:
    """Examples in descending order of their scores, to be ranked under many weights without sorting again.

    Parameters
    ----------
    scores, true
        As in `rank`.
    """

    def __init__(self, scores: NDArray[np.floating], true: NDArray[np.bool_]) -> None:
        self._order = np.argsort(scores)[::-1]
        self._true = true[self._order]
        new = np.diff(scores[self._order]) != 0
        self._last = np.append(np.flatnonzero(new), scores.size - 1)  # of each run of equal scores

    def ranking(self, weights: NDArray[np.float64] | None = None) -> Ranking:
        """Return the ranking in which each example counts as often as `weights`, float64 (N,), says: once."""
        if weights is None:
            positives = np.cumsum(self._true, dtype=np.float64)[self._last]
            totals = self._last + 1.0
        else:
            weights = weights[self._order]
            positives = np.cumsum(weights * self._true)[self._last]
            totals = np.cumsum(weights)[self._last]
        return Ranking(np.append(0.0, positives), np.append(0.0, totals - positives))


class Area(NamedTuple):
    """An area under a ROC curve, and its standard error."""

    value: float
    error: float


def error_of_difference(one: Area, other: Area) -> float:
    """Return the standard error of the difference of areas of different examples."""
    return math.hypot(one.error, other.error)


def mean_area(areas: Sequence[Area]) -> Area:
    """Return the mean of areas of different examples, such as the folds of a cross-validation."""
    values, errors = zip(*areas, strict=True)
    return Area(float(np.mean(values)), math.hypot(*errors) / len(errors))


def roc_areas(scores: NDArray[np.floating], y: NDArray[np.integer]) -> tuple[dict[int, Area], Area]:
    """Return the ROC AUC of each condition that some examples have and others have not, and their mean.

    Of m positive and n negative examples let V_i be the share of the other kind that example i is on the
    right side of, ties counted as half, so that the mean of V over either kind is the area A. Its variance is
    sum_pos (V_i - A)^2 / (m (m - 1)) + sum_neg (V_i - A)^2 / (n (n - 1)) (DeLong et al. 1988,
    doi:10.2307/2531595), and that of a mean of areas has the means of their terms in the place of V_i - A.

    Parameters
    ----------
    scores
        (N, C), such as log odds.
    y
        (N, C), 0 or 1.

    Returns
    -------
    (dict, Area)
        By number of the condition; NaN for the mean of none.

    >>> _, mean = roc_areas(np.array([[.9], [.5], [.4], [.1]]), np.array([[1], [0], [1], [0]]))
    >>> round(mean.value, 4), round(mean.error, 4)
    (0.75, 0.3536)
    """
    found, terms = {}, []
    for c in range(y.shape[1]):
        true = y[:, c] > 0
        m, n = np.count_nonzero(true), np.count_nonzero(~true)
        if not (m and n):
            continue
        _, place = np.unique(scores[:, c], return_inverse=True)
        positives, negatives = np.bincount(place, true), np.bincount(place, ~true)
        passed = (np.cumsum(negatives) - negatives / 2) / n
        missed = (np.cumsum(positives) - positives / 2) / m
        right = np.where(true, passed[place], 1 - missed[place])
        area = float(right[true].mean())
        size = np.where(true, m, n)
        terms.append((right - area) / np.sqrt(size * np.maximum(size - 1, 1)))
        found[c] = Area(area, float(np.linalg.norm(terms[-1])))
    if not found:
        return {}, Area(np.nan, np.nan)
    mean = float(np.mean([area.value for area in found.values()]))
    return found, Area(mean, float(np.linalg.norm(np.mean(terms, axis=0))))


def macro_area(scores: NDArray[np.floating], y: NDArray[np.integer], kind: str) -> float:
    """Return the mean area over the conditions that some examples have and others have not; else 0.5.

    Parameters
    ----------
    scores
        (N, C), such as log odds.
    y
        (N, C), 0 or 1.
    kind
        ``roc-auc``, or ``pr-auc``: average precision.
    """
    rankings = [
        rank(np.asarray(scores[:, c], float), y[:, c] > 0)
        for c in range(y.shape[1])
        if 0 < y[:, c].sum() < len(y)
    ]
    areas = [r.roc_auc if kind == "roc-auc" else r.average_precision for r in rankings]
    return float(np.mean(areas)) if areas else 0.5


def rank_measures(
    scores: NDArray[np.float64], relevant: NDArray[np.bool_], others: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return ROC AUC, average precision and R-precision of each row: means over the orders of ties.

    Along the descending order, counts are read only where a run of equal scores ends, and compared
    with those at the end of the run before. Positions that are neither relevant nor others count 0 wherever
    they are.

    In a run of m positions, k of them relevant, behind n positions with r relevant, each place i is
    relevant with probability k / m, and then has (i - 1) (k - 1) / (m - 1) relevant ones of the run before
    it: the run adds k / m sum_i (r + 1 + (i - 1) (k - 1) / (m - 1)) / (n + i) to the sum of precisions.

    Parameters
    ----------
    scores
        float64 (K, L).
    relevant, others
        bool (K, L), never both: what should rank high, and what should not.

    Returns
    -------
    (ndarray, ndarray, ndarray)
        float64 (K,) each; NaN or a warning of numpy where a row lacks one of both kinds.
    """
    order = np.argsort(-scores, axis=1)
    scores = np.take_along_axis(scores, order, axis=1)
    ends = np.ones(scores.shape, bool)
    ends[:, :-1] = scores[:, 1:] != scores[:, :-1]
    hits: NDArray[np.int64] = np.cumsum(np.take_along_axis(relevant, order, axis=1), axis=1)
    misses: NDArray[np.int64] = np.cumsum(np.take_along_axis(others, order, axis=1), axis=1)
    hits_before, misses_before = _count_before_ties(hits, ends), _count_before_ties(misses, ends)
    new, new_misses = hits - hits_before, misses - misses_before
    total = hits[:, -1]
    area = ((hits + hits_before) * new_misses / 2).sum(axis=1, where=ends)
    before, run = hits_before + misses_before, new + new_misses
    harmonic = _harmonic(scores.shape[1])
    inverses = harmonic[before + run] - harmonic[before]
    ahead = (new - 1) / np.maximum(run - 1, 1) * (run - (before + 1) * inverses)
    precisions = np.where(new > 0, new / run * ((hits_before + 1) * inverses + ahead), 0)
    room: NDArray[np.int64] = np.clip(total[:, None] - before, 0, run)
    top = np.where(new > 0, new * room / run, 0).sum(axis=1, where=ends)
    average = precisions.sum(axis=1, where=ends) / total
    return area / (total * misses[:, -1]), average, top / total


def _count_before_ties(counts: NDArray[np.int64], ends: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Cumulative count at the end of the previous run of tied scores, 0 before the first: (K, L)."""
    before = np.zeros_like(counts)
    before[:, 1:] = np.maximum.accumulate(np.where(ends, counts, 0), axis=1)[:, :-1]
    return before


def chance_average_precision(
    relevant: NDArray[np.integer], positions: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the average precision expected of a random order.

    With K relevant of L positions and H_L = 1 + 1/2 + ... + 1/L it is
    [(K - 1) (L - H_L) / (L - 1) + H_L] / L (doi:10.48550/arXiv.2511.02571), above K / L.

    Parameters
    ----------
    relevant, positions
        int (N,) or scalar: K and L, 1 <= K <= L.

    Returns
    -------
    ndarray
        float64, of the same shape.

    >>> chance_average_precision(np.array([1, 2]), np.array([2, 2])).tolist()
    [0.75, 1.0]
    """
    relevant, positions = np.asarray(relevant), np.asarray(positions)
    harmonic = _harmonic(int(positions.max(initial=0)))[positions]
    others = (relevant - 1) * (positions - harmonic) / np.maximum(positions - 1, 1)
    return np.asarray((others + harmonic) / np.maximum(positions, 1))


def _harmonic(most: int) -> NDArray[np.float64]:
    """Return the harmonic numbers H_0 = 0, H_1 = 1, ...: float64 (most + 1,)."""
    return np.append(0.0, np.cumsum(1 / np.arange(1, most + 1)))


def log_odds(logits: np.ndarray, multi_label: bool) -> np.ndarray:
    """Return log p / (1 - p) of each condition: to rank examples by, where p itself rounds to 1.

    Parameters
    ----------
    logits
        (N, C), finite: log probabilities up to a constant of each example. Of a multi-label task they are
        log odds already.
    multi_label
        Whether the task is.

    Returns
    -------
    ndarray
        float64 (N, C). Conditions of equal logits have equal odds; those of two are the margin and its
        negative, that of a single one infinite.

    >>> log_odds(np.array([[0.0, 60.0], [0.0, 65.0]]), False).tolist()
    [[-60.0, 60.0], [-65.0, 65.0]]
    """
    values = np.asarray(logits, np.float64)
    if multi_label:
        return values
    shifted = values - values.max(axis=1, keepdims=True)
    # all but one of the largest; sorted, so that equal logits have equal sums
    others = np.sort(shifted, axis=1)[:, :-1]
    rest = np.logaddexp.reduce(others, axis=1, keepdims=True)
    log_p = shifted - np.logaddexp(0, rest)
    with np.errstate(divide="ignore"):  # of the largest, whose p may round to 1
        odds = log_p - np.log1p(-np.exp(log_p))
    return np.where(shifted < 0, odds, -rest)
