"""Background: independent letters, with a GC content of each example, a Markov chain, or real stretches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqgra.alphabet import ALPHABETS, Alphabet
from seqgra.grammar import backgrounds
from seqgra.grammar.pools import Stretches, read_pool
from seqgra.grammar.schema import Grammar
from seqgra.labels import NONE
from seqgra.law.jit import kernel, part
from seqgra.law.maps import below, chosen_prefix
from seqgra.streams import cumulative63

#: Stands for the order of a law that copies stretches of real sequence.
POOL = -1


class CompiledBackground(NamedTuple):
    """The laws of the background letters: D distinct ones, T tables of letter thresholds in all.

    A 32-bit draw v becomes the letter number sum(v >= thresholds of a table).
    """

    #: Size A of the alphabet.
    letters: int
    #: int32 (sets, C or C + 1): law of each condition, and of none where it has one, by set of `SETS`.
    law_of: np.ndarray
    #: uint32 (T, A - 1).
    tables: np.ndarray
    #: int32 (D,): first table of each law.
    first: np.ndarray
    #: int32 (D, 2): rows of `choice_law`: independent letters, whose table is chosen once for each example
    #: (its GC content); a single row means no choice.
    choices: np.ndarray
    #: int32 (D,): 0, or the order of a Markov chain, whose tables follow one another by context and whose
    #: `choices` are its first letters; `POOL` for stretches of real sequence, whose `choices` are runs of
    #: known letters.
    order: np.ndarray
    #: uint64 (K,): scale-63 laws; for runs, how many windows start in them and those before.
    choice_law: np.ndarray
    #: uint8 (M,): letter codes of all pools.
    pool: np.ndarray
    #: int64 (K,): where in `pool` a run begins.
    run: np.ndarray
    #: bool (D,): a stretch may be read on either strand.
    both_strands: np.ndarray


class _Tables:
    """Collects the tables while `compile_background` walks through the laws."""

    def __init__(self, alphabet: Alphabet, window: int) -> None:
        self.alphabet, self.window = alphabet, window
        self.tables: list[list[int]] = []
        self.first: list[int] = []
        self.choices: list[tuple[int, int]] = []
        self.order: list[int] = []
        self.both_strands: list[bool] = []
        self.choice_law: list[int] = []
        self.run: list[int] = []
        self.pools: dict[tuple[str, str], tuple[Stretches, int]] = {}

    def add(self, law: backgrounds.Background, set_name: str) -> None:
        self.first.append(len(self.tables))
        begin = len(self.choice_law)
        if law.fasta:
            self._add_pool(law.fasta, set_name)
        else:
            rows, weights = _rows(law, self.alphabet.letters)
            self.tables += [_thresholds(row) for row in rows]
            self.choice_law += cumulative63(weights).tolist()
            self.run += [0] * len(weights)
        self.choices.append((begin, len(self.choice_law)))
        order = law.markov.order if law.markov else 0
        self.order.append(POOL if law.fasta else order)
        self.both_strands.append(law.fasta is not None and law.fasta.strand == "random")

    def _add_pool(self, pool: backgrounds.Pool, set_name: str) -> None:
        key = (pool.file, pool.split)
        if key not in self.pools:
            offset = sum(stretches.codes.size for stretches, _ in self.pools.values())
            self.pools[key] = (read_pool(pool, self.alphabet, self.window), offset)
        stretches, offset = self.pools[key]
        self.choice_law += np.cumsum(stretches.starts[set_name]).tolist()
        self.run += (stretches.first[set_name] + offset).tolist()

    def letters(self) -> np.ndarray:
        parts = [np.zeros(0, np.uint8), *(stretches.codes for stretches, _ in self.pools.values())]
        return np.concatenate(parts)


def compile_background(grammar: Grammar, sets: Sequence[str]) -> CompiledBackground:
    """Return the background laws of a resolved grammar; `sets` orders `Background.law_of`.

    Raises
    ------
    InputError
        If a FASTA file cannot be read or has changed.
    """
    alphabet = ALPHABETS[grammar.alphabet]
    tables = _Tables(alphabet, grammar.longest)
    distinct: list[tuple[backgrounds.Background, str]] = []
    lenders = list(grammar.conditions)
    if NONE in (grammar.background.by_condition or {}):
        lenders.append(NONE)
    law_of = np.zeros((len(sets), len(lenders)), np.int32)
    for s, set_name in enumerate(sets):
        for c, condition in enumerate(lenders):
            law = grammar.background.of(condition, set_name)
            key = (law, set_name if law.fasta else "")
            if key not in distinct:
                distinct.append(key)
                tables.add(law, set_name)
            law_of[s, c] = distinct.index(key)
    return CompiledBackground(
        letters=len(alphabet.letters),
        law_of=law_of,
        tables=np.array(tables.tables, np.uint32).reshape(-1, len(alphabet.letters) - 1),
        first=np.array(tables.first, np.int32),
        choices=np.array(tables.choices, np.int32),
        order=np.array(tables.order, np.int32),
        choice_law=np.array(tables.choice_law, np.uint64),
        pool=tables.letters(),
        run=np.array(tables.run, np.int64),
        both_strands=np.array(tables.both_strands, bool),
    )


def _rows(law: backgrounds.Background, letters: str) -> tuple[list[list[float]], list[float]]:
    """Return letter distributions, and the weights of what is chosen once for each example."""
    if law.gc:
        contents = law.gc.law()
        rows = [backgrounds.gc_letters(gc).tolist() for gc in contents]
        return rows, list(contents.values())
    if law.markov:
        assert law.markov.table is not None and law.markov.initial is not None
        rows = [[p / math.fsum(row) for p in row] for row in law.markov.table]
        return rows, list(law.markov.initial)
    assert law.letters is not None
    return [[law.letters[letter] for letter in letters]], [1.0]


def _thresholds(probabilities: list[float]) -> list[int]:
    """Return the upper ends of all letters but the last in units of 2**-32, each letter possible."""
    sums = [math.fsum(probabilities[: k + 1]) for k in range(len(probabilities) - 1)]
    return [min(max(round(p * 2**32), 1), 2**32 - 1) for p in sums]


def has_choices(law: CompiledBackground) -> bool:
    """Tell whether any law chooses something once for each example."""
    return bool(law.choice_law.size > law.order.size or law.pool.size)


@part
def write(
    law: CompiledBackground, d: int, pick: np.uint64, raw: np.ndarray, out: np.ndarray
) -> None:
    """Write the background letters of one example.

    Parameters
    ----------
    law, d
        The laws, and the number of the example's.
    pick
        Raw word for what is chosen once for each example.
    raw
        uint32 (at least L,): half a raw word for each letter, so probabilities are exact to 2**-32.
    out
        uint8 (L,): gets the letter codes.
    """
    low, high = law.choices[d, 0], law.choices[d, 1]
    if law.order[d] == POOL:
        _stretch(law, low, high, law.both_strands[d], pick, out)
        return
    chosen = 0
    if high - low > 1:
        chosen = chosen_prefix(pick, law.choice_law[low:high])
    if law.order[d] == 0:
        write_letters(raw, law.tables[law.first[d] + chosen], out)
    else:
        _chain(law, d, chosen, raw, out)


@kernel
def write_letters(raw: np.ndarray, thresholds: np.ndarray, out: np.ndarray) -> None:
    """Turn uint32 draws into letters of one table (uint32 (A - 1,)): uint8 (M,)."""
    if thresholds.size == 3:
        first, second, third = thresholds[0], thresholds[1], thresholds[2]
        for i in range(out.size):
            v = raw[i]
            out[i] = np.uint8(v >= first) + np.uint8(v >= second) + np.uint8(v >= third)
        return
    out[:] = 0
    for threshold in thresholds:
        for i in range(out.size):
            out[i] += np.uint8(raw[i] >= threshold)


@part
def _stretch(
    law: CompiledBackground,
    low: int,
    high: int,
    both_strands: bool,
    word: np.uint64,
    out: np.ndarray,
) -> None:
    """Copy the stretch that `word` picks; its last bit picks the strand."""
    place = below(word, law.choice_law[high - 1])
    run = low + np.searchsorted(law.choice_law[low:high], place, side="right")
    before = law.choice_law[run - 1] if run > low else np.uint64(0)
    first = law.run[run] + np.int64(place - before)
    if both_strands and word & np.uint64(1):
        last = first + out.size - 1
        for position in range(out.size):
            out[position] = law.letters - 1 - law.pool[last - position]
    else:
        for position in range(out.size):
            out[position] = law.pool[first + position]


@part
def _chain(law: CompiledBackground, d: int, context: int, raw: np.ndarray, out: np.ndarray) -> None:
    """Write the first letters `context` stands for, then each letter given those before it."""
    order, letters = law.order[d], law.letters
    rest = context
    for position in range(order - 1, -1, -1):
        if position < out.size:
            out[position] = rest % letters
        rest //= letters
    contexts = letters**order
    for position in range(order, out.size):
        thresholds = law.tables[law.first[d] + context]
        letter = 0
        while letter < letters - 1 and raw[position] >= thresholds[letter]:
            letter += 1
        out[position] = letter
        context = (context * letters + letter) % contexts
