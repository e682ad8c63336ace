"""A convolution and the maximum over all positions after it, as one node of PyTorch's autograd.

The maximum passes each filter's gradient to one position, so the gradients of the weights and of the input
are sums over the windows at these positions. PyTorch multiplies the zeros of all others too, which takes
three quarters of the time of such layers. Outputs and weights are PyTorch's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from seqgra.backends.compiled import vector
from seqgra.backends.compiled.modules import kernels
from seqgra.backends.compiled.parts import LANES
from seqgra.backends.pytorch_layers import is_plain_pool, number, padding_before

Step = Callable[[torch.Tensor], torch.Tensor]
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


def joined_maxima(modules: Sequence[nn.Module]) -> list[Step]:
    """Return modules to be called in turn, a convolution and its maximum over all positions as one."""
    steps: list[Step] = []
    rest = list(modules)
    while rest:
        used = 3 if len(rest) > 1 and type(rest[1]) is nn.ReLU else 2
        pools = len(rest) >= used and is_plain_pool(rest[used - 1])
        if pools and _is_plain(rest[0]):
            steps.append(_ConvolutionMaximum(rest[:used]))
            rest = rest[used:]
        else:
            steps.append(rest.pop(0))
    return steps


def _is_plain(module: nn.Module) -> bool:
    if type(module) is not nn.Conv1d or module.bias is None:
        return False
    plain = module.groups == 1 and number(module.dilation) == 1 and module.padding_mode == "zeros"
    return plain and module.weight.dtype == torch.float32


class _ConvolutionMaximum:
    """A convolution, a ReLU where there is one, and the maximum of neighbouring positions."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        convolution, *activation, pool = modules
        assert isinstance(convolution, nn.Conv1d) and isinstance(pool, nn.MaxPool1d)
        self._modules, self._convolution = modules, convolution
        self._relu, self._pool = bool(activation), number(pool.kernel_size)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return float32 (N, F, 1), or what the modules return of more positions."""
        module = self._convolution
        left = padding_before(module)
        right = number(module.kernel_size) - 1 - left if module.padding == "same" else left
        padded = x.shape[2] + left + right
        places = (padded - number(module.kernel_size)) // number(module.stride) + 1
        if places != self._pool or not torch.is_grad_enabled():
            for each in self._modules:
                x = each(x)
            return x
        assert module.bias is not None
        node: Any = _Node.apply
        maxima: torch.Tensor = node(x, module.weight, module.bias, module, self._relu, left, padded)
        return maxima


class _Node(torch.autograd.Function):
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
        outputs = convolution(x)
        maxima, places = F.max_pool1d(outputs, outputs.shape[2], return_indices=True)
        if relu:
            maxima = maxima.relu_()
        ctx.relu, ctx.left, ctx.padded = relu, left, padded
        ctx.stride = number(convolution.stride)
        ctx.save_for_backward(x, weight, places, maxima)
        return maxima

    @staticmethod
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
            *(each.numpy().reshape(-1) for each in flat),
        )
        own = of_x[:, :, ctx.left : ctx.left + length]
        return own, of_weight[:, :, :width], of_bias, None, None, None, None
