"""Scores and recovery that were computed in a session, as one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from seqgra.errors import bad_argument
from seqgra.report.page import fill, number
from seqgra.results import MACRO, NULL, Scores, summarise_recovery


def values_page(
    parts: Sequence[Scores | pd.DataFrame] | Mapping[str, Scores | pd.DataFrame],
) -> str:
    """Return scores and tables of recovery as one HTML page, each in a section, by name if they have one.

    Raises
    ------
    InputError
        If a part is something else, or there is none.
    """
    if not parts:
        raise bad_argument("parts", "is empty; give scores or tables of recovery")
    named = parts.items() if isinstance(parts, Mapping) else (("", part) for part in parts)
    shown = [
        {"name": str(name), **_part(place, part)} for place, (name, part) in enumerate(named, 1)
    ]
    return fill("values.html.j2", {"shown": shown, "null": NULL})


def _part(place: int, part: Scores | pd.DataFrame) -> dict[str, Any]:
    if isinstance(part, Scores):
        return {"scores": part, **_table(part.table)}
    if isinstance(part, pd.DataFrame) and {"example", "condition"} <= set(part.columns):
        means = pd.DataFrame(summarise_recovery(part.drop(columns="example"))).T
        means = means[[MACRO, *(name for name in means.columns if name != MACRO)]]
        return {"scores": None, "explanations": len(part), **_table(means)}
    message = (
        f"part {place} is {type(part).__name__}; give what evaluate, ceiling or recovery returns"
    )
    raise bad_argument("parts", message)


def _table(table: pd.DataFrame) -> dict[str, Any]:
    rows = [
        [str(name), *(number(value, ".4f") for value in values)]
        for name, values in zip(table.index, table.to_numpy(float), strict=True)
    ]
    return {"heads": ["", *map(str, table.columns)], "rows": rows}
