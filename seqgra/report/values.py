"""Scores and recovery that were computed in a session, as one page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from importlib import metadata
from pathlib import Path

import pandas as pd

from seqgra.errors import bad_argument
from seqgra.results import MACRO, NULL, Scores, summarise_recovery

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
