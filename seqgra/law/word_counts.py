"""Words of sequences: how often each occurs."""

from __future__ import annotations

import numpy as np

#: Sequences that are counted at once.
_CHUNK = 1 << 14


def complement_words(width: int, letters: int) -> np.ndarray:
    """Return the number of each word's reverse complement, int64 (letters ** width,), in alphabetical order.

    >>> complement_words(1, 4).tolist()  # A and T, C and G
    [3, 2, 1, 0]
    """
    words = np.arange(letters**width)
    complement = np.zeros_like(words)
    for place in range(width):
        digit = letters - 1 - words // letters**place % letters
        complement += digit * letters ** (width - 1 - place)
    return complement


def word_counts(x: np.ndarray, width: int, letters: int) -> np.ndarray:
    """Return how often each word of known letters stands in sequences.

    Parameters
    ----------
    x
        uint8 (N, L): letter codes; words over padding or unknown letters do not count.
    width, letters
        Length of the words and size of the alphabet.

    Returns
    -------
    ndarray
        float64 (letters ** width,), in alphabetical order.
    """
    counts = np.zeros(letters**width)
    places = max(x.shape[1] - width + 1, 0)
    for first in range(0, len(x), _CHUNK):
        codes = x[first : first + _CHUNK].astype(np.int32)
        known, index = np.ones((len(codes), places), bool), np.zeros((len(codes), places), np.int32)
        for place in range(width):
            part = codes[:, place : place + places]
            known &= part < letters
            index = index * letters + part
        counts += np.bincount(index[known], minlength=counts.size)
    return counts


def chain_shares(x: np.ndarray, order: int, letters: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the Markov chain of sequences; one is added to every count, so that no probability is 0.

    Parameters
    ----------
    x
        uint8 (N, L): letter codes; words over padding or unknown letters do not count.
    order, letters
        Of the chain (0: letters, each by itself), and size of the alphabet.

    Returns
    -------
    (ndarray, ndarray)
        float64 (letters ** order,): how likely it begins with each word; float64 (letters ** order,
        letters): each next letter after it.
    """
    rows = (word_counts(x, order + 1, letters) + 1.0).reshape(-1, letters)
    return rows.sum(axis=1) / rows.sum(), rows / rows.sum(axis=1, keepdims=True)
