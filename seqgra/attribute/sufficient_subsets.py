"""Sufficient input subsets: smallest sets of positions that keep the logit when all others are masked.

Carter et al. 2019 (https://proceedings.mlr.press/v89/carter19a.html). Backward selection masks, again
and again, the position whose loss costs least (values within `TIE` of the best count as equal; the
first position is taken); the last to go that hold f at the threshold by themselves are a subset. It is
masked for good and the next one sought among the rest, until the rest does not reach the threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from seqgra.attribute.mutagenesis import BATCH, MASKED, Predict

#: Logits closer than this, times the largest where that is above 1, count as equal.
TIE = 1e-6


class Candidates(Protocol):
    """Sequences whose positions are masked one by one."""

    def values(self, free: np.ndarray) -> np.ndarray:
        """Return f with each position masked in addition, float64 (N, L); -inf where not free."""

    def mask(self, rows: np.ndarray, positions: np.ndarray) -> None:
        """Mask a position of each of some rows, int64 (M,), for good."""


#: (letter codes uint8 (N, L), `MASKED` where masked, target) -> their candidates.
Masking = Callable[[np.ndarray, np.ndarray], Candidates]


class PlainCandidates:
    """Candidates of any model: every sequence is predicted whole."""

    def __init__(self, predict: Predict, x: np.ndarray, target: np.ndarray) -> None:
        self._predict, self._x, self._target = predict, x.copy(), target

    def values(self, free: np.ndarray) -> np.ndarray:
        """Return f with each position masked in addition; see `Candidates`."""
        result = np.full(free.shape, -np.inf)
        example, position = np.nonzero(free)
        for first in range(0, len(example), BATCH):
            rows, columns = example[first : first + BATCH], position[first : first + BATCH]
            changed = self._x[rows]
            changed[np.arange(len(rows)), columns] = MASKED
            result[rows, columns] = self._predict(changed, self._target[rows])
        return result

    def mask(self, rows: np.ndarray, positions: np.ndarray) -> None:
        """Mask positions for good; see `Candidates`."""
        self._x[rows, positions] = MASKED


def sufficient_subsets(
    masking: Masking, predict: Predict, x: np.ndarray, target: np.ndarray, share: float
) -> np.ndarray:
    """Return all disjoint sufficient subsets of each example.

    Parameters
    ----------
    masking
        Makes candidates of sequences; `PlainCandidates` or one that gives the same values sooner.
    predict
        See `mutagenesis.Predict`.
    x
        uint8 (N, L): letter codes. Positions without a letter belong to no subset.
    target
        int64 (N,): the condition explained.
    share
        The threshold is f(nothing) + share (f(x) - f(nothing)), nothing being x all masked. An
        example has no subset where f(nothing) reaches it.

    Returns
    -------
    ndarray
        int64 (N, L): 1 for positions of the first subset found, 2 of the second, ...; 0 for none.
    """
    left = x < MASKED
    whole, nothing = (predict(codes, target) for codes in (x, np.where(left, MASKED, x)))
    threshold = nothing + share * (whole - nothing)
    threshold -= _slack(threshold)
    number = np.zeros(x.shape, np.int64)
    rows, found = np.flatnonzero(threshold > nothing), 0
    while rows.size:
        found += 1
        codes = np.where(left[rows] | (x[rows] >= MASKED), x[rows], MASKED).astype(np.uint8)
        reached = predict(codes, target[rows]) >= threshold[rows]
        rows, codes = rows[reached], codes[reached]
        if not rows.size:
            break
        candidates = masking(codes, target[rows])
        chosen = _smallest(*back_select(candidates, left[rows]), threshold[rows])
        number[rows] += found * chosen
        left[rows] &= ~chosen
        # candidates, computed more exactly, may reach the threshold all masked: nothing is left to find
        rows = rows[chosen.any(axis=1)]
    return number


def back_select(candidates: Candidates, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mask all free positions, each time the one that leaves f highest.

    Returns
    -------
    (ndarray, ndarray)
        int64 (N, L): the step at which each position was masked, from 0; -1 where it was not free.
        float64 (N, L): f after each step.
    """
    free = free.copy()
    step, path = np.full(free.shape, -1), np.full(free.shape, -np.inf)
    for turn in range(int(free.sum(axis=1).max(initial=0))):
        rows = np.flatnonzero(free.any(axis=1))
        values = candidates.values(free)[rows]
        best = values.max(axis=1)
        position = (values >= (best - _slack(best))[:, None]).argmax(axis=1)
        candidates.mask(rows, position)
        free[rows, position] = False
        step[rows, position] = turn
        path[rows, turn] = values[np.arange(rows.size), position]
    return step, path


def _slack(values: np.ndarray) -> np.ndarray:
    result: np.ndarray = TIE * np.maximum(np.abs(values), 1)
    return result


def _smallest(step: np.ndarray, path: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """Return the last positions to go that reach the threshold by themselves: bool (N, L).

    After the last step whose f reaches it, the positions still there are those; where no step does,
    all of them are.
    """
    enough = path >= threshold[:, None]
    last = np.where(enough.any(axis=1), path.shape[1] - 1 - enough[:, ::-1].argmax(axis=1), -1)
    return np.asarray(step > last[:, None])


def subset_positions(
    masking: Masking,
    inputs: np.ndarray,
    target: np.ndarray,
    *,
    x: np.ndarray,
    predict: Predict,
    threshold: float = 0.9,
) -> np.ndarray:
    """Return 1 at the letters that any sufficient subset holds, else 0: float32 (N, A, L).

    Parameters
    ----------
    masking, target, x, predict
        As in `sufficient_subsets`.
    inputs
        float32 (N, A, L), one-hot.
    threshold
        As `share` in `sufficient_subsets`.
    """
    number = sufficient_subsets(masking, predict, x, target, threshold)
    return (inputs * (number > 0)[:, None, :]).astype(np.float32)
