"""Examples needed, areas and fitted curves: hand-made curves, brute force, known truths."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.isotonic import IsotonicRegression
from synthetic import CEILING, CHANCE, Truth, draw

from seqgra.compare.decide import statistics
from seqgra.compare.efficiency import (
    TAUS,
    Bounds,
    area,
    best_of_restarts,
    bounds_of,
    crossings,
    curves_of,
    efficiency,
    needed,
    noise_tolerated,
    size_words,
)
from seqgra.compare.fits import fit
from seqgra.compare.resample import Seeds, interval, median_draws

SIZES = (1000, 2000, 4000, 8000)


def runs_of(values, statuses=None, sizes=SIZES, **more):
    """Return runs of one architecture: a row of values a data seed."""
    rows = [
        ("g", "a", seed, 0, size, value, statuses[seed][k] if statuses else "done")
        for seed, row in enumerate(values)
        for k, (size, value) in enumerate(zip(sizes, row, strict=True))
    ]
    names = ["grammar", "label", "data_seed", "model_seed", "size", "value", "status"]
    facts = {"chance": 0.5, "ceiling": 0.98, "validation_loss": 0.1, "seeds": "nested", **more}
    return pd.DataFrame(rows, columns=names).assign(**facts)


def crossing(values, target, statuses=None):
    return crossings(curves_of(runs_of([values], statuses and [statuses])), target)[0]


def test_a_crossing_is_linear_in_log2_of_the_size():
    assert 2 ** crossing((0.5, 0.7, 0.9, 0.95), 0.8) == pytest.approx(2000 * math.sqrt(2))
    assert crossing((0.5, 0.7, 0.9, 0.95), 0.96) == math.inf
    assert crossing((0.5, 0.7, 0.9, 0.95), 0.5) == -math.inf
    assert 2 ** crossing((0.5, 0.7, 0.9, 0.95), 0.9) == pytest.approx(4000)


def test_a_crossing_uses_the_monotone_curve():
    rng = np.random.default_rng(0)
    x = np.log2(SIZES)
    for values in rng.uniform(0.5, 1, (50, 4)):
        smooth = IsotonicRegression().fit_transform(x, values)
        for target in rng.uniform(0.5, 1, 5):
            found = crossing(tuple(values), target)
            if math.isfinite(found):
                assert np.interp(found, x, smooth) == pytest.approx(target)
                assert np.interp(found - 1e-6, x, smooth) < target
            else:
                assert found == (math.inf if smooth[-1] < target else -math.inf)


def test_a_collapsed_size_is_not_reached_and_not_smoothed():
    done, collapsed, diverged = "done", "collapsed", "diverged"
    values = (0.6, 0.5, 0.9, 0.95)
    smoothed = crossing(values, 0.8)
    found = crossing(values, 0.8, (done, collapsed, done, done))
    alone = 2 ** (math.log2(1000) + (0.8 - 0.6) / (0.9 - 0.6) * 2)
    assert 2**found == pytest.approx(max(alone, 2000))
    assert smoothed != found
    early = crossing((0.6, 0.5, 0.9, 0.95), 0.61, (done, collapsed, done, done))
    assert 2**early == pytest.approx(2000), "no smaller than the size that collapsed"
    assert crossing((0.5, 0.9, 0.9, 0.95), 0.8, (collapsed, done, done, done)) == math.log2(2000)
    late = crossing((0.6, 0.9, 0.9, 0.5), 0.8, (done, done, done, collapsed))
    assert late == crossing((0.6, 0.9, 0.9, 0.9), 0.8), "it had learnt before"
    assert crossing((math.nan,) * 4, 0.8, (diverged,) * 4) == math.inf


def test_a_curve_that_lacks_a_size_is_left_out_but_one_that_diverged_is_not():
    runs = runs_of([(0.6, 0.9, 0.95, 0.98), (0.6, math.nan, 0.95, 0.98), (0.6, 0.7, 0.8, 0.9)])
    runs.loc[5, "status"] = "diverged"
    whole = efficiency(runs, [0.9]).iloc[0]
    assert (whole["curves"], whole["reached"]) == (3, 2)
    partial = efficiency(runs.drop(index=0), [0.9]).iloc[0]
    assert (partial["curves"], partial["data_seeds"]) == (2, 2)


def test_medians_count_censored_curves():
    values = [(0.6, 0.97, 0.97, 0.97), (0.6, 0.6, 0.97, 0.97), (0.6, 0.6, 0.6, 0.6)]
    row = efficiency(runs_of(values), [0.9]).iloc[0]
    assert 2000 < row["needed"] < 4000
    assert 1000 < row["low"] < 2000
    assert row["high"] == math.inf
    assert (row["of"], row["reference"], row["reached"]) == ("range", "ceiling", 2)
    assert row["target"] == pytest.approx(0.5 + 0.9 * 0.48)
    unknown = efficiency(runs_of(values, ceiling=math.nan), [0.9]).iloc[0]
    assert (unknown["reference"], unknown["target"]) == ("perfect", pytest.approx(0.95))


def test_best_of_restarts_takes_the_least_validation_loss_not_the_best_score():
    runs = pd.concat(
        runs_of([values], validation_loss=loss).assign(model_seed=seed)
        for seed, (values, loss) in enumerate(
            [((0.5, 0.6, 0.9, 0.9), 0.3), ((0.5, 0.9, 0.9, 0.9), 0.4), ((0.5,) * 4, math.nan)]
        )
    )
    chosen = best_of_restarts(runs)
    assert chosen["value"].tolist() == [0.5, 0.6, 0.9, 0.9]
    table = efficiency(runs, [0.9]).set_index("version")
    assert table.loc["best of 3", "curves"] == 1
    assert table.loc["typical", "curves"] == 3


def test_best_of_restarts_takes_no_diverged_run_while_there_is_another():
    """It has no weights to use, and its least loss is that of an epoch before."""
    learnt = runs_of([(0.9,) * 4], validation_loss=0.3)
    diverged = runs_of([(math.nan,) * 4], [["diverged"] * 4], validation_loss=0.1)
    runs = pd.concat([learnt.assign(model_seed=1), diverged.assign(model_seed=0)])
    chosen = best_of_restarts(runs)
    assert chosen["value"].tolist() == [0.9] * 4 and list(chosen) == list(runs)
    assert best_of_restarts(diverged)["status"].tolist() == ["diverged"] * 4


def test_area_is_one_at_the_ceiling_and_zero_at_chance():
    bounds = Bounds(0.5, 0.98, True)
    curves = curves_of(runs_of([(0.98,) * 4, (0.5,) * 4, (0.5, 0.74, 0.98, 0.98)]))
    assert area(curves, bounds) == pytest.approx([1, 0, (0.25 + 0.75 + 1) / 3])
    diverged = curves_of(runs_of([(0.98, 0.98, math.nan, 0.98)], [["done"] * 2 + ["diverged"] * 2]))
    assert area(diverged, bounds)[0] < 0.7


def test_an_area_is_the_median_of_whole_curves_and_none_where_the_grammar_has_more_sizes():
    values = [(0.98,) * 4, (0.5,) * 4, (0.74,) * 4]
    whole = runs_of(values)
    assert efficiency(whole, [0.9])["alc"].tolist() == pytest.approx([0.5])
    part = whole[~((whole["data_seed"] == 0) & (whole["size"] == SIZES[1]))]
    assert efficiency(part, [0.9])["alc"].tolist() == pytest.approx([0.25]), "without the first"
    few = runs_of([row[:3] for row in values], sizes=SIZES[:3]).assign(label="b")
    table = efficiency(pd.concat([whole, few]), [0.9]).set_index("label")
    assert table.loc["a", "alc"] == pytest.approx(0.5) and math.isnan(table.loc["b", "alc"])
    holes = whole[whole["size"] != whole["data_seed"].map(dict(enumerate(SIZES)))]
    assert efficiency(holes, [0.9])["alc"].isna().all(), "no curve is whole"


def test_size_words_are_censored():
    words = [size_words(n, 500, 40000) for n in (math.inf, 40001, 500, 0, 12345, 1049, math.nan)]
    assert words == ["> 40,000", "> 40,000", "≤ 500", "≤ 500", "12,000", "1,000", "unknown"]


def nested(data_seeds):
    return Seeds(data_seeds, np.arange(len(data_seeds)), False)


def test_draws_take_whole_data_seeds_and_pair_architectures():
    seeds = np.array([7, 7, 7, 9, 9, 11, 11, 11])
    rows = nested(seeds).draw(4000)
    assert rows.shape == (4000, 3 * 3)
    blocks = seeds[rows].reshape(4000, 3, 3)
    assert (blocks == blocks[..., :1]).all(), "within a draw of a data seed only its runs"
    other = nested(np.array([7, 9, 11])).draw(4000, key=5)
    assert (np.array([7, 9, 11])[other] == blocks[..., 0]).all(), "the same data seeds for all"
    shares = np.bincount(rows.ravel(), minlength=8) / rows.size
    expected = np.repeat([1 / 9, 1 / 6, 1 / 9], [3, 2, 3])
    assert np.abs(shares - expected).max() < 6 * np.sqrt(0.2 / 12000)


def test_the_interval_has_the_spread_of_a_sample_not_of_its_bootstrap():
    values = np.random.default_rng(0).normal(size=8)
    seeds = nested(np.arange(8))
    draws = values[seeds.draw(20_000)].mean(axis=1)
    found = interval(draws, values.mean(), seeds.stretch(values))
    error = values.std(ddof=1) / math.sqrt(8)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert found.of == "interval"


def test_an_interval_of_the_median_is_open_where_too_many_curves_are_censored():
    values = np.array([10, 11, 12, math.inf, math.inf, math.inf])
    found = interval(median_draws(values, nested(np.arange(6))), math.inf, 1.0)
    assert found.high == math.inf
    assert found.low <= 12


@pytest.mark.parametrize("seed", range(3))
def test_many_seeds_find_the_truth(seed):
    truth = Truth({"a": 1500.0, "b": 3000.0}, data_seeds=60, noise=0.001)
    table = efficiency(draw(truth, seed), [0.9]).set_index("label")
    for label in truth.n50:
        row = table.loc[label]
        assert row["low"] < row["needed"] < row["high"]
        assert math.log2(row["needed"] / truth.needed(label, 0.9)) == pytest.approx(0, abs=0.35)


@pytest.mark.slow
def test_intervals_cover_the_truth():
    """Nominally 95 %; benchmarks/decisions.py measures it on more grids. 200 here: above 0.85."""
    truth = Truth({"a": 1500.0}, grammars=200, data_seeds=6)
    table = efficiency(draw(truth, 0), [0.9])
    covered = (
        (table["low"] <= truth.needed("a", 0.9)) & (table["high"] >= truth.needed("a", 0.9))
    ).mean()
    assert covered > 0.85


def test_fits_are_exact_on_their_own_family_and_stay_below_the_ceiling():
    truth = Truth({"a": 3000.0}, data_seeds=6, of_seed=0, of_own_seed=0, of_run=0, noise=0)
    runs = draw(truth, 0)
    found = fit(curves_of(runs), bounds_of(runs)["g000"])
    assert found.family == "logistic"
    assert found.sizes[[0, -1]] == pytest.approx([500, 64000])
    exact = CHANCE + (CEILING - CHANCE) / (1 + (found.sizes / 3000) ** -1.5)
    assert np.abs(found.values - exact).max() < 0.005
    assert (found.high - found.low).max() < 1e-9, "all curves are one"
    sizes = np.array(truth.sizes)
    power = 0.97 - 0.3 * (sizes / 500) ** -0.5
    runs = runs_of([power] * 5, sizes=truth.sizes)
    found = fit(curves_of(runs), bounds_of(runs)["g"])
    assert found.family == "power"
    assert np.abs(found.values - (0.97 - 0.3 * (found.sizes / 500) ** -0.5)).max() < 0.005


def test_a_band_needs_five_data_seeds_and_a_fit_four_sizes():
    noisy = draw(Truth({"a": 3000.0}, data_seeds=5), 0)
    found = fit(curves_of(noisy), bounds_of(noisy)["g000"])
    assert (found.low <= found.values).all() and (found.values <= found.high).all()
    assert found.high.max() <= CEILING
    few = noisy[noisy["data_seed"] < 4]
    assert np.isnan(fit(curves_of(few), bounds_of(few)["g000"]).low).all()
    short = noisy[noisy["size"] < 4000]
    assert fit(curves_of(short), bounds_of(short)["g000"]) is None


def test_noise_tolerated_is_the_largest_rate_that_holds_with_all_below_it():
    rows = [
        (f"n{rate}", "a", seed, 0, size, value, "done")
        for size, values in {
            1000: (0.9, 0.6, 0.6),
            4000: (0.97, 0.96, 0.7),
            9000: (0.7, 0.97, 0.97),
        }.items()
        for rate, value in zip((0, 5, 10), values, strict=True)
        for seed in range(2)
    ]
    names = ["grammar", "label", "data_seed", "model_seed", "size", "value", "status"]
    runs = pd.DataFrame(rows, columns=names).assign(chance=0.5, ceiling=1.0)
    table = noise_tolerated(runs, {"n0": 0.0, "n5": 0.05, "n10": 0.1}).set_index("size")
    assert table["rate"].tolist() == pytest.approx([math.nan, 0.05, math.nan], nan_ok=True)
    assert set(table["highest"]) == {0.1}
    assert set(table["runs"]) == {2}
    without_clean = noise_tolerated(
        runs[(runs["size"] != 9000) | (runs["grammar"] != "n0")],
        {"n0": 0.0, "n5": 0.05, "n10": 0.1},
    ).set_index("size")
    assert math.isnan(without_clean.loc[9000, "rate"]), "nothing is known of a lower rate"


def test_an_even_number_of_curves_claims_no_more_than_it_shows():
    """The middle of 400 and 30,000 is not "at most 500", and half not reached is not reached."""
    sizes = 500 * 2 ** np.arange(7)
    ends = (math.log2(sizes[0]), math.log2(sizes[-1]))

    def size(*needs):
        crossing = np.array(
            [-math.inf if n <= 500 else math.log2(n) if n < 1e6 else math.inf for n in needs]
        )
        return 2 ** needed(crossing, nested(np.arange(len(needs))), ends)[0]

    assert size(400, 30000) == pytest.approx(math.sqrt(500 * 30000))
    assert size(300, 400, 20000, 30000) == pytest.approx(math.sqrt(500 * 20000))
    assert size(300, 400, 450, 30000) == 0 and size(600, 1e6) == math.inf
    assert size(300, 400, 30000) == 0 and size(600, 800) == pytest.approx(math.sqrt(600 * 800))


def test_what_an_adaptive_grid_spared_is_not_read_across_the_gap():
    """Bisected for 90 % between 1,000 and 2,000: 99 % lies somewhere in four octaves."""
    runs = draw(Truth({"a": 400.0, "b": 900.0}, of_seed=0, of_own_seed=0, of_run=0, noise=0), 0)
    spared = (runs["label"] == "a") & runs["size"].between(3000, 20000)
    whole, part = (efficiency(table).set_index(["label", "tau"]) for table in (runs, runs[~spared]))
    for tau in TAUS:
        assert part.loc[("b", tau), "needed"] == whole.loc[("b", tau), "needed"]
    inside = [whole.loc[("a", tau), "needed"] < 2000 for tau in TAUS]
    assert inside == [True, False, False]
    assert part.loc[("a", 0.9), "needed"] == whole.loc[("a", 0.9), "needed"]
    for tau in (0.95, 0.99):
        row = part.loc[("a", tau)]
        assert math.isnan(row["needed"]) and math.isnan(row["low"]) and row["of"] == "none"
        assert row["reached"] == row["curves"] == 5
    later = (runs["label"] == "a") & runs["size"].between(5000, 20000)
    both = [statistics(table, {}, 4000) for table in (runs, runs[~later])]
    assert [found.asked["g000"].label for found in both] == ["a", "a"]
    assert both[0].doubling["g000"].of == "interval"
    gain = both[1].doubling["g000"]
    assert gain is None or gain.of == "extrapolated", "not read between 4,000 and 32,000"
