"""Letter probabilities of a grammar's elements, without compiled code where none has an affinity band."""

from __future__ import annotations

import numpy as np

from seqgra.alphabet import ALPHABETS
from seqgra.grammar.schema import Grammar


def element_columns(grammar: Grammar) -> dict[str, np.ndarray]:
    """Return the letter probabilities of each element's sites, float64 (W, A), by name.

    Those of an element with an affinity band are of the sites within it.
    """
    letters, background = ALPHABETS[grammar.alphabet].letters, grammar.letter_distribution()
    found = {}
    for name, element in grammar.elements.items():
        found[name] = element.letter_probabilities(letters)
        if element.affinity:
            from seqgra.law.affinity import band_columns, compile_band

            low, high = element.affinity.min, element.affinity.max
            found[name] = band_columns(compile_band(found[name], background, low, high))
    return found
