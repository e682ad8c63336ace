"""The answer on one screen: calibration, prevalence, the figure to decide by, and its sentences."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, brier_score_loss
from synthetic import CEILING, CHANCE, Truth, draw

from seqgra.compare.answer import answers, few_seeds
from seqgra.compare.calibration import brier_score, probabilities, reliability
from seqgra.compare.decide import statistics
from seqgra.compare.prevalence import prevalence_rows
from seqgra.compare.probes import Rules, rules_of_named
from seqgra.compare.standing import INTERVAL, RANGE, selected, standing
from seqgra.errors import InputError
from seqgra.plot.style import looks
from seqgra.report import _prevalence
from seqgra.report.answers import facts
from seqgra.report.figures.answer import answer_panels, with_texts
from seqgra.report.figures.calibration import draw_calibration, reliabilities
from seqgra.report.page import fill, plain_text

NO_RECOVERY = pd.DataFrame(columns=["grammar", "label", "size", "value", "examples"])
_CARD = ["grammar", "label", "size", "score", "property", "primary", "models", "probed"]
NO_CARD = pd.DataFrame(columns=_CARD)
NO_PREVALENCE = pd.DataFrame(columns=["scope"])
NO_LESS = pd.DataFrame(columns=["grammar", "knows", "metric", "value"])


def predictions(conditions=3, examples=400, seed=0):
    rng = np.random.default_rng(seed)
    true = np.eye(conditions, dtype=bool)[rng.integers(conditions, size=examples)]
    return 2 * rng.normal(size=true.shape) + 1.5 * true, true


def test_brier_and_reliability_are_scikit_learns():
    logits, true = predictions()
    p = probabilities(logits, "multi-class")
    np.testing.assert_allclose(p, softmax(logits, axis=1))
    wanted = np.mean([brier_score_loss(true[:, c], p[:, c]) for c in range(true.shape[1])])
    assert brier_score(p, true) == pytest.approx(wanted, abs=1e-12)
    observed, predicted = calibration_curve(true.ravel(), p.ravel(), n_bins=10)
    bins = reliability(p, true)
    np.testing.assert_allclose(bins["observed"], observed)
    np.testing.assert_allclose(bins["predicted"], predicted)
    assert bins["examples"].sum() == p.size


def test_true_probabilities_are_calibrated():
    rng = np.random.default_rng(1)
    p = softmax(2 * rng.normal(size=(40_000, 2)), axis=1)
    first = rng.random(len(p)) < p[:, 0]
    bins = reliability(p, np.column_stack([first, ~first]))
    error = np.sqrt(bins["predicted"] * (1 - bins["predicted"]) / (bins["examples"] / 2))
    assert (np.abs(bins["observed"] - bins["predicted"]) < 4.5 * error).all()


def test_prevalence_is_of_each_condition_in_turn_and_their_mean():
    logits, true = predictions()
    rows = {row[1]: row for row in prevalence_rows(logits, true, list("abc"), "multi-class", 0.01)}
    odds = np.log(softmax(logits, axis=1)) - np.log1p(-softmax(logits, axis=1))
    for number, name in enumerate("abc"):
        positives = true[:, number]
        weights = np.where(positives, 0.01 / positives.sum(), 0.99 / (~positives).sum())
        area = average_precision_score(positives, odds[:, number], sample_weight=weights)
        assert rows[name][2] == pytest.approx(area, abs=1e-12)
        assert rows[name][3:] == (positives.sum(), (~positives).sum())
    assert rows["macro"][2] == pytest.approx(np.mean([rows[name][2] for name in "abc"]))
    assert rows["macro"][4] == min(rows[name][4] for name in "abc")
    lacking = prevalence_rows(logits[:, :2], true[:, :2] & [True, False], "ab", "multi-label", 0.5)
    assert math.isnan(lacking[0][2]) and not math.isnan(lacking[1][2])
    assert prevalence_rows(logits * np.nan, true, "abc", "multi-class", 0.01) == []


@pytest.mark.parametrize("share", [0, 1, -0.1, "many", True, [0.1]])
def test_a_prevalence_that_is_no_share_is_refused(share, tmp_path):
    with pytest.raises(InputError, match=r"at_prevalence: is .*; expected a share such as 0\.01"):
        _prevalence({"at_prevalence": share}, tmp_path / "config.yaml")
    assert _prevalence({"at_prevalence": 0.01}, None) == 0.01
    assert _prevalence({}, None) is None


def known(truth, at=None):
    runs = draw(truth, 0).assign(backend="pytorch", architecture=lambda t: t["label"])
    runs.loc[runs["label"] == "words", "backend"] = "sklearn"
    return statistics(runs, {}, at)


def rows_of(found, recovery=NO_RECOVERY, card=NO_CARD, prevalence=NO_PREVALENCE):
    return standing(found, recovery, card, prevalence)


def test_standing_has_every_architecture_once_the_named_one_first():
    truth = Truth({"a": 1000.0, "b": 9000.0, "words": 20000.0}, grammars=2)
    found = known(truth, at=3000)
    recovery = pd.DataFrame(
        [("g000", "a", size, value, 40) for size, value in ((16000, 0.1), (32000, 0.4), (32000, 0.6))],
        columns=NO_RECOVERY.columns,
    )  # fmt: skip
    card = pd.DataFrame(
        [
            ("g000", "a", 32000, 0.7, "order", True, 3, 5),
            ("g000", "a", 32000, 0.1, "strand", False, 5, 5),
            ("g000", "b", 32000, 0.2, "order", True, 2, 5),
        ],
        columns=NO_CARD.columns,
    )
    keys = ["grammar", "size", "data_seed", "architecture", "backend", "model_seed"]
    rare = found.runs[keys].assign(scope="macro", prevalence=0.01, value=0.25, negatives=90)
    rows = rows_of(found, recovery, card, rare)
    assert len(rows) == 6 and rows.groupby("grammar")["named"].sum().tolist() == [1, 1]
    first = rows.iloc[0]
    decision = found.chosen[0]
    assert (first["label"], first["size"], first["shown"]) == (decision.label, 3000, decision.shown)
    assert first["mean"] == pytest.approx(decision.others["mean"].iloc[0])
    assert first["of"] == INTERVAL and first["low"] < first["mean"] < first["high"]
    assert (first["recovery"], first["explained"], first["rule"]) == (0.5, 40, 0.7)
    assert first["property"] == "order"
    assert rows["rule"].notna().sum() == 1, "a grade of two models of five is none"
    assert (first["recovery_size"], first["rule_size"]) == (32000, 32000), "not measured at 3,000"
    assert rows["rare"].tolist() == pytest.approx([0.25] * 6) and set(rows["negatives"]) == {90}
    assert rows["baseline"].tolist() == [label == "words" for label in rows["label"]]
    assert (rows["ceiling"] == CEILING).all() and (rows["chance"] == CHANCE).all()
    few = rows_of(known(Truth({"a": 1000.0, "b": 9000.0}, data_seeds=3)))
    assert set(few["of"]) == {RANGE} and not few["shown"].any()
    one = rows_of(known(Truth({"a": 1000.0}, data_seeds=1)))
    assert one["low"].isna().all() and one["of"].tolist() == [""]


def test_what_was_measured_at_the_asked_size_is_told_of_it():
    """Not of the largest, whose models know more."""
    found = known(Truth({"a": 1000.0, "b": 9000.0}), at=4000)
    sizes = ((4000, 0.1), (32000, 0.9))
    recovery = pd.DataFrame(
        [("g000", "a", size, value, 40) for size, value in sizes], columns=NO_RECOVERY.columns
    )
    card = pd.DataFrame(
        [("g000", "a", size, value, "order", True, 5, 5) for size, value in sizes],
        columns=NO_CARD.columns,
    )
    first = rows_of(found, recovery, card).iloc[0]
    assert (first["recovery"], first["rule"]) == (0.1, 0.1)
    assert (first["recovery_size"], first["rule_size"]) == (4000, 4000)
    card = card.assign(asked="asked", reason="", low=0.0, high=1.0, least=0.0, most=1.0)
    empty = pd.DataFrame(
        columns=[
            "grammar",
            "label",
            "size",
            "property",
            "level",
            "place",
            "gap_low",
            "gap_high",
            "score",
        ]
    )
    for size, score, words in (
        (4000, 0.1, "Probed, it is blind to their order (0.10)"),
        (3000, 0.9, "Probed after 32,000 examples, it knows their order (0.90)"),
    ):
        (rules,) = rules_of_named(card, empty, {"g000": ("a", size)}).values()
        assert (rules.known + rules.blind)[0][1] == score
        found = known(Truth({"a": 1000.0, "b": 9000.0}), at=size)
        assert words in said(found, rules={"g000": rules})


def test_the_screen_names_what_has_no_run_there_and_when_nothing_learnt():
    runs = draw(Truth({"a": 1000.0, "b": 1000.0, "c": 1000.0}), 0)
    runs = runs.assign(backend="pytorch", architecture=lambda t: t["label"])
    runs.loc[(runs["label"] == "b") & (runs["size"] == 32000), "status"] = "collapsed"
    gone = (runs["label"] == "c") & (runs["size"] == 32000)
    found = statistics(runs[~gone & ((runs["label"] != "a") | (runs["size"] < 32000))], {}, None)
    words = said(found)
    assert "No architecture learnt this at 32,000 examples" in words
    a_learns = statistics(runs[~gone], {}, None)
    named = a_learns.asked["g000"].label
    words = said(a_learns)
    assert "No architecture" not in words and "nothing is known there of c." in words
    assert ("5 of 5 runs did not learn" in words) == (named == "b")


def test_a_selection_keeps_the_named_the_next_two_and_the_best_baseline():
    truth = Truth({**{f"net{i}": 1000.0 * 2**i for i in range(9)}, "words": 9e5})
    rows = rows_of(known(truth))
    kept = selected(rows)
    assert kept["label"].tolist() == [*rows["label"].head(3), "words"]
    assert kept["named"].tolist() == [True, False, False, False]


@pytest.mark.parametrize("own_names", [False, True])
@pytest.mark.parametrize("long", [False, True])
def test_the_figure_has_a_row_each_and_nothing_leaves_it(own_names, long):
    names = [f"{'x' * 55 if long else 'net'}-{i}" for i in range(4)]
    truth = Truth({name: 1000.0 * 2**i for i, name in enumerate(names)}, grammars=3)
    found = known(truth)
    rows = with_texts(rows_of(found))
    figure = answer_panels(
        rows, looks(dict.fromkeys(names, "pytorch")), "title", own_names=own_names, rare="1 %"
    )
    figure.draw_without_rendering()
    for axis in figure.axes:
        box = axis.get_tightbbox()
        assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y0 >= -1
    first = figure.axes[0]
    drawn = [text.get_text() for text in first.texts]
    values = [f"{value:.3f}" for value in rows[rows["grammar"] == "g000"]["mean"]]
    assert sorted(text for text in drawn if text in values) == sorted(values)
    bold = {text.get_text() for text in first.texts if text.get_weight() == "bold"}
    assert values[0] in bold, "the one that is named"
    dots = [c.get_offsets()[0][0] for c in first.collections if len(c.get_offsets()) == 1]
    assert sorted(dots)[-1] == pytest.approx(rows[rows["grammar"] == "g000"]["mean"].max())


def test_three_grammars_and_six_architectures_leave_room_for_words_on_the_first_screen():
    names = [f"{'x' * 24}-{i}" for i in range(6)]
    rows = with_texts(rows_of(known(Truth(dict.fromkeys(names, 1000.0), grammars=3))))
    figure = answer_panels(rows, looks(dict.fromkeys(names, "pytorch")), "title", own_names=False)
    width, height = 96 * figure.get_size_inches()  # pixels of the page
    assert width < 1180 and height < 340, "of 1280 x 800"


def test_bins_of_few_predictions_are_open():
    bins = pd.DataFrame(
        {
            "grammar": "g", "label": "net", "scaled": False, "brier": 0.1,
            "predicted": [0.05, 0.5, 0.95], "observed": [0.0, 0.5, 1.0], "examples": [500, 4, 500],
        }
    )  # fmt: skip
    figure = reliabilities(bins, looks({"net": "pytorch"}), "title")
    filled, opened = figure.axes[0].collections
    assert len(filled.get_offsets()) == 2 and len(opened.get_offsets()) == 1
    assert opened.get_facecolor()[0].tolist() == [1, 1, 1, 1]
    assert "net: 0.100" in [text.get_text() for text in figure.axes[0].texts]


def test_the_exact_posterior_alone_has_no_figure_of_probabilities():
    table = pd.DataFrame({"backend": ["bayes-optimal"], "scaled": False, "size": 0})
    for own in (table, table.iloc[:0]):
        assert draw_calibration(SimpleNamespace(compared=SimpleNamespace(calibration=own))) == []


def test_the_mean_is_that_of_the_interval_where_seeds_have_unequal_numbers_of_runs():
    """Of nested seeds, data seeds are the trials: one with three model seeds counts once."""
    found = known(Truth({"a": 1000.0, "b": 9000.0}))
    runs = found.runs[found.runs["size"] == found.runs["size"].max()]
    lost = runs[(runs["label"] == "a") & (runs["data_seed"] == runs["data_seed"].min())]
    more = [lost.assign(model_seed=seed, value=0.9) for seed in (7, 8)]
    again = statistics(pd.concat([runs, *more]), {}, None)
    (row,) = rows_of(again).query("label == 'a'").to_dict("records")
    assert row["mean"] == pytest.approx((row["low"] + row["high"]) / 2)
    means = again.decisions[0].others.set_index("label")["mean"]
    assert row["mean"] == pytest.approx(means["a"])


def test_a_tie_goes_to_the_architecture_that_needs_fewer_examples():
    rows = [
        ("g", "slow", "pytorch", 1000, 0.70), ("g", "slow", "pytorch", 2000, 0.99),
        ("g", "fast", "pytorch", 1000, 0.97), ("g", "fast", "pytorch", 2000, 0.986),
        ("g", "weak", "pytorch", 1000, 0.98), ("g", "weak", "pytorch", 2000, 0.984),
    ]  # fmt: skip
    names = ["grammar", "architecture", "backend", "size", "value"]
    scores = pd.DataFrame(rows, columns=names).assign(
        metric="pr_auc",
        scope="micro",
        status="done",
        training_examples=1,
        data_seed=0,
        headline=True,
        chance=0.5,
    )
    runs = scores.assign(
        label=scores["architecture"],
        model_seed=0,
        seeds="nested",
        validation_loss=0.1,
        ceiling=np.nan,
    )
    found = statistics(runs, {}, None)
    (decision,) = found.decisions
    assert decision.label == "fast" and not decision.shown
    assert not decision.enough and decision.seeds == 1
    (answer,) = answers(rows_of(found), found, NO_LESS, {}, {})
    assert answer.level and answer.next == "slow" and answer.gap < 0
    said = plain_text("sentences.j2", "claim", facts(decision, found))
    assert said.startswith("1 data seed cannot show that it is the best")


def said(found, less=NO_LESS, rules=None):
    """Return what the first screen says, in one line."""
    rows = rows_of(found)
    context = {
        "key": "answer", "cells": 1, "missing": 0, "spared": 0, "pictures": [],
        "few": few_seeds(found), "answers": answers(rows, found, less, {}, rules or {}),
    }  # fmt: skip
    return " ".join(fill("screen.html.j2", context).split())


def test_the_screen_says_use_only_where_it_is_shown():
    clear = said(known(Truth({"a": 1000.0, "b": 20000.0}), at=3000))
    assert (
        "Use <strong>a</strong>: PR AUC 0." in clear and "at 3,000 examples, ceiling 0.980" in clear
    )
    assert "every other is shown to be worse, the next, b, by 0." in clear
    assert "Twice the data (6,000 examples) would change it by +0." in clear
    assert "(95 % interval +0." in clear and "Fewer than" not in clear
    few = said(known(Truth({"a": 1000.0, "b": 20000.0}, data_seeds=2), at=3000))
    assert few.count("Fewer than 5 data seeds: no intervals, and no architecture is shown") == 1
    assert "Try first <strong>a</strong>" in few and "the next, b, has 0." in few
    assert "95 % interval" not in few and "chance" not in few
    alike = said(known(Truth({"a": 1000.0, "b": 1000.0}), at=3000))
    assert "may be as good." in alike
    beyond = said(known(Truth({"a": 1000.0}, sizes=(500, 1000, 2000))))
    assert "the grid does not say: add 4,000 to <code>sizes</code>." in beyond


def test_the_screen_counts_the_seeds_of_the_size_that_is_asked_for():
    """Of the largest size fewer data seeds may be done."""
    runs = draw(Truth({"a": 1000.0, "b": 20000.0}), 0)
    runs = runs.assign(backend="pytorch", architecture=lambda t: t["label"])
    runs = runs[(runs["size"] < 32000) | (runs["data_seed"] < 2)]
    words = said(statistics(runs, {}, 4000))
    assert "Use <strong>a</strong>" in words and "Fewer than" not in words
    assert "Fewer than 5 data seeds" in said(statistics(runs, {}, None))


def test_the_screen_names_a_shortcut_and_what_it_is_blind_to():
    less = pd.DataFrame(
        [
            ("g000", knows, metric, value)
            for knows, value in (("everything", 0.98), ("composition", 0.6), ("one position", 0.97),
                                 ("best scores", 0.98))
            for metric in ("pr_auc", "pr_auc_micro")
        ],
        columns=NO_LESS.columns,
    )  # fmt: skip
    found = known(Truth({"a": 1000.0, "b": 20000.0}), at=3000)
    words = said(found, less)
    assert (
        "A classifier that knows only where one element lies reaches a PR AUC of 0.97 here."
        in words
    )
    both = said(found, less, {"g000": Rules((), (), (("their order", 0.02),), size=3000)})
    assert "Probed, it is blind to their order (0.02) (1: as the best possible" in both
    assert (
        "not at all); a classifier that knows only where one element lies reaches a PR AUC of 0.97 here."
        in both
    )
    assert "knows only" not in said(found, less[less["knows"] != "one position"].head(4))


def test_the_page_names_the_sizes_that_would_tell_and_the_size_of_what_was_measured():
    """At a size across a gap both sizes lack; recovery of another size names it as a whole number."""
    found = known(Truth({"a": 1000.0}, sizes=(1000, 64000)), at=3000)
    assert "add 3,000 and 6,000 to <code>sizes</code>." in said(found)
    both = known(Truth({"a": 1000.0, "b": 9000.0}), at=3000)
    recovery = pd.DataFrame([("g000", "a", 32000, 0.5, 40)], columns=NO_RECOVERY.columns)
    row = rows_of(both, recovery).iloc[0]
    words = plain_text("sentences.j2", "recovery", {**row, "annotation": "", "top_recovery": None})
    assert "Of 32,000 examples its grammar recovery is 0.50" in words


def test_no_seeds_are_advised_where_only_runs_lack():
    runs = draw(Truth({"a": 500.0, "b": 20000.0}), 0)
    runs = runs.assign(backend="pytorch", architecture=lambda t: t["label"])
    for planned in (["a", "b"], ["a", "b", "c"]):
        found = statistics(runs, {}, 2000, (), {"g000": planned})
        decision = found.asked["g000"]
        assert decision.open == () and facts(decision, found)["more_seeds"] is None
