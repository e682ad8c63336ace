"""The grammar of real examples: what was measured of them, without rules; and their facts in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from seqgra.alphabet import Alphabet, lengths_of
from seqgra.grammar.backgrounds import Background, Markov
from seqgra.grammar.schema import NONE, Condition, Element, Grammar, Group
from seqgra.ingest.examples import gc_shares
from seqgra.ingest.recipe import Recipe
from seqgra.law.word_counts import chain_shares

#: Order of the Markov chain of nucleotides.
ORDER = 2


def measured_background(x: np.ndarray, alphabet: Alphabet) -> Background:
    """Return the background of examples: a Markov chain of nucleotides, letters of proteins."""
    letters = len(alphabet.letters)
    order = ORDER if letters == 4 and x.shape[1] > ORDER else 0
    initial, table = chain_shares(x, order, letters)
    if order == 0:
        return Background(letters=dict(zip(alphabet.letters, table[0].tolist(), strict=True)))
    chain = Markov(order=order, initial=tuple(initial), table=tuple(map(tuple, table.tolist())))
    return Background(markov=chain)


def measured_grammar(
    recipe: Recipe,
    conditions: list[str],
    elements: Mapping[str, Element],
    x: np.ndarray,
    training: np.ndarray,
) -> Grammar:
    """Return the grammar of real examples, uint8 (N, L): what was measured, and no rules.

    `training` is bool (N,): the examples whose background it is.
    """
    lengths = Counter(lengths_of(x).tolist())
    window: Any = {length: float(n) for length, n in sorted(lengths.items())}
    return Grammar(
        description="measured from real examples; its conditions have no rules",
        alphabet=recipe.alphabet,
        task=recipe.task,
        window=(x.shape[1], x.shape[1]) if len(lengths) == 1 else window,
        background=measured_background(x[training], recipe.letters),
        elements=dict(elements),
        conditions={name: Condition() for name in conditions},
        examples=tuple(Group(conditions=(name,)) for name in conditions),
    )


def set_facts(
    x: np.ndarray,
    y: np.ndarray,
    conditions: list[str],
    elements: Mapping[str, np.ndarray],
    names: list[str],
) -> dict[str, Any]:
    """Return the facts of a set: examples, mean GC content and elements in each, by label."""
    gc, lengths = gc_shares(x), lengths_of(x)
    shown: dict[str, np.ndarray] = {name: y[:, n] > 0 for n, name in enumerate(conditions)}
    if not y.any(axis=1).all():
        shown[NONE] = np.asarray(~y.any(axis=1))
    hits = np.zeros((len(x), len(names)), np.int64)
    np.add.at(hits, (elements["example"], elements["element"]), 1)
    facts: dict[str, Any] = {"examples": len(x)}
    facts["lengths"] = [int(lengths.min()), float(np.median(lengths)), int(lengths.max())]
    facts["labels"] = {
        name: {
            "examples": int(own.sum()),
            "gc": round(float(gc[own].mean()), 4) if own.any() else None,
            "elements": {
                element: round(float(hits[own, n].mean()), 4) if own.any() else None
                for n, element in enumerate(names)
            },
        }
        for name, own in shown.items()
    }
    return facts
