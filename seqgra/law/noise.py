"""Label noise: recorded labels that differ from the conditions an example shows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.alphabet import SETS
from seqgra.grammar.schema import Grammar
from seqgra.law.jit import kept
from seqgra.law.maps import below
from seqgra.law.pcg import words


class CompiledNoise(NamedTuple):
    """The law of recorded labels."""

    #: Sets that have noise.
    sets: tuple[str, ...]
    #: uint64 (C,): chance that a condition's label is wrong, in units of 2**-63.
    chance: np.ndarray
    #: Whether an example has exactly one label: a wrong one is any of the others.
    one_of: bool


def compile_noise(grammar: Grammar) -> CompiledNoise:
    """Return the label noise of a resolved grammar."""
    one_of, count = grammar.task == "multi-class", len(grammar.conditions)
    if grammar.noise is None:
        return CompiledNoise((), np.zeros(count, np.uint64), one_of)
    rates = [grammar.noise.labels.get(name, 0.0) for name in grammar.conditions]
    chance = np.array([round(rate * 2**63) for rate in rates], np.uint64)
    return CompiledNoise(tuple(name for name in SETS if name in grammar.noise.sets), chance, one_of)


def sample(law: CompiledNoise, set_name: str, y_true: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Return the recorded labels of examples that show `y_true` (uint8 (N, C)): uint8 (N, C)."""
    if set_name not in law.sets:
        return y_true
    examples, conditions = y_true.shape
    if not law.one_of:
        raw = words(state, examples, conditions) >> np.uint64(1)
        return y_true ^ (raw < law.chance).astype(np.uint8)
    return _others(y_true, law.chance, words(state, examples, 2))


@kept(nogil=True)
def _others(y_true: np.ndarray, chance: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """Replace wrong labels (one-hot) by one of the others, uniformly."""
    y = y_true.copy()
    for n in range(y.shape[0]):
        true = np.argmax(y[n])
        if raw[n, 0] >> np.uint64(1) < chance[true]:
            other = int(below(raw[n, 1], np.uint64(y.shape[1] - 1)))
            y[n, true] = 0
            y[n, other + (other >= true)] = 1
    return y
