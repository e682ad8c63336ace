"""Decisions, variants of grammars, words and confusion: small cases with known answers."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import CEILING, CHANCE, Truth, draw

from seqgra.compare.answer import few_seeds
from seqgra.compare.decide import statistics
from seqgra.compare.ranking import across
from seqgra.compare.runs import at_size
from seqgra.compare.variants import families, one_field_changes, stability, wrong_labels
from seqgra.errors import InputError
from seqgra.grammar.load import load_grammar
from seqgra.grid import Grid
from seqgra.report.answers import facts
from seqgra.report.drawing import file_name
from seqgra.report.figures.calibration import pooled
from seqgra.report.figures.confusion import condition_order, confusion
from seqgra.report.figures.overview import explanations
from seqgra.report.page import caption, fill, plain_text
from seqgra.report.sections.best import family_facts

GRAMMARS = Path(__file__).parents[1] / "grammars"


def known(truth, at=None, seed=0, grammars=None):
    runs = draw(truth, seed).assign(backend="pytorch", architecture=lambda t: t["label"])
    return statistics(runs, grammars or {}, at)


def say(sentence, decision, known):
    """Return one of sentences.j2 as plain text."""
    return plain_text("sentences.j2", sentence, facts(decision, known))


def test_the_best_is_used_only_if_shown():
    clear = known(Truth({"a": 1000.0, "b": 20000.0}), at=3000)
    (decision,) = clear.decisions
    assert (decision.label, decision.worse, decision.open) == ("a", ("b",), ())
    assert decision.shown
    assert "Shown to be better than every other architecture over 5 data seeds" in say(
        "claim", decision, clear
    )
    assert say("summary", clear.chosen[0], clear).startswith("Use a, PR AUC 0.")
    few = known(Truth({"a": 1000.0, "b": 20000.0}, data_seeds=2), at=3000)
    (decision,) = few.decisions
    assert not decision.shown
    behind = decision.others["behind"].iloc[1]
    assert say("claim", decision, few) == (
        f"2 data seeds cannot show that it is the best. It is ahead of b by {behind:.3f}."
    )
    words = say("summary", decision, few) + say("summary", few.chosen[0], few)
    assert "interval" not in words
    assert "bootstrap" not in words


def test_nothing_is_shown_of_what_has_no_run_there():
    """An adaptive grid asked at another size, and a grid that is not done yet."""
    runs = draw(Truth({"good": 500.0, "middle": 4000.0, "bad": 20000.0}), 0)
    runs = runs.assign(backend="pytorch", architecture=lambda t: t["label"])
    spared = (runs["label"] == "good") & runs["size"].between(2000, 16000)
    late = (runs["label"] == "good") & (runs["size"] == 32000)
    for gone, at, planned in (
        (spared, 4000, None),
        (late, None, None),
        (runs["label"] == "good", None, {"g000": ["good", "middle", "bad"]}),
    ):
        found = statistics(runs[~gone], {}, at, (), planned)
        decision = found.asked["g000"]
        assert (decision.label, decision.absent, decision.open) == ("middle", ("good",), ())
        assert not decision.shown
        words = say("claim", decision, found)
        assert "better than every other architecture that has runs there" in words
        assert words.endswith("Not compared, for want of a finished run there: good.")
    assert statistics(runs, {}, 4000).asked["g000"].absent == ()


def test_a_difference_that_counts_as_none_is_not_shown():
    """Data seeds share a test set: a difference below its error may be its own."""
    runs = draw(Truth({"a": 1000.0, "b": 1000.0}, of_seed=0, of_own_seed=0, of_run=0), 0)
    for behind, shown in ((1e-6, False), (0.004, False), (0.006, True)):
        same = runs.assign(value=runs.groupby(["size", "data_seed"])["value"].transform("first"))
        value = same["value"] - np.where(runs["label"] == "a", 0, behind + 1e-9 * runs["data_seed"])
        found = statistics(runs.assign(value=value), {}, None)
        (decision,) = found.decisions
        assert decision.shown == shown and decision.others["p"].iloc[1] < 1e-6
        assert ("Shown to be better" in say("claim", decision, found)) == shown


def test_who_differs_from_the_first_over_grammars_is_told_by_its_own_tests():
    """A steady second may differ where an erratic third does not."""
    r = np.random.default_rng(5)
    steady = 0.9 + r.normal(0, 0.002, 10)
    means = {"a": steady, "b": steady - 0.02 + r.normal(0, 0.004, 10)}
    means["c"] = steady - 0.02 + r.normal(0, 0.08, 10)
    found = across(pd.DataFrame(means, index=[f"g{i}" for i in range(10)]))
    p = {row.label + row.other: row.p for row in found.p_values.itertuples()}
    assert list(found.ranks.index) == ["a", "b", "c"]
    assert p["ab"] <= 0.05 < p["ac"]
    facts_of = family_facts("all grammars", found)
    assert (facts_of["alike"], facts_of["beaten"]) == (["c"], 1)
    context = {
        "families": [facts_of],
        "alpha": 0.05,
        "pictures": [],
        "variance": [],
        "stability": [],
    }
    words = " ".join(fill("best.html.j2", context | {"key": "best", "share": ""}).split())
    assert "not significantly different from c; 1 of the 2 others differ significantly" in words


def test_ceilings_are_named_and_perfect_scores_too():
    world = known(Truth({"a": 1000.0}))
    assert "from chance to the ceiling, PR AUC 0.932" in say("needed", world.decisions[0], world)
    runs = world.runs.assign(ceiling=math.nan)
    unknown = statistics(runs, {}, None)
    words = say("needed", unknown.decisions[0], unknown)
    assert "to a perfect score (the ceiling is unknown), PR AUC 0.950" in words


def test_values_at_a_size_are_linear_in_log_size():
    runs = draw(Truth({"a": 1000.0}, data_seeds=2), 0)
    exact = at_size(runs, 2000).set_index("data_seed")["value"]
    whole = runs.set_index(["data_seed", "size"])["value"]
    assert exact[0] == whole[0, 2000]
    between = at_size(runs, 3000).set_index("data_seed")["value"]
    share = math.log2(1.5)
    assert between[1] == pytest.approx((1 - share) * whole[1, 2000] + share * whole[1, 4000])
    assert at_size(runs, 100).empty
    assert at_size(runs, 100_000).empty
    diverged = runs.assign(value=runs["value"].where(runs["data_seed"] == 0), status="diverged")
    assert at_size(diverged, 2000).set_index("data_seed")["value"][1] == CHANCE
    unknown = runs.assign(value=runs["value"].where(runs["data_seed"] == 0))
    assert math.isnan(at_size(unknown, 2000).set_index("data_seed")["value"][1])


def test_doubling_is_measured_within_the_grid_and_fitted_beyond_it():
    truth = Truth({"a": 4000.0}, of_seed=0, of_own_seed=0, of_run=0, noise=0)
    inside = known(truth, at=4000).doubling["g000"]
    assert inside.of == "interval"
    rise = [0.48 / (1 + 2 ** (-1.5 * step)) for step in (0, 1)]
    assert inside.gain == pytest.approx(rise[1] - rise[0])
    beyond = known(truth, at=32000).doubling["g000"]
    assert beyond.of == "extrapolated"
    rise = [0.48 / (1 + 2 ** (-1.5 * step)) for step in (3, 4)]
    assert beyond.gain == pytest.approx(rise[1] - rise[0], abs=0.004)


def test_no_more_is_gained_than_the_ceiling_leaves():
    """A curve through a late jump runs below what the largest size reached."""
    runs = draw(Truth({"a": 4000.0}, of_seed=0, of_own_seed=0, of_run=0, noise=0), 0)
    runs["value"] = np.where(
        runs["size"] < 32000, 0.7 + 0.2 * np.log(runs["size"]) / 11, CEILING - 0.002
    )
    gain = statistics(runs, {}, 32000).doubling["g000"]
    assert gain.of == "extrapolated" and 0 <= gain.gain <= 0.002 + 1e-9


def test_a_simulated_counterpart_shows_what_twice_a_real_dataset_would_gain():
    """Real runs end at 2,000; simulated ones of the same conditions go on, or not."""
    truth = Truth({"a": 4000.0}, of_seed=0, of_own_seed=0, of_run=0, noise=0)
    simulated = draw(truth, 0).assign(backend="pytorch", architecture="a")
    real = simulated[simulated["size"] <= 2000].assign(grammar="mine")
    grammar = load_grammar(GRAMMARS / "mc2-dna150-homer.yaml")
    other = load_grammar(GRAMMARS / "sox2-pou5f1.yaml")
    for most, twin, expected in (
        (32000, grammar, "On the simulated g000: +0."),
        (2000, grammar, "The simulated g000 can show what 4,000 would gain: add it to `sizes`."),
        (32000, other, ""),
    ):
        runs = pd.concat([simulated[simulated["size"] <= most], real], ignore_index=True)
        found = statistics(runs, {"g000": twin, "mine": grammar}, 2000, ["mine"])
        (decision,) = [d for d in found.chosen if d.grammar == "mine"]
        words = say("summary", decision, found)
        assert ("imulated" in words) == bool(expected)
        assert expected in words
        if "+0." in expected:
            gain = found.simulated_doubling["mine"]["g000"].gain
            rise = [0.48 / (1 + 2 ** (-1.5 * step)) for step in (-1, 0)]
            assert gain == pytest.approx(rise[1] - rise[0])
    assert found.simulated_doubling == {"mine": {}}


def test_recovery_is_of_so_many_explanations_of_each_dataset():
    more = {
        "metric": "auroc",
        "method": "saliency",
        "annotations": {},
        "undefined": [],
        "gate": None,
    }
    rows = [("a", 100, 0), ("real", 74, 56), ("b", 100, 0), ("b", 90, 0)]
    shown = pd.DataFrame(rows, columns=["grammar", "examples", "left_out"])
    words = caption("recovery", explanations=explanations(shown), **more)
    assert (
        "all models share: on real 74 explanations (56 more have no grammar position); on a, b 100 "
        "explanations. 1:"
    ) in words
    alike = explanations(shown[shown["grammar"] != "real"])
    words = caption("recovery", explanations=alike, **more)
    assert "share: on 100 explanations. 1:" in words


def variant(text, tmp_path, name):
    file = tmp_path / f"{name}.yaml"
    file.write_text(text)
    return load_grammar(file)


BASE = """
description: {name}
window: {window}
elements: {{a: {{kmers: {{ACGTACGT: 1}}}}, b: {{kmers: {{TTGACCAA: 1}}}}}}
conditions:
  one: {{rules: [{{elements: [a], copies: {copies}}}]}}
  two: {{rules: [{{elements: [b], copies: {copies}}}]}}
noise: {{labels: {{one: {noise}, two: {noise}}}}}
"""


@pytest.fixture
def variants(tmp_path):
    facts = {
        "base": (100, 1, 0.0),
        "wide": (200, 1, 0.0),
        "twice": (100, 2, 0.0),
        "noisy": (100, 1, 0.1),
        "both": (200, 2, 0.0),
    }
    return {
        name: variant(BASE.format(name=name, window=w, copies=c, noise=n), tmp_path, name)
        for name, (w, c, n) in facts.items()
    }


def test_grammars_that_differ_in_one_field_are_found(variants):
    found = {(c.grammar, c.other): c.field for c in one_field_changes(variants)}
    assert found == {
        ("base", "wide"): "window",
        ("base", "twice"): "rules: copies",
        ("base", "noisy"): "noise",
        ("both", "wide"): "rules: copies",
        ("both", "twice"): "window",
    }
    family = families([*variants, "other"], one_field_changes(variants))
    assert len(set(family.values())) == 2
    assert family["other"] == "other"
    assert wrong_labels(variants, one_field_changes(variants)) == [{"base": 0.0, "noisy": 0.1}]


def test_a_variant_differs_in_what_was_changed_although_its_numbers_are_rounded_anew(tmp_path):
    row = [0.571, 0.008, 0.138, 0.283]  # sums to 1 - 1e-16, and to 1 + 2e-16 when divided by it
    pair = {}
    for name, noise, numbers in (
        ("base", 0, row),
        ("noisy", 0.1, [value / math.fsum(row) for value in row]),
    ):
        text = BASE.format(name=name, window=100, copies=1, noise=noise)
        text = text.replace("{kmers: {ACGTACGT: 1}}", f"{{matrix: [{numbers}]}}")
        pair[name] = variant(text, tmp_path, name)
    assert pair["base"].elements["a"].matrix != pair["noisy"].elements["a"].matrix
    assert [change.field for change in one_field_changes(pair)] == ["noise"]


def test_stability_is_kendalls_tau_of_the_means(variants):
    values = pd.DataFrame(
        {"a": [0.9, 0.6], "b": [0.8, 0.7], "c": [0.7, 0.8]}, index=["base", "wide"]
    )
    (row,) = stability(values, one_field_changes(variants)).to_dict("records")
    assert (row["tau"], row["labels"], row["best"], row["best_other"]) == (-1, 3, "a", "c")
    assert row["shift"] == pytest.approx(0.3)


def test_confusion_counts_shares_of_each_condition():
    logits = np.array([[2.0, 1, 0], [0, 3, 1], [0, 1, 2], [5, 0, 0]])
    y = np.eye(3)[[0, 0, 2, 1, 1]]
    assert confusion(logits, y).tolist() == [[0.5, 0.5, 0], [1, 0, 0], [0, 0, 1]]


def test_conditions_with_like_elements_are_neighbours(tmp_path):
    grammar = variant(
        """
window: 60
elements:
  a: {kmers: {ACGTACGTAC: 1}}
  b: {kmers: {TTGGCCAATT: 1}}
  c: {kmers: {ACGTACGTAA: 1}}
  d: {kmers: {TTGGCCAATA: 1}}
conditions:
  a: {rules: [{elements: [a]}]}
  b: {rules: [{elements: [b]}]}
  c: {rules: [{elements: [c]}]}
  d: {rules: [{elements: [d]}]}
""",
        tmp_path,
        "likes",
    )
    order = condition_order(grammar).tolist()
    pairs = {frozenset(order[:2]), frozenset(order[2:])}
    assert pairs == {frozenset({0, 2}), frozenset({1, 3})}
    for file in sorted(GRAMMARS.glob("mc1*.yaml")):
        shipped = load_grammar(file)
        assert sorted(condition_order(shipped)) == list(range(len(shipped.conditions)))


def test_a_size_outside_the_grid_is_refused():
    from seqgra.compare.comparison import _checked

    status = pd.DataFrame({"size": [0, 500, 4000]})
    assert _checked(600, status) == 600
    with pytest.raises(InputError, match=r"outside the grid's sizes \(500 to 4,000\)"):
        _checked(100, status)
    for wrong in ("2000", 1500.5, True):
        with pytest.raises(InputError, match=r"^at: is .*; give a whole number from 1$"):
            _checked(wrong, status)
    config = {
        "name": "t", "grammars": ["toy5-order"], "architectures": ["fc10"], "sizes": [500, 4000],
    }  # fmt: skip
    roots = (GRAMMARS.parent,)
    assert Grid({**config, "at": 600}, "config", roots).config.at == 600
    with pytest.raises(
        InputError, match=r"at: is 5000; expected a size within the grid's, 500 to 4000"
    ):
        Grid({**config, "at": 5000}, "config", roots)


def runs_of(values, ceiling=0.99):
    """Return runs of (grammar, label, size, data seed) -> value; one model seed."""
    keys = ["grammar", "label", "size", "data_seed"]
    runs = pd.DataFrame([(*key, value) for key, value in values.items()], columns=[*keys, "value"])
    own = {"model_seed": 0, "status": "done", "seeds": "nested", "backend": "pytorch"}
    loss = runs["value"].fillna(0.0).rsub(1)
    return runs.assign(
        **own, architecture=runs["label"], validation_loss=loss, chance=0.5, ceiling=ceiling
    )


def noisy(means, seeds, scale=0.001):
    """Return what `runs_of` takes: (grammar, label, size) -> mean, over the data seeds of its label."""
    draw = np.random.default_rng(1)
    return {
        (*key, s): mean + draw.normal(0, scale)
        for key, mean in means.items()
        for s in seeds[key[1]]
    }


def test_who_was_not_run_below_its_smallest_size_is_not_said_to_need_the_fewest():
    curve = {500: 0.6, 1000: 0.8, 2000: 0.95, 4000: 0.97, 8000: 0.98}
    means = {("g", "a", size): value for size, value in curve.items()}
    later = means | {("g", "b", 8000): 0.983}
    found = statistics(runs_of(noisy(later, {"a": range(6), "b": range(6)})), {}, None)
    (decision,) = found.decisions  # level, and b may or may not do with 500
    assert (decision.label, decision.fewest) == ("a", {})
    slow = {("g", "a", size): 0.6 + 0.01 * n for n, size in enumerate(curve)}
    slow |= {("g", "a", 8000): 0.98, ("g", "b", 4000): 0.97, ("g", "b", 8000): 0.98}
    found = statistics(runs_of(noisy(slow, {"a": range(6), "b": range(6)})), {}, None)
    assert found.decisions[0].label == "b"  # at most 4,000, where a needs more


def test_architectures_with_other_seeds_are_compared_over_those_they_share():
    hard = {seed: -0.08 * (seed > 4) for seed in range(10)}
    values = {("g", "a", 8000, seed): 0.94 + 0.0001 * seed for seed in range(5)}
    values |= {("g", "b", 8000, seed): 0.96 + hard[seed] - 0.0001 * seed for seed in hard}
    found = statistics(runs_of(values), {}, None)
    (decision,) = found.decisions
    assert (decision.label, decision.shown) == ("b", True)
    assert decision.others["mean"].iloc[0] < decision.others["mean"].iloc[1]
    apart = {("g", "a", 8000, 0): 0.9, ("g", "b", 8000, 1): 0.8}
    assert statistics(runs_of(apart), {}, None).decisions[0].label == "a"


@pytest.mark.parametrize("again", [1, 2])
def test_one_program_of_few_seeds_takes_nothing_from_the_others(again):
    grammars = [f"g{n}" for n in range(8)]
    levels = {"a": 0.98, "b": 0.93, "c": 0.90}
    means = {(g, label, 8000): level for g in grammars for label, level in levels.items()}
    seeds = dict.fromkeys(levels, range(10)) | {"program": range(again)}
    found = statistics(runs_of(noisy(means | {("g0", "program", 8000): 0.95}, seeds)), {}, None)
    decision = found.asked["g0"]
    assert (decision.shown, decision.enough, decision.worse) == (False, True, ("b", "c"))
    words = say("claim", decision, found)
    assert words.startswith(
        "Over 10 data seeds it is not shown to be better than program (behind by"
    )
    assert "Shown to be worse: b (behind by" in words
    assert few_seeds(found) is None
    over = found.across["all grammars"]
    assert (len(over.grammars), over.left_out) == (8, ("program",))
    assert "Left out, since most grammars have no runs of it there: program." in fill(
        "best.html.j2", best_facts(found)
    )


def best_facts(known):
    families = [family_facts(name, own) for name, own in known.across.items()]
    empty = {"pictures": [], "variance": [], "stability": [], "largest": 8000, "key": "best"}
    grammars = known.runs["grammar"].nunique()
    counts = {"alpha": 0.05, "fewest_seeds": 5, "fewest_model_seeds": 3, "at": known.at}
    return {"families": families, "grammars": grammars, **counts, **empty}


def test_one_grammar_alone_is_said_of_one_grammar_only():
    one = statistics(runs_of({("g", "a", 100, 0): 0.9, ("g", "b", 100, 0): 0.8}), {}, None)
    assert "One grammar alone" in fill("best.html.j2", best_facts(one))
    two = statistics(runs_of({("g", "a", 100, 0): 0.9, ("h", "b", 100, 0): 0.8}), {}, None)
    assert "no two of them have runs of the same architectures" in fill(
        "best.html.j2", best_facts(two)
    )


def test_every_grammar_is_read_between_its_own_sizes():
    means = {
        (g, label, size): 0.9 - 0.05 * (label == "b") + 0.01 * n
        for g, sizes in {
            "g0": (500, 1000, 2000, 4000),
            "g1": (1000, 4000),
            "g2": (1000, 4000),
        }.items()
        for n, size in enumerate(sizes)
        for label in "ab"
    }
    found = statistics(runs_of(noisy(means, dict.fromkeys("ab", range(5)))), {}, 2000)
    assert set(at_size(found.runs, 2000)["grammar"]) == {"g0", "g1", "g2"}
    assert found.across["all grammars"].grammars == ["g0", "g1", "g2"]


def test_one_data_seed_says_nothing_of_how_many_it_takes():
    draw = np.random.default_rng(3)
    rows = [
        (g, label, 8000, 0, m, 0.9 + draw.normal(0, 0.03))
        for g in "ghij"
        for label in "ab"
        for m in range(3)
    ]
    columns = ["grammar", "label", "size", "data_seed", "model_seed", "value"]
    runs = pd.DataFrame(rows, columns=columns)
    plain = runs_of({("g", "a", 8000, 0): 0.9}).iloc[0]
    for name in ("status", "seeds", "backend", "chance", "ceiling"):
        runs[name] = plain[name]
    runs = runs.assign(architecture=runs["label"], validation_loss=0.1)
    found = statistics(runs, {}, None)
    assert all(facts(decision, found)["more_seeds"] is None for decision in found.decisions)


def test_a_ranking_of_crossed_seeds_does_not_name_wilcoxon():
    assert "Wilcoxon" in caption("ranking", grammars=8, least=0.02, crossed=False)
    words = caption("ranking", grammars=8, least=0.0, crossed=True)
    assert "Wilcoxon" not in words and "at the least" not in words


def test_the_caption_of_the_answer_tells_intervals_from_ranges():
    facts_ = {"selected": False, "runs": [5], "method": "m", "recovery": [], "explained": []}
    facts_ |= {"recovery_at": [], "rule": False, "rule_at": [], "rare": None}
    words = {
        spans: caption("answer", spans=spans, **facts_) for spans in ("intervals", "ranges", "both")
    }
    assert "95 %" in words["intervals"] and "range" not in words["intervals"].split("Examples")[0]
    assert "95 %" not in words["ranges"]
    assert "95 % intervals of the mean, or the range of runs" in words["both"]


def test_bins_of_several_runs_count_by_their_predictions():
    rows = [
        ("g", "a", "pytorch", False, 0.5, seed, 0, 0.55, observed, examples, 0.1, 8000)
        for seed, observed, examples in ((0, 1.0, 1), (1, 550 / 999, 999))
    ]
    names = ["grammar", "label", "backend", "scaled", "low", "data_seed", "model_seed"]
    names += ["predicted", "observed", "examples", "brier", "size"]
    (row,) = pooled(pd.DataFrame(rows, columns=names)).to_dict("records")
    assert (row["examples"], round(row["observed"], 4)) == (1000, 0.551)
    assert round(row["predicted"], 6) == 0.55


def test_simulated_and_real_without_an_order_say_so():
    values = {("g", label, 100, s): 1.0 for label in "abc" for s in range(5)}
    values |= {
        ("real", label, 100, s): 0.5 + 0.1 * n for n, label in enumerate("abc") for s in range(5)
    }
    found = statistics(runs_of(values), {}, None, real=["real"])
    (pair,) = found.concordance.to_dict("records")
    assert math.isnan(pair["tau"]) and math.isnan(pair["same_best"])
    facts_ = {"shown": [pair], "rows": [], "pictures": [], "many": 9, "key": "real"}
    words = fill("real.html.j2", facts_)
    assert "have no order of 3" in words and "highest mean on both" not in words


def test_names_that_differ_in_a_plus_have_figures_of_their_own():
    assert len({file_name(name) for name in ("a+b", "a-b", "a.b", "a_b")}) == 4
