"""Contracts of every backend: what networks, optimisers and losses mean, and that twins agree."""

import os
import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
import yaml
from scipy.special import expit

from seqgra import training
from seqgra.alphabet import DNA
from seqgra.architecture.custom import custom_code
from seqgra.architecture.layers import Layer, Residual, walk_layers
from seqgra.architecture.load import (
    load_architecture,
    resolve_architecture,
)
from seqgra.architecture.optimizers import Optimizer
from seqgra.architecture.schema import Augment, Network
from seqgra.architecture.shapes import count_parameters
from seqgra.backends import loop, pytorch, pytorch_training
from seqgra.backends.pytorch_layers import RelativeBias, StrandAverage, build
from seqgra.errors import InputError
from seqgra.fingerprint import Identity, claim, read_run
from seqgra.metrics import macro_area, rank
from seqgra.model import (
    NETWORK_BACKENDS,
    ModelCard,
    backend_module,
    card_text,
    explained_part,
    open_model,
    trainer,
)
from seqgra.train import train
from seqgra.training import (
    TrainingOptions,
    balanced_weights,
    constant_loss,
    mean_loss,
    validation_row,
)


def slow_where(value, name, names):
    """Return a parameter that is left to `make test-all` where its name is one of some."""
    return pytest.param(value, id=name, marks=[pytest.mark.slow] if name in names else [])


SHIPPED = sorted((Path(__file__).parents[1] / "architectures").glob("*.yaml"))
NETWORKS = [path for path in SHIPPED if "backend:" not in path.read_text()]
#: Shipped networks that take more than five CPU seconds, one of each kind beside smaller ones.
RECURRENT = ("conv-gru", "danq")
ALL_LAYERS = get_args(get_args(Layer)[0])
pytestmark = pytest.mark.usefixtures("tensorflow")

#: Largest difference of outputs between twins.
CLOSE = 1e-4

#: Every layer of the language.
EVERYTHING = [
    {"conv": {"filters": 3, "width": 5, "reverse_complement": True, "activation": "silu"}},
    {"conv": {"filters": 6, "width": 4, "dilation": 2, "activation": "exponential"}},
    "layer-norm",
    {"lstm": {"units": 4, "layers": 2, "bidirectional": True, "dropout": 0.2}},
    {"residual": ["layer-norm", {"attention": {"heads": 2, "dropout": 0.1}}]},
    {"conv": {"filters": 5, "width": 3, "stride": 2, "padding": "valid", "activation": "elu"}},
    {"batch-norm": {"momentum": 0.2, "epsilon": 1e-3}},
    {"residual": {"layers": [{"conv": {"filters": 5, "width": 1}}], "activation": "leaky-relu"}},
    {"average-pool": {"width": 3, "stride": 2}},
    {"gru": {"units": 6, "bidirectional": True}},
    {"conv": {"filters": 4, "width": 3, "padding": 4, "activation": "gelu"}},
    {"max-pool": 2},
    {"gru": {"units": 5, "layers": 2, "bidirectional": True, "output": "last"}},
    "layer-norm",
    {"dense": {"units": 4, "activation": "tanh"}},
    {"dense": {"units": 4, "activation": "softplus"}},
    {"dense": {"units": 4, "activation": "sigmoid"}},
    {"dropout": 0.1},
]
#: What attention, gates and branches are made of: a network of its own, so that neither is too deep.
COMPOSED = [
    {"conv": {"filters": 4, "width": 5, "reverse_complement": True, "bias": False}},
    {"positional-encoding": "learned"},
    {"positional-encoding": "sinusoidal"},
    {"residual": ["layer-norm", {"attention": {"heads": 2, "positions": "rotary"}}]},
    {"residual": ["layer-norm", {"attention": {"heads": 2, "positions": "relative"}}]},
    {"conv": {"filters": 16, "width": 3, "groups": 4, "dilation": 2, "bias": False}},
    "gate",
    {"squeeze-excite": {"units": 3, "activation": "silu"}},
    {"activation": "leaky-relu"},
    {
        "residual": {
            "layers": [{"conv": {"filters": 12, "width": 3, "stride": 2, "padding": 1}}],
            "projection": True,
            "activation": "elu",
        }
    },
    {"branches": [[{"conv": {"filters": 4, "width": 3}}, {"gate": "silu"}], [], ["batch-norm"]]},
    {"branches": {"paths": [[], [{"conv": {"filters": 26, "width": 3}}]], "join": "product"}},
    {"branches": {"paths": [[], [{"conv": {"filters": 26, "width": 3}}]], "join": "sum"}},
    {
        "repeat": {
            "times": 3,
            "dilation": "double",
            "layers": [{"residual": ["layer-norm", {"conv": {"filters": 26, "width": 3}}]}],
        }
    },
    {
        "branches": [
            [{"attention-pool": 2}],
            ["global-average-pool"],
            ["global-max-pool"],
            ["flatten"],
        ]
    },
    {"dense": 8},
    "gate",
    {"residual": {"layers": [{"dense": 6}, "layer-norm"], "projection": True}},
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Fix the threads before TensorFlow first works; it cannot be changed afterwards."""
    from seqgra.backends import tensorflow

    tensorflow.prepare_process(1)


def card_of(content, window=60, task="multi-class", conditions=("a", "b")):
    network = content if isinstance(content, Network) else resolve_architecture(content, "a.yaml")
    return ModelCard(
        architecture=network.model_dump(mode="json"),
        alphabet="DNA",
        window=window,
        conditions=tuple(conditions),
        task=task,
    )


def random_model(card):
    """Return a PyTorch model whose normalisations are no identities."""
    torch.manual_seed(1)
    module = pytorch.build_from_card(card, "a.yaml")
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(part.running_mean)
            torch.nn.init.uniform_(part.running_var, 0.5, 2)
        if isinstance(part, (torch.nn.BatchNorm1d, torch.nn.LayerNorm)):
            torch.nn.init.uniform_(part.weight, 0.5, 2)
        if isinstance(part, RelativeBias):
            torch.nn.init.normal_(part.weight)
    return pytorch.PytorchModel(module, card, torch.device("cpu"))


def letters(rows, window, seed=0):
    """Return letter codes with padding and an unknown letter in some rows."""
    x = np.random.default_rng(seed).integers(0, 4, (rows, window)).astype(np.uint8)
    x[1, window - 7 :] = 255
    x[2, 5] = 254
    return x


def one_hot(x):
    return (x[:, None, :] == np.arange(4)[None, :, None]).astype(np.float32)


def twins_agree(model, window):
    from seqgra.backends import tensorflow

    x, target = letters(3, window), np.array([0, 1, 1])
    twin = tensorflow.from_pytorch(model)
    assert np.abs(model.logits(x) - twin.logits(x)).max() < CLOSE
    gradients = model.gradients(one_hot(x), target), twin.gradients(one_hot(x), target)
    assert np.abs(gradients[0] - gradients[1]).max() < CLOSE
    for array in twin.network.trainable_variables:  # so that nothing but the way back explains it
        array.assign(array * 1.01)
    back = tensorflow.to_pytorch(twin)
    assert np.abs(back.logits(x) - twin.logits(x)).max() < CLOSE
    assert np.abs(back.logits(x) - model.logits(x)).max() > 0
    return twin


@pytest.mark.parametrize("path", [slow_where(p, p.stem, RECURRENT) for p in NETWORKS])
def test_every_shipped_network_has_a_twin_with_the_same_outputs(path):
    network = load_architecture(str(path))
    twin = twins_agree(random_model(card_of(network, 500)), 500)
    parameters = sum(int(np.prod(w.shape)) for w in twin.network.trainable_variables)
    assert parameters == count_parameters(network, 4, 500, 2)


def test_every_kind_of_layer_is_compared():
    kinds = {
        layer.kind
        for layers in (EVERYTHING, COMPOSED)
        for _, layer in walk_layers(resolve_architecture({"layers": layers}, "a.yaml").layers)
    }
    assert kinds == {each.model_fields["kind"].annotation.__args__[0] for each in ALL_LAYERS}


@pytest.mark.parametrize(
    ("layers", "task", "both_strands"),
    [
        pytest.param(EVERYTHING, "multi-class", False, id="everything"),
        pytest.param(
            EVERYTHING, "multi-label", True, id="everything, labels", marks=pytest.mark.slow
        ),
        pytest.param(COMPOSED, "multi-class", False, id="composed"),
        pytest.param(COMPOSED, "multi-label", True, id="composed, labels"),
    ],
)
def test_every_layer_means_the_same_in_both_backends(layers, task, both_strands):
    content = {"layers": layers, "predict": {"reverse_complement": both_strands}}
    network = resolve_architecture(content, "a.yaml")
    model = random_model(card_of(network, 60, task))
    twin = twins_agree(model, 60)
    own = sum(p.numel() for p in model.network.parameters() if p.requires_grad)
    theirs = sum(int(np.prod(w.shape)) for w in twin.network.trainable_variables)
    assert own == theirs == count_parameters(network, 4, 60, 2)


@pytest.mark.parametrize("window", [40, 41, 42])
@pytest.mark.parametrize("padding", ["valid", 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_may_have_a_stride_and_a_dilation(groups, padding, window):
    options = {"filters": 4, "width": 4, "stride": 3, "dilation": 2, "padding": padding}
    conv = {"conv": {**options, "groups": groups, "activation": "tanh"}}
    twins_agree(random_model(card_of({"layers": [conv, "flatten"]}, window)), window)


@pytest.mark.parametrize("output", ["positions", "last"])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_recurrent_layers_agree(kind, output, bidirectional):
    options = {"units": 3, "layers": 2, "output": output, "bidirectional": bidirectional}
    layers = [{kind: options}] + (["flatten"] if output == "positions" else [])
    twins_agree(random_model(card_of({"layers": layers}, 20)), 20)


@pytest.mark.parametrize("task", ["multi-class", "multi-label"])
def test_gradients_match_differences_of_the_explained_quantity(task):
    layers = [{"conv": {"filters": 4, "width": 5, "activation": "tanh"}}, "flatten", {"dense": 3}]
    model = random_model(card_of({"layers": layers}, 20, task))
    model.module.double()
    inputs, target = one_hot(letters(3, 20)).astype(float), np.array([0, 1, 1])

    def explained(points):
        logits = model.module(torch.from_numpy(points)).detach().numpy()
        centre = logits.mean(axis=1) if task == "multi-class" else 0
        return logits[np.arange(3), target] - centre

    step = np.zeros_like(inputs)
    step[:, 2, 7] = 1e-4
    slope = (explained(inputs + step) - explained(inputs - step)) / 2e-4
    np.testing.assert_allclose(model.gradients(inputs, target)[:, 2, 7], slope, rtol=1e-5)


def test_a_shared_convolution_turns_with_its_input():
    layers = [
        {"conv": {"filters": 3, "width": 5, "reverse_complement": True, "activation": "relu"}},
        {"conv": {"filters": 2, "width": 4, "padding": "valid", "reverse_complement": True}},
        "global-max-pool",
    ]
    module = build(resolve_architecture({"layers": layers}, ""), 4, 30, 2, "")[:3].eval()
    x = torch.from_numpy(one_hot(letters(3, 30)))
    forward, turned = module(x), module(x.flip(1, 2))
    assert torch.allclose(forward.flip(1, 2), turned, atol=1e-6) and forward.shape == (3, 4, 27)
    assert not torch.allclose(forward, turned, atol=1e-3)


CONV = {"conv": {"filters": 6, "width": 9, "activation": "relu"}}


@pytest.mark.parametrize(
    ("layers", "whole", "tables"),
    [
        pytest.param(
            [CONV, "flatten", {"dense": 5}, {"activation": "relu"}], True, True, id="compiled whole"
        ),
        pytest.param([CONV, {"max-pool": 3}, {"gru": 4}, "flatten"], False, True, id="tables"),
        pytest.param(["flatten", {"dense": 5}], False, False, id="one-hot"),
    ],
)
def test_strand_average_does_not_depend_on_the_strand(layers, whole, tables):
    from seqgra.backends import tensorflow

    model = random_model(card_of({"layers": layers, "predict": {"reverse_complement": True}}, 30))
    assert isinstance(model.module, StrandAverage)
    assert (model._whole is not None, model._from_letters._first is not None) == (whole, tables)
    rng = np.random.default_rng(0)
    x, lengths = rng.integers(0, 4, (60, 30)).astype(np.uint8), rng.integers(1, 31, 60)
    lengths[:9] = 30
    x[::7, 0] = x[::5, 3] = 254
    other = x.copy()
    for row, turned, length in zip(x, other, lengths, strict=True):
        row[length:] = turned[length:] = 255
        turned[:length] = np.where(row[:length] < 4, 3 - row[:length], row[:length])[::-1]
    # a column of zeros at the end of a sequence is an unknown letter to codes, no letter to one-hot input
    known = (x[:, 0] < 4) & (x[np.arange(60), lengths - 1] < 4)
    points, target = one_hot(x[known]), rng.integers(0, 2, known.sum())
    for each in (model, tensorflow.from_pytorch(model)):
        logits = each.logits(x)
        np.testing.assert_allclose(logits, each.logits(other), atol=1e-6)
        assert np.ptp(logits, axis=0).min() > 0.05
        there, back = each.explained(points, target), each.explained(one_hot(other[known]), target)
        np.testing.assert_allclose(there, back, atol=1e-6)
        np.testing.assert_allclose(
            there, explained_part(logits[known], target, each.task), atol=1e-6
        )
        gradient, turned = (each.gradients(one_hot(c[known]), target) for c in (x, other))
        for row, length, mirrored in zip(gradient, lengths[known], turned, strict=True):
            np.testing.assert_allclose(row[::-1, :length][:, ::-1], mirrored[:, :length], atol=1e-6)
    with torch.no_grad():  # whole sequences keep their bits
        whole_ones = torch.from_numpy(one_hot(x[:9]))
        plain = (model.network(whole_ones) + model.network(whole_ones.flip(1, 2))) / 2
        assert torch.equal(model.module(whole_ones), plain)
    model.module.register_forward_hook(lambda *_: None)  # which no kernel computes
    np.testing.assert_allclose(model.logits(x), model.logits(other), atol=1e-6)


OPTIMIZERS = {
    "sgd": {"sgd": {"learning_rate": 0.1, "weight_decay": 0.01}},
    "nesterov": {"sgd": {"learning_rate": 0.1, "nesterov": True}},
    "adam": {"adam": {"beta1": 0.8, "weight_decay": 0.01}},
    "adam, large epsilon": {"adam": {"learning_rate": 0.01, "epsilon": 0.1}},
    "adamw": {"adamw": {"learning_rate": 0.01, "weight_decay": 0.1}},
    "adamw, large epsilon": {"adamw": {"learning_rate": 0.01, "epsilon": 0.1}},
    "rmsprop": {"rmsprop": {"momentum": 0.5}},
    "adagrad": {"adagrad": {"initial_accumulator": 0.1}},
    "adadelta": {"adadelta": {"decay": 0.8}},
    "adamax": {"adamax": {}},
}


def test_every_optimiser_is_compared():
    assert {next(iter(o)) for o in OPTIMIZERS.values()} == set(Optimizer.model_fields)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimisers_take_the_same_steps_in_both_backends(name):
    from seqgra.backends import tensorflow_training as tft
    from seqgra.backends.tensorflow_layers import keras

    chosen = Optimizer.model_validate(OPTIMIZERS[name])
    start = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    gradients = np.random.default_rng(1).normal(size=(6, 3, 4)).astype(np.float32)
    module = torch.nn.Linear(4, 3, bias=False)
    module.weight.data = torch.from_numpy(start.copy())
    own = pytorch_training.make_optimizer(chosen, module)
    variable = keras.Variable(start)
    theirs, decay = tft.make_optimizer(chosen), tft._coupled_decay(chosen)
    for gradient in gradients:
        module.weight.grad = torch.from_numpy(gradient.copy())
        own.step()
        theirs.apply([gradient + decay * variable.numpy()], [variable])
    moved = module.weight.detach().numpy()
    np.testing.assert_allclose(moved, variable.numpy(), atol=2e-5)
    assert np.abs(moved - start).max() > 1e-3


def labels(task, rows=60, conditions=3, seed=0):
    rng = np.random.default_rng(seed)
    if task == "multi-label":
        return (rng.random((rows, conditions)) < [0.1, 0.3, 0.6]).astype(np.uint8)
    return np.eye(conditions, dtype=np.uint8)[rng.choice(conditions, rows, p=[0.6, 0.3, 0.1])]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", ["multi-class", "multi-label"])
def test_one_loss_in_three_places(task, weighted):
    from seqgra.backends import tensorflow_training as tft

    y = labels(task)
    logits = np.random.default_rng(3).normal(size=y.shape).astype(np.float32) * 3
    weights = balanced_weights(y, task) if weighted else None
    target = y.astype(np.float32) if task == "multi-label" else y.argmax(axis=1)
    own = pytorch_training.make_loss(task, weights, torch.device("cpu"))
    torch_loss = float(own(torch.from_numpy(logits), torch.from_numpy(target)))
    keras_loss = float(tft.make_loss(task, weights)(logits, target))
    expected = mean_loss(logits, y, task, weights)
    assert torch_loss == pytest.approx(expected, rel=1e-5)
    assert keras_loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("task", ["multi-class", "multi-label"])
def test_no_constant_beats_the_constant_predictor(task):
    from scipy.optimize import minimize

    y = labels(task, 3000)
    weights = balanced_weights(y, task)
    for w in (None, weights):
        found = minimize(
            lambda z, w=w: mean_loss(np.broadcast_to(z, y.shape), y, task, w), np.zeros(3)
        )
        assert constant_loss(y, y, task, w) == pytest.approx(found.fun, abs=1e-4)


def test_balanced_weights_by_hand():
    y = np.repeat(np.eye(2, dtype=np.uint8), [30, 10], axis=0)
    assert balanced_weights(y, "multi-class").tolist() == pytest.approx([40 / 60, 40 / 20])
    assert balanced_weights(y, "multi-label").tolist() == pytest.approx([10 / 30, 30 / 10])


@pytest.mark.parametrize("task", ["multi-class", "multi-label"])
def test_a_monitored_area_ranks_what_saturates(task):
    margins = np.r_[np.linspace(60, 65, 20), np.linspace(45, 45.5, 20)]
    y = np.eye(2, dtype=np.uint8)[np.repeat([1, 0], 20)]
    logits = np.stack([np.zeros(40), margins], axis=1)
    if task == "multi-label":
        logits[:, 0] = -margins
    row = validation_row(logits, y, task, "roc-auc", None)
    assert row["validation_roc_auc"] == 1


def test_augmentation_turns_or_moves_within_each_sequence():
    x = torch.from_numpy(letters(200, 12))
    how = Augment(reverse_complement=True)
    turned = pytorch_training.augment(x, how, 4, torch.Generator().manual_seed(0))
    kinds = set()
    for before, after in zip(x.numpy(), turned.numpy(), strict=True):
        inside = before[before != 255]
        partner = np.where(inside < 4, 3 - inside, inside)[::-1]
        partner = np.concatenate([partner, np.full(12 - len(inside), 255)])
        assert (after == before).all() or (after == partner).all()
        kinds.add(bool((after == before).all()))
    assert kinds == {True, False}
    moved = pytorch_training.augment(x, Augment(shift=2), 4, torch.Generator().manual_seed(0))
    for before, after in zip(x.numpy(), moved.numpy(), strict=True):
        inside = before[before != 255]
        n = len(inside)
        shifts = []
        for by in range(-2, 3):
            row = np.full(12, 255)
            row[:n] = 254
            row[max(by, 0) : n + min(by, 0)] = inside[max(-by, 0) : n - max(by, 0)]
            shifts.append(bool((after == row).all()))
        assert any(shifts)


def data_of(folder, task=None):
    from seqgra.dataset import open_dataset
    from seqgra.training import TrainingData

    dataset = open_dataset(folder)
    if task:
        object.__setattr__(dataset, "content", {**dataset.content, "task": task})
    arrays = []
    for name, count in (("training", 300), ("validation", 100)):
        arrays += [dataset.x(name, count), dataset.y(name, count)]
    return TrainingData(*arrays, dataset)


NET = [
    {"conv": {"filters": 8, "width": 9, "activation": "relu"}},
    "batch-norm",
    "global-max-pool",
    {"dropout": 0.1},
]


def fit(backend, content, data, folder, seed=0):
    network = resolve_architecture(content, "a.yaml")
    folder.mkdir(exist_ok=True)
    with claim(folder, Identity("train", 0, {}, {"seed": seed})) as draft:
        return trainer(backend).fit(network, data, TrainingOptions(seed, "cpu", 1), draft)


@pytest.mark.parametrize("backend", NETWORK_BACKENDS)
def test_training_repeats_itself_and_its_model_opens_the_same(backend, tmp_path, tiny_dataset):
    file = tmp_path / "net.yaml"
    content = {"layers": NET, "optimizer": {"adam": {"learning_rate": 0.01}}}
    file.write_text(yaml.safe_dump({**content, "training": {"epochs": 2}}))
    options = {"size": 300, "backend": backend, "device": "cpu"}
    written = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(tiny_dataset, str(file), tmp_path / folder, seed=seed, **options)
        names = set(read_run(tmp_path / folder)["files"]) - {"history.csv", "model.json"}
        written.append([(tmp_path / folder / name).read_bytes() for name in sorted(names)])
    assert written[0] == written[1] != written[2]
    run = read_run(tmp_path / "a")
    model = open_model(tmp_path / "a", run, device="cpu")
    again = open_model(tmp_path / "a", run, device="cpu")
    x = letters(1030, 40)
    np.testing.assert_array_equal(model.logits(x), again.logits(x))
    assert model.logits(x[:0]).shape == (0, 2)
    assert model.task == "multi-class" and run["parameters"] == 8 * 37 + 16 + 18


@pytest.mark.parametrize("backend", NETWORK_BACKENDS)
def test_both_backends_learn_the_same_from_the_same_start(backend, tmp_path, tiny_dataset):
    layers = [{"conv": {"filters": 6, "width": 9, "activation": "relu"}}, "global-max-pool"]
    plan = {"epochs": 3, "clip_norm": 0.5, "class_weights": "balanced"}
    content = {"layers": layers, "optimizer": {"adam": {"learning_rate": 0.01}}, "training": plan}
    trained = fit(backend, content, data_of(tiny_dataset), tmp_path / "m")
    x = letters(50, 40)
    reference = fit("pytorch", content, data_of(tiny_dataset), tmp_path / "r")
    np.testing.assert_allclose(trained.model.logits(x), reference.model.logits(x), atol=2e-3)
    losses = [row["training_loss"] for row in reference.history]
    assert [row["training_loss"] for row in trained.history] == pytest.approx(losses, rel=1e-3)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("backend", NETWORK_BACKENDS)
def test_a_training_killed_within_an_epoch_ends_like_an_unbroken_one(
    backend, tmp_path, tiny_dataset, monkeypatch
):
    content = {
        "layers": NET,
        "optimizer": {"rmsprop": {"learning_rate": 0.003, "momentum": 0.5}},
        "schedule": {"warmup": 1, "plateau": {"patience": 1}},
        "training": {"epochs": 5, "augment": {"reverse_complement": True, "shift": 1}},
    }
    monkeypatch.setattr(loop, "_CHECKPOINT_SECONDS", -1)
    data = data_of(tiny_dataset)
    whole = fit(backend, content, data, tmp_path / "whole")
    steps = []

    def validation_row(*args):
        steps.append(1)
        if len(steps) == 3:
            raise Killed
        return real(*args)

    real = loop.validation_row
    monkeypatch.setattr(loop, "validation_row", validation_row)
    with pytest.raises(Killed):
        fit(backend, content, data, tmp_path / "broken")
    assert len(list((tmp_path / "broken").glob(".checkpoint-*"))) == 1
    resumed = fit(backend, content, data, tmp_path / "broken")
    assert len(steps) == 3 + 3, "goes on after the second of five epochs"
    x = letters(20, 40)
    np.testing.assert_array_equal(resumed.model.logits(x), whole.model.logits(x))
    for own, other in zip(resumed.history, whole.history, strict=True):
        assert {**own, "seconds": 0} == {**other, "seconds": 0}


@pytest.mark.parametrize("backend", NETWORK_BACKENDS)
def test_labels_are_learnt_one_by_one(backend, tmp_path, tiny_dataset):
    data = data_of(tiny_dataset, "multi-label")
    both = np.asarray(data.y).copy()
    both[:, 1] = data.y[:, 1] | (np.arange(300) % 2 == 0)  # half of the first have both
    plan = {"epochs": 15, "monitor": "pr-auc"}
    content = {"layers": NET, "optimizer": {"adam": {"learning_rate": 0.01}}, "training": plan}
    trained = fit(backend, content, data._replace(y=both), tmp_path / "m")
    assert trained.model.task == "multi-label" and trained.status == "done"
    x, y = data.validation_x, data.validation_y
    p = expit(trained.model.logits(x))
    assert rank(p[:, 0], y[:, 0] > 0).roc_auc > 0.97
    noted = [row["validation_pr_auc"] for row in trained.history]
    assert trained.facts["best_epoch"] == 1 + int(np.argmax(noted))
    model_json = card_text(trained.model.card)
    assert '"task": "multi-label"' in model_json


@pytest.mark.parametrize("features", ["pwm", "kmer", "gapped-kmer"])
def test_baselines_learn_labels_one_by_one(features, tmp_path, tiny_dataset):
    name = f"{features}-logistic-regression"
    data = data_of(tiny_dataset, "multi-label")
    y = np.concatenate([data.y, np.ones((300, 1), np.uint8)], axis=1)
    validation_y = np.concatenate([data.validation_y, np.ones((100, 1), np.uint8)], axis=1)
    content = {**data.dataset.content, "conditions": ["one", "two", "always"]}
    object.__setattr__(data.dataset, "content", content)
    data = data._replace(y=y, validation_y=validation_y)
    with claim(tmp_path / "m", Identity("train", 0)) as draft:
        module = backend_module("sklearn")
        trained = module.fit(load_architecture(name), data, TrainingOptions(0, "cpu", 1), draft)
    p = expit(trained.model.logits(data.validation_x))
    assert macro_area(p[:, :2], validation_y[:, :2], "roc-auc") > 0.97
    assert (p[:, 2] > 0.99).all() and trained.status == "done"


def test_products_on_a_gpu_are_not_rounded():
    for products in (torch.backends.cudnn, torch.backends.cuda.matmul):
        products.allow_tf32 = True
        pytorch.prepare_process(1)
        assert not products.allow_tf32


def test_clipping_bounds_the_step(tmp_path):
    module = torch.nn.Linear(4, 3)
    for plan, largest in (({"clip_norm": 0.5}, 0.5), ({"clip_value": 0.01}, 0.01 * 15**0.5)):
        training = resolve_architecture({"layers": ["flatten"], "training": plan}, "").training
        for p in module.parameters():
            p.grad = torch.full_like(p, 7.0)
        pytorch_training.clip_gradients(module, training)
        norm = torch.cat([p.grad.ravel() for p in module.parameters()]).norm()
        assert float(norm) == pytest.approx(largest, rel=1e-4)


def test_bfloat16_trains_and_differs(tmp_path, tiny_dataset):
    logits = []
    for precision in ("float32", "bfloat16"):
        plan = {"epochs": 2, "precision": precision}
        trained = fit("pytorch", {"layers": NET, "training": plan}, data_of(tiny_dataset), tmp_path)
        logits.append(trained.model.logits(letters(20, 40)))
    assert 0 < np.abs(logits[0] - logits[1]).max() < 0.1


def test_residual_blocks_add_their_input():
    layers = [{"residual": [{"conv": {"filters": 4, "width": 1}}]}, "flatten"]
    network = resolve_architecture({"layers": layers}, "")
    assert isinstance(network.layers[0], Residual)
    module = build(network, 4, 9, 2, "")
    x = torch.from_numpy(one_hot(letters(3, 9)))
    torch.nn.init.zeros_(module[0].body[0].weight)
    torch.nn.init.zeros_(module[0].body[0].bias)
    assert torch.equal(module[0](x), x)


def test_reference_letters_are_in_complementary_order():
    """Reverse complements by flipping channels need this order of letters."""
    assert DNA.letters == "ACGT"


KERAS = """
import keras
def Mine(letters, window, outputs):
    inputs = keras.Input((window, letters))
    hidden = keras.layers.Conv1D(8, 9, activation="relu")(inputs)
    hidden = keras.layers.Dropout(0.1)(keras.layers.GlobalMaxPooling1D()(hidden))
    return keras.Model(inputs, keras.layers.Dense(outputs)(hidden))
"""


def test_a_custom_keras_model_trains_and_opens_where_it_is_allowed(tmp_path, tiny_dataset):
    (tmp_path / "mine.py").write_text(KERAS)
    content = {"module": "mine.py:Mine", "optimizer": {"adam": {"learning_rate": 0.01}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**content, "training": {"epochs": 10}}))
    options = {"size": 500, "seed": 0, "backend": "tensorflow", "device": "cpu"}
    with custom_code(True):
        status = train(tiny_dataset, str(tmp_path / "mine.yaml"), tmp_path / "m", **options)
        model = open_model(tmp_path / "m", read_run(tmp_path / "m"), device="cpu")
    assert status == "done"
    data = data_of(tiny_dataset)
    right = model.logits(data.validation_x).argmax(axis=1) == data.validation_y.argmax(axis=1)
    assert right.mean() > 0.95
    with pytest.raises(NotImplementedError, match="no twin"):
        model.twin  # noqa: B018
    with pytest.raises(InputError, match="allow it with --allow-custom-code"):
        open_model(tmp_path / "m", read_run(tmp_path / "m"), device="cpu")


@pytest.mark.parametrize("layer", ["Dropout", "GaussianNoise", "SpatialDropout1D"])
def test_a_resumed_keras_model_draws_what_an_unbroken_one_does(layer, tmp_path, tiny_dataset):
    """Its optimiser and weights are kept; what it draws in an epoch follows from the epoch alone."""
    from seqgra.backends import tensorflow_training as tft

    noisy = f"hidden = keras.layers.{layer}(0.5)(inputs)\n    hidden = keras.layers.Conv1D(8, 9)(hidden)\n"
    text = KERAS.replace('hidden = keras.layers.Conv1D(8, 9, activation="relu")(inputs)\n', noisy)
    assert text != KERAS
    (tmp_path / "mine.py").write_text(text)
    content = {"module": "mine.py:Mine", "training": {"epochs": 2}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    network, data = load_architecture(str(tmp_path / "mine.yaml")), data_of(tiny_dataset)

    def trainee():
        tft.keras.utils.set_random_seed(1)
        card = training.card_of(network, data)
        with custom_code(True):
            module, weighted = tft.build_from_card(card, "mine")
        return tft.TensorflowTrainee(
            tft.KerasModel(module, weighted, card), network, data, "source"
        )

    whole, resumed = trainee(), trainee()
    whole.train_epoch(1, 0.1)
    kept = whole.weights(), whole.optimizer_state()
    whole.train_epoch(2, 0.1)
    resumed.restore(*kept)
    resumed.train_epoch(2, 0.1)
    for name, weight in whole.weights().items():
        np.testing.assert_array_equal(weight, resumed.weights()[name])


#: Prints page faults of taking and freeing 64 MiB: once it was done before, with memory kept or given back.
FAULTS = """
import resource, sys
import numpy as np
from seqgra.backends.pytorch import prepare_process

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [np.ones(1 << 17) for _ in range(64)]
    del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == "kept":
    prepare_process(1)
print([faults() for _ in range(3)][-1])
"""


HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
@pytest.mark.skipif(
    HUGE_PAGES.exists() and "[always]" in HUGE_PAGES.read_text(), reason="faults are of 2 MiB each"
)
def test_memory_that_a_batch_freed_is_there_for_the_next():
    own = ("GLIBC_TUNABLES", "LD_PRELOAD", "MALLOC_")  # settings of whoever runs the tests
    env = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    told = [
        int(subprocess.check_output([sys.executable, "-c", FAULTS, how], env=env))
        for how in ("given back", "kept")
    ]
    pages = 64 * 2**20 // resource.getpagesize()
    assert told[0] > pages / 2  # or there would be nothing to mend
    assert told[1] < pages / 100
