"""Where elements lie in examples of a grammar: simulated in memory, or those of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqgra.alphabet import SETS
from seqgra.dataset import open_dataset
from seqgra.errors import bad_input
from seqgra.fingerprint import require_run
from seqgra.grammar.load import grammar_fingerprint
from seqgra.grammar.schema import Grammar
from seqgra.labels import NONE
from seqgra.law.law import Law, draw_examples

#: Examples that are simulated where no number is given.
EXAMPLES = 2000
#: Of each group at least, where there are many groups.
_OF_A_GROUP = 200


class Seen(NamedTuple):
    """Elements seen in examples."""

    #: What the examples are, in words.
    source: str
    #: Combinations of conditions, as text, of which there are examples.
    shown: tuple[str, ...]
    #: int64 (G,): how many examples show each.
    examples: np.ndarray
    #: int64 (M,): of each placed element, the combination and number of its example, its element's number,
    #: and its first position, counted from 0.
    combination: np.ndarray
    example: np.ndarray
    element: np.ndarray
    start: np.ndarray


class ElementPositions(NamedTuple):
    """One element in the examples of one combination of conditions."""

    #: Names.
    shown: str
    element: str
    #: Share of the examples that hold it.
    share: float
    #: Mean number of it in those.
    copies: float
    #: int64 (K,): first positions, counted from 0.
    starts: np.ndarray


def default_examples(grammar: Grammar) -> int:
    """Return how many examples to simulate: 2,000, or 200 a group where that is more."""
    return max(EXAMPLES, _OF_A_GROUP * len(grammar.examples))


def seen_in_simulation(law: Law, grammar: Grammar, seed: int, examples: int) -> Seen:
    """Draw the first training examples of a seed and return where their elements lie."""
    groups = [_name(group.conditions, grammar) for group in grammar.examples]
    of_example = law.groups[np.arange(examples) % law.groups.size]
    shown = tuple(dict.fromkeys(groups))
    combination = np.array([shown.index(name) for name in groups])[of_example]
    placed = draw_examples(law, seed, "training", examples).placed
    example, slot = np.nonzero(placed.start >= 0)
    element, start = (
        part[example, slot].astype(np.int64) for part in (placed.element, placed.start)
    )
    source = f"{examples:,} examples simulated with seed {seed}"
    counts = np.bincount(combination, minlength=len(shown))
    return Seen(source, shown, counts, combination[example], example, element, start)


def seen_in_dataset(folder: Path, grammar: Grammar, examples: int | None) -> Seen:
    """Return where the elements lie in the first examples of the first set that a dataset has.

    Raises
    ------
    InputError
        If there is no dataset, it is another grammar's, or it has fewer examples.
    """
    dataset = open_dataset(folder)
    if not dataset.simulated:
        message = (
            "holds real examples; `seqgra describe` with this folder in place of the grammar tells "
        )
        raise bad_input(folder, "", message + "of them")
    if require_run(folder, "simulate")["inputs"]["grammar"] != grammar_fingerprint(grammar):
        name = dataset.content["grammar_id"]
        message = f"was simulated from another grammar ({name}, as it was then); give a dataset of this one"
        raise bad_input(folder, "", message)
    set_name = next(name for name in SETS if dataset.counts.get(name))
    labels = np.asarray(dataset.y_true(set_name, examples)).astype(bool)
    names = np.array(list(grammar.conditions))
    rows, combination = np.unique(~labels, axis=0, return_inverse=True)  # the first condition first
    shown = tuple(_name(tuple(names[~row].tolist()), grammar) for row in rows)
    table = dataset.elements(set_name, examples)
    example = table["example"].to_numpy(np.int64)
    combination = combination.reshape(-1)
    return Seen(
        f"the first {len(labels):,} {set_name} examples of {folder.name}",
        shown,
        np.bincount(combination, minlength=len(shown)),
        combination[example],
        example,
        table["element"].to_numpy(np.int64),
        table["start"].to_numpy(np.int64),
    )


def rows_of(seen: Seen, grammar: Grammar) -> list[ElementPositions]:
    """Return what is seen of each element in each combination, where it is seen at all."""
    names = list(grammar.elements)
    rows = []
    for number, shown in enumerate(seen.shown):
        in_it = seen.combination == number
        for element in np.unique(seen.element[in_it]).tolist():
            chosen = in_it & (seen.element == element)
            holders = np.unique(seen.example[chosen]).size
            count = np.count_nonzero(chosen)
            share = holders / int(seen.examples[number])
            rows.append(
                ElementPositions(shown, names[element], share, count / holders, seen.start[chosen])
            )
    return rows


def _name(conditions: tuple[str, ...], grammar: Grammar) -> str:
    order = list(grammar.conditions)
    return " + ".join(sorted(conditions, key=order.index)) or NONE
