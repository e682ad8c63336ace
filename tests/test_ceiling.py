"""The exact posterior as a model, a cell of the grid, a line of figures, and a ceiling."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from seqgra.architecture.load import load_architecture, resolve_architecture
from seqgra.attribute import attribute
from seqgra.compare.ceiling import (
    RESTRICTED,
    Exact,
    ceiling_facts,
    exact_of,
    regret_rows,
    restricted,
    within_class_spearman,
)
from seqgra.compare.cells import CellResults
from seqgra.dataset import open_dataset
from seqgra.errors import InputError
from seqgra.evaluate import evaluate
from seqgra.fingerprint import read_run
from seqgra.grammar.load import load_grammar, resolve
from seqgra.grid import Grid, commands
from seqgra.law.ceiling import ceiling
from seqgra.law.law import compile_law, draw_block
from seqgra.law.posterior import FLOOR_LOG, compile_posterior
from seqgra.law.restricted import KNOWLEDGE, restricted_ceilings
from seqgra.metrics import log_odds
from seqgra.model import open_model
from seqgra.report.page import plain_text
from seqgra.results import read_scores
from seqgra.simulate import simulate
from seqgra.train import train
from seqgra.training import fit_temperature, mean_loss


@pytest.fixture(scope="module")
def posterior_model(tiny_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exact") / "model"
    assert train(tiny_dataset, "bayes-optimal", folder, size=None, seed=0) == "done"
    return folder


def test_model_is_made_without_training(posterior_model, tiny_dataset):
    run = read_run(posterior_model)
    assert (run["kind"], run["notes"]) == ("exact", [])
    assert train(tiny_dataset, "bayes-optimal", posterior_model, size=500, seed=9) == "up to date"
    model = open_model(posterior_model, run, open_dataset(tiny_dataset))
    x = open_dataset(tiny_dataset).x("test", 50)
    expected = compile_posterior(open_dataset(tiny_dataset).grammar).log_posterior(np.array(x))[0]
    np.testing.assert_allclose(
        model.logits(np.array(x)), np.maximum(expected, FLOOR_LOG), atol=1e-4
    )


def test_other_models_take_all_examples_without_a_size(tiny_dataset, tmp_path):
    folder = tmp_path / "m"
    assert train(tiny_dataset, "kmer-logistic-regression", folder, size=None, seed=0) == "done"
    every = sum(open_dataset(tiny_dataset).counts.values())
    assert read_run(folder)["options"]["size"] == every
    assert (
        train(tiny_dataset, "kmer-logistic-regression", folder, size=every, seed=0) == "up to date"
    )


def test_it_is_evaluated_and_attributed_like_any_model(posterior_model, tiny_dataset, tmp_path):
    assert evaluate(posterior_model, tiny_dataset, tmp_path / "s") == "done"
    metrics = json.loads((tmp_path / "s" / "scores.json").read_text())["metrics"]
    assert metrics["roc_auc"]["macro"] > 0.9999  # two 8-letter words in 40 letters
    method = {"method": "gradient-x-input"}
    method["examples"] = 20
    assert attribute(posterior_model, tiny_dataset, tmp_path / "a", **method) == "done"
    recovery = json.loads((tmp_path / "a" / "recovery.json").read_text())["recovery"]
    assert recovery["ap"]["macro"] > 0.85  # near matches speak against the other condition


def test_law_is_one_of_three_sets():
    assert load_architecture("bayes-optimal").law == "test"
    content = {"backend": "bayes-optimal", "law": "training"}
    assert resolve_architecture(content, "a.yaml").law == "training"
    with pytest.raises(InputError, match="law"):
        resolve_architecture({"backend": "bayes-optimal", "law": "all"}, "a.yaml")


def test_grid_has_one_cell_a_grammar():
    config = {
        "name": "g",
        "grammars": ["toy5-order", "toy6-spacing"],
        "architectures": {"bayes-optimal": {}, "fc10": {}},
        "sizes": [100, 200],
        "data_seeds": [1, 2],
    }
    grid = Grid(config, "config")
    cells = [cell for cell in grid.cells if cell.backend == "bayes-optimal"]
    assert [cell.path for cell in cells] == [
        "toy5-order/bayes-optimal",
        "toy6-spacing/bayes-optimal",
    ]
    pack = next(name for name in grid.packs if name.startswith("toy5-order/bayes-optimal"))
    (line,) = commands.lines(grid, "train", pack).splitlines()[1:]
    assert "--size" not in line
    assert "data/toy5-order/test" in line
    assert len(grid.cells) == 2 + 2 * 2 * 2


def test_agreement_is_within_conditions():
    draw = np.random.default_rng(0)
    y = np.repeat([0, 1], 200)
    truth = np.eye(2, dtype=bool)[y]
    best = draw.normal(size=(400, 2)) + 5 * truth
    exact = Exact("b", "exact", best.astype(np.float32), {}, truth, "multi-class")
    shuffled = best.copy()
    for label in (0, 1):  # the same separation of conditions, no order within
        rows = np.flatnonzero(y == label)
        shuffled[rows] = best[draw.permutation(rows)]
    assert within_class_spearman(best.astype(np.float32), exact) == pytest.approx(1)
    assert abs(within_class_spearman(shuffled.astype(np.float32), exact)) < 5.2 / np.sqrt(199)
    odds = log_odds(best, False)
    expected = [spearmanr(odds[y == c, c], (best[:, c] - best[:, 1 - c])[y == c]) for c in (0, 1)]
    assert all(found.statistic == pytest.approx(1) for found in expected)


def test_ceiling_of_a_weak_grammar():
    """One of two letters at a fixed place: p = 0.7 or 0.3, so everything is known."""
    content = {
        "window": 3,
        "elements": {
            "a": {"matrix": [[0.7, 0.3, 0, 0]]},
            "b": {"matrix": [[0.3, 0.7, 0, 0]]},
        },
        "conditions": {
            "one": {"rules": [{"elements": ["a"], "position": 2}]},
            "two": {"rules": [{"elements": ["b"], "position": 2}]},
        },
    }
    found = ceiling(resolve(content, "weak.yaml", None), 4000, seed=1)
    assert (found.kind, found.examples) == ("exact", 4000)
    entropy = -0.7 * np.log(0.7) - 0.3 * np.log(0.3)
    assert found.entropy.value == pytest.approx(entropy)  # the same for every example
    # bounds of 5.2 standard errors: 1e-6 for both tests
    assert abs(found.accuracy.value - 0.7) < 5.2 * np.sqrt(0.21 / 4000)
    assert abs(found.roc_auc.value - 0.7) < 5.2 * found.roc_auc.error
    assert 0.004 < found.roc_auc.error < 0.012


def test_restricted_ceilings_tell_what_a_grammar_needs():
    knows = ["composition", "one position", "additive positions"]
    found = restricted_ceilings(load_grammar_named("mc2-dna150-order"), 400, knows=knows)
    assert list(found) == knows
    assert found["composition"].roc_auc.value < 0.68
    assert found["additive positions"].roc_auc.value > 0.95
    best = found["one position"].roc_auc.value
    assert found["additive positions"].roc_auc.value >= best - 0.02
    assert 0 < found["composition"].roc_auc.error < 0.05


def load_grammar_named(name):
    from conftest import REPOSITORY

    return load_grammar(REPOSITORY / "grammars" / f"{name}.yaml")


@pytest.mark.parametrize("task", ["multi-class", "multi-label"])
def test_temperature_mends_what_was_scaled(task):
    """Labels drawn from the probabilities: the best temperature of three times the logits is 3."""
    draw = np.random.default_rng(1)
    logits = draw.normal(size=(40_000, 2)) * 2
    odds = logits[:, 0] - logits[:, 1]
    first = draw.random(len(logits)) < 1 / (1 + np.exp(-odds))
    y = np.stack([first, ~first], axis=1)
    if task == "multi-label":
        y = draw.random(logits.shape) < 1 / (1 + np.exp(-logits))
    # 5 sd of log T is 0.06 here: 1 / sqrt(N E[p (1 - p) z^2]) = 0.012 (multi-class)
    assert abs(np.log(fit_temperature(3 * logits, y, task) / 3)) < 0.06
    assert fit_temperature(np.full((3, 2), np.nan), y[:3], task) is None
    assert fit_temperature(logits[:0], y[:0], task) is None


def test_a_temperature_lowers_the_excess_log_loss(tiny_dataset, posterior_model, tmp_path):
    """An overconfident model: scaled excess log loss is below the raw one, and not below 0 by much."""
    cells = {}
    train(tiny_dataset, "kmer-logistic-regression", tmp_path / "m", size=200, seed=0)
    for name, model in (("exact", posterior_model), ("own", tmp_path / "m")):
        evaluate(model, tiny_dataset, tmp_path / name)
        backend = "bayes-optimal" if name == "exact" else "sklearn"
        key = ("tiny", 0, 0, name, backend, 0)
        cells[name] = CellResults(*key, model, tmp_path / name, (), tiny_dataset)
    exact = exact_of([cells["exact"]])["tiny"]
    run, scores = read_run(tmp_path / "m"), read_scores(tmp_path / "own")
    rows = {row[1]: row[3] for row in regret_rows(cells["own"], exact, scores, run)}
    temperature = run["temperature"]
    logits = np.load(tmp_path / "own" / "predictions.npy")
    best = exact.scores["metrics"]["log_loss"]["micro"]
    scaled = mean_loss(logits / temperature, exact.truth, "multi-class")
    assert rows["excess_log_loss_scaled"] == pytest.approx(scaled - best)
    assert rows["excess_log_loss"] == pytest.approx(
        mean_loss(logits, exact.truth, "multi-class") - best
    )
    assert read_run(posterior_model)["temperature"] is None


@pytest.mark.parametrize("method", ["mutagenesis", "occlusion"])
def test_attributions_that_only_predict_reach_the_ceiling_of_recovery(
    method, posterior_model, tiny_dataset, tmp_path
):
    options = {"method": method, "examples": 20}
    assert attribute(posterior_model, tiny_dataset, tmp_path / "a", **options) == "done"
    recovery = json.loads((tmp_path / "a" / "recovery.json").read_text())["recovery"]
    assert recovery["ap_chance_corrected"]["macro"] > 0.7
    assert recovery["auroc"]["macro"] > 0.9


def write_pool(path):
    draw = np.random.default_rng(3)
    pool = ["".join(draw.choice(list("ACGT"), 200, p=[0.35, 0.15, 0.15, 0.35])) for _ in range(30)]
    path.write_text("".join(f">{n}\n{s}\n" for n, s in enumerate(pool)))


def test_a_chain_is_explained_by_mutagenesis_and_refuses_masks(tmp_path):
    """Over a Markov background: no gradient, no unknown letter, but other letters."""
    content = """
window: 12
background: {markov: {order: 1, fasta: pool.fa}}
elements: {a: {consensus: ACGT}, b: {consensus: TGCA}}
conditions: {one: {rules: [{elements: [a]}]}, two: {rules: [{elements: [b]}]}}
"""
    write_pool(tmp_path / "pool.fa")
    (tmp_path / "chain.yaml").write_text(content)
    simulate(tmp_path / "chain.yaml", tmp_path / "d", seed=1, counts={"test": 40})
    train(tmp_path / "d", "bayes-optimal", tmp_path / "m", size=None, seed=0)
    outcomes = {
        method: attribute(
            tmp_path / "m",
            tmp_path / "d",
            tmp_path / method,
            method=method,
            examples=8,
        )
        for method in ("mutagenesis", "occlusion", "gradient-x-input")
    }
    expected = {"mutagenesis": "done", "occlusion": "skipped", "gradient-x-input": "skipped"}
    assert outcomes == expected
    assert "unknown letters" in read_run(tmp_path / "occlusion")["reason"]
    recovery = json.loads((tmp_path / "mutagenesis" / "recovery.json").read_text())["recovery"]
    assert recovery["auroc"]["macro"] > 0.8


def test_a_fasta_pool_is_approximated(tmp_path):
    """A chain stands for the file: no bound, but finite and better than chance (5.2 standard errors)."""
    write_pool(tmp_path / "pool.fa")
    content = """
window: 40
background: {fasta: pool.fa}
elements: {a: {consensus: GGCGC}, b: {matrix: [[.1, .7, .1, .1], [.1, .1, .7, .1], [.7, .1, .1, .1]]}}
conditions: {one: {rules: [{elements: [a]}]}, two: {rules: [{elements: [b]}]}}
"""
    (tmp_path / "pool.yaml").write_text(content)
    grammar = load_grammar(tmp_path / "pool.yaml")
    found = ceiling(grammar, 600)
    assert found.kind == "approximation"
    assert "chain" in found.notes[0]
    assert np.isfinite([m.value for m in (found.entropy, found.accuracy, found.pr_auc)]).all()
    assert found.roc_auc.value - 5.2 * found.roc_auc.error > 0.5
    simulate(tmp_path / "pool.yaml", tmp_path / "d", seed=1, counts={"test": 60})
    train(tmp_path / "d", "bayes-optimal", tmp_path / "m", size=None, seed=0)
    assert read_run(tmp_path / "m")["kind"] == "approximation"
    evaluate(tmp_path / "m", tmp_path / "d", tmp_path / "s")
    assert np.isfinite(np.load(tmp_path / "s" / "predictions.npy")).all()


def test_a_fasta_pool_of_both_strands_is_one_or_the_other(tmp_path):
    """Not a chain of both at once: nearly as good as the letters that the file was drawn from."""
    letters = np.random.default_rng(1).choice(list("ACGT"), (60, 400), p=[0.55, 0.15, 0.15, 0.15])
    text = "".join(f">{n}\n{''.join(row)}\n" for n, row in enumerate(letters))
    (tmp_path / "pool.fa").write_text(text)
    both = {"fasta": {"file": "pool.fa", "strand": "random"}}
    content = {
        "window": 30,
        "background": {
            "by-condition": {"x": both, "y": {"A": 0.35, "C": 0.15, "G": 0.15, "T": 0.35}}
        },
        "elements": {"a": {"kmers": {"ACGT": 1}}},
        "conditions": {"x": {}, "y": {}},
    }
    grammar = resolve(content, tmp_path / "g.yaml", tmp_path)
    drawn = draw_block(compile_law(grammar, "pool"), 1, "test", 0)
    is_x = drawn.y_true.argmax(1) == 0
    values, _ = compile_posterior(grammar, "test").log_posterior(drawn.x)
    rows = np.log([[0.55, 0.15, 0.15, 0.15], [0.15, 0.15, 0.15, 0.55], [0.35, 0.15, 0.15, 0.35]])
    plus, minus, y = rows[:, drawn.x].sum(axis=2)
    truth = np.logaddexp(plus, minus) - np.log(2) - y
    of_truth = np.logaddexp(0, np.where(is_x, -truth, truth)).mean()
    assert -np.where(is_x, values[:, 0], values[:, 1]).mean() < of_truth + 0.02


def test_the_model_notes_what_less_knowledge_reaches(posterior_model):
    key, folder = ("tiny", 0, 0, "exact", "bayes-optimal", 0), posterior_model
    cell = CellResults(*key, folder, folder, (), folder)
    table = restricted([cell]).set_index(["knows", "metric"])
    assert len(table) == (1 + len(KNOWLEDGE)) * 3
    enough = table["enough"].xs("roc_auc", level="metric")
    assert enough["everything"]
    assert enough["additive best scores"]  # which of two 8-letter words there is says it all
    assert not enough["composition"]
    assert (table["standard_error"] < 0.1).all()


def test_the_report_says_what_models_lack():
    keys = {"grammar": "g", "metric": "regret_pr_auc", "scope": "macro"}
    regret = pd.DataFrame(
        [
            {**keys, "size": size, "label": label, "value": value}
            for size, label, value in [
                (9, "a", 0.9),
                (20, "a", 0.1),
                (20, "a", 0.3),
                (20, "b", 0.125),
            ]
        ]
    )
    known = [("everything", 0.97, True), ("best scores", 0.96, True), ("composition", 0.6, False)]
    table = pd.DataFrame(
        [("g", name, "roc_auc", value, 0.01, enough) for name, value, enough in known],
        columns=list(RESTRICTED),
    )

    def words(grammar, scope):
        found = ceiling_facts(grammar, scope, regret, table)
        return plain_text("facts.j2", "ceiling", found)

    assert "at 20 examples: b 0.125, a 0.200." in words("g", "macro")
    enough = "(macro ROC AUC 0.970) is enough: best scores (0.960); what goes beyond"
    assert enough in words("g", "macro")
    assert words("other", "macro") == ""
    assert "Regret" not in words("g", "micro"), "macro beside macro"
