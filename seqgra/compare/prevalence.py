"""PR AUC where positives are as rare as in the user's own data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqgra.metrics import log_odds, rank
from seqgra.model import MULTI_LABEL
from seqgra.results import MACRO

#: Columns of the table ``prevalence`` behind the keys.
PREVALENCE = ("prevalence", "scope", "value", "positives", "negatives")


def prevalence_rows(
    logits: NDArray[np.floating],
    true: NDArray[np.bool_],
    conditions: Sequence[str],
    task: str,
    share: float,
) -> list[tuple[float, str, float, int, int]]:
    """Return rows of `PREVALENCE` of one model: of macro, the mean over conditions, and of each condition.

    A condition is ranked against all others, and its examples are so many as `share` says
    (`metrics.Ranking.at_prevalence`). A false positive rate below one in `negatives` cannot be seen, so that
    few negatives make the value uncertain, the more so the smaller the share.

    Parameters
    ----------
    logits
        float (N, C).
    true
        bool (N, C).
    conditions
        Names of the C conditions.
    task
        ``multi-class`` or ``multi-label``.
    share
        Prevalence, in (0, 1).

    Returns
    -------
    list of tuple
        Value NaN where a condition has no examples or no others, and then of macro too; none of a model
        whose logits are not finite. Positives and negatives of macro are the fewest of any condition.
    """
    if not np.isfinite(logits).all():
        return []
    scores = log_odds(logits, task == MULTI_LABEL)
    counts = true.sum(axis=0, dtype=np.int64)
    rows = []
    for number, name in enumerate(conditions):
        ranking = rank(scores[:, number], true[:, number]).at_prevalence(share)
        positives = int(counts[number])
        rows.append((share, name, ranking.average_precision, positives, len(true) - positives))
    mean = float(np.mean([row[2] for row in rows]))
    fewest = (min(row[3] for row in rows), min(row[4] for row in rows))
    return [(share, MACRO, mean, *fewest), *rows]
