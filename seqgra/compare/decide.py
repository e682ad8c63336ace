"""From runs to what they carry: every statistic of a comparison, and the decision for each grammar."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from seqgra.compare.concordance import concordance
from seqgra.compare.efficiency import (
    Bounds,
    area,
    bounds_of,
    crossings,
    curves_of,
    efficiency,
    noise_tolerated,
)
from seqgra.compare.fits import Fit, fit
from seqgra.compare.ranking import (
    ALPHA,
    Across,
    across,
    chance_fewest,
    gaps_of,
    samples_of,
    standings,
)
from seqgra.compare.resample import FEWEST_MODEL_SEEDS, FEWEST_SEEDS, Seeds, mean_over_seeds
from seqgra.compare.runs import at_size, filled
from seqgra.compare.variance import components
from seqgra.compare.variants import Change, families, one_field_changes, stability, wrong_labels
from seqgra.grammar.schema import Grammar

#: Means this close to the best count as equal: data seeds share a test set, whose own error may be as large.
TIE = 0.005
#: The share of the way to the ceiling that decides who needs the fewest examples.
TAU = 0.9


class Decision(NamedTuple):
    """Which architecture a grammar calls for at a size, and whether the runs show it."""

    #: Where.
    grammar: str
    size: int
    #: The highest mean, or of those within `TIE` of it the one that needs the fewest examples.
    label: str
    #: Whether every other architecture of the grid is shown to be worse, by more than `TIE`.
    shown: bool
    #: From `ranking.standings` with `label` as the leader.
    others: pd.DataFrame
    #: Others that are shown to be worse, and those that are not.
    worse: tuple[str, ...]
    open: tuple[str, ...]
    #: Others of the grid without a finished run there: nothing is known of them.
    absent: tuple[str, ...]
    #: The most data seeds that it shares with another.
    seeds: int
    #: The most model seeds that it shares with another where all data seeds share the initialisations
    #: (crossed seeds); None where none do.
    restarts: int | None
    #: Label -> share of draws in which it needs the fewest examples; empty with too few seeds.
    fewest: Mapping[str, float]

    @property
    def enough(self) -> bool:
        """Whether there are enough seeds to show anything of another architecture."""
        enough = self.restarts is None or self.restarts >= FEWEST_MODEL_SEEDS
        return self.seeds >= FEWEST_SEEDS and enough


class Doubling(NamedTuple):
    """What twice the examples gain: mean, its ends, and what they are (see `resample.Interval`)."""

    gain: float
    low: float
    high: float
    of: str


class Statistics(NamedTuple):
    """Everything that the runs of a grid say."""

    #: From `runs.curve_runs`.
    runs: pd.DataFrame
    #: Chance and ceiling of each grammar.
    bounds: dict[str, Bounds]
    #: From `efficiency.efficiency`.
    needed: pd.DataFrame
    #: One a grammar, at its largest size.
    decisions: list[Decision]
    #: The user's size, None if not asked.
    at: int | None
    #: One decision a grammar with runs on both sides of `at`.
    chosen: list[Decision]
    #: By grammar, what twice as many examples gain the architecture chosen, or else that of the largest size.
    doubling: dict[str, Doubling | None]
    #: By real dataset, whose gain was not measured: by grammar of the same conditions what twice as many
    #: examples gain that architecture there, None where that was not measured either.
    simulated_doubling: dict[str, dict[str, Doubling | None]]
    #: Family -> comparison over its grammars by mean at the user's or the largest size; ``all grammars`` and
    #: each family of several grammars, where there is something to compare.
    across: dict[str, Across]
    #: `variance.components` of each size, with a column size.
    variance: pd.DataFrame
    #: From `variants.stability`.
    stability: pd.DataFrame
    #: From `concordance.concordance`; empty without real datasets.
    concordance: pd.DataFrame
    #: Sets of grammars that differ in label noise only: grammar -> share of wrong labels, rising.
    wrong_labels: list[dict[str, float]]
    #: From `efficiency.noise_tolerated`, with a column grammars; empty where none differ in noise.
    noise: pd.DataFrame
    #: (grammar, label) -> fitted curve.
    fits: dict[tuple[str, str], Fit]
    #: Names of the real datasets.
    real: frozenset[str]

    @property
    def asked(self) -> dict[str, Decision]:
        """The decision of each grammar at the user's size, or else at its largest; sorted by grammar."""
        by_grammar = {d.grammar: d for d in [*self.decisions, *self.chosen]}
        return dict(sorted(by_grammar.items()))


def statistics(
    runs: pd.DataFrame,
    grammars: Mapping[str, Grammar],
    at: int | None,
    real: Collection[str] = (),
    planned: Mapping[str, Collection[str]] | None = None,
) -> Statistics:
    """Compute every statistic of a grid, whole or partial.

    Parameters
    ----------
    runs
        From `runs.curve_runs`.
    grammars
        The resolved grammars, as far as they are there, those of real datasets among them.
    at
        The user's dataset size, or None.
    real
        Names of the real datasets among the runs' grammars.
    planned
        Grammar -> labels of the grid, finished or not; None: those of the runs.
    """
    needed, bounds = efficiency(runs), bounds_of(runs)
    fits = {
        (str(g), str(label)): found
        for (g, label), group in runs.groupby(["grammar", "label"])
        if (found := fit(curves_of(group), bounds[str(g)])) is not None
    }
    groups = {str(grammar): group for grammar, group in runs.groupby("grammar")}
    fewest = {grammar: _fewest(group) for grammar, group in groups.items()}

    def decided(grammar: str, size: int) -> Decision:
        group = groups[grammar]
        labels = {*group["label"], *(planned or {}).get(grammar, ())}
        return _decide(group, size, needed, fewest[grammar], labels)

    decisions = [decided(name, int(group["size"].max())) for name, group in groups.items()]
    chosen = [
        decided(name, at)
        for name, group in groups.items()
        if at is not None and len(at_size(group, at))
    ]
    asked = ({d.grammar: d for d in decisions} | {d.grammar: d for d in chosen}).values()
    doubling = {d.grammar: _doubling(runs, d, fits) for d in asked}
    simulated_doubling = {
        d.grammar: _simulated_doubling(runs, d, grammars, real)
        for d in asked
        if d.grammar in real and not _measured(doubling[d.grammar])
    }
    means, shared = _means(runs, at)
    simulated = {name: grammar for name, grammar in grammars.items() if name not in real}
    changes = one_field_changes(simulated)
    noisy = _with_runs(wrong_labels(simulated, changes), set(runs["grammar"]))
    return Statistics(
        runs=runs,
        bounds=bounds,
        needed=needed,
        decisions=decisions,
        at=at,
        chosen=chosen,
        doubling=doubling,
        simulated_doubling=simulated_doubling,
        across=_across(means, shared, families(sorted(means.index), _within(changes, means))),
        variance=_variance(runs),
        stability=stability(means, changes),
        concordance=concordance(runs, real, at),
        wrong_labels=noisy,
        noise=_noise(runs, noisy),
        fits=fits,
        real=frozenset(real),
    )


def _decide(
    runs: pd.DataFrame,
    size: int,
    needed: pd.DataFrame,
    fewest: dict[str, float],
    labels: Collection[str],
) -> Decision:
    """Decide for the runs of one grammar; `fewest`: from `_fewest` of them; `labels`: of the grid."""
    here = at_size(runs, size)
    grammar = str(here["grammar"].iloc[0])
    typical = needed[
        (needed["grammar"] == grammar) & (needed["version"] == "typical") & (needed["tau"] == TAU)
    ].set_index("label")
    later = (
        typical["smallest"] > runs["size"].min()
    )  # which of the sizes below would do is not known
    wants = typical["needed"].mask(later & (typical["needed"] == 0), typical["smallest"])
    behind = gaps_of(here)
    equals = [name for name in behind if behind[name] <= TIE]
    label = min(equals, key=lambda name: (_finite(wants.get(name)), behind[name], name))
    others = standings(here, str(label))
    rest = others.iloc[1:]
    shared = rest["model_seeds"][rest["design"] == "crossed"]
    worse = (rest["p"] <= ALPHA) & (rest["behind"] > TIE)
    absent = tuple(sorted(set(labels) - set(here["label"])))
    return Decision(
        grammar=grammar,
        size=size,
        label=str(label),
        shown=bool(len(rest) and worse.all() and not absent),
        others=others,
        worse=tuple(rest["label"][worse]),
        open=tuple(rest["label"][~worse]),
        absent=absent,
        seeds=int((rest if len(rest) else others)["seeds"].max()),
        restarts=int(shared.max()) if len(shared) else None,
        fewest=fewest,
    )


def _finite(value: float | None) -> float:
    return math.inf if value is None or math.isnan(value) else float(value)


def _fewest(runs: pd.DataFrame) -> dict[str, float]:
    """Return what `chance_fewest` does; empty where sizes around or below a crossing were not run."""
    bounds, sizes = next(iter(bounds_of(runs).values())), np.unique(runs["size"])
    crossing, areas, least = {}, {}, {}
    seeds: dict[str, Seeds] = {}
    for label, group in runs.groupby("label"):
        curves = curves_of(group)
        whole = curves.complete
        if whole.any():
            crossing[str(label)] = crossings(curves, bounds.target(TAU), sizes)[whole]
            least[str(label)] = math.log2(curves.sizes[0])
            seeds[str(label)] = curves.seeds.take(np.flatnonzero(whole))
            areas[str(label)] = np.nan_to_num(area(curves, bounds)[whole])
    for label, own in crossing.items():
        later = 2 ** least[label] > sizes[0]
        if np.isnan(own).any() or (later and np.isneginf(own).any()):
            return {}
    return chance_fewest(crossing, seeds, areas, least)


def _doubling(
    runs: pd.DataFrame, decision: Decision, fits: Mapping[tuple[str, str], Fit]
) -> Doubling | None:
    """Return what twice the examples gain, None if unknown.

    Measured where the architecture has runs at both sizes, or at most two octaves apart around one; else by
    the fitted curve.
    """
    own = runs[(runs["grammar"] == decision.grammar) & (runs["label"] == decision.label)]
    one, two = (at_size(own, size) for size in (decision.size, 2 * decision.size))
    keys = ["label", "data_seed", "model_seed", "seeds"]
    both = (two.set_index(keys)["value"] - one.set_index(keys)["value"]).dropna()
    if len(both) and not lacking(own["size"], decision.size):
        gains = samples_of(both.reset_index())[decision.label]
        mean = mean_over_seeds(*gains)
        if math.isnan(mean.error):
            by_seed = gains.by_row
            return Doubling(mean.value, float(by_seed.min()), float(by_seed.max()), "range")
        return Doubling(mean.value, *mean.interval, "interval")
    fitted = fits.get((decision.grammar, decision.label))
    if fitted is None or 2 * decision.size > fitted.sizes[-1] * (1 + 1e-9):
        return None
    at = np.interp(np.log([decision.size, 2 * decision.size]), np.log(fitted.sizes), fitted.values)
    reached = max(
        at[0], one["value"].mean()
    )  # a curve below what was measured would pass the ceiling
    return Doubling(max(float(at[1] - reached), 0.0), math.nan, math.nan, "extrapolated")


def lacking(sizes: pd.Series, size: int) -> tuple[int, ...]:
    """Return which of a size and its double are neither run nor between sizes at most two octaves apart."""
    between = ((n, sizes[sizes <= n].max(), sizes[sizes >= n].min()) for n in (size, 2 * size))
    return tuple(n for n, below, above in between if not above <= 4 * below)


def _measured(doubling: Doubling | None) -> bool:
    return doubling is not None and doubling.of != "extrapolated"


def _simulated_doubling(
    runs: pd.DataFrame,
    decision: Decision,
    grammars: Mapping[str, Grammar],
    real: Collection[str],
) -> dict[str, Doubling | None]:
    """Return what twice the examples gain on each grammar of the same conditions, None: not measured."""
    conditions = (
        set(grammars[decision.grammar].conditions) if decision.grammar in grammars else set()
    )
    found: dict[str, Doubling | None] = {}
    for name in sorted(set(map(str, runs["grammar"])) - set(real)):
        if name in grammars and set(grammars[name].conditions) == conditions:
            gain = _doubling(runs, decision._replace(grammar=name), {})
            found[name] = gain if gain is not None and math.isfinite(gain.gain) else None
    return found


def _means(runs: pd.DataFrame, at: int | None) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return mean values by grammar and label, at the user's size or the largest that all have.

    Of labels whose grammars share initialisations also the means by grammar and model seed.
    """
    if runs.empty:
        return pd.DataFrame(), {}
    size = at if at is not None else int(runs.groupby("grammar")["size"].max().min())
    here = at_size(runs, size)
    means = here.pivot_table(index="grammar", columns="label", values="value", aggfunc="mean")
    samples = samples_of(here, "grammar")
    return means, {label: sample.table for label, sample in samples.items() if sample.crossed}


def _within(changes: list[Change], means: pd.DataFrame) -> list[Change]:
    return [change for change in changes if {change.grammar, change.other} <= set(means.index)]


def _across(
    means: pd.DataFrame, shared: Mapping[str, pd.DataFrame], family: Mapping[str, str]
) -> dict[str, Across]:
    groups = {"all grammars": list(means.index)}
    for name in sorted(set(family.values())):
        members = [grammar for grammar, own in family.items() if own == name]
        if 1 < len(members) < len(means):
            groups[f"family of {name}"] = members
    compared = {name: across(means.loc[members], shared) for name, members in groups.items()}
    return {name: found for name, found in compared.items() if found is not None}


def _variance(runs: pd.DataFrame) -> pd.DataFrame:
    parts = [
        components(group).assign(size=size)
        for size, group in filled(runs).groupby("size")
        if len(group) > 2
    ]
    names = ["size", "component", "variance", "share", "levels"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def _with_runs(noisy: list[dict[str, float]], there: set[str]) -> list[dict[str, float]]:
    """Return the sets of which two grammars or more have runs."""
    known = [{name: rate for name, rate in rates.items() if name in there} for rates in noisy]
    return [rates for rates in known if len(rates) > 1]


def _noise(runs: pd.DataFrame, noisy: list[dict[str, float]]) -> pd.DataFrame:
    parts = [noise_tolerated(runs, rates, TAU).assign(grammars=", ".join(rates)) for rates in noisy]
    names = ["grammars", "label", "size", "rate", "highest", "runs"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)
