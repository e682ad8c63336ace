"""Blocks that touch, overlap or share a bridge, whose joint ratio is no product; and Monte Carlo.

Two blocks that meet are enumerated. Three or more, of which one has a spacing or some may meet, are drawn
(but for blocks without holes over a chain, see `chain_sums`): with S_b the sum of block b alone, the wanted
sum is prod_b S_b times the mean, over blocks drawn from their own posteriors, of the joint value over the
product of values (0 where they may not overlap).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqgra.law.jit import kept
from seqgra.law.posterior.background_likelihood import BackgroundLaw, hidden_log
from seqgra.law.posterior.block_sums import BlockArrays, highest_scale, placed_value
from seqgra.law.posterior.site_probabilities import Sites, site_log
from seqgra.law.posterior.two_blocks import apart

#: Draws of one batch, and at most; the wanted standard error of a log.
_BATCH, _MOST_DRAWS, _WANTED = 2_000, 64_000, 0.01
_SEED = 20_260_101


class LayoutParts(NamedTuple):
    """Parts of a layout by variant and configuration: int32 (V, K, P), and their offsets."""

    parts: np.ndarray
    places: np.ndarray


class ScoredExample(NamedTuple):
    """One example: letters uint8 (L,), the background's logs float64 (L,), ratios (Q, L), top (Q,)."""

    letters: np.ndarray
    chain: np.ndarray
    ratios: np.ndarray
    top: np.ndarray


@kept(nogil=True)
def joint_log(
    sites: Sites,
    background: BackgroundLaw,
    letters: np.ndarray,
    chain: np.ndarray,
    parts: np.ndarray,
    places: np.ndarray,
    owner: np.ndarray,
) -> float:
    """Return the log ratio of parts that are written one after another, the later over the earlier.

    Parameters
    ----------
    sites, background
        What is written, and over what.
    letters, chain
        See `ScoredExample`.
    parts, places
        int64 (M,): parts and their first letters, in order; those of one block show no column twice.
    owner
        int64 (L,): room to work in, all -1 before and after.
    """
    low, high = letters.size, 0
    for n in range(parts.size):
        for w in range(sites.width[sites.part_site[parts[n]]]):
            if sites.shown[parts[n], w]:
                owner[places[n] + w] = n
                low, high = min(low, places[n] + w), max(high, places[n] + w + 1)
    total = 0.0
    shown = np.zeros(sites.shown.shape[1], np.bool_)
    for n in range(parts.size):
        site, visible = sites.part_site[parts[n]], False
        width = sites.width[site]
        for w in range(width):
            shown[w] = owner[places[n] + w] == n
            visible |= shown[w]
        if visible:
            total += site_log(sites, site, shown, letters[places[n] : places[n] + width])
    if total > -np.inf:
        if background.order == 0:
            for i in range(low, high):
                if owner[i] >= 0:
                    total -= chain[i]
        else:
            total += hidden_log(background, letters, chain, owner >= 0, low, high)
    owner[low:high] = -1
    return total


@kept(nogil=True)
def enumerated_logs(
    sites: Sites,
    background: BackgroundLaw,
    x: np.ndarray,
    chains: np.ndarray,
    one: BlockArrays,
    shown_one: LayoutParts,
    two: BlockArrays,
    shown_two: LayoutParts,
    overlap: bool,
) -> np.ndarray:
    """Return the log sum over two blocks that meet: nearer than the chain's order, or overlapping.

    Parameters
    ----------
    sites, background, x, chains
        As in `joint_log`, for N examples.
    one, shown_one, two, shown_two
        The blocks; the second is written over the first.
    overlap
        Whether they may overlap.

    Returns
    -------
    ndarray
        float64 (N,).
    """
    margin = background.order
    out = np.empty(x.shape[0])
    owner = np.full(x.shape[1], -1, np.int64)
    most_one, most_two = shown_one.parts.shape[2], shown_two.parts.shape[2]
    parts, places = np.empty(most_one + most_two, np.int64), np.empty(most_one + most_two, np.int64)
    for n in range(x.shape[0]):
        best, total = -np.inf, 0.0
        for k in range(one.fit.weight.size):
            for s in range(one.fit.first[k], one.fit.last[k] + 1):
                for m in range(two.fit.weight.size):
                    for t in range(two.fit.first[m], two.fit.last[m] + 1):
                        if apart(one, k, s, two, m, t, margin):
                            continue
                        if not overlap and not apart(one, k, s, two, m, t, 0):
                            continue
                        weight = one.fit.weight[k] * one.fit.start[s]
                        weight *= two.fit.weight[m] * two.fit.start[t]
                        if weight == 0:
                            continue
                        for v in range(one.chance.size):
                            count = _list(shown_one, v, k, s, parts, places, 0)
                            for u in range(two.chance.size):
                                end = _list(shown_two, u, m, t, parts, places, count)
                                log = joint_log(
                                    sites,
                                    background,
                                    x[n],
                                    chains[n],
                                    parts[:end],
                                    places[:end],
                                    owner,
                                )
                                if log == -np.inf:
                                    continue
                                log += np.log(weight * one.chance[v] * two.chance[u])
                                if log > best:
                                    total = total * np.exp(best - log) + 1.0
                                    best = log
                                else:
                                    total += np.exp(log - best)
        out[n] = best + np.log(total) if total > 0 else -np.inf
    return out


@kept(nogil=True)
def _list(
    shown: LayoutParts, v: int, k: int, s: int, parts: np.ndarray, places: np.ndarray, count: int
) -> int:
    """Write the parts of a placed block behind `count` others; return how many there are then."""
    for p in range(shown.parts.shape[2]):
        if shown.parts[v, k, p] >= 0:
            parts[count] = shown.parts[v, k, p]
            places[count] = s + shown.places[v, k, p]
            count += 1
    return count


#: Configuration, start, scaled value and weight of every placement of a block, and the log scale.
_Places = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]


@kept(nogil=True)
def _placements(block: BlockArrays, row: ScoredExample) -> _Places:
    """Return configuration, start, scaled value and weight of every placement of a block; the scale."""
    count = 0
    for k in range(block.fit.weight.size):
        count += block.fit.last[k] - block.fit.first[k] + 1
    way, start = np.empty(count, np.int64), np.empty(count, np.int64)
    value, weight = np.empty(count), np.empty(count)
    best = highest_scale(block, row.top)
    n = 0
    for k in range(block.fit.weight.size):
        for s in range(block.fit.first[k], block.fit.last[k] + 1):
            way[n], start[n] = k, s
            weight[n] = block.fit.weight[k] * block.fit.start[s]
            value[n] = placed_value(block, row.ratios, row.top, best, k, s)
            n += 1
    return way, start, value, weight, best


def drawn_log(
    sites: Sites,
    background: BackgroundLaw,
    row: ScoredExample,
    blocks: Sequence[BlockArrays],
    shown: Sequence[LayoutParts],
    overlap: bool,
) -> tuple[float, float]:
    """Estimate the log sum over several blocks by drawing them; return it and its standard error.

    A sum of which no draw is above 0 counts as 0. Draws are the same for every example. With overlap,
    half of the draws of each block come from its prior, since a block that others damage may lie where
    it does not fit by itself.

    Parameters
    ----------
    sites, background, row
        What is written, over what, and the example.
    blocks, shown
        The blocks, in the order in which they are written.
    overlap
        Whether they may overlap.
    """
    places = [_placements(block, row) for block in blocks]
    sums = [float(value.sum()) for _, _, value, _, _ in places]
    if not overlap and min(sums) <= 0:
        return -np.inf, 0.0
    scale = sum(best for *_, best in places)
    generator = np.random.Generator(np.random.PCG64(_SEED))
    found: list[np.ndarray] = []
    draws = 0
    while draws < _MOST_DRAWS:
        found.append(_batch(sites, background, row, blocks, shown, overlap, places, generator))
        draws += _BATCH
        values = np.concatenate(found)
        mean = float(values.mean())
        error = float(values.std()) / np.sqrt(draws) / mean if mean > 0 else np.inf
        if error < _WANTED:
            break
    return (scale + float(np.log(mean)), error) if mean > 0 else (-np.inf, 0.0)


def _batch(
    sites: Sites,
    background: BackgroundLaw,
    row: ScoredExample,
    blocks: Sequence[BlockArrays],
    shown: Sequence[LayoutParts],
    overlap: bool,
    places: list[_Places],
    generator: np.random.Generator,
) -> np.ndarray:
    """Return scaled joint value over chance of being drawn: float64 (`_BATCH`,)."""
    chosen, chance, product = [], np.ones(_BATCH), np.ones(_BATCH)
    for _, _, value, weight, _ in places:
        law = value / value.sum() if value.sum() > 0 else weight / weight.sum()
        if overlap:
            law = 0.5 * law + 0.5 * weight / weight.sum()
        sums = np.cumsum(law)
        index = np.searchsorted(sums, generator.random(_BATCH) * sums[-1], side="right")
        index = np.minimum(index, law.size - 1)
        chosen.append(index)
        chance *= law[index]
        product *= value[index]
    near, clash = np.zeros(_BATCH, bool), np.zeros(_BATCH, bool)
    for b in range(len(blocks)):
        for a in range(b):
            for margin, into in ((background.order, near), (0, clash)):
                into |= _close(
                    blocks[a], places[a], chosen[a], blocks[b], places[b], chosen[b], margin
                )
    if not overlap:
        product[clash] = 0
        near &= ~clash
    log_scale = sum(best for *_, best in places)
    joint = np.stack(chosen, axis=1)[near]
    distinct, which = np.unique(joint, axis=0, return_inverse=True)
    values = np.empty(len(distinct))
    for number, index in enumerate(distinct.tolist()):
        ways = [(int(p[0][n]), int(p[1][n])) for p, n in zip(places, index, strict=True)]
        prior = float(np.prod([p[3][n] for p, n in zip(places, index, strict=True)]))
        values[number] = prior * _joint(sites, background, row, blocks, shown, ways, log_scale)
    product[near] = values[which.ravel()]
    return np.asarray(product / chance)


def _close(
    one: BlockArrays,
    placed_one: _Places,
    chosen_one: np.ndarray,
    two: BlockArrays,
    placed_two: _Places,
    chosen_two: np.ndarray,
    margin: int,
) -> np.ndarray:
    """Tell of each draw whether elements of two blocks are nearer than `margin`, or overlap: bool."""
    close = np.zeros(chosen_one.size, bool)
    k, s = placed_one[0][chosen_one], placed_one[1][chosen_one]
    m, t = placed_two[0][chosen_two], placed_two[1][chosen_two]
    for a in range(one.offsets.shape[1]):
        start, end = s + one.offsets[k, a], s + one.offsets[k, a] + one.widths[k, a]
        for b in range(two.offsets.shape[1]):
            other, other_end = t + two.offsets[m, b], t + two.offsets[m, b] + two.widths[m, b]
            close |= (start < other_end + margin) & (other < end + margin)
    return close


def _joint(
    sites: Sites,
    background: BackgroundLaw,
    row: ScoredExample,
    blocks: Sequence[BlockArrays],
    shown: Sequence[LayoutParts],
    ways: list[tuple[int, int]],
    scale: float,
) -> float:
    """Return the joint ratio of placed blocks, over all their variants, divided by exp(scale)."""
    owner = np.full(row.letters.size, -1, np.int64)
    total = 0.0
    for variants in np.ndindex(*(block.chance.size for block in blocks)):
        parts, places, chance = [], [], 1.0
        for block, part, v, (k, s) in zip(blocks, shown, variants, ways, strict=True):
            there = part.parts[v, k] >= 0
            parts.append(part.parts[v, k][there])
            places.append(part.places[v, k][there] + s)
            chance *= float(block.chance[v])
        log = joint_log(
            sites,
            background,
            row.letters,
            row.chain,
            np.concatenate(parts).astype(np.int64),
            np.concatenate(places).astype(np.int64),
            owner,
        )
        total += chance * float(np.exp(log - scale))
    return total
