"""Devices: training touches one device only, and `seqgra doctor` says what a machine is worth."""

import re

import numpy as np
import pytest
import torch

from seqgra import cli
from seqgra.architecture.load import architecture_content, resolve_architecture
from seqgra.architecture.schema import Network
from seqgra.backends import doctor, pytorch
from seqgra.backends.pytorch_letters import FromLetters
from seqgra.backends.pytorch_training import clip_gradients, make_loss, make_optimizer
from seqgra.library import ARCHITECTURES, library_folders, named_files
from seqgra.model import ModelCard

SHIPPED = sorted(named_files(ARCHITECTURES, library_folders(None)))
META = torch.device("meta")


def shipped_network(name):
    network = resolve_architecture(*architecture_content(name))
    return network if isinstance(network, Network) else None


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name == "conv-gru" else [])
        for name in SHIPPED
        if shipped_network(name)
    ],
)
def test_a_step_of_training_mixes_no_devices(name):
    """On the device ``meta`` nothing is computed, and an operation that meets another device raises."""
    network = shipped_network(name)
    content = network.model_dump(mode="json")
    window = 200 if name == "danq" else 1000  # meta goes through a recurrent layer step by step
    card = ModelCard(architecture=content, alphabet="DNA", window=window, conditions=("a", "b"))
    with META:
        module = pytorch.build_from_card(card, name).train()
    optimizer = make_optimizer(network.optimizer, module)
    for group in optimizer.param_groups:
        group["fused"] = False  # meta has no such kernels
    forward = FromLetters(pytorch.predicting(module, card), 4, META)
    codes = torch.empty((8, window), dtype=torch.uint8, device=META)
    y = torch.empty(8, dtype=torch.int64, device=META)
    logits = forward(codes)
    assert logits.shape == (8, 2) and logits.device == META
    make_loss("multi-class", np.ones(2, np.float32), META)(logits, y).backward()
    clip_gradients(module, network.training)
    optimizer.step()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert gradients and all(gradient.device == META for gradient in gradients)


def test_the_doctor_looks_at_the_cpu(capsys):
    assert cli.main(["doctor", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    names = ["PyTorch", "GPU", "determinism", "compiled network", "training"]
    assert [line.partition("  ")[0] for line in said.splitlines()] == names
    assert re.search(r"[1-9][\d,]* examples a second by PyTorch", said)
    assert "<- wrong" not in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_doctor_says_that_there_is_no_gpu(capsys):
    assert cli.main(["doctor", "--device", "cuda"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no CUDA device is available" in line


def test_the_doctor_finds_what_is_wrong(monkeypatch, capsys):
    model = pytorch.PytorchModel
    monkeypatch.setattr(model, "logits", lambda self, x: np.ones((len(x), 2), np.float32))
    assert cli.main(["doctor", "--device", "cpu"]) == 1
    captured = capsys.readouterr()
    assert "compiled network: not as it should be" in captured.err
    assert len(captured.out.splitlines()) == 5, "the other checks are made all the same"


def test_the_doctor_finds_a_device_that_does_not_repeat_itself(monkeypatch):
    monkeypatch.setattr(doctor, "_train", lambda on, steps: torch.rand(3))
    assert not doctor._same_bits(torch.device("cpu")).good
