"""Shapes of a network's layers, what they cost, and whether a network fits a dataset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from seqgra.alphabet import ALPHABETS
from seqgra.architecture.defaults import with_defaults
from seqgra.architecture.layers import (
    Attention,
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
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
from seqgra.errors import Problem, bad_input, raise_problems

#: Alphabets whose reversed order of letters is their complement.
STRANDED = ("DNA", "RNA")
_OF_POSITIONS = (
    *(Conv, MaxPool, AveragePool, GlobalMaxPool, GlobalAveragePool),
    *(Flatten, Lstm, Gru, Attention),
)


class Shape(NamedTuple):
    """Shape of one example between layers: channels and positions; length 0 once flattened."""

    channels: int
    length: int

    @property
    def flat(self) -> bool:
        """Whether the values are one vector."""
        return self.length == 0

    def __str__(self) -> str:
        return (
            f"{self.channels} values"
            if self.flat
            else f"{self.channels} channels x {self.length} positions"
        )


class LayerError(Exception):
    """A layer cannot work on what it gets: its place in the file, and why."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}")
        self.place, self.message = place, message


def layer_shapes(network: Network, letters: int, window: int, file: str) -> list[Shape]:
    """Return the input shape of every layer, and last the shape that the output layer sees.

    Raises
    ------
    InputError
        If a layer cannot work on what it gets; the message names it.
    """
    try:
        shapes = shapes_through(network.layers, Shape(letters, window), "layers")
    except LayerError as error:
        message = f"{error.message} (window of {window} letters)"
        raise bad_input(file, error.place, message) from None
    if not shapes[-1].flat:
        message = "ends without flatten or global-max-pool; add one before the output layer"
        raise bad_input(file, "layers", message)
    return shapes


def shapes_through(layers: Iterable[Layer], shape: Shape, place: str) -> list[Shape]:
    """Return `shape` and the shape after each of the layers, which stand at `place` of a file.

    Raises
    ------
    LayerError
        Naming the layer that cannot work on what it gets.
    """
    shapes = [shape]
    for number, layer in enumerate(layers):
        here = f"{place}[{number}].{layer.kind}"
        try:
            shapes.append(_shape_after(layer, shapes[-1], here))
        except ValueError as error:
            raise LayerError(here, str(error)) from None
    return shapes


def _shape_after(layer: Layer, shape: Shape, place: str) -> Shape:
    if isinstance(layer, _OF_POSITIONS) and shape.flat:
        raise ValueError("needs positions, but the values are already one vector")
    match layer:
        case Dense():
            if not shape.flat:
                raise ValueError("needs one vector; put flatten or global-max-pool before it")
            return Shape(layer.units, 0)
        case Conv():
            return Shape(layer.channels, _length_after_conv(layer, shape.length))
        case MaxPool() | AveragePool():
            stride = layer.stride or layer.width
            if layer.width > shape.length:
                left = f"only {shape.length} positions are left"
                raise ValueError(f"is {layer.width} wide, but {left}")
            return Shape(shape.channels, (shape.length - layer.width) // stride + 1)
        case GlobalMaxPool() | GlobalAveragePool():
            return Shape(shape.channels, 0)
        case Flatten():
            return Shape(shape.channels * shape.length, 0)
        case Lstm() | Gru():
            return Shape(layer.channels, shape.length if layer.output == "positions" else 0)
        case Attention():
            if shape.channels % layer.heads:
                message = f"its {layer.heads} heads cannot share {shape.channels} channels evenly"
                raise ValueError(message)
        case Residual():
            after = shapes_through(layer.layers, shape, f"{place}.layers")[-1]
            if after != shape:
                message = f"its layers turn {shape} into {after}; they must keep the shape"
                raise ValueError(message)
    return shape


def _length_after_conv(layer: Conv, length: int) -> int:
    if layer.padding == "same":
        return length
    padded = length + (2 * layer.padding if isinstance(layer.padding, int) else 0)
    reach = layer.dilation * (layer.width - 1) + 1
    if reach > padded:
        raise ValueError(f"reaches over {reach} positions, but only {padded} are left")
    return (padded - reach) // layer.stride + 1


def check_fit(
    network: Network,
    alphabet: str,
    window: int,
    task: str,
    file: str,
    backends: Iterable[str] = ("pytorch",),
) -> None:
    """Refuse a network that cannot work on an alphabet, a window, a task, or with a backend.

    Raises
    ------
    InputError
        Holding every problem found; a layer that cannot work is named.
    """
    problems = []
    if (network.loss, task) in {("cross-entropy", "multi-label"), ("bce", "multi-class")}:
        message = f"is {network.loss}, which does not suit a {task} task; use auto"
        problems.append(Problem(file, "loss", message))
    normalised = any(isinstance(layer, BatchNorm) for _, layer in _walk(network.layers, "layers"))
    if normalised and network.training.batch_size == 1:
        message = "is 1, but batch-norm needs at least 2"
        problems.append(Problem(file, "training.batch_size", message))
    if "tensorflow" in backends:
        plan = network.training
        for key, value in (("precision", plan.precision), ("compile", plan.compile)):
            if value not in ("float32", False):
                message = f"is {value}, which only the backend pytorch knows"
                problems.append(Problem(file, f"training.{key}", message))
    if alphabet not in STRANDED:
        for place in strand_keys(network):
            message = f"{alphabet} has no complement; set it to false"
            problems.append(Problem(file, place, message))
    raise_problems(problems)
    for backend in backends:
        with_defaults(network, backend, file)
    if network.layers:
        layer_shapes(network, len(ALPHABETS[alphabet].letters), window, file)


def strand_keys(network: Network) -> list[str]:
    """Return the places of a file that ask for reverse complements."""
    places = []
    if network.training.augment.reverse_complement:
        places.append("training.augment.reverse_complement")
    if network.predict.reverse_complement:
        places.append("predict.reverse_complement")
    return places + [
        f"{place}.reverse_complement"
        for place, layer in _walk(network.layers, "layers")
        if isinstance(layer, Conv) and layer.reverse_complement
    ]


def _walk(layers: Iterable[Layer], place: str) -> Iterable[tuple[str, Layer]]:
    for number, layer in enumerate(layers):
        here = f"{place}[{number}].{layer.kind}"
        yield here, layer
        if isinstance(layer, Residual):
            yield from _walk(layer.layers, f"{here}.layers")


def count_parameters(network: Network, letters: int, window: int, outputs: int) -> int:
    """Return the number of trainable parameters of a network of layers, output layer included.

    Raises
    ------
    InputError
        If a layer cannot work on what it gets.
    """
    shapes = layer_shapes(network, letters, window, network.description)
    hidden = sum(map(_parameters, network.layers, shapes))
    return hidden + (shapes[-1].channels + 1) * outputs


def _parameters(layer: Layer, shape: Shape) -> int:
    match layer:
        case Conv():
            return layer.filters * (shape.channels * layer.width + 1)
        case Dense():
            return layer.units * (shape.channels + 1)
        case BatchNorm() | LayerNorm():
            return 2 * shape.channels
        case Attention():
            return 4 * shape.channels * (shape.channels + 1)
        case Lstm() | Gru():
            # an LSTM has 4 gates of one bias each; a GRU 3 of two
            gates, biases = (4, 1) if isinstance(layer, Lstm) else (3, 2)
            inputs = [shape.channels] + [layer.channels] * (layer.layers - 1)
            directions = layer.channels // layer.units
            per_gate = (layer.units * (n + layer.units + biases) for n in inputs)
            return directions * gates * sum(per_gate)
        case Residual():
            shapes = shapes_through(layer.layers, shape, "layers")
            return sum(map(_parameters, layer.layers, shapes))
    return 0


def count_multiplications(network: Network, letters: int, window: int) -> int:
    """Return the multiplications of one forward pass of one example, about.

    Raises
    ------
    InputError
        If a layer cannot work on what it gets.
    """
    if not network.layers:
        return 0
    shapes = layer_shapes(network, letters, window, network.description)
    return sum(map(_multiplications, network.layers, shapes, shapes[1:]))


def _multiplications(layer: Layer, before: Shape, after: Shape) -> int:
    match layer:
        case Conv():
            return layer.channels * before.channels * layer.width * after.length
        case Dense():
            return layer.units * before.channels
        case Lstm() | Gru():
            return before.length * _parameters(layer, before)
        case Attention():
            c, length = before
            return 4 * c * c * length + 2 * c * length * length
        case Residual():
            shapes = shapes_through(layer.layers, before, "layers")
            return sum(map(_multiplications, layer.layers, shapes, shapes[1:]))
    return 0
