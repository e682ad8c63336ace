"""How often intervals hold the truth and claims are wrong, on learning curves with a known truth.

    python benchmarks/decisions.py [--grids 500]

Learning curves are drawn with known examples needed, best architecture and variances (`synthetic.py`).
Reported: the share of 95 % intervals of examples needed that hold the truth, and their width; how often an
architecture is shown to be better than every other when one is no worse (a false claim), and how often when
it truly is better; mean estimates of the variance components beside the true ones. Nothing is trained.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
import pandas as pd
from synthetic import CEILING, CHANCE, Truth, draw

from seqgra.compare.efficiency import crossings, curves_of, efficiency
from seqgra.compare.ranking import ALPHA, across, standings
from seqgra.compare.runs import at_size
from seqgra.compare.variance import components

SIZE = 2000


def coverage(grids: int) -> None:
    """Print the coverage of intervals of examples needed."""
    print("interval of examples needed (median run, 90 %): share that holds the truth")
    print("of the curve's own; of what reading it off sizes that double gives with endless seeds")
    print("data seeds  model seeds  collapse  of curve  of reading  width (octaves)  open above")
    for data_seeds, model_seeds, collapse in (
        (5, 1, 0.0),
        (10, 1, 0.0),
        (20, 1, 0.0),
        (5, 3, 0.0),
        (10, 3, 0.0),
        (10, 1, 0.05),
    ):
        truth = Truth(
            {"a": 1500.0},
            grammars=grids,
            data_seeds=data_seeds,
            model_seeds=model_seeds,
            collapse=collapse,
        )
        table = efficiency(draw(truth, 1), [0.9])
        table = table[table["version"] == "typical"]
        true = truth.needed("a", 0.9)
        reading = read_off(truth)
        held, read = (
            ((table["low"] <= value) & (value <= table["high"])).mean() for value in (true, reading)
        )
        closed = table[(table["low"] > 0) & (table["high"] < math.inf)]
        width = np.log2(closed["high"] / closed["low"]).mean()
        beyond = 1 - len(closed) / len(table)
        print(
            f"{data_seeds:10} {model_seeds:12} {collapse:9.2f} {held:9.3f} {read:11.3f} "
            f"{width:16.2f} {beyond:11.2f}"
        )


def read_off(truth: Truth) -> float:
    """Return the median examples needed of 4,000 curves as they are read off the sizes of the grid."""
    runs = draw(truth._replace(grammars=1, data_seeds=4000, model_seeds=1), 9)
    crossing = crossings(curves_of(runs), CHANCE + 0.9 * (CEILING - CHANCE))
    return float(2 ** np.median(crossing))


def claims(grids: int) -> None:
    """Print how often one architecture is shown to be better than every other."""
    print(f"\nshown to be better than every other at {SIZE:,} examples: share of grids")
    print("architectures                      data seeds  collapse  false claim  true claim")
    worlds = {
        "2 alike": {"a": 2000.0, "b": 2000.0},
        "5 alike": dict.fromkeys("abcde", 2000.0),
        "2 alike best, 3 worse": {"a": 1500.0, "b": 1500.0, "c": 4000.0, "d": 6000.0, "e": 9000.0},
        "1 best by an octave, 4 worse": {
            "a": 1500.0,
            "b": 3000.0,
            "c": 4000.0,
            "d": 6000.0,
            "e": 9e3,
        },
    }
    for name, n50 in worlds.items():
        least = min(n50.values())
        best = {label for label, value in n50.items() if value == least}
        for data_seeds, collapse in ((3, 0.0), (5, 0.0), (10, 0.0), (10, 0.05)):
            truth = Truth(
                n50, grammars=grids, data_seeds=data_seeds, sizes=(SIZE,), collapse=collapse
            )
            wrong = right = 0
            for _, runs in draw(truth, 2).groupby("grammar"):
                table = standings(runs)
                others = table.iloc[1:]
                shown = ((others["p"] <= ALPHA) & (others["behind"] > 0)).all()
                true = len(best) == 1 and table["label"].iloc[0] in best
                wrong += shown and not true
                right += shown and true
            print(
                f"{name:34} {data_seeds:10} {collapse:9.2f} {wrong / grids:12.3f} {right / grids:11.3f}"
            )


def over_grammars(grids: int) -> None:
    """Print how often any two of three equal architectures are told apart over grammars."""
    print(
        "\nany of 3 equal architectures told apart over grammars (Wilcoxon, Holm): share of grids"
    )
    for grammars in (6, 8, 12):
        truth = Truth(dict.fromkeys("abc", 2000.0), grammars=grids * grammars, data_seeds=2)
        runs = at_size(draw(truth, 3), SIZE)
        means = runs.pivot_table(index="grammar", columns="label", values="value")
        wrong = 0
        for first in range(0, len(means), grammars):
            found = across(means.iloc[first : first + grammars])
            wrong += found is not None and bool((found.p_values["p"] <= ALPHA).any())
        print(f"{grammars:4} grammars {wrong / grids:8.3f}")


def variances(grids: int) -> None:
    """Print mean estimates of variance components beside the truth."""
    rng = np.random.default_rng(4)
    names = ["label", "grammar", "data_seed", "model_seed"]
    shape = (5, 6, 5, 2)
    effects = {
        "architecture": (0.04, (5, 1, 1, 1)),
        "grammar": (0.03, (1, 6, 1, 1)),
        "architecture x grammar": (0.02, (5, 6, 1, 1)),
        "data seed": (0.01, (1, 6, 5, 1)),
        "architecture x data seed": (0.01, (5, 6, 5, 1)),
        "model seed": (0.015, shape),
    }
    index = pd.MultiIndex.from_product([range(n) for n in shape], names=names)
    found = []
    for _ in range(grids):
        value = sum(sd * rng.normal(size=part) for sd, part in effects.values())
        runs = pd.DataFrame({"value": np.broadcast_to(value, shape).ravel()}, index=index)
        found.append(components(runs.reset_index()).set_index("component")["variance"])
    means = pd.DataFrame(found).mean()
    print(
        "\nvariance components (5 architectures, 6 grammars, 5 x 2 seeds): root of the mean estimate"
    )
    for name, (sd, _) in effects.items():
        print(f"{name:26} {math.sqrt(means[name]):.4f}  true {sd:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grids", type=int, default=500)
    options = parser.parse_args()
    for part in (coverage, claims, over_grammars, variances):
        part(options.grids)


if __name__ == "__main__":
    main()
