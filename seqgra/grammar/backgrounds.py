"""Backgrounds: what a user may write, and the resolved form.

human                                              preset
{A: .3, C: .2, G: .2, T: .3}                       one distribution of letters
{gc: {mean: .45, sd: .06}}                         a GC content of its own for each example
{markov: {order: 2, fasta: f.fa}}                  order-k Markov chain, fitted from a FASTA file
{markov: {order: 1, initial: [...], table: [...]}} the same, given by its tables
{fasta: genome.fa}                                 stretches of the records of a FASTA file
{by-condition: {near: ..., far: ...}}              any of these for each condition
{by-set: {training: ..., validation: ..., test: ...}}   any of these for each set
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from seqgra.alphabet import BACKGROUND_PRESETS, Alphabet
from seqgra.errors import bad_input
from seqgra.fingerprint import file_sha256
from seqgra.grammar.fasta import read_codes
from seqgra.grammar.laws import whole_steps
from seqgra.labels import NONE
from seqgra.yamlfile import Strict, suggest

#: How far the sum of a chain's probabilities may be from 1.
_CHAIN_SUM = 1e-4
_KINDS = ("preset", "letters", "gc", "markov", "fasta", "by_condition", "by_set")
#: Grid on which the GC contents of examples lie.
GC_STEP = 0.01


class Gc(Strict):
    """Normal law of each example's GC content, truncated to 4 sd and to 0.01 .. 0.99."""

    mean: Annotated[float, Field(gt=0, lt=1)]
    sd: Annotated[float, Field(gt=0, le=0.5)]

    def law(self) -> dict[float, float]:
        """Return GC contents on a grid of `GC_STEP` with their weights."""
        low = max(0.01, self.mean - 4 * self.sd)
        high = min(0.99, self.mean + 4 * self.sd)
        contents = [step * GC_STEP for step in whole_steps(low / GC_STEP, high / GC_STEP)]
        contents = contents or [self.mean]
        return {gc: math.exp(-((gc - self.mean) ** 2) / (2 * self.sd**2)) for gc in contents}


class Markov(Strict):
    """Order-k Markov chain: fitted from `fasta`, or given by its tables.

    Attributes
    ----------
    initial
        A**k probabilities of the first k letters, in alphabetical order.
    table
        A**k rows of A probabilities of the next letter.
    """

    order: Annotated[int, Field(ge=1, le=6)]
    fasta: str | None = None
    pseudocount: Annotated[float, Field(ge=0, le=1e15)] = 1.0
    initial: tuple[float, ...] | None = None
    table: tuple[tuple[float, ...], ...] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Markov:
        if (self.fasta is None) == (self.table is None) or (self.table is None) != (
            self.initial is None
        ):
            raise ValueError("needs either fasta, the file to fit to, or initial and table")
        return self


class Pool(Strict):
    """Stretches of a FASTA file, each start equally likely.

    Attributes
    ----------
    file
        The FASTA file.
    split
        What goes to one set as a whole, so that no region serves two: a record, a chromosome (records
        named chr1:100-200 belong to chr1), or a stretch (70, 10 and 20 % of each record).
    strand
        ``random``: either strand, with probability 1/2.
    sha256, letters
        The file's hash and letter distribution, in alphabetical order, once resolved.
    """

    file: str
    split: Literal["record", "chromosome", "stretch"] = "record"
    strand: Literal["+", "random"] = "+"
    sha256: str | None = None
    letters: tuple[float, ...] | None = None


def _pool(given: Any) -> Any:
    return {"file": given} if isinstance(given, str) else given


class Background(Strict):
    """Exactly one kind of background."""

    preset: str | None = None
    letters: dict[str, float] | None = None
    gc: Gc | None = None
    markov: Markov | None = None
    fasta: Annotated[Pool | None, BeforeValidator(_pool)] = None
    by_condition: dict[str, SomeBackground] | None = None
    by_set: dict[str, SomeBackground] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Background:
        if sum(getattr(self, kind) is not None for kind in _KINDS) != 1:
            raise ValueError(f"expected one of {', '.join(_KINDS[2:])}, a preset or letters")
        return self

    def of(self, condition: str, set_name: str) -> Background:
        """Return the background of one condition in one set."""
        chosen = self
        while chosen.by_condition or chosen.by_set:
            if chosen.by_condition:
                chosen = chosen.by_condition[condition]
            else:
                assert chosen.by_set is not None
                chosen = chosen.by_set[set_name]
        return chosen

    def lenders(self, shown: tuple[str, ...], conditions: tuple[str, ...]) -> tuple[str, ...]:
        """Return whose backgrounds examples have that show some of the conditions, each as often.

        Those of the shown conditions. Where none is shown, `NONE`'s if there is one, else any condition's.
        """
        if not shown and NONE in (self.by_condition or {}):
            return (NONE,)
        return shown or conditions

    def pools(self) -> list[Pool]:
        """Return the pools of all branches."""
        branches = (self.by_condition or self.by_set or {}).values()
        inner = [pool for branch in branches for pool in branch.pools()]
        return [self.fasta] if self.fasta else inner

    def distribution(self, alphabet: Alphabet) -> np.ndarray:
        """Return the overall letter distribution: float64 (A,); branches count equally."""
        if self.letters:
            return np.array([self.letters[letter] for letter in alphabet.letters])
        if self.gc:
            law = self.gc.law()
            mean = math.fsum(gc * w for gc, w in law.items()) / math.fsum(law.values())
            return gc_letters(mean)
        if self.markov:
            words = np.array(self.markov.initial).reshape(
                (len(alphabet.letters),) * self.markov.order
            )
            return np.asarray(words.sum(axis=tuple(range(1, self.markov.order))))
        if self.fasta:
            return np.array(self.fasta.letters)
        branches = list((self.by_condition or self.by_set or {}).values())
        result: np.ndarray = np.mean([branch.distribution(alphabet) for branch in branches], axis=0)
        return result


def gc_letters(gc: float) -> np.ndarray:
    """Return the distribution of A, C, G, T (U) at a GC content: float64 (4,)."""
    return np.array([1 - gc, gc, gc, 1 - gc]) / 2


def parse_background(given: Any) -> Any:
    """Turn a preset's name or a distribution of letters into the one form of `Background`."""
    if isinstance(given, Background):
        return given
    if isinstance(given, str):
        return {"preset": given}
    if not isinstance(given, dict) or not given:
        raise ValueError(
            "expected a preset, letters {A: .3, ...}, gc, markov, fasta, by-condition or by-set"
        )
    if all(isinstance(key, str) and len(key) == 1 for key in given):
        return {"letters": given}
    return {str(key).replace("-", "_"): value for key, value in given.items()}


SomeBackground = Annotated[Background, BeforeValidator(parse_background)]


def problems(
    background: Background,
    alphabet: Alphabet,
    conditions: list[str],
    sets: tuple[str, ...],
    place: str,
    none: bool = False,
) -> list[tuple[str, str]]:
    """Return (place, message) of everything wrong with a background.

    With `none`, examples that show no condition may have one of their own.
    """
    if background.preset is not None:
        known = [name for name, by in BACKGROUND_PRESETS.items() if alphabet.name in by]
        if background.preset not in known:
            advice = suggest(background.preset, known)
            return [(place, f"no preset {background.preset!r} for {alphabet.name}; {advice}")]
        return []
    if background.letters is not None:
        return _letter_problems(background.letters, alphabet.letters, place)
    if background.gc is not None and alphabet.name == "protein":
        return [(place, "gc goes with DNA and RNA")]
    if background.markov is not None and background.markov.table is not None:
        return _chain_problems(background.markov, alphabet.letters, f"{place}.markov")
    if (
        background.fasta is not None
        and background.fasta.strand == "random"
        and alphabet.name != "DNA"
    ):
        return [(f"{place}.fasta.strand", f"goes with DNA only; {alphabet.name} has one strand")]
    found = []
    for kind, names in (("by_condition", conditions), ("by_set", sets)):
        branches = getattr(background, kind) or {}
        where = f"{place}.{kind.replace('_', '-')}"
        if branches and (missing := [name for name in names if name not in branches]):
            found.append((where, f"has no background for {', '.join(missing)}"))
        known = [*names, NONE] if none and kind == "by_condition" else list(names)
        for name, branch in branches.items():
            if name not in known:
                found.append((f"{where}.{name}", f"is unknown; {suggest(name, known)}"))
            found += problems(branch, alphabet, conditions, sets, f"{where}.{name}")
    return found


def _letter_problems(given: dict[str, float], letters: str, place: str) -> list[tuple[str, str]]:
    found = [
        (f"{place}.{letter}", f"is no letter of the alphabet {letters}")
        for letter in given
        if letter not in letters
    ]
    if missing := [letter for letter in letters if letter not in given]:
        found.append((place, f"has no probability for {', '.join(missing)}"))
    total = math.fsum(given.values())
    if any(not 0 <= p <= 1 for p in given.values()):
        found.append((place, "holds a number outside 0 to 1"))
    elif abs(total - 1) > 1e-3:
        found.append((place, f"sums to {total:.6g}; probabilities must sum to 1"))
    for letter, probability in given.items():
        if probability == 0 and letter in letters:
            found.append((f"{place}.{letter}", "is 0; every letter needs a probability above 0"))
    return found


def _chain_problems(chain: Markov, letters: str, place: str) -> list[tuple[str, str]]:
    """Return what is wrong with the tables of a chain that is not fitted here."""
    assert chain.initial is not None and chain.table is not None
    words = len(letters) ** chain.order
    named = [(f"{place}.initial", chain.initial, words)]
    named += [(f"{place}.table[{n}]", row, len(letters)) for n, row in enumerate(chain.table)]
    if len(chain.table) != words:
        message = f"has {len(chain.table)} rows; order {chain.order} asks for {words}"
        return [(f"{place}.table", message)]
    found = []
    for where, row, expected in named:
        total = math.fsum(row)
        if len(row) != expected:
            found.append((where, f"holds {len(row)} numbers; expected {expected}"))
        elif not min(row) > 0:
            found.append((where, f"holds {min(row):g}; every number must be above 0"))
        elif not abs(total - 1) <= _CHAIN_SUM:
            found.append((where, f"sums to {total:.6g}; probabilities must sum to 1"))
    return found


def resolve_background(background: Background, alphabet: Alphabet, folder: Path) -> Background:
    """Return a checked background with presets looked up and Markov chains fitted.

    Raises
    ------
    InputError
        If a FASTA file cannot be read or holds too little.
    """
    if background.preset is not None:
        values = BACKGROUND_PRESETS[background.preset][alphabet.name]
        return Background(letters=dict(zip(alphabet.letters, values, strict=True)))
    if background.letters is not None:
        total = math.fsum(background.letters.values())
        return Background(letters={c: background.letters[c] / total for c in alphabet.letters})
    if background.markov is not None and background.markov.fasta is not None:
        return Background(markov=fit_markov(background.markov, alphabet, folder))
    if background.fasta is not None:
        return Background(fasta=_resolve_pool(background.fasta, alphabet, folder))
    for kind in ("by_condition", "by_set"):
        if branches := getattr(background, kind):
            resolved = {n: resolve_background(b, alphabet, folder) for n, b in branches.items()}
            return Background(**{kind: resolved})
    return background


def _resolve_pool(pool: Pool, alphabet: Alphabet, folder: Path) -> Pool:
    path = (folder / pool.file).resolve()
    counts = np.zeros(len(alphabet.letters))
    for _, codes in read_codes(path, alphabet):
        counts += np.bincount(codes[codes < counts.size], minlength=counts.size)
    if not counts.all():
        raise bad_input(path, "", f"does not hold all letters {alphabet.letters}")
    if pool.strand == "random":
        counts = counts + counts[::-1]
    letters = tuple((counts / counts.sum()).tolist())
    return pool.model_copy(
        update={"file": str(path), "sha256": file_sha256(path), "letters": letters}
    )


def fit_markov(markov: Markov, alphabet: Alphabet, folder: Path) -> Markov:
    """Return the chain of maximal posterior: word counts of a FASTA file plus `pseudocount` each.

    Raises
    ------
    InputError
        If the file cannot be read, holds foreign letters, or has no word of order + 1 known ones.
    """
    path, k, letters = folder / str(markov.fasta), markov.order, len(alphabet.letters)
    counts, seen = np.zeros(letters ** (k + 1)), np.zeros(letters, bool)
    powers = letters ** np.arange(k, -1, -1)
    for _, codes in read_codes(path, alphabet):
        seen[codes[codes < letters]] = True
        if codes.size > k:
            words = np.lib.stride_tricks.sliding_window_view(codes.astype(np.int64), k + 1)
            words = words[(words < letters).all(axis=1)]
            counts += np.bincount(words @ powers, minlength=counts.size)
    if counts.sum() == 0:
        raise bad_input(path, "", f"holds no {k + 1} letters of {alphabet.letters} in a row")
    if not seen.all():
        raise bad_input(path, "", f"does not hold all letters {alphabet.letters}")
    rows = counts.reshape(-1, letters) + markov.pseudocount
    if (rows.sum(axis=1) == 0).any() or (rows == 0).any():
        raise bad_input(path, "", "lacks some words of letters; use a pseudocount above 0")
    initial = rows.sum(axis=1) / rows.sum()
    table = rows / rows.sum(axis=1, keepdims=True)
    return Markov(order=k, initial=tuple(initial.tolist()), table=tuple(map(tuple, table.tolist())))
