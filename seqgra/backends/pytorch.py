"""PyTorch backend: layers -> module, trained module -> model, files of a model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights
from torch import nn

from seqgra.alphabet import ALPHABETS
from seqgra.architecture.load import Shape, layer_shapes, resolve_architecture
from seqgra.architecture.schema import (
    Activate,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalMaxPool,
    Layer,
    MaxPool,
    Network,
)
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft, verify_file
from seqgra.model import AbstractModel
from seqgra.training import Options, Trained, TrainingData

#: Examples per forward pass outside training; fixed, since it can change the last bits.
_BATCH = 512
_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
}


class Exponential(nn.Module):
    """The activation exp(x), which makes first-layer filters read as motifs."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return exp of `values`."""
        return values.exp()


def build(network: Network, letters: int, window: int, outputs: int, file: str) -> nn.Sequential:
    """Return the network as a module from one-hot float32 (N, A, L) to logits (N, C).

    Weights and biases start uniform in +-1/sqrt(fan in). Every activation is a module of its own and
    global pooling is an `nn.MaxPool1d` over all positions, so that attribution hooks are exact.

    Raises
    ------
    InputError
        If a layer cannot work on what it gets.
    """
    shapes = layer_shapes(network, letters, window, file)
    modules: list[nn.Module] = []
    for layer, shape in zip(network.layers, shapes, strict=False):
        modules += _modules(layer, shape)
    return nn.Sequential(*modules, nn.Linear(shapes[-1].channels, outputs))


def _modules(layer: Layer, shape: Shape) -> Iterator[nn.Module]:
    match layer:
        case Conv():
            yield nn.Conv1d(
                shape.channels,
                layer.filters,
                layer.width,
                stride=layer.stride,
                dilation=layer.dilation,
                padding="same" if layer.padding == "same" else 0,
            )
            yield from _activation(layer.activation)
        case Dense():
            yield nn.Linear(shape.channels, layer.units)
            yield from _activation(layer.activation)
        case Dropout():
            yield nn.Dropout(layer.rate)
        case BatchNorm():
            yield nn.BatchNorm1d(shape.channels)
        case Activate():
            yield from _activation(layer.function)
        case MaxPool():
            yield nn.MaxPool1d(layer.width, layer.stride or layer.width)
        case GlobalMaxPool():
            yield nn.MaxPool1d(shape.length)
            yield nn.Flatten()
        case Flatten():
            yield nn.Flatten()


def _activation(name: str) -> Iterator[nn.Module]:
    if name == "exponential":
        yield Exponential()
    elif name != "none":
        yield _ACTIVATIONS[name]()


class PytorchModel(AbstractModel):
    """A trained module with what is needed to build it again.

    Attributes
    ----------
    module
        In evaluation mode.
    recipe
        JSON-like: architecture, alphabet, window, conditions.
    """

    def __init__(self, module: nn.Sequential, recipe: dict[str, Any], device: torch.device) -> None:
        self.module = module.to(device).eval()
        self.recipe = recipe
        self.conditions = tuple(recipe["conditions"])
        self.alphabet, self.window = recipe["alphabet"], recipe["window"]
        self._device = device
        on_gpu = device.type == "cuda"
        self.device = torch.cuda.get_device_name(device) if on_gpu else "cpu"
        self._encode = OneHot(len(ALPHABETS[recipe["alphabet"]].letters), device)

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return float32 (N, C) logits of letter codes `x`, uint8 (N, L)."""
        parts = [np.zeros((0, len(self.conditions)), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(x), _BATCH):
                codes = torch.from_numpy(np.array(x[start : start + _BATCH])).to(self._device)
                parts.append(self.module(self._encode(codes)).cpu().numpy())
        return np.concatenate(parts)

    def gradients(self, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the gradient of the centred logit: float32 (N, A, L)."""
        points = torch.from_numpy(np.ascontiguousarray(inputs)).to(self._device).requires_grad_()
        chosen = torch.from_numpy(np.asarray(target, np.int64)).to(self._device)
        logits = self.module(points)
        centred = logits.gather(1, chosen[:, None])[:, 0] - logits.mean(dim=1)
        (gradient,) = torch.autograd.grad(centred.sum(), points)
        return gradient.cpu().numpy()


class OneHot:
    """Letter codes uint8 (N, L) -> one-hot float32 (N, A, L); padding and unknown letters all zero."""

    def __init__(self, letters: int, device: torch.device) -> None:
        self._letters = torch.arange(letters, dtype=torch.uint8, device=device)[None, :, None]

    def __call__(self, codes: torch.Tensor) -> torch.Tensor:
        """Encode a batch on the device it is on."""
        return (codes[:, None, :] == self._letters).float()


def choose_device(name: str) -> torch.device:
    """Return the device for ``auto`` (CUDA where there is one), ``cpu`` or ``cuda``.

    Raises
    ------
    InputError
        If CUDA is asked for and there is none.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise bad_input("--device", "", f"is {name!r}; choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise bad_input("--device", "cuda", "no CUDA device is available here; use auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def make_deterministic(threads: int) -> None:
    """Let the same seed, threads and library versions give the same bits."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.set_num_threads(threads)


def fit(architecture: Network, data: TrainingData, options: Options, draft: Draft) -> Trained:
    """Train a network; see `pytorch_training`."""
    from seqgra.backends import pytorch_training

    return pytorch_training.fit(architecture, data, options, draft)


def save(model: PytorchModel, draft: Draft) -> None:
    """Write the files of a model noun; the caller publishes them."""
    draft.aside("model.json").write_text(json.dumps(model.recipe, indent=1) + "\n")
    state = {name: values.cpu().contiguous() for name, values in model.module.state_dict().items()}
    draft.aside("model.safetensors").write_bytes(save_weights(state))


def open_model(folder: Path, run: dict[str, Any], device: str) -> PytorchModel:
    """Open a finished model folder; nothing in it is run.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    recipe = json.loads(verify_file(folder, "model.json", run).read_text())
    weights = load_weights(verify_file(folder, "model.safetensors", run).read_bytes())
    make_deterministic(run.get("threads", 1))
    module = build_from_recipe(recipe, str(folder))
    module.load_state_dict(weights)
    return PytorchModel(module, recipe, choose_device(device))


def build_from_recipe(recipe: dict[str, Any], file: str) -> nn.Sequential:
    """Return the untrained module of a recipe (see `PytorchModel`)."""
    network = resolve_architecture(recipe["architecture"], file)
    assert isinstance(network, Network)
    letters = len(ALPHABETS[recipe["alphabet"]].letters)
    return build(network, letters, recipe["window"], len(recipe["conditions"]), file)
