"""What `seqgra doctor` checks: does this machine compute what it should, and how fast."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from seqgra.architecture.load import architecture_content, resolve_architecture
from seqgra.architecture.schema import Network
from seqgra.backends.pytorch import (
    PytorchModel,
    build_from_card,
    choose_device,
    prepare_process,
)
from seqgra.backends.pytorch_letters import FromLetters
from seqgra.backends.pytorch_training import make_loss, make_optimizer
from seqgra.model import MULTI_CLASS, ModelCard

#: What is tried: a shipped network, letters, examples of a step, steps that are timed.
_NETWORK, _WINDOW, _BATCH, _STEPS = "conv10w-do03-fc5-do03", 1000, 32, 20
#: Logits of two ways to compute them may differ by so much.
_TOLERANCE = 1e-4


class Finding(NamedTuple):
    """A line of the report, and whether it is as it should be."""

    name: str
    text: str
    good: bool = True


def examine(device: str) -> Iterator[Finding]:
    """Yield what is found, one check after another.

    Parameters
    ----------
    device
        ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    InputError
        If there is no such device.
    """
    on = choose_device(device)
    prepare_process(1)
    built = torch.version.cuda or torch.version.hip
    made_for = (
        f"built for {'ROCm' if torch.version.hip else 'CUDA'} {built}" if built else "CPU only"
    )
    yield Finding("PyTorch", f"{torch.__version__}, {made_for}")
    yield _card(on)
    if on.type == "cuda":
        free, total = torch.cuda.mem_get_info(on)
        yield Finding(
            "memory", f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB of the GPU are free"
        )
        products = torch.backends.cuda.matmul.allow_tf32
        rounded = products or torch.backends.cudnn.allow_tf32
        yield Finding(
            "TF32", "on: products are rounded to 10 bits" if rounded else "off", not rounded
        )
    yield _same_bits(on)
    here = _model(torch.device("cpu"))
    codes = _codes(64)
    with torch.inference_mode():
        plain = FromLetters(here.module, 4, torch.device("cpu"))(torch.from_numpy(codes)).numpy()
    yield _alike("compiled network", here.logits(codes), plain, "those of PyTorch on the CPU")
    if on.type == "cuda":
        yield _alike("logits", _model(on).logits(codes), plain, "those of the CPU")
    yield Finding("training", f"{_speed(on):,.0f} examples a second by PyTorch, {_described(on)}")


def _card(on: torch.device) -> Finding:
    if on.type == "cuda":
        major, minor = torch.cuda.get_device_capability(on)
        name = torch.cuda.get_device_name(on)
        return Finding("GPU", f"{name}, compute capability {major}.{minor}")
    if torch.cuda.is_available():
        return Finding("GPU", "there is one; the CPU was asked for")
    return Finding("GPU", "none is available to PyTorch; everything runs on the CPU")


def _described(on: torch.device) -> str:
    return f"{_NETWORK}, {_WINDOW} nt, batches of {_BATCH}, {on.type}"


def _network() -> Network:
    network = resolve_architecture(*architecture_content(_NETWORK))
    assert isinstance(network, Network)
    return network


def _model(on: torch.device) -> PytorchModel:
    """Return the network with weights that a seed decides, on a device."""
    content = _network().model_dump(mode="json")
    card = ModelCard(architecture=content, alphabet="DNA", window=_WINDOW, conditions=("a", "b"))
    torch.manual_seed(0)
    return PytorchModel(build_from_card(card, _NETWORK), card, on)


def _codes(examples: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4, (examples, _WINDOW)).astype(np.uint8)


def _train(on: torch.device, steps: int) -> torch.Tensor:
    """Return all weights after some steps of training, dropout included."""
    model = _model(on)
    optimizer = make_optimizer(_network().optimizer, model.network)
    loss = make_loss(MULTI_CLASS, None, on)
    forward = FromLetters(model.network, 4, on)
    codes, y = torch.from_numpy(_codes(_BATCH)).to(on), (torch.arange(_BATCH) % 2).to(on)
    model.network.train()
    torch.manual_seed(1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(forward(codes), y).backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in model.network.parameters()]).cpu()


def _same_bits(on: torch.device) -> Finding:
    same = torch.equal(_train(on, 2), _train(on, 2))
    text = "two steps of training, done twice, give "
    return Finding("determinism", text + ("the same bits" if same else "other weights"), same)


def _alike(name: str, one: np.ndarray, other: np.ndarray, what: str) -> Finding:
    gap = float(np.abs(one - other).max())
    return Finding(name, f"logits differ by {gap:.1e} at most from {what}", gap < _TOLERANCE)


def _speed(on: torch.device) -> float:
    """Return examples a second of training, the first steps left out."""
    seconds = []
    for steps in (2, 2 + _STEPS):
        started = time.perf_counter()
        _train(on, steps)  # ends on the CPU, so nothing is left to do
        seconds.append(time.perf_counter() - started)
    return _BATCH * _STEPS / max(seconds[1] - seconds[0], 1e-9)
