"""Real examples in memory, and what may become of them: dropped, merged, told apart."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import pandas as pd

from seqgra.alphabet import (
    DNA,
    PADDING,
    PROTEIN,
    RNA,
    UNKNOWN,
    Alphabet,
    count_codes,
    lengths_of,
    strong_and_known,
)
from seqgra.errors import bad_input

#: Label of examples that have none; in a multi-class task they are a class of this name.
NEGATIVE = "negative"
#: Letters that stand for several or for none; they become unknown ones.
_AMBIGUOUS = {DNA.name: "NRYSWKMBDHV", RNA.name: "NRYSWKMBDHV", PROTEIN.name: "XBZJUO*"}


class IngestedExamples(NamedTuple):
    """Examples of one or all sets.

    Attributes
    ----------
    x
        uint8 (N, L): letter codes.
    y
        uint8 (N, C): labels, the column of `NEGATIVE` among them.
    rows
        One row an example: ``chrom`` (empty where unknown), ``start``, ``end``; ``set``, the index in
        `SETS`, -1 before it is known; ``masked``, the share of
        lower case.
    elements
        Annotation that came with the examples, see `ELEMENT_COLUMNS`; None where there was none.
    """

    x: np.ndarray
    y: np.ndarray
    rows: pd.DataFrame
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
            "set": np.full(count, -1, np.int8),
            "masked": np.zeros(count),
        }
    )


class Encoder:
    """Turns text into letter codes and refuses letters that are none of the alphabet's.

    Case is ignored, T and U are one letter, and ambiguity codes (IUPAC) become `UNKNOWN`. The ``*`` that ends
    a protein, its stop, is left out, and counted in `stops`.
    """

    def __init__(self, alphabet: Alphabet) -> None:
        self.alphabet = alphabet
        self.stops = 0
        self._codes = np.full(256, PADDING, np.uint8)
        same = {"RNA": "T", "DNA": "U"}.get(alphabet.name, "")
        for letters, codes in (
            (_AMBIGUOUS[alphabet.name], [UNKNOWN] * 99),
            (alphabet.letters, range(99)),
            (same, [3]),
        ):
            for letter, code in zip(letters, codes, strict=False):
                self._codes[ord(letter)] = self._codes[ord(letter.lower())] = code

    def __call__(self, text: str, file: object, place: str) -> tuple[np.ndarray, np.ndarray]:
        """Return letter codes, uint8 (L,), and which letters are in lower case, bool (L,).

        Raises
        ------
        InputError
            If a letter is foreign.
        """
        if self.alphabet is PROTEIN and text.endswith("*") and len(text) > 1:
            text = text[:-1]
            self.stops += 1
        data = np.frombuffer(text.encode("latin-1", "replace"), np.uint8)
        codes = self._codes[data]
        if (codes == PADDING).any():
            letter = text[int(np.argmax(codes == PADDING))]
            advice = "mend it"
            if self.alphabet is not PROTEIN and letter.upper() in PROTEIN.letters:
                advice = "give --alphabet protein if these are proteins"
            message = f"holds {letter!r}, which is no letter of {self.alphabet.name}; {advice}"
            raise bad_input(file, place, message)
        return codes, data >= ord("a")


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


def same_letters(x: np.ndarray) -> np.ndarray:
    """Return for each example the first one with the same letters: int64 (N,)."""
    first: dict[bytes, int] = {}
    keys = (blake2b(row.tobytes(), digest_size=16).digest() for row in x)
    return np.array([first.setdefault(key, n) for n, key in enumerate(keys)], np.int64)


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
