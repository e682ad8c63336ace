"""Which conditions of which examples are explained."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Examples whose recovery is scored, at most.
SCORED = 2000
#: Examples whose attributions are kept for pictures, at most.
PICTURED = 50


class Explanations(NamedTuple):
    """What is explained: conditions of examples."""

    #: int64 (K,): rows of the set, ascending; a row with several labels may come several times.
    rows: np.ndarray
    #: int64 (K,): number of the condition explained.
    conditions: np.ndarray

    def part(self, chosen: np.ndarray | slice) -> Explanations:
        """Return some of them."""
        return Explanations(self.rows[chosen], self.conditions[chosen])


def fixed_explanations(y: np.ndarray, per_condition: int, most: int = SCORED) -> Explanations:
    """Return the examples, and conditions of theirs, that every model of a dataset is explained on.

    The first examples of each condition, at most `per_condition` of each and `most` explanations in
    all, dealt out evenly: no condition gets another one before all that have one left got theirs.

    Parameters
    ----------
    y
        uint8 (N, C), one-hot, or multi-hot: then an example counts for each of its labels.
    per_condition, most
        Explanations of a condition and in all, at most.

    Returns
    -------
    Explanations
        Ascending, first by example.

    >>> fixed_explanations(np.eye(2, dtype=np.uint8)[[0, 0, 0, 1, 1]], 2, most=3).rows.tolist()
    [0, 1, 3]
    >>> [part.tolist() for part in fixed_explanations(np.array([[1, 1], [0, 0], [0, 1]]), 2)]
    [[0, 0, 2], [0, 1, 1]]
    """
    example, condition = np.nonzero(y)
    turn = np.cumsum(y, axis=0, dtype=np.int64)[example, condition]
    order = np.lexsort((condition, turn))
    chosen = np.sort(order[turn[order] <= per_condition][:most])
    return Explanations(example[chosen], condition[chosen])
