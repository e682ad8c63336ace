"""The section of the report on probes: the report card, its curves, and rule scores against dataset size."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from seqgra.compare.efficiency import TAUS, size_words
from seqgra.compare.probes import WORDS
from seqgra.report.drawing import Drawing
from seqgra.report.figures.rules import draw_card, draw_curves, draw_order, draw_scatter, draw_sizes
from seqgra.report.page import TableRow, number
from seqgra.report.sections import Section, ShownSection


def _shown(drawing: Drawing) -> Iterable[ShownSection]:
    compared, pictures = drawing.compared, []
    if compared.properties.empty:
        return
    for grammar in sorted(compared.properties["grammar"].unique()):
        pictures += draw_card(drawing, str(grammar))
        pictures += draw_order(drawing, str(grammar))
        pictures += draw_curves(drawing, str(grammar))
    context = {
        "pictures": [*pictures, *draw_scatter(drawing), *draw_sizes(drawing)],
        "rows": _rows(compared.rules),
        "needed": _needed_rows(compared.rules_needed),
        "score": TAUS[0],
    }
    yield ShownSection("rules", "Which rules they know", context)


def _rows(rules: pd.DataFrame) -> list[TableRow]:
    shown = rules[(rules["level"] == "summary") & rules["property"].isin(list(WORDS))]
    shown = shown[shown["size"] == shown.groupby("grammar")["size"].transform("max")]
    records: list[dict[str, Any]] = shown.to_dict("records")  # type: ignore[assignment]
    return [
        TableRow(
            [
                *(str(row[n]) for n in ("grammar", "label", "property", "rule", "subject")),
                str(row["asked"]),
                str(row["reason"]),
                *(
                    number(row[n], ".2f")
                    for n in ("raw", "chance", "untrained", "ceiling", "score")
                ),
                _ends(row),
                str(row["models"]),
            ],
            str(row["grammar"]),
            str(row["label"]),
        )
        for row in records
    ]


def _ends(row: dict[str, Any]) -> str:
    if math.isfinite(row["low"]):
        return f"{row['low']:.2f} to {row['high']:.2f}"
    if row["models"] < 2:
        return ""
    return f"{row['least']:.2f} to {row['most']:.2f} (range)"


def _needed_rows(needed: pd.DataFrame) -> list[TableRow]:
    shown = needed[needed["tau"] == TAUS[0]]
    rows = []
    records: list[dict[str, Any]] = shown.to_dict("records")  # type: ignore[assignment]
    for row in records:
        small, large = row["smallest"], row["largest"]
        many, low, high = (
            size_words(row[name], small, large) for name in ("needed", "low", "high")
        )
        of = "" if row["of"] == "interval" or low == high else " (range)"
        ends = low if low == high else f"{low} to {high}"
        reach = f"{row['reached']} of {row['curves']}"
        names = [str(row[name]) for name in ("grammar", "label", "property", "version")]
        rows.append(TableRow([*names, many, f"{ends}{of}", reach], names[0], names[1]))
    return rows


SECTION = Section(44, "rules.html.j2", _shown)
