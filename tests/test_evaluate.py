"""Predictive performance against scikit-learn, and the scores noun."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics as oracle

import seqgra.model
from seqgra import evaluate as verb
from seqgra.dataset import open_dataset
from seqgra.errors import InputError
from seqgra.evaluate import curves
from seqgra.fingerprint import Identity, claim, read_run
from seqgra.model import AbstractModel
from seqgra.results import read_scores
from seqgra.simulate import simulate

NAMES = ("a", "b", "c")
GRAMMAR = """
window: 20
elements: {box: {kmers: {ACGT: 1}}, hat: {kmers: {TTTT: 1}}}
conditions: {near: {rules: [{elements: [box]}]}, far: {rules: [{elements: [hat]}]}}
"""


def labels(condition, conditions=3):
    return np.eye(conditions, dtype=np.uint8)[condition]


def drawn(examples=400, seed=0, decimals=8):
    """Return logits that tell something, with ties where `decimals` is small, and their labels."""
    rng = np.random.default_rng(seed)
    y = labels(rng.integers(3, size=examples))
    logits = rng.normal(size=y.shape) + y
    return logits.round(decimals).astype(np.float32), y


@pytest.mark.parametrize("decimals", [0, 8], ids=["ties", "no ties"])
@pytest.mark.parametrize(
    ("metric", "function"),
    [("roc_auc", oracle.roc_auc_score), ("pr_auc", oracle.average_precision_score)],
)
def test_areas_agree_with_scikit_learn(metric, function, decimals):
    logits, y = drawn(decimals=decimals)
    p, ours = np.exp(curves.log_softmax(logits)), curves.score(logits, y, NAMES).metrics[metric]
    assert ours["micro"] == pytest.approx(function(y.ravel(), p.ravel()), abs=1e-12)
    assert ours["macro"] == pytest.approx(function(y, p, average="macro"), abs=1e-12)
    for number, name in enumerate(NAMES):
        assert ours[name] == pytest.approx(function(y[:, number], p[:, number]), abs=1e-12), name


def test_accuracy_and_log_loss_agree_with_scikit_learn():
    logits, y = drawn()
    logits = logits.astype(np.float64)
    p, true = softmax(logits, axis=1), y.argmax(axis=1)
    ours = curves.score(logits, y, NAMES).metrics
    assert ours["accuracy"]["micro"] == oracle.accuracy_score(true, p.argmax(axis=1))
    assert ours["log_loss"]["micro"] == pytest.approx(oracle.log_loss(true, p), abs=1e-12)
    recall = oracle.recall_score(true, p.argmax(axis=1), average=None)
    assert [ours["accuracy"][name] for name in NAMES] == pytest.approx(recall)
    assert ours["accuracy"]["macro"] == pytest.approx(recall.mean())
    own = [oracle.log_loss(true[true == c], p[true == c], labels=[0, 1, 2]) for c in range(3)]
    assert [ours["log_loss"][name] for name in NAMES] == pytest.approx(own)
    assert ours["log_loss"]["macro"] == pytest.approx(np.mean(own))


def test_a_collapsed_model_scores_chance():
    y = labels(np.arange(30) % 3)
    ours = curves.score(np.ones((30, 3), np.float32), y, NAMES).metrics
    assert set(ours["roc_auc"].values()) == {0.5}
    assert list(ours["pr_auc"].values()) == pytest.approx([1 / 3] * 5)


def test_large_logits_overflow_nothing():
    logits = np.array([[1e4, -1e4, 0], [-3e38, 3e38, 0]], np.float32)
    ours = curves.score(logits, labels([1, 1]), NAMES).metrics["log_loss"]
    assert ours["b"] == pytest.approx(1e4)


@pytest.mark.filterwarnings("error")
def test_metrics_of_an_absent_condition_are_undefined():
    logits, y = drawn()
    there = y[:, 2] == 0
    scores = curves.score(logits[there], y[there], NAMES)
    for metric, by_scope in scores.metrics.items():
        undefined = {scope for scope, value in by_scope.items() if np.isnan(value)}
        assert undefined == {"c", "macro"}, metric
    assert set(scores.curves["scope"]) == {"micro", "a", "b"}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_diverged_model_has_no_metrics_and_no_curves(value):
    logits, y = drawn()
    logits[7, 1] = value
    scores = curves.score(logits, y, NAMES)
    assert set(scores.metrics) == set(curves.METRICS)
    for by_scope in scores.metrics.values():
        assert list(by_scope) == ["micro", "macro", *NAMES]
        assert all(np.isnan(list(by_scope.values())))
    complete = curves.score(*drawn(), NAMES).curves
    assert len(scores.curves) == 0 and (scores.curves.dtypes == complete.dtypes).all()


def test_short_curves_are_whole():
    logits, y = drawn(examples=60)
    table = curves.score(logits, y, NAMES).curves
    false, true, _ = oracle.roc_curve(
        y[:, 1], softmax(logits, axis=1)[:, 1], drop_intermediate=False
    )
    ours = table[(table["curve"] == "roc") & (table["scope"] == "b")]
    np.testing.assert_allclose(ours[["x", "y"]], np.stack([false, true], 1), atol=1e-7)


def test_long_curves_keep_their_ends_and_areas():
    logits, y = drawn(examples=5000)
    scores = curves.score(logits, y, NAMES)
    for (curve, scope), part in scores.curves.groupby(["curve", "scope"]):
        assert 100 < len(part) <= curves.POINTS, (curve, scope)
        assert part["x"].iloc[[0, -1]].tolist() == [0, 1] and part["x"].is_monotonic_increasing
        area = np.trapezoid(part["y"], part["x"])
        assert area == pytest.approx(scores.metrics[f"{curve}_auc"][scope], abs=5e-3), (
            curve,
            scope,
        )


def test_thinning_keeps_the_teeth_of_few_positives():
    rng = np.random.default_rng(1)
    y = labels((np.arange(5000) < 10).astype(int), 2)
    logits = rng.normal(size=(5000, 2)).astype(np.float32) + 3 * y
    scores = curves.score(logits, y, ("many", "few"))
    part = scores.curves.query("curve == 'pr' and scope == 'few'")
    tops = part.groupby("x")["y"].max()
    area = (np.diff(tops.index) * tops.to_numpy()[1:]).sum()
    assert area == pytest.approx(scores.metrics["pr_auc"]["few"], abs=1e-6)


class LengthModel(AbstractModel):
    """Counts T against A; remembers how many examples it saw at once."""

    device = "cpu"
    alphabet, window = "DNA", 20

    conditions = ("near", "far")

    def __init__(self):
        self.batches = []

    def logits(self, x):
        self.batches.append(len(x))
        return np.stack([(x == 0).sum(axis=1), (x == 3).sum(axis=1)], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    (folder / "grammar.yaml").write_text(GRAMMAR)
    simulate(folder / "grammar.yaml", folder / "data", seed=0, counts={"test": 2500})
    return folder / "data"


def trained(folder, status="done", **options):
    with claim(folder, Identity("train", 1, {}, {"backend": "stub", **options})) as draft:
        draft.publish(status)
    return folder


def serve(monkeypatch, model):
    """Let every model folder hold `model`."""
    backend = SimpleNamespace(open_model=lambda folder, run, device: model)
    monkeypatch.setattr(seqgra.model, "backend_module", lambda name: backend)


@pytest.fixture
def opened(monkeypatch):
    """Let every model folder hold the same model; return it."""
    model = LengthModel()
    serve(monkeypatch, model)
    return model


def test_evaluate_scores_the_whole_test_set_once(dataset, tmp_path, opened):
    model = trained(tmp_path / "model")
    assert verb.evaluate(model, dataset, tmp_path / "scores") == "done"
    assert sum(opened.batches) == 2500 and max(opened.batches) <= 1024
    data = open_dataset(dataset)
    logits = np.load(tmp_path / "scores" / "predictions.npy")
    np.testing.assert_array_equal(logits, opened.logits(np.array(data.x("test"))))
    content = read_scores(tmp_path / "scores")
    expected = curves.score(logits, data.y("test"), data.conditions).metrics
    assert content == {"examples": 2500, "metrics": expected}
    opened.batches.clear()
    assert verb.evaluate(model, dataset, tmp_path / "scores") == "up to date"
    assert verb.evaluate(model, dataset, tmp_path / "scores", set_size=2500) == "up to date"
    assert not opened.batches
    assert verb.evaluate(model, dataset, tmp_path / "scores", set_size=100) == "done"
    assert sum(opened.batches) == 100


def test_a_collapsed_model_is_scored_and_marked(dataset, tmp_path, opened):
    model = trained(tmp_path / "model", "collapsed")
    assert verb.evaluate(model, dataset, tmp_path / "scores") == "collapsed"
    assert read_run(tmp_path / "scores")["status"] == "collapsed"
    assert (tmp_path / "scores" / "scores.json").exists()


def test_a_diverged_model_has_no_scores(dataset, tmp_path, opened):
    model = trained(tmp_path / "model", "diverged")
    assert verb.evaluate(model, dataset, tmp_path / "scores") == "diverged"
    assert read_run(tmp_path / "scores")["status"] == "diverged" and not opened.batches
    assert not (tmp_path / "scores" / "scores.json").exists()


def test_evaluate_scores_another_model_again(dataset, tmp_path, opened):
    one, two = trained(tmp_path / "one", seed=1), trained(tmp_path / "two", seed=2)
    assert verb.evaluate(one, dataset, tmp_path / "scores") == "done"
    assert verb.evaluate(two, dataset, tmp_path / "scores") == "done"


def test_evaluate_refuses_a_model_of_other_conditions(dataset, tmp_path, opened):
    opened.conditions = ("near", "elsewhere")
    with pytest.raises(
        InputError, match=r"conditions: of the model: near, elsewhere; of .*: near, far"
    ):
        verb.evaluate(trained(tmp_path / "model"), dataset, tmp_path / "scores")
    assert read_run(tmp_path / "scores") is None


def test_evaluate_refuses_a_damaged_dataset(dataset, tmp_path, opened):

    damaged = tmp_path / "data"
    shutil.copytree(dataset, damaged)
    with (damaged / "test.x.npy").open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"\x07")
    with pytest.raises(InputError, match="do not match their checksum"):
        verb.evaluate(trained(tmp_path / "model"), damaged, tmp_path / "scores")
