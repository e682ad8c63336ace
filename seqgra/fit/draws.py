"""What is estimated from, and drawing from a grammar in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqgra.alphabet import Alphabet, lengths_of
from seqgra.dataset import Dataset
from seqgra.digest import digest
from seqgra.errors import InputError
from seqgra.grammar.load import resolve
from seqgra.grammar.schema import Grammar
from seqgra.law.elements import disagreements
from seqgra.law.law import Law, SampledExamples, compile_law, draw_examples

#: Examples that estimates are made from at most: the first of the training set.
MOST_EXAMPLES = 20_000
#: Examples that a combination of conditions needs to be estimated from.
FEWEST = 50


class ExampleGroup(NamedTuple):
    """Examples that show the same conditions."""

    #: Names, in the dataset's order; several or none in a multi-label task.
    conditions: tuple[str, ...]
    #: int64 (N,): rows of the examples.
    rows: np.ndarray

    @property
    def name(self) -> str:
        """The conditions' names, or ``none``."""
        return " + ".join(self.conditions) or "none"


class Setting(NamedTuple):
    """What stays the same throughout."""

    #: Of the dataset.
    alphabet: Alphabet
    task: str
    conditions: tuple[str, ...]
    #: Law of the window as a grammar file has it.
    window: Any
    #: Length L of the longest examples.
    length: int
    #: float64 (W, A) by name: letter probabilities.
    motifs: Mapping[str, np.ndarray]
    #: Whether motifs are looked for on the reverse strand too.
    both_strands: bool
    #: Threshold of hits.
    p_value: float
    #: Of all draws.
    seed: int

    @property
    def shortest(self) -> int:
        """Length of the shortest examples."""
        return min(self.window) if isinstance(self.window, dict) else self.length


def groups_of(y: np.ndarray, conditions: tuple[str, ...]) -> list[ExampleGroup]:
    """Return the combinations of conditions that labels (uint8 (N, C)) show, by condition."""
    if not len(y):
        return []
    found, numbers = np.unique(y, axis=0, return_inverse=True)
    groups = []
    for number, row in enumerate(found):
        shown = tuple(name for name, on in zip(conditions, row, strict=True) if on)
        groups.append(ExampleGroup(shown, np.flatnonzero(numbers.ravel() == number)))
    places = {name: place for place, name in enumerate(conditions)}
    return sorted(
        groups, key=lambda g: (not g.conditions, len(g.conditions), *map(places.get, g.conditions))
    )


def window_law(x: np.ndarray) -> Any:
    """Return the law of the lengths of examples (uint8 (N, L), padded) as a grammar file has it."""
    lengths, counts = np.unique(lengths_of(x), return_counts=True)
    if lengths.size == 1:
        return int(lengths[0])
    return {int(n): int(count) for n, count in zip(lengths, counts, strict=True)}


def compiled(content: Mapping[str, Any]) -> tuple[Grammar, Law]:
    """Resolve and compile the content of a grammar file whose elements are matrices."""
    grammar = resolve(dict(content), Path("fit"), Path())
    return grammar, compile_law(grammar, "fit")


def fits(content: Mapping[str, Any]) -> bool:
    """Say whether the content of a grammar file is one that can be drawn from."""
    try:
        compiled(content)
    except InputError:
        return False
    return True


def draw(
    content: Mapping[str, Any], seed: int, examples: int, set_name: str = "training"
) -> SampledExamples:
    """Draw examples of a grammar, by random numbers that no simulated dataset of the same seed has.

    Raises
    ------
    InputError
        If the content is no grammar.
    """
    _, law = compiled(content)
    own = int(digest({"drawn by fit": seed})[:12], 16)
    return draw_examples(law, own, set_name, examples)


def matrix_of(setting: Setting, name: str) -> dict[str, Any]:
    """Return a motif as an element of a grammar file."""
    return {"matrix": setting.motifs[name].tolist()}


def probe(
    setting: Setting,
    background: Mapping[str, Any],
    elements: Mapping[str, Any],
    rules: list[list[dict[str, Any]]],
    each: int,
) -> tuple[SampledExamples, list[np.ndarray]]:
    """Draw `each` examples for each list of rules; return them and the rows of each list.

    Raises
    ------
    InputError
        If the rules find no room.
    """
    content = _probed(setting, background, elements, rules)
    drawn = draw(content, setting.seed, each * len(rules))
    return drawn, [np.flatnonzero(drawn.y[:, k]) for k in range(len(rules))]


def no_letter_suits(
    setting: Setting,
    background: Mapping[str, Any],
    elements: Mapping[str, Any],
    rule: dict[str, Any],
) -> bool:
    """Say whether a rule has a column that two elements share and that no letter suits."""
    content = _probed(setting, background, elements, [[rule]])
    return any(disagreements(resolve(content, Path("fit"), Path())))


def _probed(
    setting: Setting,
    background: Mapping[str, Any],
    elements: Mapping[str, Any],
    rules: list[list[dict[str, Any]]],
) -> dict[str, Any]:
    """Return the content of a grammar file with a condition for each list of rules."""
    names = [f"k{number}" for number in range(len(rules))]
    content = {
        "alphabet": setting.alphabet.name,
        "window": setting.window,
        "background": background,
        "elements": elements,
        "conditions": {name: {"rules": some} for name, some in zip(names, rules, strict=True)}
        | ({"spare": {}} if len(rules) == 1 else {}),
    }
    if len(rules) == 1:
        content["examples"] = [
            {"conditions": ["k0"], "share": 1000},
            {"conditions": ["spare"], "share": 1},
        ]
    return content


def setting_of(
    dataset: Dataset, motifs: Mapping[str, np.ndarray], p_value: float, seed: int
) -> Setting:
    """Return the setting of a dataset and the motifs to look for."""
    x = dataset.x("training")[:MOST_EXAMPLES]
    return Setting(
        dataset.alphabet,
        dataset.task,
        dataset.conditions,
        window_law(np.asarray(x)),
        dataset.window,
        motifs,
        dataset.alphabet.name == "DNA",
        p_value,
        seed,
    )
