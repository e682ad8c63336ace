"""From tables to the answer: which architecture a grammar calls for, and with how many examples."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from seqgra.plot.report import Answer
from seqgra.plot.style import BASELINES

#: Means of PR AUC this close to the best count as equal to it.
TIE = 0.005


def answers(sizes: pd.DataFrame, needed: pd.DataFrame, recovery: pd.DataFrame) -> list[Answer]:
    """Return one answer a grammar, sorted by grammar; grammars without any score have none.

    At the largest size with scores, the architecture with the highest mean is the best. Those
    within `TIE` of it are its equals; of these the one that needs the fewest examples is named.

    Parameters
    ----------
    sizes
        `tables.summary`, with a column label.
    needed
        `tables.examples_needed` of the same scores, with a column label.
    recovery
        Mean recovery: columns grammar, size, label, mean.
    """
    found = []
    for grammar, group in sizes.groupby("grammar"):
        largest = group[group["size"] == group["size"].max()].set_index("label")
        wants = needed[needed["grammar"] == grammar].set_index("label")
        regained = recovery[
            (recovery["grammar"] == grammar) & (recovery["size"] == largest["size"].iloc[0])
        ].set_index("label")["mean"]
        found.append(_answer(str(grammar), largest, wants, regained.dropna()))
    return found


def _answer(
    grammar: str, largest: pd.DataFrame, wants: pd.DataFrame, recovery: pd.Series
) -> Answer:
    means = largest["mean"]
    equals = [str(label) for label in means.index if means[label] >= means.max() - TIE]
    ranked = sorted(equals, key=lambda label: (_examples(wants, label), -means[label], label))
    best = ranked[0]
    row: Any = largest.loc[best]
    want: Any = wants.loc[best]
    others = largest[largest["backend"].isin(BASELINES)]["mean"].drop(best, errors="ignore")
    return Answer(
        grammar=grammar,
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
        reached=int(want["reached"]),
        reached_of=int(want["n"]),
        stays=bool(want["stays"]),
        equals=tuple(ranked[1:]),
        recovery=float(recovery.get(best, math.nan)),
        top_recovery=(str(recovery.idxmax()), float(recovery.max())) if len(recovery) else None,
        top_baseline=(str(others.idxmax()), float(others.max())) if len(others) else None,
    )


def _reached(wants: pd.DataFrame, label: str) -> bool:
    return not str(wants.loc[label, "needed"]).startswith(">")


def _examples(wants: pd.DataFrame, label: str) -> float:
    return float(str(wants.loc[label, "needed"])) if _reached(wants, label) else math.inf
