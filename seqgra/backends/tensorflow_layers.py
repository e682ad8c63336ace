"""Layers of the TensorFlow backend: architecture -> Keras model, and its weights as PyTorch's.

Keras wants (N, L, A); a model here differs from its PyTorch twin in nothing else, and `flatten` goes
channel by channel in both, so that weights move one to one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
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
)
from seqgra.architecture.schema import Network
from seqgra.architecture.shapes import layer_shapes
from seqgra.backends.pytorch_layers import AddedPositions, RelativeBias, Rotary, sinusoids

if keras.backend.backend() != "tensorflow":
    raise RuntimeError("Keras was imported with another backend before seqgra could choose one")

#: What holds weights, in the order in which data flows: the same on both sides.
_WEIGHTED = (
    *(nn.Conv1d, nn.Linear, nn.BatchNorm1d, nn.LayerNorm, nn.LSTM, nn.GRU),
    *(AddedPositions, RelativeBias),
)


@keras.saving.register_keras_serializable("seqgra")
class SharedConv1D(keras.layers.Conv1D):
    """Convolution whose filters also act reversed and complemented, with the same weights.

    See `pytorch_layers.SharedConv`: (N, L, C) -> (N, L', 2 F).
    """

    def call(self, inputs: Any) -> Any:
        """Return both strands' channels, those of the reverse strand in reversed order."""
        kernel = keras.ops.concatenate([self.kernel, keras.ops.flip(self.kernel)], axis=2)
        outputs = keras.ops.conv(
            inputs, kernel, padding=self.padding, dilation_rate=self.dilation_rate
        )
        if not self.use_bias:
            return outputs
        return outputs + keras.ops.concatenate([self.bias, keras.ops.flip(self.bias)])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return twice the channels of an ordinary convolution."""
        *rest, channels = super().compute_output_shape(input_shape)
        return (*rest, None if channels is None else 2 * channels)


@keras.saving.register_keras_serializable("seqgra")
class AddPositions(keras.layers.Layer):
    """A number added to each position and channel: (N, L, C) -> (N, L, C); see `AddedPositions`."""

    def __init__(self, encoding: str, **options: Any) -> None:
        super().__init__(**options)
        self.encoding = encoding

    def build(self, input_shape: Any) -> None:
        """Make the table of the window."""
        _, length, channels = input_shape
        if self.encoding == "learned":
            self.table = self.add_weight(shape=(length, channels), name="table")
        else:
            self.table = sinusoids(Shape(channels, length)).numpy().T

    def call(self, inputs: Any) -> Any:
        """Return the sum."""
        return inputs + self.table

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer again."""
        return {**super().get_config(), "encoding": self.encoding}


@keras.saving.register_keras_serializable("seqgra")
class AddRelativeBias(keras.layers.Layer):
    """A number added to the scores of each head and distance: (N, H, L, L); see `RelativeBias`."""

    def build(self, input_shape: Any) -> None:
        """Make the numbers, and the distance of each pair."""
        _, heads, length, _ = input_shape
        self.bias = self.add_weight(shape=(heads, 2 * length - 1), name="bias")
        places = np.arange(length)
        self.distance = (places[None, :] - places[:, None] + length - 1).astype(np.int32)

    def call(self, inputs: Any) -> Any:
        """Return the sum."""
        return inputs + keras.ops.take(self.bias, self.distance, axis=1)


@keras.saving.register_keras_serializable("seqgra")
class TurnPairs(keras.layers.Layer):
    """Pairs of channels turned by the position: (N, H, L, D) -> (N, H, L, D); see `Rotary`."""

    def build(self, input_shape: Any) -> None:
        """Make sines and cosines."""
        turn = Rotary(input_shape[2], input_shape[3])
        self.cosine, self.sine = turn.cosine.numpy(), turn.sine.numpy()

    def call(self, inputs: Any) -> Any:
        """Turn every pair."""
        first, second = keras.ops.split(inputs, 2, axis=-1)
        turned = keras.ops.concatenate([-second, first], axis=-1)
        return inputs * self.cosine + turned * self.sine


class Builder:
    """Adds Keras layers one by one; `weighted` lists those that hold weights in order."""

    def __init__(self) -> None:
        self.weighted: list[Any] = []
        self._count = 0

    def build(self, network: Network, letters: int, window: int, outputs: int, file: str) -> Any:
        """Return the network as a Keras model from one-hot float32 (N, L, A) to logits (N, C).

        Raises
        ------
        InputError
            If a layer cannot work on what it gets.
        """
        layer_shapes(network, letters, window, file)
        keras.utils.clear_session(
            free_memory=False
        )  # counts names from 1, whatever was built before
        inputs = keras.Input((window, letters), name="letters")
        hidden = self._through(network.layers, inputs)
        output = self._add(keras.layers.Dense, hidden, outputs)
        return keras.Model(inputs, output, name="network")

    def _through(self, layers: tuple[Layer, ...], values: Any) -> Any:
        for layer in layers:
            values = self._apply(layer, values)
        return values

    def _add(self, kind: Callable[..., Any], values: Any, *args: Any, **options: Any) -> Any:
        """Put a new layer behind `values`; names are counted, so that they never depend on a process."""
        self._count += 1
        layer = kind(*args, name=f"layer{self._count}", **options)
        output = layer(values)
        if layer.weights:
            self.weighted.append(layer)
        return output

    def _apply(self, layer: Layer, values: Any) -> Any:
        k = keras.layers
        match layer:
            case Conv():
                return self._activate(layer.activation, self._convolution(layer, values))
            case Dense():
                return self._activate(layer.activation, self._add(k.Dense, values, layer.units))
            case Dropout():
                return self._dropout(layer.rate, values)
            case BatchNorm():
                options = {"momentum": 1 - layer.momentum, "epsilon": layer.epsilon}
                return self._add(k.BatchNormalization, values, **options)
            case LayerNorm():
                return self._add(k.LayerNormalization, values, epsilon=layer.epsilon)
            case Activate():
                return self._activate(layer.function, values)
            case MaxPool():
                return self._add(k.MaxPooling1D, values, layer.width, layer.stride or layer.width)
            case AveragePool():
                stride = layer.stride or layer.width
                return self._add(k.AveragePooling1D, values, layer.width, stride)
            case GlobalMaxPool():
                return self._add(k.GlobalMaxPooling1D, values)
            case GlobalAveragePool():
                return self._add(k.GlobalAveragePooling1D, values)
            case Flatten():
                return self._add(k.Flatten, self._add(k.Permute, values, (2, 1)))
            case Lstm() | Gru():
                return self._recurrent(layer, values)
            case PositionalEncoding():
                return self._add(AddPositions, values, layer.encoding)
            case Attention():
                return self._attention(layer, values)
            case AttentionPool():
                scores = self._add(k.Dense, values, layer.heads)
                weights = keras.ops.softmax(keras.ops.transpose(scores, (0, 2, 1)))
                return self._add(k.Flatten, keras.ops.matmul(weights, values))
            case Gate():
                kept, gate = keras.ops.split(values, 2, axis=-1)
                return keras.ops.multiply(kept, self._activate(layer.function, gate))
            case SqueezeExcite():
                means = self._add(k.GlobalAveragePooling1D, values)
                squeezed = self._activate(layer.activation, self._add(k.Dense, means, layer.units))
                factors = self._add(k.Dense, squeezed, values.shape[-1], activation="sigmoid")
                return keras.ops.multiply(values, keras.ops.expand_dims(factors, 1))
            case Residual():
                return self._residual(layer, values)
            case Branches():
                return self._join(layer.join, [self._through(path, values) for path in layer.paths])
            case Repeat():
                return self._through(layer.unrolled, values)

    def _residual(self, layer: Residual, values: Any) -> Any:
        changed = self._through(layer.layers, values)
        if layer.projection and len(values.shape) == 2:
            values = self._add(keras.layers.Dense, values, changed.shape[-1])
        elif layer.projection:
            before, after = (Shape(each.shape[2], each.shape[1]) for each in (values, changed))
            stride = layer.stride(before, after)
            values = self._add(keras.layers.Conv1D, values, after.channels, 1, strides=stride)
        return self._activate(layer.activation, self._add(keras.layers.Add, [changed, values]))

    def _join(self, join: str, outputs: list[Any]) -> Any:
        if join == "concatenate":
            return self._add(keras.layers.Concatenate, outputs)
        kind = keras.layers.Add if join == "sum" else keras.layers.Multiply
        return self._add(kind, outputs)

    def _dropout(self, rate: float, values: Any) -> Any:
        """Add dropout with a fixed seed, which training replaces in every epoch."""
        return self._add(keras.layers.Dropout, values, rate, seed=self._count)

    def _activate(self, name: str, values: Any) -> Any:
        if name == "none":
            return values
        if name == "leaky-relu":
            return self._add(keras.layers.LeakyReLU, values, negative_slope=0.01)
        return self._add(keras.layers.Activation, values, name)

    def _convolution(self, layer: Conv, values: Any) -> Any:
        padding = layer.padding
        if isinstance(padding, int):
            values = self._add(keras.layers.ZeroPadding1D, values, padding)
            padding = "valid"
        kind = SharedConv1D if layer.reverse_complement else keras.layers.Conv1D
        both = layer.stride > 1 and layer.dilation > 1  # which TensorFlow does not convolve with
        stride = 1 if both else layer.stride
        options = {"strides": stride, "dilation_rate": layer.dilation, "padding": padding}
        options |= {"groups": layer.groups} if layer.groups > 1 else {}
        options |= {} if layer.bias else {"use_bias": False}
        values = self._add(kind, values, layer.filters, layer.width, **options)
        # a maximum over one position, which takes every stride-th
        return self._add(keras.layers.MaxPooling1D, values, 1, layer.stride) if both else values

    def _recurrent(self, layer: Lstm | Gru, values: Any) -> Any:
        kind = keras.layers.LSTM if isinstance(layer, Lstm) else keras.layers.GRU
        for number in range(layer.layers):
            if number and layer.dropout:
                values = self._dropout(layer.dropout, values)
            last = number == layer.layers - 1 and layer.output == "last"
            if layer.bidirectional:
                cell = kind(layer.units, return_sequences=not last)
                values = self._add(keras.layers.Bidirectional, values, cell)
            else:
                values = self._add(kind, values, layer.units, return_sequences=not last)
        return values

    def _attention(self, layer: Attention, values: Any) -> Any:
        length, channels = values.shape[1:]
        width = channels // layer.heads

        def heads(part: Any) -> Any:
            split = keras.ops.reshape(part, (-1, length, layer.heads, width))
            return keras.ops.transpose(split, (0, 2, 1, 3))

        dense = keras.layers.Dense
        query, key, value = (heads(self._add(dense, values, channels)) for _ in range(3))
        if layer.positions == "rotary":
            query, key = self._add(TurnPairs, query), self._add(TurnPairs, key)
        scores = keras.ops.matmul(query, keras.ops.transpose(key, (0, 1, 3, 2))) / width**0.5
        if layer.positions == "relative":
            scores = self._add(AddRelativeBias, scores)
        weights = self._dropout(layer.dropout, keras.ops.softmax(scores))
        mixed = keras.ops.transpose(keras.ops.matmul(weights, value), (0, 2, 1, 3))
        return self._add(dense, keras.ops.reshape(mixed, (-1, length, channels)), channels)


def _torch_parts(module: nn.Module) -> Iterator[nn.Module]:
    for part in module.modules():
        constant = isinstance(part, AddedPositions) and not isinstance(part.table, nn.Parameter)
        if isinstance(part, _WEIGHTED) and not constant:
            yield part


def take_from_torch(weighted: list[Any], module: nn.Module) -> None:
    """Give a Keras model's layers (see `Builder`) the weights of its PyTorch twin."""
    layers = iter(weighted)
    for part in _torch_parts(module):
        for arrays in _to_keras(part):
            next(layers).set_weights(arrays)
    assert next(layers, None) is None, "a Keras layer has no twin"


def give_to_torch(weighted: list[Any], module: nn.Module) -> None:
    """Give a PyTorch module the weights of its Keras twin's layers."""
    layers = iter(weighted)
    with torch.no_grad():
        for part in _torch_parts(module):
            count = part.num_layers if isinstance(part, nn.RNNBase) else 1
            given = [next(layers).get_weights() for _ in range(count)]
            for name, values in _to_torch(part, given).items():
                getattr(part, name).copy_(torch.from_numpy(np.ascontiguousarray(values)))
    assert next(layers, None) is None, "a Keras layer has no twin"


def _array(values: torch.Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()


def _to_keras(part: nn.Module) -> Iterator[list[np.ndarray]]:
    """Yield the weights of the Keras layers that a PyTorch module corresponds to."""
    if isinstance(part, nn.Conv1d):
        weight = _array(part.weight).transpose(2, 1, 0)
        yield [weight] if part.bias is None else [weight, _array(part.bias)]
    elif isinstance(part, nn.Linear):
        yield [_array(part.weight).T, _array(part.bias)]
    elif isinstance(part, nn.BatchNorm1d):
        assert part.running_mean is not None and part.running_var is not None
        kept = (part.weight, part.bias, part.running_mean, part.running_var)
        yield [_array(values) for values in kept]
    elif isinstance(part, nn.LayerNorm):
        yield [_array(part.weight), _array(part.bias)]
    elif isinstance(part, AddedPositions):
        yield [_array(part.table).T]
    elif isinstance(part, RelativeBias):
        yield [_array(part.weight)]
    else:
        assert isinstance(part, nn.RNNBase)
        for level in range(part.num_layers):
            arrays: list[np.ndarray] = []
            for suffix in _suffixes(part, level):
                arrays += _cell_to_keras(part, suffix)
            yield arrays


def _suffixes(part: nn.RNNBase, level: int) -> list[str]:
    return [f"_l{level}{end}" for end in (("", "_reverse") if part.bidirectional else ("",))]


def _cell_to_keras(part: nn.RNNBase, suffix: str) -> list[np.ndarray]:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    into, own, bias, own_bias = (_array(getattr(part, name + suffix)) for name in names)
    if isinstance(part, nn.LSTM):  # gates in the same order; the second bias is 0
        return [into.T, own.T, bias + own_bias]
    into, own, bias, own_bias = map(_other_gates, (into, own, bias, own_bias))
    return [into.T, own.T, np.stack([bias, own_bias])]


def _other_gates(values: np.ndarray) -> np.ndarray:
    """Swap the first two gates of a GRU: reset and update in PyTorch, update and reset in Keras."""
    reset, update, new = np.split(values, 3)
    return np.concatenate([update, reset, new])


def _to_torch(part: nn.Module, given: list[list[np.ndarray]]) -> dict[str, np.ndarray]:
    """Return a PyTorch module's weights by name, from its Keras layers' weights."""
    first = given[0]
    if isinstance(part, nn.Conv1d):
        biases = dict(zip(["bias"], first[1:], strict=False))
        return {"weight": first[0].transpose(2, 1, 0), **biases}
    if isinstance(part, nn.Linear):
        return {"weight": first[0].T, "bias": first[1]}
    if isinstance(part, nn.BatchNorm1d):
        return dict(zip(("weight", "bias", "running_mean", "running_var"), first, strict=True))
    if isinstance(part, nn.LayerNorm):
        return dict(zip(("weight", "bias"), first, strict=True))
    if isinstance(part, AddedPositions):
        return {"table": first[0].T}
    if isinstance(part, RelativeBias):
        return {"weight": first[0]}
    assert isinstance(part, nn.RNNBase)
    weights: dict[str, np.ndarray] = {}
    for level, arrays in enumerate(given):
        for number, suffix in enumerate(_suffixes(part, level)):
            into, own, bias = arrays[3 * number : 3 * number + 3]
            into, own = into.T, own.T
            if isinstance(part, nn.LSTM):
                both = [bias, np.zeros_like(bias)]
            else:
                into, own = _other_gates(into), _other_gates(own)
                both = [_other_gates(values) for values in bias]
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            values = (into, own, *both)
            weights |= {name + suffix: v for name, v in zip(names, values, strict=True)}
    return weights
