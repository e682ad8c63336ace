"""Scores, recovery and attributions that were computed in a session: one page, and pictures in a notebook."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from html import escape
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

from seqgra.alphabet import PADDING
from seqgra.dataset import Dataset, Examples
from seqgra.errors import bad_argument
from seqgra.grammar.combinations import ROLES, tells
from seqgra.plot.attribution import Example, Placed, example_logos
from seqgra.plot.style import styled
from seqgra.results import MACRO, NULL, Scores, summarise_recovery

#: Examples whose logos a notebook shows.
MOST_LOGOS = 3
_TEMPLATE = Path(__file__).with_name("report.html")


def values_page(parts: Sequence[Scores | pd.DataFrame]) -> str:
    """Return scores and tables of recovery as one HTML page, each in a section.

    Raises
    ------
    InputError
        If a part is something else, or there is none.
    """
    if not parts:
        raise bad_argument("parts", "is empty; give scores or tables of recovery")
    sections = "\n".join(_section(number, part) for number, part in enumerate(parts, 1))
    found = re.search(r"<style>.*?</style>", _TEMPLATE.read_text(encoding="utf-8"), re.DOTALL)
    style = found[0] if found else ""
    version = escape(metadata.version("seqgra"))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>seqgra</title>'
        f"{style}</head>\n<body><main>\n{sections}\n<footer>seqgra {version}</footer></main></body></html>\n"
    )


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
        placed.append(Placed(names[element], start, end, strand, "grammar" if own else other))
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


def _section(number: int, part: Scores | pd.DataFrame) -> str:
    if isinstance(part, Scores):
        about = f"{part.examples:,} examples, {part.task}; headline: {part.headline} PR AUC "
        about += f"{part.pr_auc:.4f}"
        return _table(f"{number}. Scores", about, part.table)
    if isinstance(part, pd.DataFrame) and {"example", "condition"} <= set(part.columns):
        means = pd.DataFrame(summarise_recovery(part.drop(columns="example"))).T
        means = means[[MACRO, *(name for name in means.columns if name != MACRO)]]
        about = (
            f"{len(part):,} explanations; means by condition. Rows that begin with {NULL} are of "
        )
        return _table(f"{number}. Grammar recovery", f"{about}background-only sequences.", means)
    message = (
        f"part {number} is {type(part).__name__}; give what evaluate, ceiling or recovery returns"
    )
    raise bad_argument("parts", message)


def _table(title: str, about: str, table: pd.DataFrame) -> str:
    html = table.round(4).to_html(border=0, na_rep="")
    return f"<section><h2>{escape(title)}</h2><p>{escape(about)}</p>{html}</section>"
