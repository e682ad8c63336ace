"""Sequences of background alone, which recovery is compared with."""

from __future__ import annotations

import numpy as np

from seqgra.alphabet import SETS
from seqgra.dataset import Dataset
from seqgra.law import letters
from seqgra.law.law import compile_law
from seqgra.law.placement import draw_placements
from seqgra.streams import stream_state

#: Background sequences of each condition, and of all conditions, at most; but at least `LEAST` each.
EACH, ALL, LEAST = 100, 1000, 20


def background_only(dataset: Dataset, set_name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences of the background of each condition, without any element.

    They have the longest length, and are the same for every model and method of a grammar.

    Returns
    -------
    (ndarray, ndarray)
        uint8 (K, L) letter codes; int64 (K,) the condition, ascending.
    """
    conditions = len(dataset.conditions)
    each = max(LEAST, min(EACH, ALL // conditions))
    explained = np.repeat(np.arange(conditions), each)
    law = compile_law(dataset.grammar, str(dataset.folder))
    x = np.empty((explained.size, dataset.window), np.uint8)
    length = np.full(explained.size, dataset.window, np.int32)
    number = SETS.index(set_name)
    combination = np.zeros(explained.size, law.group_combination.dtype)

    def of(stage: str) -> np.ndarray:
        return stream_state(0, stage, "background only", 0)

    placed = draw_placements(
        law.placement, number, combination, length, of("rules"), of("placement")
    )
    placed.start[:] = -1  # none of them
    laws = letters.Laws(law.background, law.elements, law.placement)
    streams = letters.Streams(of("background"), of("background choice"), of("letters"))
    which = law.background.law_of[number, explained]
    letters.write(laws, which, length, combination, placed, streams, x)
    return x, explained
