"""Backgrounds: letters, a GC content of each example, or a Markov chain, whichever foretells best.

Each is fitted to the training set, with the letters of motif hits left out, and judged by its log-likelihood
of the validation set (of every fifth training example where there is none), over the same letters: those
that follow as many known ones as the longest chain asks for. In the order letters, GC content, chains of
order 1 to 3, one takes the place of a simpler one if it gains more than 5 nats, and more than 0.001 nats a
letter: sites too weak to be hits teach a long chain their words, which gains less.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from seqgra.alphabet import UNKNOWN, strong_and_known
from seqgra.grammar.backgrounds import GC_STEP, Gc
from seqgra.law.word_counts import chain_shares, word_counts

#: Orders of chains that are tried.
ORDERS = (0, 1, 2, 3)
#: Nats that a background must gain over a simpler one.
GAIN = 5.0
_GAIN_PER_LETTER = 1e-3
_DIGITS = 6


class FittedBackground(NamedTuple):
    """A background as a grammar file has it, what to call it, and its log-likelihood held out.

    `fit` is in nats per letter, `letters` the number of letters that it is the mean of.
    """

    name: str
    content: dict[str, Any]
    fit: float
    letters: int


def without_hits(x: np.ndarray, hits: pd.DataFrame) -> np.ndarray:
    """Return a copy of letter codes, uint8 (N, L), with the letters of hits unknown."""
    ends = np.zeros((len(x), x.shape[1] + 1), np.int16)
    np.add.at(ends, (hits["example"], hits["start"]), 1)
    np.add.at(ends, (hits["example"], hits["end"]), -1)
    masked = np.array(x)
    masked[(np.cumsum(ends, axis=1)[:, :-1] > 0) & (masked < UNKNOWN)] = UNKNOWN
    return masked


def chain(x: np.ndarray, order: int, letters: str) -> dict[str, Any]:
    """Return the Markov chain of an order (0: letters) with a pseudocount of 1 a word."""
    initial, table = chain_shares(x, order, len(letters))
    if order == 0:
        return dict(zip(letters, _rounded(table)[0], strict=True))
    first, rows = _rounded(initial[None])[0], _rounded(table)
    return {"markov": {"order": order, "initial": first, "table": rows}}


def gc_law(x: np.ndarray) -> dict[str, Any]:
    """Return the normal law of the GC contents of examples.

    The variance of the true contents is that of the observed ones less what chance adds:
    var(g_i) - mean(g_i (1 - g_i) / n_i), for n_i known letters in example i.
    """
    strong, known = strong_and_known(x)
    content, n = strong[known > 0] / known[known > 0], known[known > 0]
    mean = float(strong.sum() / max(known.sum(), 1))
    variance = float(content.var() - (content * (1 - content) / n).mean())
    sd = min(max(np.sqrt(max(variance, 0.0)), GC_STEP), 0.5)
    return {"gc": {"mean": round(mean, 4), "sd": round(float(sd), 4)}}


def known_before(letters: str, order: int | None) -> int:
    """Return how many known letters stand before every letter that backgrounds are judged by."""
    return _orders(letters, order)[-1]


def _orders(letters: str, order: int | None) -> tuple[int, ...]:
    """Return the orders of the chains that are tried."""
    if order is not None:
        return (order,)
    return ORDERS if len(letters) == 4 else ORDERS[:2]


def likelihood(content: Mapping[str, Any], x: np.ndarray, letters: str, before: int) -> float:
    """Return the mean log-likelihood of the letters of sequences, in nats.

    Parameters
    ----------
    content
        A background as a grammar file has it.
    x
        uint8 (N, L): letter codes.
    letters
        Of the alphabet.
    before
        Only letters that follow so many known ones count; at least the order of a chain.
    """
    if "gc" in content:
        return _gc_likelihood(Gc(**content["gc"]), following(x, before, len(letters)))
    order = content["markov"]["order"] if "markov" in content else 0
    table = content["markov"]["table"] if order else [[content[letter] for letter in letters]]
    counts = word_counts(x, before + 1, len(letters))
    counts = counts.reshape(-1, len(letters) ** (order + 1)).sum(axis=0)
    return float(counts @ np.log(np.array(table).ravel()) / max(counts.sum(), 1))


def following(x: np.ndarray, before: int, letters: int) -> np.ndarray:
    """Return a copy of letter codes, uint8 (N, L), known only where they follow so many known ones."""
    known = x < letters
    good = known.copy()
    for back in range(1, before + 1):
        good[:, back:] &= known[:, :-back]
    good[:, :before] = False
    return np.where(good | ~known, x, np.uint8(UNKNOWN))


def best_background(
    x: np.ndarray, held_out: np.ndarray, letters: str, order: int | None
) -> list[FittedBackground]:
    """Return backgrounds fitted to `x` (uint8 (N, L)), the chosen one first, then by likelihood.

    With `order`, only the chain of that order.
    """
    orders, before = _orders(letters, order), known_before(letters, order)
    tried = {f"chain of order {k}" if k else "letters": chain(x, k, letters) for k in orders}
    if len(letters) == 4 and order is None:
        first, *rest = tried.items()
        tried = dict([first, ("GC content of each example", gc_law(x)), *rest])
    judged = int((following(held_out, before, len(letters)) < len(letters)).sum())
    found = [
        FittedBackground(name, law, likelihood(law, held_out, letters, before), judged)
        for name, law in tried.items()
    ]
    chosen = found[0]
    for candidate in found[1:]:
        gain = candidate.fit - chosen.fit
        if gain * judged > GAIN and gain > _GAIN_PER_LETTER:
            chosen = candidate
    return sorted(found, key=lambda candidate: (candidate is not chosen, -candidate.fit))


def _gc_likelihood(law: Gc, x: np.ndarray) -> float:
    contents = law.law()
    weights = np.log(np.array(list(contents.values())) / sum(contents.values()))
    gc = np.array(list(contents))
    strong, known = strong_and_known(x)
    each = weights + strong[:, None] * np.log(gc / 2)
    each += (known - strong)[:, None] * np.log((1 - gc) / 2)
    return float(logsumexp(each, axis=1).sum() / max(known.sum(), 1))


def _rounded(rows: np.ndarray) -> list[list[float]]:
    """Return rows of probabilities with few digits, all above 0, that sum to 1."""
    shares = np.maximum(np.round(rows, _DIGITS), 10.0**-_DIGITS)
    largest = shares.argmax(axis=1)
    numbers = np.arange(len(shares))
    shares[numbers, largest] += 1 - shares.sum(axis=1)
    return [[round(float(value), _DIGITS) for value in row] for row in shares]
