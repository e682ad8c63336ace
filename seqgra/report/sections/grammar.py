"""A section a grammar: PR AUC by architecture and size, its figures, and what falls on confounders."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from seqgra.report.content import Content
from seqgra.report.page import number
from seqgra.report.sections import Section, Shown


def _shown(content: Content) -> Iterable[Shown]:
    for place, section in enumerate(content.sections):
        name = section.grammar
        sizes = content.sizes[content.sizes["grammar"] == name]
        needed = content.needed[content.needed["grammar"] == name]
        confounding = section.confounding[["label", "share", "lift"]].itertuples(index=False)
        context = {
            "grammar": name,
            "description": section.description,
            "facts": section.facts,
            "pictures": section.pictures,
            "confounding": [
                [str(label), number(share, ".3f"), number(lift, ".2f")]
                for label, share, lift in confounding
            ],
            "method": content.method,
            "target": content.target,
            **_heat(sizes, needed),
        }
        yield Shown(f"grammar-{place}", name, context)


def _heat(sizes: pd.DataFrame, needed: pd.DataFrame) -> dict[str, Any]:
    """Return mean PR AUC by architecture and size, and how dark each cell is."""
    if sizes.empty:
        return {"rows": []}
    columns, cells = sorted(sizes["size"].unique()), sizes.set_index(["label", "size"])
    low = math.floor(sizes["mean"].min() * 10) / 10
    wants = needed.set_index("label")["needed"]
    rows = []
    for label in sorted(sizes["label"].unique()):
        row = [_heat_cell(cells, (label, size), low) for size in columns]
        rows.append({"label": label, "cells": row, "needed": str(wants[label])})
    return {
        "sizes": columns,
        "rows": rows,
        "scope": str(sizes["scope"].iloc[0]),
        "chance": float(sizes["chance"].iloc[0]),
        "collapsed": bool(sizes["collapsed"].any()),
    }


def _heat_cell(cells: pd.DataFrame, key: tuple[str, int], low: float) -> dict[str, Any] | None:
    if key not in cells.index:
        return None
    row: Any = cells.loc[key]
    strength = 0.55 * (row["mean"] - low) / (1 - low) if low < 1 else 0.55
    numbers = {name: float(row[name]) for name in ("mean", "min", "max")}
    return {**numbers, "strength": strength, "n": int(row["n"]), "collapsed": int(row["collapsed"])}


SECTION = Section(50, "grammar.html.j2", _shown)
