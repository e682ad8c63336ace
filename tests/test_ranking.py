"""Which is best: against scipy, brute force and published numbers; false claims stay rare."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from decisions import World, shown
from scipy import stats
from synthetic import Truth, draw

from seqgra.compare.ranking import across, chance_fewest, holm, mean_interval, standings
from seqgra.compare.resample import (
    DRAWS,
    Seeds,
    crossed_error,
    is_crossed,
    mean_squares,
    seeds_of,
    student_draws,
)
from seqgra.compare.stages import seeds_of_run
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
    """Two equal ones: claims at 5 %, 150 grids; 22 or more by chance with probability 1e-5."""
    clear = at(draw(Truth({"a": 500.0, "b": 30000.0}), 0), 4000)
    table = standings(clear)
    assert (table.loc[1, "label"], table.loc[0, "best"]) == ("b", 1.0)
    assert table.loc[1, "p"] < 0.001
    equal = at(draw(Truth({"a": 2000.0, "b": 2000.0}, grammars=150), 1), 2000)
    claims = sum(standings(group)["p"].iloc[1] <= 0.05 for _, group in equal.groupby("grammar"))
    assert claims < 22


def test_regret_is_the_expected_shortfall():
    runs = pd.DataFrame(
        [("a", s, 0.9) for s in range(6)] + [("b", s, 0.8) for s in range(6)],
        columns=["label", "data_seed", "value"],
    ).assign(model_seed=0, seeds="nested")
    table = standings(runs)
    assert table["regret"].tolist() == pytest.approx([0, 0.1])
    assert table["p"].tolist()[1] == 0.0


def test_chance_fewest_breaks_ties_by_area():
    seeds = dict.fromkeys(("a", "b"), Seeds(np.arange(6), np.zeros(6, int), False))
    never = dict.fromkeys(("a", "b"), np.full(6, math.inf))
    areas = {"a": np.full(6, 0.3), "b": np.full(6, 0.4)}
    least = {"a": 8.0, "b": 8.0}
    assert chance_fewest(never, seeds, areas, least) == {"a": 0.0, "b": 1.0}
    some = {"a": np.full(6, 10.0), "b": np.full(6, math.inf)}
    assert chance_fewest(some, seeds, areas, least) == {"a": 1.0, "b": 0.0}
    few = Seeds(np.arange(6) % 4, np.arange(6), False)
    assert chance_fewest(some, dict.fromkeys(("a", "b"), few), areas, least) == {}


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


def several(effects, shape, seed):
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
    return pd.DataFrame({"value": value.ravel(), "seeds": "nested"}, index=index).reset_index()


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
    runs = several(EFFECTS, shape, 0)
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
        runs = several(EFFECTS, (4, 5, 3, 2), seed)
        kept = runs[np.random.default_rng(seed).random(len(runs)) > 0.2]
        found.append(components(kept).set_index("component")["variance"])
    table = pd.DataFrame(found)
    for name, short in NAMES.items():
        error = table[name].std() / math.sqrt(150)
        low = -6 * error
        high = 6 * error + 0.15  # cutting negative estimates at 0 adds a little
        assert low < table[name].mean() - EFFECTS[short] ** 2 < high, name


def test_what_cannot_be_told_apart_is_left_out_by_name():
    one_model_seed = components(several(EFFECTS, (3, 4, 3, 1), 0))["component"].tolist()
    assert one_model_seed[-1] == "data seed x architecture and model seed"
    assert "architecture x data seed" not in one_model_seed
    one_grammar = components(several(EFFECTS, (3, 1, 4, 2), 0))["component"].tolist()
    assert one_grammar == ["architecture", "data seed", "architecture x data seed", "model seed"]
    assert components(several(EFFECTS, (1, 1, 2, 1), 0)).empty


@pytest.mark.parametrize("others", [1, 4])
def test_so_many_seeds_show_the_difference_in_four_of_five_grids(others):
    """400 grids each, of one architecture that is better than the others by 0.01; standard error 0.02."""
    variance = 0.012**2
    parts = pd.DataFrame(
        {"component": ["architecture x data seed", "model seed"], "variance": [variance, 0.0]}
    )
    seeds = int(seeds_needed(parts, 0.01, 1, others))
    shown, rng = [], np.random.default_rng(others)
    for _ in range(400):
        values = rng.normal(0, 0.012, (others + 1, seeds)) + rng.normal(0, 0.01, seeds)
        values[0] += 0.01
        p = [stats.ttest_1samp(values[0] - other, 0).pvalue for other in values[1:]]
        shown.append(holm(np.array(p))[0] <= 0.05)
    assert 0.74 < np.mean(shown) < 0.92  # Holm is a little better than Bonferroni


def test_seeds_needed_are_the_fewest_that_do():
    parts = pd.DataFrame(
        {"component": ["architecture x data seed", "model seed"], "variance": [0.0004, 0.0002]}
    )
    seeds = seeds_needed(parts, 0.02, model_seeds=2)

    def width(d):
        wide = stats.t.ppf(0.975, d - 1) + stats.t.ppf(0.8, d - 1)
        return wide * math.sqrt(2 * (0.0004 + 0.0001) / d)

    assert width(seeds) <= 0.02 < width(seeds - 1)
    assert seeds_needed(parts, 1.0, 1) == 5
    assert seeds_needed(parts, 1e-9, 1) == math.inf


def crossed_runs(values, design="crossed", label="a", **more):
    """Return runs of a table of values, data seeds by model seeds."""
    rows = [(label, d, m, value) for d, row in enumerate(values) for m, value in enumerate(row)]
    names = ["label", "data_seed", "model_seed", "value"]
    return pd.DataFrame(rows, columns=names).assign(seeds=design, **more)


#: By hand: means of rows 1 2 3 4 5, of columns 2 3 4, mean 3; the residual is one of 1, -1 in a square.
TABLE = np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]], float)
BENT = np.zeros((5, 3))
BENT[:2, :2] = [[1, -1], [-1, 1]]


def test_mean_squares_and_the_error_of_crossed_seeds_by_hand():
    squares = [float(part) for part in mean_squares(TABLE + BENT)]
    assert squares == pytest.approx([3 * 10 / 4, 5 * 2 / 2, 4 / 8])
    error, df = crossed_error(TABLE + BENT)
    total = 7.5 + 5 - 0.5
    assert float(error) == pytest.approx(math.sqrt(total / 15))
    assert float(df) == pytest.approx(total**2 / (7.5**2 / 4 + 5**2 / 2 + 0.5**2 / 8))
    flat = np.repeat(TABLE.mean(axis=1, keepdims=True), 3, axis=1)
    error, df = crossed_error(flat + 3 * BENT)
    assert float(error) == pytest.approx(math.sqrt(7.5 / 15)), "never below that of data seeds"
    error, df = crossed_error(flat.T[:, :5] + np.zeros((3, 5)))
    assert float(error) == pytest.approx(math.sqrt(7.5 / 15)), "nor below that of model seeds"
    one_effect = crossed_error(np.repeat(np.arange(3.0)[None], 5, axis=0))
    assert float(one_effect[1]) == 2, "min(D, M) - 1 at least"
    stacked = crossed_error(np.stack([TABLE, flat + BENT]))
    assert [part.shape for part in stacked] == [(2,), (2,)]


def test_mean_squares_are_those_of_brute_force_and_expect_the_components():
    """Sums over all pairs of rows, of columns and of squares; and E MS over 4,000 tables (6 errors)."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=(6, 4))
    rows, columns = y.mean(axis=1), y.mean(axis=0)
    of_data = 4 * sum((a - b) ** 2 for a, b in itertools.combinations(rows, 2)) / 6 / 5
    of_model = 6 * sum((a - b) ** 2 for a, b in itertools.combinations(columns, 2)) / 4 / 3
    corners = sum(
        (y[i, k] - y[i, m] - y[j, k] + y[j, m]) ** 2
        for i, j in itertools.combinations(range(6), 2)
        for k, m in itertools.combinations(range(4), 2)
    )
    assert [float(x) for x in mean_squares(y)] == pytest.approx(
        [of_data, of_model, corners / 24 / 15]
    )
    shape = (4000, 6, 4)
    y = 2 * rng.normal(size=(4000, 6, 1)) + rng.normal(size=(4000, 1, 4)) + rng.normal(size=shape)
    for found, expected in zip(mean_squares(y), (1 + 4 * 4, 1 + 6, 1), strict=True):
        assert abs(found.mean() - expected) < 6 * found.std() / math.sqrt(4000)


def test_crossed_standings_are_the_test_of_paired_differences():
    rng = np.random.default_rng(3)
    one, other = rng.normal(size=(2, 6, 4))
    runs = pd.concat([crossed_runs(one), crossed_runs(other - 9, label="b")])
    table = standings(runs)
    error, df = crossed_error(one - other + 9)
    mean = (one - other + 9).mean()
    row = table.iloc[1]
    assert (row["label"], row["design"], row["seeds"], row["model_seeds"]) == ("b", "crossed", 6, 4)
    assert row["p"] == pytest.approx(2 * stats.t.sf(mean / error, df))
    half = stats.t.ppf(0.975, df) * error
    assert row[["behind_low", "behind", "behind_high"]].tolist() == pytest.approx(
        [mean - half, mean, mean + half]
    )
    assert mean_interval(runs.assign(grammar="g")).iloc[0]["high"] - one.mean() == pytest.approx(
        stats.t.ppf(0.975, crossed_error(one)[1]) * crossed_error(one)[0]
    )


@pytest.mark.parametrize("design", ["crossed", ""])
@pytest.mark.parametrize(("data", "model"), [(5, 2), (4, 3), (9, 1)])
def test_few_initialisations_carry_no_claim_and_unknown_ones_are_not_trusted(design, data, model):
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, data, model))
    runs = pd.concat([crossed_runs(one, design), crossed_runs(other - 90, design, "b")])
    row = standings(runs).iloc[1]
    assert row["behind"] > 80 and row["design"] == "crossed"
    assert row[["p", "behind_low", "behind_high", "best", "regret"]].isna().all()
    assert mean_interval(runs.assign(grammar="g")).empty


def test_what_a_model_does_not_say_of_its_seeds_is_not_known():
    runs = [{}, {"backend": "pytorch"}, {"path": "x"}, {"backend": "sklearn"}]
    runs += [{"backend": "tensorflow", "seeds": design} for design in ("nested", "crossed")]
    found = [seeds_of_run({"options": options}) for options in runs]
    assert found == ["", "", "", "none", "nested", "crossed"]
    assert [is_crossed([design]) for design in found] == [True, True, True, False, False, True]


def test_a_mixed_pair_is_crossed_and_two_baselines_are_not():
    rng = np.random.default_rng(1)
    network, baseline = rng.normal(size=(6, 4)) + 9, rng.normal(size=(6, 1))
    runs = pd.concat(
        [
            crossed_runs(network, label="net"),
            crossed_runs(baseline, "none", "one"),
            crossed_runs(baseline - 5 + rng.normal(size=(6, 1)), "none", "two"),
        ]
    )
    table = standings(runs).set_index("label")
    assert table["design"].tolist() == ["crossed"] * 3
    error, _ = crossed_error(network - baseline)
    half = (table.loc["one", "behind_high"] - table.loc["one", "behind_low"]) / 2
    assert half == pytest.approx(stats.t.ppf(0.975, crossed_error(network - baseline)[1]) * error)
    plain = standings(runs[runs["label"] != "net"]).set_index("label")
    by_seed = [runs[runs["label"] == name]["value"].to_numpy() for name in ("one", "two")]
    assert plain.loc["two", "p"] == pytest.approx(stats.ttest_rel(*by_seed).pvalue)
    nested = runs.assign(seeds=runs["seeds"].replace("crossed", "nested"))
    found = standings(nested).set_index("label").loc["one"]
    expected = stats.ttest_rel(network.mean(axis=1), baseline[:, 0]).confidence_interval(0.95)
    assert (found["behind_low"], found["behind_high"]) == pytest.approx(tuple(expected))


def test_crossed_seeds_with_gaps_have_a_mean_and_carry_no_claim():
    """An interval of a part of the runs may not hold the mean of all of them."""
    values = 1 + 0.01 * np.random.default_rng(2).normal(size=(7, 3))
    values[5:, 0] = 0.5  # runs that collapsed
    runs = crossed_runs(values)
    runs = runs[(runs["data_seed"] < 5) | (runs["model_seed"] == 0)].assign(grammar="g")
    both = pd.concat([runs, runs.assign(label="b", value=runs["value"] - 0.1)])
    row = standings(both).iloc[1]
    assert row["behind"] == pytest.approx(0.1) and (row["seeds"], row["model_seeds"]) == (7, 3)
    assert row[["p", "behind_low", "behind_high", "best", "regret"]].isna().all()
    assert mean_interval(runs).empty and not seeds_of(runs).enough
    complete = both[both["data_seed"] < 5]
    assert standings(complete).iloc[1][["p", "best"]].notna().all()
    own = complete[complete["label"] == "a"]
    assert len(mean_interval(own)) == 1 and seeds_of(own).enough


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 4)])
def test_the_chance_of_being_best_and_regret_agree_with_students_t(shape):
    """Two labels: P(best) is the one-sided p value, regret the expected part above 0 of a t."""
    values = np.random.default_rng(7).normal(size=shape)
    draws = student_draws(values)
    differences = values[0] - values[1]
    if len(shape) == 2:
        error, df = differences.std(ddof=1) / math.sqrt(6), 5.0
    else:
        of_data, of_model, _ = mean_squares(differences)
        error, df = math.sqrt((of_data + of_model) / 24), float(crossed_error(differences)[1])
    ratio = differences.mean() / error
    gap = draws[0] - draws[1]
    assert (gap > 0).mean() == pytest.approx(stats.t.cdf(ratio, df), abs=6 * 0.5 / math.sqrt(DRAWS))
    whole = stats.t(df, loc=differences.mean(), scale=error)
    expected = whole.expect(lambda x: x, lb=0)
    spread = gap.clip(0).std() / math.sqrt(DRAWS)
    assert gap.clip(0).mean() == pytest.approx(expected, abs=6 * spread)
    assert np.quantile(gap, [0.05, 0.95]) == pytest.approx(
        whole.ppf([0.05, 0.95]), abs=0.35 * error
    )


def test_draws_of_crossed_seeds_are_whole_rows_and_columns():
    data, model = (part.ravel() for part in np.mgrid[:5, :3])
    seeds = Seeds(data, model, True)
    rows = seeds.draw(500).reshape(500, 5, 3)
    assert (data[rows] == data[rows][:, :, :1]).all()
    assert (model[rows] == model[rows][:, :1]).all(), "the same initialisations on every data seed"
    assert (np.bincount(model[rows].ravel()) > 2000).all()
    nested = Seeds(data, model, False).draw(500)
    assert (data[rows][:, :, 0] == data[nested].reshape(500, 5, 3)[:, :, 0]).all(), "paired"
    assert seeds.enough and not Seeds(data, model % 2, True).enough
    assert not Seeds(data[data < 4], model[data < 4], True).enough
    values = np.random.default_rng(0).normal(size=15)
    df = crossed_error(values.reshape(5, 3))[1]
    assert seeds.stretch(values) == pytest.approx(stats.t.ppf(0.975, df) / 1.959964, rel=1e-5)


def test_grammars_that_share_initialisations_are_no_blocks():
    rng = np.random.default_rng(5)
    one, other, third = rng.normal(size=(3, 8, 4))
    means = pd.DataFrame({"a": one.mean(axis=1), "b": other.mean(axis=1), "c": third.mean(axis=1)})
    tables = {"a": pd.DataFrame(one), "b": pd.DataFrame(other)}
    found = across(means, tables)
    p = {frozenset(pair): p for *pair, p in found.p_values.to_numpy()}
    c = third.mean(axis=1)[:, None]
    raw = []
    for difference in (one - other, one - c, other - c):
        error, _ = crossed_error(difference)
        raw.append(float(2 * stats.t.sf(abs(difference.mean()) / error, 4 - 1)))
    pairs = [frozenset("ab"), frozenset("ac"), frozenset("bc")]
    assert [p[pair] for pair in pairs] == pytest.approx(holm(np.array(raw)).tolist())
    assert math.isnan(found.friedman) and found.least == 0
    alone = across(means[["a", "b"]], {name: table[[0]] for name, table in tables.items()})
    assert alone.p_values["p"].isna().all() and alone.least == 1
    assert alone.cliques == [tuple(alone.ranks.index)]


@pytest.mark.parametrize(("crossed", "data", "model"), [(False, 5, 1), (True, 5, 3)])
def test_claims_of_alike_architectures_stay_rare_where_initialisations_matter(crossed, data, model):
    """2,000 grids at 5 %: above 0.069 with probability 1e-4. As independent trials it is above 0.4."""
    world = World((0.9, 0.9), data, model, crossed)
    values = world.draw(2000, np.random.default_rng(11))
    _, claimed = shown(values, crossed)
    assert claimed.mean() < 0.069
    if crossed:
        assert shown(values, False)[1].mean() > 0.4


def test_initialisations_are_a_component_of_their_own_where_seeds_are_crossed():
    """Balanced, one grammar: by mean squares of architecture x data seed x model seed, by hand."""
    rng = np.random.default_rng(4)
    shape = a, d, m = 3, 5, 4
    y = rng.normal(size=(a, 1, 1)) + rng.normal(size=(1, d, 1)) + rng.normal(size=(a, d, 1))
    y = y + 2 * rng.normal(size=(a, 1, m)) + rng.normal(size=shape)
    index = pd.MultiIndex.from_product(
        map(range, shape), names=["label", "data_seed", "model_seed"]
    )
    runs = pd.DataFrame({"value": y.ravel()}, index=index).reset_index()
    found = components(runs.assign(grammar="g", seeds="crossed")).set_index("component")["variance"]
    own, init = y.mean(axis=2, keepdims=True), y.mean(axis=1, keepdims=True)
    mean = y.mean(axis=(1, 2), keepdims=True)
    rest = np.square(y - own - init + mean).sum() / (a * (d - 1) * (m - 1))
    squares = d * np.square(init - mean).sum() / (a * (m - 1))
    assert found["data seed x initialisation"] == pytest.approx(rest)
    assert found["initialisation"] == pytest.approx((squares - rest) / d)
    assert (
        "initialisation"
        not in components(runs.assign(grammar="g", seeds="nested"))["component"].tolist()
    )
    shared = pd.DataFrame({"component": ["initialisation", "rest"], "variance": [1e-4, 1e-4]})
    assert seeds_needed(shared, 0.01, 3) == math.inf, (
        "more data seeds do not average initialisations"
    )
    assert seeds_needed(shared, 0.03, 3) < 30
