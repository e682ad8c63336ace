"""The element table of drawn examples: one row a placed element, in integer columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.dataset import ELEMENT_COLUMNS
from seqgra.law.jit import kernel
from seqgra.law.placement import Placed
from seqgra.law.tables import Placement


class _Columns(NamedTuple):
    """The columns of `ELEMENT_COLUMNS`, each (M,)."""

    example: np.ndarray
    element: np.ndarray
    condition: np.ndarray
    rule: np.ndarray
    start: np.ndarray
    end: np.ndarray
    strand: np.ndarray
    role: np.ndarray
    intact: np.ndarray


def element_columns(
    law: Placement, combination: np.ndarray, placed: Placed, examples: int, first: int
) -> dict[str, np.ndarray]:
    """Return the rows of the first examples of a block, by example and slot.

    Parameters
    ----------
    law
        The placement laws.
    combination
        int32 (N,): number of each example's combination of conditions.
    placed
        Where the elements lie.
    examples
        How many examples have rows.
    first
        Number of the first example within its set.

    Returns
    -------
    dict
        One array (M,) for each of `ELEMENT_COLUMNS`.
    """
    count = np.count_nonzero(placed.start[:examples] >= 0)
    columns = {name: np.empty(count, kind) for name, kind in ELEMENT_COLUMNS.items()}
    _fill(law, combination, placed, examples, first, _Columns(**columns))
    return columns


@kernel
def _fill(
    law: Placement,
    combination: np.ndarray,
    placed: Placed,
    examples: int,
    first: int,
    out: _Columns,
) -> None:
    row = 0
    for n in range(examples):
        slot = law.combinations[combination[n]].slot
        for s in range(placed.start.shape[1]):
            start = placed.start[n, s]
            if start < 0:
                continue
            described = law.slots[slot + s]
            out.example[row] = first + n
            out.element[row] = placed.element[n, s]
            out.condition[row] = described.condition
            out.rule[row] = described.rule
            out.start[row] = start
            out.end[row] = start + law.width[placed.element[n, s]]
            out.strand[row] = placed.strand[n, s]
            out.role[row] = described.role
            out.intact[row] = placed.intact[n, s]
            row += 1
