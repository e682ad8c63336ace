"""`defaults: library`: what an architecture leaves out is what the library that trains it would take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from seqgra.architecture.layers import BatchNorm, Layer, LayerNorm, Residual
from seqgra.architecture.optimizers import (
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Optimizer,
    RmsProp,
    Sgd,
)
from seqgra.architecture.schema import Network
from seqgra.errors import bad_input
from seqgra.yamlfile import Strict

#: By backend: where the library's own value is another than ours.
OWN: dict[str, dict[type[Strict], dict[str, float]]] = {
    "pytorch": {
        Sgd: {"momentum": 0.0},
        RmsProp: {"learning_rate": 0.01, "decay": 0.99},
    },
    "tensorflow": {
        BatchNorm: {"momentum": 0.01, "epsilon": 1e-3},
        LayerNorm: {"epsilon": 1e-3},
        Sgd: {"learning_rate": 0.01, "momentum": 0.0},
        Adam: {"epsilon": 1e-7},
        AdamW: {"epsilon": 1e-7, "weight_decay": 0.004},
        RmsProp: {"epsilon": 1e-7},
        Adagrad: {"learning_rate": 0.001, "initial_accumulator": 0.1, "epsilon": 1e-7},
        Adadelta: {"learning_rate": 0.001, "decay": 0.95, "epsilon": 1e-7},
        Adamax: {"learning_rate": 0.001, "epsilon": 1e-7},
    },
}
_Own = Mapping[type[Strict], Mapping[str, float]]
_Part = TypeVar("_Part", bound=Strict)


def with_defaults(network: Network, backend: str, file: str) -> Network:
    """Return the network with every value that its file leaves out, as its `defaults` ask.

    Values that it says are kept. Doing so twice changes nothing.

    Raises
    ------
    InputError
        If the library's own values contradict what the file says.
    """
    if network.defaults == "seqgra":
        return network
    own = OWN[backend]
    return network.model_copy(
        update={
            "layers": _layers(network.layers, own),
            "optimizer": _optimizer(network.optimizer, own, f"{file}: optimizer"),
            "tune": tuple(_optimizer(o, own, f"{file}: tune") for o in network.tune),
        }
    )


def _layers(layers: Iterable[Layer], own: _Own) -> tuple[Layer, ...]:
    return tuple(
        layer.model_copy(update={"layers": _layers(layer.layers, own)})
        if isinstance(layer, Residual)
        else _completed(layer, own)
        for layer in layers
    )


def _optimizer(chosen: Optimizer, own: _Own, place: str) -> Optimizer:
    ((name, settings),) = ((name, value) for name, value in chosen if value is not None)
    completed = _completed(settings, own)
    if isinstance(completed, Sgd) and completed.nesterov and not completed.momentum:
        message = "nesterov needs a momentum, and the library's own is 0; say how large it is"
        raise bad_input(place, "sgd", message)
    return chosen.model_copy(update={name: completed})


def _completed(part: _Part, own: _Own) -> _Part:
    """Return a part with the library's own values where none were given."""
    values = own.get(type(part), {})
    given = part.model_fields_set
    return part.model_copy(update={k: v for k, v in values.items() if k not in given})
