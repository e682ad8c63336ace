"""What the statistics say, in sentences; nothing that an interval does not carry."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from seqgra.compare.decide import TAU, Decision, Doubling, Statistics
from seqgra.compare.efficiency import size_words
from seqgra.compare.ranking import ALPHA
from seqgra.compare.resample import FEWEST_MODEL_SEEDS, FEWEST_SEEDS
from seqgra.compare.variance import seeds_needed
from seqgra.report.page import count, percent

#: A difference of PR AUC that seeds should tell apart.
APART = 0.01
_MOST_NAMES = 4


def evidence(decision: Decision, known: Statistics) -> list[str]:
    """Return what shows, or does not, that an architecture is the best of a grammar."""
    if len(decision.others) < 2:
        return ["No other architecture has runs to compare it with."]
    sentences = [_claim(decision), *_few_seeds(decision, known)]
    row = decision.others.iloc[0]
    if not math.isnan(row["best"]):
        sentences.append(
            f"It has the highest mean in {percent(row['best'])} of draws of all means (Student's t); "
            f"expected regret {row['regret']:.3f}."
        )
    return [*sentences, *_fewest(decision)]


def _claim(decision: Decision) -> str:
    others = decision.others.iloc[1:].set_index("label")
    seeds = count(decision.seeds, "data seed")
    if decision.restarts is not None:
        seeds += f" that share {count(decision.restarts, 'model seed')}"
    if not decision.enough:
        behind = others.sort_values("behind")
        listed = ", ".join(
            f"{label} by {gap:z.3f}" for label, gap in behind["behind"].head(_MOST_NAMES).items()
        )
        more = f" and {len(behind) - _MOST_NAMES} more" if len(behind) > _MOST_NAMES else ""
        return f"{seeds} cannot show that it is the best. It is ahead of {listed}{more}.{_remedy(decision)}"
    if decision.shown:
        closest = others.sort_values("behind").iloc[0]
        return (
            f"Shown to be better than every other architecture over {seeds} "
            f"(paired differences, Holm-corrected p ≤ {ALPHA:g}); the closest, {closest.name}, is behind "
            f"by {_difference(closest)}."
        )
    parts = [f"Over {seeds} not told apart from {_listed(decision.open, others)}."]
    if decision.worse:
        parts.append(f"Shown to be worse: {_listed(decision.worse, others)}.")
    return " ".join(parts)


def _remedy(decision: Decision) -> str:
    """Return what is to be done where data seeds share the initialisations and these are too few."""
    if decision.seeds < FEWEST_SEEDS or decision.restarts is None:
        return ""
    return (
        " Several data seeds are several looks at the same initialisations, by choice (`seeds: crossed`) or "
        "since models are from before version 3 of training: train them again with `seeds: nested`, or with "
        f"{FEWEST_MODEL_SEEDS} model seeds or more."
    )


def _listed(labels: Sequence[str], others: pd.DataFrame) -> str:
    named = [f"{label} (behind by {_difference(others.loc[[label]].iloc[0])})" for label in labels]
    more = f" and {len(named) - _MOST_NAMES} more" if len(named) > _MOST_NAMES else ""
    return ", ".join(named[:_MOST_NAMES]) + more


def _difference(row: pd.Series) -> str:
    if math.isnan(row["behind_low"]):
        return f"{row['behind']:z.3f}, too few shared seeds for an interval"
    return f"{row['behind']:z.3f}, {row['behind_low']:z.3f} to {row['behind_high']:z.3f}"


def _few_seeds(decision: Decision, known: Statistics) -> list[str]:
    """Say which seeds to add, where some are missing or something is open."""
    parts = known.variance[known.variance["size"] == decision.size]
    few = decision.restarts is not None and decision.restarts < FEWEST_MODEL_SEEDS
    if decision.shown or parts.empty or few:
        return []
    runs = known.runs[known.runs["grammar"] == decision.grammar]
    restarts = int(runs.groupby(["label", "size", "data_seed"]).size().max())
    wanted = seeds_needed(parts, APART, restarts)
    if wanted <= decision.seeds:
        return []
    many = f"about {wanted:,.0f}" if math.isfinite(wanted) else "more than 1,000"
    of = "" if decision.restarts is None else f" at {count(restarts, 'model seed')}"
    return [
        f"To tell {APART:g} PR AUC apart would take {many} data seeds{of} (of the grid's spread)."
    ]


def _fewest(decision: Decision) -> list[str]:
    if not decision.fewest:
        return []
    label = max(decision.fewest, key=lambda name: decision.fewest[name])
    share = decision.fewest[label]
    name = "It" if label == decision.label else label
    return [f"{name} needs the fewest examples in {percent(share)} of bootstrap draws."]


def needed_sentence(grammar: str, label: str, known: Statistics, tau: float = TAU) -> str:
    """Return how many examples an architecture needs, with its interval or range."""
    table = known.needed
    rows = table[(table["grammar"] == grammar) & (table["label"] == label) & (table["tau"] == tau)]
    parts = []
    for row in rows.itertuples():
        if not row.curves:
            return "No run has finished at every size: examples needed are unknown."
        ends = [size_words(float(n), row.smallest, row.largest) for n in (row.low, row.high)]  # type: ignore[arg-type]
        of = "95 % interval" if row.of == "interval" else "range"
        spread = f"{of} {ends[0]} to {ends[1]}; " if ends[0] != ends[1] else ""
        many = int(row.curves)  # type: ignore[arg-type]
        reach = f"reached by {row.reached} of {many} runs" if many > 1 else "a single run"
        words = size_words(row.needed, row.smallest, row.largest)  # type: ignore[arg-type]
        parts.append(f"{words} ({row.version}; {spread}{reach})")
    if not parts:
        return ""
    first = rows.iloc[0]
    goal = (
        "the ceiling"
        if first["reference"] == "ceiling"
        else "a perfect score (the ceiling is unknown)"
    )
    return (
        f"Examples needed for {percent(tau)} of the way from chance to {goal}, PR AUC {first['target']:.3f}: "
        f"{'; '.join(parts)}."
    )


def at_sentences(decision: Decision, known: Statistics) -> list[str]:
    """Return the answer for the user's size: the architecture, its regret, what doubling gains."""
    row = decision.others.iloc[0]
    bounds = known.bounds[decision.grammar]
    verb = "Use" if decision.shown else "Highest mean (not shown to be the best):"
    if bounds.known and bounds.ceiling > bounds.chance:
        regret = (bounds.ceiling - row["mean"]) / (bounds.ceiling - bounds.chance)
        against = (
            f"{bounds.ceiling - row['mean']:.3f} below the ceiling of {bounds.ceiling:.3f} "
            f"({percent(regret)} of the way from chance to it is missing)"
        )
    else:
        against = "the ceiling is not known"
    return [
        f"{verb} {decision.label}, PR AUC {row['mean']:.3f}; {against}.",
        *evidence(decision, known),
        _doubling(known.doubling.get(decision.grammar), decision.size),
        *_simulated_doubling(decision, known),
        *_stability(decision, known),
    ]


def _doubling(doubling: Doubling | None, size: int) -> str:
    if doubling is None:
        return f"What {2 * size:,} examples would gain is beyond the grid."
    return f"Twice the examples ({2 * size:,}) would change its PR AUC by {_gain(doubling)}"


def _gain(doubling: Doubling) -> str:
    if doubling.of == "extrapolated":
        return f"{doubling.gain:+.3f}: extrapolated by a fitted curve, beyond the grid."
    of = "95 % interval" if doubling.of == "interval" else "range over data seeds"
    return f"{doubling.gain:+.3f} ({of} {doubling.low:+.3f} to {doubling.high:+.3f})."


def _simulated_doubling(decision: Decision, known: Statistics) -> list[str]:
    """Return what simulated counterparts show of twice a real dataset, or which size would show it."""
    found = known.simulated_doubling.get(decision.grammar, {})
    words = []
    for grammar, doubling in found.items():
        if doubling is None:
            words.append(
                f"The simulated {grammar} can show what {2 * decision.size:,} would gain: add it to `sizes`."
            )
        else:
            words.append(f"On the simulated {grammar}: {_gain(doubling)}")
    return words


def _stability(decision: Decision, known: Statistics) -> list[str]:
    table = known.stability
    own = table[(table["grammar"] == decision.grammar) | (table["other"] == decision.grammar)]
    if own.empty:
        return []
    same = int((own["best"] == own["best_other"]).sum())
    words = [
        f"{field} ({other if grammar == decision.grammar else grammar}: tau {tau:.2f})"
        for grammar, other, field, tau in own[["grammar", "other", "field", "tau"]].to_numpy()
    ]
    return [
        f"With one field of the grammar changed, {same} of {len(own)} variants have the same highest "
        f"mean: {', '.join(words[:_MOST_NAMES])}."
    ]


def grammar_evidence(known: Statistics) -> dict[str, list[str]]:
    """Return what shows, or does not, that each grammar's answer is the best; and what it needs."""
    return {
        d.grammar: [needed_sentence(d.grammar, d.label, known), *evidence(d, known)]
        for d in known.decisions
    }
