"""Attributions that were computed in a session: explained examples, and their logos in a notebook."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np

from seqgra.alphabet import PADDING
from seqgra.dataset import Dataset, Examples
from seqgra.grammar.combinations import ROLES, tells
from seqgra.plot.attribution import ElementSpan, Example, example_logos
from seqgra.plot.style import styled

#: Examples whose logos a notebook shows.
MOST_LOGOS = 3


def explained_example(
    dataset: Dataset, set_name: str, row: int, explained: int, values: np.ndarray
) -> Example:
    """Return an explained example as it is drawn.

    Parameters
    ----------
    dataset, set_name, row
        Which.
    explained
        Number of the condition explained.
    values
        float (A, L): its attributions.
    """
    codes = np.asarray(dataset.x(set_name)[int(row)])
    codes = codes[codes != PADDING]
    table = dataset.elements(set_name, int(row) + 1)
    placed, names = [], list(dataset.grammar.elements)
    table = table[table["example"] == row]
    encode = tells(table["role"].to_numpy(), table["condition"].to_numpy(), explained)
    columns = ["element", "start", "end", "strand", "role"]
    instances = table[columns].to_numpy(np.int64).tolist()
    for (element, start, end, strand, role), own in zip(instances, encode, strict=True):
        other = "confounder" if ROLES[role] == "confounder" else "other"
        placed.append(ElementSpan(names[element], start, end, strand, "grammar" if own else other))
    scores = values.sum(axis=0)[: len(codes)]
    title = f"{dataset.conditions[explained]}, {set_name} example {row}"
    return Example(title, dataset.alphabet.decode(codes), scores, placed)


def logos_html(
    examples: Examples, rows: np.ndarray, conditions: np.ndarray, values: np.ndarray, title: str
) -> str:
    """Return logos of the first explained example of each condition, as HTML.

    Parameters
    ----------
    examples
        The set that is explained.
    rows, conditions
        int64 (K,): which examples, and which conditions of them.
    values
        float32 (K, A, L): their attributions.
    title
        Of the figure.
    """
    _, first = np.unique(conditions, return_index=True)
    dataset, name = examples.dataset, examples.set_name
    drawn = [
        explained_example(dataset, name, int(rows[k]), int(conditions[k]), values[k])
        for k in first[:MOST_LOGOS]
    ]
    picture = io.BytesIO()
    with styled(grid=False):
        figure = example_logos(drawn, len(dataset.alphabet.letters), title)
        figure.savefig(picture, format="svg")
    data = base64.b64encode(picture.getvalue()).decode()
    return f'<img alt="{escape(title)}" src="data:image/svg+xml;base64,{data}">'
