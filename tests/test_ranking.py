"""Which is best: against scipy, brute force and published numbers; false claims stay rare."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import Truth, draw

from seqgra.compare.ranking import across, chance_fewest, holm, standings
from seqgra.compare.variance import components, seeds_needed


def at(runs, size):
    return runs[runs["size"] == size]


def test_holm_against_its_definition():
    rng = np.random.default_rng(0)
    for p in rng.uniform(0, 0.2, (50, 6)):
        order = np.argsort(p)
        expected = np.empty(6)
        highest = 0.0
        for step, i in enumerate(order):
            highest = max(highest, min(1.0, (6 - step) * p[i]))
            expected[i] = highest
        assert holm(p) == pytest.approx(expected)
    assert holm(np.array([0.02, math.nan, 0.03])) == pytest.approx(
        [0.04, math.nan, 0.04], nan_ok=True
    )


def test_standings_pair_by_data_seed_as_scipy_does():
    runs = at(draw(Truth({"a": 1000.0, "b": 1500.0, "c": 4000.0}, data_seeds=7), 3), 2000)
    table = standings(runs).set_index("label")
    leader = table.index[0]
    by_seed = runs.pivot(index="data_seed", columns="label", values="value")
    assert leader == by_seed.mean().idxmax()
    others = [label for label in table.index if label != leader]
    tests = {label: stats.ttest_rel(by_seed[leader], by_seed[label]) for label in others}
    assert table.loc[others, "p"].to_numpy() == pytest.approx(
        holm(np.array([tests[label].pvalue for label in others]))
    )
    for label in others:
        low, high = tests[label].confidence_interval(0.95)
        assert table.loc[label, ["behind_low", "behind_high"]].tolist() == pytest.approx(
            [low, high]
        )
    assert table["best"].sum() == pytest.approx(1)
    assert table.loc[leader, "regret"] == table["regret"].min()


@pytest.mark.parametrize("seeds", [2, 4])
def test_few_seeds_carry_no_claim(seeds):
    runs = at(draw(Truth({"a": 500.0, "b": 30000.0}, data_seeds=seeds), 0), 4000)
    table = standings(runs)
    assert table.loc[1, "behind"] > 0.2
    assert table[["p", "best", "regret"]].iloc[1].isna().all()
    assert np.isnan(table.loc[1, "behind_low"])


def test_a_clear_winner_is_found_and_equal_architectures_are_not():
    """Two equal ones: claims at 5 %, 400 grids; 40 or more by chance with probability 1e-5."""
    clear = at(draw(Truth({"a": 500.0, "b": 30000.0}), 0), 4000)
    table = standings(clear)
    assert (table.loc[1, "label"], table.loc[0, "best"]) == ("b", 1.0)
    assert table.loc[1, "p"] < 0.001
    equal = at(draw(Truth({"a": 2000.0, "b": 2000.0}, grammars=400), 1), 2000)
    claims = sum(standings(group)["p"].iloc[1] <= 0.05 for _, group in equal.groupby("grammar"))
    assert claims < 42


def test_regret_is_the_expected_shortfall():
    runs = pd.DataFrame(
        [("a", s, 0.9) for s in range(6)] + [("b", s, 0.8) for s in range(6)],
        columns=["label", "data_seed", "value"],
    )
    table = standings(runs)
    assert table["regret"].tolist() == pytest.approx([0, 0.1])
    assert table["p"].tolist()[1] == 0.0


def test_chance_fewest_breaks_ties_by_area():
    seeds = dict.fromkeys(("a", "b"), np.arange(6))
    never = dict.fromkeys(("a", "b"), np.full(6, math.inf))
    areas = {"a": np.full(6, 0.3), "b": np.full(6, 0.4)}
    assert chance_fewest(never, seeds, areas) == {"a": 0.0, "b": 1.0}
    some = {"a": np.full(6, 10.0), "b": np.full(6, math.inf)}
    assert chance_fewest(some, seeds, areas) == {"a": 1.0, "b": 0.0}
    assert chance_fewest(some, dict.fromkeys(("a", "b"), np.arange(6) % 4), areas) == {}


def test_across_is_scipys_wilcoxon_and_friedman():
    rng = np.random.default_rng(1)
    values = pd.DataFrame(rng.normal(size=(9, 4)) + [0, 0, 0.5, 3], columns=list("wxyz"))
    found = across(values)
    pairs = [("z", "w"), ("x", "y")]
    for a, b in pairs:
        row = found.p_values[
            found.p_values.apply(lambda r, pair={a, b}: {r["label"], r["other"]} == pair, axis=1)
        ]
        raw = stats.wilcoxon(values[a], values[b]).pvalue
        assert row["p"].iloc[0] >= raw
    raw = [
        stats.wilcoxon(values[a] - values[b]).pvalue for a, b in itertools.combinations("wxyz", 2)
    ]
    assert sorted(found.p_values["p"]) == pytest.approx(sorted(holm(np.array(raw))))
    assert found.friedman == pytest.approx(stats.friedmanchisquare(*values.to_numpy().T).pvalue)
    expected = stats.rankdata(-values.to_numpy(), axis=1).mean(axis=0)
    assert found.ranks[list("wxyz")].tolist() == pytest.approx(expected.tolist())
    assert found.ranks.index[0] == "z"


def test_cliques_join_what_is_not_told_apart():
    rng = np.random.default_rng(2)
    base = rng.normal(size=(12, 1))
    values = pd.DataFrame(base + [0, 0, 5, 5], columns=list("abcd")) + rng.normal(0, 0.1, (12, 4))
    found = across(values)
    assert [set(clique) for clique in found.cliques] == [{"c", "d"}, {"a", "b"}]


def test_five_grammars_can_tell_no_pair_of_three_apart():
    values = pd.DataFrame(np.arange(5)[:, None] + [0.0, 10, 20], columns=list("abc"))
    found = across(values)
    assert found.p_values["p"].min() == pytest.approx(found.least)
    assert found.least > 0.05
    assert found.cliques == [("c", "b", "a")]
    assert across(values.iloc[:1]) is None
    assert across(values[["a"]]) is None
    assert len(across(values.assign(c=[1, 2, math.nan, 4, 5])).grammars) == 4


def crossed(effects, shape, seed):
    """Return runs with normal effects: shape is architectures, grammars, data seeds, model seeds."""
    rng = np.random.default_rng(seed)
    a, g, d, _ = shape
    value = 0.7 + effects["a"] * rng.normal(size=(a, 1, 1, 1))
    value = value + effects["g"] * rng.normal(size=(1, g, 1, 1))
    value = value + effects["ag"] * rng.normal(size=(a, g, 1, 1))
    value = value + effects["d"] * rng.normal(size=(1, g, d, 1))
    value = value + effects["ad"] * rng.normal(size=(a, g, d, 1))
    value = value + effects["m"] * rng.normal(size=shape)
    names = ["label", "grammar", "data_seed", "model_seed"]
    index = pd.MultiIndex.from_product([range(n) for n in shape], names=names)
    return pd.DataFrame({"value": value.ravel()}, index=index).reset_index()


EFFECTS = {"a": 2.0, "g": 1.0, "ag": 1.0, "d": 0.7, "ad": 0.5, "m": 1.0}
NAMES = {
    "architecture": "a",
    "grammar": "g",
    "architecture x grammar": "ag",
    "data seed": "d",
    "architecture x data seed": "ad",
    "model seed": "m",
}


def test_components_on_a_complete_grid_are_analysis_of_variance():
    """Expected mean squares of the crossed and nested design, by hand."""
    a, g, d, m = shape = (4, 5, 3, 2)
    runs = crossed(EFFECTS, shape, 0)
    y = runs["value"].to_numpy().reshape(shape)
    cell, arch, gram = y.mean(axis=(2, 3)), y.mean(axis=(1, 2, 3)), y.mean(axis=(0, 2, 3))
    seed, own = y.mean(axis=(0, 3)), y.mean(axis=3)
    grand = y.mean()
    squares = {
        "a": g * d * m * np.square(arch - grand).sum() / (a - 1),
        "g": a * d * m * np.square(gram - grand).sum() / (g - 1),
        "ag": d * m * np.square(cell - arch[:, None] - gram + grand).sum() / ((a - 1) * (g - 1)),
        "d": a * m * np.square(seed - gram[:, None]).sum() / (g * (d - 1)),
        "ad": m
        * np.square(own - cell[..., None] - seed + gram[:, None]).sum()
        / (g * (a - 1) * (d - 1)),
        "m": np.square(y - own[..., None]).sum() / (a * g * d * (m - 1)),
    }
    expected = {
        "m": squares["m"],
        "ad": (squares["ad"] - squares["m"]) / m,
        "d": (squares["d"] - squares["ad"]) / (a * m),
        "ag": (squares["ag"] - squares["ad"]) / (d * m),
        "a": (squares["a"] - squares["ag"]) / (g * d * m),
        "g": (squares["g"] - squares["ag"] - squares["d"] + squares["ad"]) / (a * d * m),
    }
    table = components(runs).set_index("component")
    assert set(table.index) == set(NAMES)
    for name, short in NAMES.items():
        assert table.loc[name, "variance"] == pytest.approx(max(expected[short], 0), abs=1e-9)
    assert table["share"].sum() == pytest.approx(1)


def test_components_of_many_grids_are_the_true_ones_also_with_holes():
    """Means over 150 grids with a fifth of the runs missing; six standard errors."""
    found = []
    for seed in range(150):
        runs = crossed(EFFECTS, (4, 5, 3, 2), seed)
        kept = runs[np.random.default_rng(seed).random(len(runs)) > 0.2]
        found.append(components(kept).set_index("component")["variance"])
    table = pd.DataFrame(found)
    for name, short in NAMES.items():
        error = table[name].std() / math.sqrt(150)
        low = -6 * error
        high = 6 * error + 0.15  # cutting negative estimates at 0 adds a little
        assert low < table[name].mean() - EFFECTS[short] ** 2 < high, name


def test_what_cannot_be_told_apart_is_left_out_by_name():
    one_model_seed = components(crossed(EFFECTS, (3, 4, 3, 1), 0))["component"].tolist()
    assert one_model_seed[-1] == "data seed x architecture and model seed"
    assert "architecture x data seed" not in one_model_seed
    one_grammar = components(crossed(EFFECTS, (3, 1, 4, 2), 0))["component"].tolist()
    assert one_grammar == ["architecture", "data seed", "architecture x data seed", "model seed"]
    assert components(crossed(EFFECTS, (1, 1, 2, 1), 0)).empty


def test_seeds_needed_shrink_the_interval_to_the_difference():
    parts = pd.DataFrame(
        {"component": ["architecture x data seed", "model seed"], "variance": [0.0004, 0.0002]}
    )
    seeds = seeds_needed(parts, 0.02, model_seeds=2)

    def width(d):
        return stats.t.ppf(0.975, d - 1) * math.sqrt(2 * (0.0004 + 0.0001) / d)

    assert width(seeds) <= 0.02 < width(seeds - 1)
    assert seeds_needed(parts, 1.0, 1) == 5
    assert seeds_needed(parts, 1e-9, 1) == math.inf
