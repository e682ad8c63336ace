"""The grammar file as frozen objects: what a user may write, checked for shape and type.

Meaning (does this element exist, does this gap fit?) is the business of `check`. A *resolved* grammar
is the same model with every motif read in, every default filled and every open end closed, so that
downstream code never asks whether something is None.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from seqgra.alphabet import ALPHABETS
from seqgra.grammar.backgrounds import Background, SomeBackground
from seqgra.grammar.laws import highest, lowest, parse_law
from seqgra.labels import NONE
from seqgra.yamlfile import Strict


def _position(given: Any) -> Any:
    """Turn a block position into a word or a law of 1-based starts."""
    if isinstance(given, str):
        if given in ("random", "start", "center", "end"):
            return given
        raise ValueError(
            f"is {given!r}; expected random, start, center, end, a 1-based number or a distribution of them"
        )
    return parse_law(given)


def _slots(given: Any) -> Any:
    """Turn ``[a, b]``, ``{x: a, y: a}`` or ``{x: {a: .6, b: .4}}`` into {slot: {element: weight}}."""
    if isinstance(given, (list, tuple)) and all(isinstance(name, str) for name in given):
        if twice := [name for number, name in enumerate(given) if name in given[:number]]:
            name = twice[0]
            raise ValueError(
                f"names {name!r} twice; give aliases, {{first: {name}, second: {name}}}"
            )
        return {name: {name: 1.0} for name in given}
    if isinstance(given, dict) and all(
        isinstance(choice, (str, dict)) for choice in given.values()
    ):
        return {
            str(slot): {choice: 1.0} if isinstance(choice, str) else choice
            for slot, choice in given.items()
        }
    raise ValueError("expected a list of elements, or aliases such as {x: foxa1, y: foxa1}")


def _law_or_none(given: Any) -> Any:
    return None if given is None else parse_law(given)


#: Chance of a confounder, or one for each condition.
Chances = float | dict[str, float]
_ELEMENT_KINDS = ("motif", "matrix", "consensus", "kmers")
_NARROWEST_BAND = 1e-6


class Spacing(Strict):
    """The gap, in letters, between two elements of a rule, and their order.

    With a negative gap the two share columns, whose letters follow the product of their laws over the
    background's, or the law of the element named first or last.
    """

    elements: tuple[str, str]
    gap: Annotated[Any, BeforeValidator(parse_law)]
    order: Literal["in-order", "random"] = "in-order"
    shared: Literal["product", "first", "last"] = "product"


class Arrangement(Strict):
    """Elements that are placed together.

    `elements` names slots and the element, or weighted elements, of each. Slots tied by a spacing form
    one block; every other slot is a block of its own. `k_of` is the law of how many of the slots are
    placed, None for all.
    """

    model_config = ConfigDict(populate_by_name=True)

    elements: Annotated[dict[str, dict[str, float]], BeforeValidator(_slots)]
    k_of: Annotated[Any, BeforeValidator(_law_or_none)] = Field(default=None, alias="k-of")
    position: Annotated[Any, BeforeValidator(_position)] = "random"
    copies: Annotated[Any, BeforeValidator(parse_law)] = (1, 1)
    strand: Literal["+", "-", "random"] = "+"
    orientation: Literal["same", "convergent", "divergent", "any"] = "same"
    spacing: tuple[Spacing, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _any_of(cls, given: Any) -> Any:
        """Turn ``any-of: {a: .6, b: .4}`` into one slot with these choices."""
        if not isinstance(given, dict) or "any-of" not in given:
            return given
        if "elements" in given:
            raise ValueError("has elements and any-of; give one of them")
        rest = {key: value for key, value in given.items() if key != "any-of"}
        choices = given["any-of"]
        if isinstance(choices, (list, tuple)):
            if not all(isinstance(choice, str) for choice in choices):
                raise ValueError("any-of is a list of elements, or weights such as {a: .6, b: .4}")
            choices = dict.fromkeys(choices, 1.0)
        return {**rest, "elements": {"any": choices}}


class Rule(Arrangement):
    """An arrangement that applies to a condition's examples, with one probability."""

    probability: float = 1.0


class Confounder(Arrangement):
    """An arrangement whose chance depends on the conditions that an example shows, and on the set.

    Attributes
    ----------
    probability
        One chance for all, or one for each condition; `NONE` is that of examples that show no condition.
    training, validation, test
        What holds instead in one set.
    """

    probability: Chances
    training: Chances | None = None
    validation: Chances | None = None
    test: Chances | None = None

    def chance(self, shown: tuple[str, ...], set_name: str) -> float:
        """Return the chance in examples of a set that show these conditions: the highest of theirs."""
        chances = getattr(self, set_name)
        chances = self.probability if chances is None else chances
        if isinstance(chances, float):
            return chances
        return max(chances.get(name, 0.0) for name in shown or (NONE,))


class Condition(Strict):
    """A class (or label) and the rules that encode it."""

    description: str = ""
    mode: Literal["sequential", "mutually-exclusive"] = "sequential"
    rules: tuple[Rule, ...] = ()


class Common(Strict):
    """Rules of every condition: decoys, which tell nothing."""

    rules: tuple[Rule, ...] = ()


class Affinity(Strict):
    """A band of affinities: sites whose score lies between two quantiles of the motif's own scores."""

    min: Annotated[float, Field(ge=0, le=1)] = 0.0
    max: Annotated[float, Field(ge=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _is_band(self) -> Affinity:
        if self.max - self.min < _NARROWEST_BAND:
            raise ValueError(f"is {self.min:g} to {self.max:g}; max must be above min")
        return self


class Element(Strict):
    """A sequence element: one of a motif in a file, a matrix, an IUPAC consensus, weighted k-mers."""

    motif: str | None = None
    id: str | None = None
    pseudocount: Annotated[float, Field(ge=0)] = 0.0
    matrix: tuple[tuple[float, ...], ...] | None = None
    consensus: str | None = None
    kmers: dict[str, float] | None = None
    affinity: Affinity | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Element:
        given = [k for k in _ELEMENT_KINDS if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of {', '.join(_ELEMENT_KINDS)}")
        if (self.id is not None) != (self.motif is not None):
            raise ValueError("motif (a file) and id (the motif's name in it) belong together")
        if self.pseudocount and self.motif is None:
            raise ValueError("pseudocount goes with motif only")
        if self.affinity and self.kmers is not None:
            raise ValueError("affinity goes with matrices; weigh the kmers instead")
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


class Noise(Strict):
    """Wrong labels: the chance of each condition that its label is recorded wrongly, in some sets.

    In a multi-class task a wrong label is one of the others, uniformly; in a multi-label task each
    condition's label is flipped by itself.
    """

    labels: dict[str, float]
    sets: tuple[Literal["training", "validation", "test"], ...] = ("training", "validation")


class Group(Strict):
    """A group of examples: the conditions that its examples show, and its share of each set.

    With `shuffle` k, its examples are shuffles, keeping all k-mer counts, of freshly drawn examples of
    the groups without.
    """

    conditions: tuple[str, ...]
    share: float = 1.0
    shuffle: Annotated[int, Field(ge=1, le=6)] | None = None


class Grammar(Strict):
    """A grammar: how each condition is encoded in sequences."""

    description: str = ""
    alphabet: Literal["DNA", "RNA", "protein"] = "DNA"
    task: Literal["multi-class", "multi-label"] = "multi-class"
    window: Annotated[Any, BeforeValidator(parse_law)]
    background: SomeBackground = Background(preset="uniform")
    elements: dict[str, Element]
    common: Common = Common()
    conditions: dict[str, Condition]
    overlap: Literal["forbid", "allow"] = "forbid"
    examples: tuple[Group, ...] = Field(default=())
    confounders: tuple[Confounder, ...] = ()
    noise: Noise | None = None

    def __repr__(self) -> str:
        what = f"{self.alphabet}, {self.task}: {', '.join(self.conditions)}"
        return f"<grammar {self.description!r}; {what}; elements {', '.join(self.elements)}>"

    @property
    def longest(self) -> int:
        """Length of the longest examples: the arrays' width (resolved grammars only)."""
        return highest(self.window)

    @property
    def shortest(self) -> int:
        """Length of the shortest examples (resolved grammars only)."""
        return lowest(self.window)

    @property
    def combinations(self) -> tuple[tuple[str, ...], ...]:
        """The distinct combinations of conditions that examples show, each in the conditions' order."""
        order = list(self.conditions)
        shown = [tuple(sorted(group.conditions, key=order.index)) for group in self.examples]
        return tuple(dict.fromkeys(shown))

    def letter_distribution(self) -> np.ndarray:
        """Return the background's overall letter distribution: float64 (A,) (resolved grammars only)."""
        return self.background.distribution(ALPHABETS[self.alphabet])
