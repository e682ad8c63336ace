"""Predictive performance of logits: ROC, precision-recall, accuracy and log loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from seqgra.results import MACRO, MICRO, Scores

METRICS = ("roc_auc", "pr_auc", "accuracy", "log_loss")
#: Points kept of a curve, at most.
POINTS = 200


class Ranking(NamedTuple):
    """Examples above each distinct score, from none to all; equal scores enter together.

    Attributes
    ----------
    positives, negatives
        float64 (T + 1,): counts, ascending from 0.
    """

    positives: np.ndarray
    negatives: np.ndarray


def score(logits: np.ndarray, y: np.ndarray, conditions: Sequence[str]) -> Scores:
    """Return the predictive performance of `logits`.

    Micro pools one-vs-rest over all N * C probabilities, macro is the mean over all conditions.
    Accuracy and log loss of a condition are its recall and the mean -log p of its own examples.
    Logits that are not finite (a diverged model) give NaN metrics and no curves.

    Parameters
    ----------
    logits
        float32 (N, C), N at least 1.
    y
        uint8 (N, C), one-hot.
    conditions
        Names of the C conditions.

    Returns
    -------
    Scores
        NaN where a metric is not defined, as for a condition without examples and then for macro.
    """
    if not np.isfinite(logits).all():
        undefined = dict.fromkeys((MICRO, MACRO, *conditions), np.nan)
        metrics = {metric: dict(undefined) for metric in METRICS}
        return Scores(len(y), metrics, _curves({}), logits)
    true = y.astype(bool)
    log_p = log_softmax(logits)
    rankings = _rankings(np.exp(log_p), true, conditions)
    hits = log_p.argmax(axis=1) == true.argmax(axis=1)
    metrics = {
        "roc_auc": _with_macro({scope: roc_auc(found) for scope, found in rankings.items()}),
        "pr_auc": _with_macro({scope: average_precision(r) for scope, r in rankings.items()}),
        "accuracy": _with_macro(_means(hits, true, conditions)),
        "log_loss": _with_macro(_means(-log_p[true], true, conditions)),
    }
    return Scores(len(y), metrics, _curves(rankings), logits)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the log probabilities of finite logits (N, C): float64 (N, C), never infinite."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def rank(scores: np.ndarray, true: np.ndarray) -> Ranking:
    """Return the ranking of examples by `scores`, float (N,), N at least 1; `true`, bool (N,)."""
    order = np.argsort(scores)[::-1]
    ends = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    positives = np.cumsum(true[order], dtype=np.float64)[ends]
    return Ranking(np.append(0.0, positives), np.append(0.0, ends + 1 - positives))


def roc_auc(ranking: Ranking) -> float:
    """Return the area under the ROC curve; NaN without both kinds of examples.

    >>> roc_auc(rank(np.array([.9, .5, .5, .1]), np.array([True, True, False, False])))
    0.875
    """
    pairs = ranking.positives[-1] * ranking.negatives[-1]
    area = float(np.trapezoid(ranking.positives, ranking.negatives))
    return area / float(pairs) if pairs else np.nan


def average_precision(ranking: Ranking) -> float:
    """Return the area under the precision-recall steps; NaN without positive examples.

    >>> average_precision(rank(np.array([.9, .5, .1]), np.array([True, False, False])))
    1.0
    """
    positives = ranking.positives[-1]
    steps = np.diff(ranking.positives) * _precision(ranking)[1:]
    return float(steps.sum() / positives) if positives else np.nan


def _precision(ranking: Ranking) -> np.ndarray:
    """Return the precision at each threshold, 1 where nothing is above it."""
    precision = np.ones_like(ranking.positives)
    above = ranking.positives[1:] + ranking.negatives[1:]
    np.divide(ranking.positives[1:], above, out=precision[1:])
    return precision


def _rankings(
    probabilities: np.ndarray, true: np.ndarray, conditions: Sequence[str]
) -> dict[str, Ranking]:
    rankings = {MICRO: rank(probabilities.ravel(), true.ravel())}
    for number, name in enumerate(conditions):
        rankings[name] = rank(probabilities[:, number], true[:, number])
    return rankings


def _means(values: np.ndarray, true: np.ndarray, conditions: Sequence[str]) -> dict[str, float]:
    """Return the mean of `values` (N,) over all examples and over those of each condition."""
    with np.errstate(invalid="ignore"):
        means = (values.astype(np.float64) @ true) / true.sum(axis=0)
    by_condition = zip(conditions, means.tolist(), strict=True)
    return {MICRO: float(values.mean()), **dict(by_condition)}


def _with_macro(by_scope: Mapping[str, float]) -> dict[str, float]:
    """Return micro, macro and the conditions, in this order."""
    conditions = {scope: value for scope, value in by_scope.items() if scope != MICRO}
    macro = float(np.mean(list(conditions.values())))
    return {MICRO: by_scope[MICRO], MACRO: macro, **conditions}


def _curves(rankings: Mapping[str, Ranking]) -> pd.DataFrame:
    """Return the thinned curves (see `Scores.curves`); undefined ones have no rows."""
    parts = []
    for curve, points in (("roc", _roc_points), ("pr", _pr_points)):
        for scope, ranking in rankings.items():
            x, y = points(ranking)
            part = {"curve": curve, "scope": scope, "x": x, "y": y}
            parts.append(pd.DataFrame(part).astype({"x": "float32", "y": "float32"}))
    if not parts:
        empty = np.zeros(0, np.float32)
        return pd.DataFrame({"curve": [], "scope": [], "x": empty, "y": empty}).astype(
            {"curve": "str", "scope": "str"}
        )
    return pd.concat(parts, ignore_index=True)


def _roc_points(ranking: Ranking) -> tuple[np.ndarray, np.ndarray]:
    """Return (x, y): false and true positive rates, at even steps of their sum."""
    totals = ranking.negatives[-1], ranking.positives[-1]
    if not all(totals):
        return np.zeros(0), np.zeros(0)
    x, y = ranking.negatives / totals[0], ranking.positives / totals[1]
    if x.size > POINTS:
        kept = np.unique(np.searchsorted(x + y, np.linspace(0, 2, POINTS)))
        x, y = x[kept], y[kept]
    return x, y


def _pr_points(ranking: Ranking) -> tuple[np.ndarray, np.ndarray]:
    """Return (x, y): recall and precision, at even steps of recall.

    Both ends of a vertical stretch are kept, so that curves of few positives keep their teeth.
    """
    if not ranking.positives[-1]:
        return np.zeros(0), np.zeros(0)
    x, y = ranking.positives / ranking.positives[-1], _precision(ranking)
    if x.size > POINTS:
        first = np.searchsorted(x, np.linspace(0, 1, POINTS // 2))
        last = np.searchsorted(x, x[first], side="right") - 1
        kept = np.union1d(first, last)
        x, y = x[kept], y[kept]
    return x, y
