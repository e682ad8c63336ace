"""Letters of examples: background, padding and elements, row by row while a row is in the cache."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.alphabet import PADDING
from seqgra.law import background, elements
from seqgra.law.jit import kernel
from seqgra.law.pcg import fill_words
from seqgra.law.placement import Placed
from seqgra.law.tables import Placement

#: Background words drawn at a time, so that they stay in the cache.
_CHUNK_WORDS = 1 << 12


class Streams(NamedTuple):
    """Random streams (uint64 (4,), see `pcg`), advanced in place."""

    #: Background letters: each word gives two (low half first), every example begins with a new word.
    background: np.ndarray
    #: What the background chooses once for each example: one word each, none where no law has anything to
    #: choose.
    choice: np.ndarray
    #: Letters of the elements.
    elements: np.ndarray


class Laws(NamedTuple):
    """The laws that letters follow, and where elements are placed."""

    background: background.CompiledBackground
    elements: elements.Elements
    placement: Placement


def write(
    laws: Laws,
    which: np.ndarray,
    length: np.ndarray,
    combination: np.ndarray,
    placed: Placed,
    streams: Streams,
    x: np.ndarray,
) -> None:
    """Draw the letters of N examples into `x` (uint8 (N, L)), with `PADDING` beyond their ends.

    Parameters
    ----------
    laws
        The laws.
    which, length, combination
        int32 (N,): number of each example's background law; its letters; its combination of conditions.
    placed
        Where the elements lie.
    streams
        Where the letters come from.
    x
        Gets the letter codes.
    """
    words = (x.shape[1] + 1) // 2
    rows = max(1, _CHUNK_WORDS // words)
    raw, picks = np.empty((rows, words), np.uint64), np.zeros(rows, np.uint64)
    choose = background.has_choices(laws.background)
    scratch = elements.make_scratch(laws.elements)
    _write(laws, which, length, combination, placed, streams, choose, raw, picks, scratch, x)


@kernel
def _write(
    laws: Laws,
    which: np.ndarray,
    length: np.ndarray,
    combination: np.ndarray,
    placed: Placed,
    streams: Streams,
    choose: bool,
    raw: np.ndarray,
    picks: np.ndarray,
    scratch: elements.SiteScratch,
    x: np.ndarray,
) -> None:
    """Do the work of `write`, as many examples at a time as `raw` and `picks` have rows for."""
    examples, rows = x.shape[0], raw.shape[0]
    halves = raw.view(np.uint32)  # low half first: every platform of numba is little-endian
    for start in range(0, examples, rows):
        chunk = min(rows, examples - start)
        fill_words(streams.background, raw[:chunk].reshape(-1))
        if choose:
            fill_words(streams.choice, picks[:chunk])
        for i in range(chunk):
            n = start + i
            row = x[n]
            background.write(laws.background, which[n], picks[i], halves[i], row)
            row[length[n] :] = PADDING
            elements.paste(
                laws.elements,
                laws.placement,
                combination[n],
                placed,
                n,
                streams.elements,
                scratch,
                row,
            )
