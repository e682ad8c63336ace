"""The family of small networks that can be compiled whole (`backends.compiled.network`)."""

from __future__ import annotations

from typing import Any, NamedTuple

from seqgra.architecture.layers import (
    Activate,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalMaxPool,
    Layer,
    MaxPool,
)
from seqgra.architecture.optimizers import Adam, AdamW, Sgd
from seqgra.architecture.schema import Augment, Network

#: More filters or units are left to PyTorch, whose matrix products are faster from there on.
MOST_FILTERS, MOST_UNITS = 64, 64


class Family(NamedTuple):
    """The layers of a network that can be compiled whole, one after another; None where one is left out."""

    #: The convolution, and the batch normalisation between it and its ReLU.
    conv: Conv
    normal: BatchNorm | None
    #: Positions in a maximum: 1 for none, 0 for all.
    pool: int
    #: Rates after the first layer and after the dense one.
    dropout: tuple[float, float]
    #: The dense layer, and the batch normalisation between it and its ReLU.
    dense: Dense
    dense_normal: BatchNorm | None


class _Reader:
    """Takes layers one after another."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self._left = list(layers)

    def take(self, kind: type) -> Any:
        """Return the next layer if it is of a kind, else None."""
        return self._left.pop(0) if self._left and type(self._left[0]) is kind else None

    def rectified(self, layer: Conv | Dense) -> tuple[bool, BatchNorm | None]:
        """Take what follows a layer up to its ReLU; return whether there is one, and the normalisation."""
        if layer.activation == "relu":
            return True, None
        normal = self.take(BatchNorm)
        activate = self.take(Activate)
        is_relu = layer.activation == "none" and activate and activate.function == "relu"
        return bool(is_relu), normal

    @property
    def empty(self) -> bool:
        """Whether no layer is left."""
        return not self._left


def family_of(network: Network) -> Family | None:
    """Return a network's layers if its training can be compiled whole, else None.

    That takes SGD, Adam or AdamW, without augmentation and mixed precision, and layers of the family.
    """
    plan = network.training
    plain = plan.precision == "float32" and not plan.compile and plan.augment == Augment()
    known = isinstance(network.optimizer.settings, Sgd | Adam | AdamW)
    return family_layers(network) if plain and known else None


def family_layers(network: Network) -> Family | None:
    """Return a network's layers if they are of the family, else None.

    These are convolution, [batch normalisation,] ReLU, [dropout,] flattening, maxima or one maximum over
    all positions, [dropout,] dense layer, [batch normalisation,] ReLU [and dropout], in this order.
    """
    if network.module is not None:
        return None
    read = _Reader(network.layers)
    conv: Conv | None = read.take(Conv)
    if (
        conv is None
        or conv.groups > 1
        or not conv.bias
        or conv.filters * (1 + conv.reverse_complement) > MOST_FILTERS
    ):
        return None
    rectified, normal = read.rectified(conv)
    before: Dropout | None = read.take(Dropout)
    pool = 1
    if maximum := read.take(MaxPool):
        pool = maximum.width
        if maximum.stride not in (None, pool) or before:
            return None
    if read.take(GlobalMaxPool):
        if pool > 1 or before:
            return None
        pool = 0
    elif read.take(Flatten) is None:
        return None
    after: Dropout | None = read.take(Dropout)
    dense: Dense | None = read.take(Dense)
    if not rectified or (before and after) or dense is None or dense.units > MOST_UNITS:
        return None
    dense_rectified, dense_normal = read.rectified(dense)
    last: Dropout | None = read.take(Dropout)
    if not dense_rectified or not read.empty:
        return None
    first = before or after
    rates = (first.rate if first else 0.0, last.rate if last else 0.0)
    return Family(conv, normal, pool, rates, dense, dense_normal)
