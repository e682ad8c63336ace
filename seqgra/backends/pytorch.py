"""PyTorch backend: trained module -> model, files of a model."""

from __future__ import annotations

import ctypes
import operator
import os
import platform
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights
from torch import nn

from seqgra.alphabet import ALPHABETS
from seqgra.architecture.custom import Sizes, build_custom
from seqgra.architecture.schema import Network
from seqgra.backends.pytorch_layers import (
    Recurrent,
    StrandAverage,
    build,
    explained_logits,
    is_bare,
)
from seqgra.backends.pytorch_letters import FromLetters, WholeNetwork
from seqgra.backends.pytorch_paths import Paths, gradient_of
from seqgra.errors import bad_input, path_of
from seqgra.fingerprint import Draft, verify_file
from seqgra.model import (
    AbstractModel,
    ModelCard,
    card_text,
    explained_part,
    read_card,
)

#: Examples per forward pass outside training, at least and at most.
_FEWEST, _MOST = 64, 512
#: Letters per forward pass on a CPU: more leave its caches, fewer are lost to the calls.
_LETTERS = 98_304
#: Bytes that one gradient may keep of its forward pass, about.
GRADIENT_MEMORY = 1 << 29
#: Parameters of glibc's mallopt (malloc.h), and how many bytes they are set to: no block of up to 32 MiB,
#: the most that glibc allows, is mapped by itself; up to 512 MiB of freed memory stay with the process.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT, _LARGEST_ON_HEAP = 1 << 29, 1 << 25


class PytorchModel(AbstractModel):
    """A trained module with what is needed to build it again.

    Attributes
    ----------
    module
        From one-hot float32 (N, A, L) to logits (N, C), in evaluation mode. A network that averages
        strands is wrapped in a `StrandAverage`; otherwise it is an `nn.Sequential` of plain modules.
    network
        The module without that wrapping.
    card
        What it is built from.
    """

    def __init__(self, network: nn.Module, card: ModelCard, device: torch.device) -> None:
        self.network = network.to(device).eval()
        self.module = predicting(self.network, card).eval()
        self.card = card
        self.conditions = card.conditions
        self.alphabet, self.window = card.alphabet, card.window
        self.task = card.task
        self._device = device
        on_gpu = device.type == "cuda"
        self.device = torch.cuda.get_device_name(device) if on_gpu else "cpu"
        letters = len(ALPHABETS[self.alphabet].letters)
        self._from_letters = FromLetters(self.module, letters, device, card.is_network)
        self._lock = Lock()  # kernels share their scratch
        self._parts = list(self.module.modules())
        # cuDNN has no backward pass of recurrent layers in evaluation mode
        self._cudnn = not any(isinstance(m, (Recurrent, nn.RNNBase)) for m in network.modules())

    @cached_property
    def _whole(self) -> WholeNetwork | None:
        """The network compiled whole, where it can be and runs on a CPU."""
        on_cpu = self._device.type == "cpu"
        return WholeNetwork.of_card(self.network, self.card) if on_cpu else None

    @cached_property
    def _paths(self) -> Paths | None:
        """The network as a function of paths, where it begins with a linear layer."""
        return Paths.of(self.module, self.task, self._device)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle what it is made of, and how its training went."""
        ended = {name: getattr(self, name) for name in ("status", "reason", "history")}
        return PytorchModel, (self.network, self.card, self._device), ended

    def _logits_of(self, x: np.ndarray) -> np.ndarray:
        """Return float32 (N, C) logits of letter codes `x`, uint8 (N, L)."""
        bare = self._is_as_built()
        if bare and self._whole is not None:
            with self._lock:
                self._whole.follow()
                return self._whole.logits(x)
        forward = self._from_letters if bare else self._from_letters.plain
        parts = [np.zeros((0, len(self.conditions)), np.float32)]
        batch = batch_size(self.window, self._device)
        with self._lock, torch.inference_mode():
            for start in range(0, len(x), batch):
                codes = torch.from_numpy(np.array(x[start : start + batch])).to(self._device)
                parts.append(self._checked(array_of(forward(codes)), start, len(codes)))
        return np.concatenate(parts)

    def _checked(self, logits: np.ndarray, first: int, examples: int) -> np.ndarray:
        """Return the logits of some examples, from the `first` on; those of a user's module may be wrong."""
        return logits

    def _is_as_built(self) -> bool:
        """Tell whether the module has its own layers still, and these do what their classes do."""
        now = list(self.module.modules())
        own = len(now) == len(self._parts) and all(map(operator.is_, now, self._parts))
        return own and is_bare(self.module)

    def gradients(self, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the gradient of the explained quantity: float32 (N, A, L)."""
        points = torch.from_numpy(np.ascontiguousarray(inputs)).to(self._device).requires_grad_()
        with torch.backends.cudnn.flags(enabled=self._cudnn, deterministic=True, benchmark=False):
            logits = self.module(points)
            explained = explained_logits(logits, target, self.task)
            return gradient_of(explained, points).cpu().numpy()

    def path_gradients(
        self, inputs: np.ndarray, start: np.ndarray, target: np.ndarray, shares: np.ndarray
    ) -> np.ndarray:
        """Return mean gradients along paths; see `AbstractModel.path_gradients` and `Paths`."""
        paths = self._paths if self._is_as_built() else None
        if paths is None or not paths.pay(shares.shape[-1]):
            return super().path_gradients(inputs, start, target, shares)
        flags = torch.backends.cudnn.flags(enabled=self._cudnn, deterministic=True, benchmark=False)
        with self._lock, flags:
            return paths.gradients(inputs, start, target, shares)

    def explained(self, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the explained quantity of points: float64 (N,); see `AbstractModel.explained`."""
        parts = [np.zeros((0, len(self.conditions)), np.float32)]
        with torch.inference_mode():
            step = batch_size(self.window, self._device)
            for start in range(0, len(inputs), step):
                points = np.ascontiguousarray(inputs[start : start + step], np.float32)
                parts.append(array_of(self.module(torch.from_numpy(points).to(self._device))))
        return explained_part(np.concatenate(parts), target, self.task)

    def export(self, folder: str | Path) -> str:
        """Write ``network.py`` and ``network.safetensors``; see `AbstractModel.export`."""
        from seqgra.backends.pytorch_export import export_network

        return export_network(self.module, self.card, path_of("folder", folder))

    @cached_property
    def batch(self) -> int:
        """Inputs in one gradient so that what it remembers fits `GRADIENT_MEMORY`; at most 256.

        It follows from the network and the window alone, so that results repeat.
        """
        kept = 0

        def count(values: torch.Tensor) -> torch.Tensor:
            nonlocal kept
            kept += values.numel() * values.element_size()
            return values

        letters = len(ALPHABETS[self.alphabet].letters)
        point = torch.zeros(1, letters, self.window, device=self._device, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda values: values):
            self.module(point)
        return max(1, min(256, GRADIENT_MEMORY // max(kept, 1)))


def array_of(logits: torch.Tensor) -> np.ndarray:
    """Return logits as an array; numpy knows no bfloat16."""
    if logits.dtype == torch.bfloat16:
        logits = logits.float()
    return logits.cpu().numpy()


def batch_size(window: int, device: torch.device) -> int:
    """Return how many examples a forward pass outside training takes.

    It depends on the window and the kind of device alone, since it can change the last bits.

    >>> [batch_size(window, torch.device("cpu")) for window in (150, 1000, 100_000)]
    [512, 64, 64]
    """
    if device.type != "cpu":
        return _MOST
    fitting = max(_LETTERS // window, 1)
    return min(max(1 << (fitting.bit_length() - 1), _FEWEST), _MOST)


def predicting(network: nn.Module, card: ModelCard) -> nn.Module:
    """Return the module that predicts: the network itself, or the average over both strands."""
    both = card.averages_strands
    return StrandAverage(network) if both else network


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


def prepare_process(threads: int) -> None:
    """Let the same seed, threads and library versions give the same bits; keep freed memory."""
    _keep_freed_memory()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Not use_deterministic_algorithms, which imports torch's compiler: as many seconds as torch itself.
    torch.set_deterministic_debug_mode("error")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False  # which would round what a GPU multiplies to 10 bits
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_num_threads(threads)


def _keep_freed_memory() -> None:
    """Let glibc keep what one batch frees for the next; no other C library is changed.

    It gives the free end of its heap back to the system, a few MiB at a time. Whether the activations
    of a forward pass lie there is chance; where they do, getting them anew takes a third of its time.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(_MMAP_THRESHOLD, _LARGEST_ON_HEAP)  # speed alone hangs on whether they succeed
    library.mallopt(_TRIM_THRESHOLD, _KEPT)


def save(model: PytorchModel, draft: Draft) -> None:
    """Write the files of a model; the caller publishes them."""
    draft.aside("model.json").write_text(card_text(model.card))
    state = {name: values.cpu().contiguous() for name, values in model.network.state_dict().items()}
    draft.aside("model.safetensors").write_bytes(save_weights(state))


def open_model(folder: Path, run: dict[str, Any], device: str) -> PytorchModel:
    """Open a finished model folder; nothing in it is run, but for a custom module that is allowed.

    Raises
    ------
    InputError
        If a file is missing or damaged, or a custom module is not allowed.
    """
    card = read_card(ModelCard, folder, run)
    weights = load_weights(verify_file(folder, "model.safetensors", run).read_bytes())
    prepare_process(run.get("threads", 1))
    module = build_from_card(card, str(folder))
    module.load_state_dict(weights)
    return PytorchModel(module, card, choose_device(device))


def build_from_card(card: ModelCard, file: str) -> nn.Module:
    """Return the untrained module of a card (see `PytorchModel`).

    Raises
    ------
    InputError
        If a custom module is not allowed or fails.
    """
    network, sizes = card.network(file)
    if network.module:
        return try_custom(network, sizes, file)
    return build(network, *sizes, file)


def try_custom(network: Network, sizes: Sizes, file: str) -> nn.Module:
    """Return the untrained module of the user's own class.

    Raises
    ------
    InputError
        If it is not allowed, fails, or its output has the wrong shape.
    """
    module: nn.Module = build_custom(network, sizes, file, _output_shape)
    return module


def _output_shape(module: Any, sizes: Sizes) -> tuple[int, ...]:
    if not isinstance(module, nn.Module):
        kind = type(module)
        message = f"gives a {kind.__name__}, which is no torch.nn.Module"
        if any(base.__module__.split(".")[0] == "keras" for base in kind.__mro__):
            message += "; set `backends: [tensorflow]` in the config, or give --backend tensorflow"
        raise bad_input(kind.__name__, "", message)
    if not any(weight.requires_grad for weight in module.parameters()):
        raise bad_input(type(module).__name__, "", "has no weights that can be trained")
    module.eval()
    with torch.inference_mode():
        return tuple(module(torch.zeros(2, sizes.letters, sizes.window)).shape)
