"""First layers over letters: the same as PyTorch's in double precision, forward and backward."""

import copy
import importlib.util
import linecache
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from seqgra import kernel_cache
from seqgra.alphabet import PADDING, UNKNOWN
from seqgra.backends.compiled import modules
from seqgra.backends.pytorch_layers import SharedConv, StrandAverage
from seqgra.backends.pytorch_letters import FromLetters, OneHot

CPU = torch.device("cpu")


def letter_codes(letters, window, examples):
    codes = torch.randint(0, letters, (examples, window), dtype=torch.uint8)
    codes[torch.rand(examples, window) < 0.05] = UNKNOWN
    codes[::4, -7:] = PADDING
    return codes


def network(convolution, *after, letters, window):
    body = nn.Sequential(convolution, *after, nn.Flatten())
    size = body(torch.zeros(1, letters, window)).shape[1]
    return nn.Sequential(*body, nn.Linear(size, 3))


NETWORKS = {
    "width 21, same": (nn.Conv1d(4, 10, 21, padding="same"), nn.ReLU()),
    "width 20, global maximum, two vectors": (nn.Conv1d(4, 20, 20), nn.ReLU(), nn.MaxPool1d(34)),
    "width 19, stride, dilation": (nn.Conv1d(4, 7, 19, stride=3, padding=5, dilation=2),),
    "shared strands, maxima with a rest": (
        *(SharedConv(4, 9, 11, padding="same"), nn.ReLU(), nn.MaxPool1d(7)),
    ),
    "maximum without activation": (nn.Conv1d(4, 3, 9), nn.MaxPool1d(4)),
    "a maximum over all of a second convolution": (
        *(nn.Conv1d(4, 6, 11), nn.ReLU(), nn.MaxPool1d(2)),
        *(nn.Conv1d(6, 5, 17, padding="same"), nn.ReLU(), nn.MaxPool1d(21)),
    ),
    "the same with stride, without activation": (
        *(nn.Conv1d(4, 6, 11), nn.Conv1d(6, 18, 5, stride=2, padding=3), nn.MaxPool1d(23)),
    ),
    "batch norm after it": (nn.Conv1d(4, 5, 10), nn.BatchNorm1d(5), nn.ReLU()),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_letters_give_what_one_hot_letters_give(name):
    torch.manual_seed(1)
    for layer in NETWORKS[name]:
        if hasattr(layer, "reset_parameters"):  # made at import, before any seed
            layer.reset_parameters()
    assert_like_one_hot(network(*NETWORKS[name], letters=4, window=53).eval(), 4)


def test_proteins():
    torch.manual_seed(2)
    layers = nn.Conv1d(20, 17, 8), nn.ReLU(), nn.MaxPool1d(5)
    assert_like_one_hot(network(*layers, letters=20, window=53), 20)


def assert_like_one_hot(net, letters, examples=21):
    codes = letter_codes(letters, 53, examples)
    exact, points = copy.deepcopy(net).double(), OneHot(letters, CPU)(codes).double()
    apply = FromLetters(net, letters, CPU)
    assert apply._first is not None, "the tables are not used"
    dense: list[torch.Tensor] = []  # of the last layer, whose own rounding depends on the batch
    hook = net[-1].register_forward_pre_hook(lambda _, inputs: dense.append(inputs[0]))
    first, again = apply(codes), apply(codes[:5])  # two forward passes before a backward one
    hook.remove()
    expected = exact(points)
    given = torch.randn_like(first)
    first.backward(given)
    expected.backward(given.double())
    assert torch.allclose(first.double(), expected, atol=2e-6), (first - expected).abs().max()
    assert torch.allclose(again, first[:5], atol=2e-6)
    whole, part = dense
    assert torch.equal(part, whole[:5]), "a result must not depend on what else is in the batch"
    for (name, ours), theirs in zip(net.named_parameters(), exact.parameters(), strict=True):
        size = theirs.grad.abs().max()
        assert (ours.grad - theirs.grad).abs().max() <= 2e-6 * size, name
    with torch.inference_mode():
        assert torch.equal(apply(codes), first) or net[0].kernel_size[0] < 9


def test_both_strands_are_averaged_from_letters():
    torch.manual_seed(3)
    body = network(nn.Conv1d(4, 6, 12), nn.ReLU(), nn.MaxPool1d(42), letters=4, window=53)
    both, codes = StrandAverage(body), letter_codes(4, 53, 9)
    apply = FromLetters(both, 4, CPU)
    assert apply._first is not None
    assert torch.allclose(apply(codes), both(OneHot(4, CPU)(codes)), atol=1e-6)


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Flatten(), nn.Linear(4 * 53, 3)),
        nn.Sequential(nn.Conv1d(4, 4, 21, groups=2), nn.Flatten(), nn.Linear(4 * 33, 3)),
        nn.Sequential(nn.Conv1d(4, 4, 21, padding_mode="circular"), nn.Flatten(), nn.LazyLinear(3)),
        nn.Sequential(nn.Conv1d(4, 4, 21, bias=False), nn.Flatten(), nn.Linear(4 * 33, 3)),
    ],
    ids=["no convolution", "groups", "circular", "no bias"],
)
def test_the_dense_path_stays_for_other_networks(net):
    codes = letter_codes(4, 53, 5)
    apply = FromLetters(net, 4, CPU)
    assert apply._first is None
    assert torch.equal(apply(codes), net(OneHot(4, CPU)(codes)))


def test_the_dense_path_stays_for_mixed_precision():
    net = network(nn.Conv1d(4, 4, 21), nn.ReLU(), nn.MaxPool1d(33), letters=4, window=53)
    codes = letter_codes(4, 53, 5)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = FromLetters(net, 4, CPU)(codes)
    assert mixed.dtype == torch.bfloat16


def test_overlapping_maxima_are_left_to_pytorch():
    net = network(nn.Conv1d(4, 4, 21), nn.ReLU(), nn.MaxPool1d(4, 2), letters=4, window=53)
    assert_like_one_hot(net, 4)


def test_nan_weights_are_not_hidden():
    for pool in (33, 4):
        net = network(nn.Conv1d(4, 4, 21), nn.ReLU(), nn.MaxPool1d(pool), letters=4, window=53)
        with torch.no_grad():
            net[0].bias.fill_(float("nan"))
        assert FromLetters(net, 4, CPU)(letter_codes(4, 53, 5)).isnan().all()


SOURCE = """
import sys
import numpy as np
from seqgra.backends.compiled import modules
from seqgra.backends.compiled.compiler import machine
made = []
compile_ = machine().compile
machine().compile = lambda unit: made.append(unit) or compile_(unit)
source = "def twice(values) -> int:\\n    return values[0] * %s\\n" % sys.argv[1]
print(modules.kernels(source, ()).run("twice", np.array([4])), len(made))
"""


def test_kernels_are_compiled_once_for_all_processes_and_again_when_damaged(tmp_path):
    folder = tmp_path / "kernels"
    environment = {**os.environ, kernel_cache.CACHE_VARIABLE: str(folder)}

    def run(factor):
        command = [sys.executable, "-c", SOURCE, str(factor)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return [int(number) for number in done.stdout.split()]

    assert [run(2), run(2)] == [[8, 1], [8, 0]]
    (file,) = folder.glob("*.o")
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    assert [run(2), run(3), run(2)] == [[8, 1], [12, 1], [8, 0]]
    assert len(list(folder.iterdir())) == 2


def test_an_edit_of_a_called_module_makes_another_file(tmp_path, monkeypatch, caplog):
    """Machine code is named by all source that it follows from, and by the kinds of the arguments."""
    monkeypatch.setattr(modules, "kernel_folder", lambda: tmp_path)
    kernel_cache.say_compiling.cache_clear()
    caplog.set_level("INFO", "seqgra.kernel_cache")
    file = tmp_path / "called.py"
    source = "def run(values) -> int:\n    return changed(values[0])\n"
    results = []
    for number, term in enumerate(("+ 1", "+ 2", "+ 1")):
        text = "from seqgra.backends.compiled.compiler import part\n@part\n"
        file.write_text(f"{text}def changed(x) -> int:\n    return x {term}\n")
        linecache.clearcache()
        spec = importlib.util.spec_from_file_location(f"called{number}", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        made = modules.Kernels(source, (module,))
        results.append(made.run("run", np.array([5])))
    assert results == [6, 7, 6] and len(list(tmp_path.glob("*.o"))) == 2
    made.run("run", np.array([5], np.uint8))
    assert len(list(tmp_path.glob("*.o"))) == 3
    assert [record.message[:9] for record in caplog.records] == ["compiling"], "once a process"


def test_a_cache_folder_of_others_is_not_used(tmp_path, monkeypatch):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv(kernel_cache.CACHE_VARIABLE, str(folder))
    kernel_cache.kernel_folder.cache_clear()
    try:
        assert kernel_cache.kernel_folder() != folder
    finally:
        kernel_cache.kernel_folder.cache_clear()
