"""From tables to the answer: which architecture a grammar calls for, and with how many examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from seqgra.compare.decide import TIE, Decision
from seqgra.plot.style import BASELINES
from seqgra.report.content import Answer


def answers(
    sizes: pd.DataFrame,
    needed: pd.DataFrame,
    recovery: pd.DataFrame,
    decisions: Mapping[str, Decision],
    evidence: Mapping[str, Sequence[str]],
) -> list[Answer]:
    """Return one answer a grammar, sorted by grammar; grammars without any score have none.

    At the largest size with scores, the architecture of the decision is named; those within `TIE` of the
    highest mean are its equals.

    Parameters
    ----------
    sizes
        `tables.summary`, with a column label.
    needed
        `tables.examples_needed` of the same scores, with a column label.
    recovery
        Mean recovery: columns grammar, size, label, mean.
    decisions, evidence
        By grammar.
    """
    found = []
    for grammar, group in sizes.groupby("grammar"):
        largest = group[group["size"] == group["size"].max()].set_index("label")
        wants = needed[needed["grammar"] == grammar].set_index("label")
        regained = recovery[
            (recovery["grammar"] == grammar) & (recovery["size"] == largest["size"].iloc[0])
        ].set_index("label")["mean"]
        answer = _answer(decisions[str(grammar)], largest, wants, regained.dropna())
        found.append(answer._replace(evidence=tuple(evidence[str(grammar)])))
    return found


def _answer(
    decision: Decision, largest: pd.DataFrame, wants: pd.DataFrame, recovery: pd.Series
) -> Answer:
    means = largest["mean"]
    equals = [str(label) for label in means.index if means[label] >= means.max() - TIE]
    best = decision.label
    row: Any = largest.loc[best]
    want: Any = wants.loc[best]
    others = largest[largest["backend"].isin(BASELINES)]["mean"].drop(best, errors="ignore")
    return Answer(
        grammar=decision.grammar,
        label=best,
        baseline=row["backend"] in BASELINES,
        size=int(row["size"]),
        training_examples=int(row["training_examples"]),
        scope=str(row["scope"]),
        chance=float(row["chance"]),
        mean=float(row["mean"]),
        low=float(row["min"]),
        high=float(row["max"]),
        runs=int(row["n"]),
        collapsed=int(row["collapsed"]),
        needed=int(want["size"]) if _reached(wants, best) else None,
        equals=tuple(label for label in equals if label != best),
        recovery=float(recovery.get(best, math.nan)),
        top_recovery=(str(recovery.idxmax()), float(recovery.max())) if len(recovery) else None,
        top_baseline=(str(others.idxmax()), float(others.max())) if len(others) else None,
        shown=decision.shown,
    )


def _reached(wants: pd.DataFrame, label: str) -> bool:
    return not str(wants.loc[label, "needed"]).startswith(">")
