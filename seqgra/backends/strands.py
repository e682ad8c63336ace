"""Which strands the features of a baseline take, decided from what a dataset says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from seqgra.alphabet import DNA
from seqgra.dataset import Dataset
from seqgra.grammar.schema import Arrangement

#: How an element lies: on one strand, or on either with one meaning.
Strand = Literal["+", "-", "random"]


def element_strands(dataset: Dataset) -> dict[str, tuple[Strand, ...]]:
    """Return the strands on which each element of a dataset lies.

    Simulated: one entry for each way that rules and confounders place it; ``+`` where none does. Real DNA:
    ``random`` where training hits, or annotated elements, lie on both strands or there are none, else
    their one strand. Other alphabets have ``+`` only.

    Raises
    ------
    InputError
        If the elements of a real dataset cannot be read.
    """
    names = list(dataset.grammar.elements)
    if dataset.alphabet.name != DNA.name:
        return {name: ("+",) for name in names}
    found: dict[str, set[Strand]] = {name: set() for name in names}
    if dataset.simulated:
        for arrangement in _arrangements(dataset):
            ways = _ways(arrangement)
            for name in {name for choices in arrangement.elements.values() for name in choices}:
                found[name] |= ways
        return {name: tuple(sorted(ways or {"+"})) for name, ways in found.items()}
    table = dataset.elements("training")
    for number, name in enumerate(names):
        signs = np.unique(table.loc[table["element"] == number, "strand"])
        found[name] = {"random"} if len(signs) != 1 else {"+" if signs[0] > 0 else "-"}
    return {name: tuple(ways) for name, ways in found.items()}


def either_strand(dataset: Dataset) -> bool:
    """Return whether a word of a dataset means the same as its reverse complement.

    Simulated: every rule and confounder places on either strand. Real: DNA not cut along strands
    (``--stranded``), whose elements lie on both, or that was cut about regions.

    Raises
    ------
    InputError
        If the elements of a real dataset cannot be read.
    """
    if dataset.alphabet.name != DNA.name:
        return False
    if dataset.simulated:
        ways = [_ways(arrangement) for arrangement in _arrangements(dataset)]
        return bool(ways) and all(way == {"random"} for way in ways)
    recipe = dataset.content["ingest"].get("recipe", {})
    if recipe.get("stranded"):
        return False
    about_regions = bool(recipe.get("files", {}).get("peaks"))
    return about_regions or dataset.elements("training")["strand"].nunique() == 2


def _arrangements(dataset: Dataset) -> Iterator[Arrangement]:
    grammar = dataset.grammar
    yield from grammar.common.rules
    for condition in grammar.conditions.values():
        yield from condition.rules
    yield from grammar.confounders


def _ways(arrangement: Arrangement) -> set[Strand]:
    if "random" in (arrangement.strand, arrangement.orientation.replace("any", "random")):
        return {"random"}
    if arrangement.orientation == "same":
        return {arrangement.strand}
    return {"+", "-"}  # a pair that faces: one of the two on each
