"""Training: learns, repeats itself bit for bit, resumes exactly, reports collapse and divergence."""

import csv
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import yaml

from seqgra.architecture.custom import custom_code
from seqgra.backends import loop
from seqgra.backends.features import BaselineCard
from seqgra.backends.pytorch import build_from_card
from seqgra.backends.sklearn import SklearnModel
from seqgra.cli import main
from seqgra.dataset import open_dataset
from seqgra.errors import InputError
from seqgra.fingerprint import read_run
from seqgra.model import ModelCard, open_model
from seqgra.simulate import simulate
from seqgra.train import train

QUICK = {"adam": {"learning_rate": 0.01}}


def architecture(tmp_path, layers=None, **changes):
    layers = layers or [
        {"conv": {"filters": 8, "width": 9, "activation": "relu"}},
        "global-max-pool",
    ]
    content = {"layers": layers, "optimizer": QUICK, "training": {"epochs": 12}, **changes}
    file = tmp_path / "net.yaml"
    file.write_text(yaml.safe_dump(content))
    return str(file)


def reopen(folder):
    return open_model(folder, read_run(folder), device="cpu")


def accuracy(folder, dataset):
    data = open_dataset(dataset)
    logits = reopen(folder).logits(data.x("test"))
    return float((logits.argmax(axis=1) == data.y("test").argmax(axis=1)).mean())


@pytest.mark.parametrize("name", ["net", "pwm-logistic-regression", "kmer-logistic-regression"])
def test_learns_what_can_be_learnt(tmp_path, tiny_dataset, name):
    name = architecture(tmp_path) if name == "net" else name
    assert train(tiny_dataset, name, tmp_path / "m", size=1000, seed=0, device="cpu") == "done"
    assert accuracy(tmp_path / "m", tiny_dataset) > 0.97


def test_same_seed_same_bits_another_seed_others(tmp_path, tiny_dataset):
    layers = ["flatten", {"dense": {"units": 4, "activation": "relu"}}, {"dropout": 0.3}]
    net = architecture(tmp_path, layers, training={"epochs": 2})
    weights = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(tiny_dataset, net, tmp_path / folder, size=500, seed=seed, device="cpu")
        weights.append((tmp_path / folder / "model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]


def test_best_epoch_is_kept_and_history_tells_it(tmp_path, tiny_dataset):
    plan = {"epochs": 30, "patience": 2}
    net = architecture(
        tmp_path, ["flatten"], optimizer={"adam": {"learning_rate": 0.3}}, training=plan
    )
    train(tiny_dataset, net, tmp_path / "m", size=500, seed=0, device="cpu")
    with (tmp_path / "m" / "history.csv").open() as stream:
        losses = [float(row["validation_loss"]) for row in csv.DictReader(stream)]
    run = read_run(tmp_path / "m")
    assert run["best_epoch"] == 1 + int(np.argmin(losses)) and run["epochs"] == len(losses)
    assert len(losses) == run["best_epoch"] + 2 < 30, "stops after two epochs without progress"
    data = open_dataset(tiny_dataset)
    x, y = data.x("validation", 50), data.y("validation", 50).argmax(axis=1)
    logits = reopen(tmp_path / "m").logits(x).astype(float)
    loss = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(50), y])
    assert loss == pytest.approx(min(losses), rel=1e-4)


def test_divergence_is_a_result_that_names_epoch_and_rate(tmp_path, tiny_dataset):
    layers = ["flatten", {"dense": {"units": 20, "activation": "exponential"}}]
    net = architecture(tmp_path, layers, optimizer={"sgd": {"learning_rate": 1e6}})
    assert train(tiny_dataset, net, tmp_path / "m", size=500, seed=0, device="cpu") == "diverged"
    assert "not a number at epoch 1, learning rate 1e+06" in read_run(tmp_path / "m")["reason"]
    assert reopen(tmp_path / "m").logits(np.zeros((3, 40), np.uint8)).shape == (3, 2)


def test_collapse_is_a_result(tmp_path, tiny_dataset):
    net = architecture(tmp_path, optimizer={"sgd": {"learning_rate": 1e-9}}, training={"epochs": 1})
    status = train(tiny_dataset, net, tmp_path / "m", size=1000, seed=0, device="cpu")
    assert (
        status == "collapsed"
        and "not 1 % below the constant predictor" in read_run(tmp_path / "m")["reason"]
    )


SLOW_NET = ["flatten", {"dense": {"units": 300, "activation": "relu"}}, {"dropout": 0.5}]


#: Ends a training in the third call of a function of the loop, `{dying}` before that.
KILLED = """
import os, sys
from seqgra.backends import loop
from seqgra.cli import main
loop._CHECKPOINT_SECONDS = -1
real, calls = loop.{name}, []
def killed(*args):
    calls.append(1)
    if len(calls) == 3:
        {dying}
        os.kill(os.getpid(), {signal})
    return real(*args)
loop.{name} = killed
sys.exit(main(sys.argv[1:]))
"""


def short_training(folder, dataset):
    """Return the command of a training of a few epochs, without its output folder."""
    net = architecture(folder, SLOW_NET, training={"epochs": 4})
    return ["train", str(dataset), net, "--size", "500", "--device", "cpu", "-o"]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, tiny_dataset):
    """Return the folder of that training, never interrupted."""
    folder = tmp_path_factory.mktemp("unbroken")
    assert main([*short_training(folder, tiny_dataset), str(folder / "whole")]) == 0
    return folder / "whole"


def history(folder):
    with (folder / "history.csv").open() as stream:
        return [{**row, "seconds": ""} for row in csv.DictReader(stream)]


@pytest.mark.parametrize(
    ("name", "dying", "number"),
    [
        ("validation_row", "pass", signal.SIGINT),
        ("validation_row", "pass", signal.SIGKILL),
        pytest.param(
            *(
                "_write",
                "open(str(args[0]) + '.partial', 'wb').write(args[1][:999])",
                signal.SIGKILL,
            ),
            marks=pytest.mark.slow,
        ),
        ("_write", "open(args[0], 'wb').write(args[1][:999])", signal.SIGKILL),
    ],
    ids=[
        "interrupted in the third epoch",
        "killed in the third epoch",
        "killed while it writes a checkpoint",
        "killed as if renaming were not atomic",
    ],
)
def test_a_broken_training_goes_on_and_ends_like_an_unbroken_one(
    tmp_path, tiny_dataset, unbroken, name, dying, number, caplog
):
    command = [*short_training(tmp_path, tiny_dataset), str(tmp_path / "broken")]
    program = KILLED.format(name=name, dying=dying, signal=int(number))
    ended = subprocess.run(
        [sys.executable, "-c", program, *command], check=False, capture_output=True, text=True
    )
    if number == signal.SIGINT:
        assert ended.returncode == 130 and "interrupted; the same command goes on" in ended.stderr
    else:
        assert ended.returncode == -number
    assert read_run(tmp_path / "broken") is None and list(
        (tmp_path / "broken").glob(".checkpoint-*[!l]")
    )
    assert main(command) == 0
    assert name == "_write" or "resuming" in caplog.text
    for file in ("model.safetensors", "model.json"):
        assert (tmp_path / "broken" / file).read_bytes() == (unbroken / file).read_bytes(), file
    assert history(tmp_path / "broken") == history(unbroken)
    assert not list((tmp_path / "broken").glob(".checkpoint*"))


CUSTOM = """
import torch
from pathlib import Path
Path({marker!r}).touch()
class Mine(torch.nn.Sequential):
    def __init__(self, letters, window, outputs, units=3):
        super().__init__(
            torch.nn.Flatten(), torch.nn.Linear(letters * window, units), torch.nn.ReLU(),
            torch.nn.Linear(units, outputs + {extra}),
        )
"""


def custom_architecture(tmp_path, extra=0):
    marker = tmp_path / "was-run"
    (tmp_path / "mine.py").write_text(CUSTOM.format(marker=str(marker), extra=extra))
    content = {"module": "mine.py:Mine", "options": {"units": 8}, "optimizer": QUICK}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**content, "training": {"epochs": 3}}))
    return str(tmp_path / "mine.yaml"), marker


def test_custom_code_runs_only_where_it_is_allowed(tmp_path, tiny_dataset, capsys):
    net, marker = custom_architecture(tmp_path)
    model = str(tmp_path / "m")
    command = ["train", str(tiny_dataset), net, "-o", model, "--size", "500", "--device", "cpu"]
    assert main(command) == 2 and main(["check", net]) == 0
    said = capsys.readouterr().err
    assert "module: runs code of your own; allow it with --allow-custom-code" in said
    assert len(said.splitlines()) == 1 and not marker.exists()
    assert main([*command, "--allow-custom-code"]) == 0 and marker.exists()
    marker.unlink()
    run = read_run(tmp_path / "m")
    assert run["parameters"] == (160 * 8 + 8) + (8 * 2 + 2)
    scores = ["evaluate", model, str(tiny_dataset), "-o", str(tmp_path / "s"), "--device", "cpu"]
    assert main(scores) == 2 and not marker.exists()
    assert main([*scores, "--allow-custom-code"]) == 0 and marker.exists()
    changed = (tmp_path / "mine.py").read_text().replace("ReLU", "Tanh")
    (tmp_path / "mine.py").write_text(changed)
    assert main([*command, "--allow-custom-code"]) == 0
    assert read_run(tmp_path / "m")["fingerprint"] != run["fingerprint"], "the code is an input"


def test_a_custom_module_may_return_numbers_of_less_precision(tmp_path, tiny_dataset):
    net, _ = custom_architecture(tmp_path)
    less = "    def forward(self, values):\n        return super().forward(values).bfloat16()\n"
    with (tmp_path / "mine.py").open("a") as file:
        file.write(less)
    command = ["train", str(tiny_dataset), net, "-o", str(tmp_path / "m"), "--size", "500"]
    assert main([*command, "--device", "cpu", "--allow-custom-code"]) == 0


def test_a_model_reads_no_file_that_its_folder_names(tmp_path):
    """Files of the user's own are named in YAML that the user writes; a result holds their text instead."""
    _, marker = custom_architecture(tmp_path)
    name = f"{tmp_path / 'mine.py'}:Mine"
    given = {"alphabet": "DNA", "window": 40, "conditions": ("a", "b")}
    card = ModelCard(architecture={"module": name, "options": {"units": 8}}, **given)
    features = {"backend": "sklearn", "features": {"module": name}}
    baseline = BaselineCard(architecture=features, **given)
    with custom_code(True):
        with pytest.raises(InputError, match="holds no class or function Mine"):
            build_from_card(card, "a model")
        with pytest.raises(InputError, match="holds no class or function Mine"):
            SklearnModel(baseline, {}).logits(np.zeros((2, 40), np.uint8))
    assert not marker.exists()


def test_a_custom_module_of_the_wrong_shape_is_refused(tmp_path, tiny_dataset, capsys):
    net, _ = custom_architecture(tmp_path, extra=1)
    command = ["train", str(tiny_dataset), net, "-o", str(tmp_path / "m"), "--size", "500"]
    assert main([*command, "--allow-custom-code", "--device", "cpu"]) == 2
    assert "gives an output of shape (2, 3); expected (2, 2)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "class Mine:\n    def __init__(self, **sizes): pass\n",
            "gives a Mine, which is no torch.nn.Module",
        ),
        (
            "class Model:\n    __module__ = 'keras.models'\n"
            "class Mine(Model):\n    def __init__(self, **sizes): pass\n",
            "set `backends: [tensorflow]` in the config, or give --backend tensorflow",
        ),
        (
            "import torch\nclass Mine(torch.nn.Flatten):\n"
            "    def __init__(self, **sizes): super().__init__()\n",
            "Mine: has no weights that can be trained",
        ),
    ],
    ids=["no module", "Keras", "no weights"],
)
def test_a_module_that_cannot_be_trained_says_what_to_do(
    text, said, tmp_path, tiny_dataset, capsys
):
    net, _ = custom_architecture(tmp_path)
    (tmp_path / "mine.py").write_text(text)
    content = {"module": "mine.py:Mine", "optimizer": QUICK}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    command = ["train", str(tiny_dataset), net, "-o", str(tmp_path / "m"), "--size", "100"]
    assert main([*command, "--allow-custom-code", "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("forward", "said"),
    [
        ("self.table(x.argmax(dim=1)).mean(dim=1)", "passes no gradient to its input"),
        (
            "self.table(torch.from_numpy(x.numpy().argmax(axis=1))).mean(dim=1)",
            "fails on what the method asks of it (Can't call numpy() on Tensor that requires grad",
        ),
        (
            "(x.add_(0.5), self.table(x.argmax(dim=1)).mean(dim=1))[1]",
            "fails on what the method asks of it (a leaf Variable that requires grad",
        ),
        (
            "self.refuse(x) + self.table(x.argmax(dim=1)).mean(dim=1)",
            "fails on what the method asks of it (letters only)",
        ),
    ],
    ids=["table", "NumPy", "in place", "letters only"],
)
def test_a_module_without_gradient_is_skipped_by_methods_that_need_one(
    forward, said, tmp_path, tiny_dataset
):
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "class Mine(torch.nn.Module):\n"
        "    def __init__(self, letters, window, outputs):\n"
        "        super().__init__()\n"
        "        self.table = torch.nn.Embedding(letters, outputs)\n"
        "    def refuse(self, x):\n"
        "        if not torch.isin(x, torch.tensor([0.0, 1.0])).all():\n"
        "            raise ValueError('letters only')\n"
        "        return 0\n"
        "    def forward(self, x):\n"
        f"        return {forward}\n"
    )
    content = {"module": "mine.py:Mine", "optimizer": QUICK, "training": {"epochs": 1}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    allowed = ["--allow-custom-code", "--device", "cpu"]
    model = str(tmp_path / "m")
    call = ["train", str(tiny_dataset), str(tmp_path / "mine.yaml"), "-o", model, "--size", "100"]
    assert main([*call, *allowed]) == 0
    for method, status in (("integrated-gradients", "skipped"), ("mutagenesis", "done")):
        folder = tmp_path / method
        call = ["attribute", model, str(tiny_dataset), "-o", str(folder), "--method", method]
        assert main([*call, "--examples", "3", *allowed]) == 0
        run = read_run(folder)
        assert run["status"] == status
    assert said in read_run(tmp_path / "integrated-gradients")["reason"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import helper", "line 1: imports helper, which is no installed package"),
        ("from helper.parts import Part", "line 1: imports helper.parts"),
        ("from . import helper", "line 1: imports ., which"),
        ("def f():\n    import helper", "line 2: imports helper"),
        ("import numpy as n; n.loadtxt('weights.txt')", "reads {folder}/weights.txt"),
        ("open('{folder}/weights.txt').read()", "reads {folder}/weights.txt"),
        ("import runpy; runpy.run_path('helper.py')", "reads {folder}/helper.py"),
    ],
)
def test_a_module_with_helper_files_is_refused(
    tmp_path, tiny_dataset, capsys, monkeypatch, line, said
):
    """A model would not be made again when they change."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.txt").write_text("1\n")
    (tmp_path / "helper.py").write_text("x = 1\n")
    net, _ = custom_architecture(tmp_path)
    module = tmp_path / "mine.py"
    module.write_text(f"{line.format(folder=tmp_path)}\n{module.read_text()}")
    command = ["train", str(tiny_dataset), net, "-o", str(tmp_path / "m"), "--size", "100"]
    assert main([*command, "--allow-custom-code", "--device", "cpu"]) == 2
    told = capsys.readouterr().err
    assert said.format(folder=tmp_path) in told and len(told.splitlines()) == 1
    assert not (tmp_path / "m" / "run.json").exists()


def test_a_missing_module_is_said(tmp_path, tiny_dataset):
    net, _ = custom_architecture(tmp_path)
    (tmp_path / "mine.py").unlink()
    with pytest.raises(InputError, match=r"mine\.yaml: module: there is no file mine\.py"):
        train(tiny_dataset, net, tmp_path / "m", size=100, seed=0)


def test_history_names_the_rate_and_the_monitored_metric(tmp_path, tiny_dataset):
    plan = {"epochs": 3, "monitor": "roc-auc"}
    net = architecture(tmp_path, training=plan, schedule={"exponential": {"factor": 0.5}})
    train(tiny_dataset, net, tmp_path / "m", size=300, seed=0, device="cpu")
    with (tmp_path / "m" / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["learning_rate"]) for row in rows] == [0.01, 0.005, 0.0025]
    scores = [float(row["validation_roc_auc"]) for row in rows]
    assert read_run(tmp_path / "m")["best_epoch"] == 1 + int(np.argmax(scores))


def test_a_network_that_does_not_suit_the_task_is_refused(tmp_path, tiny_dataset):
    with pytest.raises(InputError, match="loss: is bce, which does not suit a multi-class task"):
        train(tiny_dataset, architecture(tmp_path, loss="bce"), tmp_path / "m", size=100, seed=0)


def test_a_damaged_checkpoint_costs_only_itself(tmp_path, tiny_dataset, caplog):
    net = architecture(tmp_path, training={"epochs": 1})
    args = {"size": 300, "seed": 0, "device": "cpu"}
    train(tiny_dataset, net, tmp_path / "whole", **args)
    fingerprint = read_run(tmp_path / "whole")["fingerprint"]
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / ".lock").touch()
    (tmp_path / "m" / f".checkpoint-{fingerprint[:12]}").write_bytes(b"PK half a checkpoint")
    train(tiny_dataset, net, tmp_path / "m", **args)
    assert "starting anew" in caplog.text
    weights = [(tmp_path / folder / "model.safetensors").read_bytes() for folder in ("m", "whole")]
    assert weights[0] == weights[1] and not list((tmp_path / "m").glob(".checkpoint*"))


class Kept:
    """A trainee that has two weights and learns nothing."""

    device = "cpu"
    restored = None

    def weights(self):
        return {"w": np.array([0.5, -2.0], np.float32)}

    def optimizer_state(self):
        return {"step": np.array(3)}

    def restore(self, weights, state=None):
        self.restored = weights


def test_no_flipped_bit_of_a_checkpoint_is_taken_over(tmp_path):
    """One bit of a weight, or of the state, would publish another model."""
    file = tmp_path / "checkpoint"
    row = {"epoch": 1, "validation_loss": 0.5}
    state = loop.State(1, 0.5, 1, Kept().weights(), [row])
    state.save(Kept(), file)
    whole = file.read_bytes()
    again, trainee = loop.State(), Kept()
    again.load(trainee, file)
    assert again.history == [row] and trainee.restored["w"].tolist() == [0.5, -2.0]
    assert again.best_weights["w"].tolist() == [0.5, -2.0] and len(whole) > 300
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << (place % 8)
        file.write_bytes(changed)
        with pytest.raises(ValueError, match="does not match its checksum"):
            loop.State().load(Kept(), file)


def test_batches_of_one_example_train_too(tmp_path, tiny_dataset):
    net = architecture(tmp_path, training={"epochs": 1, "batch_size": 1})
    assert train(tiny_dataset, net, tmp_path / "m", size=200, seed=0, device="cpu") == "done"


def test_a_model_is_refused_data_of_another_window(tmp_path, tiny_dataset, tiny_grammar):
    tiny_grammar.write_text(tiny_grammar.read_text().replace("window: 40", "window: 41"))
    simulate(tiny_grammar, tmp_path / "wide", seed=0, counts={"test": 10})
    net = architecture(tmp_path, training={"epochs": 1})
    train(tiny_dataset, net, tmp_path / "m", size=300, seed=0, device="cpu")
    with pytest.raises(InputError, match=r"window: of the model: 40; of .*wide: 41"):
        open_model(tmp_path / "m", read_run(tmp_path / "m"), open_dataset(tmp_path / "wide"))


@pytest.mark.parametrize("name", ["net", "kmer-logistic-regression"])
def test_permuted_labels_cannot_be_learnt(tmp_path, tiny_dataset, name, capsys):
    """The labels stay the same in number; which example has which follows from the model seed."""
    wanted = architecture(tmp_path) if name == "net" else name
    for seed, folder in ((0, "a"), (0, "b"), (1, "c")):
        given = ["train", tiny_dataset, wanted, "-o", tmp_path / folder, "--size", 1000]
        assert main([*map(str, given), "--seed", str(seed), "--permute-labels"]) == 0
    train(tiny_dataset, str(wanted), tmp_path / "plain", size=1000, seed=0)
    runs = {folder: read_run(tmp_path / folder) for folder in ("a", "b", "c", "plain")}
    assert runs["a"]["fingerprint"] == runs["b"]["fingerprint"] != runs["plain"]["fingerprint"]
    weights = {folder: run["files"]["model.safetensors"] for folder, run in runs.items()}
    assert weights["a"] == weights["b"] != weights["c"]
    assert "permute_labels" not in runs["plain"]["options"]
    losses = {
        name: run["best_validation_loss"] / run["constant_loss"] for name, run in runs.items()
    }
    assert losses["plain"] < 0.3 and min(losses["a"], losses["c"]) > 0.9, losses


def test_the_exact_posterior_has_no_labels_to_permute(tmp_path, tiny_dataset):
    with pytest.raises(InputError, match="is for what is trained"):
        train(tiny_dataset, "bayes-optimal", tmp_path, size=None, seed=0, permute_labels=True)


def test_identity_of_a_model(tmp_path, tiny_dataset):
    net = architecture(tmp_path, training={"epochs": 1})
    args = {"size": 300, "seed": 0, "device": "cpu"}
    train(tiny_dataset, net, tmp_path / "m", **args)
    assert train(tiny_dataset, net, tmp_path / "m", **args) == "up to date"
    assert train(tiny_dataset, net, tmp_path / "m", **{**args, "size": 310}) != "up to date"
    other = architecture(tmp_path, training={"epochs": 2})
    assert train(tiny_dataset, other, tmp_path / "m", **{**args, "size": 310}) != "up to date"


def test_a_damaged_model_is_named(tmp_path, tiny_dataset):
    net = architecture(tmp_path, training={"epochs": 1})
    train(tiny_dataset, net, tmp_path / "m", size=300, seed=0, device="cpu")
    file = tmp_path / "m" / "model.safetensors"
    damaged = bytearray(file.read_bytes())
    damaged[-3] ^= 4
    file.write_bytes(damaged)
    with pytest.raises(InputError, match=r"model.safetensors: does not match its checksum"):
        reopen(tmp_path / "m")


def test_what_is_missing_is_said(tmp_path, tiny_dataset):
    net = architecture(tmp_path)
    with pytest.raises(InputError, match="training: has 700 examples; 1400 are wanted"):
        train(tiny_dataset, net, tmp_path / "m", size=2000, seed=0)
    with pytest.raises(InputError, match="is not finished"):
        train(tmp_path / "nowhere", net, tmp_path / "m", size=100, seed=0)
    with pytest.raises(
        InputError, match=r"gives 9 examples to train and validate with; at least 10"
    ):
        train(tiny_dataset, net, tmp_path / "m", size=9, seed=0)
    with pytest.raises(InputError, match="no such backend"):
        train(tiny_dataset, net, tmp_path / "m", size=100, seed=0, backend="jax")


@pytest.mark.skipif(
    os.environ.get("CUDA_VISIBLE_DEVICES") not in (None, ""), reason="a CUDA device may be present"
)
def test_a_missing_gpu_is_said(tmp_path, tiny_dataset):
    import torch

    if torch.cuda.is_available():
        pytest.skip("a CUDA device is present")
    with pytest.raises(InputError, match="no CUDA device is available"):
        train(tiny_dataset, architecture(tmp_path), tmp_path / "m", size=100, seed=0, device="cuda")


def test_recipe_holds_no_path(tmp_path, tiny_dataset):
    train(tiny_dataset, architecture(tmp_path), tmp_path / "m", size=100, seed=0, device="cpu")
    text = (tmp_path / "m" / "model.json").read_text() + (tmp_path / "m" / "run.json").read_text()
    assert str(tmp_path) not in text
    assert json.loads((tmp_path / "m" / "model.json").read_text())["conditions"] == ["one", "two"]
