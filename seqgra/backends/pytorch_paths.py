"""Gradients averaged along straight paths of inputs, through first layers that are linear.

A first convolution or dense layer is linear: its outputs along a straight path lie on a straight path too,
and gradients may be averaged at its outputs before they are carried back to the input. So it is applied once
to both ends of a path and once backward, and each point costs the layers above it alone.

On a CPU a maximum over positions costs nothing a point either. Along a path each position's output is a
line, and which of some lines is the highest changes a few times; between, the point is known without the
others. An activation that rises may come after the maximum in place of before it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from seqgra.backends.compiled.first_layer import between_source
from seqgra.backends.compiled.parts import ConvolutionSizes
from seqgra.backends.pytorch_layers import (
    ExponentialActivation,
    SharedConv,
    all_filters,
    explained_logits,
    is_plain_pool,
    number,
)
from seqgra.backends.pytorch_letters import LayerKernels, convolution_shape
from seqgra.model import NO_GRADIENT, NotDifferentiable

#: Numbers of a layer's outputs that paths are followed for at once, so that they stay in the caches.
_NUMBERS = 1 << 18
#: Gradients that are added up in single precision.
_SHARES = 25
#: Activations that never fall.
_RISING = (nn.ReLU, nn.Sigmoid, nn.Tanh, ExponentialActivation)


class Paths:
    """A sequence of modules as a function of paths: mean gradients at the input.

    Parameters
    ----------
    module
        From float32 (N, A, L) to logits; its weights are read anew each time.
    linear
        How many of its first modules make one linear layer.
    task
        ``multi-class`` or ``multi-label``.
    device
        Where it is.
    """

    def __init__(self, module: nn.Sequential, linear: int, task: str, device: torch.device) -> None:
        self._task, self._device, self._pool = task, device, 0
        self._kernels: LayerKernels | None = None
        first, rest = list(module)[:linear], list(module)[linear:]
        at = next((i for i, part in enumerate(rest) if type(part) not in _RISING), len(rest))
        convolution = first[0]
        plain = isinstance(convolution, nn.Conv1d) and convolution.padding_mode == "zeros"
        ungrouped = plain and convolution.groups == 1 and device.type == "cpu"
        if ungrouped and at < len(rest) and is_plain_pool(rest[at]):
            self._pool = number(rest.pop(at).kernel_size)
        self._first, self._rest = nn.Sequential(*first), nn.Sequential(*rest)
        self._in_place = any(getattr(part, "inplace", False) for part in self._rest.modules())

    @classmethod
    def of(cls, module: nn.Module, task: str, device: torch.device) -> Paths | None:
        """Return the paths of a module, or None if it does not begin with a linear layer."""
        if type(module) is not nn.Sequential:
            return None
        kinds = [type(part) for part in module]
        plain = kinds[:1] in ([nn.Conv1d], [SharedConv])
        linear = 1 if plain else 2 if kinds[:2] == [nn.Flatten, nn.Linear] else 0
        return cls(module, linear, task, device) if 0 < linear < len(kinds) else None

    def pay(self, points: int) -> bool:
        """Whether paths of so many points are followed faster than point by point."""
        return points > 1 or self._pool > 0

    def gradients(
        self, inputs: np.ndarray, start: np.ndarray, target: np.ndarray, shares: np.ndarray
    ) -> np.ndarray:
        """Return mean gradients; see `AbstractModel.path_gradients`."""
        begin, end = (
            torch.from_numpy(np.ascontiguousarray(x, np.float32)).to(self._device)
            for x in (start, inputs)
        )
        shares = np.broadcast_to(np.asarray(shares, np.float32), (len(inputs), shares.shape[-1]))
        if self._pool:
            return self._pooled(begin, end, target, np.ascontiguousarray(shares))
        result = np.empty(inputs.shape)
        for part in self._parts(end):
            result[part] = self._plain(begin[part], end[part], target[part], shares[part])
        return result

    def _parts(self, points: torch.Tensor) -> Iterator[slice]:
        """Yield slices of points for which the first layer's outputs stay in the caches."""
        last = list(self._first)[-1]
        if isinstance(last, nn.Linear):
            return _parts(len(points), _NUMBERS // last.out_features)
        assert isinstance(last, nn.Conv1d)
        shape = convolution_shape(last, points.shape[1], points.shape[2])
        return _parts(len(points), _NUMBERS // (shape.outputs * shape.positions))

    def _plain(
        self, begin: torch.Tensor, end: torch.Tensor, target: np.ndarray, shares: np.ndarray
    ) -> np.ndarray:
        """Return the mean gradients of a few paths, float64 (N, A, L), point after point."""
        points = end.clone().requires_grad_()
        there = self._first(points)
        with torch.no_grad():
            before, after = self._first(begin), there.detach()
        mean = torch.zeros_like(before, dtype=torch.float64)
        columns = torch.from_numpy(np.array(shares.T)).to(self._device)
        for few in columns.split(_SHARES):
            total = torch.zeros_like(before)
            for share in few:
                share = share.reshape(-1, *[1] * (before.ndim - 1))
                total += self._above(torch.lerp(before, after, share), target)
            mean += total
        (gradient,) = torch.autograd.grad(there, points, (mean / len(columns)).to(there.dtype))
        return np.asarray(gradient.cpu().double().numpy())

    def _pooled(
        self, begin: torch.Tensor, end: torch.Tensor, target: np.ndarray, shares: np.ndarray
    ) -> np.ndarray:
        """Return the same through a maximum, whose points are known without the positions below them."""
        from seqgra.backends.path_kernels import carry_back

        convolution = self._first[0]
        assert isinstance(convolution, nn.Conv1d)
        shape = convolution_shape(convolution, begin.shape[1], begin.shape[2], self._pool)
        maxima = self._between_letters(convolution, shape, begin, end, shares)
        which, values = maxima or self._maxima(shape, begin, end, shares)
        points = torch.from_numpy(values).view(-1, shape.outputs, shape.pooled)
        gradient, targets = torch.empty_like(points), np.repeat(target, shares.shape[1])
        for part in _parts(len(points), _NUMBERS // (shape.outputs * shape.pooled)):
            gradient[part] = self._above(points[part], targets[part])
        result = np.zeros(tuple(begin.shape))
        weight = all_filters(convolution).double().numpy()
        taken = (shape.stride, shape.dilation, shape.left)
        carry_back(gradient.numpy().reshape(which.shape), which, weight, *taken, result)
        if shares.shape[1] > 1:
            result /= shares.shape[1]
        return result

    def _maxima(
        self, shape: ConvolutionSizes, begin: torch.Tensor, end: torch.Tensor, shares: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return positions and maxima, int32 and float32 (N, K, F Q), of all points."""
        from seqgra.backends.path_kernels import follow_maxima

        if shares.shape[1] == 1:  # one point needs one convolution
            begin = end = torch.lerp(begin, end, torch.from_numpy(shares[:, :, None]))
        size = (*shares.shape, shape.outputs * shape.pooled)
        which, values = np.empty(size, np.int32), np.empty(size, np.float32)
        for part in self._parts(end):
            with torch.no_grad():
                before = self._first(begin[part]).contiguous().numpy()
                after = before if end is begin else self._first(end[part]).contiguous().numpy()
            follow_maxima(before, after, shares[part], self._pool, which[part], values[part])
        return which, values

    def _between_letters(
        self,
        convolution: nn.Conv1d,
        shape: ConvolutionSizes,
        begin: torch.Tensor,
        end: torch.Tensor,
        shares: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the same of one point between two sequences of letters, by tables; None of anything else."""
        from seqgra.backends.path_kernels import letters_of

        count = len(end)
        codes = np.empty((2 * count, shape.window), np.uint8)
        if shares.shape[1] > 1 or convolution.weight.dtype != torch.float32:
            return None
        if not letters_of(end.numpy(), codes[count:]) or not letters_of(
            begin.numpy(), codes[:count]
        ):
            return None
        if self._kernels is None or self._kernels.shape != shape:
            self._kernels = LayerKernels(shape, between_source(shape))
        weight = convolution.weight.detach().numpy().reshape(-1)
        bias = convolution.bias
        offsets = np.zeros(shape.filters, np.float32) if bias is None else bias.detach().numpy()
        best = np.empty((count, shape.pooled, shape.channels), np.int32)
        out = np.empty(best.shape, np.float32)
        self._kernels.run(
            "between",
            shape,
            self._kernels.tables(2 * count),
            codes,
            np.arange(2 * count),
            weight,
            offsets,
            shares[:, 0].copy(),
            best.reshape(-1),
            out.reshape(-1),
        )
        best += self._pool * np.arange(shape.pooled, dtype=np.int32)[:, None]
        both = (x[:, :, : shape.outputs].transpose(0, 2, 1) for x in (best, out))
        which, values = (np.ascontiguousarray(x).reshape(count, 1, -1) for x in both)
        return which, values

    def _above(self, points: torch.Tensor, target: np.ndarray) -> torch.Tensor:
        """Return the gradient of the explained quantity at outputs of the first layer, or of its maximum."""
        points = points.detach().requires_grad_()
        logits = self._rest(points.clone() if self._in_place else points)
        return gradient_of(explained_logits(logits, target, self._task), points)


def gradient_of(explained: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Return the gradient of each example's explained quantity for its point.

    Raises
    ------
    NotDifferentiable
        If the module passes none.
    """
    gradient = None
    if explained.requires_grad:
        (gradient,) = torch.autograd.grad(explained.sum(), points, allow_unused=True)
    if gradient is None:
        raise NotDifferentiable(NO_GRADIENT)
    return gradient


def _parts(count: int, most: int) -> Iterator[slice]:
    for low in range(0, count, max(most, 1)):
        yield slice(low, low + max(most, 1))
