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

from seqgra.backends.pytorch_layers import (
    ExponentialActivation,
    SharedConv,
    all_filters,
    explained_logits,
    is_plain_pool,
    number,
    padding_before,
)
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
        first, rest = list(module)[:linear], list(module)[linear:]
        at = next((i for i, part in enumerate(rest) if type(part) not in _RISING), len(rest))
        convolution = first[0]
        plain = isinstance(convolution, nn.Conv1d) and convolution.padding_mode == "zeros"
        ungrouped = plain and convolution.groups == 1 and device.type == "cpu"
        if ungrouped and at < len(rest) and is_plain_pool(rest[at]):
            self._pool = number(rest.pop(at).kernel_size)
        self._first, self._rest = nn.Sequential(*first), nn.Sequential(*rest)

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
        result = np.empty(inputs.shape)
        ends = [torch.from_numpy(np.ascontiguousarray(x)).to(self._device) for x in (start, inputs)]
        shares = np.broadcast_to(np.asarray(shares, np.float32), (len(inputs), shares.shape[-1]))
        following = self._pooled if self._pool else self._plain
        with torch.no_grad():
            size = max(self._first(ends[0][:1]).numel(), 1)
        for part in _parts(len(inputs), _NUMBERS // size):
            begin, end = (x[part] for x in ends)
            result[part] = following(begin, end, target[part], shares[part])
        return result

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
        from seqgra.backends.path_kernels import carry_back, follow_maxima  # with numba

        if shares.shape[1] == 1:  # one point needs one convolution
            begin = end = torch.lerp(begin, end, torch.from_numpy(shares[:, :, None].copy()))
        with torch.no_grad():
            before = self._first(begin).contiguous().numpy()
            after = before if end is begin else self._first(end).contiguous().numpy()
        _, channels, length = before.shape
        places = channels * (length // self._pool)
        shape = (len(before), shares.shape[1], places)
        which, values = np.empty(shape, np.int32), np.empty(shape, np.float32)
        follow_maxima(before, after, np.ascontiguousarray(shares), self._pool, which, values)
        points = torch.from_numpy(values).view(-1, channels, length // self._pool)
        gradient = torch.empty_like(points)
        targets = np.repeat(target, shape[1])
        for part in _parts(len(points), _NUMBERS // max(places, 1)):
            gradient[part] = self._above(points[part], targets[part])
        result = np.zeros(tuple(begin.shape))
        convolution = next(self._first.children())
        assert isinstance(convolution, nn.Conv1d)
        weight = all_filters(convolution).double().numpy()
        step, spread = convolution.stride[0], convolution.dilation[0]
        taken = (step, spread, padding_before(convolution))
        carry_back(gradient.numpy().reshape(shape), which, weight, *taken, result)
        return np.asarray(result / shape[1])

    def _above(self, points: torch.Tensor, target: np.ndarray) -> torch.Tensor:
        """Return the gradient of the explained quantity at outputs of the first layer, or of its maximum."""
        points = points.detach().requires_grad_()
        return gradient_of(explained_logits(self._rest(points), target, self._task), points)


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
