"""Networks applied to letter codes: a first convolution over letters needs no one-hot input.

On a CPU, the first layers of a network (a convolution, with the ReLU and maximum that may follow it) are
computed from letters by the tables of `compiled.first_layer`, as one node of PyTorch's autograd. The dense
path, one-hot letters through every module, stays for whatever the tables are not made for; where the input
needs a gradient, as for attribution, the module is called on one-hot letters anyway.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable

from seqgra.alphabet import PADDING
from seqgra.architecture.family import Family, family_layers
from seqgra.backends.compiled.first_layer import PARTS, layer_source
from seqgra.backends.compiled.modules import kernels
from seqgra.backends.compiled.network import CompiledNetwork
from seqgra.backends.compiled.parts import (
    ConvolutionSizes,
    FirstLayerArrays,
    make_shape,
    make_tables,
)
from seqgra.backends.pytorch_layers import (
    SharedConv,
    StrandAverage,
    is_plain_pool,
    number,
    padding_before,
)
from seqgra.backends.pytorch_steps import CompiledSteps, joined_maxima
from seqgra.model import MULTI_LABEL, ModelCard

_STEPS = CompiledSteps()
#: Narrower filters without pooling gain less from tables than turning their outputs around costs.
_NARROW = 8
#: Sequences whose other strand is made at once: the positions it comes from take eight times their memory.
_TURNED = 4096


class OneHot:
    """Letter codes uint8 (N, L) -> one-hot float32 (N, A, L); padding and unknown letters all zero.

    What it returns is overwritten by the next call: fresh memory for every batch would take longer
    than the encoding.
    """

    def __init__(self, letters: int, device: torch.device) -> None:
        self._letters = torch.arange(letters, dtype=torch.uint8, device=device)[None, :, None]
        self._buffer = torch.empty((0, letters, 0), device=device)

    def __call__(self, codes: torch.Tensor) -> torch.Tensor:
        """Encode a batch on the device it is on."""
        examples, window = codes.shape
        if len(self._buffer) < examples or self._buffer.shape[2] != window:
            size = (examples, self._letters.shape[1], window)
            with torch.inference_mode(False):  # training may use it next
                self._buffer = torch.empty(size, device=codes.device)
        # comparing straight into floats takes a tenth of the time of comparing, then converting
        return torch.eq(codes[:, None, :], self._letters, out=self._buffer[:examples])


class FromLetters:
    """A network as a function of letter codes: uint8 (N, L) -> logits (N, C).

    Parameters
    ----------
    module
        From one-hot float32 (N, A, L) to logits; its weights are read anew each time, so it may be trained.
    letters
        A, of the alphabet.
    device
        Where it is.
    built
        Whether `pytorch_layers.build` made it: other modules are called as they are, for what they do to
        values in place, or by hooks, no kernel does.
    """

    def __init__(
        self, module: nn.Module, letters: int, device: torch.device, built: bool = True
    ) -> None:
        self._encode, self._encode_turned = OneHot(letters, device), OneHot(letters, device)
        self._module, self._letters = module, letters
        body = module.body if isinstance(module, StrandAverage) else module
        self._both = body is not module
        here = built and device.type == "cpu"
        self._first = _FirstLayer.of(body, letters) if here else None

    def __call__(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the logits of letter codes on the device of the network."""
        first = self._first
        if first is None or not first.pays() or torch.is_autocast_enabled("cpu"):
            return self.plain(codes)
        if not self._both:
            return first(codes)
        return (first(codes) + first(reverse_complement(codes, self._letters))) / 2

    def plain(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the logits by the module itself."""
        given = [self._encode(codes)]
        if (
            self._both and (codes[:, -1] >= self._letters).any()
        ):  # the module cannot tell their ends
            given.append(self._encode_turned(reverse_complement(codes, self._letters)))
        logits: torch.Tensor = self._module(*given)
        return logits


class WholeNetwork:
    """A network of the family as a compiled function of letter codes.

    Parameters
    ----------
    network
        As `pytorch_layers.build` made it, on a CPU.
    family
        Its layers.
    both
        Whether predictions are the average over both strands.
    letters, window, outputs
        A, L, C.
    task
        Of the dataset.

    Attributes
    ----------
    compiled
        With the weights of the network at the time.
    """

    def __init__(
        self,
        network: nn.Module,
        family: Family,
        both: bool,
        letters: int,
        window: int,
        outputs: int,
        task: str,
    ) -> None:
        self._network, self._both, self._letters = network, both, letters
        names = [name for name, layer in network.named_children() if list(layer.parameters())]
        convolution = next(network.children())
        assert isinstance(convolution, nn.Conv1d)
        shape = convolution_shape(convolution, letters, window)
        self.compiled = CompiledNetwork(family, shape, outputs, task == MULTI_LABEL, names)
        self.follow()

    @classmethod
    def of_card(cls, network: nn.Module, card: ModelCard) -> WholeNetwork | None:
        """Return the network of a card, or None if it is not of the family."""
        if "layers" not in card.architecture:
            return None  # a module of the user's own
        described, sizes = card.network("architecture")
        family = family_layers(described)
        if family is None:
            return None
        both = described.predict.reverse_complement
        return cls(network, family, both, *sizes, card.task)

    def follow(self) -> None:
        """Take over the network's weights."""
        state = self._network.state_dict()
        self.compiled.restore({name: values.numpy() for name, values in state.items()})

    def logits(self, codes: np.ndarray) -> np.ndarray:
        """Return float32 (N, C) logits of letter codes, uint8 (N, L)."""
        logits = self.compiled.logits(codes)
        if not self._both:
            return logits
        parts = torch.from_numpy(np.array(codes)).split(_TURNED)
        turned = torch.cat([reverse_complement(part, self._letters) for part in parts]).numpy()
        return np.asarray((logits + self.compiled.logits(turned)) / 2, np.float32)


def reverse_complement(codes: torch.Tensor, letters: int) -> torch.Tensor:
    """Return letter codes (N, L) of the other strand; what is no letter only changes its place.

    The end of a shorter sequence stays padding.
    """
    turned = codes.flip(1)
    if (codes[:, -1] == PADDING).any():
        last = (codes != PADDING).sum(dim=1, keepdim=True) - 1
        places = torch.arange(codes.shape[1], device=codes.device)
        turned = codes.gather(1, torch.where(places <= last, last - places, places))
    return torch.where(turned < letters, letters - 1 - turned, turned)


class _FirstLayer:
    """The first layers of a sequence of modules, computed by tables; the rest follows as it is."""

    def __init__(self, modules: list[nn.Module], used: int, letters: int) -> None:
        convolution = modules[0]
        assert isinstance(convolution, nn.Conv1d)
        self._convolution = convolution
        self._rest = joined_maxima(modules[used:])
        self._activation = any(isinstance(m, nn.ReLU) for m in modules[1:used])
        pools = [m for m in modules[1:used] if isinstance(m, nn.MaxPool1d)]
        self._pool = number(pools[0].kernel_size) if pools else 1
        self._letters = letters
        self._kernels: LayerKernels | None = None

    @classmethod
    def of(cls, network: nn.Module, letters: int) -> _FirstLayer | None:
        """Return the first layer of a network, or None where the tables are not made for it."""
        if type(network) is not nn.Sequential:
            return None
        modules = list(network)
        first = modules[0]
        if not isinstance(first, nn.Conv1d) or type(first) not in (nn.Conv1d, SharedConv):
            return None
        plain = first.groups == 1 and first.padding_mode == "zeros" and first.bias is not None
        if not plain or first.in_channels != letters or first.weight.dtype != torch.float32:
            return None
        used = 1
        for takes in (lambda module: type(module) is nn.ReLU, is_plain_pool):
            if len(modules) > used and takes(modules[used]):
                used += 1
        return cls(modules, used, letters)

    def pays(self) -> bool:
        """Whether tables are faster than the dense path."""
        narrow = self._convolution.kernel_size[0] <= _NARROW
        return self._pool > 1 or not narrow or torch.is_grad_enabled()

    def __call__(self, codes: torch.Tensor) -> torch.Tensor:
        """Return what the network makes of letter codes, uint8 (N, L)."""
        if self._kernels is None or self._kernels.shape.window != codes.shape[1]:
            shape = convolution_shape(self._convolution, self._letters, codes.shape[1], self._pool)
            self._kernels = LayerKernels(shape, layer_source(shape, self._activation))
        weight, bias = self._convolution.weight, self._convolution.bias
        values: torch.Tensor = _Node.apply(codes, weight, bias, self._kernels)  # type: ignore[no-untyped-call]
        for step in self._rest:
            values = _STEPS.layer(step, values)
        return values


def convolution_shape(
    convolution: nn.Conv1d, letters: int, window: int, pool: int = 1
) -> ConvolutionSizes:
    """Return the sizes of a convolution over letters and of the maximum after it."""
    width, dilation = convolution.kernel_size[0], convolution.dilation[0]
    left = right = padding_before(convolution)
    if convolution.padding == "same":
        right = dilation * (width - 1) - left
    return make_shape(
        letters=letters,
        window=window,
        filters=convolution.out_channels,
        width=width,
        stride=convolution.stride[0],
        dilation=dilation,
        padding=(left, right),
        shared=isinstance(convolution, SharedConv),
        pool=pool,
    )


class LayerKernels:
    """The compiled kernels of a first layer with their scratch, which nothing outlives a call in.

    Parameters
    ----------
    shape
        Of the layer.
    source
        Of the kernels, see `compiled.first_layer`.
    """

    def __init__(self, shape: ConvolutionSizes, source: str) -> None:
        self.shape = shape
        self.run = kernels(source, PARTS).run
        self._tables, self._examples = make_tables(shape, 0), 0

    def tables(self, examples: int) -> FirstLayerArrays:
        """Return scratch for so many examples."""
        if examples > self._examples:
            self._tables, self._examples = make_tables(self.shape, examples), examples
        return self._tables


class _Node(torch.autograd.Function):
    """First layers of letter codes; gradients with respect to the filters alone."""

    @staticmethod
    def forward(
        ctx: Any,
        codes: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        kernels: LayerKernels,
    ) -> torch.Tensor:
        """Return float32 (N, F, Q), a place's channels side by side in memory."""
        shape, examples = kernels.shape, len(codes)
        out = torch.empty((examples, shape.pooled, shape.channels))
        best = np.empty(examples * shape.pooled * shape.channels if shape.pool > 1 else 0, np.int32)
        letters = np.ascontiguousarray(codes.numpy())
        rows = np.arange(examples)
        parameters = (weight.detach().numpy().reshape(-1), bias.detach().numpy())
        given = letters, rows, *parameters, best, out.numpy().reshape(-1)
        kernels.run("forward", shape, kernels.tables(examples), *given)
        ctx.kernels, ctx.letters, ctx.rows, ctx.best = kernels, letters, rows, best
        ctx.save_for_backward(out)
        return out[:, :, : shape.outputs].transpose(1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of the filters and of their biases."""
        kernels, (out,) = ctx.kernels, ctx.saved_tensors
        shape = kernels.shape
        given = torch.zeros_like(out)
        given[:, :, : shape.outputs] = gradients[0].transpose(1, 2)
        weight = torch.empty((shape.filters, shape.letters, shape.width))
        bias = torch.empty(shape.filters)
        kernels.run(
            "backward",
            shape,
            kernels.tables(len(out)),
            ctx.letters,
            ctx.rows,
            ctx.best,
            *(each.numpy().reshape(-1) for each in (out, given, weight, bias)),
        )
        return None, weight, bias, None
