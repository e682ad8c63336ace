"""Sequences that inputs are compared with: mean letters, no letters, shuffles."""

from __future__ import annotations

import numpy as np

from seqgra.alphabet import one_hot
from seqgra.dataset import Dataset
from seqgra.streams import stream


def baseline_values(name: str, dataset: Dataset, x: np.ndarray, references: int) -> np.ndarray:
    """Return a baseline by its name; see `gradients.starts` for the shapes.

    Parameters
    ----------
    name
        ``background``: the mean letters of the grammar's background; ``zeros``: no letters;
        ``shuffled``: see `shuffled`.
    dataset
        Whose grammar it is.
    x
        uint8 (N, L): letter codes of the inputs.
    references
        Shuffles of each.
    """
    if name == "shuffled":
        return shuffled(x, len(dataset.alphabet.letters), references)
    if name == "zeros":
        return np.zeros(len(dataset.alphabet.letters), np.float32)
    return dataset.grammar.letter_distribution().astype(np.float32)


def shuffled(x: np.ndarray, letters: int, count: int) -> np.ndarray:
    """Return shuffles of each sequence that keep its counts of dinucleotides, uniform over all.

    They follow from the sequence alone, so they are the same for every model and batch.

    Parameters
    ----------
    x
        uint8 (N, L): letter codes; padding stays where it is.
    letters
        Size A of the alphabet.
    count
        Shuffles R of each.

    Returns
    -------
    ndarray
        float32 (R, N, A, L), one-hot.
    """
    from seqgra.law.pcg import generator_state
    from seqgra.law.shuffle import shuffle_rows

    result = np.empty((count, len(x), letters, x.shape[1]), np.float32)
    for number, row in enumerate(x):
        state = generator_state(stream(0, "references", row.tobytes().hex(), 0))
        copies = np.repeat(row[None], count, axis=0)
        shuffle_rows(copies, np.arange(count), letters, 2, state)
        result[:, number] = one_hot(copies, letters)
    return result
