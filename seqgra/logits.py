"""From logits to probabilities, without overflow."""

from __future__ import annotations

import numpy as np


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the log probabilities of finite logits (N, C): float64 (N, C), never infinite."""
    shifted = np.asarray(logits, np.float64)
    shifted = shifted - shifted.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


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
    others = np.sort(shifted, axis=1)[
        :, :-1
    ]  # all but one of the largest; sums do not depend on order
    rest = np.logaddexp.reduce(others, axis=1, keepdims=True)
    log_p = shifted - np.logaddexp(0, rest)
    with np.errstate(divide="ignore"):  # of the largest, whose p may round to 1
        odds = log_p - np.log1p(-np.exp(log_p))
    return np.where(shifted < 0, odds, -rest)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-z)) of each logit: float64.

    >>> sigmoid(np.array([-1000.0, 0.0])).tolist()
    [0.0, 0.5]
    """
    return np.asarray(np.exp(-np.logaddexp(0, -np.asarray(logits, np.float64))))
