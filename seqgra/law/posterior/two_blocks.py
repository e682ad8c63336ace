"""Sums over the placements of two blocks that have spacings."""

from __future__ import annotations

import numba
import numpy as np

from seqgra.law.jit import kept
from seqgra.law.posterior.block_sums import BlockArrays, highest_scale, placed_value


@kept(nogil=True)
def beside_pair(
    block: BlockArrays, pair: BlockArrays, ratios: np.ndarray, top: np.ndarray, margin: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the log sum over a block and a block of two elements at least `margin` letters apart.

    The pair's values form a table by the starts of its two elements, whose partial sums give what is free
    beside each placement of the other block: differences, which lose digits only where hardly anything is
    free.

    Parameters
    ----------
    block, pair, ratios, top
        The blocks, as in `block_sums.block_logs`.
    margin
        0 where they only may not overlap.

    Returns
    -------
    tuple
        float64 (N,) both: the logs, and the share of the sums without any condition. The smaller,
        the more digits are lost: of about 15, six at 1e-6.
    """
    ways, slots, length = block.clusters.shape[1], block.offsets.shape[1], ratios.shape[2]
    out, shares = np.empty(ratios.shape[0]), np.empty(ratios.shape[0])
    sums = np.zeros((length + 1, length + 1))
    edges = np.zeros((2, slots + 1, 2), np.int64)
    for n in range(ratios.shape[0]):
        best, pair_best = highest_scale(block, top[n]), highest_scale(pair, top[n])
        _sum_pair(pair, ratios[n], top[n], pair_best, sums)
        total = every = 0.0
        for k in range(ways):
            for s in range(block.fit.first[k], block.fit.last[k] + 1):
                value = placed_value(block, ratios[n], top[n], best, k, s)
                if value == 0:
                    continue
                for side in range(2):
                    _free_stretches(block, k, s, pair.widths[0, side], margin, length, edges[side])
                free: float = 0.0
                for a in range(slots + 1):
                    low, high = edges[0, a, 0], edges[0, a, 1]
                    if low < high:
                        for b in range(a, slots + 1):
                            first, end = edges[1, b, 0], edges[1, b, 1]
                            if first < end:
                                free += sums[high, end] - sums[low, end]
                                free += sums[low, first] - sums[high, first]
                total += value * free
                every += value * float(sums[length, length])
        out[n] = best + pair_best + np.log(total) if total > 0 else -np.inf
        shares[n] = total / every if every > 0 else 1.0
    return out, shares


@numba.njit
def _sum_pair(
    pair: BlockArrays, ratios: np.ndarray, top: np.ndarray, best: float, sums: np.ndarray
) -> None:
    """Write the partial sums of a pair's values by the starts of its elements: float64 (L + 1, L + 1)."""
    sums[:] = 0
    for k in range(pair.fit.weight.size):
        for s in range(pair.fit.first[k], pair.fit.last[k] + 1):
            value = placed_value(pair, ratios, top, best, k, s)
            sums[s + pair.offsets[k, 0] + 1, s + pair.offsets[k, 1] + 1] += value
    for p in range(1, sums.shape[0]):
        row_sum = 0.0
        for q in range(1, sums.shape[1]):
            row_sum += sums[p, q]
            sums[p, q] = sums[p - 1, q] + row_sum


@numba.njit
def _free_stretches(
    block: BlockArrays, k: int, s: int, width: int, margin: int, length: int, edges: np.ndarray
) -> None:
    """Write where an element of `width` letters may start before, between and after a placed block."""
    reached = 0
    for slot in range(block.offsets.shape[1]):
        at = s + block.offsets[k, slot]
        edges[slot, 0] = reached
        edges[slot, 1] = max(at - width - margin + 1, reached)
        reached = max(reached, min(at + block.widths[k, slot] + margin, length))
    edges[block.offsets.shape[1], 0] = reached
    edges[block.offsets.shape[1], 1] = length


@kept(nogil=True)
def two_blocks(
    one: BlockArrays, two: BlockArrays, ratios: np.ndarray, top: np.ndarray, margin: int
) -> np.ndarray:
    """Return the log sum over two blocks at least `margin` letters apart: float64 (N,), by enumeration."""
    out = np.empty(ratios.shape[0])
    for n in range(ratios.shape[0]):
        scale_one, scale_two = highest_scale(one, top[n]), highest_scale(two, top[n])
        total = 0.0
        for k in range(one.fit.weight.size):
            for s in range(one.fit.first[k], one.fit.last[k] + 1):
                first = placed_value(one, ratios[n], top[n], scale_one, k, s)
                if first == 0:
                    continue
                for m in range(two.fit.weight.size):
                    for t in range(two.fit.first[m], two.fit.last[m] + 1):
                        if apart(one, k, s, two, m, t, margin):
                            value = placed_value(two, ratios[n], top[n], scale_two, m, t)
                            total += first * value
        out[n] = scale_one + scale_two + np.log(total) if total > 0 else -np.inf
    return out


@kept(nogil=True)
def apart(one: BlockArrays, k: int, s: int, two: BlockArrays, m: int, t: int, margin: int) -> bool:
    """Tell whether no element of one block is nearer than `margin` to one of the other, nor overlaps."""
    for a in range(one.offsets.shape[1]):
        start = s + one.offsets[k, a]
        for b in range(two.offsets.shape[1]):
            other = t + two.offsets[m, b]
            if (
                start < other + two.widths[m, b] + margin
                and other < start + one.widths[k, a] + margin
            ):
                return False
    return True
