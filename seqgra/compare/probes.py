"""What probes say over seeds: how well each architecture knows each property of each rule.

The table ``probes`` holds every line of every model; here the lines that sum a question up become one number
a property, and numbers become means over seeds with their intervals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from seqgra.compare.cells import KEYS
from seqgra.compare.efficiency import efficiency
from seqgra.compare.resample import FEWEST_SEEDS, TAIL, is_crossed, mean_over_seeds
from seqgra.compare.runs import measured
from seqgra.results import NOT_LEARNT, primary_property

#: Property -> what a model knows that has it, in the order of the report card.
WORDS = {
    "vocabulary": "the motifs",
    "order": "their order",
    "spacing": "their spacing",
    "position": "their position",
    "strand": "their strand",
    "orientation": "their orientation",
    "copies": "how many there are",
    "affinity": "how strong sites are",
    "logic": "which go together",
    "translation": "rules anywhere in the window",
    "sufficiency": "each rule by itself",
    "confounder": "to ignore the confounder",
    "shift": "rules on another background",
}
#: Scores from which on a property counts as known, and below which as not seen.
KNOWN, BLIND = 0.8, 0.2
#: Of a property: its rules are asked for, can be tested all the same, or neither.
ASKED, TESTABLE, NOT_ASKED = "asked", "testable", "not asked"
_RULE = ["property", "condition", "other", "rule", "subject"]
_CURVE = ["grammar", "label", "size"]


class Known(NamedTuple):
    """How well the models of one architecture know a property, mean over seeds."""

    #: 1 as the exact posterior, 0 where the property is ignored; NaN where it is graded in less than half of
    #: the models: those that learnt nothing have no grade in some properties, and count for nothing.
    score: float
    #: 95 % interval over data seeds (Student's t), NaN with too few.
    low: float
    high: float
    #: Over models.
    least: float
    most: float
    #: One of `ASKED`, `TESTABLE`, `NOT_ASKED`.
    asked: str
    #: Why it is not graded.
    reason: str


def property_scores(probes: pd.DataFrame) -> pd.DataFrame:
    """Return the score of each property of each model: its least over rules.

    Parameters
    ----------
    probes
        The table ``probes``, with columns label and seeds.

    Returns
    -------
    DataFrame
        `KEYS`, label, seeds, property, value (float64, NaN where nothing is graded), asked and reason. Rules
        that are asked for count; where none is, those that can be tested.
    """
    summed = probes[(probes["level"] == "summary") & probes["property"].isin(list(WORDS))]
    rank = {ASKED: 0, TESTABLE: 1, NOT_ASKED: 2}
    place = summed["asked"].map(rank)
    keys = ["grammar", "property"]
    first = place.groupby([summed[key] for key in keys]).transform("min")
    chosen = summed[place == first]
    return (
        chosen.groupby([*KEYS, "label", "seeds", "property", "asked"], sort=False)
        .agg(value=("score", "min"), reason=("reason", "first"))
        .reset_index()
    )


def over_seeds(runs: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return means of scores over seeds.

    Parameters
    ----------
    runs
        `KEYS`, seeds, value (NaN is left out) and `names`.
    names
        Columns whose values name what is averaged.

    Returns
    -------
    DataFrame
        One row each, with `names`: score; low and high, its 95 % interval over data seeds (Student's t, see
        `resample.mean_over_seeds`; NaN with too few); least, most and models, of how many models.
    """
    runs = runs.dropna(subset=["value"])
    groups = runs.groupby(names, dropna=False, sort=False)
    found = groups["value"].agg(least="min", most="max", models="size")
    by_seed = runs.groupby([*names, "data_seed"], dropna=False, sort=False)["value"].mean()
    means = by_seed.reset_index().groupby(names, dropna=False, sort=False)["value"]
    nested = means.agg(score="mean", spread="std", seeds="size")
    found = found.join(nested).reset_index()
    enough = found["seeds"] >= FEWEST_SEEDS
    df = found["seeds"].where(enough) - 1
    half = stats.t.ppf(1 - TAIL, df) * found["spread"] / np.sqrt(found["seeds"])
    found = found.assign(low=found["score"] - half, high=found["score"] + half)
    if is_crossed(runs["seeds"]):
        shared = groups["seeds"].agg(is_crossed).reset_index(drop=True)
        for row in np.flatnonzero(shared):
            table = runs[groups.ngroup() == row].pivot_table(
                index="data_seed", columns="model_seed", values="value"
            )
            mean = mean_over_seeds(table, crossed=True)
            found.loc[row, ["score", "low", "high"]] = (mean.value, *mean.interval)
    result: pd.DataFrame = found[[*names, "score", "low", "high", "least", "most", "models"]]
    return result


def rule_card(scores: pd.DataFrame) -> pd.DataFrame:
    """Return how well the models of each architecture know each property, over seeds.

    Parameters
    ----------
    scores
        From `property_scores`.

    Returns
    -------
    DataFrame
        One row a (grammar, label, size, property): asked; reason; primary, whether the grammar is about
        this property (`results.primary_property`); what `over_seeds` gives of the least score over rules,
        NaN where nothing is graded; and probed, of how many models there are probes.
    """
    names = [*_CURVE, "property"]
    groups = scores.groupby(names, as_index=False, sort=False)
    facts = groups.agg(
        asked=("asked", "first"), reason=("reason", "max"), probed=("reason", "size")
    )
    asked = facts[facts["asked"] == ASKED].groupby("grammar")["property"]
    about = facts["grammar"].map({grammar: primary_property(own) for grammar, own in asked})
    facts = facts.assign(primary=facts["property"] == about)
    graded = over_seeds(scores[scores["asked"] != NOT_ASKED], names)
    found = facts.merge(graded, on=names, how="left")
    return found.assign(models=found["models"].fillna(0).astype("int64"))


def known(card: pd.DataFrame, grammar: str) -> dict[str, dict[str, Known]]:
    """Return label -> property -> how well it is known at the largest size that was probed.

    Parameters
    ----------
    card
        From `rule_card`.
    grammar
        Which one.
    """
    own = card[card["grammar"] == grammar]
    own = own[own["size"] == own["size"].max()]
    found: dict[str, dict[str, Known]] = {}
    for row in own.to_dict("records"):
        numbers = {name: float(row[name]) for name in ("score", "low", "high", "least", "most")}
        reason = str(row["reason"])
        if 0 < row["models"] < row["probed"] / 2:
            numbers = dict.fromkeys(numbers, math.nan)
            reason += f" ({row['probed'] - row['models']} of {row['probed']} models)"
        facts_of = Known(**numbers, asked=str(row["asked"]), reason=reason)
        found.setdefault(str(row["label"]), {})[str(row["property"])] = facts_of
    return {
        label: {name: by_name[name] for name in WORDS if name in by_name}
        for label, by_name in found.items()
    }


def rule_scores(probes: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of each rule over seeds, of cells and of what sums them up.

    Parameters
    ----------
    probes
        The table ``probes``, with columns label and seeds.

    Returns
    -------
    DataFrame
        One row a (grammar, label, size, rule, gap, place): raw, chance, ceiling and untrained, means over
        models; asked and reason; and what `over_seeds` gives, NaN where nothing is graded.
    """
    shown = probes[probes["level"] != "curve"]
    names = [*_CURVE, *_RULE, "level", "gap_low", "gap_high", "place"]
    means = shown.groupby(names, dropna=False, sort=False).agg(
        raw=("raw", "mean"),
        chance=("chance", "mean"),
        ceiling=("ceiling", "mean"),
        untrained=("untrained", "mean"),
        asked=("asked", "first"),
        reason=("reason", "first"),
    )
    found = means.reset_index().merge(
        over_seeds(shown.assign(value=shown["score"]), names), on=names, how="left"
    )
    return found.assign(models=found["models"].fillna(0).astype("int64"))


def rule_runs(scores: pd.DataFrame, status: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return, by property, runs as `efficiency` takes them: scores of 0 to 1 in place of PR AUC.

    Parameters
    ----------
    scores
        From `property_scores`.
    status
        The table of the same name: validation loss and what became of each cell.

    Returns
    -------
    dict
        Of properties asked for at several sizes only. A diverged model has no value.
    """
    asked = scores[scores["asked"] == ASKED]
    several = asked.groupby(["grammar", "property"])["size"].transform("nunique") > 1
    asked = asked[several & asked["value"].notna()]
    ran = status[status["status"].isin(["done", *NOT_LEARNT])]
    found = {}
    for name, own in asked.groupby("property"):
        keys = own[["grammar", "size"]].drop_duplicates()
        runs = ran.merge(keys, on=["grammar", "size"]).drop(columns="seeds", errors="ignore")
        seeds = ran[[*KEYS, "seeds"]]
        runs = runs.merge(own[[*KEYS, "value"]], on=list(KEYS), how="left").merge(
            seeds, on=list(KEYS)
        )
        runs = runs[runs["value"].notna() | (runs["status"] == "diverged")]
        # a model that predicts nothing may know a rule all the same, so nothing but its score decides
        runs = runs.assign(status=np.where(runs["status"] == "diverged", "diverged", "done"))
        found[str(name)] = runs.assign(chance=0.0, ceiling=1.0)
    return found


def needed_for_rules(scores: pd.DataFrame, status: pd.DataFrame) -> pd.DataFrame:
    """Return the examples needed for each property that is asked for at several sizes.

    Parameters
    ----------
    scores
        From `property_scores`.
    status
        The table of the same name, with a column label.

    Returns
    -------
    DataFrame
        As from `efficiency`, where 1 is the exact posterior's score and 0 that of a model that ignores the
        property; with a column property.
    """
    parts = [efficiency(status.iloc[:0]).assign(property="")]
    for name, runs in rule_runs(scores, status).items():
        parts.append(efficiency(runs).assign(property=name))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


class Rules(NamedTuple):
    """Which rules a model knows, knows in part and is blind to: (what, score) of each."""

    #: By score, see `KNOWN` and `BLIND`.
    known: tuple[tuple[str, float], ...]
    part: tuple[tuple[str, float], ...]
    blind: tuple[tuple[str, float], ...]
    #: Where order is known of far pairs only: score, least and most letters between them, of the closest
    #: pairs and of the farthest; their order is then in none of the others.
    far: tuple[tuple[float, int, int], ...] = ()
    #: Of the models: how many examples they were made of.
    size: int = 0


def graded(
    scores: Mapping[str, Known], far: tuple[tuple[float, int, int], ...] = (), size: int = 0
) -> Rules | None:
    """Return which rules are known, of the score of each property; None where nothing is graded.

    `far` counts only where order as a whole is not known, see `Rules`; `size`: of the models.
    """
    found = {
        name: own.score
        for name, own in scores.items()
        if own.asked == ASKED and name != "sufficiency" and math.isfinite(own.score)
    }
    if not found:
        return None
    by_gap = far if far and found.get("order", KNOWN) < KNOWN else ()
    named = [(WORDS[name], score) for name, score in found.items() if name != "order" or not by_gap]
    return Rules(
        tuple((words, score) for words, score in named if score >= KNOWN),
        tuple((words, score) for words, score in named if BLIND <= score < KNOWN),
        tuple((words, score) for words, score in named if score < BLIND),
        by_gap,
        size,
    )


def far_only(rules: pd.DataFrame, grammar: str, label: str) -> tuple[tuple[float, int, int], ...]:
    """Return score and gaps of the closest and of the farthest pairs, where order is known of these only."""
    cells = rules[
        (rules["grammar"] == grammar)
        & (rules["label"] == label)
        & (rules["property"] == "order")
        & (rules["level"] == "cell")
        & (rules["place"] == "")
    ]
    cells = cells[cells["size"] == cells["size"].max()]
    by_gap = cells.groupby(["gap_low", "gap_high"])["score"].mean().dropna()
    if len(by_gap) < 2 or not (by_gap.iloc[0] < KNOWN <= by_gap.iloc[-1]):
        return ()
    ends = [(float(by_gap.iloc[i]), *by_gap.index[i]) for i in (0, -1)]
    return tuple((score, int(low), int(high)) for score, low, high in ends)


def rules_of_named(
    card: pd.DataFrame, rules: pd.DataFrame, named: Mapping[str, tuple[str, int]]
) -> dict[str, Rules]:
    """Return, by grammar, which rules the architecture knows that is named for it.

    Parameters
    ----------
    card, rules
        From `rule_card` and `rule_scores`.
    named
        Grammar -> label, and the size that is asked for: where nothing was probed, the largest stands in.
    """
    sizes = {grammar: size for grammar, (_, size) in named.items()}
    card, rules = measured(card, sizes), measured(rules, sizes)
    found = {}
    for grammar, (label, _) in named.items():
        own = known(card, grammar).get(label, {})
        size = card.loc[card["grammar"] == grammar, "size"].max() if own else 0
        if (rules_known := graded(own, far_only(rules, grammar, label), int(size))) is not None:
            found[grammar] = rules_known
    return found
