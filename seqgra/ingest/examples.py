"""Real examples in memory, and what may become of them: dropped, merged, told apart."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import pandas as pd

from seqgra.alphabet import (
    PADDING,
    UNKNOWN,
    count_codes,
    lengths_of,
    strong_and_known,
)

#: Label of examples that have none; in a multi-class task they are a class of this name.
NEGATIVE = "negative"
#: The complement of each code of a nucleotide; of other codes themselves.
COMPLEMENT = bytes(3 - code if code < 4 else code for code in range(256))


class IngestedExamples(NamedTuple):
    """Examples of one or all sets."""

    #: uint8 (N, L): letter codes.
    x: np.ndarray
    #: uint8 (N, C): labels, the column of `NEGATIVE` among them.
    y: np.ndarray
    #: One row an example: ``chrom`` (empty where unknown), ``start``, ``end``, ``strand`` (``+``, ``-``, or
    #: ``.``: not known); ``set``, the index in `SETS`, -1 before it is known; ``masked``, the share of lower
    #: case.
    rows: pd.DataFrame
    #: Annotation that came with the examples, see `ELEMENT_COLUMNS`; None where there was none.
    elements: pd.DataFrame | None = None

    def take(self, chosen: np.ndarray) -> IngestedExamples:
        """Return some examples, int64 (M,) or bool (N,), in this order."""
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        elements = self.elements
        if elements is not None:
            new = np.full(len(self.x), -1)
            new[chosen] = np.arange(len(chosen))
            elements = elements.assign(example=new[elements["example"].to_numpy()])
            elements = elements[elements["example"] >= 0].sort_values(
                ["example", "start"], kind="stable", ignore_index=True
            )
        rows = self.rows.iloc[chosen].reset_index(drop=True)
        return IngestedExamples(self.x[chosen], self.y[chosen], rows, elements)


def make_rows(count: int) -> pd.DataFrame:
    """Return rows of which nothing is known."""
    return pd.DataFrame(
        {
            "chrom": pd.Series([""] * count, dtype=object),
            "start": np.zeros(count, np.int64),
            "end": np.zeros(count, np.int64),
            "strand": pd.Series(["."] * count, dtype=object),
            "set": np.full(count, -1, np.int8),
            "masked": np.zeros(count),
        }
    )


def stack(codes: list[np.ndarray], length: int) -> np.ndarray:
    """Return sequences of any lengths as one array: uint8 (N, length), padded."""
    x = np.full((len(codes), length), PADDING, np.uint8)
    for row, part in zip(x, codes, strict=True):
        row[: len(part)] = part
    return x


def unknown_shares(x: np.ndarray) -> np.ndarray:
    """Return the share of unknown letters of each example: float64 (N,)."""
    return np.asarray(count_codes(x, UNKNOWN, PADDING) / np.maximum(lengths_of(x), 1))


def gc_shares(x: np.ndarray) -> np.ndarray:
    """Return the share of C and G among the known letters of each example: float64 (N,)."""
    strong, known = strong_and_known(x)
    return np.asarray(strong / np.maximum(known, 1))


def same_letters(
    x: np.ndarray, sets: np.ndarray | None = None, *, both_strands: bool = False
) -> np.ndarray:
    """Return for each example the first one with the same letters, of the same set if given: int64 (N,).

    With `both_strands` the reverse complement of nucleotides has the same letters.
    """
    first: dict[tuple[bytes, int], int] = {}
    keys = (blake2b(_letters_of(row, both_strands), digest_size=16).digest() for row in x)
    numbers = [0] * len(x) if sets is None else sets.tolist()
    pairs = zip(keys, numbers, strict=True)
    return np.array([first.setdefault(pair, n) for n, pair in enumerate(pairs)], np.int64)


def _letters_of(row: np.ndarray, both_strands: bool) -> bytes:
    """Return the letters of an example, or of its reverse complement if that is the lesser."""
    letters = row.tobytes().rstrip(bytes([PADDING]))
    return min(letters, letters[::-1].translate(COMPLEMENT)) if both_strands else letters


def merge(examples: IngestedExamples, leader: np.ndarray) -> IngestedExamples:
    """Return the examples that lead themselves, with the labels of all that they lead.

    `leader` is int64 (N,): the number of the example that stays in each one's place.
    """
    y = np.zeros_like(examples.y)
    np.maximum.at(y, leader, examples.y)
    return examples._replace(y=y).take(leader == np.arange(len(leader)))


def contradictory(y: np.ndarray, names: list[str], multi_label: bool) -> np.ndarray:
    """Say of each example whether its labels exclude one another: bool (N,).

    `NEGATIVE` excludes every other; in a multi-class task all do.
    """
    several = y.sum(axis=1) > 1
    if not multi_label:
        return np.asarray(several)
    negative = y[:, names.index(NEGATIVE)] if NEGATIVE in names else np.zeros(len(y), np.uint8)
    return np.asarray(several & (negative > 0))
