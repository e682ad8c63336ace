"""Layers of a network as frozen objects: options, output shape, cost; and the short ways of writing them.

What a layer does to values stands in `backends.pytorch_layers` and `backends.tensorflow_layers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from seqgra.yamlfile import Strict

Activation = Literal[
    "none",
    "relu",
    "leaky-relu",
    "elu",
    "gelu",
    "silu",
    "sigmoid",
    "tanh",
    "softplus",
    "exponential",
]
Positive = Annotated[int, Field(ge=1, le=1_000_000)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Tiny = Annotated[float, Field(gt=0, lt=1)]


class Shape(NamedTuple):
    """Shape of one example between layers: channels and positions; length 0 once flattened."""

    channels: int
    length: int

    @property
    def flat(self) -> bool:
        """Whether the values are one vector."""
        return self.length == 0

    @property
    def values(self) -> int:
        """Numbers of one example."""
        return self.channels * max(self.length, 1)

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


class LayerCost(NamedTuple):
    """Of one forward pass of one example."""

    #: Trainable ones.
    parameters: int = 0
    #: About how many.
    multiplications: int = 0
    #: Numbers that stay in memory for the backward pass.
    values: int = 0

    def __add__(self, other: LayerCost) -> LayerCost:  # type: ignore[override]
        return LayerCost(*(ours + theirs for ours, theirs in zip(self, other, strict=True)))


class LayerRow(NamedTuple):
    """A layer, or what joins layers, of a network that is described."""

    #: How many other layers it lies in.
    depth: int
    #: Word of the layer in an architecture file; ``input`` and ``output`` of the two ends.
    kind: str
    #: The kind with those options that are not the defaults.
    text: str
    #: Of one example after it.
    shape: Shape
    #: Parameters and multiplications; of a layer that holds others, theirs too.
    cost: LayerCost


class Part(Strict):
    """Base of layers: by itself one that keeps the shape and has no parameters."""

    of_positions: ClassVar[bool] = False

    def shape_after(self, shape: Shape, place: str) -> Shape:
        """Return the shape after the layer, which stands at `place` of a file.

        Raises
        ------
        ValueError
            If it cannot work on `shape`.
        LayerError
            The same of a layer inside of it.
        """
        return shape

    def cost(self, shape: Shape) -> LayerCost:
        """Return parameters, multiplications and values of the layer, given its input's shape."""
        return LayerCost(values=shape.values)

    def inside(self) -> Iterator[tuple[str, tuple[Layer, ...]]]:
        """Yield the lists of layers that a layer holds, with the key that each stands at."""
        yield from ()


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
            if layer.of_positions and shapes[-1].flat:
                raise ValueError("needs positions, but the values are already one vector")
            shapes.append(layer.shape_after(shapes[-1], here))
        except ValueError as error:
            raise LayerError(here, str(error)) from None
    return shapes


def cost_through(layers: Iterable[Layer], shape: Shape) -> LayerCost:
    """Return what layers cost together."""
    total = LayerCost()
    layers = tuple(layers)
    for layer, before in zip(layers, shapes_through(layers, shape, "layers"), strict=False):
        total += layer.cost(before)
    return total


def walk_layers(layers: Iterable[Layer], place: str = "layers") -> Iterator[tuple[str, Layer]]:
    """Yield every layer with its place in the file, those inside of others after them."""
    for number, layer in enumerate(layers):
        here = f"{place}[{number}].{layer.kind}"
        yield here, layer
        for key, held in layer.inside():
            yield from walk_layers(held, f"{here}.{key}")


def _padding(given: str | int) -> str | int:
    if given in ("same", "valid") or (type(given) is int and 0 <= given <= 1_000_000):
        return given
    raise ValueError(f"is {given!r}; expected same, valid or a number of positions for each side")


class Conv(Part):
    """Convolution over positions.

    Padding ``same`` keeps the length, ``valid`` adds nothing, a number adds so many zero positions to
    either side. With `reverse_complement` every filter is also applied reversed and complemented,
    with the same weights: 2 x `filters` channels, the second half in reversed order, so that the
    reverse complement of the input gives the output reversed in channels and positions. Of several
    `groups`, each sees its share of the channels alone; as many groups as channels is a depthwise one.
    """

    of_positions = True
    kind: Literal["conv"]
    filters: Positive
    width: Positive
    stride: Positive = 1
    dilation: Positive = 1
    groups: Positive = 1
    padding: Annotated[str | int, AfterValidator(_padding)] = "same"
    activation: Activation = "none"
    #: Whether each filter has a summand; before batch normalisation it changes nothing.
    bias: bool = True
    reverse_complement: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Conv:
        if self.padding == "same" and self.stride > 1:
            raise ValueError("padding: same needs stride 1; use padding: valid")
        if self.reverse_complement and self.stride > 1:
            raise ValueError("reverse_complement needs stride 1")
        if self.reverse_complement and self.padding == "same" and self.width % 2 == 0:
            raise ValueError("reverse_complement with padding: same needs an odd width")
        if self.reverse_complement and self.groups > 1:
            raise ValueError("reverse_complement needs one group")
        if self.filters % self.groups:
            raise ValueError(
                f"{self.filters} filters cannot be shared by {self.groups} groups evenly"
            )
        return self

    @property
    def channels(self) -> int:
        """Channels of the output."""
        return self.filters * (2 if self.reverse_complement else 1)

    def shape_after(self, shape: Shape, place: str) -> Shape:
        """Return the shape after the convolution."""
        if shape.channels % self.groups:
            raise ValueError(
                f"its {self.groups} groups cannot share {shape.channels} channels evenly"
            )
        return Shape(self.channels, self._length(shape.length))

    def _length(self, length: int) -> int:
        if self.padding == "same":
            return length
        padded = length + (2 * self.padding if isinstance(self.padding, int) else 0)
        reach = self.dilation * (self.width - 1) + 1
        if reach > padded:
            raise ValueError(f"reaches over {reach} positions, but only {padded} are left")
        return (padded - reach) // self.stride + 1

    def cost(self, shape: Shape) -> LayerCost:
        """Return the weights and biases, and their products at every position."""
        weights = shape.channels // self.groups * self.width
        times = self.channels * weights * self._length(shape.length)
        return LayerCost(self.filters * (weights + self.bias), times, shape.values)


class Dense(Part):
    """Fully connected layer."""

    kind: Literal["dense"]
    units: Positive
    activation: Activation = "none"

    def shape_after(self, shape: Shape, place: str) -> Shape:
        """Return the shape after the layer."""
        if not shape.flat:
            raise ValueError("needs one vector; put flatten or global-max-pool before it")
        return Shape(self.units, 0)

    def cost(self, shape: Shape) -> LayerCost:
        """Return weights and biases."""
        times = self.units * shape.channels
        return LayerCost(times + self.units, times, shape.values)


class Dropout(Part):
    """Dropout with the share of values set to zero."""

    kind: Literal["dropout"]
    rate: Rate


class BatchNorm(Part):
    """Batch normalisation over channels (before flatten) or units (after).

    `momentum` is the weight of the newest batch in the running mean and variance.
    """

    kind: Literal["batch-norm"]
    momentum: Tiny = 0.1
    epsilon: Tiny = 1e-5

    def cost(self, shape: Shape) -> LayerCost:
        """Return a factor and a summand a channel."""
        return LayerCost(2 * shape.channels, 0, shape.values)


class LayerNorm(Part):
    """Layer normalisation over the channels of each position (before flatten) or units (after)."""

    kind: Literal["layer-norm"]
    epsilon: Tiny = 1e-5

    def cost(self, shape: Shape) -> LayerCost:
        """Return a factor and a summand a channel."""
        return LayerCost(2 * shape.channels, 0, shape.values)


class Activate(Part):
    """An activation by itself, such as the one after batch normalisation."""

    kind: Literal["activation"]
    function: Activation


class _Pool(Part):
    """Windows of positions; stride = width unless given."""

    of_positions = True
    width: Positive
    stride: Positive | None = None

    def shape_after(self, shape: Shape, place: str) -> Shape:
        """Return the shape after pooling."""
        if self.width > shape.length:
            message = f"is {self.width} wide, but only {shape.length} positions are left"
            raise ValueError(message)
        return Shape(shape.channels, (shape.length - self.width) // (self.stride or self.width) + 1)


class MaxPool(_Pool):
    """Maximum over windows of positions; stride = width unless given."""

    kind: Literal["max-pool"]


class AveragePool(_Pool):
    """Mean over windows of positions; stride = width unless given."""

    kind: Literal["average-pool"]


class _GlobalPool(Part):
    """All positions, one value a channel."""

    of_positions = True

    def shape_after(self, shape: Shape, place: str) -> Shape:
        """Return the shape after pooling."""
        return Shape(shape.channels, 0)


class GlobalMaxPool(_GlobalPool):
    """Maximum over all positions, one value a channel."""

    kind: Literal["global-max-pool"]


class GlobalAveragePool(_GlobalPool):
    """Mean over all positions, one value a channel."""

    kind: Literal["global-average-pool"]


class AttentionPool(Part):
    """Mean over all positions, weighted by a softmax over positions of one dense unit a head.

    Each head gives one value a channel: heads x channels values (Ilse et al. 2018,
    doi:10.48550/arXiv.1802.04712, without the hidden layer).
    """

    of_positions = True
    kind: Literal["attention-pool"]
    heads: Positive = 1

    def shape_after(self, shape: Shape, place: str) -> Shape:
        """Return the shape after pooling."""
        return Shape(self.heads * shape.channels, 0)

    def cost(self, shape: Shape) -> LayerCost:
        """Return the dense layer, and both products."""
        parameters = self.heads * (shape.channels + 1)
        return LayerCost(parameters, 2 * self.heads * shape.values, shape.values)


class Flatten(Part):
    """All channels and positions as one vector, channel by channel."""

    of_positions = True
    kind: Literal["flatten"]

    def shape_after(self, shape: Shape, place: str) -> Shape:
        """Return the length of the vector."""
        return Shape(shape.values, 0)


class _Recurrent(Part):
    """Options of recurrent layers; `dropout` acts between stacked layers.

    Output ``positions`` keeps every position, ``last`` the state after the last letter read (in each
    direction).
    """

    of_positions = True
    #: Gates, and biases of each.
    gates: ClassVar[tuple[int, int]]
    units: Positive
    layers: Annotated[int, Field(ge=1, le=8)] = 1
    bidirectional: bool = False
    dropout: Rate = 0.0
    output: Literal["positions", "last"] = "positions"

    @property
    def channels(self) -> int:
        """Channels of the output."""
        return self.units * (2 if self.bidirectional else 1)

    def shape_after(self, shape: Shape, place: str) -> Shape:
        """Return the shape of the states."""
        return Shape(self.channels, shape.length if self.output == "positions" else 0)

    def cost(self, shape: Shape) -> LayerCost:
        """Return the weights of all gates, which every position multiplies."""
        gates, biases = self.gates
        inputs = [shape.channels] + [self.channels] * (self.layers - 1)
        per_gate = sum(self.units * (n + self.units + biases) for n in inputs)
        parameters = self.channels // self.units * gates * per_gate
        return LayerCost(parameters, shape.length * parameters, shape.values)


class Lstm(_Recurrent):
    """Long short-term memory over positions."""

    gates = (4, 1)
    kind: Literal["lstm"]


class Gru(_Recurrent):
    """Gated recurrent units over positions."""

    gates = (3, 2)
    kind: Literal["gru"]


class PositionalEncoding(Part):
    """Adds to each channel of each position a number that says where it is.

    ``sinusoidal``: sines and cosines of wavelengths from 2 pi to 20,000 pi positions (Vaswani et al. 2017,
    doi:10.48550/arXiv.1706.03762). ``learned``: parameters, drawn from a normal distribution of standard
    deviation 0.02 (Devlin et al. 2019, doi:10.18653/v1/N19-1423).
    """

    of_positions = True
    kind: Literal["positional-encoding"]
    encoding: Literal["learned", "sinusoidal"] = "learned"

    def cost(self, shape: Shape) -> LayerCost:
        """Return one parameter a channel and position where they are learned."""
        return LayerCost(shape.values if self.encoding == "learned" else 0, 0, shape.values)


class Attention(Part):
    """Multi-head self-attention over positions (Vaswani et al. 2017, doi:10.48550/arXiv.1706.03762).

    softmax(Q K^T / sqrt(d)) V in each head, d = channels / heads, then a dense layer over heads.
    `dropout` acts on the attention weights. By itself it sees no order; `positions` may be ``rotary``
    (Q and K turned by an angle that grows with the position, Su et al. 2021,
    doi:10.48550/arXiv.2104.09864) or ``relative`` (a learned summand for each head and distance, from 0;
    Raffel et al. 2020, doi:10.48550/arXiv.1910.10683, without bins).
    """

    of_positions = True
    kind: Literal["attention"]
    heads: Positive = 1
    dropout: Rate = 0.0
    positions: Literal["none", "rotary", "relative"] = "none"

    def shape_after(self, shape: Shape, place: str) -> Shape:
        """Return the same shape, which the heads must be able to share."""
        if shape.channels % self.heads:
            message = f"its {self.heads} heads cannot share {shape.channels} channels evenly"
            raise ValueError(message)
        if self.positions == "rotary" and shape.channels // self.heads % 2:
            width = shape.channels // self.heads
            raise ValueError(
                f"positions: rotary needs an even number of channels a head, not {width}"
            )
        return shape

    def cost(self, shape: Shape) -> LayerCost:
        """Return four dense layers, and two products of all positions with all."""
        c, length = shape
        parameters = 4 * c * (c + 1)
        if self.positions == "relative":
            parameters += self.heads * (2 * length - 1)
        held = shape.values + self.heads * length**2
        return LayerCost(parameters, 4 * c * c * length + 2 * c * length**2, held)


class Gate(Part):
    """Gated linear unit: the first half of the channels times an activation of the second half.

    With ``sigmoid`` that of Dauphin et al. 2017 (doi:10.48550/arXiv.1612.08083); with others those of
    Shazeer 2020 (doi:10.48550/arXiv.2002.05202).
    """

    kind: Literal["gate"]
    function: Activation = "sigmoid"

    def shape_after(self, shape: Shape, place: str) -> Shape:
        """Return half the channels."""
        if shape.channels % 2:
            raise ValueError(f"needs an even number of channels to halve, not {shape.channels}")
        return Shape(shape.channels // 2, shape.length)


class SqueezeExcite(Part):
    """Every channel times a number from 0 to 1 that follows from the means of all channels.

    Mean over positions, dense layer of `units`, activation, dense layer, sigmoid (Hu et al. 2018,
    doi:10.1109/CVPR.2018.00745).
    """

    of_positions = True
    kind: Literal["squeeze-excite"]
    units: Positive
    activation: Activation = "relu"

    def cost(self, shape: Shape) -> LayerCost:
        """Return the two dense layers."""
        c = shape.channels
        parameters = self.units * (c + 1) + c * (self.units + 1)
        return LayerCost(parameters, 2 * self.units * c + shape.values, 2 * shape.values)


Layers = Annotated[tuple["Layer", ...], BeforeValidator(lambda given: read_layers(given))]


class Residual(Part):
    """The input added to the output of `layers`, then an activation (He et al. 2016).

    With `projection` the input passes a convolution of width 1 (or a dense layer, after flattening) that
    gives it the channels and, by its stride, the positions of that output. doi:10.1109/CVPR.2016.90
    """

    kind: Literal["residual"]
    layers: Annotated[Layers, Field(min_length=1)]
    projection: bool = False
    activation: Activation = "none"

    def shape_after(self, shape: Shape, place: str) -> Shape:
        """Return the shape after the layers inside; without a projection they must keep it."""
        after = shapes_through(self.layers, shape, f"{place}.layers")[-1]
        if not self.projection and after != shape:
            message = f"its layers turn {shape} into {after}; they must keep the shape, or give it "
            raise ValueError(f"{message}`projection: true`")
        if self.projection:
            self.stride(shape, after)
        return after

    @staticmethod
    def stride(before: Shape, after: Shape) -> int:
        """Return the stride of a projection from one shape to another.

        Raises
        ------
        ValueError
            If there is none.
        """
        if before.flat or after.flat:
            if before.flat and after.flat:
                return 1
            raise ValueError(f"no projection turns {before} into {after}")
        strides = range(1, before.length + 1)
        fitting = [n for n in strides if (before.length - 1) // n + 1 == after.length]
        if not fitting:
            raise ValueError(f"no projection turns {before} into {after}")
        return fitting[0]

    def cost(self, shape: Shape) -> LayerCost:
        """Return what the layers inside and the projection cost."""
        total = cost_through(self.layers, shape) + LayerCost(values=shape.values)
        if not self.projection:
            return total
        after = self.shape_after(shape, "layers")
        weights = shape.channels * after.channels
        return total + LayerCost(weights + after.channels, weights * max(after.length, 1))

    def inside(self) -> Iterator[tuple[str, tuple[Layer, ...]]]:
        """Yield the layers inside."""
        yield "layers", self.layers


def _paths(given: Any) -> Any:
    return [read_layers(path) for path in given] if isinstance(given, (list, tuple)) else given


class Branches(Part):
    """Lists of layers that all get the input; an empty one passes it on.

    Their outputs become more channels (``concatenate``; all must have as many positions), or are added or
    multiplied (all must have the same shape).
    """

    kind: Literal["branches"]
    paths: Annotated[tuple[tuple[Layer, ...], ...], BeforeValidator(_paths), Field(min_length=2)]
    join: Literal["concatenate", "sum", "product"] = "concatenate"

    def shape_after(self, shape: Shape, place: str) -> Shape:
        """Return the shape after joining."""
        ends = [
            shapes_through(path, shape, f"{place}.paths[{number}]")[-1]
            for number, path in enumerate(self.paths)
        ]
        if self.join == "concatenate":
            if len({end.length for end in ends}) > 1:
                listed = "; ".join(map(str, ends))
                raise ValueError(f"its paths end in {listed}; they must have as many positions")
            return Shape(sum(end.channels for end in ends), ends[0].length)
        if len(set(ends)) > 1:
            listed = "; ".join(map(str, ends))
            raise ValueError(f"its paths end in {listed}; for a {self.join} they must be alike")
        return ends[0]

    def cost(self, shape: Shape) -> LayerCost:
        """Return what all paths cost, and the joined values."""
        total = LayerCost(values=self.shape_after(shape, "layers").values)
        for path in self.paths:
            total += cost_through(path, shape)
        return total

    def inside(self) -> Iterator[tuple[str, tuple[Layer, ...]]]:
        """Yield the paths."""
        for number, path in enumerate(self.paths):
            yield f"paths[{number}]", path


class Repeat(Part):
    """`layers` several times, each with weights of its own.

    With `dilation` ``double`` the dilation of every convolution in them doubles from one time to the next.
    """

    kind: Literal["repeat"]
    times: Annotated[int, Field(ge=1, le=100)]
    layers: Annotated[Layers, Field(min_length=1)]
    dilation: Literal["same", "double"] = "same"

    @property
    def unrolled(self) -> tuple[Layer, ...]:
        """All layers, one after another."""
        if self.dilation == "same":
            return self.layers * self.times
        return tuple(
            _dilated(layer, 2**time) for time in range(self.times) for layer in self.layers
        )

    def shape_after(self, shape: Shape, place: str) -> Shape:
        """Return the shape after the last of them."""
        unrolled, count = self.unrolled, len(self.layers)
        for time in range(self.times):
            layers = unrolled[time * count : (time + 1) * count]
            try:
                shape = shapes_through(layers, shape, f"{place}.layers")[-1]
            except LayerError as error:
                raise LayerError(error.place, f"{error.message} (time {time + 1})") from None
        return shape

    def cost(self, shape: Shape) -> LayerCost:
        """Return what all of them cost."""
        return cost_through(self.unrolled, shape)

    def inside(self) -> Iterator[tuple[str, tuple[Layer, ...]]]:
        """Yield the layers, once."""
        yield "layers", self.layers


def _dilated(layer: Layer, factor: int) -> Layer:
    """Return a layer with the dilation of each convolution in it times `factor`."""
    match layer:
        case Conv():
            return layer.model_copy(update={"dilation": layer.dilation * factor})
        case Residual() | Repeat():
            inside = tuple(_dilated(each, factor) for each in layer.layers)
            return layer.model_copy(update={"layers": inside})
        case Branches():
            paths = tuple(tuple(_dilated(each, factor) for each in path) for path in layer.paths)
            return layer.model_copy(update={"paths": paths})
    return layer


Layer = Annotated[
    Conv
    | Dense
    | Dropout
    | BatchNorm
    | LayerNorm
    | Activate
    | MaxPool
    | AveragePool
    | GlobalMaxPool
    | GlobalAveragePool
    | AttentionPool
    | Flatten
    | Lstm
    | Gru
    | PositionalEncoding
    | Attention
    | Gate
    | SqueezeExcite
    | Residual
    | Branches
    | Repeat,
    Field(discriminator="kind"),
]

#: Layers that may be written with one number, word or list: `dropout: 0.3`.
SHORT = {
    "dropout": "rate",
    "dense": "units",
    "activation": "function",
    "max-pool": "width",
    "average-pool": "width",
    "lstm": "units",
    "gru": "units",
    "attention": "heads",
    "attention-pool": "heads",
    "positional-encoding": "encoding",
    "gate": "function",
    "squeeze-excite": "units",
    "residual": "layers",
    "branches": "paths",
}


def read_layers(given: Any) -> Any:
    """Turn ``flatten`` and ``conv: {...}`` into ``{kind: ...}`` mappings.

    Raises
    ------
    ValueError
        If a layer has several names or none.
    """
    if not isinstance(given, (list, tuple)):
        return given
    return [_layer(item, number) for number, item in enumerate(given)]


def _layer(item: Any, number: int) -> Any:
    if isinstance(item, str):
        return {"kind": item}
    if not isinstance(item, dict) or "kind" in item:
        return item
    if len(item) != 1:
        raise ValueError(
            f"layer {number} must have one key, such as conv; it has {', '.join(map(str, item))}"
        )
    ((kind, options),) = item.items()
    if isinstance(options, dict):
        return {"kind": kind, **options}
    return {"kind": kind} if options is None else {"kind": kind, SHORT.get(kind, "value"): options}
