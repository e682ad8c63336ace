"""Where the spread of results comes from, and how many seeds tell two architectures apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from seqgra.compare.resample import FEWEST_SEEDS, is_crossed

#: Component -> the columns whose values it is shared by. What is left is the model seed's, of crossed
#: seeds that of data seed x initialisation.
_COMPONENTS = {
    "architecture": ["label"],
    "grammar": ["grammar"],
    "architecture x grammar": ["label", "grammar"],
    "data seed": ["grammar", "data_seed"],
    "architecture x data seed": ["label", "grammar", "data_seed"],
}
_SHARED = {"initialisation": ["label", "model_seed"]}
_MOST_SEEDS = 1000
#: Share of grids in which so many seeds show a difference.
POWER = 0.8


def components(runs: pd.DataFrame) -> pd.DataFrame:
    """Split the variance of a value at one size into its sources, by the method of moments.

    The model is value = mean + one random effect for each component + the model seed's. Crossed seeds have
    a further one, of an architecture's initialisation on all data. For each
    component the sum of squares of its groups' sums is set to what it is expected to be; on a complete
    grid that is analysis of variance.

    Parameters
    ----------
    runs
        One row a run of one size: grammar, label, data_seed, model_seed, value, seeds.

    Returns
    -------
    DataFrame
        One row a component: component, variance (0 where the estimate is negative), share of the sum and
        levels, its number of groups. A component that the runs cannot tell from what follows is left
        out; the last row says in its name what it holds.
    """
    runs = runs.dropna(subset=["value"])
    groups: dict[str, np.ndarray] = {}
    crossed = is_crossed(runs["seeds"]) and runs["model_seed"].nunique() > 1
    for name, columns in (_COMPONENTS | (_SHARED if crossed else {})).items():
        place = runs.groupby(columns).ngroup().to_numpy()
        if len(runs) and 0 < place.max() < len(runs) - 1:
            alike = [other for other, given in groups.items() if (given == _canonical(place)).all()]
            for other in alike:  # one grammar: its interaction is the architecture
                del groups[other]
            groups[alike[0] if alike else name] = _canonical(place)
    if len(runs) < 3:
        return pd.DataFrame(columns=["component", "variance", "share", "levels"])
    seeds = runs.groupby(_COMPONENTS["architecture x data seed"]).size().max() > 1
    last = "model seed" if seeds else "data seed x architecture and model seed"
    last = "data seed x initialisation" if crossed else last
    groups[last] = np.arange(len(runs))
    variance = np.maximum(_solve(runs["value"].to_numpy(np.float64), list(groups.values())), 0)
    total = variance.sum()
    return pd.DataFrame(
        {
            "component": list(groups),
            "variance": variance,
            "share": variance / total if total > 0 else np.nan,
            "levels": [len(np.unique(place)) for place in groups.values()],
        }
    )


def _canonical(place: np.ndarray) -> np.ndarray:
    """Number groups by first appearance, so that equal partitions are equal arrays."""
    _, first, inverse = np.unique(place, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _solve(y: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Return the variances that make each y' M V_k M y what it is expected to be.

    V_k is 1 for two runs of one group of k, M removes the mean:
    E[y' M V_k M y] = sum_l tr(M V_k M V_l) s_l.
    """
    n, centred = len(y), y - y.mean()
    sizes = [np.bincount(place)[place].astype(np.float64) for place in groups]
    forms = np.array([np.square(np.bincount(place, centred)).sum() for place in groups])
    matrix = np.empty((len(groups), len(groups)))
    for k, one in enumerate(groups):
        for m, other in enumerate(groups):
            both = np.unique(one.astype(np.int64) * n + other, return_counts=True)[1]
            trace = np.square(both.astype(np.float64)).sum()
            product = sizes[k] @ sizes[m]
            matrix[k, m] = trace - 2 / n * product + sizes[k].sum() * sizes[m].sum() / n**2
    result: np.ndarray = np.linalg.lstsq(matrix, forms, rcond=1e-10)[0]
    return result


def seeds_needed(parts: pd.DataFrame, apart: float, model_seeds: int, others: int = 1) -> float:
    """Return how many data seeds show a difference to one other architecture, inf above 1,000.

    The fewest D, from five on, at which a paired t test shows it with probability `POWER` beside K tests of
    others (Bonferroni, which Holm is no worse than):

        (t_(D-1, 1 - 0.025 / K) + t_(D-1, POWER)) sqrt(2 (s_ad + s_m / M) / D) <= apart.

    Of crossed seeds s_i / M of the initialisations, which more data seeds do not average, stands beside the
    quotient.

    Parameters
    ----------
    parts
        From `components`.
    apart
        The difference that matters.
    model_seeds
        M, runs of each data seed.
    others
        K, how many architectures one is compared with.
    """
    variance: Any = parts.set_index("component")["variance"]
    own = variance.get("architecture x data seed", 0.0) + variance.iloc[-1] / model_seeds
    shared = variance.get("initialisation", 0.0) / model_seeds
    for seeds in range(FEWEST_SEEDS, _MOST_SEEDS + 1):
        wide = stats.t.ppf([1 - 0.025 / others, POWER], seeds - 1).sum()
        if wide * math.sqrt(2 * (own / seeds + shared)) <= apart:
            return float(seeds)
    return math.inf
