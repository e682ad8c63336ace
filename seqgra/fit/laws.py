"""Laws of whole numbers from what is seen more often than by chance."""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2

_BINS, _A_BIN = 50, 40
_RARE = 1e-5
_FIXED = 0.5


def excess_law(
    starts: np.ndarray,
    chance: np.ndarray,
    scale: float,
    places: int,
    anywhere: np.ndarray | None = None,
) -> int | dict[int, float] | None:
    """Return the law of starts above chance, 1-based; None where it may be uniform.

    In bin b, the excess is e_b = seen - scale * chance, their sum e, and p_b the share that a random position
    gives: the share of places, or of starts that were drawn. The law is uniform unless sum_b (e_b - e p_b)^2
    / (seen_b + (e p_b)^2 / drawn_b) exceeds the chi2 quantile 1 - 1e-5. Where one start holds over half
    of the excess, the law is that start; otherwise every start of a bin has the weight max(e_b, 0) / p_b.

    Parameters
    ----------
    starts, chance
        int64: starts seen, counted from 0, and those by chance.
    scale
        Expected number by chance over that of `chance`.
    places
        How many starts there are.
    anywhere
        int64: starts that were drawn with a random position; None: all places are alike.
    """
    seen = np.bincount(starts, minlength=places)[:places].astype(float)
    expected = scale * chance.size / places
    excess = seen.sum() - scale * chance.size
    if excess <= 0 or places < 2:
        return None
    bins = int(min(_BINS, places, max(5, excess / _A_BIN)))
    edges = np.unique(np.linspace(0, places, bins + 1).round().astype(int))
    widths = np.diff(edges)
    counts = np.add.reduceat(seen, edges[:-1])
    extra = counts - expected * widths
    share, doubt = widths / places, np.zeros(len(widths))
    if anywhere is not None:
        drawn = np.bincount(anywhere, minlength=places)[:places].astype(float)
        drawn = np.maximum(np.add.reduceat(drawn, edges[:-1]), 1)
        share = drawn / drawn.sum()
        doubt = (excess * share) ** 2 / drawn
    off = extra - excess * share
    statistic = float((off**2 / (np.maximum(counts, 1) + doubt)).sum())
    if statistic <= chi2.isf(_RARE, len(widths) - 1):
        return None
    top = int(seen.argmax())
    if seen[top] - expected > _FIXED * excess:
        return top + 1
    weights = np.maximum(extra, 0) / share
    weights = np.round(weights / weights.max(), 3)
    law = np.repeat(weights, widths)
    return {start + 1: float(weight) for start, weight in enumerate(law) if weight > 0}
