"""The grammar file as frozen objects: what a user may write, checked for shape and type.

Meaning (does this element exist, does this gap fit?) is the business of `check`. A *resolved* grammar
is the same model with every motif read in, every default filled and every open end closed, so that
downstream code never asks whether something is None.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from seqgra.yamlfile import Strict

#: Uniform law [lowest, highest] (highest None: to the end of the window) or {value: weight}.
IntegerLaw = tuple[int, int | None] | dict[int, float]


def _integer_law(given: Any) -> IntegerLaw:
    """Turn ``5``, ``[0, 10]``, ``[500, null]`` or ``{8: .1, 9: .9}`` into an `IntegerLaw`."""
    if isinstance(given, bool):
        raise ValueError(f"is {given}; expected a law such as 5, [0, 10] or {{8: .1, 9: .9}}")
    if isinstance(given, int):
        return (given, given)
    if isinstance(given, (list, tuple)) and len(given) == 2:
        low, high = given
        if _is_integer(low) and (high is None or _is_integer(high)):
            return (low, high)
    if isinstance(given, dict) and given and all(map(_is_weighted, given.items())):
        return {int(value): float(weight) for value, weight in given.items()}
    raise ValueError(
        f"is {given!r}; expected a law such as 5, [0, 10], [500, null] or {{8: .1, 9: .9}}"
    )


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_weighted(item: tuple[Any, Any]) -> bool:
    value, weight = item  # keys are text where a resolved grammar was stored as JSON
    is_integer = _is_integer(value) or (isinstance(value, str) and value.lstrip("-").isdecimal())
    is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    return is_integer and is_number and math.isfinite(weight)


def _position(given: Any) -> str | IntegerLaw:
    """Turn a block position into a word or a law of 1-based starts."""
    if isinstance(given, str):
        if given in ("random", "start", "center", "end"):
            return given
        raise ValueError(
            f"is {given!r}; expected random, start, center, end, a 1-based number or a law of them"
        )
    return _integer_law(given)


def _background(given: Any) -> str | dict[str, float]:
    if isinstance(given, str):
        return given
    if isinstance(given, dict) and all(
        isinstance(key, str) and isinstance(p, (int, float)) and not isinstance(p, bool)
        for key, p in given.items()
    ):
        return {key: float(p) for key, p in given.items()}
    raise ValueError(
        "expected the name of a preset or one probability a letter, {A: .3, C: .2, ...}"
    )


class Spacing(Strict):
    """The gap, in letters, between two elements of a rule, and their order."""

    elements: tuple[str, str]
    gap: Annotated[Any, BeforeValidator(_integer_law)]
    order: Literal["in-order", "random"] = "in-order"


class Rule(Strict):
    """Elements that are placed together, with one probability.

    Elements tied by a spacing form one block; every other element is a block of its own.
    """

    elements: tuple[str, ...]
    position: Annotated[Any, BeforeValidator(_position)] = "random"
    probability: float = 1.0
    spacing: tuple[Spacing, ...] = ()


class Condition(Strict):
    """A class (or label) and the rules that encode it."""

    description: str = ""
    mode: Literal["sequential", "mutually-exclusive"] = "sequential"
    rules: tuple[Rule, ...] = ()


class Element(Strict):
    """A sequence element: exactly one of a motif in a file, a matrix, or weighted k-mers."""

    motif: str | None = None
    id: str | None = None
    matrix: tuple[tuple[float, ...], ...] | None = None
    kmers: dict[str, float] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Element:
        given = [k for k in ("motif", "matrix", "kmers") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError("needs exactly one of motif, matrix, kmers")
        if (self.id is not None) != (self.motif is not None):
            raise ValueError("motif (a file) and id (the motif's name in it) belong together")
        return self

    @property
    def width(self) -> int:
        """Letters that the element covers (resolved elements only)."""
        return len(self.matrix) if self.matrix else len(next(iter(self.kmers or {"": 1.0})))

    def letter_probabilities(self, letters: str) -> np.ndarray:
        """Return the probability of each letter in each column: float64 (W, A).

        The columns of k-mers are their weighted letter frequencies.
        """
        if self.matrix:
            return np.array(self.matrix)
        columns = np.zeros((self.width, len(letters)))
        for kmer, weight in (self.kmers or {}).items():
            columns[np.arange(self.width), [letters.index(letter) for letter in kmer]] += weight
        return columns


class Group(Strict):
    """A group of examples: the conditions that its examples show, and its share of each set."""

    conditions: tuple[str, ...]
    share: float = 1.0


class Grammar(Strict):
    """A grammar: how each condition is encoded in sequences."""

    description: str = ""
    alphabet: Literal["DNA", "RNA", "protein"] = "DNA"
    task: Literal["multi-class"] = "multi-class"
    window: int
    background: Annotated[Any, BeforeValidator(_background)] = "uniform"
    elements: dict[str, Element]
    conditions: dict[str, Condition]
    examples: tuple[Group, ...] = Field(default=())

    @property
    def condition_names(self) -> tuple[str, ...]:
        """Names of the conditions, in the order of the label columns."""
        return tuple(self.conditions)
