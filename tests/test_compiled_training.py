"""The compiled engine: an epoch as in double precision; repeats itself; resumes; where it is used."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from seqgra.alphabet import PADDING, UNKNOWN
from seqgra.architecture.family import family_of
from seqgra.architecture.load import load_architecture, resolve_architecture
from seqgra.backends import pytorch, pytorch_layers
from seqgra.backends.compiled.network import CompiledNetwork, rule_of
from seqgra.backends.pytorch_letters import OneHot, convolution_shape
from seqgra.backends.pytorch_training import clip_gradients, make_loss, make_optimizer
from seqgra.cli import main
from seqgra.errors import InputError
from seqgra.fingerprint import read_run
from seqgra.model import ModelCard
from seqgra.train import train

RELU = {"activation": "relu"}
CPU = torch.device("cpu")


def convolution(filters, width, **options):
    return {"conv": {"filters": filters, "width": width, **options}}


#: Layers, optimiser, plan, letters, task, weights of the conditions. Widths of all remainders of 3.
CASES = {
    "dropout, width 21": (
        [
            convolution(10, 21),
            RELU,
            {"dropout": 0.3},
            "flatten",
            {"dense": 5},
            RELU,
            {"dropout": 0.4},
        ],
        {"sgd": {"learning_rate": 0.05, "momentum": 0.9}},
        {},
        *(4, "multi-class", None),
    ),
    "both batch norms, width 20, AdamW, clipped norm": (
        [convolution(7, 20), "batch-norm", RELU, "flatten", {"dense": 7}, "batch-norm", RELU],
        {"adamw": {"learning_rate": 0.003, "weight_decay": 0.1}},
        {"clip_norm": 0.3},
        *(4, "multi-class", [1.0, 2.0, 0.5]),
    ),
    "global maximum, protein, multi-label, Nesterov, decay, padding": (
        [convolution(20, 8, padding=5), RELU, "global-max-pool", {"dense": 10}, RELU],
        {"sgd": {"learning_rate": 0.02, "nesterov": True, "weight_decay": 0.01}},
        {},
        *(20, "multi-label", [1.0, 2.5, 0.3]),
    ),
    "shared strands, batch norm, maxima, width 10, dilation, Adam, clipped values": (
        [
            convolution(9, 10, padding="valid", dilation=2, reverse_complement=True),
            *("batch-norm", RELU, {"max-pool": 3}, "flatten", {"dense": 1}, RELU),
        ],
        {"adam": {"learning_rate": 0.003}},
        {"clip_value": 0.02},
        *(4, "multi-class", None),
    ),
}


def bits(counter, key):
    """Return `random_bits` of vector.py in numpy."""
    one, two = key & 0xFFFFFFFF, key >> 32
    x = (counter.astype(np.uint64) + one) & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) + two) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return x ^ (x >> 16)


def mixed(key, number):
    wrap = (1 << 64) - 1
    z = (key + number * 0x9E3779B97F4A7C15) & wrap
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & wrap
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & wrap
    return z ^ (z >> 31)


class Masked(torch.nn.Module):
    """Dropout with the masks that the compiled engine draws: of (N, F, P), or of (N, H)."""

    def __init__(self, rate, key):
        super().__init__()
        self.rate, self.key, self.step = rate, key, 0

    def forward(self, x):
        self.step += 1
        key = mixed(self.key, self.step)
        if x.ndim == 3:
            e, f, p = np.indices(x.shape)
            counter = (p * len(x) + e) * (-(-x.shape[1] // 16) * 16) + f
        else:
            counter = np.arange(x.numel()).reshape(x.shape)
        kept = bits(counter, key) >= int(self.rate * 2**32)
        return x * torch.from_numpy(kept) / (1 - self.rate)


def with_masks(module, keys):
    keys = iter(keys)
    parts = [
        Masked(part.p, next(keys)) if isinstance(part, torch.nn.Dropout) else part
        for part in module
    ]
    return torch.nn.Sequential(*parts)


@pytest.mark.parametrize("name", CASES)
def test_an_epoch_is_that_of_double_precision(name):
    layers, optimizer, plan, letters, task, weights = CASES[name]
    content = {"layers": layers, "optimizer": optimizer, "training": plan}
    network = resolve_architecture(content, name)
    examples, window, batch, keys = 103, 61, 32, (11, 12)
    rng = np.random.default_rng(0)
    codes = rng.integers(0, letters, (examples, window)).astype(np.uint8)
    codes[rng.random(codes.shape) < 0.03] = UNKNOWN
    codes[::5, -4:] = PADDING
    y = rng.integers(0, 2, (examples, 3)).astype(np.uint8)
    if task == "multi-class":
        y = np.eye(3, dtype=np.uint8)[rng.integers(0, 3, examples)]
    order = rng.permutation(examples)

    torch.manual_seed(0)
    module = pytorch_layers.build(network, letters, window, 3, name)
    named = [key for key, part in module.named_children() if list(part.parameters())]
    family = family_of(network)
    shape = convolution_shape(module[0], letters, window)
    compiled = CompiledNetwork(family, shape, 3, task == "multi-label", named)
    state = {key: values.numpy() for key, values in module.state_dict().items()}
    compiled.restore(state)
    assert all(np.array_equal(values, state[key]) for key, values in compiled.weights().items())

    losses, counts = compiled.train(
        *(codes, y, order),
        rule=rule_of(network),
        weights=np.ones(3) if weights is None else np.array(weights),
        batch=batch,
        rate=network.optimizer.learning_rate,
        keys=keys,
    )

    exact = with_masks(copy.deepcopy(module).double().train(), keys)
    steps = make_optimizer(network.optimizer, exact)
    loss_of = make_loss(task, None if weights is None else np.array(weights), CPU)
    x = OneHot(letters, CPU)(torch.from_numpy(codes)).double()
    targets = torch.from_numpy(y.argmax(axis=1) if task == "multi-class" else y.astype(float))
    expected = []
    for rows in torch.from_numpy(order).split(batch):
        loss = loss_of(exact(x[rows]), targets[rows])
        steps.zero_grad()
        loss.backward()
        clip_gradients(exact, network.training)
        steps.step()
        expected.append(loss.item())
    assert counts.tolist() == [32, 32, 32, 7]
    assert np.abs(losses - expected).max() < 1e-6
    for key, values in compiled.weights().items():
        assert np.abs(values - exact.state_dict()[key].numpy()).max() < 1e-6, key
    logits = compiled.logits(codes)
    exact.eval()
    plain = torch.nn.Sequential(*(p for p in exact if not isinstance(p, Masked)))
    with torch.inference_mode():
        assert np.abs(logits - plain(x).numpy()).max() < 1e-6
    assert np.array_equal(logits[:5], compiled.logits(codes[:5])), "bits depend on the batch"


@pytest.mark.parametrize("both", [False, True], ids=["one strand", "both strands"])
def test_predictions_are_those_of_double_precision_and_follow_the_weights(both):
    layers, optimizer, plan, *_ = CASES["both batch norms, width 20, AdamW, clipped norm"]
    plan = {**plan, "precision": "bfloat16"}  # which is of training alone
    content = {"layers": layers, "optimizer": optimizer, "training": plan}
    content |= {"predict": {"reverse_complement": both}}
    card = ModelCard(
        architecture=content,
        alphabet="DNA",
        window=61,
        conditions=("a", "b", "c"),
        task="multi-class",
    )
    torch.manual_seed(0)
    model = pytorch.PytorchModel(pytorch.build_from_card(card, "net"), card, CPU)
    assert model._whole is not None, "the compiled network is not used"
    codes = np.random.default_rng(0).integers(0, 4, (70, 61)).astype(np.uint8)
    codes[3, :9], codes[4, -9:] = UNKNOWN, PADDING
    points = OneHot(4, CPU)(torch.from_numpy(codes)).double()
    for _ in range(2):
        exact = copy.deepcopy(model.module).double()
        logits = model.logits(codes)
        with torch.inference_mode():
            assert np.abs(logits - exact(points).numpy()).max() < 2e-6
        assert np.array_equal(model.logits(codes[40:]), logits[40:])
        with torch.no_grad():
            model.network[0].weight += torch.randn_like(model.network[0].weight)


def test_masks_are_kept_at_their_rate_and_independent():
    """Rates and products of neighbours, steps and epochs within 4.5 standard errors: 1 in 20,000 fails."""
    count, rate = 1 << 16, 0.3
    masks = {
        (epoch, step): bits(np.arange(count), mixed(1000 + epoch, step)) >= int(rate * 2**32)
        for epoch in (1, 2)
        for step in (1, 2)
    }
    mean, error = 1 - rate, (rate * (1 - rate) / count) ** 0.5
    first = masks[1, 1] - mean
    for mask in masks.values():
        assert abs(mask.mean() - mean) < 4.5 * error
    others = [masks[1, 2] - mean, masks[2, 1] - mean, masks[2, 2] - mean, np.roll(first, 1)]
    others += [np.roll(first, 16), np.roll(first, 160)]
    for other in others:
        assert abs((first * other).mean()) < 4.5 * rate * (1 - rate) / count**0.5


SHIPPED = ["conv10w-fc5", "conv10w-do03-fc5-do03", "conv10w-bn10-fc5-bn5", "conv10w-gmp-fc5"]


@pytest.mark.parametrize("name", [*SHIPPED, "conv20w-gmp-fc10", "conv-mp-fc", "conv-gmp-fc"])
def test_these_are_of_the_family(name):
    assert family_of(load_architecture(name)) is not None


@pytest.mark.parametrize("name", ["basset", "danq", "fc10", "conv10-conv10-gmp-fc5"])
def test_these_are_not(name):
    assert family_of(load_architecture(name)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {"augment": {"reverse_complement": True}}},
        {"training": {"precision": "bfloat16"}},
        {"optimizer": {"rmsprop": {}}},
        {
            "layers": [
                convolution(4, 5),
                RELU,
                {"max-pool": {"width": 4, "stride": 2}},
                "flatten",
                {"dense": 2},
                RELU,
            ]
        },
        {"layers": [convolution(4, 5), "flatten", {"dense": 2}, RELU]},
        {
            "layers": [
                convolution(4, 5),
                RELU,
                {"dropout": 0.1},
                "global-max-pool",
                {"dense": 2},
                RELU,
            ]
        },
        {"layers": [convolution(4, 5), RELU, "flatten", {"dense": 2}, {"activation": "tanh"}]},
    ],
    ids=["augment", "bfloat16", "rmsprop", "overlap", "no relu", "dropout before maxima", "tanh"],
)
def test_what_is_not_defined_is_left_to_pytorch(changes):
    content = {"layers": [convolution(4, 5), RELU, "flatten", {"dense": 2}, RELU], **changes}
    assert family_of(resolve_architecture(content, "net")) is None


@pytest.fixture
def family_file(tmp_path):
    """Return a network that shares its kernels with the first of `CASES`."""
    layers, optimizer, *_ = CASES["dropout, width 21"]
    content = {"layers": layers, "optimizer": optimizer, "training": {"epochs": 4}}
    (tmp_path / "net.yaml").write_text(yaml.safe_dump(content))
    return str(tmp_path / "net.yaml")


def test_the_engine_is_part_of_the_identity_and_repeats_itself(tmp_path, tiny_dataset, family_file):
    engines = {"a": "auto", "b": "compiled", "c": "torch"}
    for folder, engine in engines.items():
        given = {"size": 500, "seed": 0, "device": "cpu", "engine": engine}
        assert train(tiny_dataset, family_file, tmp_path / folder, **given) == "done"
    runs = {folder: read_run(tmp_path / folder) for folder in engines}
    weights = {folder: run["files"]["model.safetensors"] for folder, run in runs.items()}
    assert runs["a"]["options"]["engine"] == "compiled"
    assert runs["a"]["fingerprint"] == runs["b"]["fingerprint"] != runs["c"]["fingerprint"]
    assert weights["a"] == weights["b"] != weights["c"]
    losses = [runs[folder]["best_validation_loss"] for folder in "ac"]
    assert max(losses) < 0.95 * runs["a"]["constant_loss"], "both engines learn"


def test_a_killed_compiled_training_ends_like_an_unbroken_one(
    tmp_path, tiny_dataset, family_file, monkeypatch
):
    from seqgra.backends import loop

    class Killed(BaseException):
        pass

    def dying(*args, real=loop.validation_row):
        calls.append(1)
        if len(calls) == 3:
            raise Killed
        return real(*args)

    calls = []
    given = {"size": 500, "seed": 0, "device": "cpu", "engine": "compiled"}
    monkeypatch.setattr(loop, "_CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(loop, "validation_row", dying)
    with pytest.raises(Killed):
        train(tiny_dataset, family_file, tmp_path / "broken", **given)
    monkeypatch.undo()
    assert list((tmp_path / "broken").glob(".checkpoint*"))
    train(tiny_dataset, family_file, tmp_path / "broken", **given)
    train(tiny_dataset, family_file, tmp_path / "whole", **given)
    files = [(tmp_path / f / "model.safetensors").read_bytes() for f in ("broken", "whole")]
    assert files[0] == files[1]


def test_an_engine_that_is_not_defined_is_refused(tmp_path, tiny_dataset, capsys):
    command = ["train", str(tiny_dataset), "fc10", "-o", str(tmp_path / "m"), "--size", "100"]
    assert main([*command, "--device", "cpu", "--engine", "compiled"]) == 2
    said = capsys.readouterr().err
    assert "--engine compiled: is not defined for fc10" in said and len(said.splitlines()) == 1
    with pytest.raises(InputError, match="--engine: is 'fast'; choose from auto, compiled, torch"):
        train(tiny_dataset, "fc10", tmp_path / "m", size=100, seed=0, engine="fast")


def test_divergence_is_seen(tmp_path, tiny_dataset, family_file):
    content = yaml.safe_load(Path(family_file).read_text())
    content["optimizer"] = {"sgd": {"learning_rate": 1e25}}
    (tmp_path / "net.yaml").write_text(yaml.safe_dump(content))
    given = {"size": 500, "seed": 0, "device": "cpu", "engine": "compiled"}
    assert train(tiny_dataset, family_file, tmp_path / "m", **given) == "diverged"


@pytest.mark.parametrize("option", [{"bias": False}, {"groups": 2}], ids=["no bias", "groups"])
def test_convolutions_of_another_form_are_left_to_pytorch(option):
    layers = [convolution(4, 9, **option), RELU, "global-max-pool", {"dense": 5}, RELU]
    assert family_of(resolve_architecture({"layers": layers}, "net")) is None
