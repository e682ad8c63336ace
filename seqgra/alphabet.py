"""Alphabets are values: a name and an ordered string of letters. Letter code = index in the string.

In stored sequences two codes lie outside every alphabet: `PADDING` (beyond the end of a shorter
sequence) and `UNKNOWN` (a letter such as N).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # who reads names of letters and sets needs no arrays
    import numpy as np

PADDING = 255
UNKNOWN = 254
_CHUNK = 1 << 13


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
        import numpy as np

        table = np.full(256, UNKNOWN, np.uint8)
        for code, letter in enumerate(self.letters):
            table[ord(letter)] = table[ord(letter.lower())] = code
        return table[np.frombuffer(sequence.encode("latin-1", "replace"), np.uint8)]

    def decode(self, codes: np.ndarray) -> str:
        """Return the letters of `codes` (uint8 (L,)); padding is dropped."""
        import numpy as np

        table = np.full(256, ord(self.unknown), np.uint8)
        table[: len(self.letters)] = np.frombuffer(self.letters.encode(), np.uint8)
        result: str = table[codes[codes != PADDING]].tobytes().decode()
        return result


def count_codes(x: np.ndarray, first: int, end: int) -> np.ndarray:
    """Return how many codes of each example, uint8 (N, L), are `first` or more and below `end`: int64 (N,).

    >>> import numpy as np
    >>> count_codes(np.array([[0, 1, 2, UNKNOWN, PADDING]], np.uint8), 1, 3).tolist()
    [2]
    """
    import numpy as np

    found = np.zeros(len(x), np.int64)
    for n in range(0, len(x), _CHUNK):
        part = x[n : n + _CHUNK]
        found[n : n + _CHUNK] = ((part >= first) & (part < end)).sum(axis=1)
    return found


def lengths_of(x: np.ndarray) -> np.ndarray:
    """Return the number of letters of each example, uint8 (N, L): int64 (N,)."""
    return count_codes(x, 0, PADDING)


def one_hot(x: np.ndarray, letters: int) -> np.ndarray:
    """Return letter codes, uint8 (N, L), as float32 (N, A, L); padding and unknown letters are all zero.

    >>> import numpy as np
    >>> one_hot(np.array([[1, 0, PADDING]], np.uint8), 2)[0].tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    import numpy as np

    codes = np.arange(letters, dtype=np.uint8)[:, None]
    result: np.ndarray = (x[:, None, :] == codes).astype(np.float32)
    return result


def strong_and_known(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many C and G, and how many known letters, nucleotides (uint8 (N, L)) have: int64 (N,)."""
    return count_codes(x, 1, 3), count_codes(x, 0, 4)


DNA = Alphabet("DNA", "ACGT", "N")
RNA = Alphabet("RNA", "ACGU", "N")
PROTEIN = Alphabet("protein", "ACDEFGHIKLMNPQRSTVWY", "X")
#: The sets of a dataset.
SETS = ("training", "validation", "test")
ALPHABETS = {alphabet.name: alphabet for alphabet in (DNA, RNA, PROTEIN)}

#: Residues of the human proteome, in the alphabet's order, as in the published protein grammar;
#: rounded, so that they sum to 0.99999997.
_HUMAN_PROTEOME = (
    *(0.06994481, 0.02318113, 0.04716508, 0.06864024, 0.03803312, 0.06623181, 0.02599097),
    *(0.04435524, 0.05639739, 0.1005519, 0.02217762, 0.03612644, 0.0613146, 0.04656297),
    *(0.0569995, 0.0812845, 0.0532865, 0.06101355, 0.01324636, 0.02749624),
)
#: Letter distributions that a grammar may name (human nucleotides: Piovesan et al. 2019,
#: doi:10.1186/s13104-019-4137-z).
BACKGROUND_PRESETS: dict[str, dict[str, tuple[float, ...]]] = {
    "uniform": {name: (1 / len(a.letters),) * len(a.letters) for name, a in ALPHABETS.items()},
    "human": {
        "DNA": (0.29565, 0.20435, 0.20435, 0.29565),
        "RNA": (0.29565, 0.20435, 0.20435, 0.29565),
        "protein": tuple(share / math.fsum(_HUMAN_PROTEOME) for share in _HUMAN_PROTEOME),
    },
}
