"""Predictive performance of logits: ROC, precision-recall, accuracy and log loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import log_softmax

from seqgra.labels import MACRO, MICRO
from seqgra.metrics import Ranking, log_odds, rank
from seqgra.model import MULTI_CLASS, MULTI_LABEL
from seqgra.results import Scores

METRICS = ("roc_auc", "pr_auc", "accuracy", "log_loss")
#: A constant prediction gives no condition less, so that its logits are finite.
_LEAST_SHARE = 1e-12


def score(
    logits: np.ndarray, y: np.ndarray, conditions: Sequence[str], task: str = MULTI_CLASS
) -> Scores:
    """Return the predictive performance of `logits`, and that of a constant prediction.

    Micro pools one-vs-rest over all N * C probabilities, macro is the mean over all conditions. Areas
    rank by log odds, which keep the order of probabilities that round to 1.

    Multi-class: p is the softmax. Accuracy is the share of examples whose condition has the highest p
    (equals share it), log loss the mean of -log p of the example's condition; of a condition, both are
    over its own examples (its recall).

    Multi-label: p is the sigmoid of each label's logit. An example is right where p > 1/2 tells all its
    labels (micro), or this one (of a condition); log loss is the mean over labels of
    -y log p - (1 - y) log(1 - p), over all examples.

    Logits that are not finite (a diverged model) give NaN metrics and no curves.

    Parameters
    ----------
    logits
        float (N, C), N at least 1; of a multi-label task, log odds of each label.
    y
        uint8 (N, C), one-hot or multi-hot.
    conditions
        Names of the C conditions.
    task
        ``multi-class`` or ``multi-label``.

    Returns
    -------
    Scores
        NaN where a metric is not defined, as the areas of a condition without examples and then
        macro.

    Raises
    ------
    ValueError
        If an example of a multi-class task has no condition or several.
    """
    true = y.astype(bool)
    if task == MULTI_CLASS and (true.sum(axis=1) != 1).any():
        raise ValueError("an example of a multi-class task has exactly one condition")
    rankings: dict[str, Ranking] = {}
    metrics = {metric: dict.fromkeys((MICRO, MACRO, *conditions), np.nan) for metric in METRICS}
    if np.isfinite(logits).all():
        metrics, rankings = _performance(logits.astype(np.float64), true, conditions, task)
    constant = np.broadcast_to(_constant_logits(true, task), true.shape)
    chance, _ = _performance(constant, true, conditions, task)
    return Scores(
        examples=len(y),
        task=task,
        headline=headline(true, task),
        metrics=metrics,
        chance=chance,
        curves=_curves(rankings),
        predictions=logits,
    )


def headline(y: np.ndarray, task: str) -> str:
    """Return the scope that stands for the whole: micro, or macro where micro flatters.

    Macro for multi-label tasks, and where the conditions' examples, bool (N, C), differ in number by
    more than a tenth of the most (and more than one): there the micro areas of a constant prediction
    are far above those of a coin.

    >>> headline(np.eye(3, dtype=bool)[[0, 0, 1, 2]], MULTI_CLASS)
    'micro'
    >>> headline(np.eye(3, dtype=bool)[[0, 0, 0, 1, 2]], MULTI_CLASS)
    'macro'
    """
    counts = np.asarray(y).sum(axis=0, dtype=np.int64)
    unbalanced = np.ptp(counts) > max(1, counts.max() / 10)
    return MACRO if task == MULTI_LABEL or unbalanced else MICRO


def _constant_logits(true: np.ndarray, task: str) -> np.ndarray:
    """Return the logits of each condition's share of the examples: float64 (C,)."""
    shares = true.mean(axis=0).clip(_LEAST_SHARE, 1 - _LEAST_SHARE)
    result: np.ndarray = np.log(shares) - (np.log1p(-shares) if task == MULTI_LABEL else 0.0)
    return result


def _performance(
    logits: np.ndarray, true: np.ndarray, conditions: Sequence[str], task: str
) -> tuple[dict[str, dict[str, float]], dict[str, Ranking]]:
    """Return the metrics and rankings of finite logits, float64 (N, C)."""
    if task == MULTI_LABEL:
        accuracy, log_loss = _label_means(logits, true, conditions)
    else:
        log_p = log_softmax(logits, axis=1)
        best = log_p == log_p.max(axis=1, keepdims=True)
        accuracy = _means(best[true] / best.sum(axis=1), true, conditions)
        log_loss = _means(-log_p[true], true, conditions)
    rankings = _rankings(log_odds(logits, task == MULTI_LABEL), true, conditions)
    metrics = {
        "roc_auc": _with_macro({scope: r.roc_auc for scope, r in rankings.items()}),
        "pr_auc": _with_macro({scope: r.average_precision for scope, r in rankings.items()}),
        "accuracy": _with_macro(accuracy),
        "log_loss": _with_macro(log_loss),
    }
    return metrics, rankings


def _rankings(
    scores: np.ndarray, true: np.ndarray, conditions: Sequence[str]
) -> dict[str, Ranking]:
    rankings = {MICRO: rank(scores.ravel(), true.ravel())}
    for number, name in enumerate(conditions):
        rankings[name] = rank(scores[:, number], true[:, number])
    return rankings


def _means(values: np.ndarray, true: np.ndarray, conditions: Sequence[str]) -> dict[str, float]:
    """Return the mean of `values` (N,) over all examples and over those of each condition."""
    with np.errstate(invalid="ignore"):
        means = (values.astype(np.float64) @ true) / true.sum(axis=0)
    by_condition = zip(conditions, means.tolist(), strict=True)
    return {MICRO: float(values.mean()), **dict(by_condition)}


def _label_means(
    logits: np.ndarray, true: np.ndarray, conditions: Sequence[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return (accuracy, log loss) of multi-label logits, over all examples and for each label."""
    right = (logits > 0) == true
    losses = np.logaddexp(0.0, np.where(true, -logits, logits))
    accuracies = dict(zip(conditions, right.mean(axis=0).tolist(), strict=True))
    log_losses = dict(zip(conditions, losses.mean(axis=0).tolist(), strict=True))
    return (
        {MICRO: float(right.all(axis=1).mean()), **accuracies},
        {MICRO: float(losses.mean()), **log_losses},
    )


def _with_macro(by_scope: Mapping[str, float]) -> dict[str, float]:
    """Return micro, macro and the conditions, in this order."""
    conditions = {scope: value for scope, value in by_scope.items() if scope != MICRO}
    macro = float(np.mean(list(conditions.values())))
    return {MICRO: by_scope[MICRO], MACRO: macro, **conditions}


def _curves(rankings: Mapping[str, Ranking]) -> pd.DataFrame:
    """Return the thinned curves (see `Scores.curves`); undefined ones have no rows."""
    parts = []
    for curve, points in (("roc", Ranking.roc_points), ("pr", Ranking.pr_points)):
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
