"""Attribution methods by layers, predictions and masks: Captum, exact sums, brute force, known answers."""

import copy
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import Deconvolution, GuidedBackprop, LayerGradCam, Occlusion
from tangermeme.deep_lift_shap import BilinearOp, deep_lift_shap
from torch import nn

from seqgra.alphabet import PADDING, UNKNOWN, one_hot
from seqgra.architecture.load import architecture_content, load_architecture, resolve_architecture
from seqgra.attribute import gradients, sources
from seqgra.attribute.methods import METHODS, corrects, refusal
from seqgra.attribute.mutagenesis import MASKED, mutagenesis, mutation_effects, occlusion
from seqgra.attribute.references import shuffled
from seqgra.attribute.sufficient_subsets import (
    PlainCandidates,
    back_select,
    subset_positions,
    sufficient_subsets,
)
from seqgra.backends import pytorch
from seqgra.backends.path_kernels import follow_maxima, letters_of
from seqgra.backends.pytorch_local import LocalCandidates, local_network
from seqgra.backends.pytorch_paths import Paths
from seqgra.backends.pytorch_rules import Backprop
from seqgra.backends.untrained import untrained
from seqgra.errors import InputError
from seqgra.model import AbstractModel, ModelCard, NotDefined, explained_part, mean_along
from seqgra.stages.attribute import Settings
from seqgra.stages.options import read_options

ARCHITECTURES = sorted((Path(__file__).parents[1] / "architectures").glob("*.yaml"))
NETWORKS = [path for path in ARCHITECTURES if "backend:" not in path.read_text()]
MEAN = np.array([0.4, 0.3, 0.2, 0.1], np.float32)
#: A network with every layer that DeepLIFT has a rule for.
RULED = [
    {"conv": {"filters": 6, "width": 5, "reverse_complement": True, "activation": "gelu"}},
    {"max-pool": {"width": 3, "stride": 2}},
    {"batch-norm": {}},
    {"residual": {"layers": [{"conv": {"filters": 12, "width": 3}}], "activation": "relu"}},
    {"conv": {"filters": 5, "width": 3, "activation": "exponential", "dilation": 2}},
    {"average-pool": {"width": 2, "stride": 1}},
    {"conv": {"filters": 4, "width": 4, "padding": 3, "activation": "silu"}},
    "global-max-pool",
    {"dense": {"units": 6, "activation": "sigmoid"}},
    {"dropout": 0.2},
]
#: The same of layers made of others.
COMPOSED = [
    {"conv": {"filters": 12, "width": 5, "activation": "relu"}},
    {"positional-encoding": "learned"},
    {"residual": ["layer-norm", {"attention": {"heads": 3, "positions": "rotary"}}]},
    {"residual": ["layer-norm", {"attention": {"heads": 2, "positions": "relative"}}]},
    {"branches": {"paths": [[], [{"conv": {"filters": 12, "width": 3}}]], "join": "product"}},
    {"branches": [["gate"], [{"conv": {"filters": 6, "width": 3, "groups": 6}}]]},
    {"squeeze-excite": 4},
    {"branches": [["global-max-pool"], [{"attention-pool": 2}]]},
]
RECTIFIED = [
    {"conv": {"filters": 6, "width": 5, "activation": "relu"}},
    {"max-pool": 2},
    {"conv": {"filters": 5, "width": 3, "activation": "relu"}},
    "flatten",
    {"dense": {"units": 6, "activation": "relu"}},
]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def model_of(content, window=40, task="multi-class", conditions=("a", "b", "c"), seed=1):
    """Return an untrained PyTorch model whose normalisations are no identities."""
    if not isinstance(content, dict):
        content = {"layers": content}
    network = resolve_architecture(content, "a.yaml")
    card = ModelCard(
        architecture=network.model_dump(mode="json"),
        alphabet="DNA",
        window=window,
        conditions=tuple(conditions),
        task=task,
    )
    torch.manual_seed(seed)
    module = pytorch.build_from_card(card, "a.yaml")
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            nn.init.normal_(part.running_mean, std=0.1)
            nn.init.uniform_(part.running_var, 0.5, 2)
    return pytorch.PytorchModel(module, card, torch.device("cpu"))


def test_the_untrained_twin_has_other_weights_on_the_device_asked_for(monkeypatch):
    asked, choose = [], pytorch.choose_device
    monkeypatch.setattr(pytorch, "choose_device", lambda name: asked.append(name) or choose("cpu"))
    model = model_of([{"conv": {"filters": 3, "width": 5}}, "global-max-pool"])
    twin, again = untrained(model, "cuda"), untrained(model, "cuda")
    assert asked == ["cuda", "cuda"]
    x, *_ = sequences()
    assert not np.allclose(twin.logits(x), model.logits(x))
    np.testing.assert_array_equal(twin.logits(x), again.logits(x))


CONV = {"conv": {"filters": 5, "width": 7}}
FIRST = {
    "convolution, global maximum": [CONV, {"activation": "relu"}, "global-max-pool", {"dense": 4}],
    "convolution, normalisation": [CONV, "batch-norm", {"activation": "gelu"}, "flatten"],
    "shared strands, maxima": [
        {"conv": {"filters": 5, "width": 7, "reverse_complement": True, "padding": "valid"}},
        *({"activation": "relu"}, {"max-pool": 3}, "flatten"),
    ],
    "stride, dilation, maxima that leave positions over": [
        {"conv": {"filters": 6, "width": 5, "stride": 2, "dilation": 3, "padding": 4}},
        *({"activation": "tanh"}, {"max-pool": 4}, {"conv": {"filters": 3, "width": 3}}, "flatten"),
    ],
    "same length, maxima first": [
        {"conv": {"filters": 4, "width": 6, "padding": "same", "bias": False}},
        *({"max-pool": 5}, {"activation": "gelu"}, "flatten"),
    ],
    "gelu below overlapping": [
        CONV,
        {"activation": "gelu"},
        {"max-pool": {"width": 3, "stride": 1}},
        "flatten",
    ],
    "dense": ["flatten", {"dense": 6}, {"activation": "relu"}],
    "padded letters above": [
        {"conv": {"filters": 5, "width": 8, "padding": 4}},
        {"lstm": 4},
        "flatten",
    ],
}


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize("task", ["multi-class", "multi-label"])
def test_paths_through_a_linear_first_layer_are_those_of_gradients_call_by_call(name, task):
    model = model_of(FIRST[name], task=task)
    paths = Paths.of(model.module, task, torch.device("cpu"))
    assert paths is not None, "the short way is not taken"
    assert bool(paths._pool) == ("maxi" in name), "or not that of maxima"
    _, inputs, target = sequences(examples=9)
    rng = np.random.default_rng(1)
    start = rng.dirichlet([1] * 4, (9, 40)).transpose(0, 2, 1)
    start = (start * inputs.any(axis=1, keepdims=True)).astype(np.float32)
    same = ((np.arange(60) + 0.5) / 60).astype(np.float32)
    own = np.sort(rng.random((9, 7)).astype(np.float32), axis=1)
    for shares in (same, own, own[:, :1]):
        found = model.path_gradients(inputs, start, target, shares)
        expected = mean_along(model.gradients, inputs, start, target, shares)
        assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
        few = shares[2:3] if shares.ndim == 2 else shares
        alone = model.path_gradients(inputs[2:3], start[2:3], target[2:3], few)
        assert np.abs(alone - found[2:3]).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name", [name for name in FIRST if "maxi" in name])
def test_a_point_between_two_sequences_comes_from_tables(name, monkeypatch):
    model = model_of(FIRST[name])
    _, inputs, target = sequences(examples=9)
    _, start, _ = sequences(examples=9, seed=1)
    shares = np.random.default_rng(1).random((9, 1)).astype(np.float32)
    expected = mean_along(model.gradients, inputs, start, target, shares)
    with monkeypatch.context() as patched:
        patched.delattr(Paths, "_maxima")  # the way of all else
        found = model.path_gradients(inputs, start, target, shares)
        few = model.path_gradients(inputs[:2], start[:2], target[:2], shares[:2])
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
    assert np.abs(few - found[:2]).max() < 1e-5 * np.abs(expected).max()
    with torch.no_grad():
        next(model.module.children()).weight *= -1
    expected = mean_along(model.gradients, inputs, start, target, shares)
    found = model.path_gradients(inputs, start, target, shares)
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_points_between_letters_are_told_from_letters():
    _, inputs, _ = sequences()
    codes = np.empty((len(inputs), 40), np.uint8)
    assert letters_of(inputs, codes)
    np.testing.assert_array_equal(one_hot(codes, 4), inputs)
    for wrong in (0.5, np.nan, -1.0, 2.0):
        points = inputs.copy()
        points[3, 2, 7] = wrong
        assert not letters_of(points, codes)
    points = inputs.copy()
    points[3, :, 7] = 1
    assert not letters_of(points, codes)


def test_maxima_along_paths_are_those_of_every_point():
    rng = np.random.default_rng(2)
    begin, end = rng.normal(size=(2, 3, 4, 50)).astype(np.float32)
    begin[0], end[1, :, ::2] = (
        0.5,
        begin[1, :, ::2],
    )  # all the same at first, lines that do not rise
    shares = np.sort(rng.random((3, 40)).astype(np.float32), axis=1)
    which, values = np.empty((3, 40, 24), np.int32), np.empty((3, 40, 24), np.float32)
    follow_maxima(begin, end, shares, 8, which, values)
    points = begin[:, None] + shares[:, :, None, None].astype(np.float64) * (end - begin)[:, None]
    each = points[..., :48].reshape(3, 40, 24, 8)
    np.testing.assert_allclose(values, each.max(axis=3), rtol=0, atol=1e-6)
    taken = np.take_along_axis(points.reshape(3, 40, 4, 50), which.reshape(3, 40, 4, 6), axis=3)
    np.testing.assert_allclose(taken.reshape(3, 40, 24), each.max(axis=3), rtol=0, atol=1e-6)
    assert (which // 8 == np.tile(np.arange(6), 4)).all()


def sequences(examples=6, window=40, seed=0):
    """Return (letter codes with padding and an unknown letter, one-hot inputs, targets)."""
    rng = np.random.default_rng(seed)
    x = rng.integers(4, size=(examples, window)).astype(np.uint8)
    x[1, window - 5 :], x[2, 3] = PADDING, UNKNOWN
    return x, one_hot(x, 4), rng.integers(3, size=examples)


def centred(module):
    """Return a copy whose outputs are centred logits: Captum explains plain outputs."""
    net = copy.deepcopy(module)
    with torch.no_grad():
        net[-1].weight -= net[-1].weight.mean(dim=0)
        net[-1].bias -= net[-1].bias.mean()
    return net


@pytest.mark.parametrize(
    ("source", "oracle"), [("guided", GuidedBackprop), ("deconvolution", Deconvolution)]
)
@pytest.mark.filterwarnings("ignore:Setting backward hooks")
def test_rectified_gradients_agree_with_captum(source, oracle):
    model, (_, inputs, target) = model_of(RECTIFIED), sequences()
    found = getattr(Backprop(model.module, model.task), source)(inputs, target)
    net = centred(model.module)
    points = torch.tensor(inputs, requires_grad=True)
    expected = oracle(net).attribute(points, torch.tensor(target)).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(found - model.gradients(inputs, target)).max() > 1e-3


def test_a_module_that_stands_twice_acts_twice():
    """As modules of their own with the same weights, to which PyTorch's `children` gives one number more."""
    torch.manual_seed(3)
    relu, dense = nn.ReLU(), nn.Linear(4, 4)
    layers = [nn.Conv1d(4, 5, 7), relu, nn.Conv1d(5, 4, 3), relu, nn.MaxPool1d(32), nn.Flatten()]
    layers += [dense, relu, dense, nn.Linear(4, 3)]
    once = nn.Sequential(*layers).eval()
    apart = nn.Sequential(*map(copy.deepcopy, layers)).eval()
    x, inputs, target = sequences()
    for rule in ("guided", "deconvolution", "multipliers", "class_activation"):
        found, expected = (getattr(Backprop(net, "multi-class"), rule) for net in (once, apart))
        given = (
            (inputs, target) if rule != "multipliers" else (inputs, np.zeros_like(inputs), target)
        )
        np.testing.assert_array_equal(found(*given), expected(*given))
    table = sources.letters_table(4, np.zeros(4)).astype(np.float64)
    subsets = [
        back_select(LocalCandidates(network, table[x], table[MASKED], target), x < MASKED)[0]
        for net in (once, apart)
        if (network := local_network(net, 4, 40, "multi-class"))
    ]
    assert len(subsets) == 2 and np.array_equal(*subsets)


def test_rectified_gradients_of_one_filter():
    conv = nn.Conv1d(4, 2, 1, bias=False)
    conv.weight.data = torch.tensor([[1.0, -1, 2, 0], [3.0, 1, 1, 1]])[:, :, None]
    dense = nn.Linear(2, 2, bias=False)
    dense.weight.data = torch.tensor([[1.0, -2.0], [0.0, 0.0]])
    net = nn.Sequential(conv, nn.ReLU(), nn.AvgPool1d(1), nn.Flatten(), dense)
    rules = Backprop(net, "multi-label")
    inputs, target = np.eye(4, dtype=np.float32)[:, :, None], np.zeros(4, np.int64)
    plain = [[1, -1, 2, 0], [3, 1, 1, 1]]
    on = [[1, 0, 1, 0], [1, 1, 1, 1]]  # filter x input letter: whether the filter is above 0
    for i in range(4):
        # only the first filter has a positive weight above it
        np.testing.assert_allclose(rules.deconvolution(inputs, target)[i, :, 0], plain[0])
        expected = np.multiply(plain[0], on[0][i])
        np.testing.assert_allclose(rules.guided(inputs, target)[i, :, 0], expected)


@pytest.mark.parametrize("pooled", [False, True])
def test_grad_cam_agrees_with_captum(pooled):
    layers = RECTIFIED if pooled else [RECTIFIED[0], *RECTIFIED[2:]]
    model, (_, inputs, target) = model_of(layers), sequences()
    net = centred(model.module)
    oracle = LayerGradCam(net, net[4 if pooled else 3]).attribute(  # the last convolution's ReLU
        torch.tensor(inputs), torch.tensor(target), relu_attributions=True
    )
    expected = oracle.detach().numpy()[:, 0]
    maps = Backprop(model.module, model.task).class_activation(inputs, target)
    if not pooled:
        np.testing.assert_allclose(maps, expected, atol=1e-6)
    else:  # of pairs of positions, between which it is interpolated
        np.testing.assert_allclose(maps[:, [0, -1]], expected[:, [0, -1]], atol=1e-6)
        between = 0.75 * expected[:, :-1] + 0.25 * expected[:, 1:]
        np.testing.assert_allclose(maps[:, 1:-1:2], between, atol=1e-6)
    assert (maps > 0).any() and (maps >= 0).all()
    values = gradients.class_activation(lambda *_: maps, inputs, target)
    np.testing.assert_allclose(values.sum(axis=1), maps * inputs.any(axis=1), atol=1e-6)


def test_rules_of_both_strands_turn_each_sequence_within_its_length():
    layers = [*RECTIFIED[:1], "flatten", {"dense": 4}]
    model = model_of({"layers": layers, "predict": {"reverse_complement": True}})
    x, _, target = sequences()
    other, lengths = x.copy(), [40, 35, 40, 17, 29, 1]
    for row, turned, length in zip(x, other, lengths, strict=True):
        row[length:] = turned[length:] = PADDING
        turned[:length] = np.where(row[:length] < 4, 3 - row[:length], row[:length])[::-1]
    rules = Backprop(model.module, model.task)
    here, there = one_hot(x, 4), one_hot(other, 4)
    zeros = np.zeros_like(here)
    for found, mirrored in (
        (rules.guided(here, target), rules.guided(there, target)),
        (rules.deconvolution(here, target), rules.deconvolution(there, target)),
        (rules.multipliers(here, zeros, target), rules.multipliers(there, zeros, target)),
        (rules.class_activation(here, target), rules.class_activation(there, target)),
    ):
        assert np.ptp(found) > 1e-3
        for row, turned, length in zip(found, mirrored, lengths, strict=True):
            part = row[..., :length][..., ::-1]
            part = part[::-1] if part.ndim == 2 else part
            np.testing.assert_allclose(part, turned[..., :length], atol=1e-6)


def test_grad_cam_of_one_filter_is_where_the_filter_is():
    conv = nn.Conv1d(4, 1, 3, bias=False)
    conv.weight.data = torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]]) * 2
    dense = nn.Linear(1, 2, bias=False)
    dense.weight.data = torch.tensor([[3.0], [-3.0]])
    net = nn.Sequential(conv, nn.ReLU(), nn.MaxPool1d(8), nn.Flatten(), dense)
    x = np.full((1, 10), 3, np.uint8)
    x[0, 4:7] = 0, 1, 2
    maps = Backprop(net, "multi-label").class_activation(one_hot(x, 4), np.array([0]))
    assert maps[0].argmax() == 5 and maps[0, 5] == pytest.approx(6 * 3 / 8)
    assert not maps[0, [0, 1, 2, 8, 9]].any()


@pytest.mark.parametrize("task", ["multi-class", "multi-label"])
@pytest.mark.parametrize("both", [False, True], ids=["one strand", "both strands"])
@pytest.mark.parametrize("layers", [RULED, COMPOSED], ids=["plain", "composed"])
def test_deep_lift_is_exact_for_every_layer_with_a_rule(layers, task, both):
    content = {"layers": layers, "predict": {"reverse_complement": both}}
    model, (_, inputs, target) = model_of(content, task=task), sequences()
    double = copy.deepcopy(model.module).double()
    rules = Backprop(double, task)
    for start in (MEAN, np.zeros(4, np.float32), inputs[:, :, ::-1][None].copy()):
        (reference,) = gradients.starts(start, inputs)
        values = (inputs - reference) * rules.multipliers(inputs, reference, target)
        with torch.no_grad():
            ends = [double(torch.tensor(p).double()).numpy() for p in (inputs, reference)]
        difference = [explained_part(end, target, task) for end in ends]
        gap = values.sum(axis=(1, 2)) - (difference[0] - difference[1])
        assert np.abs(gap).max() < 1e-8
        assert np.abs(difference[0] - difference[1]).max() > 1e-3


class TangermemeTransformer(nn.Module):
    """Our transformer of `test_deep_lift_of_a_transformer_...`, written as tangermeme's hooks need it."""

    def __init__(self, parts):
        super().__init__()
        self.conv, relu, self.positions, residual, gate, pool, self.dense = parts
        self.norm, self.attention = (copy.deepcopy(part) for part in residual.body)
        self.plain_norm = nn.LayerNorm(self.norm.normalized_shape)
        self.plain_norm.load_state_dict(self.norm.state_dict())
        self.relu, self.sigmoid, self.softmax = relu, copy.deepcopy(gate.activation), nn.Softmax(-1)
        self.score, self.pool_softmax, self.heads = pool.score, nn.Softmax(-1), self.attention.heads
        self.scores, self.mixed, self.gated, self.pooled = (
            *(BilinearOp(), BilinearOp(), BilinearOp("...,...->..."), BilinearOp()),
        )

    def forward(self, values):
        values = self.positions(self.relu(self.conv(values)))
        turned = self.plain_norm(values.transpose(1, 2))
        query, key, value = (
            part(turned).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.attention.query, self.attention.key, self.attention.value)
        )
        query, key = self.attention.rotary(query), self.attention.rotary(key)
        weights = self.softmax(self.scores(query, key.transpose(2, 3)) / query.shape[-1] ** 0.5)
        mixed = self.mixed(weights, value).transpose(1, 2).flatten(2)
        values = values + self.attention.output(mixed).transpose(1, 2)
        kept, gate = values.chunk(2, dim=1)
        values = self.gated(kept, self.sigmoid(gate)).transpose(1, 2)
        weights = self.pool_softmax(self.score(values).transpose(1, 2))
        return self.dense(self.pooled(weights, values).flatten(1))


def test_deep_lift_of_a_transformer_agrees_with_tangermeme():
    layers = [
        {"conv": {"filters": 12, "width": 5, "activation": "relu"}},
        {"positional-encoding": "learned"},
        {"residual": ["layer-norm", {"attention": {"heads": 2, "positions": "rotary"}}]},
        "gate",
        {"attention-pool": 2},
    ]
    model, (x, inputs, target) = model_of(layers, task="multi-label"), sequences()
    x, inputs, target = x[3:], inputs[3:], target[3:]  # whole sequences alone
    double = copy.deepcopy(model.module).double()
    references = shuffled(x, 4, 1)[0].astype(np.float64)
    own = Backprop(double, model.task).multipliers(inputs.astype(np.float64), references, target)
    theirs = TangermemeTransformer(copy.deepcopy(double)).double().eval()
    np.testing.assert_allclose(
        theirs(torch.tensor(references)).detach(), double(torch.tensor(references)).detach()
    )
    for label in np.unique(target).tolist():
        chosen = target == label
        multipliers = deep_lift_shap(
            theirs,
            torch.tensor(inputs[chosen]).double(),
            target=label,
            references=torch.tensor(references[chosen])[:, None],
            raw_outputs=True,
            device="cpu",
        )
        np.testing.assert_allclose(own[chosen], multipliers[:, 0], atol=1e-9)


def test_deep_lift_of_a_linear_network_is_its_weights():
    dense = nn.Linear(4 * 5, 3)
    rules = Backprop(nn.Sequential(nn.Flatten(), dense), "multi-label")
    x = np.random.default_rng(0).integers(4, size=(4, 5)).astype(np.uint8)
    inputs, target = one_hot(x, 4), np.array([0, 1, 2, 0])
    values = gradients.deep_lift(rules.multipliers, inputs, target, baseline=MEAN)
    weights = dense.weight.detach().numpy().reshape(3, 4, 5)[target]
    np.testing.assert_allclose(values, weights * (inputs - MEAN[:, None]), atol=1e-6)


def test_rescale_rule_of_a_saturated_minimum():
    # f = 1 - relu(1 - x_0 - x_1): both letters saturate it alone, and share what they give together
    first, second = nn.Linear(2, 1), nn.Linear(1, 1)
    first.weight.data, first.bias.data = torch.tensor([[-1.0, -1.0]]), torch.ones(1)
    second.weight.data, second.bias.data = torch.tensor([[-1.0]]), torch.ones(1)
    net = nn.Sequential(nn.Flatten(), first, nn.ReLU(), second)
    inputs, target = np.ones((1, 1, 2), np.float32), np.array([0])
    rules = Backprop(net, "multi-label")
    values = gradients.deep_lift(rules.multipliers, inputs, target, baseline=np.zeros(1))
    np.testing.assert_allclose(values, [[[0.5, 0.5]]])


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_deep_lift_of_every_shipped_network_is_complete_or_refused(path):
    network = load_architecture(str(path))
    model = model_of(network.model_dump(mode="json"), window=500)
    x, inputs, target = sequences(3, 500)
    reason = refusal("deep-lift", network)
    source = METHODS["deep-lift"]
    if reason:
        assert ("lstm" in reason or "gru" in reason) and path.stem in ("danq", "conv-gru")
        function = sources.source_of(model, source, correct=False, fill=None)
        with pytest.raises(NotDefined, match="Recurrent"):
            gradients.deep_lift(function, inputs, target, baseline=MEAN)
        return
    function = sources.source_of(model, source, correct=False, fill=None)
    values = gradients.deep_lift(function, inputs, target, baseline=MEAN)
    gap = sources.completeness_gap(model, inputs, target, values, MEAN)
    assert gap.max() < 1e-3 and x.shape == (3, 500)


def test_deep_shap_is_complete_over_its_references():
    model, (x, inputs, target) = model_of(RULED), sequences()
    references = shuffled(x, 4, 5)
    function = Backprop(model.module, model.task).multipliers
    values = gradients.deep_lift(function, inputs, target, baseline=references)
    assert sources.completeness_gap(model, inputs, target, values, references).max() < 1e-3


@pytest.mark.parametrize("source", ["guided", "deconvolution", "multipliers", "class_activation"])
def test_no_method_changes_the_model_even_if_it_fails(source, monkeypatch):
    model, (_, inputs, target) = model_of(RECTIFIED), sequences()
    before = {name: values.clone() for name, values in model.module.state_dict().items()}
    gradient = model.gradients(inputs, target)
    arrays = (inputs, inputs, target) if source == "multipliers" else (inputs, target)
    function = getattr(Backprop(model.module, model.task), source)
    function(*arrays)
    last = model.module[-1]
    with monkeypatch.context() as patched:
        patched.setattr(last, "forward", lambda values: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            function(*arrays)
    for part in model.module.modules():
        hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks)
        assert not any(hooks) and not part.training
        assert all(parameter.grad is None for parameter in part.parameters())
    after = model.module.state_dict()
    assert all(torch.equal(after[name], values) for name, values in before.items())
    np.testing.assert_array_equal(model.gradients(inputs, target), gradient)


def test_refusals_follow_from_the_layers():
    plain = resolve_architecture({"layers": RECTIFIED}, "a")
    recurrent = resolve_architecture({"layers": [RECTIFIED[0], {"lstm": 4}]}, "a")
    within = resolve_architecture(
        {"layers": [RECTIFIED[0], {"residual": [{"attention": {"heads": 2}}]}]}, "a"
    )
    smooth = resolve_architecture({"layers": RULED}, "a")
    dense = resolve_architecture({"layers": ["flatten", {"dense": 4}]}, "a")
    own = resolve_architecture({"layers": RECTIFIED}, "a").model_copy(update={"module": "a.py:B"})
    assert not any(refusal(method, plain) for method in METHODS)
    refused = {
        "lstm": [m for m in METHODS if "layer lstm" in refusal(m, recurrent)],
        "attention": [m for m in METHODS if "layer attention" in refusal(m, within)],
        "gelu": [m for m in METHODS if "conv has gelu" in refusal(m, smooth)],
        "dense": [m for m in METHODS if "no" in refusal(m, dense).split()],
        "own": [m for m in METHODS if "of your own" in refusal(m, own)],
        "none": [m for m in METHODS if "networks only" in refusal(m, None)],
    }
    rectified = ["guided-backpropagation", "deconvolution"]
    by_layers = [*rectified, "deep-lift", "deep-shap"]
    assert refused == {
        "lstm": by_layers,
        "attention": rectified,
        "gelu": rectified,
        "dense": [],
        "own": [*by_layers, "grad-cam"],
        "none": [*by_layers, "grad-cam"],
    }
    assert [m for m in METHODS if "needs a convolution" in refusal(m, dense)] == ["grad-cam"]


@pytest.mark.parametrize(
    "layer",
    [{"lstm": 4}, "layer-norm", {"attention": 1}, "gate", {"squeeze-excite": 2}]
    + [{"branches": {"paths": [[], []], "join": "product"}}],
    ids=str,
)
def test_what_has_no_rule_is_refused_by_the_walk_too(layer):
    conv = {"conv": {"filters": 4, "width": 3, "activation": "relu"}}
    model, (_, inputs, target) = model_of([conv, layer, "flatten"]), sequences()
    rules = Backprop(model.module, model.task)
    for rectified in (rules.guided, rules.deconvolution):
        with pytest.raises(NotDefined, match="is not defined for the layer"):
            rectified(inputs, target)
    if layer == {"lstm": 4}:
        with pytest.raises(NotDefined, match="is not defined for the layer"):
            rules.multipliers(inputs, inputs, target)
    assert rules.class_activation(inputs, target).shape == (6, 40)


def test_a_module_that_may_do_anything_is_refused():
    class Own(nn.Sequential):
        def forward(self, values):
            return super().forward(values) ** 2

    rules = Backprop(Own(nn.Flatten(), nn.Linear(160, 3)), "multi-class")
    _, inputs, target = sequences()
    with pytest.raises(NotDefined, match="Own is none of them"):
        rules.multipliers(inputs, inputs, target)


def test_corrected_deep_lift_stays_complete():
    model, (_, inputs, target) = model_of(RULED), sequences()
    method = METHODS["deep-lift"]
    source = sources.source_of(model, method, correct=True, fill=None)
    values = gradients.deep_lift(source, inputs, target, baseline=MEAN)
    assert sources.completeness_gap(model, inputs, target, values, MEAN).max() < 1e-3
    assert [name for name in METHODS if not corrects(name)] == [
        "grad-cam",
        "mutagenesis",
        "occlusion",
        "sufficient-subsets",
    ]


class TableModel(AbstractModel):
    """Logits are sums of weights of letters and, without bounds on what it is, of pairs of them."""

    device, alphabet, task = "cpu", "DNA", "multi-class"
    conditions = ("a", "b", "c")

    def __init__(self, window=9, seed=0):
        rng = np.random.default_rng(seed)
        self.window = window
        self.single = rng.normal(size=(3, window, 4))
        self.pair = rng.normal(size=(3, window, window, 4, 4)) * 0.5

    def _logits_of(self, x):
        hot = one_hot(x, 4).transpose(0, 2, 1).astype(np.float64)
        single = np.einsum("nla,cla->nc", hot, self.single)
        return single + np.einsum("nla,nmb,clmab->nc", hot, hot, self.pair)


def test_mutagenesis_is_what_a_loop_gives():
    model = TableModel()
    x, inputs, target = sequences(5, 9)
    predict = sources.predictions(model, None)
    effects = mutation_effects(predict, x, target, 4)
    values = mutagenesis(predict, inputs, target, x=x)

    def f(row, condition):
        logits = model.logits(row[None])[0]
        return logits[condition] - logits.mean()

    for n, position in itertools.product(range(5), range(9)):
        if x[n, position] > 3:
            assert not effects[n, :, position].any() and not values[n, :, position].any()
            continue
        losses = []
        for letter in range(4):
            changed = x[n].copy()
            changed[position] = letter
            effect = f(changed, target[n]) - f(x[n], target[n])
            assert effects[n, letter, position] == pytest.approx(effect, abs=1e-9)
            losses += [-effect] if letter != x[n, position] else []
        assert values[n, x[n, position], position] == pytest.approx(np.mean(losses), rel=1e-5)
    assert not values[inputs == 0].any()


@pytest.mark.parametrize("width", [1, 4, 40, 99])
def test_occlusion_agrees_with_captum(width):
    model, (x, inputs, target) = model_of(RECTIFIED), sequences()
    for fill in (None, MEAN):
        found = occlusion(sources.predictions(model, fill), inputs, target, x=x, width=width)
        base = np.zeros(4) if fill is None else fill
        start = torch.tensor(base.astype(np.float32)[:, None] * inputs.any(axis=1, keepdims=True))
        expected = Occlusion(centred(model.module)).attribute(
            torch.tensor(inputs),
            (4, min(width, 40)),
            target=torch.tensor(target),
            baselines=start,
        )
        whole = (x != PADDING).all(axis=1)  # Captum's windows run on into padding
        np.testing.assert_allclose(found[whole], (expected.numpy() * inputs)[whole], atol=2e-6)


@pytest.mark.parametrize("width", [1, 4, 35, 37, 99])
def test_windows_of_occlusion_end_with_the_sequence(width):
    """A sequence with padding gives what the sequence alone gives, for a model that ignores padding."""
    model, (x, _, target) = TableModel(40), sequences()
    of_whole = sources.predictions(model, None)

    def predict(rows, condition):
        return of_whole(
            np.pad(rows, ((0, 0), (0, 40 - rows.shape[1])), constant_values=PADDING), condition
        )

    values = [
        occlusion(predict, one_hot(rows, 4), target[1:2], x=rows, width=width)
        for rows in (x[1:2], x[1:2, :35])
    ]
    assert np.abs(values[1]).max() > 0.1
    np.testing.assert_allclose(values[0][..., :35], values[1], atol=1e-6)
    assert not values[0][..., 35:].any()


def test_masks_between_letters_are_refused_where_a_model_takes_letters_only():
    x, inputs, target = sequences(5, 9)
    with pytest.raises(NotDefined, match="takes letters only"):
        occlusion(sources.predictions(TableModel(), MEAN), inputs, target, x=x, width=2)


def brute_subsets(f, letters, share):
    """Return all subsets of one example by the published algorithm, word for word.

    `f` takes the set of positions that are not masked.
    """
    everything = frozenset(letters)
    threshold = f(frozenset()) + share * (f(everything) - f(frozenset()))
    if f(everything) <= f(frozenset()):
        return []
    found, current = [], everything
    while f(current) >= threshold:
        stack, left = [], current
        while left:  # BackSelect
            worst = max(sorted(left), key=lambda i, left=left: f(left - {i}))
            left -= {worst}
            stack.append(worst)
        subset = set()
        while f(frozenset(subset)) < threshold:  # FindSIS
            subset.add(stack.pop())
        found.append(sorted(subset))
        current -= subset
    return found


def as_lists(numbers):
    return [np.flatnonzero(numbers == k).tolist() for k in range(1, numbers.max() + 1)]


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_sufficient_subsets_are_those_of_the_plain_algorithm(share):
    model = TableModel()
    x, _, target = sequences(12, 9)
    predict = sources.predictions(model, None)
    found = sufficient_subsets(sources.masking(model, None), predict, x, target, share)
    several = 0
    for n in range(12):
        letters = np.flatnonzero(x[n] < 4)

        def f(kept, n=n):
            row = np.where(np.isin(np.arange(9), list(kept)) | (x[n] > 3), x[n], UNKNOWN)
            logits = model.logits(row[None].astype(np.uint8))[0].astype(np.float64)
            return logits[target[n]] - logits.mean()

        expected = brute_subsets(f, letters.tolist(), share)
        assert as_lists(found[n]) == expected, n
        several += len(expected) > 1
    assert several > 2 or share > 0.5
    assert (found == 0).all(axis=1).any()


def test_subsets_of_a_linear_model_are_known():
    weights = np.array([5.0, 1, 4, 1, 1, 0, -2])

    def predict(x, target):
        return (x < 4) @ weights

    x, target = np.zeros((1, 7), np.uint8), np.zeros(1, np.int64)
    # f(x) = 10, half of it is 5: the first letter alone; then 4 + 1; what is left gives no 5
    found = sufficient_subsets(
        lambda codes, wanted: PlainCandidates(predict, codes, wanted), predict, x, target, 0.5
    )
    assert as_lists(found[0]) == [[0], [2, 4]]
    values = subset_positions(
        lambda codes, wanted: PlainCandidates(predict, codes, wanted),
        one_hot(x, 4),
        target,
        x=x,
        predict=predict,
        threshold=0.5,
    )
    assert values[0, 0].tolist() == [1, 0, 1, 0, 1, 0, 0] and not values[0, 1:].any()


@pytest.mark.parametrize(
    ("effect", "off", "subsets"),
    [
        (1, 0, [[0, 4]]),
        (2e-6, 0, [[0, 4]]),
        (1e-7, 0, []),  # all masked it is as good, but for what counts as equal
        (0, 0, []),
        (-1, 0, []),
        (2e-6, 1e-5, []),  # candidates may be computed more exactly than predictions
    ],
)
def test_subsets_of_a_nearly_constant_model_end(effect, off, subsets):
    x, target, rounds = np.array([[0, 1, 2, 3, 0, 1]] * 2, np.uint8), np.zeros(2, np.int64), []

    def predict(x, target):
        return effect * (x == 0).sum(axis=1)

    def masking(x, target):
        rounds.append(len(x))
        assert len(rounds) <= 6, "more subsets than letters"
        return PlainCandidates(lambda *given: predict(*given) + off, x, target)

    found = sufficient_subsets(masking, predict, x, target, 0.9)
    assert [as_lists(row) for row in found] == [subsets, subsets]


LOCAL = {
    "two convolutions": ["conv10-conv10-gmp-fc5", None],
    "valid, dilated, mean": [
        {"conv": {"filters": 5, "width": 4, "padding": "valid", "activation": "silu"}},
        {"conv": {"filters": 3, "width": 3, "dilation": 3, "activation": "tanh"}},
        "global-average-pool",
    ],
    "padded, strands, normalised": [
        {"conv": {"filters": 3, "width": 5, "padding": 4, "reverse_complement": True}},
        {"batch-norm": {}},
        {"activation": "relu"},
        {"conv": {"filters": 4, "width": 4, "activation": "exponential"}},
        {"batch-norm": {}},
        {"conv": {"filters": 4, "width": 1, "padding": 6, "activation": "sigmoid"}},
        "global-max-pool",
        {"batch-norm": {}},
        {"dense": {"units": 3, "activation": "relu"}},
    ],
}


@pytest.mark.parametrize("name", LOCAL)
@pytest.mark.parametrize("fill", [None, MEAN], ids=["zeros", "background"])
def test_local_candidates_are_the_plain_ones(name, fill):
    content = LOCAL[name]
    if isinstance(content[0], str):
        content, _ = architecture_content(content[0])
    model = model_of(content, 45)
    network = local_network(model.module, 4, 45, model.task)
    assert network is not None
    double = copy.deepcopy(model.module).double()
    table = sources.letters_table(4, np.zeros(4) if fill is None else fill).astype(np.float64)

    def predict(x, target):
        columns = np.ascontiguousarray(table[x].transpose(0, 2, 1))
        with torch.inference_mode():
            logits = double(torch.from_numpy(columns)).numpy()
        return explained_part(logits, target, model.task)

    x, _, target = sequences(5, 45)

    def local(codes, wanted):
        return LocalCandidates(network, table[codes], table[MASKED], wanted)

    def plain(codes, wanted):
        return PlainCandidates(predict, codes, wanted)

    free = x < MASKED
    steps = [back_select(make(x, target), free) for make in (local, plain)]
    np.testing.assert_array_equal(steps[0][0], steps[1][0])
    finite = np.isfinite(steps[1][1])
    np.testing.assert_allclose(steps[0][1][finite], steps[1][1][finite], atol=1e-9)
    subsets = [sufficient_subsets(m, predict, x, target, 0.6) for m in (local, plain)]
    np.testing.assert_array_equal(subsets[0], subsets[1])
    assert subsets[0].any()


@pytest.mark.parametrize(
    "layers",
    [
        RECTIFIED,
        [{"conv": {"filters": 3, "width": 3, "stride": 2, "padding": 1}}, "global-max-pool"],
        [{"conv": {"filters": 3, "width": 3, "activation": "gelu"}}, "global-max-pool"],
        [{"conv": {"filters": 3, "width": 3}}, {"max-pool": 2}, "global-max-pool"],
    ],
    ids=["flat", "stride", "gelu", "pooled before"],
)
def test_other_networks_are_predicted_whole(layers):
    model = model_of(layers)
    assert local_network(model.module, 4, 40, model.task) is None
    candidates = sources.masking(model, None)(*sequences()[::2])
    assert isinstance(candidates, PlainCandidates)


@pytest.mark.parametrize(
    "layers",
    [
        [torch.nn.MaxPool1d(20, padding=5)],
        [torch.nn.AvgPool1d(40, padding=20, stride=40)],
        [torch.nn.MaxPool1d(40, dilation=2)],
        [torch.nn.BatchNorm1d(8, affine=False), torch.nn.MaxPool1d(40)],
        [torch.nn.BatchNorm1d(8, track_running_stats=False), torch.nn.MaxPool1d(40)],
    ],
)
def test_modules_of_a_users_own_are_read_only_as_far_as_they_are_understood(layers):
    convolution = torch.nn.Conv1d(4, 8, 5, padding="same")
    rest = [torch.nn.Flatten(), torch.nn.Linear(8, 2)]
    module = torch.nn.Sequential(convolution, torch.nn.ReLU(), *layers, *rest).eval()
    assert local_network(module, 4, 40, "multi-class") is None
    plain = torch.nn.Sequential(convolution, torch.nn.ReLU(), torch.nn.MaxPool1d(40), *rest).eval()
    assert local_network(plain, 4, 40, "multi-class") is not None


def test_references_are_shuffles_that_follow_from_the_sequence():
    x, _, _ = sequences()
    found = shuffled(x, 4, 7)
    assert found.shape == (7, 6, 4, 40) and len(np.unique(found[:, 0], axis=0)) > 5
    np.testing.assert_array_equal(shuffled(x[3:4], 4, 7)[:, 0], found[:, 3])
    for r, n in itertools.product(range(7), range(6)):
        letters = found[r, n].argmax(axis=0)
        there = found[r, n].any(axis=0)
        np.testing.assert_array_equal(there.sum(), (x[n] < 4).sum())
        if n not in (1, 2):
            pairs = [np.bincount(4 * row[:-1] + row[1:], minlength=16) for row in (letters, x[n])]
            np.testing.assert_array_equal(pairs[0], pairs[1])


def test_smooth_gradient_is_the_gradient_where_it_is_constant_and_repeats():
    model, (_, inputs, target) = model_of(RULED), sequences()
    whole = gradients.smooth_gradient(model.gradients, inputs, target, samples=3, noise=0.2)
    parts = [
        gradients.smooth_gradient(
            model.gradients, inputs[n : n + 1], target[n : n + 1], samples=3, noise=0.2
        )
        for n in range(6)
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
    quadratic = gradients.smooth_gradient(
        lambda points, _: points, inputs, target, samples=2000, noise=0.3
    )
    letter = inputs.any(axis=1, keepdims=True)
    # the mean of 2,000 normals; 960 of them each, 6 standard errors: 1 in 500,000
    assert np.abs(quadratic - inputs * letter).max() < 6 * 0.3 / np.sqrt(2000)


def test_noise_of_smooth_gradients_leaves_padding_empty():
    _, inputs, target = sequences()
    seen = []

    def gradient(points, _):
        seen.append(points)
        return np.ones_like(points)

    values = gradients.smooth_gradient(gradient, inputs, target, samples=3, noise=0.5)
    letter = np.broadcast_to(inputs.any(axis=1, keepdims=True), inputs.shape)
    assert len(seen) == 3 and not letter.all()
    for points in seen:
        assert not points[~letter].any() and (points != inputs)[letter].all()
    assert (values == letter).all()


def test_draws_of_expected_gradients_are_stratified():
    """The k-th of R references is left at a share in [k, k + 1) / R of the way, not all alike."""
    inputs = one_hot(sequences()[0], 4)[[0, 3, 4]]
    seen = []

    def paths(there, start, target, shares):
        seen.append(shares[:, 0])
        return np.zeros_like(there)

    references = np.zeros((8, *inputs.shape), np.float32)
    gradients.expected_gradients(paths, inputs, np.zeros(3, int), references=references)
    shares = 8 * np.concatenate(seen).reshape(8, 3) - np.arange(8)[:, None]
    assert shares.min() >= 0 and shares.max() < 1
    assert len(np.unique(shares)) == 24 and 0.2 < shares.mean() < 0.8


@pytest.mark.parametrize("width", [4, 6])
def test_maps_of_even_filters_lie_where_the_filter_sees(width):
    """With padding `same`, PyTorch puts the odd column of an even filter behind."""
    conv = nn.Conv1d(4, 1, width, bias=False, padding="same")
    conv.weight.data = torch.zeros(1, 4, width)
    conv.weight.data[0, 0] = 1.0
    dense = nn.Linear(1, 2, bias=False)
    dense.weight.data = torch.tensor([[3.0], [-3.0]])
    net = nn.Sequential(conv, nn.ReLU(), nn.MaxPool1d(20), nn.Flatten(), dense)
    x = np.full((1, 20), 3, np.uint8)
    x[0, 8 : 8 + width] = 0
    found = Backprop(net, "multi-label").class_activation(one_hot(x, 4), np.array([0]))[0]
    centre = (found * np.arange(20)).sum() / found.sum()
    assert centre == pytest.approx(8 + (width - 1) / 2, abs=1e-6)
    middle = 8 + width // 2
    assert found[middle - 1] == pytest.approx(found[middle]) and found.argmax() in (
        middle - 1,
        middle,
    )


def test_memory_bounds_the_batch():
    small, large = (
        model_of(RECTIFIED),
        model_of([{"conv": {"filters": 900, "width": 9}}, "flatten"], 4000),
    )
    assert small.batch == 256 and 1 <= large.batch < 40
    calls = []

    def function(inputs, target):
        calls.append(len(inputs))
        return inputs

    batched = sources._in_batches(function, 4)
    _, inputs, target = sequences()
    np.testing.assert_array_equal(batched(inputs, target), inputs)
    assert calls == [4, 2]


def test_wrong_settings_are_named():
    wrong = {"baseline": "noise", "mask": "none", "noise": 0.0, "threshold": 0.0}
    wrong |= dict.fromkeys(("steps", "references", "samples", "width"), 0)
    with pytest.raises(InputError) as refused:
        read_options(Settings, wrong)
    assert {problem.path for problem in refused.value.problems} == set(Settings.model_fields)
    assert read_options(Settings, {}) == Settings()
