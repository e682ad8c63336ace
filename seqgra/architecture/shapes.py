"""Shapes of a network's layers, what they cost, and whether a network fits a dataset."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Iterable

from seqgra.alphabet import ALPHABETS, DNA
from seqgra.architecture.layers import (
    Attention,
    BatchNorm,
    Conv,
    Gru,
    LayerCost,
    LayerError,
    Lstm,
    PositionalEncoding,
    Shape,
    cost_through,
    shapes_through,
    walk_layers,
)
from seqgra.architecture.schema import MOST_FEATURES, MOST_WORDS, Baseline, Network
from seqgra.errors import Problem, bad_input, raise_problems

log = logging.getLogger(__name__)

#: Alphabets whose reversed order of letters is their complement.
STRANDED = ("DNA", "RNA")


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
    normalised = any(isinstance(layer, BatchNorm) for _, layer in walk_layers(network.layers))
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
    if network.layers:
        layer_shapes(network, len(ALPHABETS[alphabet].letters), window, file)
        if note := order_note(network):
            _warn_once(f"{file}: {note}")


def check_features(baseline: Baseline, alphabet: str, window: int, file: str) -> None:
    """Refuse a baseline whose features cannot be had of an alphabet and a window.

    Raises
    ------
    InputError
        Holding every problem found: both strands where there is one, too many words, a random filter that is
        wider than the window.
    """
    chosen, letters, problems = baseline.features, len(ALPHABETS[alphabet].letters), []

    def refuse(place: str, message: str) -> None:
        problems.append(Problem(file, f"features.{place}", message))

    for name, kind in chosen:
        if getattr(kind, "strands", "auto") == "both" and alphabet != DNA.name:
            refuse(f"{name}.strands", f"is both; {alphabet} has one strand")
    if (kmers := chosen.kmers) and letters**kmers.k > MOST_FEATURES:
        most = next(k for k in range(kmers.k, 0, -1) if letters**k <= MOST_FEATURES)
        message = (
            f"is {kmers.k}: {letters**kmers.k:,} features of {letters} letters; at most {most}"
        )
        refuse("kmers.k", message)
    if gapped := chosen.gapped_kmers:
        words = math.comb(gapped.length - 1, gapped.informative - 1) * letters**gapped.informative
        if words > MOST_WORDS:
            message = (
                f"is {gapped.informative}: {words:,} words of {letters} letters; use fewer letters"
            )
            refuse("gapped_kmers.informative", message)
    random = chosen.random_convolutions
    if random and random.width > window:
        refuse("random_convolutions.width", f"is {random.width}, more than the window of {window}")
    raise_problems(problems)


def order_note(network: Network) -> str:
    """Return a note on the first attention that cannot see the order of positions, if there is one.

    Without positions of its own, and without a positional encoding or a recurrent layer before it, the
    output of attention only moves when its input is permuted.
    """
    for place, layer in walk_layers(network.layers):
        if isinstance(layer, PositionalEncoding | Lstm | Gru):
            return ""
        if isinstance(layer, Attention) and layer.positions == "none":
            return (
                f"{place}: sees no order of positions; put positional-encoding before it, or give it "
                "`positions: rotary`"
            )
    return ""


@functools.cache
def _warn_once(message: str) -> None:
    log.warning(message)


def strand_keys(network: Network) -> list[str]:
    """Return the places of a file that ask for reverse complements."""
    places = []
    if network.training.augment.reverse_complement:
        places.append("training.augment.reverse_complement")
    if network.predict.reverse_complement:
        places.append("predict.reverse_complement")
    return places + [
        f"{place}.reverse_complement"
        for place, layer in walk_layers(network.layers)
        if isinstance(layer, Conv) and layer.reverse_complement
    ]


def count_parameters(network: Network, letters: int, window: int, outputs: int) -> int:
    """Return the number of trainable parameters of a network of layers, output layer included.

    Raises
    ------
    InputError
        If a layer cannot work on what it gets.
    """
    output = layer_shapes(network, letters, window, network.description)[-1]
    return network_cost(network, letters, window).parameters + (output.channels + 1) * outputs


def network_cost(network: Network, letters: int, window: int) -> LayerCost:
    """Return what the layers of a network cost, without the output layer; nothing of a module of the user's.

    Raises
    ------
    InputError
        If a layer cannot work on what it gets.
    """
    if not network.layers:
        return LayerCost()
    last = layer_shapes(network, letters, window, network.description)[-1]
    return cost_through(network.layers, Shape(letters, window)) + LayerCost(values=last.values)
