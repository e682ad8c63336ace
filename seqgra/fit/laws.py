"""Laws of whole numbers from what is seen more often than by chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr
from scipy.stats import chi2

_BINS, _A_BIN = 50, 40
_RARE = 1e-4
_FIXED = 0.5
#: Rounds of the weights; that of starts without sites, where the shortest window has no others.
_ROUNDS, _LEAST = 100, 0.001


def spread(rooms: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the sites expected at each start, where windows of several lengths hold them: float64 (P,).

    In windows with r starts lie n_r sites, each at start s <= r with probability w_s / (w_1 + ... + w_r), so
    that e_s = w_s sum_{r >= s} n_r / (w_1 + ... + w_r).

    Parameters
    ----------
    rooms
        float64 (P,): n_r for r = 1 to P.
    weights
        float64 (P,): w_s, not negative.

    >>> spread(np.array([0.0, 30.0, 60.0]), np.ones(3)).tolist()
    [35.0, 35.0, 20.0]
    """
    total = np.cumsum(weights)
    each = np.divide(rooms, total, out=np.zeros(rooms.size), where=total > 0)
    return np.asarray(weights * np.cumsum(each[::-1])[::-1])


def excess_law(
    starts: np.ndarray,
    rooms: np.ndarray,
    chance: np.ndarray,
    shortest: int,
    anywhere: tuple[np.ndarray, np.ndarray] | None = None,
) -> int | dict[int, float] | None:
    """Return the law of starts above chance, 1-based; None where it may be uniform.

    Each window has its own starts: in bin b a random position gives n_b, the `spread` of equal weights, and
    bins have equal n_b. The law is uniform unless G = 2 sum_b seen_b ln(seen_b / n_b) exceeds the chi2
    quantile 1 - 1e-4 (Wilks 1938, doi:10.1214/aoms/1177732360); n_b that were drawn are counts in G, too.
    Where one start that all windows have holds over half of the excess, the law is that start. Otherwise the
    starts of bin b have the weight w_b, whose `spread` over the windows of the sites is the excess e_b:
    w_b <- w_b e_b / spread_b(w), the maximum likelihood of truncated observations (Turnbull 1976,
    doi:10.1111/j.2517-6161.1976.tb01597.x).

    Parameters
    ----------
    starts
        int64: starts seen, counted from 0.
    rooms, chance
        float64 (P,): how many are seen, and expected by chance, in windows with 1 to P starts.
    shortest
        Starts of the shortest window.
    anywhere
        Starts and rooms, as above, of what was drawn with a random position; None: all starts are alike.
    """
    places = rooms.size
    seen = np.bincount(starts, minlength=places)[:places].astype(float)
    excess = seen.sum() - chance.sum()
    if excess <= 0 or places < 2:
        return None
    even = np.ones(places)
    null = spread(rooms, even)
    bins = int(min(_BINS, places, max(5, excess / _A_BIN)))
    below = np.append(0, np.cumsum(null) / null.sum()).round(9)
    cuts = np.interp(np.linspace(0, 1, bins + 1)[:-1], below, np.arange(places + 1))
    edges: NDArray[np.int64] = np.unique(cuts.round(6).round().astype(np.int64))
    widths: np.ndarray = np.diff(edges, append=places)

    def binned(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.add.reduceat(values, edges))

    counts, expected = binned(seen), binned(null)
    statistic = rel_entr(counts, expected)
    if anywhere is not None:
        drawn = np.bincount(anywhere[0], minlength=places)[:places].astype(float)
        drawn = np.maximum(binned(drawn), 1)
        even = np.repeat(drawn / np.maximum(binned(spread(anywhere[1], even)), 1e-9), widths)
        rate = binned(spread(rooms, even)) / drawn
        alike = (counts + drawn) / (rate + 1)
        statistic = rel_entr(counts, rate * alike) + rel_entr(drawn, alike)
    if 2 * statistic.sum() <= chi2.isf(_RARE, edges.size - 1):
        return None
    by_chance = spread(chance, even)
    top = int(seen.argmax())
    if top < shortest and seen[top] - by_chance[top] > _FIXED * excess:
        return top + 1
    extra, sites = np.maximum(counts - binned(by_chance), 0), np.maximum(rooms - chance, 0)
    weights = np.ones(edges.size)
    for _ in range(_ROUNDS):
        expected = binned(spread(sites, even * np.repeat(weights, widths)))
        weights *= np.divide(extra, expected, out=np.zeros(edges.size), where=expected > 0)
        weights /= weights.max() or 1
    law = np.repeat(np.round(weights, 3), widths)
    if not law[:shortest].any():
        law[:shortest] = _LEAST
    return {start + 1: float(weight) for start, weight in enumerate(law) if weight > 0}
