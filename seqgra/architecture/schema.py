"""The architecture file as frozen objects: layers, loss, optimiser, training; or a baseline."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from seqgra.yamlfile import Strict

Activation = Literal["none", "relu", "gelu", "sigmoid", "tanh", "softplus", "exponential"]
Positive = Annotated[int, Field(ge=1, le=1_000_000)]
Rate = Annotated[float, Field(ge=0, lt=1)]


class Conv(Strict):
    """Convolution over positions; padding same keeps the length."""

    kind: Literal["conv"]
    filters: Positive
    width: Positive
    stride: Positive = 1
    dilation: Positive = 1
    padding: Literal["same", "valid"] = "same"
    activation: Activation = "none"

    @model_validator(mode="after")
    def _same_needs_stride_one(self) -> Conv:
        if self.padding == "same" and self.stride > 1:
            raise ValueError("padding: same needs stride 1; use padding: valid")
        return self


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
    """Batch normalisation over channels (before flatten) or units (after)."""

    kind: Literal["batch-norm"]


class Activate(Strict):
    """An activation by itself, such as the one after batch normalisation."""

    kind: Literal["activation"]
    function: Activation


class MaxPool(Strict):
    """Maximum over windows of positions; stride = width unless given."""

    kind: Literal["max-pool"]
    width: Positive
    stride: Positive | None = None


class GlobalMaxPool(Strict):
    """Maximum over all positions, one value a channel."""

    kind: Literal["global-max-pool"]


class Flatten(Strict):
    """All channels and positions as one vector."""

    kind: Literal["flatten"]


Layer = Annotated[
    Conv | Dense | Dropout | BatchNorm | Activate | MaxPool | GlobalMaxPool | Flatten,
    Field(discriminator="kind"),
]

#: Layers that may be written with one number or word: `dropout: 0.3`.
_SHORT = {"dropout": "rate", "dense": "units", "activation": "function", "max-pool": "width"}


def _layers(given: Any) -> Any:
    """Turn ``flatten`` and ``conv: {...}`` into ``{kind: ...}`` mappings."""
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


class Sgd(Strict):
    """Stochastic gradient descent."""

    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    momentum: Rate = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class Adam(Strict):
    """Adam (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980)."""

    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class Optimizer(Strict):
    """Exactly one optimiser with its parameters."""

    sgd: Sgd | None = None
    adam: Adam | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Optimizer:
        if (self.sgd is None) == (self.adam is None):
            raise ValueError("needs exactly one of sgd, adam")
        return self

    @property
    def learning_rate(self) -> float:
        """The initial learning rate."""
        chosen = self.sgd or self.adam
        assert chosen is not None
        return chosen.learning_rate


class Training(Strict):
    """How long and in what portions to train; the epoch of lowest validation loss is kept."""

    batch_size: Positive = 32
    epochs: Positive = 100
    patience: Positive = 10
    shuffle: bool = True


class Network(Strict):
    """A neural network: layers before the implied output layer, and how to train it."""

    description: str = ""
    layers: Annotated[tuple[Layer, ...], BeforeValidator(_layers)]
    loss: Literal["auto", "cross-entropy"] = "auto"
    optimizer: Optimizer = Optimizer(sgd=Sgd())
    training: Training = Training()


class Kmers(Strict):
    """Counts of all k-mers as features, at most `MOST_FEATURES` of them."""

    k: Annotated[int, Field(ge=1, le=8)] = 5


class PwmScan(Strict):
    """Best log-odds score of each of the grammar's elements as features."""


#: Features of a baseline at most, so that their dense float32 matrix stays in memory.
MOST_FEATURES = 65_536


class Features(Strict):
    """Exactly one kind of features."""

    kmers: Kmers | None = None
    pwm_scan: PwmScan | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Features:
        if (self.kmers is None) == (self.pwm_scan is None):
            raise ValueError("needs exactly one of kmers, pwm_scan")
        return self


class Baseline(Strict):
    """Logistic regression on fixed features, which shows whether a network is needed."""

    description: str = ""
    backend: Literal["sklearn"]
    features: Features
    #: Inverse strengths of the L2 penalty to try; the lowest validation loss wins.
    penalties: tuple[Annotated[float, Field(gt=0)], ...] = (0.001, 0.01, 0.1, 1.0)


Architecture = Network | Baseline
