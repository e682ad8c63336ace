"""Layers of the PyTorch backend: architecture -> module.

A layer that is made of others says in `through` of which, so that an attribution method may put a rule in
the place of each (see `pytorch_rules`); by itself it is made of `Steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from seqgra.architecture.layers import (
    Activate,
    Attention,
    AttentionPool,
    AveragePool,
    BatchNorm,
    Branches,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Gate,
    GlobalAveragePool,
    GlobalMaxPool,
    Gru,
    Layer,
    LayerNorm,
    Lstm,
    MaxPool,
    PositionalEncoding,
    Repeat,
    Residual,
    Shape,
    SqueezeExcite,
    shapes_through,
)
from seqgra.architecture.schema import Network
from seqgra.architecture.shapes import layer_shapes
from seqgra.model import MULTI_LABEL

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
}


class ExponentialActivation(nn.Module):
    """The activation exp(x), which makes first-layer filters read as motifs."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return exp of `values`."""
        return values.exp()


class SharedConv(nn.Conv1d):
    """Convolution whose filters also act reversed and complemented, with the same weights.

    Maps (N, C, L) to (N, 2 F, L'). Turning the input around in channels and positions turns the
    output around in both (Shrikumar et al. 2017, doi:10.1101/103663).
    """

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return both strands' channels, those of the reverse strand in reversed order."""
        weight = torch.cat([self.weight, self.weight.flip(0, 1, 2)])
        bias = None if self.bias is None else torch.cat([self.bias, self.bias.flip(0)])
        return nn.functional.conv1d(
            values, weight, bias, self.stride, self.padding, self.dilation, self.groups
        )


class Steps:
    """What layers made of others are made of, each doing what it does in training."""

    def layer(self, module: nn.Module, values: torch.Tensor) -> torch.Tensor:
        """Return the output of a module."""
        result: torch.Tensor = module(values)
        return result

    def product(
        self,
        left: torch.Tensor,
        right: torch.Tensor,
        multiply: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = torch.mul,
    ) -> torch.Tensor:
        """Return a product, or matrix product, of two outputs."""
        return multiply(left, right)

    def softmax(self, values: torch.Tensor) -> torch.Tensor:
        """Return the softmax over the last axis."""
        return values.softmax(dim=-1)

    def attention(
        self,
        block: SelfAttention,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
    ) -> torch.Tensor:
        """Return means of values weighted by attention, (N, L, C) as what they are made from."""
        return block.mixed(query, key, value, self)


_STEPS = Steps()


class Composite(nn.Module):
    """A layer made of others; `forward` is `through` with the layers' own steps."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the output of the layer."""
        return self.through(values, _STEPS)

    def through(self, values: torch.Tensor, steps: Steps) -> torch.Tensor:
        """Return the output of the layer, made by `steps`."""
        raise NotImplementedError


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each position: (N, C, L) -> (N, C, L)."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Normalise each position."""
        return super().forward(values.transpose(1, 2)).transpose(1, 2)


class Recurrent(nn.Module):
    """LSTM or GRU over positions: (N, C, L) -> (N, D H, L), or (N, D H) for the last state.

    An LSTM has one bias a gate: the second that PyTorch holds stays 0.
    """

    def __init__(self, layer: Lstm | Gru, channels: int) -> None:
        super().__init__()
        kind = nn.LSTM if isinstance(layer, Lstm) else nn.GRU
        self.cell = kind(
            channels,
            layer.units,
            layer.layers,
            batch_first=True,
            dropout=layer.dropout if layer.layers > 1 else 0.0,
            bidirectional=layer.bidirectional,
        )
        self.units, self.keeps_positions = layer.units, layer.output == "positions"
        if isinstance(layer, Lstm):
            for name, values in self.cell.named_parameters():
                if name.startswith("bias_hh"):
                    nn.init.zeros_(values).requires_grad_(False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the states."""
        states, _ = self.cell(values.transpose(1, 2))
        return self.kept(states)

    def kept(self, states: torch.Tensor) -> torch.Tensor:
        """Return what the layer keeps of all states (N, L, D H)."""
        if self.keeps_positions:
            result: torch.Tensor = states.transpose(1, 2)
            return result
        forward, backward = states[:, -1, : self.units], states[:, 0, self.units :]
        return torch.cat([forward, backward], dim=1)


class AddedPositions(nn.Module):
    """A number added to each channel and position: (N, C, L) -> (N, C, L)."""

    table: torch.Tensor

    def __init__(self, shape: Shape, encoding: str) -> None:
        super().__init__()
        if encoding == "learned":
            self.table = nn.Parameter(torch.empty(shape.channels, shape.length))
            nn.init.normal_(self.table, std=0.02)
        else:
            self.register_buffer("table", sinusoids(shape), persistent=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum."""
        return values + self.table


def sinusoids(shape: Shape) -> torch.Tensor:
    """Return sines (even channels) and cosines (odd ones) of positions: float32 (C, L).

    Channels 2 i and 2 i + 1 have the wavelength 2 pi 10,000^(2 i / C) (doi:10.48550/arXiv.1706.03762).
    """
    channels = torch.arange(shape.channels, dtype=torch.float64)
    rate = 10_000 ** (-(channels - channels % 2) / shape.channels)
    angle = rate[:, None] * torch.arange(shape.length, dtype=torch.float64)
    return torch.where(channels[:, None] % 2 == 0, angle.sin(), angle.cos()).float()


class RelativeBias(nn.Module):
    """A learned number added to the attention scores of each head and distance: (N, H, L, L)."""

    distance: torch.Tensor

    def __init__(self, heads: int, length: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(heads, 2 * length - 1))
        places = torch.arange(length)
        distance = places[None, :] - places[:, None] + length - 1
        self.register_buffer("distance", distance, persistent=False)

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the sum."""
        return scores + self.weight[:, self.distance]


class Rotary(nn.Module):
    """Pairs of channels turned by angles that grow with the position: (N, H, L, D) -> (N, H, L, D).

    Channels i and i + D / 2 are a pair; its angle at position p is p 10,000^(-2 i / D).
    """

    cosine: torch.Tensor
    sine: torch.Tensor

    def __init__(self, length: int, channels: int) -> None:
        super().__init__()
        rate = 10_000 ** (-torch.arange(0, channels, 2, dtype=torch.float64) / channels)
        angle = (torch.arange(length, dtype=torch.float64)[:, None] * rate).repeat(1, 2)
        self.register_buffer("cosine", angle.cos().float(), persistent=False)
        self.register_buffer("sine", angle.sin().float(), persistent=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Turn every pair."""
        first, second = values.chunk(2, dim=-1)
        return values * self.cosine + torch.cat([-second, first], dim=-1) * self.sine


class SelfAttention(Composite):
    """Multi-head self-attention: (N, C, L) -> (N, C, L); see `architecture.layers.Attention`."""

    def __init__(self, shape: Shape, layer: Attention) -> None:
        super().__init__()
        channels, self.heads = shape.channels, layer.heads
        self.query, self.key = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.rotary = self.bias = None
        if layer.positions == "rotary":
            self.rotary = Rotary(shape.length, channels // layer.heads)
        elif layer.positions == "relative":
            self.bias = RelativeBias(layer.heads, shape.length)
        self.output, self.dropout = nn.Linear(channels, channels), nn.Dropout(layer.dropout)

    def through(self, values: torch.Tensor, steps: Steps) -> torch.Tensor:
        """Return at every position the mean of the values of all, weighted by attention."""
        values = values.transpose(1, 2)
        parts = (steps.layer(part, values) for part in (self.query, self.key, self.value))
        return steps.layer(self.output, steps.attention(self, *parts)).transpose(1, 2)

    def mixed(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, steps: Steps
    ) -> torch.Tensor:
        """Return the weighted means, (N, L, C) as query, key and value."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (query, key, value)
        )
        if self.rotary is not None:
            query, key = steps.layer(self.rotary, query), steps.layer(self.rotary, key)
        scores = steps.product(query, key.transpose(2, 3), torch.matmul) / query.shape[-1] ** 0.5
        if self.bias is not None:
            scores = steps.layer(self.bias, scores)
        weights = steps.layer(self.dropout, steps.softmax(scores))
        return steps.product(weights, value, torch.matmul).transpose(1, 2).flatten(2)


class AttentionMean(Composite):
    """Means over positions, weighted by a softmax of one unit a head: (N, C, L) -> (N, H C)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.score = nn.Linear(channels, heads)

    def through(self, values: torch.Tensor, steps: Steps) -> torch.Tensor:
        """Return all channels of the first head, then those of the next."""
        values = values.transpose(1, 2)
        weights = steps.softmax(steps.layer(self.score, values).transpose(1, 2))
        return steps.product(weights, values, torch.matmul).flatten(1)


class Gated(Composite):
    """The first half of the channels times an activation of the second half."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation

    def through(self, values: torch.Tensor, steps: Steps) -> torch.Tensor:
        """Return half the channels."""
        kept, gate = values.chunk(2, dim=1)
        return steps.product(kept, steps.layer(self.activation, gate))


class ChannelGate(Composite):
    """Squeeze and excitation: (N, C, L) -> (N, C, L); see `architecture.layers.SqueezeExcite`."""

    def __init__(self, channels: int, units: int, activation: list[nn.Module]) -> None:
        super().__init__()
        squeeze, excite = nn.Linear(channels, units), nn.Linear(units, channels)
        self.body = nn.Sequential(squeeze, *activation, excite, nn.Sigmoid())

    def through(self, values: torch.Tensor, steps: Steps) -> torch.Tensor:
        """Return every channel times its factor."""
        factors = steps.layer(self.body, values.mean(dim=2))
        return steps.product(values, factors[:, :, None])


class Sum(Composite):
    """A residual block: the output of `body` plus the input, or the input's projection."""

    def __init__(self, body: nn.Sequential, projection: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.projection = body, projection

    def through(self, values: torch.Tensor, steps: Steps) -> torch.Tensor:
        """Return body(x) + x."""
        added = values if self.projection is None else steps.layer(self.projection, values)
        return steps.layer(self.body, values) + added


class Join(Composite):
    """Several networks with the same input, whose outputs are joined (see `Branches`)."""

    def __init__(self, paths: list[nn.Sequential], join: str) -> None:
        super().__init__()
        self.paths, self.join = nn.ModuleList(paths), join

    def through(self, values: torch.Tensor, steps: Steps) -> torch.Tensor:
        """Return the joined outputs."""
        return self.joined([steps.layer(path, values) for path in self.paths], steps)

    def joined(self, outputs: list[torch.Tensor], steps: Steps) -> torch.Tensor:
        """Join the outputs of all paths."""
        if self.join == "concatenate":
            return torch.cat(outputs, dim=1)
        joined = outputs[0]
        for output in outputs[1:]:
            joined = joined + output if self.join == "sum" else steps.product(joined, output)
        return joined


class StrandAverage(nn.Module):
    """The mean of a network's logits for a sequence and for its reverse complement.

    A shorter sequence is turned up to its last column that is not all zero: its padding stays at the end.
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, values: torch.Tensor, turned: torch.Tensor | None = None) -> torch.Tensor:
        """Return the mean logits (N, C) of one-hot (N, A, L), letters in the order of `DNA`.

        Their other strand may be given where it is known.
        """
        other = self.turned(values) if turned is None else turned
        result: torch.Tensor = (self.body(values) + self.body(other)) / 2
        return result

    @classmethod
    def turned(cls, values: torch.Tensor) -> torch.Tensor:
        """Return the other strand, (N, A, L) too."""
        if values[:, :, -1].any(dim=1).all():  # no padding: a hundred times as fast
            return values.flip(1, 2)
        return values.flip(1).gather(2, cls.sources(values)[:, None].expand_as(values))

    @staticmethod
    def sources(values: torch.Tensor) -> torch.Tensor:
        """Return the position that each position of the other strand comes from: int64 (N, L)."""
        places = torch.arange(values.shape[2], device=values.device)
        last = torch.where((values != 0).any(dim=1), places, 0).amax(dim=1, keepdim=True)
        return torch.where(places <= last, last - places, places)


def build(network: Network, letters: int, window: int, outputs: int, file: str) -> nn.Sequential:
    """Return the network as a module from one-hot float32 (N, A, L) to logits (N, C).

    Weights and biases start uniform in +-1/sqrt(fan in). Every activation is a module of its own and
    global pooling pools over all positions, so that attribution hooks are exact.

    Raises
    ------
    InputError
        If a layer cannot work on what it gets.
    """
    shapes = layer_shapes(network, letters, window, file)
    modules = _sequence(network.layers, shapes)
    return nn.Sequential(*modules, nn.Linear(shapes[-1].channels, outputs))


def _sequence(layers: tuple[Layer, ...], shapes: list[Shape]) -> list[nn.Module]:
    pairs = zip(layers, shapes, strict=False)
    return [module for layer, shape in pairs for module in _modules(layer, shape)]


def _modules(layer: Layer, shape: Shape) -> Iterator[nn.Module]:
    match layer:
        case Conv():
            yield _convolution(layer, shape)
            yield from _activation(layer.activation)
        case Dense():
            yield nn.Linear(shape.channels, layer.units)
            yield from _activation(layer.activation)
        case Dropout():
            yield nn.Dropout(layer.rate)
        case BatchNorm():
            yield nn.BatchNorm1d(shape.channels, eps=layer.epsilon, momentum=layer.momentum)
        case LayerNorm():
            kind = nn.LayerNorm if shape.flat else ChannelNorm
            yield kind(shape.channels, eps=layer.epsilon)
        case Activate():
            yield from _activation(layer.function)
        case MaxPool():
            yield nn.MaxPool1d(layer.width, layer.stride or layer.width)
        case AveragePool():
            yield nn.AvgPool1d(layer.width, layer.stride or layer.width)
        case GlobalMaxPool():
            yield nn.MaxPool1d(shape.length)
            yield nn.Flatten()
        case GlobalAveragePool():
            yield nn.AvgPool1d(shape.length)
            yield nn.Flatten()
        case Flatten():
            yield nn.Flatten()
        case AttentionPool():
            yield AttentionMean(shape.channels, layer.heads)
        case Lstm() | Gru():
            yield Recurrent(layer, shape.channels)
        case PositionalEncoding():
            yield AddedPositions(shape, layer.encoding)
        case Attention():
            yield SelfAttention(shape, layer)
        case Gate():
            yield Gated(nn.Sequential(*_activation(layer.function)))
        case SqueezeExcite():
            yield ChannelGate(shape.channels, layer.units, list(_activation(layer.activation)))
        case Residual():
            body = _network(layer.layers, shape)
            yield Sum(body, _projection(layer, shape) if layer.projection else None)
            yield from _activation(layer.activation)
        case Branches():
            yield Join([_network(path, shape) for path in layer.paths], layer.join)
        case Repeat():
            yield from _network(layer.unrolled, shape)


def _network(layers: tuple[Layer, ...], shape: Shape) -> nn.Sequential:
    return nn.Sequential(*_sequence(layers, shapes_through(layers, shape, "layers")))


def _projection(layer: Residual, shape: Shape) -> nn.Module:
    after = layer.shape_after(shape, "layers")
    if shape.flat:
        return nn.Linear(shape.channels, after.channels)
    return nn.Conv1d(shape.channels, after.channels, 1, stride=layer.stride(shape, after))


def _convolution(layer: Conv, shape: Shape) -> nn.Conv1d:
    kind = SharedConv if layer.reverse_complement else nn.Conv1d
    return kind(
        shape.channels,
        layer.filters,
        layer.width,
        stride=layer.stride,
        dilation=layer.dilation,
        groups=layer.groups,
        bias=layer.bias,
        padding=0 if layer.padding == "valid" else layer.padding,
    )


def _activation(name: str) -> Iterator[nn.Module]:
    if name == "exponential":
        yield ExponentialActivation()
    elif name != "none":
        yield _ACTIVATIONS[name]()


def all_filters(convolution: nn.Conv1d) -> torch.Tensor:
    """Return the filters of a convolution, those of the reverse strand after the others: (F, C, W)."""
    weight = convolution.weight.detach()
    shared = isinstance(convolution, SharedConv)
    return torch.cat([weight, weight.flip(0, 1, 2)]) if shared else weight


def padding_before(convolution: nn.Conv1d) -> int:
    """Return how many zeros a convolution puts before the first position."""
    if convolution.padding == "same":
        return convolution.dilation[0] * (convolution.kernel_size[0] - 1) // 2
    return 0 if convolution.padding == "valid" else int(convolution.padding[0])


def number(size: Any) -> int:
    """Return a size that PyTorch keeps as a number or as a tuple of one."""
    return int(size[0] if isinstance(size, tuple) else size)


def is_bare(module: nn.Module) -> bool:
    """Whether a module and its parts do what their classes do: hooks, of a user's say, may change that."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return not any(
        "forward" in vars(part) or any(getattr(part, kind) for kind in kinds)
        for part in module.modules()
    )


def is_plain_pool(module: nn.Module) -> bool:
    """Whether a module is a maximum over neighbouring positions, side by side."""
    if type(module) is not nn.MaxPool1d:
        return False
    plain = not number(module.padding) and not module.ceil_mode and not module.return_indices
    same = number(module.stride) == number(module.kernel_size)
    return plain and same and number(module.dilation) == 1 and number(module.kernel_size) > 1


def explained_logits(logits: torch.Tensor, target: np.ndarray, task: str) -> torch.Tensor:
    """Return what attributions explain of logits (N, C), of their dtype (N,); see `model.explained_part`."""
    chosen = torch.from_numpy(np.asarray(target, np.int64)).to(logits.device)
    own = logits.gather(1, chosen[:, None])[:, 0]
    return own if task == MULTI_LABEL else own - logits.mean(dim=1)
