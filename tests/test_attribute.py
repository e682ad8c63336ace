"""Attribution methods with known answers and against Captum, and the attributions noun."""

import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import InputXGradient, IntegratedGradients, Saliency

import seqgra.model
from seqgra.alphabet import PADDING, UNKNOWN, one_hot
from seqgra.attribute import attribute, fixed_explanations, gradients
from seqgra.attribute import explain as computing
from seqgra.attribute.explain import refined
from seqgra.attribute.methods import FIRST_STEPS, METHODS, MOST_STEPS
from seqgra.attribute.references import shuffled
from seqgra.backends import bayes_optimal
from seqgra.dataset import open_dataset
from seqgra.errors import InputError
from seqgra.fingerprint import Identity, claim, read_run
from seqgra.law.posterior import compile_posterior
from seqgra.model import AbstractModel, NotDifferentiable, mean_along
from seqgra.recovery import recover
from seqgra.results import completeness, failed_limit, read_pictured, read_recovery
from seqgra.simulate import simulate

A, L, C = 4, 30, 3
GRAMMAR = """
window: 20
background: {A: .4, C: .3, G: .2, T: .1}
elements: {box: {kmers: {ACGTAC: 1}}, hat: {kmers: {TTTTGG: 1}}}
conditions: {near: {rules: [{elements: [box]}]}, far: {rules: [{elements: [hat]}]}}
"""
MULTI_LABEL = """
task: multi-label
window: [14, 20]
background: {A: .4, C: .3, G: .2, T: .1}
elements: {box: {kmers: {ACGTAC: 1}}, hat: {kmers: {TTTTGG: 1}}}
conditions: {near: {rules: [{elements: [box], probability: .9}]}, far: {rules: [{elements: [hat]}]}}
examples: [{conditions: [near]}, {conditions: [near, far]}, {conditions: []}]
noise: {labels: {near: .2, far: .2}, sets: [test]}
"""
NOISY = GRAMMAR + "noise: {labels: {near: .3, far: .3}, sets: [test]}\n"
SETTINGS = {"baseline": np.full(A, 0.25, np.float32), "steps": 20, "samples": 5, "noise": 0.1}
#: Methods that need no more than the gradient function of a model.
OVER_GRADIENTS = [
    name for name, method in METHODS.items() if method.source in ("gradients", "paths")
]


def sequences(examples=9, seed=0):
    """Return (one-hot inputs with padding and an unknown letter, targets)."""
    rng = np.random.default_rng(seed)
    x = rng.integers(A, size=(examples, L)).astype(np.uint8)
    x[1, 25:], x[2, 3] = PADDING, UNKNOWN
    return one_hot(x, A), rng.integers(C, size=examples)


def explain(method, function, inputs, target, **settings):
    """Explain with a method over gradients, giving it the settings that it takes."""
    chosen = METHODS[method]
    names = [name for name in chosen.settings if name != "references"]
    given = {name: (SETTINGS | settings)[name] for name in names}
    if "references" in chosen.settings:
        codes = np.where(inputs.any(axis=1), inputs.argmax(axis=1), PADDING).astype(np.uint8)
        given["references"] = shuffled(codes, A, 20)
    if chosen.source == "paths":
        function = partial(mean_along, function)
    return chosen.function(function, inputs, target, **given)


def linear(inputs, target):
    """Return the gradient of f_c(x) = sum of W_c * x."""
    return WEIGHTS[target]


def quadratic(inputs, target):
    """Return the gradient of f_c(x) = sum of W_c * x**2 / 2."""
    return WEIGHTS[target] * inputs


WEIGHTS = np.random.default_rng(1).normal(size=(C, A, L)).astype(np.float32)


def network(seed=0):
    """Return a small network: convolution, pooling, two dense layers."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv1d(A, 6, 5),
        torch.nn.ReLU(),
        torch.nn.MaxPool1d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(6 * 13, 8),
        torch.nn.ReLU(),
        torch.nn.Linear(8, C),
    ).eval()


def centred(net):
    return lambda inputs: net(inputs) - net(inputs).mean(dim=1, keepdim=True)


def gradients_of(net):
    """Return a gradient function of a network, written without autograd's helpers of Captum."""

    def function(inputs, target):
        points = torch.tensor(inputs, requires_grad=True)
        explained = centred(net)(points)[torch.arange(len(target)), torch.tensor(target)]
        return torch.autograd.grad(explained.sum(), points)[0].numpy()

    return function


def test_one_hot_leaves_padding_and_unknown_letters_empty():
    x = np.array([[3, UNKNOWN, 0, PADDING]], np.uint8)
    hot = one_hot(x, 4)
    assert hot.dtype == np.float32 and hot.shape == (1, 4, 4)
    assert hot[0].T.tolist() == [[0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_attributions_of_a_linear_model_are_its_weights():
    inputs, target = sequences()
    letter = inputs.any(axis=1, keepdims=True)
    weights = WEIGHTS[target]
    codes = np.where(letter[:, 0], inputs.argmax(axis=1), PADDING).astype(np.uint8)
    references = shuffled(codes, A, 20).mean(axis=0)
    expected = {
        "gradient": weights * letter,
        "saliency": abs(weights) * letter,
        "gradient-x-input": weights * inputs,
        "integrated-gradients": weights * (inputs - 0.25) * letter,
        "smooth-gradient": weights * letter,
        "expected-gradients": weights * (inputs - references) * letter,
    }
    assert set(expected) == set(OVER_GRADIENTS)
    for method, values in expected.items():
        found = explain(method, linear, inputs, target)
        np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-6, err_msg=method)


@pytest.mark.parametrize("method", OVER_GRADIENTS)
def test_methods_keep_the_conventions(method):
    inputs, target = sequences()
    values = explain(method, gradients_of(network()), inputs, target)
    assert values.dtype == np.float32 and values.shape == inputs.shape
    assert not values[1, :, 25:].any() and not values[2, :, 3].any(), "there is no letter"
    assert values[0].any(axis=0).mean() > 0.5
    entry = METHODS[method]
    assert entry.description and entry.doi.startswith("10.")


def test_gradients_agree_with_captum():
    net, (inputs, target) = network(), sequences()
    points, wanted = torch.tensor(inputs, requires_grad=True), torch.tensor(target)
    full = inputs.any(axis=1, keepdims=True)
    oracle = {
        "saliency": Saliency(centred(net)).attribute(points, wanted),
        "gradient": Saliency(centred(net)).attribute(points, wanted, abs=False),
        "gradient-x-input": InputXGradient(centred(net)).attribute(points, wanted),
    }
    for method, values in oracle.items():
        found = explain(method, gradients_of(net), inputs, target)
        expected = values.detach().numpy() * full
        np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=method)


@pytest.mark.parametrize("shape", [(A, 1), (A, L)], ids=["by letter", "by position"])
def test_integrated_gradients_agree_with_captum(shape):
    net, (inputs, target) = network(), sequences()
    baseline = np.random.default_rng(2).random(shape).astype(np.float32)
    start = torch.tensor(baseline * inputs.any(axis=1, keepdims=True))
    oracle = IntegratedGradients(centred(net)).attribute(
        torch.tensor(inputs), start, torch.tensor(target), n_steps=25, method="riemann_middle"
    )
    given = baseline if shape[1] == L else baseline[:, 0]
    found = explain(
        "integrated-gradients", gradients_of(net), inputs, target, baseline=given, steps=25
    )
    np.testing.assert_allclose(found, oracle.detach().numpy(), atol=2e-6)


def test_integrated_gradients_are_complete():
    net, (inputs, target) = network(), sequences(examples=40)
    baseline = np.array([0.4, 0.3, 0.2, 0.1], np.float32)
    found = explain(
        "integrated-gradients", gradients_of(net), inputs, target, baseline=baseline, steps=200
    )
    start = baseline[:, None] * inputs.any(axis=1, keepdims=True)
    with torch.no_grad():
        difference = centred(net)(torch.tensor(inputs)) - centred(net)(torch.tensor(start))
    difference = difference.numpy()[np.arange(len(target)), target]
    gap = abs(found.sum(axis=(1, 2)) - difference)
    assert gap.max() < 0.02 * abs(difference).max()


def test_the_midpoint_rule_is_exact_for_quadratic_models():
    inputs, target = sequences()
    found = explain("integrated-gradients", quadratic, inputs, target, steps=1)
    start = 0.25 * inputs.any(axis=1, keepdims=True)
    np.testing.assert_allclose(found, WEIGHTS[target] * (inputs**2 - start**2) / 2, atol=1e-6)


def test_batches_change_no_bit_of_integrated_gradients():
    inputs, target = sequences()
    calls = []

    def cubic(points, wanted):
        calls.append(len(points))
        return WEIGHTS[wanted] * points**2

    results = [
        gradients.integrated_gradients(
            partial(mean_along, cubic),
            inputs,
            target,
            baseline=SETTINGS["baseline"],
            steps=20,
            batch=batch,
        )
        for batch in (1, 7, 256)
    ]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    assert set(calls) == {1, 7, 2, 9}


def test_correction_removes_what_points_off_the_simplex():
    inputs, target = sequences()
    values = explain("gradient", linear, inputs, target)
    shifted = values + np.random.default_rng(0).normal(size=(1, 1, L)).astype(np.float32)
    found = gradients.correct(values)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(gradients.correct(shifted), found, atol=1e-5)
    assert not found[1, :, 25:].any()
    product = explain("gradient-x-input", gradients.corrected(linear), inputs, target)
    np.testing.assert_allclose(product, gradients.correct(WEIGHTS[target]) * inputs)


def test_fixed_explanations_are_balanced_and_first():
    y = np.eye(3, dtype=np.uint8)[np.random.default_rng(0).choice(3, p=[0.6, 0.3, 0.1], size=500)]
    rows, conditions = fixed_explanations(y, 20, most=2000)
    np.testing.assert_array_equal(conditions, y[rows].argmax(axis=1))
    assert (np.diff(rows) > 0).all() and y[rows].sum(axis=0).tolist() == [20] * 3
    for c in range(3):
        np.testing.assert_array_equal(rows[y[rows, c] == 1], np.flatnonzero(y[:, c])[:20])
    assert y[fixed_explanations(y, 20, most=50).rows].sum(axis=0).tolist() == [17, 17, 16]
    scarce = int(y[:, 2].sum())
    assert y[fixed_explanations(y, 100, most=2000).rows].sum(axis=0).tolist() == [100, 100, scarce]


def test_fixed_explanations_of_a_grown_test_set_stay():
    y = np.eye(3, dtype=np.uint8)[np.arange(300) % 3]
    few, many = (fixed_explanations(part, 20, 50) for part in (y[:90], y))
    np.testing.assert_array_equal(few, many)


def test_each_label_of_an_example_is_explained_and_no_other():
    y = (np.random.default_rng(0).random((500, 3)) < [0.5, 0.3, 0.05]).astype(np.uint8)
    whole = fixed_explanations(y, 500)
    np.testing.assert_array_equal(np.stack(whole, 1), np.argwhere(y))
    rows, conditions = fixed_explanations(y, 40)
    for c in range(3):
        np.testing.assert_array_equal(rows[conditions == c], np.flatnonzero(y[:, c])[:40])
    dealt = fixed_explanations(y, 40, most=50).conditions
    assert np.bincount(dealt).tolist() == [17, 17, 16]


class LinearModel(AbstractModel):
    """Logits are sums of fixed weights at the letters."""

    device = "cpu"
    alphabet, window, task = "DNA", 20, "multi-class"

    conditions = ("near", "far")

    def __init__(self):
        self.weights = np.random.default_rng(3).normal(size=(2, 4, 20)).astype(np.float32)
        self.asked = 0

    def _logits_of(self, x):
        self.asked += len(x)
        hot = one_hot(x, 4)
        return np.stack([(hot * w).sum(axis=(1, 2)) for w in self.weights], axis=1)

    def gradients(self, inputs, target):
        if self.task == "multi-label":
            return self.weights[target]
        return (self.weights - self.weights.mean(axis=0))[target]


class NoGradient(LinearModel):
    """Has no gradient."""

    def gradients(self, inputs, target):
        raise NotDifferentiable("a forest of trees has no gradient")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attribute")
    (folder / "grammar.yaml").write_text(GRAMMAR)
    simulate(folder / "grammar.yaml", folder / "data", seed=0, counts={"test": 300})
    return folder / "data"


def serve(monkeypatch, model):
    """Let every model folder hold `model`."""
    backend = SimpleNamespace(open_model=lambda folder, run, device: model)
    monkeypatch.setattr(seqgra.model, "backend_module", lambda name: backend)


@pytest.fixture
def opened(monkeypatch):
    """Let every model folder hold the same model; return it."""
    model = LinearModel()
    serve(monkeypatch, model)
    return model


def trained(folder, status="done"):
    with claim(folder, Identity("train", 1, {}, {"backend": "pytorch"})) as draft:
        draft.publish(status)
    return folder


def run(dataset, folder, method="gradient-x-input", **options):
    """Attribute a model beside `folder`."""
    model = folder.with_name("model")
    if read_run(model) is None:
        trained(model)
    return attribute(model, dataset, folder, method=method, **options)


def test_attribute_writes_recovery_and_pictures(dataset, tmp_path, opened):
    assert run(dataset, tmp_path / "out", examples=60) == "done"
    data = open_dataset(dataset)
    y, table = data.y("test"), pd.read_parquet(tmp_path / "out" / "recovery.parquet")
    rows, target = fixed_explanations(y, 60)
    x = np.array(data.x("test")[rows])
    assert table["example"].tolist() == rows.tolist() and len(rows) == 120
    assert table["condition"].tolist() == np.array(data.conditions)[target].tolist()
    logits = opened.logits(x)
    assert table["correct"].tolist() == (logits.argmax(axis=1) == target).tolist()
    inputs = one_hot(x, 4)
    values = opened.gradients(inputs, target) * inputs
    expected = recover(data, "test", rows, target, values, True)
    pd.testing.assert_frame_equal(table[list(expected)], expected)
    pictured, explained, kept = read_pictured(tmp_path / "out")
    np.testing.assert_array_equal(explained, y[pictured].argmax(axis=1))
    assert y[pictured].sum(axis=0).tolist() == [25, 25]
    np.testing.assert_array_equal(kept, values[np.isin(rows, pictured)])
    macro = read_recovery(tmp_path / "out")["recovery"]["auroc"]["macro"]
    means = [expected["auroc"][target == c].mean() for c in range(2)]
    assert macro == pytest.approx(np.mean(means))
    assert read_run(tmp_path / "out")["method"] == "gradient-x-input"


@pytest.mark.parametrize("batch", [pytest.param(1, marks=pytest.mark.slow), 7])
def test_batches_change_no_bit_of_the_noun(dataset, tmp_path, opened, monkeypatch, batch):
    run(dataset, tmp_path / "whole", method="integrated-gradients", steps=3)
    monkeypatch.setattr(computing, "_BATCH", batch)
    run(dataset, tmp_path / "parts", method="integrated-gradients", steps=3)
    whole, parts = read_run(tmp_path / "whole"), read_run(tmp_path / "parts")
    assert whole["fingerprint"] == parts["fingerprint"]
    for name in ("recovery.json", "motifs.parquet", "attributions.npy"):
        assert whole["files"][name] == parts["files"][name], name
    tables = [pd.read_parquet(tmp_path / name / "recovery.parquet") for name in ("whole", "parts")]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_score_sees_the_kind_of_the_method_and_one_batch(dataset, tmp_path, opened, monkeypatch):
    seen = []

    def score(data, set_name, rows, explained, values, signed, null):
        assert (
            null.values.shape == (200, 4, 20) and np.bincount(null.explained).tolist() == [100] * 2
        )
        np.testing.assert_array_equal(explained, data.y(set_name)[rows].argmax(axis=1))
        seen.append((set_name, len(rows), values.shape, signed))
        return pd.DataFrame({"metric": np.zeros(len(rows))})

    monkeypatch.setattr(computing, "_BATCH", 64)
    monkeypatch.setattr(computing, "recover", score)
    run(dataset, tmp_path / "out", method="saliency", examples=50)
    assert seen == [("test", 64, (64, 4, 20), False), ("test", 36, (36, 4, 20), False)]


def test_integrated_gradients_start_at_the_background(dataset, tmp_path, opened):
    starts = {"background": np.array([0.4, 0.3, 0.2, 0.1]), "zeros": np.zeros(4)}
    data = open_dataset(dataset)
    for baseline, start in starts.items():
        out = tmp_path / baseline
        run(dataset, out, method="integrated-gradients", baseline=baseline, steps=2)
        rows, explained, values = read_pictured(out)
        inputs = one_hot(np.array(data.x("test")[rows]), 4)
        weights = opened.gradients(inputs, explained)
        np.testing.assert_allclose(values, weights * (inputs - start[:, None]), atol=1e-6)


def test_correction_reaches_the_method(dataset, tmp_path, opened):
    run(dataset, tmp_path / "out", method="gradient", correct=True)
    values = read_pictured(tmp_path / "out").values
    np.testing.assert_allclose(values.sum(axis=1), 0, atol=1e-6)


def test_only_options_that_change_bits_count(dataset, tmp_path, opened):
    out = tmp_path / "out"
    assert run(dataset, out) == "done"
    before = opened.asked
    same = {"steps": 7, "baseline": "zeros", "device": "cpu", "set_size": 300}
    assert run(dataset, out, **same) == "up to date"
    assert opened.asked == before
    for option in ({"correct": True}, {"examples": 30}, {"set_size": 100}, {"method": "gradient"}):
        assert run(dataset, out, **option) == "done", option
    method = {"method": "integrated-gradients", "examples": 5}
    for option in ({"steps": 2}, {"steps": 3}, {"steps": 3, "baseline": "zeros"}):
        assert run(dataset, out, **method, **option) == "done", option


def test_a_model_without_gradient_is_skipped_with_its_reason(dataset, tmp_path, monkeypatch):
    serve(monkeypatch, NoGradient())
    assert run(dataset, tmp_path / "out") == "skipped"
    noun = read_run(tmp_path / "out")
    assert noun["status"] == "skipped" and noun["reason"] == "a forest of trees has no gradient"
    assert not noun["files"]
    assert run(dataset, tmp_path / "out") == "up to date"


def test_a_diverged_model_is_skipped_unopened(dataset, tmp_path, monkeypatch):
    monkeypatch.delattr(seqgra.model, "open_model")
    trained(tmp_path / "model", "diverged")
    assert run(dataset, tmp_path / "out") == "skipped"
    assert read_run(tmp_path / "out")["reason"] == "training diverged"


def test_errors_of_a_model_are_not_swallowed(dataset, tmp_path, opened, monkeypatch):
    monkeypatch.setattr(opened, "gradients", lambda inputs, target: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(dataset, tmp_path / "out")
    assert read_run(tmp_path / "out") is None


def test_wrong_options_are_all_named_at_once(dataset, tmp_path, opened):
    with pytest.raises(InputError) as error:
        run(dataset, tmp_path / "out", method="lime", baseline="noise", steps=0, examples=0)
    places = [problem.file or problem.path for problem in error.value.problems]
    assert places == ["method", "examples", "baseline", "steps"]
    assert "integrated-gradients" in str(error.value)


def test_a_damaged_dataset_is_refused(dataset, tmp_path, opened):
    damaged = tmp_path / "data"
    shutil.copytree(dataset, damaged)
    with (damaged / "test.x.npy").open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"\x07")
    with pytest.raises(InputError, match="do not match their checksum"):
        run(damaged, tmp_path / "out")


def test_a_model_of_other_conditions_is_refused(dataset, tmp_path, opened):
    opened.conditions = ("far", "near")
    with pytest.raises(InputError, match=r"conditions: of the model: far, near; of .*: near, far"):
        run(dataset, tmp_path / "out")


def simulated(tmp_path, grammar, examples=300):
    (tmp_path / "grammar.yaml").write_text(grammar)
    simulate(tmp_path / "grammar.yaml", tmp_path / "data", seed=0, counts={"test": examples})
    return open_dataset(tmp_path / "data")


@pytest.mark.parametrize("method", OVER_GRADIENTS)
def test_multi_label_examples_are_explained_label_by_label(tmp_path, opened, monkeypatch, method):
    opened.task = "multi-label"
    monkeypatch.setattr(computing, "_BATCH", 64)
    data, out = simulated(tmp_path, MULTI_LABEL), tmp_path / "out"
    assert run(data.folder, out, method=method, examples=80, steps=3) == "done"
    true, table = data.y_true("test"), pd.read_parquet(out / "recovery.parquet")
    pairs = [
        (row, name) for row in range(300) for c, name in enumerate(data.conditions) if true[row, c]
    ]
    chosen = [[pair for pair in pairs if pair[1] == name][:80] for name in data.conditions]
    found = list(table[["example", "condition"]].itertuples(index=False, name=None))
    assert found == sorted([*chosen[0], *chosen[1]], key=pairs.index)
    assert len({row for row, _ in found}) < len(found) == 160, "some have two labels"
    rows, explained, values = read_pictured(out)
    assert true[rows, explained].all() and np.bincount(explained).tolist() == [25, 25]
    x = np.array(data.x("test")[rows])
    assert (x == PADDING).any() and not values.transpose(0, 2, 1)[x == PADDING].any()
    if method == "gradient":
        expected = opened.weights[explained] * (x != PADDING)[:, None, :]
        np.testing.assert_array_equal(values, expected)
    own = opened.logits(np.array(data.x("test")))[table["example"]]
    own = own[np.arange(160), [data.conditions.index(name) for name in table["condition"]]]
    assert table["correct"].tolist() == (own > 0).tolist()
    content, empty = read_recovery(out), table["auroc"].isna()
    by_condition = empty.groupby(table["condition"]).sum()
    assert 0 < by_condition["near"] < 20 and by_condition["far"] == 0
    assert content["left_out"] == {"macro": by_condition["near"], **by_condition}
    left = 160 - by_condition["near"]
    assert content["examples"] == {"macro": left, "near": left - 80, "far": 80}


def test_what_is_explained_is_the_true_condition_where_labels_are_noisy(tmp_path, opened):
    data = simulated(tmp_path, NOISY)
    run(data.folder, tmp_path / "out", examples=150)
    table = pd.read_parquet(tmp_path / "out" / "recovery.parquet")
    names = np.array(data.conditions)
    true, recorded = (y("test")[table["example"]].argmax(axis=1) for y in (data.y_true, data.y))
    assert table["condition"].tolist() == names[true].tolist() and (true != recorded).any()
    assert table["auroc"].notna().all(), "every example has the element of its true condition"


def test_padding_stays_empty_when_gradients_are_corrected(tmp_path, opened):
    opened.task = "multi-label"
    data = simulated(tmp_path, MULTI_LABEL)
    for method in OVER_GRADIENTS:
        run(data.folder, tmp_path / method, method=method, correct=True, steps=2, examples=9)
        rows, _, values = read_pictured(tmp_path / method)
        padding = np.array(data.x("test")[rows]) == PADDING
        assert padding.any() and not values.transpose(0, 2, 1)[padding].any(), method


def test_a_set_without_any_label_is_refused(tmp_path, opened, monkeypatch):
    data = simulated(tmp_path, MULTI_LABEL, examples=1)
    nothing = np.zeros((1, 2), np.uint8)
    monkeypatch.setattr(type(data), "y_true", lambda *_: nothing)
    with pytest.raises(InputError, match="no example shows a condition"):
        run(data.folder, tmp_path / "out")


def test_sets_of_examples_stand_side_by_side(dataset, tmp_path, opened):
    run(dataset, tmp_path / "out", method="integrated-gradients", steps=2)
    table, content = (
        pd.read_parquet(tmp_path / "out" / "recovery.parquet"),
        read_recovery(tmp_path / "out"),
    )
    data = open_dataset(dataset)
    values, _ = compile_posterior(data.grammar, "test").log_posterior(
        np.array(data.x("test")[table["example"]])
    )
    own = values[np.arange(len(table)), [data.conditions.index(c) for c in table["condition"]]]
    np.testing.assert_array_equal(table["solvable"], np.exp(own) >= 0.9)
    for name, column in (("solvable", "solvable"), ("own-correct", "correct")):
        chosen = table[table[column]]
        assert content["sets"][name]["examples"]["macro"] == len(chosen)
        means = chosen.groupby("condition")["auroc"].mean()
        assert content["sets"][name]["recovery"]["auroc"]["macro"] == pytest.approx(means.mean())
    nulls = table.groupby("condition")["null_auroc"].mean()
    assert content["null"]["auroc"]["macro"] == pytest.approx(nulls.mean())
    assert "null_auroc" not in content["recovery"]


def test_completeness_is_gated():
    gaps = pd.DataFrame({"completeness_gap": [0.001] * 99 + [0.3]})
    assert completeness(gaps)["passed"] is True
    gaps.loc[:2, "completeness_gap"] = 0.3
    assert completeness(gaps)["passed"] is False
    gaps["completeness_gap"] = 0.02
    assert completeness(gaps) == {"median": 0.02, "99th percentile": 0.02, "passed": False}
    assert completeness(pd.DataFrame({"auroc": [1.0]})) is None


def test_steps_are_doubled_where_the_gate_needs_it():
    """Gaps of 1 / steps times a difficulty: what each explanation takes is known."""
    difficulty = np.array([0.1] * 60 + [1.0] * 20 + [3.0] * 19 + [20.0] * 21)
    calls = []

    def integrated(rows, steps):
        calls.append((steps, len(rows)))
        return np.full((len(rows), 4, 3), float(steps), np.float32), difficulty[rows] / steps

    values, steps = refined(integrated, 120)
    gaps = difficulty / steps
    assert failed_limit(gaps) is None and steps[:60].max() == FIRST_STEPS
    assert (values[:, 0, 0] == steps).all()
    assert (gaps[difficulty < 20] < 0.05).all()
    assert calls[0] == (25, 120) and calls[1] == (50, 60), "only what is not there yet"
    _, most = refined(lambda rows, steps: (np.zeros((len(rows), 4, 3)), np.ones(len(rows))), 5)
    assert most.tolist() == [MOST_STEPS] * 5, "gaps that never close stop at the cap"
    unknown = refined(lambda r, s: (np.full((len(r), 4, 3), s), np.full(len(r), np.nan)), 2)
    assert unknown[1].tolist() == [100, 100] and (unknown[0] == 100).all()


def test_automatic_steps_pass_the_gate(dataset, tmp_path, opened):
    """A linear model is exact at once. With steps fixed the same values come out."""
    centred = opened.weights - opened.weights.mean(axis=0)
    opened.explained = lambda inputs, target: (inputs * centred[target]).sum(axis=(1, 2))
    for name, steps in (("auto", "auto"), ("fixed", FIRST_STEPS)):
        run(dataset, tmp_path / name, method="integrated-gradients", steps=steps)
    auto, fixed = (read_recovery(tmp_path / name) for name in ("auto", "fixed"))
    assert auto["completeness"]["passed"] and auto["completeness"]["steps"] == FIRST_STEPS
    assert auto["recovery"] == fixed["recovery"]
    assert read_run(tmp_path / "auto")["options"]["steps"] == "auto"
    opened.explained = lambda inputs, target: (
        inputs.sum(axis=(1, 2)) * 100
    )  # nothing adds up to that
    run(dataset, tmp_path / "never", method="integrated-gradients", steps="auto", examples=3)
    never = read_recovery(tmp_path / "never")["completeness"]
    assert never["passed"] is False and never["steps"] == MOST_STEPS


def test_the_best_classifier_serves_every_method_without_layers(dataset, tmp_path, monkeypatch):
    grammar = open_dataset(dataset).grammar.model_dump(mode="json")
    card = bayes_optimal.PosteriorCard(architecture={}, law="test", grammar=grammar)
    model = bayes_optimal.BayesModel(card)
    serve(monkeypatch, model)
    for method, entry in METHODS.items():
        out = tmp_path / method
        by_layers = entry.source in ("guided", "deconvolution", "multipliers", "maps")
        expected = "skipped" if by_layers else "done"
        few = {"examples": 4, "steps": 40, "references": 3, "samples": 2}
        assert run(dataset, out, method=method, **few) == expected, method
        if by_layers:
            assert read_run(out)["reason"] == f"{method} is defined for networks only"
    content = read_recovery(tmp_path / "mutagenesis")
    assert content["recovery"]["auroc"]["macro"] > 0.95
    complete = read_recovery(tmp_path / "integrated-gradients")["completeness"]
    assert complete["median"] < 0.05
