"""Responsibility: how likely each site is the one that was placed, given the sequence.

These are the derivatives of the sums in `block_sums` with respect to the logs of the ratios.
"""

from __future__ import annotations

import numba
import numpy as np

from seqgra.law.jit import kept
from seqgra.law.posterior.block_sums import (
    BlockArrays,
    free_sum,
    highest_scale,
    packed_sums,
    tree_of,
)


@kept(nogil=True)
def block_shares(
    block: BlockArrays,
    ratios: np.ndarray,
    top: np.ndarray,
    logs: np.ndarray,
    weight: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add what `block_sums.block_logs` owes to each cluster and place, times a weight.

    Parameters
    ----------
    block, ratios, top
        As there.
    logs, weight
        float64 (N,): its result; what to multiply shares by.
    out
        float64 (N, Q, L): is added to.
    """
    variants, ways, most = block.clusters.shape
    for n in range(ratios.shape[0]):
        if weight[n] == 0 or logs[n] == -np.inf:
            continue
        for v in range(variants):
            for k in range(ways):
                log = np.log(block.chance[v] * block.fit.weight[k]) - logs[n]
                for p in range(most):
                    if block.clusters[v, k, p] >= 0:
                        log += top[n, block.clusters[v, k, p]]
                factor = weight[n] * np.exp(log)
                if factor == 0:
                    continue
                for s in range(block.fit.first[k], block.fit.last[k] + 1):
                    share = factor * block.fit.start[s]
                    for p in range(most):
                        q = block.clusters[v, k, p]
                        if q >= 0:
                            share *= ratios[n, q, s + block.places[v, k, p]]
                    if share != 0:
                        for p in range(most):
                            q = block.clusters[v, k, p]
                            if q >= 0:
                                out[n, q, s + block.places[v, k, p]] += share


@kept(nogil=True)
def single_shares(
    block: BlockArrays,
    ratios: np.ndarray,
    top: np.ndarray,
    rows: np.ndarray,
    scales: np.ndarray,
    shares: np.ndarray,
    out: np.ndarray,
) -> None:
    """Divide the shares of a single element's places, float64 (N, L), among its variants.

    Other arguments are as in `block_sums.single_rows`; `out`, float64 (N, Q, L), is added to.
    """
    for n in range(ratios.shape[0]):
        for v in range(block.chance.size):
            q = block.clusters[v, 0, 0]
            factor = block.chance[v] * block.fit.weight[0] * np.exp(top[n, q] - scales[n])
            for i in range(block.fit.first[0], block.fit.last[0] + 1):
                if shares[n, i] != 0:
                    value = factor * block.fit.start[i] * ratios[n, q, i]
                    out[n, q, i] += shares[n, i] * value / rows[n, i]


@kept(nogil=True)
def packed_shares(
    rows: np.ndarray, width: np.ndarray, counts: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Return what `block_sums.packed_sums` with `counts` elements owes to each place, times a weight.

    Parameters
    ----------
    rows, width
        float64 (N, T, L), int64 (T,), as there.
    counts, weight
        int64 (T,), float64 (N,).

    Returns
    -------
    ndarray
        float64 (N, T, L).
    """
    examples, types, length = rows.shape
    stride = np.ones(types + 1, np.int64)
    for t in range(types):
        stride[t + 1] = stride[t] * (counts[t] + 1)
    states = stride[-1]
    out = np.zeros(rows.shape)
    back = np.zeros((states, length + 1))
    for n in range(examples):
        sums = packed_sums(rows[n], width, counts)
        if weight[n] == 0 or sums[states - 1, length] == 0:
            continue
        back[:] = 0
        back[states - 1, length] = weight[n] / sums[states - 1, length]
        for c in range(states - 1, 0, -1):
            for i in range(length, 0, -1):
                owed = back[c, i]
                back[c, i - 1] += owed
                for t in range(types):
                    there = c // stride[t] % (counts[t] + 1)
                    if there and i >= width[t]:
                        before = i - width[t]
                        row = there * rows[n, t, before]
                        back[c - stride[t], before] += owed * row
                        out[n, t, before] += owed * row * sums[c - stride[t], before]
    return out


@kept(nogil=True)
def beside_shares(
    block: BlockArrays,
    ratios: np.ndarray,
    top: np.ndarray,
    rows: np.ndarray,
    width: int,
    weight: np.ndarray,
    out: np.ndarray,
) -> np.ndarray:
    """Add what `block_sums.beside_single` owes to the block's clusters; return what to the single element.

    Parameters
    ----------
    block, ratios, top, rows, width
        As there.
    weight
        float64 (N,).
    out
        float64 (N, Q, L): is added to.

    Returns
    -------
    ndarray
        float64 (N, L).
    """
    variants, ways, most = block.clusters.shape
    length = ratios.shape[2]
    shares = np.zeros(rows.shape)
    free = np.zeros((ways, length))
    steps = np.zeros(length + 1)
    for n in range(ratios.shape[0]):
        tree, best, total = tree_of(rows[n]), highest_scale(block, top[n]), 0.0
        steps[:] = 0
        for again in (False, True):
            for k in range(ways):
                for s in range(block.fit.first[k], block.fit.last[k] + 1):
                    if not again:
                        free[k, s] = free_sum(block, k, s, tree, width, 0, length)
                    for v in range(variants):
                        value, log = (
                            block.chance[v] * block.fit.weight[k] * block.fit.start[s],
                            -best,
                        )
                        for p in range(most):
                            q = block.clusters[v, k, p]
                            if q >= 0:
                                value *= ratios[n, q, s + block.places[v, k, p]]
                                log += top[n, q]
                        if value == 0:
                            continue
                        value *= np.exp(log)
                        if not again:
                            total += value * free[k, s]
                            continue
                        share = weight[n] * value / total
                        _spread(block, k, s, width, length, share, steps)
                        for p in range(most):
                            q = block.clusters[v, k, p]
                            if q >= 0:
                                out[n, q, s + block.places[v, k, p]] += share * free[k, s]
            if total == 0 or weight[n] == 0:
                break
        level = 0.0
        for i in range(length):
            level += steps[i]
            shares[n, i] = level * rows[n, i]
    return shares


@numba.njit
def _spread(
    block: BlockArrays, k: int, s: int, width: int, length: int, share: float, steps: np.ndarray
) -> None:
    """Add a share to all places of `block_sums.free_sum` without a margin, as steps up and down."""
    reached = 0
    for slot in range(block.offsets.shape[1]):
        at = s + block.offsets[k, slot]
        end = max(at - width + 1, reached)
        steps[reached] += share
        steps[end] -= share
        reached = max(reached, min(at + block.widths[k, slot], length))
    steps[reached] += share
