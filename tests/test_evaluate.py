"""Predictive performance against scikit-learn, and the scores noun."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from scipy.special import expit, log_softmax, softmax
from scipy.stats import entropy
from sklearn import metrics as oracle

import seqgra.model
from seqgra.cli import main
from seqgra.compare.stages import StageResult, status_row
from seqgra.dataset import open_dataset
from seqgra.errors import InputError
from seqgra.evaluate import curves, evaluate
from seqgra.fingerprint import Identity, claim, read_run
from seqgra.metrics import POINTS
from seqgra.model import AbstractModel
from seqgra.results import read_scores
from seqgra.simulate import simulate

NAMES = ("a", "b", "c")
GRAMMAR = """
window: 20
elements: {box: {kmers: {ACGT: 1}}, hat: {kmers: {TTTT: 1}}}
conditions: {near: {rules: [{elements: [box]}]}, far: {rules: [{elements: [hat]}]}}
"""


def drawn_labels(examples=400, seed=0, decimals=8):
    """Return multi-label logits that tell something, and labels, some of them none; c is rare."""
    rng = np.random.default_rng(seed)
    y = (rng.random((examples, 3)) < [0.7, 0.4, 0.1]).astype(np.uint8)
    logits = rng.normal(size=y.shape) + 2.0 * y - 1
    return logits.round(decimals).astype(np.float32), y


MULTI_LABEL = """
task: multi-label
window: 20
elements: {box: {kmers: {ACGT: 1}}, hat: {kmers: {TTTT: 1}}}
conditions: {near: {rules: [{elements: [box]}]}, far: {rules: [{elements: [hat]}]}}
examples: [{conditions: [near]}, {conditions: [near, far]}, {conditions: []}]
noise: {labels: {near: .1, far: .2}, sets: [test]}
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
    p = np.exp(log_softmax(logits.astype(np.float64), axis=1)).round(
        12
    )  # equal but for rounding is equal
    ours = curves.score(logits, y, NAMES).metrics[metric]
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
        assert 100 < len(part) <= POINTS, (curve, scope)
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


@pytest.mark.parametrize("decimals", [0, 8], ids=["ties", "no ties"])
def test_multi_label_scores_agree_with_scikit_learn(decimals):
    logits, y = drawn_labels(decimals=decimals)
    logits64 = logits.astype(np.float64)
    p, ours = expit(logits64), curves.score(logits, y, NAMES, "multi-label").metrics
    areas = {"roc_auc": oracle.roc_auc_score, "pr_auc": oracle.average_precision_score}
    for metric, function in areas.items():
        for average in ("micro", "macro"):
            expected = function(y, p, average=average)
            assert ours[metric][average] == pytest.approx(expected, abs=1e-12), metric
        for number, name in enumerate(NAMES):
            expected = function(y[:, number], p[:, number])
            assert ours[metric][name] == pytest.approx(expected, abs=1e-12), (metric, name)
    chosen = (p > 0.5).astype(int)
    assert ours["accuracy"]["micro"] == oracle.accuracy_score(y, chosen), "of whole label sets"
    assert ours["accuracy"]["macro"] == pytest.approx(1 - oracle.hamming_loss(y, chosen))
    for number, name in enumerate(NAMES):
        expected = oracle.accuracy_score(y[:, number], chosen[:, number])
        assert ours["accuracy"][name] == pytest.approx(expected)
        expected = oracle.log_loss(y[:, number], p[:, number], labels=[0, 1])
        assert ours["log_loss"][name] == pytest.approx(expected, abs=1e-12), name
    every = oracle.log_loss(y.ravel(), p.ravel())
    assert ours["log_loss"]["micro"] == pytest.approx(every, abs=1e-12)
    assert ours["log_loss"]["macro"] == pytest.approx(every, abs=1e-12)


@pytest.mark.filterwarnings("error")
def test_multi_label_logits_far_from_zero_keep_their_order_and_loss():
    y = np.array([[1, 0], [0, 1], [1, 0], [0, 0]], np.uint8)
    logits = np.array([[90, -1e4], [60, 3e38], [120, -90], [50, -1e4]], np.float32)
    ours = curves.score(logits, y, ("a", "b"), "multi-label").metrics
    assert ours["roc_auc"]["a"] == 1, "all four probabilities round to 1"
    assert ours["log_loss"]["a"] == pytest.approx((60 + 50) / 4)
    assert ours["log_loss"]["b"] == pytest.approx(np.exp(-90) / 4)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("margin", [0.0, 40.0, 800.0, 1e30])
def test_multi_class_logits_far_from_zero_keep_their_order(margin):
    """Two conditions rank as their margin does: softmax rounds to 1 from 36.7 on."""
    steps = np.random.default_rng(0).integers(0, 20, 100) * max(1.0, margin / 100)  # with ties
    true = steps > np.median(steps) + 2 * np.random.default_rng(1).normal(size=100) * steps.std()
    y = np.eye(2, dtype=np.uint8)[true.astype(int)]
    logits = np.stack([np.full(100, 3.0), 3 + margin + steps], axis=1).astype(np.float32)
    ours = curves.score(logits, y, ("no", "yes")).metrics
    margins = np.float64(logits[:, 1]) - logits[:, 0]
    pooled = np.stack([-margins, margins], axis=1).ravel()
    for metric, oracle_metric in (
        ("roc_auc", oracle.roc_auc_score),
        ("pr_auc", oracle.average_precision_score),
    ):
        assert ours[metric]["yes"] == pytest.approx(oracle_metric(true, margins))
        assert ours[metric]["no"] == pytest.approx(oracle_metric(~true, -margins))
        assert ours[metric]["micro"] == pytest.approx(oracle_metric(y.ravel(), pooled))


@pytest.mark.filterwarnings("error")
def test_a_label_that_no_example_or_every_one_has_has_no_areas():
    logits, y = drawn_labels()
    y[:, 2], y[:, 1] = 0, 1
    ours = curves.score(logits, y, NAMES, "multi-label").metrics
    undefined = {scope for scope, value in ours["roc_auc"].items() if np.isnan(value)}
    assert undefined == {"b", "c", "macro"}
    assert np.isnan(ours["pr_auc"]["c"]) and ours["pr_auc"]["b"] == 1
    assert all(
        np.isfinite(list(ours[metric].values())).all() for metric in ("accuracy", "log_loss")
    )


def test_a_multi_class_example_with_two_conditions_is_refused():
    logits, y = drawn_labels()
    with pytest.raises(ValueError, match="exactly one condition"):
        curves.score(logits, y, NAMES)


def test_chance_is_what_the_shares_of_the_conditions_score():
    logits, y = drawn_labels(examples=1000)
    scores = curves.score(logits, y, NAMES, "multi-label")
    shares = y.mean(axis=0)
    constant = np.broadcast_to(np.log(shares / (1 - shares)), y.shape)
    again = curves.score(constant.astype(np.float64), y, NAMES, "multi-label").metrics
    for metric, by_scope in scores.chance.items():
        assert by_scope == pytest.approx(again[metric]), metric
    assert scores.chance["roc_auc"]["macro"] == 0.5
    assert scores.chance["roc_auc"]["micro"] > 0.6, "the frequent label ranks above the rare one"
    for share, name in zip(shares, NAMES, strict=True):
        assert scores.chance["pr_auc"][name] == pytest.approx(share)
        assert scores.chance["log_loss"][name] == pytest.approx(entropy([share, 1 - share]))


def test_chance_of_a_multi_class_task():
    y = labels(np.repeat([0, 1, 2], [500, 300, 200]))
    chance = curves.score(drawn(1000)[0], y, NAMES).chance
    assert chance["log_loss"]["micro"] == pytest.approx(entropy([0.5, 0.3, 0.2]))
    assert chance["accuracy"] == pytest.approx(
        {"micro": 0.5, "macro": 1 / 3, "a": 1, "b": 0, "c": 0}
    )
    assert [chance["pr_auc"][name] for name in NAMES] == pytest.approx([0.5, 0.3, 0.2])
    even = curves.score(*drawn(999), NAMES).chance
    assert even["roc_auc"]["macro"] == 0.5


def test_equal_probabilities_share_a_hit():
    y = labels([0, 1, 2])
    ours = curves.score(np.array([[5, 5, 0], [1, 1, 1], [0, 0, 3]], np.float32), y, NAMES).metrics
    assert list(ours["accuracy"].values()) == pytest.approx(
        [(1 / 2 + 1 / 3 + 1) / 3] * 2 + [1 / 2, 1 / 3, 1]
    )


@pytest.mark.parametrize(
    ("counts", "task", "scope"),
    [
        ((100, 100, 91), "multi-class", "micro"),
        ((100, 100, 89), "multi-class", "macro"),
        ((2, 1, 1), "multi-class", "micro"),
        ((100, 100, 100), "multi-label", "macro"),
    ],
)
def test_the_headline_is_macro_where_conditions_are_uneven(counts, task, scope):
    y = labels(np.repeat([0, 1, 2], counts))
    assert curves.score(drawn(len(y))[0], y, NAMES, task).headline == scope


class LengthModel(AbstractModel):
    """Counts T against A; remembers how many examples it saw at once."""

    device = "cpu"
    alphabet, window = "DNA", 20

    conditions = ("near", "far")

    def __init__(self):
        self.batches = []

    def _logits_of(self, x):
        self.batches.append(len(x))
        return np.stack([(x == 0).sum(axis=1), (x == 3).sum(axis=1)], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    (folder / "grammar.yaml").write_text(GRAMMAR)
    simulate(folder / "grammar.yaml", folder / "data", seed=0, counts={"test": 2500})
    return folder / "data"


def trained(folder, status="done", **options):
    with claim(folder, Identity("train", 1, {}, {"backend": "pytorch", **options})) as draft:
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
    assert evaluate(model, dataset, tmp_path / "scores") == "done"
    assert sum(opened.batches) == 2500 and max(opened.batches) <= 1024
    data = open_dataset(dataset)
    logits = np.load(tmp_path / "scores" / "predictions.npy")
    np.testing.assert_array_equal(logits, opened.logits(np.array(data.x("test"))))
    content = read_scores(tmp_path / "scores")
    expected = curves.score(logits, data.y("test"), data.conditions)
    assert content == {
        "examples": 2500,
        "task": "multi-class",
        "headline": "micro",
        "metrics": expected.metrics,
        "chance": expected.chance,
    }
    opened.batches.clear()
    assert evaluate(model, dataset, tmp_path / "scores") == "up to date"
    assert evaluate(model, dataset, tmp_path / "scores", set_size=2500) == "up to date"
    assert not opened.batches
    assert evaluate(model, dataset, tmp_path / "scores", set_size=100) == "done"
    assert sum(opened.batches) == 100


def test_a_multi_label_set_is_scored_by_its_recorded_labels(tmp_path, opened):
    opened.task = "multi-label"
    (tmp_path / "grammar.yaml").write_text(MULTI_LABEL)
    simulate(tmp_path / "grammar.yaml", tmp_path / "data", seed=0, counts={"test": 300})
    data = open_dataset(tmp_path / "data")
    y = data.y("test")
    assert (y != data.y_true("test")).any() and {0, 1, 2} <= set(y.sum(axis=1))
    evaluate(trained(tmp_path / "model"), tmp_path / "data", tmp_path / "scores")
    content = read_scores(tmp_path / "scores")
    expected = curves.score(opened.logits(data.x("test")), y, data.conditions, "multi-label")
    assert content["metrics"] == expected.metrics and content["chance"] == expected.chance
    assert (content["task"], content["headline"]) == ("multi-label", "macro")


def test_scores_of_an_earlier_version_are_refused(tmp_path):
    with claim(tmp_path, Identity("evaluate", 0)) as draft:
        draft.aside("scores.json").write_text('{"examples": 9, "metrics": {}}')
        draft.publish()
    with pytest.raises(InputError, match=r"lacks chance, headline, task: .* make it again"):
        read_scores(tmp_path)


def test_a_collapsed_model_is_scored_and_marked(dataset, tmp_path, opened):
    model = trained(tmp_path / "model", "collapsed")
    assert evaluate(model, dataset, tmp_path / "scores") == "collapsed"
    assert read_run(tmp_path / "scores")["status"] == "collapsed"
    assert (tmp_path / "scores" / "scores.json").exists()


def test_a_diverged_model_has_no_scores(dataset, tmp_path, opened):
    model = trained(tmp_path / "model", "diverged")
    assert evaluate(model, dataset, tmp_path / "scores") == "diverged"
    assert read_run(tmp_path / "scores")["status"] == "diverged" and not opened.batches
    assert not (tmp_path / "scores" / "scores.json").exists()


def test_evaluate_scores_another_model_again(dataset, tmp_path, opened):
    one, two = trained(tmp_path / "one", seed=1), trained(tmp_path / "two", seed=2)
    assert evaluate(one, dataset, tmp_path / "scores") == "done"
    assert evaluate(two, dataset, tmp_path / "scores") == "done"


def test_evaluate_refuses_a_model_of_other_conditions(dataset, tmp_path, opened):
    opened.conditions = ("near", "elsewhere")
    with pytest.raises(
        InputError, match=r"conditions: of the model: near, elsewhere; of .*: near, far"
    ):
        evaluate(trained(tmp_path / "model"), dataset, tmp_path / "scores")
    assert read_run(tmp_path / "scores") is None


RARE = """
window: 20
elements: {box: {kmers: {ACGTACGT: 1}}}
conditions: {pos: {rules: [{elements: [box]}]}, neg: {}}
examples: [{conditions: [pos], share: 1}, {conditions: [neg], share: 999}]
"""


def test_a_condition_that_no_example_shows_is_named_at_every_stage(
    tmp_path, opened, caplog, capsys
):
    (tmp_path / "rare.yaml").write_text(RARE)
    counts = {"training": 210, "validation": 30, "test": 60}
    simulate(tmp_path / "rare.yaml", tmp_path / "d", seed=1, counts=counts)
    assert "none of the 210 examples of training shows pos; simulate more" in caplog.text
    caplog.clear()
    opened.conditions = ("pos", "neg")
    opened.logits = lambda x: np.tile(np.float32([0, 1]), (len(x), 1))
    evaluate(trained(tmp_path / "m"), tmp_path / "d", tmp_path / "s")
    scores, run = read_scores(tmp_path / "s"), read_run(tmp_path / "s")
    assert (
        scores["metrics"]["roc_auc"]["micro"] == 1 and scores["metrics"]["roc_auc"]["macro"] is None
    )
    assert run["status"] == "done" and "no example of the test set shows pos" in run["reason"]
    assert run["reason"] in caplog.text
    stage = StageResult("done", run["reason"], run)
    words = status_row(StageResult("done", "", {}), stage, {}, "done")[-1]
    assert words == f"evaluate: {run['reason']}", "the table status says it"
    config = {
        **{"name": "t", "grammars": {"rare": {"from": str(tmp_path / "rare.yaml")}}},
        **{"architectures": ["fc10"], "sizes": [300, 30_000], "test": {"examples": 60}},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert main(["plan", str(tmp_path / "config.yaml")]) == 0
    said = capsys.readouterr().out
    assert "rare: none of the 210 examples of training of a dataset of 300 will show pos" in said
    assert "rare: none of the 60 examples of test will show pos" in said


def test_evaluate_refuses_a_damaged_dataset(dataset, tmp_path, opened):

    damaged = tmp_path / "data"
    shutil.copytree(dataset, damaged)
    with (damaged / "test.x.npy").open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"\x07")
    with pytest.raises(InputError, match="do not match their checksum"):
        evaluate(trained(tmp_path / "model"), damaged, tmp_path / "scores")
