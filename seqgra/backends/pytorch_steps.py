"""Layers above the first that a CPU computes by kernels, as nodes of PyTorch's autograd.

A maximum over all positions passes each filter's gradient to one position, so the gradients of the
convolution before it are sums over the windows at these positions. PyTorch multiplies the zeros of all others
too, which takes three quarters of the time of such layers; the outputs are PyTorch's own. Attention and gated
recurrent units are computed as in `compiled.attention` and `compiled.recurrence`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from seqgra.backends.compiled import attention, recurrence, vector
from seqgra.backends.compiled.modules import kernels
from seqgra.backends.compiled.parts import LANES
from seqgra.backends.pytorch_layers import (
    Composite,
    Recurrent,
    SelfAttention,
    Steps,
    is_plain_pool,
    number,
    padding_before,
)

#: Most units of a recurrence and channels of a head: with more, PyTorch's matrix products are faster.
_UNITS, _DEPTH = 64, 32
#: Parameters of a recurrence, as PyTorch calls them.
_CELL = ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
#: Sources of kernels, here none beside the parts of a module.
_ATTENTION, _RECURRENCE = ("", (attention,)), ("", (recurrence,))
#: ``backward`` adds to the gradients of weights (F, C, width), biases (F,) and input (E, C, length), all
#: flat. `width` is a whole number of vectors; weights are 0 where the filter has ended.
_SOURCE = """
def backward(filters, channels, width, length, x, weight, starts, given, of_weight, of_bias, of_x):
    for e in range(given.size // filters):
        for f in range(filters):
            gradient = given[e * filters + f]
            if gradient != 0:
                of_bias[f] += gradient
                factor = spread16(gradient)
                for c in range(channels):
                    here = (e * channels + c) * length + starts[e * filters + f]
                    there = (f * channels + c) * width
                    for i in range(0, width, 16):
                        old = load16(of_weight, there + i)
                        store(of_weight, there + i, fma(factor, load16(x, here + i), old))
                    for i in range(0, width, 16):
                        old = load16(of_x, here + i)
                        store(of_x, here + i, fma(factor, load16(weight, there + i), old))
"""


def joined_maxima(modules: Sequence[nn.Module]) -> list[nn.Module]:
    """Return modules to be called in turn, a convolution and its maximum over all positions as one."""
    steps: list[nn.Module] = []
    rest = list(modules)
    while rest:
        used = 3 if len(rest) > 1 and type(rest[1]) is nn.ReLU else 2
        pools = len(rest) >= used and is_plain_pool(rest[used - 1])
        if pools and _is_plain(rest[0]):
            steps.append(ConvolutionMaximum(rest[:used]))
            rest = rest[used:]
        else:
            steps.append(rest.pop(0))
    return steps


def _is_plain(module: nn.Module) -> bool:
    if type(module) is not nn.Conv1d or module.bias is None:
        return False
    plain = module.groups == 1 and number(module.dilation) == 1 and module.padding_mode == "zeros"
    return plain and module.weight.dtype == torch.float32


def _is_dense(module: nn.Conv1d) -> bool:
    """Whether a convolution is one dense layer at every position, which it is faster as."""
    plain = _is_plain(module) and not padding_before(module)
    return plain and number(module.kernel_size) == 1 and number(module.stride) == 1


def as_images(values: torch.Tensor) -> torch.Tensor:
    """Return sequences (N, C, L) as images (N, C, 1, L), the channels of a place side by side in memory."""
    return values.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def _of_images(module: nn.Module) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Return what a module does to images (N, C, 1, L), or None where it is called as it is."""
    if type(module) is nn.Conv1d:
        return partial(_convolve, module) if module.padding_mode == "zeros" else None
    if type(module) is nn.BatchNorm1d:
        plain = module.track_running_stats and module.momentum is not None
        return partial(_normalise, module) if plain else None
    if isinstance(module, nn.MaxPool1d) and is_plain_pool(module):
        return partial(F.max_pool2d, kernel_size=(1, number(module.kernel_size)))
    return None


def _convolve(module: nn.Conv1d, image: torch.Tensor) -> torch.Tensor:
    padding = module.padding if isinstance(module.padding, str) else (0, *module.padding)
    stride, dilation = (1, *module.stride), (1, *module.dilation)
    weight = module.weight.unsqueeze(2)
    return F.conv2d(image, weight, module.bias, stride, padding, dilation, module.groups)


def _normalise(module: nn.BatchNorm1d, image: torch.Tensor) -> torch.Tensor:
    assert module.momentum is not None
    if module.training and module.num_batches_tracked is not None:
        module.num_batches_tracked.add_(1)
    running = module.running_mean, module.running_var
    share = module.momentum
    return F.batch_norm(
        image, *running, module.weight, module.bias, module.training, share, module.eps
    )


class ConvolutionMaximum(Composite):
    """A convolution, a ReLU where there is one, and the maximum of neighbouring positions."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def through(self, values: torch.Tensor, steps: Steps) -> torch.Tensor:
        """Return float32 (N, F, Q); as one node where the gradient is wanted and the maximum is over all."""
        convolution, *activation, pool = self.parts
        assert isinstance(convolution, nn.Conv1d) and isinstance(pool, nn.MaxPool1d)
        width, left = number(convolution.kernel_size), padding_before(convolution)
        right = width - 1 - left if convolution.padding == "same" else left
        padded = values.shape[2] + left + right
        places = (padded - width) // number(convolution.stride) + 1
        if places != number(pool.kernel_size) or not torch.is_grad_enabled():
            for part in self.parts:
                values = steps.layer(part, values)
            return values
        weights = convolution.weight, convolution.bias
        node: Any = _MaximumNode.apply
        maxima: torch.Tensor = node(values, *weights, convolution, bool(activation), left, padded)
        return maxima


class _MaximumNode(torch.autograd.Function):
    """The two, or three, layers; `left` zeros before the first position, `padded` positions in all."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        convolution: nn.Conv1d,
        relu: bool,
        left: int,
        padded: int,
    ) -> torch.Tensor:
        """Return float32 (N, F, 1)."""
        outputs = _convolve(convolution, as_images(x))
        found = F.max_pool2d(outputs, (1, outputs.shape[3]), return_indices=True)
        maxima, places = (each.squeeze(3) for each in found)
        if relu:
            maxima = maxima.relu_()
        ctx.relu, ctx.left, ctx.padded = relu, left, padded
        ctx.stride = number(convolution.stride)
        ctx.save_for_backward(x, weight, places, maxima)
        return maxima

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of the input, of the filters and of their biases."""
        x, weight, places, maxima = ctx.saved_tensors
        given = gradients[0].contiguous()
        if ctx.relu:
            given = given * (maxima > 0)
        filters, channels, width = weight.shape
        length, wide = x.shape[2], -(-width // LANES) * LANES
        whole = ctx.padded + wide - width
        sides = (ctx.left, whole - length - ctx.left)
        of_x = torch.zeros((len(x), channels, whole))
        of_weight, of_bias = torch.zeros((filters, channels, wide)), torch.zeros(filters)
        flat = [
            F.pad(x, sides),
            F.pad(weight.detach(), (0, wide - width)),
            places * ctx.stride,
            given,
            of_weight,
            of_bias,
            of_x,
        ]
        kernels(_SOURCE, (vector,)).run(
            "backward",
            filters,
            channels,
            wide,
            whole,
            *map(_flat, flat),
        )
        own = of_x[:, :, ctx.left : ctx.left + length]
        return own, of_weight[:, :, :width], of_bias, None, None, None, None


class CompiledSteps(Steps):
    """Layers as they are, attention and recurrence by kernels, channels side by side in memory.

    In that order PyTorch's convolutions need not turn their input and output around, and normalisation and
    maxima work on vectors; it knows the order of images alone, so that a sequence is one of height 1.
    """

    def layer(self, module: nn.Module, values: torch.Tensor) -> torch.Tensor:
        """Return the output of a module, walked into where it is made of others."""
        if isinstance(module, nn.Sequential):
            for part in module:
                values = self.layer(part, values)
            return values
        if isinstance(module, Composite):
            return module.through(values, self)
        if isinstance(module, Recurrent) and _is_small(module.cell):
            return module.kept(_states(module.cell, values.transpose(1, 2)))
        if isinstance(module, nn.Conv1d) and _is_dense(module):
            weight = module.weight[:, :, 0]
            return F.linear(values.transpose(1, 2), weight, module.bias).transpose(1, 2)
        if values.dim() == 3 and (flat := _of_images(module)) is not None:
            return flat(as_images(values)).squeeze(2)
        return super().layer(module, values)

    def attention(
        self, block: SelfAttention, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        """Return what `Steps.attention` does; positions inside attention are left to PyTorch."""
        rate = block.dropout.p if block.dropout.training else 0.0
        wide = query.shape[2] // block.heads > _DEPTH
        if wide or block.rotary is not None or block.bias is not None:
            return super().attention(block, query, key, value)
        node: Any = _AttentionNode.apply
        mixed: torch.Tensor = node(query, key, value, block.heads, rate)
        return mixed


class _AttentionNode(torch.autograd.Function):
    """Means of values weighted by attention, with dropout of the weights at `rate`."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        heads: int,
        rate: float,
    ) -> torch.Tensor:
        """Return float32 (N, L, C), as query, key and value are."""
        examples, length, channels = query.shape
        random = np.uint64(torch.randint(2**63 - 1, ()).item() if rate else 0)
        query, key, value = (each.contiguous() for each in (query, key, value))
        out = torch.empty_like(query)
        weights = torch.empty(examples * heads * -(-length // LANES) * length * LANES)
        ctx.settings = heads, length, channels, random, float(rate)
        depth = channels // heads
        inputs = [_flat(each) for each in (query, key, value)]
        more = _flat(weights), _flat(out)
        kernels(*_ATTENTION).run(
            "attend", *ctx.settings, *inputs, *_vectors(depth, depth, length), *more
        )
        ctx.save_for_backward(query, key, value, weights)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of query, key and value."""
        query, key, value, weights = ctx.saved_tensors
        heads, length, channels, *_ = ctx.settings
        depth = channels // heads
        found = [torch.empty_like(query) for _ in range(3)]
        kernels(*_ATTENTION).run(
            "attend_backward",
            *ctx.settings,
            *(_flat(each) for each in (query, key, value)),
            *_vectors(depth, depth, length),
            *(_flat(weights), _flat(gradients[0].contiguous())),
            *_vectors(depth, length, 2 * depth * length),
            *map(_flat, found),
        )
        return *found, None, None


def _is_small(cell: nn.RNNBase) -> bool:
    """Whether a recurrence is one that kernels compute faster than PyTorch."""
    return type(cell) is nn.GRU and cell.num_layers == 1 and cell.hidden_size <= _UNITS


def _states(cell: nn.RNNBase, values: torch.Tensor) -> torch.Tensor:
    """Return the states (N, L, D H) of a layer's directions for values (N, L, C)."""
    node: Any = _RecurrentNode.apply
    directions = []
    for backward in range(1 + cell.bidirectional):
        names = (f"{name}_l0{'_reverse' * backward}" for name in _CELL)
        of_input, input_bias, weight, bias = (getattr(cell, name) for name in names)
        directions.append(node(F.linear(values, of_input, input_bias), weight, bias, backward))
    return torch.cat(directions, dim=2)


class _RecurrentNode(torch.autograd.Function):
    """The states of a gated recurrent unit in one direction, from what its gates get from the input."""

    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, backward: int
    ) -> torch.Tensor:
        """Return float32 (N, L, H)."""
        examples, length, _ = inputs.shape
        units = weight.shape[1]
        gates = torch.empty(-(-examples // LANES) * length * units * 4 * LANES)
        states = torch.empty((examples, length, units))
        kernels(*_RECURRENCE).run(
            "recur",
            *(units, length, backward),
            *map(_flat, (inputs.contiguous(), weight, bias)),
            *_vectors(3 * units, units, units),
            *(_flat(gates), _flat(states)),
        )
        ctx.backward_in_time = backward
        ctx.save_for_backward(weight, gates, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of the inputs, of the states' weights and of their biases."""
        weight, gates, states = ctx.saved_tensors
        examples, length, units = states.shape
        of_inputs, of_states = (torch.empty((examples, length, 3 * units)) for _ in range(2))
        kernels(*_RECURRENCE).run(
            "recur_backward",
            *(units, length, ctx.backward_in_time),
            *map(_flat, (weight.T.contiguous(), gates, states, gradients[0].contiguous())),
            *_vectors(3 * units, *[units] * 5),
            *(_flat(of_inputs), _flat(of_states)),
        )
        before = torch.zeros_like(states)
        if ctx.backward_in_time:
            before[:, :-1] = states[:, 1:]
        else:
            before[:, 1:] = states[:, :-1]
        of_each = of_states.flatten(0, 1)
        return of_inputs, of_each.T @ before.flatten(0, 1), of_each.sum(0), None


def _vectors(*counts: int) -> list[np.ndarray]:
    return [np.empty(count * LANES, np.float32) for count in counts]


def _flat(values: torch.Tensor) -> np.ndarray:
    return values.detach().numpy().reshape(-1)
