"""Masking positions one by one in convolutions with global pooling, computing only what changes.

A masked letter changes the outputs of each convolution near it alone, and a global pooling of the last
ones needs no more than their change and what the other positions give. So the value of masking one more
position is kept from step to step, unless a position nearby was masked. All in double precision.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from seqgra.backends.local_kernels import Layers, commit, compute, pool_candidates
from seqgra.backends.pytorch_layers import (
    ExponentialActivation,
    SharedConv,
    all_filters,
    is_bare,
    padding_before,
)
from seqgra.model import explained_part

#: Activations between convolutions; their order is their code in the compiled loops.
_ACTIVATIONS: tuple[type[nn.Module], ...] = (
    *(nn.Identity, nn.ReLU, nn.Sigmoid, nn.Tanh, nn.SiLU, ExponentialActivation),
)
_FLAT = (nn.Linear, nn.Dropout, nn.BatchNorm1d, nn.Identity, *_ACTIVATIONS)


class LocalNetwork(NamedTuple):
    """A network whose outputs change locally: `layers`, a global maximum or mean, and a head."""

    layers: Layers
    maximum: bool
    head: nn.Sequential
    task: str


class _Convolution:
    """A convolution while its normalisation and activation are being read."""

    def __init__(self, layer: nn.Conv1d) -> None:
        weight, bias = all_filters(layer), layer.bias
        bias = torch.zeros(layer.out_channels).to(weight) if bias is None else bias.detach()
        if isinstance(layer, SharedConv):
            bias = torch.cat([bias, bias.flip(0)])
        self.weight = weight.double().cpu().numpy().transpose(2, 1, 0)  # tap, in, out
        self.bias = bias.double().cpu().numpy()
        self.dilation, self.activation = int(layer.dilation[0]), 0
        self.scale, self.shift = np.ones_like(self.bias), np.zeros_like(self.bias)
        span = self.dilation * (len(self.weight) - 1)
        self.left = padding_before(layer)
        self.added = span if layer.padding == "same" else 2 * self.left

    def normalise(self, layer: nn.BatchNorm1d) -> None:
        parts = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
        weight, bias, mean, variance = (p.detach().double().cpu().numpy() for p in parts)  # type: ignore[union-attr]
        factor = weight / np.sqrt(variance + layer.eps)
        if self.activation:
            self.scale, self.shift = self.scale * factor, (self.shift - mean) * factor + bias
        else:
            self.weight, self.bias = self.weight * factor, (self.bias - mean) * factor + bias


def local_network(module: nn.Module, letters: int, window: int, task: str) -> LocalNetwork | None:
    """Return a network for `LocalCandidates`, or None if it is none of convolutions, pooling, head.

    Parameters
    ----------
    module
        As `PytorchModel.module`; it is copied.
    letters, window
        Its input.
    task
        ``multi-class`` or ``multi-label``.
    """
    if type(module) is not nn.Sequential or not is_bare(module):
        return None
    convolutions: list[_Convolution] = []
    length, parts = window, list(module)
    for number, part in enumerate(parts):
        kind = type(part)
        if isinstance(part, nn.Conv1d) and kind in (nn.Conv1d, SharedConv):
            if part.stride[0] != 1 or part.groups != 1 or part.padding_mode != "zeros":
                return None
            convolutions.append(_Convolution(part))
            last = convolutions[-1]
            length += last.added - last.dilation * (len(last.weight) - 1)
        elif kind is nn.Dropout:
            continue
        elif isinstance(part, nn.BatchNorm1d) and convolutions and _is_affine(part):
            convolutions[-1].normalise(part)
        elif kind in _ACTIVATIONS and convolutions and _plain(convolutions[-1]):
            convolutions[-1].activation = _ACTIVATIONS.index(kind)
        elif isinstance(part, (nn.MaxPool1d, nn.AvgPool1d)) and convolutions:
            return _with_head(part, parts[number + 1 :], convolutions, (letters, window), task)
        else:
            return None
    return None


def _is_affine(layer: nn.BatchNorm1d) -> bool:
    """Tell whether a normalisation multiplies and adds numbers of its own alone."""
    return layer.affine and layer.track_running_stats


def _plain(convolution: _Convolution) -> bool:
    return not convolution.activation and bool((convolution.scale == 1).all())


def _with_head(
    pool: Any, parts: list[nn.Module], read: list[_Convolution], size: tuple[int, int], task: str
) -> LocalNetwork | None:
    layers = _stacked(read, *size)
    width, padding, dilation = (
        value[0] if isinstance(value, tuple) else value
        for value in (pool.kernel_size, pool.padding, getattr(pool, "dilation", 1))
    )
    whole = width == layers.length[-1] and (padding, dilation) == (0, 1)
    is_global = whole and parts and isinstance(parts[0], nn.Flatten)
    if not is_global or any(type(part) not in _FLAT for part in parts[1:]):
        return None
    head = copy.deepcopy(nn.Sequential(*parts[1:])).double().cpu().eval()
    return LocalNetwork(layers, isinstance(pool, nn.MaxPool1d), head, task)


def _stacked(read: list[_Convolution], letters: int, window: int) -> Layers:
    channels = [letters, *(part.bias.size for part in read)]
    most, taps = max(channels), max(len(part.weight) for part in read)
    weights = np.zeros((len(read), taps, most, most))
    vectors = np.zeros((3, len(read), most))
    length = [window]
    for number, part in enumerate(read):
        own = part.weight.shape
        weights[number, : own[0], : own[1], : own[2]] = part.weight
        for vector, values in zip(vectors, (part.bias, part.scale, part.shift), strict=True):
            vector[number, : own[2]] = values
        length.append(length[-1] + part.added - part.dilation * (own[0] - 1))
    numbers = np.array([(len(p.weight), p.dilation, p.left, p.activation) for p in read])
    bias, scale, shift = vectors
    tap, dilation, left, activation = (np.ascontiguousarray(column) for column in numbers.T)
    sizes = np.array(length), np.array(channels)
    return Layers(weights, bias, scale, shift, tap, dilation, left, activation, *sizes)


class LocalCandidates:
    """Sequences of a `LocalNetwork` whose positions are masked one by one.

    Parameters
    ----------
    network
        The network.
    columns
        float64 (N, L, A): the input, positions first.
    fill
        float64 (A,): the column of a masked position.
    target
        int64 (N,): the condition explained.
    """

    def __init__(
        self, network: LocalNetwork, columns: np.ndarray, fill: np.ndarray, target: np.ndarray
    ) -> None:
        self._network, self._target = network, target
        layers = network.layers
        most = int(layers.channels.max())
        self._fill = np.zeros(most)
        self._fill[: fill.size] = fill
        examples, window = columns.shape[:2]
        shape = (examples, len(layers.length), int(layers.length.max()), most)
        self._before, self._after = np.zeros(shape), np.zeros(shape)
        self._after[:, 0, :window, : columns.shape[2]] = columns
        compute(layers, self._before, self._after)
        self._local = np.zeros((examples, window, int(layers.channels[-1])))
        self._stale = np.ones((examples, window), np.bool_)

    def values(self, free: np.ndarray) -> np.ndarray:
        """Return f with each position masked in addition, float64 (N, L); -inf where not free."""
        pooled = np.empty(self._local.shape)
        state = (self._before, self._after, self._local, self._stale)
        pool_candidates(
            self._network.layers, *state, free, self._fill, self._network.maximum, pooled
        )
        example, position = np.nonzero(free)
        result = np.full(free.shape, -np.inf)
        with torch.inference_mode():
            logits = self._network.head(torch.from_numpy(pooled[example, position])).numpy()
        task = self._network.task
        result[example, position] = explained_part(logits, self._target[example], task)
        return result

    def mask(self, rows: np.ndarray, positions: np.ndarray) -> None:
        """Mask a position of each of some rows, int64 (M,), for good."""
        layers = self._network.layers
        commit(layers, self._before, self._after, rows, positions, self._fill)
        for row, position in zip(rows.tolist(), positions.tolist(), strict=True):
            near = slice(max(position - layers.span, 0), position + layers.span + 1)
            self._stale[row, near] = True
