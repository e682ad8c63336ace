"""Layers of the PyTorch backend: architecture -> module."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from seqgra.architecture.layers import (
    Activate,
    Attention,
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    GlobalMaxPool,
    Gru,
    Layer,
    LayerNorm,
    Lstm,
    MaxPool,
    Residual,
)
from seqgra.architecture.schema import Network
from seqgra.architecture.shapes import Shape, layer_shapes, shapes_through

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


class Exponential(nn.Module):
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
        if self.keeps_positions:
            return states.transpose(1, 2)
        forward, backward = states[:, -1, : self.units], states[:, 0, self.units :]
        return torch.cat([forward, backward], dim=1)


class SelfAttention(nn.Module):
    """Multi-head self-attention: (N, C, L) -> (N, C, L); see `architecture.layers.Attention`."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.value, self.output = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.softmax, self.dropout = nn.Softmax(dim=-1), nn.Dropout(dropout)
        self.heads = heads

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Let every position look at all."""
        values = values.transpose(1, 2)
        query, key, value = (
            part(values).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        mixed = self.dropout(self.softmax(scores)) @ value
        return self.output(mixed.transpose(1, 2).flatten(2)).transpose(1, 2)


class Sum(nn.Module):
    """A residual block: what `body` makes of the input, plus the input."""

    def __init__(self, body: nn.Sequential) -> None:
        super().__init__()
        self.body = body

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return body(x) + x."""
        return self.body(values) + values


class StrandAverage(nn.Module):
    """The mean of a network's logits for a sequence and for its reverse complement."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the mean logits (N, C) of one-hot (N, A, L), letters in the order of `DNA`."""
        return (self.body(values) + self.body(values.flip(1, 2))) / 2


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
        case Lstm() | Gru():
            yield Recurrent(layer, shape.channels)
        case Attention():
            yield SelfAttention(shape.channels, layer.heads, layer.dropout)
        case Residual():
            shapes = shapes_through(layer.layers, shape, "layers")
            yield Sum(nn.Sequential(*_sequence(layer.layers, shapes)))
            yield from _activation(layer.activation)


def _convolution(layer: Conv, shape: Shape) -> nn.Conv1d:
    kind = SharedConv if layer.reverse_complement else nn.Conv1d
    return kind(
        shape.channels,
        layer.filters,
        layer.width,
        stride=layer.stride,
        dilation=layer.dilation,
        padding=0 if layer.padding == "valid" else layer.padding,
    )


def _activation(name: str) -> Iterator[nn.Module]:
    if name == "exponential":
        yield Exponential()
    elif name != "none":
        yield _ACTIVATIONS[name]()
