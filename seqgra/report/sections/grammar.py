"""A section a grammar: PR AUC by architecture and size, its figures, and what falls on confounders."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from seqgra.alphabet import SETS
from seqgra.compare.ceiling import ceiling_facts
from seqgra.compare.tables import recovery_runs
from seqgra.dataset import open_dataset
from seqgra.fingerprint import read_run
from seqgra.grammar.schema import Grammar
from seqgra.report.drawing import Drawing
from seqgra.report.figures.confusion import draw_confusion
from seqgra.report.figures.losses import draw_histories
from seqgra.report.figures.recovery import draw_recovery
from seqgra.report.figures.roc import draw_roc_pr
from seqgra.report.page import Picture, number
from seqgra.report.sections import Section, ShownSection
from seqgra.results import MICRO


def _shown(drawing: Drawing) -> Iterable[ShownSection]:
    compared = drawing.compared
    tables, scores = compared.tables, compared.tables.scores
    tests = {cell.grammar: cell.test for cell in compared.cells}
    for place, (name, test) in enumerate(sorted(tests.items())):
        there = open_dataset(test) if read_run(test) else None  # not simulated yet
        heads = scores.loc[(scores["grammar"] == name) & scores["headline"], "scope"]
        scope = str(heads.iloc[0]) if len(heads) else MICRO
        context = {
            "grammar": name,
            "description": there.grammar.description if there else "",
            "facts": grammar_facts(there.grammar) if there else None,
            "ceiling": ceiling_facts(name, scope, tables.regret, compared.ceilings),
            "pictures": _pictures(drawing, name),
            "confounding": _confounding(drawing, name),
            "method": compared.method,
            "target": compared.target,
            "undefined": _undefined(scores[scores["grammar"] == name]),
            **_heat(
                compared.sizes[compared.sizes["grammar"] == name],
                compared.reached[compared.reached["grammar"] == name],
            ),
        }
        yield ShownSection(f"grammar-{place}", name, context)


def _undefined(scores: pd.DataFrame) -> bool:
    """Tell whether there are scores, none of which has the area by which models are compared."""
    areas = scores.loc[(scores["metric"] == "pr_auc") & scores["headline"], "value"]
    return bool(len(areas) and areas.isna().all())


def _pictures(drawing: Drawing, grammar: str) -> list[Picture]:
    pictures = [*draw_roc_pr(drawing, grammar), *draw_recovery(drawing, grammar)]
    for decision in drawing.compared.statistics.decisions:
        if decision.grammar == grammar:
            pictures += draw_confusion(drawing, decision)
            pictures += draw_histories(drawing, decision)
    return pictures


def grammar_facts(grammar: Grammar) -> dict[str, Any]:
    """Return what to know of a grammar to read its numbers: labels, lengths, noise, confounders."""
    shown = {len(names) for names in grammar.combinations}
    noise = grammar.noise
    rates = noise.labels if noise else {}
    return {
        "conditions": len(grammar.conditions),
        "most": max(shown) if grammar.task == "multi-label" else 0,
        "none": 0 in shown,
        "shortest": grammar.shortest,
        "longest": grammar.longest,
        "wrong": [(name, rate) for name, rate in rates.items() if rate > 0],
        "noisy": [name for name in SETS if noise and name in noise.sets],
        "confounders": list(
            dict.fromkeys(
                element
                for confounder in grammar.confounders
                for choices in confounder.elements.values()
                for element in choices
            )
        ),
        "shifted": any(confounder.test is not None for confounder in grammar.confounders),
    }


def _confounding(drawing: Drawing, grammar: str) -> list[list[str]]:
    """Return the mean share of importance on confounders at the largest size, and its lift, by label."""
    means = {}
    for name in ("share", "share_lift"):
        metric = f"confounder_{name}"
        shown = recovery_runs(drawing.compared.tables.recovery, drawing.compared.method, metric)
        shown = shown[shown["grammar"] == grammar]
        shown = shown[shown["size"] == shown["size"].max()]
        means[name] = shown.groupby("label")["value"].mean()
    return [
        [str(label), number(share, ".3f"), number(lift, ".2f")]
        for label, share, lift in pd.DataFrame(means).itertuples()
    ]


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
        "failed": bool(sizes["failed"].any()),
    }


def _heat_cell(cells: pd.DataFrame, key: tuple[str, int], low: float) -> dict[str, Any] | None:
    if key not in cells.index:
        return None
    row: Any = cells.loc[key]
    strength = 0.55 * (row["mean"] - low) / (1 - low) if low < 1 else 0.55
    numbers = {name: float(row[name]) for name in ("mean", "min", "max")}
    return {**numbers, "strength": strength, "n": int(row["n"]), "failed": int(row["failed"])}


SECTION = Section(50, "grammar.html.j2", _shown)
