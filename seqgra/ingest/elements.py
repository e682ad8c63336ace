"""What the examples are known to hold: hits of motifs, or the elements that came with a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from seqgra.alphabet import Alphabet
from seqgra.dataset import ELEMENT_COLUMNS
from seqgra.errors import bad_input
from seqgra.grammar.combinations import ROLES
from seqgra.grammar.motifs import read_motifs
from seqgra.grammar.schema import Element
from seqgra.ingest.columns import listed
from seqgra.ingest.examples import IngestedExamples
from seqgra.ingest.tally import Tally
from seqgra.law.scan import best_hits, find_hits
from seqgra.stages.ingest import Recipe
from seqgra.yamlfile import suggest

_PSEUDOCOUNT = 1.0


class SoughtMotif(NamedTuple):
    """A motif that is looked for."""

    #: float64 (W, A).
    matrix: np.ndarray
    #: Number of the condition that it belongs to, -1 for none in particular.
    condition: int


def wanted_motifs(recipe: Recipe, conditions: list[str], tally: Tally) -> dict[str, SoughtMotif]:
    """Return the motifs to look for by name: all of the file, or the ones that are named.

    Raises
    ------
    InputError
        If the file is wrong, or does not have a motif that is named.
    """
    if recipe.motifs is None:
        return {}
    known = read_motifs(recipe.motifs, recipe.letters.letters)
    if known.faults and not recipe.motif:
        faults = {str(fault): fault.problems[0] for fault in known.faults.values()}
        first = next(iter(faults.values()))
        message = f"{recipe.motifs.name}: {len(faults)} motifs cannot be read and are left out; "
        tally.remark(f"{message}{first.path}: {first.message}")
    found: dict[str, SoughtMotif] = {}
    for text in recipe.motif or tuple(dict.fromkeys(motif.name for motif in known.values())):
        name, _, identifier = text.partition("=") if recipe.motif else (text, "", text)
        if not name.strip():
            raise bad_input("--motif", text, "has no name before '='; write NAME=ID")
        identifier, condition = identifier or name, -1
        if identifier not in known:
            identifier, condition = _with_condition(identifier, conditions)
        known.refuse_faulty(identifier)
        if identifier not in known:
            start, colon, label = identifier.rpartition(":")
            if colon and start in known:
                message = f"there is no label {label!r}; labels are {listed(conditions, 20)}"
                raise bad_input("--motif", text, message)
            advice = suggest(identifier, list(known))
            raise bad_input(recipe.motifs, "", f"has no motif {identifier!r}; {advice}")
        if name in found:
            raise bad_input("--motif", name, "is named twice; give each motif a name of its own")
        found[name] = SoughtMotif(np.array(known[identifier].matrix, float), condition)
    return found


def _with_condition(text: str, conditions: list[str]) -> tuple[str, int]:
    """Split ``ID:LABEL``; an ID may hold colons itself."""
    identifier, colon, label = text.rpartition(":")
    if colon and label in conditions:
        return identifier, conditions.index(label)
    return text, -1


def hit_columns(
    x: np.ndarray,
    motifs: Mapping[str, SoughtMotif],
    alphabet: Alphabet,
    p_value: float,
    b: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return the best hits of motifs in examples, uint8 (N, L): one array for each of `ELEMENT_COLUMNS`."""
    matrices = {name: motif.matrix for name, motif in motifs.items()}
    hits = best_hits(find_hits(x, matrices, alphabet, p_value=p_value, background=b))
    condition = np.array([motif.condition for motif in motifs.values()], np.int16)
    columns = {name: hits[name].to_numpy() for name in ("example", "element", "start", "end")}
    return columns | {
        "condition": condition[columns["element"]],
        "rule": np.full(len(hits), -1, np.int16),
        "strand": hits["strand"].to_numpy(),
        "role": np.full(len(hits), ROLES.index("hit"), np.int8),
        "intact": np.ones(len(hits), bool),
    }


def annotated_elements(
    examples: IngestedExamples, training: np.ndarray, letters: int
) -> dict[str, Element]:
    """Return the elements that an annotation names, with the letters that they show in training.

    One count is added to every letter, so that no probability is 0. An element of several widths is an
    element a width. Changes the names in `examples.elements` accordingly.

    Parameters
    ----------
    training
        bool (N,): the training examples.
    """
    table = examples.elements
    assert table is not None
    widths = table["end"] - table["start"]
    several = table.assign(width=widths).groupby("name")["width"].transform("nunique") > 1
    table.loc[several, "name"] = table["name"] + "-" + widths.astype(str)
    found = {}
    for name, own in sorted(table.groupby("name"), key=lambda item: str(item[0])):
        width = int(own["end"].iloc[0] - own["start"].iloc[0])
        counts = np.full((width, letters), _PSEUDOCOUNT)
        own = own[training[own["example"].to_numpy()] & own["intact"].to_numpy(bool)]
        places = own["start"].to_numpy(np.int64)[:, None] + np.arange(width)
        sites = examples.x[own["example"].to_numpy(np.int64)[:, None], places]
        reverse = own["strand"].to_numpy() < 0
        back = sites[reverse][:, ::-1]
        sites[reverse] = np.where(back < letters, letters - 1 - back, back)
        for column in range(width):
            known = sites[:, column][sites[:, column] < letters]
            counts[column] += np.bincount(known, minlength=letters)
        found[str(name)] = as_element(counts)
    return found


def as_element(matrix: np.ndarray) -> Element:
    """Return the element of a matrix (W, A), whose rows are made to sum to 1."""
    rows = (tuple(p / math.fsum(row) for p in row) for row in matrix.tolist())
    return Element(matrix=tuple(rows))


def annotation_columns(
    table: pd.DataFrame, names: list[str], conditions: list[str]
) -> dict[str, np.ndarray]:
    """Return an annotation as one array for each of `ELEMENT_COLUMNS`."""
    codes = {
        "element": table["name"].map({name: n for n, name in enumerate(names)}),
        "condition": table["condition"].map({name: n for n, name in enumerate(conditions)}),
        "role": table["role"].map({name: n for n, name in enumerate(ROLES)}),
    }
    table = table.assign(**{name: column.fillna(-1) for name, column in codes.items()})
    return {name: table[name].to_numpy().astype(kind) for name, kind in ELEMENT_COLUMNS.items()}
