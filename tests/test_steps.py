"""Layers above the first in training on a CPU: the same as PyTorch's in double precision."""

import copy
import math
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from seqgra.architecture.layers import Attention, Gru, Shape
from seqgra.architecture.load import architecture_content, resolve_architecture
from seqgra.backends.compiled import compiler, modules, vector
from seqgra.backends.compiled.modules import Kernels
from seqgra.backends.pytorch import PytorchModel
from seqgra.backends.pytorch_layers import Recurrent, SelfAttention, build
from seqgra.backends.pytorch_letters import FromLetters, OneHot
from seqgra.backends.pytorch_steps import CompiledSteps, joined_maxima
from seqgra.model import AbstractModel, ModelCard

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("layers", "joined"),
    [
        ((nn.Conv1d(6, 5, 16), nn.ReLU(), nn.MaxPool1d(28)), True),
        ((nn.Conv1d(6, 5, 3, padding="same"), nn.MaxPool1d(43)), True),
        ((nn.Conv1d(6, 5, 16), nn.ReLU(), nn.MaxPool1d(14)), False),  # not over all positions
        ((nn.Conv1d(6, 5, 3, dilation=2), nn.ReLU(), nn.MaxPool1d(39)), False),
        ((nn.Conv1d(6, 6, 3, groups=2), nn.MaxPool1d(41)), False),
        ((nn.Conv1d(6, 5, 3), nn.GELU(), nn.MaxPool1d(41)), False),
    ],
)
def test_a_convolution_and_its_maximum_over_all_positions_are_one_node(layers, joined):
    torch.manual_seed(4)
    x = torch.randn(4, 6, 43, requires_grad=True)
    out = x
    for step in joined_maxima(layers):
        out = CompiledSteps().layer(step, out)
    assert (type(out.grad_fn).__name__ == "_MaximumNodeBackward") == joined
    torch.testing.assert_close(out, nn.Sequential(*layers)(x))


def block(channels, length, **settings):
    torch.manual_seed(channels)
    return SelfAttention(Shape(channels, length), Attention(kind="attention", **settings))


def assert_alike(one, other, tolerance=2e-6):
    assert (one.double() - other).abs().max() <= tolerance * other.abs().max().clamp(min=1)


def assert_gradients_alike(one, other, tolerance):
    """Within a share of the largest: keys' biases have no gradient but rounding, a softmax ignores them."""
    pairs = list(zip(one.parameters(), other.parameters(), strict=True))
    largest = max(float(theirs.grad.abs().max()) for _, theirs in pairs)
    for mine, theirs in pairs:
        assert (mine.grad - theirs.grad).abs().max() <= tolerance * largest


def graph(node):
    """Return the names of all operations that lead to a result."""
    if node is None:
        return []
    return [type(node).__name__, *(graph(before) for before, _ in node.next_functions)]


def operations_like_exact(ours, x):
    """Compare outputs and gradients of a layer with double precision; return the names of its operations."""
    exact = copy.deepcopy(ours).double()
    inputs = x.requires_grad_(), x.detach().double().requires_grad_()
    out, expected = CompiledSteps().layer(ours, inputs[0]), exact(inputs[1])
    names = str(graph(out.grad_fn))
    given = torch.randn_like(out)
    out.backward(given)
    expected.backward(given.double())
    assert_alike(out, expected)
    assert_alike(inputs[0].grad, inputs[1].grad)
    assert_gradients_alike(ours, exact, 2e-6)
    return names


@pytest.mark.parametrize(
    ("heads", "channels", "length"), [(4, 32, 46), (1, 5, 16), (3, 24, 7), (2, 64, 33)]
)
def test_attention_is_that_of_pytorch(heads, channels, length):
    ours = block(channels, length, heads=heads)
    names = operations_like_exact(ours, 2 * torch.randn(3, channels, length))
    assert "_AttentionNodeBackward" in names and "Softmax" not in names


def attended(query, key, value, rate, seed):
    """Return what the kernel makes of a single head whose projections change nothing."""
    one = block(query.shape[2], query.shape[1], heads=1, dropout=rate)
    torch.manual_seed(seed)
    return CompiledSteps().attention(one, query, key, value)


def test_dropout_of_attention_and_its_gradient():
    """Values that are one-hot show the weights that are left; the gradient is that of the same mask."""
    length, rate = 40, 0.3
    torch.manual_seed(0)
    query, key, value, given = (torch.randn(50, length, length) for _ in range(4))
    eye = torch.eye(length).expand(50, -1, -1)
    with torch.enable_grad():
        left = attended(query.requires_grad_(), key, eye, rate, 1).detach().double()
    weights = (
        (query.double() @ key.double().transpose(1, 2) / math.sqrt(length)).softmax(-1).detach()
    )
    kept = left != 0
    assert_alike(left, weights * kept / (1 - rate))
    share, deviation = float(1 - kept.double().mean()), math.sqrt(rate * (1 - rate) / kept.numel())
    assert abs(share - rate) < 5 * deviation  # false alarms: 6 in 10 million
    assert not torch.equal(kept[0], kept[1]), "each example has a mask of its own"
    again = attended(query, key, eye, rate, 1)
    assert torch.equal(again.double(), left) and not torch.equal(
        attended(query, key, eye, rate, 2), again
    )

    leaves = [part.detach().requires_grad_() for part in (query, key, value)]
    attended(*leaves, rate, 1).backward(given)
    exact = [part.detach().double().requires_grad_() for part in (query, key, value)]
    scores = exact[0] @ exact[1].transpose(1, 2) / math.sqrt(length)
    (scores.softmax(-1) * kept / (1 - rate) @ exact[2]).backward(given.double())
    for mine, theirs in zip(leaves, exact, strict=True):
        assert_alike(mine.grad, theirs.grad)


@pytest.mark.parametrize("output", ["positions", "last"])
@pytest.mark.parametrize(("examples", "units", "bidirectional"), [(18, 5, True), (3, 16, False)])
def test_a_recurrence_is_that_of_pytorch(examples, units, bidirectional, output):
    torch.manual_seed(units)
    layer = Gru(kind="gru", units=units, bidirectional=bidirectional, output=output)
    ours = Recurrent(layer, 3)
    names = operations_like_exact(ours, torch.randn(examples, 3, 11))
    assert "_RecurrentNodeBackward" in names


@pytest.mark.parametrize("positions", ["rotary", "relative"])
def test_positions_inside_attention_are_left_to_pytorch(positions):
    one = block(8, 11, heads=2, positions=positions)
    x = torch.randn(2, 8, 11)
    assert torch.equal(one.through(x, CompiledSteps()), one(x))


NETWORKS = [
    "conv-transformer",
    "motif-pairs",
    "dilated-residual",
    "deepstarr",
    "legnet",
    "conv-gru",
]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_in_training_has_the_gradients_of_its_modules(name):
    torch.manual_seed(5)
    network = resolve_architecture(*architecture_content(name))
    module = build(network, 4, 120, 3, "test").train()
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    codes = torch.randint(0, 4, (9, 120), dtype=torch.uint8)
    exact = copy.deepcopy(module).double()
    logits, expected = FromLetters(module, 4, CPU)(codes), exact(OneHot(4, CPU)(codes).double())
    assert_alike(logits, expected, 1e-5)
    given = torch.randn_like(logits)
    logits.backward(given)
    expected.backward(given.double())
    # a ReLU at 0 may be open in one and shut in the other
    assert_gradients_alike(module, exact, 1e-3)
    for mine, theirs in zip(module.buffers(), exact.buffers(), strict=True):  # running statistics
        assert_alike(mine, theirs)


def shared(part):
    """Return a network that uses one module twice."""
    return [nn.Conv1d(4, 6, 11), part, nn.MaxPool1d(2), nn.Conv1d(6, 6, 3), part, nn.MaxPool1d(19)]


class Rows(nn.Module):
    def forward(self, values):
        return values.view(values.size(0), -1, 1)


def normalised():
    return [nn.utils.weight_norm(nn.Conv1d(4, 6, 11)), nn.ReLU(), nn.MaxPool1d(43)]


OWN = {
    "one activation twice": lambda: shared(nn.ReLU()),
    "another activation twice": lambda: shared(nn.GELU()),
    "one convolution twice": lambda: [
        nn.Conv1d(4, 4, 11),
        *[nn.Conv1d(4, 4, 3)] * 2,
        nn.ReLU(),
        nn.MaxPool1d(39),
    ],
    "a view": lambda: [nn.Conv1d(4, 6, 11), Rows()],
    "in place": lambda: [nn.Conv1d(4, 6, 11), nn.LeakyReLU(inplace=True), nn.MaxPool1d(43)],
    "nested": lambda: [nn.Conv1d(4, 6, 11), nn.Sequential(*[nn.Tanh()] * 2), nn.MaxPool1d(43)],
}


@pytest.mark.parametrize("name", OWN)
def test_a_user_s_modules_do_what_they_do_in_pytorch(name):
    torch.manual_seed(6)
    network = nn.Sequential(*OWN[name](), nn.Flatten(), nn.LazyLinear(2)).eval()
    codes = torch.randint(0, 4, (9, 53), dtype=torch.uint8)
    points = OneHot(4, CPU)(codes).clone()
    expected = network(points)
    model = PytorchModel(network, ModelCard(architecture={}, **CARD), CPU)
    np.testing.assert_allclose(model.logits(codes.numpy()), expected.detach().numpy(), atol=1e-6)
    trained = FromLetters(network.train(), 4, CPU, built=False)(codes)
    trained.sum().backward()
    torch.testing.assert_close(trained, expected)
    assert_paths_alike(PytorchModel(network.eval(), model.card, CPU), points.numpy())


CARD = {"alphabet": "DNA", "window": 53, "conditions": ("a", "b")}


def assert_paths_alike(model, points):
    """The mean gradients on the way from zeros are those of the points, one after the other."""
    shares = (np.arange(3, dtype=np.float32) + 0.5)[None] / 3
    given = points, np.zeros_like(points), np.arange(len(points)) % 2, shares
    expected = AbstractModel.path_gradients(model, *given)
    np.testing.assert_allclose(model.path_gradients(*given), expected, atol=1e-6)


def built(name):
    torch.manual_seed(7)
    network = resolve_architecture(*architecture_content(name))
    card = ModelCard(architecture=network.model_dump(mode="json"), **CARD)
    return PytorchModel(build(network, 4, 53, 2, "test"), card, CPU)


KERNELS = [
    "conv10w-bn10-fc5",
    "conv10w-gmp-fc5",
    "conv-transformer",
    "conv-gru",
    "motif-pairs-pool4",
]


@pytest.mark.parametrize("name", KERNELS)
def test_hooks_on_modules_are_heeded_whenever_they_come(name):
    model = built(name)
    codes = torch.randint(0, 4, (9, 53), dtype=torch.uint8)
    points = OneHot(4, CPU)(codes).clone()
    before = model.logits(codes.numpy())
    for part in model.network:
        handle = part.register_forward_hook(lambda _, inputs, output: output * 2)
        with torch.no_grad():
            expected = model.module(points).numpy()
        assert np.array_equal(model.logits(codes.numpy()), expected)
        assert_paths_alike(model, points.numpy())
        handle.remove()
    assert np.array_equal(model.logits(codes.numpy()), before)


@pytest.mark.parametrize("name", KERNELS)
def test_a_model_can_be_copied_and_sent_after_it_was_used(name):
    model, codes = built(name), np.random.default_rng(0).integers(0, 4, (9, 53)).astype(np.uint8)
    logits = model.logits(codes)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301 - our own
        assert np.array_equal(other.logits(codes), logits)
        assert other.network is not model.network and other.card == model.card


@pytest.mark.parametrize("name", KERNELS)
def test_threads_do_not_mix_their_results(name):
    model, random = built(name), np.random.default_rng(0)
    parts = [random.integers(0, 4, (40, 53)).astype(np.uint8) for _ in range(60)]
    expected = [model.logits(part) for part in parts]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(model.logits, parts))
    assert all(map(np.array_equal, found, expected))


FIRST_CALLS = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from seqgra.backends.compiled import modules, vector
source = "def run(x, out):\\n    for i in range(x.size):\\n        out[i] = x[i] * np.float32(2)\\n"
x = np.ones(64, np.float32)
def call(number):
    out = np.empty_like(x)
    modules.kernels(source, (vector,)).run("run", x, out)
    return out.sum()
with ThreadPoolExecutor(4) as pool:
    assert list(pool.map(call, range(8))) == [128.0] * 8
"""


def test_threads_may_make_the_first_call(tmp_path):
    environment = {**os.environ, "SEQGRA_CACHE": str(tmp_path / "kernels")}
    subprocess.run([sys.executable, "-c", FIRST_CALLS], check=True, env=environment)


def test_dropout_of_attention_follows_its_own_mode():
    one, x = block(8, 11, heads=2, dropout=0.5).eval(), torch.randn(2, 8, 11)
    assert torch.equal(one.through(x, CompiledSteps()), one.through(x, CompiledSteps()))
    one.dropout.train()
    assert not torch.equal(one.through(x, CompiledSteps()), one.through(x, CompiledSteps()))


@pytest.mark.parametrize("name", ["conv-transformer", "conv-gru", "motif-pairs"])
def test_second_derivatives_are_refused(name):
    network = built(name).network.train()
    network[0].requires_grad_(False)
    codes = torch.randint(0, 4, (3, 53), dtype=torch.uint8)
    weights = [p for p in network.parameters() if p.requires_grad]
    loss = FromLetters(network, 4, CPU)(codes).square().sum()
    found = torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        sum(g.square().sum() for g in found if g is not None).backward()


def test_every_module_of_the_package_counts_for_machine_code(tmp_path, monkeypatch):
    folder = Path(modules.__file__).parent
    copied = shutil.copytree(folder, tmp_path / "compiled")
    monkeypatch.setattr(compiler, "__file__", str(copied / "compiler.py"))
    before = modules._package.__wrapped__()
    assert before == modules._package()
    for file in sorted(copied.glob("*.py")):
        text = file.read_text()
        file.write_text(text + "\n")
        assert modules._package.__wrapped__() != before, file.name
        file.write_text(text)


def test_exponentials_and_totals_of_vectors():
    source = """
def run(x, out, sums):
    for i in range(0, x.size, 16):
        value = load16(x, i)
        sums[i // 16] = total(value)
        store(out, i, exponential(value))
"""
    x = np.linspace(-87, 0, 16_000, dtype=np.float32)
    out, sums = np.empty_like(x), np.empty(1000, np.float32)
    kernels = Kernels(source, (vector,))
    kernels.run("run", x, out, sums)
    assert np.abs(out / np.exp(x.astype(float)) - 1).max() < 2**-22
    np.testing.assert_allclose(sums, x.reshape(-1, 16).sum(1, dtype=float), rtol=1e-6)
    ends = np.array([-np.inf, -1000, np.nan, 0] * 4, np.float32)
    kernels.run("run", ends, out, sums)
    assert (out[:2] < 2e-38).all() and np.isnan(out[2]) and out[3] == 1
