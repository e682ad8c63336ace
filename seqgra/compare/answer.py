"""What is answered for each grammar, in numbers; sentences on them stand in the templates of the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from seqgra.compare.decide import TIE, Doubling, Statistics, lacking
from seqgra.compare.probes import Rules
from seqgra.compare.resample import FEWEST_MODEL_SEEDS, FEWEST_SEEDS
from seqgra.compare.standing import INTERVAL
from seqgra.law.restricted import KNOWLEDGE
from seqgra.results import MACRO, MICRO

#: Share of the way from chance to the ceiling from which on a shortcut is worth a word.
SHORTCUT = 0.8


class Answer(NamedTuple):
    """What one grammar calls for, at the user's size or else the largest."""

    #: The grammar or dataset, the architecture named, and whether it is shown to be the best.
    grammar: str
    label: str
    shown: bool
    #: Its PR AUC there, micro or macro; whether low and high are a 95 % interval; NaN where a ceiling is not
    #: known.
    size: int
    scope: str
    mean: float
    low: float
    high: float
    interval: bool
    ceiling: float
    #: How many, and how many of them collapsed or diverged.
    runs: int
    failed: int
    #: The next best, empty without any; its PR AUC, how far it is behind over the data seeds that both
    #: have, and whether that is a tie.
    next: str
    next_mean: float
    gap: float
    level: bool
    #: Those that are not shown to be worse; empty with too few seeds to show it.
    alike: tuple[str, ...]
    #: Those of the grid without a finished run there.
    absent: tuple[str, ...]
    #: Whether no run of any architecture learnt it.
    lost: bool
    #: Sizes without runs of the architecture near them that would tell what twice the data gain.
    add: tuple[int, ...]
    #: What twice the data gain, None where not known; the same on a simulated counterpart, and its name.
    doubling: Doubling | None
    simulated: tuple[str, Doubling] | None
    #: Which rules it knows and is blind to; None where it was not probed.
    rules: Rules | None
    #: The least knowledge that comes `SHORTCUT` of the way to the ceiling, and how far; None without any.
    shortcut: tuple[str, float] | None


class Few(NamedTuple):
    """Grammars with too few seeds to show anything: their names, none if all; the fewest data seeds."""

    grammars: tuple[str, ...]
    data_seeds: int
    least_data_seeds: int = FEWEST_SEEDS
    least_model_seeds: int = FEWEST_MODEL_SEEDS


def answers(
    rows: pd.DataFrame,
    known: Statistics,
    less: pd.DataFrame,
    scopes: Mapping[str, str],
    rules: Mapping[str, Rules],
) -> list[Answer]:
    """Return the answer of each grammar.

    Parameters
    ----------
    rows
        From `standing.standing`.
    known
        Statistics of the grid.
    less
        From `ceiling.restricted`.
    scopes
        Grammar -> micro or macro, by which its models are compared.
    rules
        Grammar -> which rules the architecture named knows.
    """
    found = []
    for key, own in rows.groupby("grammar", sort=False):
        grammar = str(key)
        first: Any = own.iloc[0]
        decision, scope = known.asked[grammar], scopes.get(grammar, MICRO)
        runs = known.runs[known.runs["grammar"] == grammar]
        runs_at = runs.loc[runs["label"] == first["label"], "size"]
        others = own.iloc[1:].sort_values("mean", ascending=False, kind="stable")
        next_mean = float(others["mean"].iloc[0]) if len(others) else float("nan")
        behind = decision.others.set_index("label")["behind"]
        gap = float(behind[others["label"].iloc[0]]) if len(others) else float("nan")
        simulated = known.simulated_doubling.get(grammar, {}).items()
        found.append(
            Answer(
                grammar=grammar,
                label=str(first["label"]),
                shown=bool(first["shown"]),
                size=int(first["size"]),
                scope=scope,
                mean=float(first["mean"]),
                low=float(first["low"]),
                high=float(first["high"]),
                interval=first["of"] == INTERVAL,
                ceiling=float(first["ceiling"]),
                runs=int(first["runs"]),
                failed=int(first["failed"]),
                next=str(others["label"].iloc[0]) if len(others) else "",
                next_mean=next_mean,
                gap=gap,
                level=abs(gap) <= TIE,
                alike=tuple(n for n in others["label"] if decision.enough and n in decision.open),
                absent=decision.absent,
                lost=bool((own["failed"] == own["runs"]).all()),
                add=lacking(runs_at, decision.size),
                doubling=known.doubling.get(grammar),
                simulated=next(((n, d) for n, d in simulated if d is not None), None),
                rules=rules.get(grammar),
                shortcut=_shortcut(grammar, scope, less, first["chance"]),
            )
        )
    return found


def few_seeds(known: Statistics) -> Few | None:
    """Return which grammars have too few seeds to show anything; None where all have enough."""
    few = [d for d in known.asked.values() if len(d.others) > 1 and not d.enough]
    if not few:
        return None
    names = () if len(few) == len(known.asked) else tuple(d.grammar for d in few)
    return Few(names, min(d.seeds for d in few))


def _shortcut(
    grammar: str, scope: str, less: pd.DataFrame, chance: float
) -> tuple[str, float] | None:
    own = less[less["grammar"] == grammar]
    own = own[own["metric"] == {MICRO: "pr_auc_micro", MACRO: "pr_auc"}[scope]]
    values = {str(row.knows): float(row.value) for row in own.itertuples()}  # type: ignore[arg-type]
    room = values.get("everything", float("nan")) - chance
    for name in KNOWLEDGE:
        if name in values and room > 0 and values[name] - chance >= SHORTCUT * room:
            return name, values[name]
    return None
