"""Baselines: features side by side, heads as arrays alone, functions and estimators of the user's own."""

import json
import shutil

import numpy as np
import pytest
import yaml
from scipy.special import log_softmax
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC

import seqgra as sg
from seqgra.alphabet import PADDING, UNKNOWN
from seqgra.architecture.load import (
    architecture_fingerprint,
    load_architecture,
    resolve_architecture,
)
from seqgra.backends import estimators, heads, sklearn
from seqgra.backends.features import cache_beside, pooled_convolutions, random_filters
from seqgra.backends.heads import LabelledFeatures, booster_of, check_trees, tree_arrays
from seqgra.cli import main
from seqgra.dataset import open_dataset
from seqgra.errors import InputError
from seqgra.fingerprint import read_run
from seqgra.model import open_model
from seqgra.train import train
from seqgra.training import TrainingOptions, training_data

OWN = """
import numpy as np
calls = []
def composition(sequences):
    with open("{log}", "a") as stream:
        stream.write(f"{{len(sequences)}}\\n")
    return np.array([[s.count(letter) / len(s) for letter in "ACGT"] for s in sequences])
"""
ESTIMATOR = """
import numpy as np
from sklearn.linear_model import LogisticRegression
def regression(**options):
    return LogisticRegression(**options)
class Nearest:
    def __init__(self, power=2):
        self.power = power
    def fit(self, x, y):
        self.means = np.stack([x[y == c].mean(axis=0) for c in range(y.max() + 1)])
    def logits(self, x):
        return -(np.abs(x[:, None] - self.means) ** self.power).sum(axis=2)
    def arrays(self):
        return {{"means": self.means{lost}}}
    def restore(self, arrays):
        self.means = arrays["means"]
"""


def labels(kind, examples=400, features=6, seed=0):
    """Return values and labels: two or three conditions, or labels that depend on a feature each."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(examples, features)).astype(np.float32)
    if kind == "multi-label":
        y = np.stack([x[:, 0] * x[:, 1] > 0, np.ones(examples), x[:, 2] > 0.5], axis=1)
        return x, y.astype(np.uint8)
    score = np.stack([x[:, 0] * x[:, 1], x[:, 2], np.zeros(examples)][: int(kind)], axis=1)
    return x, np.eye(int(kind), dtype=np.uint8)[score.argmax(axis=1)]


def examples_of(kind):
    task = "multi-label" if kind == "multi-label" else "multi-class"
    return LabelledFeatures(*labels(kind), *labels(kind, 200, seed=1), task)


@pytest.mark.parametrize("kind", ["2", "3"])
def test_trees_predict_as_scikit_learn(kind):
    e = examples_of(kind)
    y = e.y.argmax(axis=1)
    model = HistGradientBoostingClassifier(max_iter=12).fit(e.values, y)
    arrays = tree_arrays([booster_of(model, int(kind))])
    assert check_trees(arrays, int(kind))
    logits = heads.trees(e.validation, arrays)
    wanted = model.decision_function(e.validation)
    found = logits[:, 1] - logits[:, 0] if kind == "2" else logits
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)
    for name, value in (("left", 0), ("right", 10**6), ("root", -1), ("condition", 3)):
        forged = {key: array.copy() for key, array in arrays.items()}
        forged[name][0] = value  # a cycle would never end, what lies outside is no number
        assert not check_trees(forged, int(kind)), name


@pytest.mark.parametrize("kind", ["2", "3", "multi-label"])
def test_heads_keep_their_best_step(kind):
    e = examples_of(kind)

    class Data:
        dataset = None

    class Nested(TrainingOptions):
        def source(self, dataset):
            return "1"

    for head in ({"dense": {"learning_rate": 0.01}}, {"boosting": {"trees": 40}}):
        content = {"backend": "sklearn", "features": {"one_hot": {}}, "head": head}
        baseline = resolve_architecture(content, "a.yaml")
        fitted = heads.fit_head(baseline, e, Data, Nested(0, "cpu", 1))
        logits = heads.head_logits(baseline, e.validation, fitted.arrays)
        losses = [row["validation_loss"] for row in fitted.history]
        assert heads.mean_loss(logits, e.validation_y, e.task) == pytest.approx(
            min(losses), rel=1e-5
        )
        right = heads.accuracy(logits, e.validation_y, e.task)
        assert right > 0.75, head  # the product of two features: a linear head reaches about 0.6
        if kind == "multi-label":  # what all examples have
            assert (logits[:, 1] > 0).mean() > 0.95


def test_a_condition_without_examples_is_never_predicted():
    x, y = labels("2")
    y = np.concatenate([y, np.zeros((len(y), 1), np.uint8)], axis=1)
    e = LabelledFeatures(x, y, x, y, "multi-class")
    content = {
        "backend": "sklearn",
        "features": {"one_hot": {}},
        "head": {"boosting": {"trees": 5}},
    }
    baseline = resolve_architecture(content, "a.yaml")
    fitted = heads.fit_head(baseline, e, None, TrainingOptions(0, "cpu", 1))
    assert set(heads.trees(x, fitted.arrays).argmax(axis=1)) == {0, 1}


def test_random_convolutions_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, (3, 12)).astype(np.uint8)  # 4: unknown
    chosen = load_architecture("random-convolutions").features.random_convolutions
    filters = random_filters(chosen.model_copy(update={"filters": 7, "width": 4}), 4)
    assert np.abs(filters.mean(axis=1)).max() < 1e-6
    one_hot = (x[:, :, None] == np.arange(4)).astype(np.float32)
    outputs = np.stack(
        [np.einsum("nwa,waf->nf", one_hot[:, i : i + 4], filters) for i in range(9)], axis=1
    )
    outputs = np.maximum(outputs, 0)
    wanted = np.concatenate([outputs.max(axis=1), outputs.mean(axis=1)], axis=1)
    np.testing.assert_allclose(pooled_convolutions(x, filters), wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["gradient-boosting", "random-convolutions"])
def test_shipped_baselines_train_and_open_again(name, tmp_path, tiny_dataset):
    data = open_dataset(tiny_dataset)
    assert train(tiny_dataset, name, tmp_path / "m", size=500, seed=0) == "done"
    run = read_run(tmp_path / "m")
    model = open_model(tmp_path / "m", run, data)
    x, y = data.x("validation", 50), data.y("validation", 50)
    assert heads.accuracy(model.logits(x), y, "multi-class") > 0.8
    assert train(tiny_dataset, name, tmp_path / "m", size=500, seed=0) == "up to date"


def own(tmp_path, content, text):
    (tmp_path / "own.py").write_text(text)
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump({"backend": "sklearn", **content}))
    return str(file)


def test_features_of_a_function_are_computed_once_a_dataset(tmp_path, tiny_dataset, capsys):
    data, log = tmp_path / "data", tmp_path / "logs" / "log"
    shutil.copytree(tiny_dataset, data)
    log.parent.mkdir()
    content = {"features": {"module": "own.py:composition"}}
    net = own(tmp_path, content, OWN.format(log=log))
    first = architecture_fingerprint(load_architecture(net))
    call = ["train", str(data), net, "-o", str(tmp_path / "m"), "--size", "500"]
    assert main(call) == 2 and not log.exists()
    assert "features.module: runs code of your own; allow it" in capsys.readouterr().err
    assert main([*call, "--allow-custom-code"]) == 0
    assert sorted(map(int, log.read_text().split())) == [50, 94, 256]  # 350 and 50 in parts
    kept = sorted(cache_beside(data).iterdir())
    assert len(kept) == 3
    again = [*call[:3], "-o", str(tmp_path / "again"), "--size", "500", "--allow-custom-code"]
    assert main(again) == 0 and len(log.read_text().split()) == 3
    same = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("m", "again")]
    assert same[0] == same[1]
    evaluate = ["evaluate", str(tmp_path / "m"), str(data), "-o", str(tmp_path / "s")]
    assert main(evaluate) == 2 and len(log.read_text().split()) == 3  # opening runs nothing
    assert main([*evaluate, "--allow-custom-code"]) == 0
    whole = kept[0].read_bytes()
    for damaged in (whole[:-7], whole[:-1] + bytes([whole[-1] ^ 1])):
        kept[0].write_bytes(damaged)  # is made anew
        shutil.rmtree(tmp_path / "again")
        before = len(log.read_text().split())
        assert main(again) == 0 and len(log.read_text().split()) == before + 1
        assert (tmp_path / "again" / "model.safetensors").read_bytes() == same[0]
    assert cache_beside(type(data)()).name == f"{data.cwd().name}.features"
    (tmp_path / "own.py").write_text((tmp_path / "own.py").read_text() + "\n")
    assert architecture_fingerprint(load_architecture(net)) != first
    attribute = ["attribute", str(tmp_path / "m"), str(data), "-o", str(tmp_path / "a")]
    attribute += ["--allow-custom-code", "--examples", "2", "--method"]
    assert main([*attribute, "integrated-gradients"]) == 0
    assert read_run(tmp_path / "a")["status"] == "skipped"


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("np.ones(len(s))", "returns shape (256,) for 256 sequences"),
        ("np.ones((3, 2))", "returns shape (3, 2) for 256 sequences"),
        ("np.full((len(s), 2), np.nan)", "returns nan in row 0, column 0"),
        ("np.ones((len(s), 1 + (len(s) < 256)))", "returns 1 and 2 numbers a sequence"),
        ("'text'", "returns str, no array of numbers"),
        ("s.nothing", "fails: AttributeError: 'list' object has no attribute 'nothing'"),
        ("open('own.yaml').read()", "reads "),
    ],
)
def test_what_a_function_may_not_return_is_one_line(
    returned, said, tmp_path, tiny_dataset, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    text = f"import numpy as np\ndef f(s):\n    return {returned}\n"
    net = own(tmp_path, {"features": {"module": "own.py:f"}}, text)
    call = ["train", str(tiny_dataset), net, "-o", "m", "--size", "500", "--allow-custom-code"]
    assert main(call) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: LogisticRegression(),
        lambda: LinearSVC(),
        lambda: SGDClassifier(random_state=0),
        lambda: RandomForestClassifier(n_estimators=5, random_state=0),
        lambda: HistGradientBoostingClassifier(max_iter=5),
        lambda: MLPClassifier((8,), max_iter=50, random_state=0),
    ],
)
@pytest.mark.parametrize("kind", ["2", "3", "gap"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimators_of_scikit_learn_predict_from_arrays(make, kind, monkeypatch):
    e = examples_of("3" if kind == "gap" else kind)
    if kind == "gap":  # the condition in the middle has no training examples
        keep = e.y[:, 1] == 0
        e = e._replace(values=e.values[keep], y=e.y[keep])
    monkeypatch.setattr(estimators, "_make", lambda *_: made)
    made = make()
    content = {
        "backend": "sklearn",
        "features": {"one_hot": {}},
        "head": {"estimator": {"module": "own.py:make"}},
    }
    baseline = resolve_architecture(content, "a.yaml", {"own.py:make": ""})
    kept, fitted = estimators.fit_estimator(baseline, e, TrainingOptions(0, "cpu", 1), "a")
    logits = estimators.STORED[kept](e.validation, fitted.arrays)
    assert (logits.argmax(axis=1) == made.predict(e.validation)).all()
    if kept != "linear":
        seen = log_softmax(logits[:, made.classes_], axis=1)
        wanted = np.log(np.maximum(made.predict_proba(e.validation), 1e-7))
        np.testing.assert_allclose(np.maximum(seen, np.log(1e-7)), wanted, atol=1e-4)


def fitted(make, e, monkeypatch):
    monkeypatch.setattr(estimators, "_make", lambda *_: make())
    content = {"backend": "sklearn", "features": {"one_hot": {}}}
    content["head"] = {"estimator": {"module": "own.py:make"}}
    baseline = resolve_architecture(content, "a.yaml", {"own.py:make": ""})
    return estimators.fit_estimator(baseline, e, TrainingOptions(3, "cpu", 1), "a")[1].arrays


@pytest.mark.parametrize("loss", ["log_loss", "modified_huber"])
def test_probabilities_that_no_softmax_gives_are_refused(loss, monkeypatch):
    """One against the rest: the probabilities of three classes are no softmax of the decisions."""
    with pytest.raises(InputError, match="predicts otherwise from its arrays"):
        fitted(lambda: SGDClassifier(loss=loss, random_state=0), examples_of("3"), monkeypatch)


def test_estimators_without_a_seed_follow_the_model_seed(monkeypatch):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = (
        fitted(lambda: RandomForestClassifier(n_estimators=5), examples_of("3"), monkeypatch)
        for _ in range(2)
    )
    assert all((one[name] == two[name]).all() for name in one)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


@pytest.mark.parametrize(
    "make",
    [
        lambda: LogisticRegression(),
        lambda: RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0),
        lambda: HistGradientBoostingClassifier(max_iter=5),
        lambda: MLPClassifier((8,), max_iter=20, random_state=0),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimators_of_scikit_learn_are_fitted_to_each_label(make, monkeypatch, tmp_path):
    e = examples_of("multi-label")  # all examples have the second label
    monkeypatch.setattr(estimators, "_make", lambda *_: make())
    head = {"estimator": {"module": "own.py:make"}}
    content = {"backend": "sklearn", "features": {"one_hot": {}}, "head": head}
    baseline = resolve_architecture(content, "a.yaml", {"own.py:make": ""})
    kept, fitted = estimators.fit_estimator(baseline, e, TrainingOptions(0, "cpu", 1), "a")
    logits = estimators.stored_logits(kept, e.validation, fitted.arrays, 3, e.task)
    for label in (0, 2):
        wanted = make().fit(e.values, e.y[:, label]).predict_proba(e.validation)
        odds = np.diff(np.log(np.maximum(wanted, 1e-7)), axis=1)[:, 0]
        np.testing.assert_allclose(*np.clip([logits[:, label], odds], -8, 8), atol=2e-4)
    assert (logits[:, 1] == np.float32(np.log(400.5 / 0.5))).all()
    for part in sklearn.tree_parts(fitted.arrays, 3):
        assert check_trees(part, 2)
        part["root"][0] = -1
        assert not check_trees(part, 2)


def test_estimators_of_the_user_and_functions_train_in_a_grid_of_their_own(tmp_path, tiny_dataset):
    data = open_dataset(tiny_dataset)
    for name, options in (("regression", {"C": 0.1, "max_iter": 500}), ("Nearest", {"power": 1})):
        head = {"estimator": {"module": f"own.py:{name}", "options": options}}
        net = own(
            tmp_path, {"features": {"kmers": {"k": 3}}, "head": head}, ESTIMATOR.format(lost="")
        )
        folder = str(tmp_path / name)
        call = ["train", str(tiny_dataset), net, "-o", folder, "--size", "500"]
        assert main(call) == 2 and main([*call, "--allow-custom-code"]) == 0
        assert json.loads((tmp_path / name / "model.json").read_text())["sources"]
        run = read_run(tmp_path / name)
        if name == "regression":  # taken apart: nothing is run to open it
            model = open_model(tmp_path / name, run, data)
            right = heads.accuracy(
                model.logits(data.x("validation")), data.y("validation"), "multi-class"
            )
            assert right > 0.7
        else:
            with pytest.raises(InputError, match=r"head\.estimator\.module: runs code of your own"):
                open_model(tmp_path / name, run, data)
            evaluate = ["evaluate", folder, str(tiny_dataset), "-o", str(tmp_path / "s")]
            assert main([*evaluate, "--allow-custom-code"]) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ESTIMATOR.format(lost="[:, :1]"), "predicts otherwise from its arrays (logits differ by"),
        (ESTIMATOR.format(lost=".tolist(), 'code': np.array([print])"), "code holds object"),
        ("class Nearest:\n    pass\n", "gives a Nearest; give a linear classifier, tree, forest"),
        ("from sklearn.svm import SVC as Nearest\n", "gives a SVC; give a linear classifier"),
        ("def Nearest():\n    raise KeyError('a')\n", "own.py:Nearest fails: KeyError: 'a'"),
        ("Nearest = 3\n", "holds no class or function Nearest"),
    ],
    ids=["lost", "objects", "no estimator", "kernel", "fails", "no function"],
)
def test_an_estimator_that_cannot_be_kept_is_one_line(text, said, tmp_path, tiny_dataset, capsys):
    head = {"estimator": {"module": "own.py:Nearest"}}
    net = own(tmp_path, {"features": {"kmers": {"k": 2}}, "head": head}, text)
    call = ["train", str(tiny_dataset), net, "-o", str(tmp_path / "m"), "--size", "500"]
    assert main([*call, "--allow-custom-code"]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1
    assert not (tmp_path / "m" / "run.json").exists()


def test_a_function_that_predicts_by_itself_is_a_model(tmp_path, tiny_dataset, capsys):
    text = (
        "import numpy as np\ndef f(s):\n    return np.array([[.9, .1] if 'A' in t else [.2, .8]\n"
    )
    text += "                     for t in s])\n"
    content = {"features": {"module": "own.py:f"}, "head": {"given": "probabilities"}}
    net = own(tmp_path, content, text)
    call = ["train", str(tiny_dataset), net, "-o", str(tmp_path / "m"), "--size", "500"]
    assert main([*call, "--allow-custom-code"]) == 0
    (tmp_path / "own.py").write_text(text.replace(".1]", ".1, 0]").replace(".8]", ".8, 0]"))
    assert main([*call, "--allow-custom-code"]) == 2
    assert "head.given: is probabilities, but there are 3 features and 2" in capsys.readouterr().err
    (tmp_path / "own.py").write_text(text.replace(".1]", ".2]").replace(".8]", ".9]"))
    assert main([*call, "--allow-custom-code"]) == 2
    assert "example 0: probabilities add up to 1.1, not 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"features": {}}, "needs one of one_hot, kmers"),
        ({"features": {"module": "own.txt:f"}}, "expected FILE.py:NAME"),
        ({"features": {"one_hot": {}}, "head": {}}, "needs exactly one of dense, boosting"),
        ({"features": {"one_hot": {}}, "head": {"boosting": {"tree": 3}}}, "tree"),
        ({"features": {"module": "none.py:f"}}, "features.module: there is no file none.py"),
        ({"features": {"one_hot": {}}, "penalties": []}, "penalties: holds nothing; at least 1"),
        *(
            (
                {"features": {"one_hot": {}}, "head": head, "penalties": [1]},
                "leave out them or head",
            )
            for head in ({"dense": {}}, {"boosting": {}}, {"given": "logits"})
        ),
    ],
)
def test_wrong_baselines_are_refused(content, said):
    with pytest.raises(InputError) as caught:
        resolve_architecture({"backend": "sklearn", **content}, "a.yaml")
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1


MOTIFS = """
task: {task}
window: 40
elements:
  box: {{kmers: {{TATAAAGG: 1}}}}
  a: {{consensus: GGCCAT}}
  b: {{consensus: TTGACC}}
common: {{rules: [{{elements: [box]}}]}}
conditions:
"""
TWO = (
    MOTIFS.format(task="multi-class")
    + "  p: {rules: [{elements: [a]}]}\n  q: {rules: [{elements: [b]}]}\n"
)


def trained(folder, grammar, content, size=300):
    """Return simulated data and a baseline that was trained on it."""
    (folder / "grammar.yaml").write_text(grammar)
    (folder / "net.yaml").write_text(yaml.safe_dump({"backend": "sklearn", **content}))
    data = sg.simulate(folder / "grammar.yaml", size=size, seed=1)
    return data, sg.train(data, folder / "net.yaml")


def test_a_feature_that_is_constant_in_training_says_nothing(tmp_path):
    data, model = trained(tmp_path, TWO, {"features": {"pwm_scan": {}}})
    assert model.arrays["scale"][0] == 1 and (model.arrays["scale"][1:] > 1).all()
    assert (model.arrays["coefficients"][:, 0] == 0).all()
    x = data.test.x.copy()
    for row, (start, end) in enumerate(
        data.test.elements.query("element == 0")[["start", "end"]].to_numpy()
    ):
        x[row, start:end] = 0  # no box
    right = heads.accuracy(model.logits(x), data.test.y, "multi-class")
    assert right > 0.95 and np.abs(model.logits(x)).max() < 50


def test_features_far_from_0_are_standardised_in_double_precision(tmp_path, monkeypatch):
    wide = np.random.default_rng(0).normal(0, 3, (60_000, 2)).astype(np.float32)
    values = wide + np.float32([1e5, 0])
    monkeypatch.setattr(sklearn.Extractor, "__call__", lambda *_: values.copy())
    monkeypatch.setattr(heads, "_ITERATIONS", 1)
    (tmp_path / "grammar.yaml").write_text(TWO)
    data = training_data(sg.simulate(tmp_path / "grammar.yaml", size=10, seed=1), 10)
    y = np.eye(2, dtype=np.uint8)[np.arange(60_000) % 2]
    data = data._replace(y=y, validation_y=y)
    arrays = sklearn.fit(
        resolve_architecture({"backend": "sklearn", "features": {"kmers": {}}}, "a.yaml"),
        data,
        TrainingOptions(0, "cpu", 1),
        None,
    ).model.arrays
    np.testing.assert_allclose(arrays["mean"], values.mean(axis=0, dtype=float), rtol=1e-6)
    np.testing.assert_allclose(arrays["scale"], values.std(axis=0, dtype=float), rtol=1e-4)


@pytest.mark.parametrize("head", [None, {"dense": {"epochs": 20}}, {"boosting": {"trees": 5}}])
def test_a_sequence_without_room_for_a_motif_has_its_lowest_score(head, tmp_path):
    (tmp_path / "grammar.yaml").write_text(TWO)
    data = training_data(sg.simulate(tmp_path / "grammar.yaml", size=300, seed=1), 300)
    x = data.x.copy()
    x[0, 5:], x[1, ::5], x[2] = PADDING, UNKNOWN, UNKNOWN  # too short, no six letters, none
    content = {"backend": "sklearn", "features": {"pwm_scan": {}}, "head": head}
    how = TrainingOptions(0, "cpu", 1), None
    trained = sklearn.fit(resolve_architecture(content, "a.yaml"), data._replace(x=x), *how)
    assert trained.status == "done"
    features = sklearn.Extractor.__call__(trained.model.features, x)
    scores = [np.array(matrix, np.float32) for matrix in trained.model.card.scores.values()]
    lowest = [matrix.min(axis=1).sum() for matrix in scores]
    np.testing.assert_allclose(features[:3], [lowest] * 3, rtol=1e-6)
    assert (features[3:] > lowest).all()
    assert sg.predict(trained.model, ["ACG", "N" * 40]).notna().all(axis=None)


@pytest.mark.parametrize("head", [None, {"boosting": {"trees": 5}}])
def test_a_training_set_of_one_condition_gives_a_constant_that_collapsed(head, tmp_path):
    shares = "examples: [{conditions: [p], share: 1}, {conditions: [q], share: 50}]\n"
    content = {"features": {"kmers": {"k": 2}}, "head": head}
    data, model = trained(tmp_path, TWO + shares, content, 30)
    assert (data.training.y.sum(axis=0) == [0, 21]).all() and model.status == "collapsed"
    logits = model.logits(data.test.x)
    np.testing.assert_allclose(logits, np.log([[0.5, 21.5]] * len(logits)), rtol=1e-6)


@pytest.mark.parametrize("head", [None, {"dense": {"epochs": 20}}, {"boosting": {"trees": 5}}])
def test_a_multi_label_task_may_have_one_condition(head, tmp_path):
    grammar = MOTIFS.format(task="multi-label") + "  p: {rules: [{elements: [a]}]}\n"
    grammar += "examples: [{conditions: [p], share: 1}, {conditions: [], share: 1}]\n"
    data, model = trained(tmp_path, grammar, {"features": {"pwm_scan": {}}, "head": head})
    logits = model.logits(data.test.x)
    assert logits.shape == (60, 1) and model.status == "done"
    assert heads.accuracy(logits, data.test.y, "multi-label") > 0.9
