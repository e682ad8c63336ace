"""How often intervals hold the truth and claims are wrong, in grids with a known truth.

    python benchmarks/decisions.py [--grids 4000] [--only claims,best,...]

Values are drawn with known means, spreads of data seeds, initialisations and runs, and collapses, for nested
and for crossed seeds; learning curves with known examples needed by `synthetic.py`. Reported: how often an
architecture is shown to be better than every other when one is no worse (a false claim), how often it
is when it truly is better; what probabilities of the best mean are worth; how often intervals of the gain of
twice the examples and of examples needed hold the truth; how often equal architectures differ over
grammars; mean estimates of the variance components. Nothing is trained.

A share of 4,000 grids has a standard error of 0.0035 where it is 0.05.
"""

from __future__ import annotations

import argparse
import itertools
import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from synthetic import CEILING, CHANCE, Truth, draw

from seqgra.compare.efficiency import crossings, curves_of, efficiency
from seqgra.compare.ranking import ALPHA, across, standings
from seqgra.compare.resample import (
    FEWEST_MODEL_SEEDS,
    crossed_error,
    nested_error,
    student_draws,
)
from seqgra.compare.variance import components

#: Standard deviations of PR AUC of conv10w-fc5 near 0.9, of initialisations and of what is left
#: (docs/results/figure-s7-s8-small).
INITIALISATION, RESIDUAL = 0.0126, 0.0048
#: Of an architecture's own data seeds, and of data seeds that all architectures share.
OWN_SEED, SEED = 0.004, 0.01
#: What a collapsed run loses.
LOSS = 0.4
#: Grids that are also compared by `standings`, to see that both say the same.
CHECKED = 3


class World(NamedTuple):
    """Values at one size: the mean of each architecture plus normal effects.

    Attributes
    ----------
    means
        Of each architecture, without collapses.
    data_seeds, model_seeds
        The grid.
    crossed
        Whether all data seeds share the initialisations.
    initialisation, residual
        Standard deviations.
    collapse
        Chance that a run collapses, or with crossed seeds an initialisation, on every data seed.
    """

    means: tuple[float, ...]
    data_seeds: int
    model_seeds: int
    crossed: bool
    initialisation: float = INITIALISATION
    residual: float = RESIDUAL
    collapse: float = 0.0

    def draw(self, grids: int, rng: np.random.Generator) -> np.ndarray:
        """Return values, float64 (grids, K, D, M)."""
        shape = (grids, len(self.means), self.data_seeds, self.model_seeds)
        own = (*shape[:2], 1, shape[3]) if self.crossed else shape
        values = np.array(self.means)[:, None, None] + SEED * rng.normal(
            size=(grids, 1, shape[2], 1)
        )
        values = values + OWN_SEED * rng.normal(size=(*shape[:3], 1))
        values = values + self.initialisation * rng.normal(size=own)
        values = values + self.residual * rng.normal(size=shape)
        return np.asarray(values - LOSS * (rng.random(own) < self.collapse))


def runs_of(values: np.ndarray, crossed: bool) -> pd.DataFrame:
    """Return the runs of one grid, values (K, D, M), as `standings` takes them."""
    axes = [[f"a{k}" for k in range(len(values))], *(range(n) for n in values.shape[1:])]
    index = pd.MultiIndex.from_product(axes, names=["label", "data_seed", "model_seed"])
    runs = pd.DataFrame({"value": values.ravel()}, index=index).reset_index()
    return runs.assign(seeds="crossed" if crossed else "nested")


def shown(values: np.ndarray, crossed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the label with the highest mean of each grid, and whether all others are shown to be worse.

    That is `standings`, for many grids at once.
    """
    means = values.mean(axis=(2, 3))
    best = means.argmax(axis=1)
    behind = np.take_along_axis(values, best[:, None, None, None], axis=1) - values
    error, df = crossed_error(behind) if crossed else nested_error(behind.mean(axis=3))
    mean = behind.mean(axis=(2, 3))
    with np.errstate(invalid="ignore", divide="ignore"):
        p = 2 * stats.t.sf(mean / error, df)
    p[np.arange(len(p)), best] = -1.0  # the leader itself, which then sorts first
    ordered = np.sort(p, axis=1)[:, 1:]
    steps = np.arange(ordered.shape[1], 0, -1)
    claimed = (ordered * steps <= ALPHA).all(axis=1)
    for i in range(CHECKED):
        rest = standings(runs_of(values[i], crossed)).iloc[1:]
        assert claimed[i] == bool(((rest["p"] <= ALPHA) & (rest["behind"] > 0)).all())
    return best, claimed


#: Data seeds and model seeds of each design.
NESTED = [(5, 1), (10, 1), (5, 3)]
CROSSED = [(5, 3), (10, 3), (5, 10)]
SHAPES = [*((False, *shape) for shape in NESTED), *((True, *shape) for shape in CROSSED)]


def claims(grids: int) -> None:
    """Print how often one architecture is shown to be better than every other."""
    print("\nshown to be better than every other: share of grids")
    print(f"{'means':26} design   data  model  init    collapse  false claim  true claim")
    worlds = {
        "2 alike": (0.9, 0.9),
        "5 alike": (0.9,) * 5,
        "2 alike best, 3 worse": (0.9, 0.9, 0.85, 0.8, 0.75),
        "1 best by 0.02, 4 worse": (0.92, 0.9, 0.89, 0.85, 0.8),
    }
    spreads = [(INITIALISATION, 0.0), (0.0, 0.0), (INITIALISATION, 0.05), (INITIALISATION, 0.2)]
    for name, means in worlds.items():
        alike = np.flatnonzero(np.array(means) == max(means))
        for crossed, data, model in SHAPES:
            for spread, collapse in spreads if len(alike) == len(means) else spreads[:1]:
                world = World(means, data, model, crossed, spread, collapse=collapse)
                values = world.draw(grids, np.random.default_rng(2))
                best, claimed = shown(values, crossed)
                right = claimed & (len(alike) == 1) & np.isin(best, alike)
                wrong = claimed & ~right
                print(
                    f"{name:26} {_design(crossed)} {data:5} {model:6} {spread:7.4f} {collapse:8.2f} "
                    f"{wrong.mean():12.4f} {right.mean():11.3f}",
                    flush=True,
                )


def unequal_collapses(grids: int) -> None:
    """Print false claims where the architecture that is better without collapses is worse with them."""
    print(
        "\n0.02 better unless it collapses, in 1 run of 12, so that its mean is lower: false claims"
    )
    for crossed, data, model in SHAPES:
        world = World((0.92, 0.9), data, model, crossed)
        rng = np.random.default_rng(3)
        values = world.draw(grids, rng)
        own = (grids, 1, model) if crossed else (grids, data, model)
        values[:, 0] -= LOSS * (rng.random(own) < 1 / 12)
        best, claimed = shown(values, crossed)
        print(f"{_design(crossed)} {data:5} {model:6} {(claimed & (best == 0)).mean():10.4f}")


def best_of(grids: int) -> None:
    """Print what probabilities of the highest mean are worth where architectures differ at random."""
    print(
        "\nprobability of the highest mean, 5 architectures: share of grids in which the label is the best"
    )
    print(
        "design   data  model  spread of means  p < 0.5 (mean p)  0.5 to 0.8  0.8 to 0.95  from 0.95"
    )
    edges = [0, 0.5, 0.8, 0.95, 1.01]
    for crossed, data, model in SHAPES:
        for spread in (0.01, 0.03):
            rng = np.random.default_rng(4)
            truth = spread * rng.normal(size=(grids, 5))
            values = (
                World((0.9,) * 5, data, model, crossed).draw(grids, rng) + truth[..., None, None]
            )
            chance = np.empty(grids)
            right = np.empty(grids, bool)
            for i, own in enumerate(values):
                means = student_draws(own if crossed else own.mean(axis=2))
                share = (means == means.max(axis=0)).mean(axis=1)
                chance[i], right[i] = share.max(), share.argmax() == truth[i].argmax()
            cells = []
            for low, high in itertools.pairwise(edges):
                here = (chance >= low) & (chance < high)
                cells.append(f"{right[here].mean():.3f} ({chance[here].mean():.3f})")
            print(
                f"{_design(crossed)} {data:5} {model:6} {spread:10.2f}   {'  '.join(cells)}",
                flush=True,
            )


def gains(grids: int) -> None:
    """Print how often the interval of the gain of twice the examples holds the true gain."""
    print(
        "\ninterval of a mean difference of two sizes (gain of twice the examples): holds the truth"
    )
    for crossed, data, model in SHAPES:
        for collapse in (0.0, 0.05):
            world = World((0.9, 0.9), data, model, crossed, collapse=collapse)
            values = world.draw(grids, np.random.default_rng(5))
            gain = 0.02 + values[:, 0] - values[:, 1]
            error, df = crossed_error(gain) if crossed else nested_error(gain.mean(axis=2))
            half = stats.t.ppf(0.975, df) * error
            held = (np.abs(gain.mean(axis=(1, 2)) - 0.02) <= half).mean()
            print(f"{_design(crossed)} {data:5} {model:6} {collapse:6.2f} {held:8.3f}")


def over_grammars(grids: int) -> None:
    """Print how often any two of three equal architectures are told apart over grammars."""
    print("\nany of 3 equal architectures told apart over grammars (Holm): share of grids")
    print("design   grammars  data  model  collapse  apart")
    for crossed, model in ((False, 1), (True, 1), (True, 3), (True, 10)):
        for grammars in (6, 8, 12):
            for collapse in (0.0, 0.05):
                rng = np.random.default_rng(6)
                data = 2
                shape = (grids, 3, grammars, data, model)
                own = (*shape[:2], 1, 1, model) if crossed else shape
                values = 0.03 * rng.normal(size=(grids, 1, grammars, 1, 1))
                values = values + 0.01 * rng.normal(size=shape[:3])[..., None, None]
                values = values + INITIALISATION * rng.normal(size=own)
                values = values + RESIDUAL * rng.normal(size=shape)
                values = (values - LOSS * (rng.random(own) < collapse)).mean(axis=3)
                wrong = _apart(values, crossed).mean()
                print(
                    f"{_design(crossed)} {grammars:8} {data:5} {model:6} {collapse:9.2f} {wrong:6.4f}",
                    flush=True,
                )


def _apart(values: np.ndarray, crossed: bool) -> np.ndarray:
    """Return whether any pair differs over the grammars of each grid, values (grids, K, G, M).

    That is `across`, for many grids at once.
    """
    labels = [f"a{k}" for k in range(values.shape[1])]
    pairs = list(itertools.combinations(range(len(labels)), 2))
    p = np.full((len(values), len(pairs)), np.nan)
    for place, (one, other) in enumerate(pairs):
        difference = values[:, one] - values[:, other]
        if not crossed:
            p[:, place] = stats.wilcoxon(difference.mean(axis=2), axis=1).pvalue
        elif difference.shape[2] >= FEWEST_MODEL_SEEDS:
            error, _ = crossed_error(difference)
            df = min(difference.shape[1:]) - 1
            p[:, place] = 2 * stats.t.sf(np.abs(difference.mean(axis=(1, 2))) / error, df)
    apart = (p * len(pairs) <= ALPHA).any(axis=1)  # Holm's first step
    for i in range(CHECKED):
        means = pd.DataFrame(values[i].mean(axis=2).T, columns=labels)
        tables = dict(zip(labels, map(pd.DataFrame, values[i]), strict=True)) if crossed else {}
        found = across(means, tables)
        assert found is not None
        assert apart[i] == bool((found.p_values["p"] <= ALPHA).any())
    return np.asarray(apart)


def coverage(grids: int) -> None:
    """Print the coverage of intervals of examples needed."""
    print(
        "\ninterval of examples needed (median run, 90 %): share of grids in which it holds the truth,"
    )
    print(
        "of the curve's own, and of what reading it off sizes that double gives with endless seeds"
    )
    print("design   data  model  init  collapse  of curve  of reading  width (octaves)  open above")
    for crossed, data, model, spread, collapse in (
        *((False, data, 1, spread, 0.0) for data in (5, 10, 20) for spread in (0.0, 0.3)),
        (False, 5, 3, 0.3, 0.0),
        (False, 10, 1, 0.3, 0.05),
        (True, 5, 3, 0.3, 0.0),
        (True, 5, 3, 0.0, 0.0),
        (True, 10, 3, 0.3, 0.0),
        (True, 5, 10, 0.3, 0.0),
        (True, 10, 3, 0.3, 0.05),
    ):
        truth = Truth(
            {"a": 1500.0},
            grammars=grids,
            data_seeds=data,
            model_seeds=model,
            collapse=collapse,
            of_initialisation=spread,
            crossed=crossed,
        )
        table = efficiency(draw(truth, 1), [0.9])
        table = table[table["version"] == "typical"]
        true = truth.needed("a", 0.9)
        held, read = (
            ((table["low"] <= value) & (value <= table["high"])).mean()
            for value in (true, read_off(truth))
        )
        closed = table[(table["low"] > 0) & (table["high"] < math.inf)]
        width = np.log2(closed["high"] / closed["low"]).mean()
        print(
            f"{_design(crossed)} {data:5} {model:6} {spread:5.1f} {collapse:9.2f} {held:9.3f} {read:11.3f} "
            f"{width:16.2f} {1 - len(closed) / len(table):11.2f}",
            flush=True,
        )


def read_off(truth: Truth) -> float:
    """Return the median examples needed of 4,000 curves as they are read off the sizes of the grid."""
    runs = draw(truth._replace(grammars=1, data_seeds=4000, model_seeds=1, crossed=False), 9)
    crossing = crossings(curves_of(runs), CHANCE + 0.9 * (CEILING - CHANCE))
    return float(2 ** np.median(crossing))


def variances(grids: int) -> None:
    """Print mean estimates of variance components beside the truth."""
    rng = np.random.default_rng(7)
    grids = min(grids, 500)
    names = ["label", "grammar", "data_seed", "model_seed"]
    shape = (5, 6, 5, 2)
    effects = {
        "architecture": (0.04, (5, 1, 1, 1)),
        "grammar": (0.03, (1, 6, 1, 1)),
        "architecture x grammar": (0.02, (5, 6, 1, 1)),
        "data seed": (0.01, (1, 6, 5, 1)),
        "architecture x data seed": (0.01, (5, 6, 5, 1)),
        "initialisation": (INITIALISATION, (5, 1, 1, 2)),
    }
    index = pd.MultiIndex.from_product([range(n) for n in shape], names=names)
    for crossed in (False, True):
        rest = "data seed x initialisation" if crossed else "model seed"
        true = {**effects, rest: (0.015, shape)}
        true = {k: v for k, v in true.items() if crossed or k != "initialisation"}
        found = []
        for _ in range(grids):
            value = sum(sd * rng.normal(size=part) for sd, part in true.values())
            runs = pd.DataFrame({"value": np.broadcast_to(value, shape).ravel()}, index=index)
            runs = runs.reset_index().assign(seeds="crossed" if crossed else "nested")
            found.append(components(runs).set_index("component")["variance"])
        means = pd.DataFrame(found).mean()
        print(
            f"\nvariance components, {_design(crossed).strip()} (5 architectures, 6 grammars, 5 x 2 seeds)"
        )
        for name, (sd, _) in true.items():
            print(f"{name:26} {math.sqrt(means[name]):.4f}  true {sd:.4f}")


def _design(crossed: bool) -> str:
    return "crossed" if crossed else "nested "


PARTS = {
    "claims": claims,
    "collapses": unequal_collapses,
    "best": best_of,
    "gains": gains,
    "grammars": over_grammars,
    "needed": coverage,
    "variances": variances,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grids", type=int, default=4000, help="of each line [4000]")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)} [all]")
    options = parser.parse_args()
    for name in options.only.split(","):
        PARTS[name](options.grids)


if __name__ == "__main__":
    main()
