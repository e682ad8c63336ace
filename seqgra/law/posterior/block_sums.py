"""Sums over placements: one block, single elements side by side, two blocks.

Ratios come scaled: R = exp(log ratio - its maximum over the sequence), with the maxima kept aside, so that
all sums are of numbers from 0 to 1. Nothing is subtracted, so nothing cancels.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from seqgra.law.jit import kept
from seqgra.law.posterior.block_layouts import Layout, LayoutAtLength, fitted


class BlockArrays(NamedTuple):
    """A layout in examples of one length, over one kind of background, as arrays."""

    #: int32 (V, K, P): clusters of each variant and configuration (-1 for none) and their offsets.
    clusters: np.ndarray
    places: np.ndarray
    #: float64 (V,): of the variants.
    chance: np.ndarray
    #: int32 (K, S): of the elements, ascending.
    offsets: np.ndarray
    widths: np.ndarray
    #: Weights and starts.
    fit: LayoutAtLength
    #: Whether all starts weigh 1.
    flat: bool


def block_arrays(
    layout: Layout, clusters: np.ndarray, places: np.ndarray, length: int
) -> BlockArrays:
    """Return a layout in examples of `length` letters; configurations without weight are left out."""
    fit = fitted(layout, length)
    kept = np.flatnonzero(fit.weight > 0)
    chance = np.array([variant.weight for variant in layout.variants])
    return BlockArrays(
        np.ascontiguousarray(clusters[:, kept]),
        np.ascontiguousarray(places[:, kept]),
        chance,
        np.ascontiguousarray(layout.offsets[kept]),
        np.ascontiguousarray(layout.widths[kept]),
        LayoutAtLength(fit.weight[kept], fit.first[kept], fit.last[kept], fit.start),
        bool((fit.start == 1).all()),
    )


@kept(nogil=True)
def scale(logs: np.ndarray, top: np.ndarray) -> None:
    """Replace log ratios, float64 (N, Q, L), by ratios over their maximum, whose log goes to `top`."""
    for n in range(logs.shape[0]):
        for q in range(logs.shape[1]):
            best = -np.inf
            for i in range(logs.shape[2]):
                best = max(best, logs[n, q, i])
            top[n, q] = best if best > -np.inf else 0.0
            for i in range(logs.shape[2]):
                logs[n, q, i] = np.exp(logs[n, q, i] - top[n, q])


@numba.njit(inline="always")
def _add_log(best: float, total: float, log: float, part: float) -> tuple[float, float]:
    """Add exp(log) part to exp(best) total."""
    if part <= 0:
        return best, total
    log += np.log(part)
    if log > best:
        return log, (total * np.exp(best - log) if total > 0 else 0.0) + 1.0
    return best, total + np.exp(log - best)


@kept(nogil=True, fastmath={"reassoc", "contract"})
def block_logs(block: BlockArrays, ratios: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Return the log of the sum over all places of a block of weight times ratio: float64 (N,).

    Parameters
    ----------
    block
        The block.
    ratios, top
        float64 (N, Q, L), (N, Q): scaled ratios of the clusters and the logs of their scales.
    """
    variants, ways, most = block.clusters.shape
    out = np.empty(ratios.shape[0])
    product = np.empty(ratios.shape[2])
    for n in range(ratios.shape[0]):
        best, total = -np.inf, 0.0
        for v in range(variants):
            for k in range(ways):
                first, count = block.fit.first[k], block.fit.last[k] - block.fit.first[k] + 1
                log = np.log(block.chance[v] * block.fit.weight[k])
                if block.flat and most == 2 and block.clusters[v, k, 1] >= 0:
                    one, two = block.clusters[v, k, 0], block.clusters[v, k, 1]
                    at, other = first + block.places[v, k, 0], first + block.places[v, k, 1]
                    left, right = (
                        ratios[n, one, at : at + count],
                        ratios[n, two, other : other + count],
                    )
                    log += top[n, one] + top[n, two]
                    part = 0.0
                    for i in range(count):
                        part += left[i] * right[i]
                    best, total = _add_log(best, total, log, part)
                    continue
                product[:count] = block.fit.start[first : first + count]
                part = 0.0
                for p in range(most):
                    q = block.clusters[v, k, p]
                    if q >= 0:
                        at = first + block.places[v, k, p]
                        log += top[n, q]
                        row = ratios[n, q, at : at + count]
                        if p + 1 < most and block.clusters[v, k, p + 1] >= 0:
                            for i in range(count):
                                product[i] *= row[i]
                        else:
                            for i in range(count):
                                part += product[i] * row[i]
                            break
                best, total = _add_log(best, total, log, part)
        out[n] = best + np.log(total) if total > 0 else -np.inf
    return out


@kept(nogil=True)
def single_rows(
    block: BlockArrays, ratios: np.ndarray, top: np.ndarray, rows: np.ndarray, scales: np.ndarray
) -> None:
    """Write weight times ratio of a single element at every place, scaled.

    Parameters
    ----------
    block
        The block of one element.
    ratios, top
        As in `block_logs`.
    rows, scales
        float64 (N, L), (N,): get the values and the log of their scale.
    """
    for n in range(ratios.shape[0]):
        best = -np.inf
        for v in range(block.chance.size):
            best = max(best, top[n, block.clusters[v, 0, 0]])
        scales[n] = best
        rows[n] = 0
        for v in range(block.chance.size):
            q = block.clusters[v, 0, 0]
            factor = block.chance[v] * block.fit.weight[0] * np.exp(top[n, q] - best)
            for i in range(block.fit.first[0], block.fit.last[0] + 1):
                rows[n, i] += factor * block.fit.start[i] * ratios[n, q, i]


@kept(nogil=True)
def packed_sums(rows: np.ndarray, width: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Sum the products of single elements over all ways to place them without overlap.

    f(c, i) = f(c, i - 1) + sum over types t of c_t f(c - e_t, i - w_t) r_t(i - w_t), the sum with c_t
    elements of type t within the first i letters.

    Parameters
    ----------
    rows
        float64 (T, L): r_t.
    width, most
        int64 (T,): w_t, and the most elements of each type.

    Returns
    -------
    ndarray
        float64 (prod(most + 1), L + 1): f(c, i), c in mixed radix, the first type the fastest.
    """
    types, length = rows.shape
    stride = np.ones(types + 1, np.int64)
    for t in range(types):
        stride[t + 1] = stride[t] * (most[t] + 1)
    sums = np.zeros((stride[-1], length + 1))
    sums[0] = 1.0
    for c in range(1, stride[-1]):
        for i in range(1, length + 1):
            sums[c, i] = sums[c, i - 1]
            for t in range(types):
                there = c // stride[t] % (most[t] + 1)
                if there and i >= width[t]:
                    before = i - width[t]
                    sums[c, i] += there * sums[c - stride[t], before] * rows[t, before]
    return sums


@kept(nogil=True)
def packed_all(rows: np.ndarray, width: np.ndarray, most: np.ndarray, states: int) -> np.ndarray:
    """Return f(c, L) of `packed_sums` in N examples: rows float64 (N, T, L), result float64 (N, states)."""
    out = np.empty((rows.shape[0], states))
    for n in range(rows.shape[0]):
        out[n] = packed_sums(rows[n], width, most)[:, -1]
    return out


@kept(nogil=True)
def tree_of(row: np.ndarray) -> np.ndarray:
    """Return partial sums of a row, float64 (L,), from which `tree_sum` adds up any stretch."""
    size = row.size
    tree = np.zeros(2 * size)
    tree[size:] = row
    for node in range(size - 1, 0, -1):
        tree[node] = tree[2 * node] + tree[2 * node + 1]
    return tree


@kept(nogil=True)
def tree_sum(tree: np.ndarray, first: int, end: int) -> float:
    """Return the sum of the values from `first` to `end` - 1, by additions only."""
    total = 0.0
    low, high = first + tree.size // 2, end + tree.size // 2
    while low < high:
        if low & 1:
            total += tree[low]
            low += 1
        if high & 1:
            high -= 1
            total += tree[high]
        low //= 2
        high //= 2
    return total


@kept(nogil=True)
def beside_single(
    block: BlockArrays,
    ratios: np.ndarray,
    top: np.ndarray,
    rows: np.ndarray,
    scales: np.ndarray,
    width: int,
    margin: int,
) -> np.ndarray:
    """Return the log sum over a block and a single element at least `margin` letters apart.

    Parameters
    ----------
    block, ratios, top
        The block, as in `block_logs`.
    rows, scales
        float64 (N, L), (N,): the single element, see `single_rows`.
    width
        Letters of the single element.
    margin
        0 where they only may not overlap.
    """
    ways, length = block.clusters.shape[1], ratios.shape[2]
    out = np.empty(ratios.shape[0])
    for n in range(ratios.shape[0]):
        tree = tree_of(rows[n])
        best = highest_scale(block, top[n])
        total = 0.0
        for k in range(ways):
            for s in range(block.fit.first[k], block.fit.last[k] + 1):
                value = placed_value(block, ratios[n], top[n], best, k, s)
                if value == 0:
                    continue
                total += value * free_sum(block, k, s, tree, width, margin, length)
        out[n] = best + scales[n] + np.log(total) if total > 0 else -np.inf
    return out


@kept(nogil=True)
def free_sum(
    block: BlockArrays, k: int, s: int, tree: np.ndarray, width: int, margin: int, length: int
) -> float:
    """Return the sum of a single element's row at least `margin` letters from a placed block."""
    free, reached = 0.0, 0
    for slot in range(block.offsets.shape[1]):
        at = s + block.offsets[k, slot]
        free += tree_sum(tree, reached, max(at - width - margin + 1, reached))
        reached = max(reached, min(at + block.widths[k, slot] + margin, length))
    result: float = free + tree_sum(tree, reached, length)
    return result


@kept(nogil=True)
def highest_scale(block: BlockArrays, top: np.ndarray) -> float:
    """Return the highest log scale of the variants and configurations of a block."""
    best = -np.inf
    for v in range(block.chance.size):
        for k in range(block.fit.weight.size):
            log = 0.0
            for p in range(block.clusters.shape[2]):
                if block.clusters[v, k, p] >= 0:
                    log += top[block.clusters[v, k, p]]
            best = max(best, log)
    return best if best > -np.inf else 0.0


@kept(nogil=True)
def placed_value(
    block: BlockArrays, ratios: np.ndarray, top: np.ndarray, best: float, k: int, s: int
) -> float:
    """Return weight times ratio of configuration k at start s, over exp(best)."""
    total = 0.0
    for v in range(block.chance.size):
        value, log = block.chance[v], -best
        for p in range(block.clusters.shape[2]):
            q = block.clusters[v, k, p]
            if q >= 0:
                value *= ratios[q, s + block.places[v, k, p]]
                log += top[q]
        if value > 0:
            total += value * np.exp(log)
    result: float = total * block.fit.weight[k] * block.fit.start[s]
    return result
