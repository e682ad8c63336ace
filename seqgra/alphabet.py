"""Alphabets are values: a name and an ordered string of letters. Letter code = index in the string.

In stored sequences two codes lie outside every alphabet: `PADDING` (beyond the end of a shorter
sequence) and `UNKNOWN` (a letter such as N).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

PADDING = 255
UNKNOWN = 254


class Alphabet(NamedTuple):
    """An ordered set of letters.

    >>> DNA.encode("GATTACA").tolist()
    [2, 0, 3, 3, 0, 1, 0]
    >>> DNA.decode(DNA.encode("GATNACA"))
    'GATNACA'
    """

    name: str
    letters: str
    unknown: str

    def encode(self, sequence: str) -> np.ndarray:
        """Return the letter codes of `sequence`: uint8 (L,), `UNKNOWN` for foreign letters."""
        table = np.full(256, UNKNOWN, np.uint8)
        for code, letter in enumerate(self.letters):
            table[ord(letter)] = table[ord(letter.lower())] = code
        return table[np.frombuffer(sequence.encode("latin-1", "replace"), np.uint8)]

    def decode(self, codes: np.ndarray) -> str:
        """Return the letters of `codes` (uint8 (L,)); padding is dropped."""
        table = np.full(256, ord(self.unknown), np.uint8)
        table[: len(self.letters)] = np.frombuffer(self.letters.encode(), np.uint8)
        return table[codes[codes != PADDING]].tobytes().decode()


DNA = Alphabet("DNA", "ACGT", "N")
RNA = Alphabet("RNA", "ACGU", "N")
PROTEIN = Alphabet("protein", "ACDEFGHIKLMNPQRSTVWY", "X")
#: The sets of a dataset.
SETS = ("training", "validation", "test")
ALPHABETS = {alphabet.name: alphabet for alphabet in (DNA, RNA, PROTEIN)}

#: Letter distributions that a grammar may name (human: Piovesan et al. 2019,
#: doi:10.1186/s13104-019-4137-z).
BACKGROUND_PRESETS: dict[str, dict[str, tuple[float, ...]]] = {
    "uniform": {name: (1 / len(a.letters),) * len(a.letters) for name, a in ALPHABETS.items()},
    "human": {name: (0.29565, 0.20435, 0.20435, 0.29565) for name in ("DNA", "RNA")},
}
