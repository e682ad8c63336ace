"""Sums over blocks without holes that lie side by side over a Markov chain, however near one another.

The chain runs on below an element, which hides its letters, so that elements nearer than the chain's order
do not factorise. What the sums carry along is the law of the last k letters, the chain's *context*:

    f(c, i, z) = sum over z' of f(c, i - 1, z') P(x_i, z | z') / P(x_i | x_1 ... x_i-1)
               + sum over types t of c_t r_t(i - w_t) sum over z' of f(c - e_t, i - w_t, z') P_w_t(z | z')

sums over all placements of c elements within the first i letters after which the context is z; r_t is
weight times probability of an element of w_t letters over that of those letters as background, and P_w goes
on for w hidden letters. It is the forward algorithm of a hidden Markov model.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.law.jit import kept
from seqgra.law.posterior.background_likelihood import BackgroundLaw, Clusters, advanced
from seqgra.law.posterior.block_sums import BlockArrays


class ChainSteps(NamedTuple):
    """A chain of order k, letter by letter from the first on.

    Contexts of fewer than k letters, at the start, are numbered as if zeros stood before them.
    """

    #: float64 (k + 1, A**k, A): law of the next letter after 0, 1, ... k - 1 letters, and after k or more.
    tables: np.ndarray
    #: float64 (T, k + 1, A**k, A**k): law of the context after the hidden letters of a block of each type,
    #: which begins after so many letters.
    hidden: np.ndarray


def chain_tables(background: BackgroundLaw) -> np.ndarray:
    """Return the tables of a chain; see `ChainSteps`."""
    order, (contexts, size) = background.order, background.table.shape
    tables = np.empty((order + 1, contexts, size))
    tables[order] = background.table
    for letters in range(order):
        joint = background.initial.reshape(size ** (letters + 1), -1).sum(axis=1).reshape(-1, size)
        law = joint / joint.sum(axis=1, keepdims=True)
        tables[letters] = law[np.arange(contexts) % len(law)]
    return tables


def hidden_steps(tables: np.ndarray, width: int) -> np.ndarray:
    """Return the steps of a chain over so many hidden letters: float64 (k + 1, A**k, A**k)."""
    order, contexts = len(tables) - 1, tables.shape[1]
    steps = np.empty((order + 1, contexts, contexts))
    for begin in range(order + 1):
        now = np.eye(contexts)
        for i in range(begin, begin + width):
            now = advanced(now, tables[min(i, order)])
        steps[begin] = now
    return steps


def without_holes(block: BlockArrays, clusters: Clusters) -> bool:
    """Tell whether a block lies in one way, as one cluster that hides every letter it spans."""
    if block.clusters.shape[1] != 1 or (block.clusters[:, 0, 1:] >= 0).any():
        return False
    numbers = block.clusters[:, 0, 0]
    span = int((block.offsets + block.widths).max())
    return bool((clusters.width[numbers] == span).all() and clusters.hidden[numbers, :span].all())


@kept(nogil=True)
def letter_chances(tables: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """Write the probability of each letter given those before it.

    Parameters
    ----------
    tables
        See `ChainSteps`.
    x
        uint8 (N, L): letter codes.
    out
        float64 (N, L).
    """
    order, contexts, size = tables.shape[0] - 1, tables.shape[1], tables.shape[2]
    for n in range(x.shape[0]):
        context = 0
        for i in range(x.shape[1]):
            out[n, i] = tables[min(i, order), context, x[n, i]]
            context = (context * size + x[n, i]) % contexts


@kept(nogil=True)
def hidden_rows(
    block: BlockArrays,
    clusters: Clusters,
    part_logs: np.ndarray,
    chances: np.ndarray,
    rows: np.ndarray,
    scales: np.ndarray,
) -> None:
    """Write weight times ratio of a block at every place, scaled: r_t, without what follows the block.

    Parameters
    ----------
    block, clusters
        A block without holes, and the clusters.
    part_logs
        float64 (N, M, L): log probabilities of the parts.
    chances
        float64 (N, L): see `letter_chances`.
    rows, scales
        float64 (N, L), (N,): get the values and the log of their scale.
    """
    length = rows.shape[1]
    logs = np.empty((block.chance.size, length))
    sums = np.zeros(length + 1)
    for n in range(rows.shape[0]):
        for i in range(length):
            sums[i + 1] = sums[i] + np.log(chances[n, i])
        best = -np.inf
        for v in range(block.chance.size):
            q = block.clusters[v, 0, 0]
            width = clusters.width[q]
            for i in range(block.fit.first[0], block.fit.last[0] + 1):
                log = np.log(block.chance[v]) - (sums[i + width] - sums[i])
                for p in range(clusters.parts.shape[1]):
                    if clusters.parts[q, p] >= 0:
                        log += part_logs[n, clusters.parts[q, p], i + clusters.offsets[q, p]]
                logs[v, i] = log
                best = max(best, log)
        scales[n] = best if best > -np.inf else 0.0
        rows[n] = 0
        for v in range(block.chance.size):
            for i in range(block.fit.first[0], block.fit.last[0] + 1):
                rows[n, i] += (
                    block.fit.weight[0] * block.fit.start[i] * np.exp(logs[v, i] - scales[n])
                )


@kept(nogil=True)
def chained(
    steps: ChainSteps,
    x: np.ndarray,
    chances: np.ndarray,
    rows: np.ndarray,
    width: np.ndarray,
    most: np.ndarray,
) -> np.ndarray:
    """Sum over all ways to place blocks without overlap over a chain; see the head of this file.

    Parameters
    ----------
    steps
        Of the chain, over blocks of these widths.
    x, chances
        uint8, float64 (N, L): letters, and see `letter_chances`.
    rows
        float64 (N, T, L): r_t.
    width, most
        int64 (T,): w_t, and the most blocks of each type.

    Returns
    -------
    ndarray
        float64 (N, prod(most + 1)): the sums over z of f(c, L, z), c in mixed radix, the first type the
        fastest.
    """
    types, length = rows.shape[1], rows.shape[2]
    order, contexts, size = steps.tables.shape[0] - 1, steps.tables.shape[1], steps.tables.shape[2]
    stride = np.ones(types + 1, np.int64)
    for t in range(types):
        stride[t + 1] = stride[t] * (most[t] + 1)
    out = np.empty((x.shape[0], stride[-1]))
    sums = np.empty((stride[-1], length + 1, contexts))
    for n in range(x.shape[0]):
        sums[:] = 0
        sums[0, 0, 0] = 1.0
        for c in range(stride[-1]):
            for i in range(1, length + 1):
                now, before = sums[c, i], sums[c, i - 1]
                letter, table = x[n, i - 1], steps.tables[min(i - 1, order)]
                for z in range(contexts):
                    if before[z] > 0:
                        seen = before[z] * table[z, letter] / chances[n, i - 1]
                        now[(z * size + letter) % contexts] += seen
                for t in range(types):
                    there = c // stride[t] % (most[t] + 1)
                    begin = i - width[t]
                    if there == 0 or begin < 0 or rows[n, t, begin] == 0:
                        continue
                    source, reach = sums[c - stride[t], begin], steps.hidden[t, min(begin, order)]
                    for z in range(contexts):
                        if source[z] > 0:
                            weight = there * rows[n, t, begin] * source[z]
                            for y in range(contexts):
                                now[y] += weight * reach[z, y]
            out[n, c] = sums[c, length].sum()
    return out
