"""Every architecture on every grammar, in one row each: what a biologist decides by."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from seqgra.compare.cells import KEYS
from seqgra.compare.decide import TAU, Decision, Statistics
from seqgra.compare.ranking import mean_interval, means_of
from seqgra.compare.runs import at_size, measured
from seqgra.plot.style import BASELINES
from seqgra.results import MACRO

#: Of what the ends of a value are.
INTERVAL, RANGE = "95 % interval", "range over runs"


def standing(
    known: Statistics,
    recovery: pd.DataFrame,
    card: pd.DataFrame,
    prevalence: pd.DataFrame,
) -> pd.DataFrame:
    """Return what each architecture reaches, needs and knows, at the user's size or else the largest.

    Parameters
    ----------
    known
        Statistics of the grid.
    recovery
        Runs with one recovery metric of one method, macro: columns grammar, label, size, value, examples.
    card
        From `probes.rule_card`.
    prevalence
        The table of that name.

    Returns
    -------
    DataFrame
        One row a (grammar, label), named first, then by falling mean: size; mean; low and high, its interval
        over seeds, or else the range over runs if there are several, and `of`, which of both; runs, and how
        many of them collapsed or diverged; chance and ceiling, NaN where not known; baseline, named, shown:
        whether it needs no network, is named, is shown to be better than all others; needed, examples needed
        for `TAU` of the way to the ceiling (inf: more than largest, 0: at most smallest, NaN: not known),
        smallest and largest; recovery, and explained, of how many explanations a run; rule, the score of the
        property that the grammar is about, and property, which that is; recovery_size and rule_size: `size`,
        or where it was not measured there the largest; rare, PR AUC at `prevalence`, with the fewest
        negatives of any condition. NaN or empty where not measured.
    """
    parts = [_rows(known, decision) for decision in known.asked.values()]
    if not parts:
        return pd.DataFrame(columns=["grammar", "label"])
    rows = pd.concat(parts, ignore_index=True)
    needed = known.needed[(known.needed["tau"] == TAU) & (known.needed["version"] == "typical")]
    keys = ["grammar", "label"]
    found = rows.merge(needed[[*keys, "needed", "smallest", "largest"]], on=keys, how="left")
    sizes = {grammar: decision.size for grammar, decision in known.asked.items()}
    means = measured(recovery, sizes).groupby(keys, as_index=False)
    regained = means.agg(
        recovery=("value", "mean"), explained=("examples", "max"), recovery_size=("size", "first")
    )
    found = found.merge(regained, on=keys, how="left")
    found = found.merge(_rule(card, sizes), on=keys, how="left")
    return found.merge(_rare(known, prevalence), on=keys, how="left")


def _rows(known: Statistics, decision: Decision) -> pd.DataFrame:
    runs = at_size(known.runs[known.runs["grammar"] == decision.grammar], decision.size)
    groups = runs.groupby("label")
    found = groups.agg(
        grammar=("grammar", "first"),
        least=("value", "min"),
        most=("value", "max"),
        runs=("value", "size"),
        failed=("status", lambda column: int((column != "done").sum())),
        chance=("chance", "first"),
        ceiling=("ceiling", "first"),
    ).reset_index()
    found["mean"] = found["label"].map(means_of(runs))
    found = found.merge(mean_interval(runs), on=["grammar", "label"], how="left")
    spread = found["low"].isna() & (found["runs"] > 1)
    found["of"] = ""
    found.loc[found["low"].notna(), "of"] = INTERVAL
    found.loc[spread, "of"] = RANGE
    found["low"] = found["low"].mask(spread, found["least"])
    found["high"] = found["high"].mask(spread, found["most"])
    backends = known.runs.drop_duplicates("label").set_index("label")["backend"]
    found["baseline"] = found["label"].map(backends).isin(BASELINES)
    found["named"] = found["label"] == decision.label
    found["shown"] = found["named"] & decision.shown
    found = found.assign(size=decision.size).drop(columns=["least", "most"])
    return found.sort_values(["named", "mean", "label"], ascending=[False, False, True])


def _rule(card: pd.DataFrame, sizes: Mapping[str, int]) -> pd.DataFrame:
    """Return, by grammar and label, how well it knows what the grammar is about: rule, property.

    A grade of less than half of its models is none, as in `probes.known`.
    """
    shown = measured(card[card["primary"].astype(bool)], sizes)
    shown = shown.assign(score=shown["score"].mask(shown["models"] < shown["probed"] / 2))
    shown = shown.rename(columns={"score": "rule", "size": "rule_size"})
    return shown[["grammar", "label", "rule", "property", "rule_size"]]


def _rare(known: Statistics, prevalence: pd.DataFrame) -> pd.DataFrame:
    """Return PR AUC at the user's prevalence at each grammar's size, read as PR AUC itself is."""
    names = ["grammar", "label", "prevalence", "rare", "negatives"]
    macro = prevalence[prevalence["scope"] == MACRO]
    if macro.empty:
        return pd.DataFrame(columns=names)
    columns = [*KEYS, "prevalence", "value", "negatives"]
    runs = known.runs.drop(columns=["value", "chance"])
    runs = runs.merge(macro[columns], on=list(KEYS), how="left")
    share = float(macro["prevalence"].iloc[0])
    runs = runs.assign(chance=share)  # what a constant prediction reaches
    parts = []
    for grammar, decision in known.asked.items():
        own = runs[runs["grammar"] == grammar]
        here = at_size(own, decision.size)
        means = here.groupby(["grammar", "label"], as_index=False).agg(rare=("value", "mean"))
        negatives = own["negatives"].min()
        parts.append(means.assign(prevalence=share, negatives=negatives))
    return pd.concat(parts, ignore_index=True)[names]


def selected(rows: pd.DataFrame, behind: int = 2) -> pd.DataFrame:
    """Return, of each grammar, the architecture named, the next so many and the best baseline.

    Parameters
    ----------
    rows
        From `standing`.
    behind
        How many to keep behind the one that is named.
    """
    parts = []
    for _, own in rows.groupby("grammar", sort=False):
        baselines = own[own["baseline"]].head(1)
        kept = own.head(1 + behind).index.union(baselines.index)
        parts.append(own.loc[[i for i in own.index if i in kept]])
    return pd.concat(parts, ignore_index=True) if parts else rows
