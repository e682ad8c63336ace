"""Architectures: descriptors, files, shapes, parameter counts and what is refused."""

import itertools
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from seqgra.architecture.custom import only_own_file
from seqgra.architecture.descriptor import parse_descriptor
from seqgra.architecture.load import (
    architecture_fingerprint,
    load_architecture,
    resolve_architecture,
)
from seqgra.architecture.optimizers import Optimizer
from seqgra.architecture.schema import Network
from seqgra.architecture.shapes import check_fit, count_parameters, layer_shapes
from seqgra.backends.pytorch_layers import build
from seqgra.cli import main
from seqgra.errors import InputError
from seqgra.grid import Grid, commands
from seqgra.grid.variants import architecture_variant

ARCHITECTURES = Path(__file__).parents[1] / "architectures"
SHIPPED = sorted(ARCHITECTURES.glob("*.yaml"))

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


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("conv10w-bn10-fc5", "conv batch-norm activation flatten dense activation"),
        ("conv10w-bn-bn-gmp", "conv batch-norm batch-norm activation global-max-pool"),
        (
            "conv10w-gmp-bn10-fc5",
            "conv activation global-max-pool batch-norm dense activation",
        ),
        (
            "conv10w-do03-bn-fc5-do03-bn5",
            "conv activation dropout batch-norm flatten dense activation dropout batch-norm",
        ),
    ],
)
def test_the_relu_of_a_convolution_or_dense_layer_follows_its_batch_normalisation(name, kinds):
    assert [layer.kind for layer in load_architecture(name).layers] == kinds.split()


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
            {"layers": [{"residual": [{"conv": {"filter": 2, "width": 3, "filters": 4}}]}]},
            ["layers[0].residual.layers[0].conv.filter: unknown key; did you mean 'filters'?"],
        ),
        (
            {"layers": [{"conv": {"filters": 2, "width": 4, "reverse_complement": True}}]},
            ["layers[0].conv: reverse_complement with padding: same needs an odd width"],
        ),
        (
            {"layers": [{"conv": {"filters": 2, "width": 4, "padding": "sane"}}]},
            [
                "layers[0].conv.padding: is 'sane'; expected same, valid or a number of positions "
                "for each side"
            ],
        ),
        (
            {"layers": LAYERS, "schedule": {"step": {}, "cosine": {}}},
            ["schedule: needs at most one of step, exponential, cosine, plateau"],
        ),
        (
            {"layers": LAYERS, "training": {"clip_norm": 1, "clip_value": 1}},
            ["training: needs at most one of clip_norm, clip_value"],
        ),
        ({"description": "empty"}, ["needs exactly one of layers, module"]),
        (
            {"module": "my.py"},
            [
                "module: is 'my.py'; expected FILE.py:NAME, such as architectures/my.py:MyModel",
            ],
        ),
        (
            {"layers": LAYERS, "training": {"batch_size": 0}},
            ["training.batch_size: is 0; should be greater than or equal to 1"],
        ),
        ({"layers": 5}, ["layers: is a number; expected a list"]),
        (
            {"layers": [{"conv": {"filters": 5, "width": 3, "groups": 2}}]},
            ["layers[0].conv: 5 filters cannot be shared by 2 groups evenly"],
        ),
        (
            {"layers": [{"attention": {"positions": "rotated"}}, {"branches": [[]]}]},
            [
                "layers[0].attention.positions: is 'rotated'; expected 'none', 'rotary' or 'relative'",
                "layers[1].branches.paths: holds 1; at least 2",
            ],
        ),
        (
            {"backend": "sklearn", "features": {}},
            [
                "features: needs one of one_hot, kmers, gapped_kmers, pwm_scan, random_convolutions, "
                "module, or several"
            ],
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
        (
            [{"conv": {"filters": 3, "width": 37, "padding": 3}}],
            "layers[0].conv: reaches over 37 positions, but only 36 are left",
        ),
        ([{"average-pool": 31}], "layers[0].average-pool: is 31 wide"),
        ([{"attention": 3}], "layers[0].attention: its 3 heads cannot share 4 channels evenly"),
        (["flatten", {"lstm": 3}], "layers[1].lstm: needs positions"),
        (
            [{"max-pool": 2}, {"residual": ["batch-norm", {"max-pool": 16}]}],
            "layers[1].residual.layers[1].max-pool: is 16 wide, but only 15 positions are left",
        ),
        (
            [{"residual": [{"conv": {"filters": 6, "width": 3}}]}],
            "layers[0].residual: its layers turn 4 channels x 30 positions into 6 channels x 30",
        ),
        (
            [{"residual": {"layers": ["flatten"], "projection": True}}],
            "layers[0].residual: no projection turns 4 channels x 30 positions into 120 values",
        ),
        (
            [
                {
                    "residual": {
                        "layers": [{"max-pool": {"width": 3, "stride": 2}}] * 3,
                        "projection": True,
                    }
                }
            ]
            + [{"attention": {"positions": "rotary", "heads": 4}}],
            "layers[1].attention: positions: rotary needs an even number of channels a head, not 1",
        ),
        (
            [{"conv": {"filters": 6, "width": 1, "groups": 3}}],
            "layers[0].conv: its 3 groups cannot",
        ),
        (
            ["flatten", "gate", "gate", "gate", "gate"],
            "layers[4].gate: needs an even number of channels",
        ),
        (["flatten", {"squeeze-excite": 2}], "layers[1].squeeze-excite: needs positions"),
        (["flatten", "positional-encoding"], "layers[1].positional-encoding: needs positions"),
        (["global-max-pool", "attention-pool"], "layers[1].attention-pool: needs positions"),
        (
            [{"branches": [[], [{"max-pool": 2}]]}],
            "layers[0].branches: its paths end in 4 channels x 30 positions; 4 channels x 15 positions",
        ),
        (
            [{"branches": {"paths": [[], [{"conv": {"filters": 2, "width": 1}}]], "join": "sum"}}],
            "layers[0].branches: its paths end in 4 channels x 30 positions; 2 channels x 30",
        ),
        (
            [{"branches": [[], ["gate", {"attention": 3}]]}],
            "layers[0].branches.paths[1][1].attention: its 3 heads cannot share 2 channels",
        ),
        (
            [
                {
                    "repeat": {
                        "times": 4,
                        "dilation": "double",
                        "layers": [{"conv": {"filters": 3, "width": 3, "padding": "valid"}}],
                    }
                }
            ],
            "layers[0].repeat.layers[0].conv: reaches over 17 positions, but only 16 are left (time 4)",
        ),
    ],
    ids=str,
)
def test_layers_that_cannot_work_are_named(layers, message):
    network = resolve_architecture({"layers": layers}, "a.yaml")
    with pytest.raises(InputError) as caught:
        layer_shapes(network, 4, 30, "a.yaml")
    assert str(caught.value).startswith(f"a.yaml: {message}")


@pytest.mark.parametrize(
    ("content", "setting", "message"),
    [
        (
            {"loss": "bce"},
            ("DNA", "multi-class"),
            "loss: is bce, which does not suit a multi-class",
        ),
        (
            {"loss": "cross-entropy"},
            ("DNA", "multi-label"),
            "loss: is cross-entropy, which does not",
        ),
        (
            {"training": {"augment": {"reverse_complement": True}}},
            ("protein", "multi-class"),
            "training.augment.reverse_complement: protein has no complement",
        ),
        (
            {"predict": {"reverse_complement": True}},
            ("protein", "multi-class"),
            "predict.reverse_complement: protein has no complement",
        ),
        (
            {
                "layers": [
                    {"conv": {"filters": 2, "width": 3, "reverse_complement": True}},
                    "flatten",
                ]
            },
            ("protein", "multi-class"),
            "layers[0].conv.reverse_complement: protein has no complement",
        ),
    ],
    ids=str,
)
def test_what_does_not_suit_a_dataset_is_refused(content, setting, message):
    network = resolve_architecture({"layers": LAYERS, **content}, "a.yaml")
    alphabet, task = setting
    with pytest.raises(InputError) as caught:
        check_fit(network, alphabet, 30, task, "a.yaml")
    assert str(caught.value).startswith(f"a.yaml: {message}")
    if task == "multi-label" or alphabet == "protein":
        check_fit(network, "DNA", 30, "multi-class", "a.yaml")


def test_options_that_tensorflow_lacks_are_refused():
    plan = {"precision": "bfloat16", "compile": True}
    network = resolve_architecture({"layers": LAYERS, "training": plan}, "a.yaml")
    check_fit(network, "DNA", 30, "multi-class", "a.yaml")
    with pytest.raises(InputError, match="precision: is bfloat16") as caught:
        check_fit(network, "DNA", 30, "multi-class", "a.yaml", ("pytorch", "tensorflow"))
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"x": float("inf")}, r"options\.x is inf"),
        ({"x": [1, {"y": float("nan")}]}, r"options\.x\[1\]\.y is nan"),
        ({"x": {1: 2}}, r"options\.x has the key 1"),
        ({"x": {"a", "b"}}, r"options\.x is \{"),
        ({"x": b"\xff"}, r"options\.x is b'"),
    ],
    ids=["inf", "nan", "key", "set", "bytes"],
)
def test_options_that_results_cannot_give_back_are_refused(options, said):
    """They were stored as null or as other options, under a fingerprint that others share."""
    with pytest.raises(InputError, match=said):
        resolve_architecture({"module": "own.py:f", "options": options}, "a.yaml")


def rates(schedule, epochs, past=()):
    network = resolve_architecture({"layers": LAYERS, "schedule": schedule}, "a.yaml")
    return [network.schedule.factor(e, epochs, past[: e - 1]) for e in range(1, epochs + 1)]


@pytest.mark.parametrize(
    ("schedule", "oracle"),
    [
        (
            {"step": {"epochs": 3, "factor": 0.1}},
            lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.1),
        ),
        (
            {"exponential": {"factor": 0.8}},
            lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.8),
        ),
        (
            {"cosine": {"final": 0.1}},
            lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 9, eta_min=0.1),
        ),
    ],
    ids=["step", "exponential", "cosine"],
)
def test_schedules_match_those_of_torch(schedule, oracle):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, expected = oracle(optimizer), []
    for _ in range(10):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates(schedule, 10) == pytest.approx(expected)


def test_the_rate_falls_after_plateaus():
    losses = [5, 4, 4, 4, 3, 3, 3, 3]
    plateau = {"plateau": {"factor": 0.5, "patience": 2}}
    assert rates(plateau, 9, losses) == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_rates_rise_while_warming_up():
    assert rates({"warmup": 3}, 6) == [0.25, 0.5, 0.75, 1, 1, 1]


@pytest.mark.parametrize(
    "rule",
    [
        {"step": {"epochs": 2}},
        {"exponential": {}},
        {"cosine": {}},
        {"plateau": {"patience": 2}},
        {"plateau": {"patience": 5}},
    ],
    ids=str,
)
def test_a_rule_acts_after_the_warm_up_as_it_does_without_one(rule):
    after = rates({**rule, "warmup": 6}, 18, [1] * 17)[6:]
    assert after[0] == 1 and after == pytest.approx(rates(rule, 12, [1] * 11))


def test_shapes_agree_with_torch():

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


#: Trainable parameters of the shipped networks at 1000 nt and two classes, counted by hand from the
#: published layers: weights and biases of each layer, scale and shift of each normalisation.
PUBLISHED = {
    "basset": 300 * (4 * 19 + 1)
    + 600
    + 200 * (300 * 11 + 1)
    + 400
    + 200 * (200 * 7 + 1)
    + 400
    + 1000 * 3601
    + 1000 * 1001
    + 2 * 1001,
    "deepsea": 320 * (4 * 8 + 1)
    + 480 * (320 * 8 + 1)
    + 960 * (480 * 8 + 1)
    + 925 * (53 * 960 + 1)
    + 2 * 926,
    # a gate of an LSTM: 320 units x (inputs + 320 + 1); 4 gates, 2 directions
    "danq": 320 * (4 * 26 + 1)
    + 8 * 320 * (320 + 321)
    + 8 * 320 * (640 + 321)
    + 925 * (75 * 640 + 1)
    + 2 * 926,
    "chromdragonn": 48 * (4 * 3 + 1)
    + 96
    + 64 * (48 * 3 + 1)
    + 128
    + 2 * 2 * (64 * (64 * 3 + 1) + 128)
    + 128 * (64 * 3 + 1)
    + 256
    + 2 * 2 * (128 * (128 * 7 + 1) + 256)
    + 200 * (128 * 1 + 1)
    + 400
    + 2 * (200 * (200 * 7 + 1) + 2 * 200 * (200 * 3 + 1) + 3 * 400)
    + 2 * 2 * (200 * (200 * 7 + 1) + 400)
    + 200 * (200 * 7 + 1)
    + 400
    + 1000 * 4201
    + 2000
    + 1000 * 1001
    + 2000
    + 2 * 1001,
    "deepbind": 16 * (4 * 24 + 1) + 32 * 17 + 2 * 33,
    "fc": 5 * 4001 + 2 * 6,
    "conv-gmp-fc": 10 * (4 * 11 + 1) + 5 * 11 + 2 * 6,
    # stem, then in each block: expansion, depthwise, squeeze and excitation, contraction, convolution
    "legnet": 64 * 4 * 11
    + 2 * 64
    + sum(
        4 * c * c
        + 8 * c
        + 4 * c * 9
        + 8 * c
        + c * (4 * c + 1)
        + 4 * c * (c + 1)
        + 4 * c * c
        + 2 * c
        + out * 2 * c * 9
        + 2 * out
        for c, out in itertools.pairwise((64, 80, 96, 112, 128))
    )
    + 2 * 128
    + 256 * 129
    + 256 * 257
    + 2 * 256
    + 2 * 257,
    "deepstarr": 256 * (4 * 7 + 1)
    + 60 * (256 * 3 + 1)
    + 60 * (60 * 5 + 1)
    + 120 * (60 * 3 + 1)
    + 2 * (256 + 60 + 60 + 120)
    + 256 * (120 * 62 + 1)
    + 256 * 257
    + 4 * 256
    + 2 * 257,
    "dilated-residual": 64 * (4 * 25 + 1) + 6 * 64 * (64 * 3 + 1) + 2 * 65,
    "conv-transformer": 32 * (4 * 15 + 1)
    + 32 * 250
    + 2 * (64 + 4 * 32 * 33 + 64 + 64 * 33 + 32 * 65)
    + 64
    + 2 * 33,
    "conv-transformer-no-positions": 32 * (4 * 15 + 1)
    + 2 * (64 + 4 * 32 * 33 + 64 + 64 * 33 + 32 * 65)
    + 64
    + 2 * 33,
    "motif-pairs": 16 * (4 * 15 + 1) + 16 * (16 * 61 + 1) + 10 * 17 + 2 * 11,
    "motif-pairs-pool4": 24 * (4 * 15 + 1) + 24 * (24 * 17 + 1) + 10 * 25 + 2 * 11,
    "conv-gru": 32 * (4 * 15 + 1) + 2 * 3 * 32 * (32 + 32 + 2) + 2 * 65,
    "conv-mp-fc": 20 * 85 + 20 * (40 * 20 + 1) + 2 * 21,
    "conv10w-fc5": 10 * 85 + 5 * 10_001 + 2 * 6,
    "conv10w-fc5-do03": 10 * 85 + 5 * 10_001 + 2 * 6,
    "conv10w-do03-fc5-do03": 10 * 85 + 5 * 10_001 + 2 * 6,
    "conv10w-bn10-fc5": 10 * 85 + 20 + 5 * 10_001 + 2 * 6,
    "conv10w-bn10-fc5-bn5": 10 * 85 + 20 + 5 * 10_001 + 10 + 2 * 6,
    "conv10w-bn10-fc5-do03": 10 * 85 + 20 + 5 * 10_001 + 2 * 6,
}


def test_every_shipped_network_is_counted():
    networks = {path.stem for path in SHIPPED if isinstance(load_architecture(str(path)), Network)}
    assert networks == PUBLISHED.keys()


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED.items(), ids=PUBLISHED)
def test_shipped_networks_have_the_published_parameters(name, parameters):
    network = load_architecture(name, ARCHITECTURES)
    assert count_parameters(network, 4, 1000, 2) == parameters
    with torch.device("meta"):
        module = build(network, 4, 1000, 2, name)
    assert sum(p.numel() for p in module.parameters() if p.requires_grad) == parameters


def test_sizes_that_the_paper_states():
    assert PUBLISHED["legnet"] - 257 == 1_322_465  # with one output, as the public code counts it
    assert PUBLISHED["basset"] > 4e6 and PUBLISHED["deepsea"] > 6e6
    # over 20 million as published with RNA input; the layers that read DNA alone have 8.2 million
    assert 8e6 < PUBLISHED["chromdragonn"] < 20e6


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name.startswith("conv10w")])
def test_a_shipped_file_is_what_its_name_says_as_a_descriptor(name):
    described = resolve_architecture(parse_descriptor(name), name)
    shipped = load_architecture(name, ARCHITECTURES)
    assert architecture_fingerprint(shipped) == architecture_fingerprint(described)


@pytest.mark.parametrize("name", PUBLISHED)
def test_one_file_serves_every_alphabet_window_and_task(name):
    network = load_architecture(name, ARCHITECTURES)
    for alphabet, task in itertools.product(
        ("DNA", "RNA", "protein"), ("multi-class", "multi-label")
    ):
        check_fit(network, alphabet, 600, task, name)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_files_are_valid_and_described(path):
    assert load_architecture(str(path)).description


def grid_of(tmp_path, tiny_grammar, architectures, **changes):
    (tmp_path / "grammars").mkdir(exist_ok=True)
    (tmp_path / "grammars" / "tiny.yaml").write_text(tiny_grammar.read_text())
    content = {"name": "t", "grammars": ["tiny"], "architectures": architectures, "sizes": [100]}
    return Grid({**content, **changes}, "config.yaml", (tmp_path, ARCHITECTURES.parent))


def test_the_grid_refuses_what_does_not_fit_before_anything_is_simulated(tmp_path, tiny_grammar):
    with pytest.raises(InputError) as caught:
        grid_of(tmp_path, tiny_grammar, ["conv10w-fc5", "deepsea", "basset"])
    where = "(window of 40 letters), grammar tiny"
    assert str(caught.value).splitlines() == [
        "config.yaml: architectures.deepsea: layers[4].max-pool: is 4 wide, but only 1 positions "
        f"are left {where}",
        "config.yaml: architectures.basset: layers[4].conv: reaches over 11 positions, but only 7 "
        f"are left {where}",
    ]


def test_the_grid_refuses_features_that_cannot_be_had(tmp_path):
    grammar = tmp_path / "proteins.yaml"
    grammar.write_text(
        "alphabet: protein\nwindow: 40\nelements: {a: {kmers: {WWWW: 1}}}\n"
        "conditions: {one: {rules: [{elements: [a]}]}, two: {}}\n"
    )
    gapped = {"length": 12, "informative": 8}
    features = {
        "words": {"kmers": {"k": 5}},
        "gapped": {"gapped_kmers": gapped},
        "wide": {"random_convolutions": {"width": 41}},
        "both": {"kmers": {"k": 3, "strands": "both"}},
    }
    (tmp_path / "architectures").mkdir()
    for name, own in features.items():
        text = yaml.safe_dump({"backend": "sklearn", "features": own})
        (tmp_path / "architectures" / f"{name}.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        grid_of(tmp_path, grammar, list(features))
    assert str(caught.value).splitlines() == [
        "config.yaml: architectures.words: features.kmers.k: is 5: 3,200,000 features of 20 letters; "
        "at most 3, grammar tiny",
        "config.yaml: architectures.gapped: features.gapped_kmers.informative: is 8: "
        "8,448,000,000,000 words of 20 letters; use fewer letters, grammar tiny",
        "config.yaml: architectures.wide: features.random_convolutions.width: is 41, more than the "
        "window of 40, grammar tiny",
        "config.yaml: architectures.both: features.kmers.strands: is both; protein has one strand, "
        "grammar tiny",
    ]
    grid_of(tmp_path, grammar, {"words": {"features": {"kmers": {"k": 3}}}})


def test_the_grid_runs_custom_code_only_where_the_config_allows_it(tmp_path, tiny_grammar):
    (tmp_path / "architectures").mkdir()
    (tmp_path / "architectures" / "mine.py").write_text("raise SystemExit\n")
    right = (
        "from torch.nn import Flatten, Linear, Sequential\n"
        "def Mine(letters, window, outputs):\n"
        "    return Sequential(Flatten(), Linear(letters * window, outputs))\n"
    )
    (tmp_path / "architectures" / "mine.yaml").write_text("module: architectures/mine.py:Mine\n")
    with pytest.raises(InputError, match=r"architectures\.mine\.module: runs code of your own"):
        grid_of(tmp_path, tiny_grammar, ["mine", "fc10"])
    allowed = {"train": {"allow_custom_code": True}}
    (tmp_path / "architectures" / "mine.py").write_text(right.replace("outputs))", "2 * outputs))"))
    with pytest.raises(InputError) as caught:
        grid_of(tmp_path, tiny_grammar, ["mine", "fc10"], **allowed)
    assert str(caught.value) == (
        "architectures/mine.py:Mine: gives an output of shape (2, 4); expected (2, 2) for two "
        "sequences, grammar tiny"
    )
    (tmp_path / "architectures" / "mine.py").write_text(right)
    grid = grid_of(tmp_path, tiny_grammar, ["mine", "fc10"], **allowed)
    before = grid.resolved.architecture("mine")
    (tmp_path / "architectures" / "mine.py").write_text(f"{right}\n")
    edited = grid_of(tmp_path, tiny_grammar, ["mine", "fc10"], **allowed)
    assert edited.resolved.architecture("mine") != before
    for stage in ("train", "evaluate", "attribute"):
        lines = {name: commands.lines(grid, stage, name) for name in grid.packs}
        flagged = {name for name, text in lines.items() if "--allow-custom-code" in text}
        assert flagged == {name for name in lines if "/mine/" in name}


@pytest.mark.parametrize(
    ("content", "text", "said"),
    [
        (
            "features: {module: own.py:f}",
            "def f(s):\n    return np.ones(len(s))",
            "returns shape (4,)",
        ),
        (
            "features: {module: own.py:f}",
            "def f(s):\n    return [[np.nan]] * len(s)",
            "returns nan",
        ),
        ("features: {module: own.py:f}", "def g(s):\n    return 0", "no class or function f"),
        ("features: {module: own.py:f}", "def f(s):\n    return s[9]", "fails: IndexError"),
        (
            "features: {module: own.py:f}",
            "def f(s):\n    return np.ones((len(s), len(s)))",
            "returns 1 and 4 numbers a sequence",
        ),
        (
            "features: {module: own.py:f}\nhead: {given: logits}",
            "def f(s):\n    return np.ones((len(s), 3))",
            "there are 3 features and 2 conditions",
        ),
        (
            "features: {kmers: {k: 2}}\nhead: {estimator: {module: own.py:f, options: {a: 1}}}",
            "def f(b):\n    return b",
            "unexpected keyword argument 'a'",
        ),
        (
            "features: {kmers: {k: 2}}\nhead: {estimator: {module: own.py:f}}",
            "def f():\n    return 3",
            "gives a int; give a linear classifier",
        ),
        (
            "features: {kmers: {k: 2}}\nhead: {estimator: {module: own.py:f}}",
            "from sklearn.linear_model import LogisticRegression\n"
            "def f():\n    return LogisticRegression(C=-1)",
            "own.py:f: fit fails",
        ),
    ],
)
def test_features_and_estimators_are_tried_when_the_grid_is_checked(
    content, text, said, tmp_path, tiny_grammar, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "architectures").mkdir()
    (tmp_path / "own.py").write_text(f"import numpy as np\n{text}\n")
    (tmp_path / "architectures" / "mine.yaml").write_text(f"backend: sklearn\n{content}\n")
    (tmp_path / "grammars").mkdir()
    shutil.copy(tiny_grammar, tmp_path / "grammars" / "tiny.yaml")
    config = {
        "name": "a",
        "grammars": {"tiny": {}},
        "architectures": {"mine": {}},
        "sizes": [100],
        "train": {"allow_custom_code": True},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    for verb in ("check", "plan"):
        assert main([verb, "config.yaml"]) == 2
        error = capsys.readouterr().err
        assert said in error and ("own.py" in error or "architectures.mine: head.given" in error)
        assert len(error.splitlines()) == 1 and error.endswith("grammar tiny\n")


def test_what_works_of_the_users_own_is_tried_once_a_kind_of_data(
    tmp_path, tiny_grammar, monkeypatch
):
    log = tmp_path / "logs" / "calls"  # what lies beside own.py may not be read
    log.parent.mkdir()
    (tmp_path / "own.py").write_text(
        "from sklearn.ensemble import RandomForestClassifier\n"
        f"def f(s):\n    open({str(log)!r}, 'a').write(f'{{len(s)}} ')\n"
        "    return [[len(t), t.count('A')] for t in s]\n"
        "def forest():\n    return RandomForestClassifier(3)\n"
    )
    head = {"estimator": {"module": str(tmp_path / "own.py") + ":forest"}}
    content = {
        "backend": "sklearn",
        "features": {"module": str(tmp_path / "own.py") + ":f"},
        "head": head,
    }
    (tmp_path / "architectures").mkdir()
    (tmp_path / "architectures" / "mine.yaml").write_text(yaml.safe_dump(content))
    grid_of(tmp_path, tiny_grammar, ["mine"], train={"allow_custom_code": True})
    assert log.read_text() == "4 1 "


def test_attention_without_positions_is_noted_once(caplog):
    blind = resolve_architecture({"layers": ["layer-norm", {"attention": 2}, "flatten"]}, "a.yaml")
    for _ in range(2):
        check_fit(blind, "DNA", 30, "multi-class", "order-blind.yaml")
    assert caplog.messages == [
        "order-blind.yaml: layers[1].attention: sees no order of positions; put positional-encoding "
        "before it, or give it `positions: rotary`"
    ]
    for sees in (
        ["positional-encoding", {"attention": 2}],
        [{"attention": {"positions": "relative"}}],
    ):
        network = resolve_architecture({"layers": [*sees, "flatten"]}, "a.yaml")
        check_fit(network, "DNA", 30, "multi-class", "sees.yaml")
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(("sees", "moves"), [("none", False), ("rotary", True), ("relative", True)])
def test_attention_sees_order_if_it_has_positions(sees, moves):
    layers = [{"attention": {"heads": 2, "positions": sees}}, "global-average-pool"]
    torch.manual_seed(0)
    module = build(resolve_architecture({"layers": layers}, "a"), 4, 12, 2, "a").double()
    for values in module.parameters():
        torch.nn.init.normal_(values)
    x = torch.randn(3, 4, 12, dtype=torch.float64)
    permuted = x[:, :, torch.randperm(12)]
    assert torch.allclose(module(x), module(permuted)) is not moves


def test_a_grid_holds_networks_of_both_libraries(tmp_path, tiny_grammar):
    folder = tmp_path / "architectures"
    folder.mkdir()
    (folder / "keras.yaml").write_text("layers: [flatten]\nbackend: tensorflow\n")
    (folder / "torch.yaml").write_text("layers: [flatten]\nbackend: pytorch\n")
    grid = grid_of(tmp_path, tiny_grammar, ["keras", "torch", "fc10", "kmer-logistic-regression"])
    assert {cell.architecture: cell.backend for cell in grid.cells} == {
        "keras": "tensorflow",
        "torch": "pytorch",
        "fc10": "pytorch",
        "kmer-logistic-regression": "sklearn",
    }
    both = grid_of(tmp_path, tiny_grammar, ["keras", "fc10"], backends=["pytorch", "tensorflow"])
    assert len(both.cells) == 3
    prints = {
        architecture_fingerprint(load_architecture(folder / f"{n}.yaml"))
        for n in ("keras", "torch")
    }
    assert len(prints) == 1, "the backend is a part of a model's identity already"
    with pytest.raises(
        InputError, match=r"layers\.yaml: backend: is 'jax'; expected 'pytorch' or 'tensorflow'"
    ):
        resolve_architecture({"layers": ["flatten"], "backend": "jax"}, "layers.yaml")


def test_a_variant_finds_modules_that_lie_beside_its_base(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("architectures")
    folder.mkdir()
    (folder / "mine.py").write_text("x = 1\n")
    (folder / "net.yaml").write_text("module: mine.py:Net\n")
    head = "{estimator: {module: mine.py:Trees}}"
    (folder / "base.yaml").write_text(
        f"backend: sklearn\nfeatures: {{module: mine.py:embed}}\nhead: {head}\n"
    )
    wanted = {
        "net": {"module": "architectures/mine.py:Net"},
        "base": {
            "features.module": "architectures/mine.py:embed",
            "head.estimator.module": "architectures/mine.py:Trees",
        },
    }
    for name, names in wanted.items():
        base = str((tmp_path if name == "net" else Path()) / folder / f"{name}.yaml")
        variant = architecture_variant(base, {"description": "another"})
        assert variant.own_names == names
        call = ["variant", "architecture", base, '{"description": "another"}', "-o"]
        assert main([*call, f"results/deep/{name}.yaml"]) == 0
        written = load_architecture(f"results/deep/{name}.yaml")
        assert architecture_fingerprint(written) == architecture_fingerprint(variant)
    assert (
        architecture_variant("architectures/net.yaml", {}).module == "mine.py:Net"
    )  # is no variant
    (tmp_path / "here.py").write_text("x = 1\n")
    here = architecture_variant("architectures/net.yaml", {"module": "./here.py:Net"})
    assert here.module == "./here.py:Net"  # as it always was: it is part of the fingerprint


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xef\xbb\xbfx = 1\n", ""),
        ("x = 'é'\n".encode("latin-1"), "mine.py: line 1: holds the byte 0xe9, which is no UTF-8"),
        ("x = 1\n".encode("utf-16"), "mine.py: is UTF-16 text; save it as UTF-8"),
        (b"x = 1\0\n", "mine.py: is a binary file; expected text"),
    ],
    ids=["mark", "latin-1", "utf-16", "zero"],
)
def test_a_module_is_text(tmp_path, content, said):
    (tmp_path / "mine.py").write_bytes(content)
    (tmp_path / "net.yaml").write_text("module: mine.py:Net\n")
    if not said:
        assert load_architecture(tmp_path / "net.yaml").source == "x = 1\n"
        return
    with pytest.raises(InputError) as refused:
        load_architecture(tmp_path / "net.yaml")
    assert said in str(refused.value)


def test_files_that_a_module_reads_are_seen_below_a_hidden_folder(tmp_path, monkeypatch):
    project = tmp_path / ".hidden" / "project"
    (project / ".cache").mkdir(parents=True)
    (project / ".cache" / "settings").write_text("a library's")
    (project / "weights.txt").write_text("1")
    monkeypatch.chdir(project)
    with only_own_file("mine.py:Net"):
        Path(".cache/settings").read_text()
    for path in (Path("weights.txt"), project / "weights.txt", "../project/weights.txt"):
        with pytest.raises(InputError, match=r"reads .*weights\.txt"), only_own_file("mine.py:Net"):
            Path(path).read_text()
