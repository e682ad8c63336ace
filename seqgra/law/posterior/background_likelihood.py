"""The probability of background letters, and of elements written over them.

Independent letters: an element's ratio is its probability over that of the letters it covers. A Markov
chain of order k runs on below an element, which hides its letters: the ratio also holds the chance of the
letters that follow, given those before, over the chain's own probability of the whole stretch. Elements
nearer to one another than k letters share one such bridge.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from seqgra.alphabet import Alphabet
from seqgra.grammar.backgrounds import Background, gc_letters
from seqgra.law.jit import kept
from seqgra.law.posterior.site_probabilities import Sites

#: Largest order whose bridges are tabulated.
_LARGEST_TABLED = 5


class BackgroundLaw(NamedTuple):
    """The law of background letters."""

    #: Size A of the alphabet; order k of the chain, 0 for independent letters.
    letters: int
    order: int
    #: float64 (A,): log probabilities of independent letters.
    logs: np.ndarray
    #: float64 (A**k,), (A**k, A): law of the first k letters; of the next letter by the last k.
    initial: np.ndarray
    table: np.ndarray


def background_laws(
    background: Background, alphabet: Alphabet
) -> list[tuple[float, BackgroundLaw]]:
    """Return the laws that an example's letters may have, with their chances.

    A background drawn from a FASTA file has none; see `posterior.compile_posterior`.
    """
    size = len(alphabet.letters)
    if background.markov:
        chain = background.markov
        assert chain.initial is not None and chain.table is not None
        return [(1.0, _chain(size, np.array(chain.initial), np.array(chain.table)))]
    if background.gc:
        law = background.gc.law()
        total = sum(law.values())
        return [(weight / total, _independent(gc_letters(gc))) for gc, weight in law.items()]
    assert background.letters is not None
    return [(1.0, _independent(np.array([background.letters[c] for c in alphabet.letters])))]


def _independent(probabilities: np.ndarray) -> BackgroundLaw:
    size = len(probabilities)
    return BackgroundLaw(size, 0, np.log(probabilities), np.ones(1), np.ones((1, size)) / size)


def _chain(size: int, initial: np.ndarray, table: np.ndarray) -> BackgroundLaw:
    order = round(np.log(len(initial)) / np.log(size))
    rows = table / table.sum(axis=1, keepdims=True)
    return BackgroundLaw(size, order, np.zeros(size), initial / initial.sum(), rows)


def advanced(now: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return laws of a chain's context one letter on, where the first letter falls out of sight.

    Parameters
    ----------
    now
        float64 (C, A**k): laws of the context, one a row.
    table
        float64 (A**k, A): law of the next letter in each context.
    """
    moved = now[:, :, None] * table
    result: np.ndarray = moved.reshape(len(now), table.shape[1], -1).sum(axis=1)
    return result


def bridges(background: BackgroundLaw, width: int) -> np.ndarray:
    """Return log P(next k letters | k letters before `width` hidden ones): float64 (A**k, A**k).

    Empty where that would take too much memory, or there is no chain.
    """
    if not 0 < background.order <= _LARGEST_TABLED:
        return np.zeros((0, 0))
    now = np.eye(len(background.table))
    for _ in range(width + background.order):
        now = advanced(now, background.table)
    with np.errstate(divide="ignore"):
        return np.log(now)


@kept(nogil=True)
def letter_logs(background: BackgroundLaw, row: np.ndarray, out: np.ndarray) -> None:
    """Write the log probability of each letter given those before it.

    Parameters
    ----------
    background
        The law.
    row
        uint8 (L,): letter codes; unknown letters are summed out, which only independent ones allow.
    out
        float64 (L,): the first k letters of a chain have theirs at the last of them.
    """
    length, size = row.size, background.letters
    out[:] = 0
    if background.order == 0:
        for i in range(length):
            if row[i] < size:
                out[i] = background.logs[row[i]]
        return
    first = min(background.order, length)
    context = 0
    for i in range(first):
        context = context * size + row[i]
    share = size ** (background.order - first)
    total = 0.0
    for rest in range(share):
        total += background.initial[context * share + rest]
    out[first - 1] = np.log(total)
    for i in range(first, length):
        out[i] = np.log(background.table[context, row[i]])
        context = (context * size + row[i]) % background.initial.size


@kept(nogil=True)
def hidden_log(
    background: BackgroundLaw,
    row: np.ndarray,
    logs: np.ndarray,
    hidden: np.ndarray,
    low: int,
    high: int,
) -> float:
    """Return log P(letters that are not hidden) - log P(all letters) of a chain.

    Parameters
    ----------
    background
        The law, of order 1 at least.
    row, logs
        uint8, float64 (L,): letters, and what `letter_logs` says of them.
    hidden
        bool (L,): hidden letters, all from `low` to `high` - 1.
    low, high
        See `hidden`.
    """
    length, size, contexts = row.size, background.letters, background.initial.size
    order = background.order
    end = min(length, high + order)
    now = np.zeros(contexts)
    if low >= order:
        context = 0
        for i in range(low - order, low):
            context = context * size + row[i]
        now[context] = 1.0
        begin = low
        reference = 0.0
    else:
        for word in range(contexts):
            rest, fits = word, True
            for i in range(order - 1, -1, -1):
                if i < length and not hidden[i] and rest % size != row[i]:
                    fits = False
                    break
                rest //= size
            if fits:
                now[word] = background.initial[word]
        begin = min(order, length)
        reference = logs[begin - 1]
    scale = 0.0
    for i in range(begin, end):
        after = np.zeros(contexts)
        for context in range(contexts):
            if now[context] > 0:
                base = context * size % contexts
                if hidden[i]:
                    for letter in range(size):
                        after[base + letter] += now[context] * background.table[context, letter]
                else:
                    after[base + row[i]] += now[context] * background.table[context, row[i]]
        total = after.sum()
        scale += np.log(total)
        now = after / total
        reference += logs[i]
    result: float = scale + np.log(now.sum()) - reference
    return result


class Clusters(NamedTuple):
    """Parts that share one bridge: Q clusters."""

    #: int32 (Q, P): parts, -1 for none, and their offsets from the cluster's first letter.
    parts: np.ndarray
    offsets: np.ndarray
    #: bool (Q, W): letters that the cluster covers.
    hidden: np.ndarray
    #: int32 (Q,): up to the last covered letter.
    width: np.ndarray
    #: int32 (Q,): number of the tabulated bridge, -1 where there is a gap inside or none.
    bridge: np.ndarray


@kept(nogil=True)
def cluster_ratios(
    sites: Sites,
    background: BackgroundLaw,
    clusters: Clusters,
    tables: np.ndarray,
    x: np.ndarray,
    chains: np.ndarray,
    logs: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the log ratio of every cluster at every place to the background.

    Parameters
    ----------
    sites, background, clusters
        What stands over which background.
    tables
        float64 (D, A**k, A**k): tabulated bridges.
    x, chains
        uint8, float64 (N, L): letter codes, and what `letter_logs` says of them.
    logs
        float64 (N, M, L): log probabilities of the parts.
    out
        float64 (N, Q, L).
    """
    length = x.shape[1]
    sums = np.zeros(length + 1)
    hidden = np.zeros(length, np.bool_)
    for n in range(x.shape[0]):
        chain = chains[n]
        for i in range(length):
            sums[i + 1] = sums[i] + chain[i]
        for q in range(clusters.width.size):
            starts = max(length - clusters.width[q] + 1, 0)
            out[n, q, :starts] = 0
            out[n, q, starts:] = -np.inf
            for p in range(clusters.parts.shape[1]):
                if clusters.parts[q, p] >= 0:
                    offset = clusters.offsets[q, p]
                    for i in range(starts):
                        out[n, q, i] += logs[n, clusters.parts[q, p], i + offset]
            if background.order == 0:
                _subtract_letters(sites, clusters, q, sums, chain, out[n, q, :starts])
            else:
                _add_bridges(background, clusters, q, tables, x[n], sums, chain, hidden, out[n, q])


@numba.njit
def _subtract_letters(
    sites: Sites,
    clusters: Clusters,
    q: int,
    sums: np.ndarray,
    chain: np.ndarray,
    out: np.ndarray,
) -> None:
    m = clusters.parts[q, 0]
    width = clusters.width[q]
    for i in range(out.size):
        if sites.whole[m]:
            out[i] -= sums[i + width] - sums[i]
        else:
            for w in range(width):
                if sites.shown[m, w]:
                    out[i] -= chain[i + w]


@numba.njit
def _add_bridges(
    background: BackgroundLaw,
    clusters: Clusters,
    q: int,
    tables: np.ndarray,
    row: np.ndarray,
    sums: np.ndarray,
    chain: np.ndarray,
    hidden: np.ndarray,
    out: np.ndarray,
) -> None:
    order, size, width = background.order, background.letters, clusters.width[q]
    contexts = background.initial.size
    for i in range(row.size - width + 1):
        if out[i] == -np.inf:
            continue
        end = i + width
        if clusters.bridge[q] >= 0 and i >= order and end + order <= row.size:
            before, after = 0, 0
            for j in range(order):
                before = before * size + row[i - order + j]
                after = after * size + row[end + j]
            assert before < contexts
            out[i] += tables[clusters.bridge[q], before, after] - (sums[end + order] - sums[i])
        else:
            hidden[i:end] = clusters.hidden[q, :width]
            out[i] += hidden_log(background, row, chain, hidden, i, end)
            hidden[i:end] = False
