"""Areas under curves, log odds and tied ranks against scikit-learn and enumeration."""

import itertools

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn import metrics as oracle

from seqgra.metrics import (
    Sorted,
    chance_average_precision,
    log_odds,
    macro_area,
    mean_area,
    rank,
    rank_measures,
    roc_areas,
)


def drawn(levels, examples=300, seed=0):
    """Return scores, tied where `levels` are few, and which examples are positive."""
    draw = np.random.default_rng(seed)
    true = draw.random(examples) < 0.3
    return np.round((draw.normal(size=examples) + true) * levels) / levels, true


@pytest.mark.parametrize("levels", [1, 5, 10**9])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_ranking_has_scikit_learns_areas_and_curves(levels, weighted):
    scores, true = drawn(levels)
    weights = np.random.default_rng(1).poisson(1, scores.size).astype(float) if weighted else None
    ranking = Sorted(scores, true).ranking(weights)
    area = oracle.roc_auc_score(true, scores, sample_weight=weights)
    assert ranking.roc_auc == pytest.approx(area, abs=1e-12)
    area = oracle.average_precision_score(true, scores, sample_weight=weights)
    assert ranking.average_precision == pytest.approx(area, abs=1e-12)
    if weighted or levels > 5:
        return  # long curves are thinned, and repeated points have no place in scikit-learn's
    np.testing.assert_allclose(
        ranking.roc_points(), oracle.roc_curve(true, scores, drop_intermediate=False)[:2]
    )
    precision, recall, _ = oracle.precision_recall_curve(true, scores)
    np.testing.assert_allclose(ranking.pr_points(), (recall[::-1], precision[::-1]))


def test_areas_without_examples_of_both_kinds_are_undefined():
    none, every = rank(np.arange(3.0), np.zeros(3, bool)), rank(np.arange(3.0), np.ones(3, bool))
    assert np.isnan([none.roc_auc, every.roc_auc, none.average_precision]).all()
    assert every.average_precision == 1
    assert none.roc_points()[0].size == every.roc_points()[0].size == none.pr_points()[0].size == 0
    weights = np.array([0.0, 0.0, 1.0])
    assert Sorted(np.arange(3.0), np.array([True, True, False])).ranking(weights).positives[-1] == 0


@pytest.mark.parametrize("levels", [1, 5, 10**9])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.5, 0.9])
def test_average_precision_at_a_prevalence_is_that_of_weighted_examples(levels, share):
    scores, true = drawn(levels)
    weights = np.where(true, share / true.sum(), (1 - share) / (~true).sum())
    wanted = oracle.average_precision_score(true, scores, sample_weight=weights)
    found = rank(scores, true).at_prevalence(share)
    assert found.average_precision == pytest.approx(wanted, abs=1e-12)
    assert found.roc_auc == pytest.approx(oracle.roc_auc_score(true, scores), abs=1e-12)


def test_average_precision_at_a_prevalence_has_known_values():
    scores, true = drawn(10**9)
    ranking = rank(scores, true)
    own = ranking.at_prevalence(true.mean()).average_precision
    assert own == pytest.approx(ranking.average_precision, abs=1e-12), "at the sample's own share"
    perfect, constant = rank(true * 1.0, true), rank(np.zeros(true.size), true)
    assert perfect.at_prevalence(0.01).average_precision == 1
    assert constant.at_prevalence(0.01).average_precision == pytest.approx(0.01)
    none, every = rank(scores, np.zeros_like(true)), rank(scores, np.ones_like(true))
    assert np.isnan([r.at_prevalence(0.5).average_precision for r in (none, every)]).all()


def test_average_precision_at_a_prevalence_is_that_of_a_sample_with_it():
    draw = np.random.default_rng(3)
    true = draw.random(400_000) < 0.02
    scores = draw.normal(size=true.size) + 2 * true
    kept = true | (draw.random(true.size) < 0.1)  # a test set with few negatives
    found = rank(scores[kept], true[kept]).at_prevalence(float(true.mean())).average_precision
    wanted = oracle.average_precision_score(true, scores)
    assert abs(found - wanted) < 0.02, "7,800 positives: a standard error of 0.005"


@pytest.mark.parametrize("kind", ["roc-auc", "pr-auc"])
def test_macro_areas_leave_out_what_all_or_none_have(kind):
    draw = np.random.default_rng(5)
    y = (draw.random((200, 3)) < 0.4).astype(np.uint8)
    scores = draw.integers(0, 20, y.shape) / 20 + 0.2 * y  # with many ties
    function = oracle.roc_auc_score if kind == "roc-auc" else oracle.average_precision_score
    assert macro_area(scores, y, kind) == pytest.approx(function(y, scores, average="macro"))
    with_constant = np.c_[y, np.ones(200, np.uint8)], np.c_[scores, scores[:, 0]]
    assert macro_area(*with_constant[::-1], kind) == macro_area(scores, y, kind)
    assert macro_area(scores[:, :1], np.zeros((200, 1)), kind) == 0.5


def test_rank_measures_are_means_over_the_orders_of_ties():
    """Against all orders of seven positions, five of them tied in two runs."""
    scores = np.array([[2.0, 1.0, 1.0, 1.0, 0.0, 0.0, -1.0]])
    relevant = np.array([[False, True, False, True, True, False, False]])
    ours = [float(found[0]) for found in rank_measures(scores, relevant, ~relevant)]
    orders = [
        np.array([0, *ties, *last, 6])
        for ties in itertools.permutations((1, 2, 3))
        for last in itertools.permutations((4, 5))
    ]
    ranked = [relevant[0, order] for order in orders]
    falling = -np.arange(7.0)
    assert ours[0] == pytest.approx(oracle.roc_auc_score(relevant[0], scores[0]))
    average = np.mean([oracle.average_precision_score(r, falling) for r in ranked])
    assert ours[1] == pytest.approx(average)
    assert ours[2] == pytest.approx(np.mean([r[:3].mean() for r in ranked]))


@pytest.mark.parametrize("positions", [1, 2, 5, 7])
def test_chance_average_precision_is_the_mean_over_all_orders(positions):
    for relevant in range(1, positions + 1):
        found = []
        for ranks in itertools.combinations(range(1, positions + 1), relevant):
            found.append(np.mean([(hits + 1) / place for hits, place in enumerate(ranks)]))
        chance = chance_average_precision(relevant, positions)
        assert chance == pytest.approx(np.mean(found)), relevant


def test_equal_logits_of_an_example_have_equal_log_odds():
    shares = np.array([0.3, 0.2, 0.3, 0.2, 0.1, 0.3])
    odds = log_odds(np.log(shares / shares.sum())[None], False)[0]
    assert len(set(odds)) == 3 and odds.argmax() == 0
    logits = np.random.default_rng(0).normal(size=(50, 5)) * 4
    p = np.exp(log_softmax(logits, axis=1))
    assert np.allclose(log_odds(logits, False), np.log(p / (1 - p)))
    assert np.isposinf(log_odds(logits[:, :1], False)).all()


@pytest.mark.parametrize("levels", [1, 10**9])
def test_the_error_of_an_area_is_how_much_it_varies(levels):
    """Of one condition, of the mean of two that tell the same, and of folds."""
    found, means, folds = [], [], []
    for seed in range(600):
        scores, true = drawn(levels, 200, seed)
        both = roc_areas(np.stack([scores, -scores], axis=1), np.stack([true, ~true], axis=1))
        found.append(both[0][0])
        means.append(both[1])
        halves = [roc_areas(scores[k::2, None], true[k::2, None])[1] for k in range(2)]
        folds.append(mean_area(halves))
    scores, true = drawn(levels, 200, 0)
    assert found[0].value == pytest.approx(rank(scores, true).roc_auc, abs=1e-12)
    assert means[0] == pytest.approx(found[0], abs=1e-12), "no more is known of two than of one"
    for areas in (found, folds):
        values, errors = np.array(areas).T
        # a standard deviation of 600 values has an error of 3 %
        assert np.std(values) == pytest.approx(np.sqrt(np.mean(errors**2)), rel=0.12)


def test_areas_of_no_conditions_are_not_told():
    areas, mean = roc_areas(np.zeros((5, 2)), np.repeat([[1, 0]], 5, axis=0))
    assert areas == {} and np.isnan(mean.value)
