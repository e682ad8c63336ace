"""Layers of a network as frozen objects, and the short ways of writing them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

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


def _padding(given: str | int) -> str | int:
    if given in ("same", "valid") or (type(given) is int and 0 <= given <= 1_000_000):
        return given
    raise ValueError(f"is {given!r}; expected same, valid or a number of positions for each side")


class Conv(Strict):
    """Convolution over positions.

    Padding ``same`` keeps the length, ``valid`` adds nothing, a number adds so many zero positions to
    either side. With `reverse_complement` every filter is also applied reversed and complemented,
    with the same weights: 2 x `filters` channels, the second half in reversed order, so that the
    reverse complement of the input gives the output reversed in channels and positions.
    """

    kind: Literal["conv"]
    filters: Positive
    width: Positive
    stride: Positive = 1
    dilation: Positive = 1
    padding: Annotated[str | int, AfterValidator(_padding)] = "same"
    activation: Activation = "none"
    reverse_complement: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Conv:
        if self.padding == "same" and self.stride > 1:
            raise ValueError("padding: same needs stride 1; use padding: valid")
        if self.reverse_complement and self.stride > 1:
            raise ValueError("reverse_complement needs stride 1")
        if self.reverse_complement and self.padding == "same" and self.width % 2 == 0:
            raise ValueError("reverse_complement with padding: same needs an odd width")
        return self

    @property
    def channels(self) -> int:
        """Channels of the output."""
        return self.filters * (2 if self.reverse_complement else 1)


class Dense(Strict):
    """Fully connected layer."""

    kind: Literal["dense"]
    units: Positive
    activation: Activation = "none"


class Dropout(Strict):
    """Dropout with the share of values set to zero."""

    kind: Literal["dropout"]
    rate: Rate


class BatchNorm(Strict):
    """Batch normalisation over channels (before flatten) or units (after).

    `momentum` is the weight of the newest batch in the running mean and variance.
    """

    kind: Literal["batch-norm"]
    momentum: Tiny = 0.1
    epsilon: Tiny = 1e-5


class LayerNorm(Strict):
    """Layer normalisation over the channels of each position (before flatten) or units (after)."""

    kind: Literal["layer-norm"]
    epsilon: Tiny = 1e-5


class Activate(Strict):
    """An activation by itself, such as the one after batch normalisation."""

    kind: Literal["activation"]
    function: Activation


class MaxPool(Strict):
    """Maximum over windows of positions; stride = width unless given."""

    kind: Literal["max-pool"]
    width: Positive
    stride: Positive | None = None


class AveragePool(Strict):
    """Mean over windows of positions; stride = width unless given."""

    kind: Literal["average-pool"]
    width: Positive
    stride: Positive | None = None


class GlobalMaxPool(Strict):
    """Maximum over all positions, one value a channel."""

    kind: Literal["global-max-pool"]


class GlobalAveragePool(Strict):
    """Mean over all positions, one value a channel."""

    kind: Literal["global-average-pool"]


class Flatten(Strict):
    """All channels and positions as one vector, channel by channel."""

    kind: Literal["flatten"]


class _Recurrent(Strict):
    """Options of recurrent layers; `dropout` acts between stacked layers.

    Output ``positions`` keeps every position, ``last`` the state after the last letter read (in each
    direction).
    """

    units: Positive
    layers: Annotated[int, Field(ge=1, le=8)] = 1
    bidirectional: bool = False
    dropout: Rate = 0.0
    output: Literal["positions", "last"] = "positions"

    @property
    def channels(self) -> int:
        """Channels of the output."""
        return self.units * (2 if self.bidirectional else 1)


class Lstm(_Recurrent):
    """Long short-term memory over positions."""

    kind: Literal["lstm"]


class Gru(_Recurrent):
    """Gated recurrent units over positions."""

    kind: Literal["gru"]


class Attention(Strict):
    """Multi-head self-attention over positions (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762).

    softmax(Q K^T / sqrt(d)) V in each head, d = channels / heads, then a dense layer over heads.
    It sees no order by itself. `dropout` acts on the attention weights.
    """

    kind: Literal["attention"]
    heads: Positive = 1
    dropout: Rate = 0.0


class Residual(Strict):
    """The input added to what `layers` make of it, then an activation (He et al. 2016).

    doi:10.1109/CVPR.2016.90
    """

    kind: Literal["residual"]
    layers: Annotated[
        tuple[Layer, ...], BeforeValidator(lambda given: read_layers(given)), Field(min_length=1)
    ]
    activation: Activation = "none"


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
    | Flatten
    | Lstm
    | Gru
    | Attention
    | Residual,
    Field(discriminator="kind"),
]
Residual.model_rebuild()

#: Layers that may be written with one number, word or list: `dropout: 0.3`.
_SHORT = {
    "dropout": "rate",
    "dense": "units",
    "activation": "function",
    "max-pool": "width",
    "average-pool": "width",
    "lstm": "units",
    "gru": "units",
    "attention": "heads",
    "residual": "layers",
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
    return {"kind": kind} if options is None else {"kind": kind, _SHORT.get(kind, "value"): options}
