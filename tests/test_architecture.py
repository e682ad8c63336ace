"""Architectures: descriptors, files, shapes, parameter counts and what is refused."""

from pathlib import Path

import pytest

from seqgra.architecture.load import (
    architecture_fingerprint,
    load_architecture,
    resolve_architecture,
)
from seqgra.architecture.optimizers import Optimizer
from seqgra.architecture.shapes import count_parameters, layer_shapes
from seqgra.backends.pytorch_layers import build
from seqgra.errors import InputError

SHIPPED = sorted((Path(__file__).parents[1] / "architectures").glob("*.yaml"))

#: Descriptor and its trainable parameters at 1000 nt and two classes, counted by hand.
DESCRIPTORS = {
    "fc10": 4000 * 10 + 10 + 10 * 2 + 2,
    "conv10w-gmp-fc5": (4 * 21 + 1) * 10 + 11 * 5 + 6 * 2,
    "conv10w-fc5": (4 * 21 + 1) * 10 + 10_001 * 5 + 6 * 2,
    "conv10w-do03-fc5-do03": (4 * 21 + 1) * 10 + 10_001 * 5 + 6 * 2,
    "conv10w-bn10-fc5-bn5": (4 * 21 + 1) * 10 + 20 + 10_001 * 5 + 10 + 6 * 2,
    "conv10-conv20xn-gmp-fc5": (4 * 11 + 1) * 10 + (10 * 3 + 1) * 20 + 21 * 5 + 6 * 2,
}


@pytest.mark.parametrize(("name", "parameters"), DESCRIPTORS.items())
def test_descriptor_gives_the_network_that_its_name_says(name, parameters):
    network = load_architecture(name)
    assert count_parameters(network, 4, 1000, 2) == parameters
    module = build(network, 4, 1000, 2, name)
    assert sum(p.numel() for p in module.parameters()) == parameters


def test_activation_follows_batch_normalisation():
    kinds = [layer.kind for layer in load_architecture("conv10w-bn10-fc5").layers]
    assert kinds == ["conv", "batch-norm", "activation", "flatten", "dense", "activation"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("conv10q-fc5", "unknown part 'conv10q'"),
        ("fc5-conv10", "conv10 cannot follow gmp or a dense layer"),
        ("conv10w-bn5-fc5", "bn5 stands behind 10 features"),
        ("convnet", "no such architecture file nor descriptor"),
    ],
)
def test_bad_names(name, message):
    with pytest.raises(InputError, match=message):
        load_architecture(name)


LAYERS = [{"conv": {"filters": 10, "width": 21}}, "flatten", {"dense": 5}]


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        ({"layers": [{"convv": {"filters": 3}}]}, ["layers[0]: is 'convv'; did you mean 'conv'?"]),
        (
            {"layers": [{"conv": {"filter": 10, "width": 21}}, {"dropout": 1.5}], "optimiser": {}},
            [
                "layers[0].conv.filters: is missing",
                "layers[0].conv.filter: unknown key; did you mean 'filters'?",
                "layers[1].dropout.rate: is 1.5; should be less than 1",
                "optimiser: unknown key; did you mean 'optimizer'?",
            ],
        ),
        (
            {"layers": LAYERS, "optimizer": {"sgd": {}, "adam": {}}},
            ["optimizer: needs exactly one of " + ", ".join(Optimizer.model_fields)],
        ),
        (
            {"layers": LAYERS, "training": {"batch_size": 0}},
            ["training.batch_size: is 0; should be greater than or equal to 1"],
        ),
        ({"layers": 5}, ["layers: is a number; expected a list"]),
        (
            {"backend": "sklearn", "features": {}},
            ["features: needs exactly one of kmers, pwm_scan"],
        ),
    ],
    ids=str,
)
def test_bad_files(content, messages):
    with pytest.raises(InputError) as caught:
        resolve_architecture(content, "a.yaml")
    assert str(caught.value).splitlines() == [f"a.yaml: {message}" for message in messages]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [{"conv": {"filters": 3, "width": 31, "padding": "valid"}}],
            "layers[0].conv: reaches over 31",
        ),
        ([{"max-pool": 40}], "layers[0].max-pool: is 40 wide, but only 30 positions are left"),
        ([{"dense": 5}], "layers[0].dense: needs one vector"),
        (["flatten", {"conv": {"filters": 3, "width": 3}}], "layers[1].conv: needs positions"),
        ([{"conv": {"filters": 3, "width": 3}}], "layers: ends without flatten or global-max-pool"),
    ],
    ids=str,
)
def test_layers_that_cannot_work_are_named(layers, message):
    network = resolve_architecture({"layers": layers}, "a.yaml")
    with pytest.raises(InputError) as caught:
        layer_shapes(network, 4, 30, "a.yaml")
    assert str(caught.value).startswith(f"a.yaml: {message}")


def test_shapes_agree_with_torch():
    import torch

    layers = [
        {"conv": {"filters": 6, "width": 5, "padding": "valid", "stride": 2, "activation": "gelu"}},
        {"max-pool": {"width": 3, "stride": 2}},
        {"conv": {"filters": 7, "width": 4, "dilation": 2, "activation": "exponential"}},
        "batch-norm",
        "global-max-pool",
        {"dense": {"units": 3, "activation": "softplus"}},
    ]
    network = resolve_architecture({"layers": layers}, "a.yaml")
    values = torch.zeros(2, 4, 50)
    module = build(network, 4, 50, 5, "a.yaml").eval()
    assert module(values).shape == (2, 5)
    assert layer_shapes(network, 4, 50, "a.yaml")[2] == (6, module[:3](values).shape[2])


def test_fingerprint_ignores_words_and_heeds_numbers():
    base = architecture_fingerprint(resolve_architecture({"layers": LAYERS}, ""))
    named = resolve_architecture({"layers": LAYERS, "description": "words"}, "")
    assert architecture_fingerprint(named) == base
    slower = resolve_architecture({"layers": LAYERS, "training": {"patience": 11}}, "")
    assert architecture_fingerprint(slower) != base


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_files_are_valid_and_described(path):
    assert load_architecture(str(path)).description
