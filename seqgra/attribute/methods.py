"""Attribution methods: what each needs of a model, its options, and where it is defined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from seqgra.architecture.layers import Conv, walk_layers
from seqgra.architecture.schema import Network
from seqgra.attribute import gradients, mutagenesis, sufficient_subsets
from seqgra.errors import Problem
from seqgra.yamlfile import suggest

#: What a method is computed from: gradients of the model, their means along paths; gradients or maps by
#: rules for layers of a PyTorch module; predictions; predictions of masked sequences.
Source = Literal[
    "gradients", "paths", "guided", "deconvolution", "multipliers", "maps", "predictions", "masking"
]
_MODULE = ("guided", "deconvolution", "multipliers", "maps")
#: Steps that follow from the gaps of completeness: doubled from the first to the last number, in the
#: explanations that the gate needs.
AUTO, FIRST_STEPS, MOST_STEPS = "auto", 25, 3200
#: Where they are `AUTO`: steps of a background-only input, and gradients that an example takes on average.
NULL_STEPS, AUTO_STEPS_EXPECTED = 50, 300


class Method(NamedTuple):
    """An attribution method."""

    #: ``function(source, inputs, target, **settings)``, values float32 (N, A, L).
    function: Callable[..., np.ndarray]
    #: What it is computed from.
    source: Source
    #: True for contributions to the logit (a position's score is the sum over letters), False for
    #: sensitivities (the norm over letters).
    signed: bool
    #: What it is and where it was published; without a DOI, the address.
    description: str
    doi: str
    #: The options that change its values.
    settings: tuple[str, ...] = ()
    #: Whether its values sum up to the difference from the baseline.
    complete: bool = False
    #: What its values cannot tell, if anything.
    warning: str = ""


_UPPER = "it hardly depends on the weights of upper layers (doi:10.48550/arXiv.1810.03292)"
METHODS: dict[str, Method] = {
    "gradient": Method(
        gradients.gradient,
        "gradients",
        False,
        "gradient of the logit",
        "10.48550/arXiv.0912.1128",
    ),
    "saliency": Method(
        gradients.saliency,
        "gradients",
        False,
        "absolute gradient of the logit",
        "10.48550/arXiv.1312.6034",
    ),
    "gradient-x-input": Method(
        gradients.gradient_x_input,
        "gradients",
        True,
        "gradient at the observed letters",
        "10.48550/arXiv.1605.01713",
    ),
    "integrated-gradients": Method(
        gradients.integrated_gradients,
        "paths",
        True,
        "gradient integrated along the path from a baseline",
        "10.48550/arXiv.1703.01365",
        ("baseline", "steps"),
        complete=True,
    ),
    "expected-gradients": Method(
        gradients.expected_gradients,
        "paths",
        True,
        "gradient on the way from shuffles of the example, on average",
        "10.1038/s42256-021-00343-w",
        ("references",),
        complete=True,
    ),
    "smooth-gradient": Method(
        gradients.smooth_gradient,
        "gradients",
        False,
        "mean gradient of noisy copies (SmoothGrad)",
        "10.48550/arXiv.1706.03825",
        ("samples", "noise"),
    ),
    "guided-backpropagation": Method(
        gradients.gradient,
        "guided",
        False,
        "gradient that passes ReLUs where it and their input are positive",
        "10.48550/arXiv.1412.6806",
        warning=_UPPER,
    ),
    "deconvolution": Method(
        gradients.gradient,
        "deconvolution",
        False,
        "gradient that passes ReLUs where it is positive",
        "10.1007/978-3-319-10590-1_53",
        warning=_UPPER,
    ),
    "deep-lift": Method(
        gradients.deep_lift,
        "multipliers",
        True,
        "difference from a baseline, shared out by the rescale rule",
        "10.48550/arXiv.1704.02685",
        ("baseline",),
        complete=True,
    ),
    "deep-shap": Method(
        gradients.deep_lift,
        "multipliers",
        True,
        "DeepLIFT from shuffles of the example, on average",
        "10.48550/arXiv.1705.07874",
        ("references",),
        complete=True,
    ),
    "grad-cam": Method(
        gradients.class_activation,
        "maps",
        True,
        "maps of the last convolution, weighted by their mean gradient",
        "10.1109/ICCV.2017.74",
    ),
    "mutagenesis": Method(
        mutagenesis.mutagenesis,
        "predictions",
        True,
        "mean loss when the letter is replaced (in-silico mutagenesis)",
        "10.1038/nmeth.3547",
    ),
    "occlusion": Method(
        mutagenesis.occlusion,
        "predictions",
        True,
        "mean loss when a window around the letter is masked",
        "10.1007/978-3-319-10590-1_53",
        ("width", "mask"),
    ),
    "sufficient-subsets": Method(
        sufficient_subsets.subset_positions,
        "masking",
        True,
        "whether the letter is in a subset that suffices (SIS)",
        "https://proceedings.mlr.press/v89/carter19a.html",
        ("threshold", "mask"),
    ),
}

_UNRECTIFIED = (
    *("lstm", "gru", "attention", "attention-pool", "gate", "squeeze-excite", "layer-norm"),
)
#: Layers without a rule, by source: no method is defined where the sentence would not hold.
_WITHOUT_RULE = {
    "multipliers": ("lstm", "gru"),
    "guided": _UNRECTIFIED,
    "deconvolution": _UNRECTIFIED,
}
_RECTIFIED = ("guided", "deconvolution")


def options_of(method: str, baseline: str) -> tuple[str, ...]:
    """Return the names of a method's options, where a method that has a baseline has this one."""
    names = METHODS[method].settings
    return (*names, "references") if "baseline" in names and baseline == "shuffled" else names


def method_problems(method: str, correct: bool) -> list[Problem]:
    """Return what is wrong with a method's name, and with correcting it."""
    problems = []
    if method not in METHODS:
        problems.append(Problem("method", "", f"is {method!r}; {suggest(method, list(METHODS))}"))
    elif correct and not corrects(method):
        message = f"is for methods over gradients; {method} is none"
        problems.append(Problem("correct", "", message))
    return problems


def corrects(method: str) -> bool:
    """Return whether gradients, or multipliers, of a method can be corrected."""
    return METHODS[method].source not in ("maps", "predictions", "masking")


def refusal(method: str, network: Network | None) -> str:
    """Return why a method is not defined for an architecture, or nothing if it is.

    Parameters
    ----------
    method
        A name in `METHODS`.
    network
        The architecture; None for a model that is no network.

    Returns
    -------
    str
        One reason, in words. Methods over predictions, and over gradients of networks, have none.
    """
    source = METHODS[method].source
    if source not in _MODULE:
        return ""
    if network is None:
        return f"{method} is defined for networks only"
    if network.module is not None:
        return f"{method} needs layers it knows; a module of your own may do anything"
    layers = [layer for _, layer in walk_layers(network.layers)]
    for layer in layers:
        if layer.kind in _WITHOUT_RULE.get(source, ()):
            return f"{method} has no rule for the layer {layer.kind}"
        function = getattr(layer, "function", getattr(layer, "activation", "none"))
        if source in _RECTIFIED and function not in ("none", "relu"):
            return f"{method} is defined for ReLU only; the layer {layer.kind} has {function}"
    if source == "maps" and not any(isinstance(layer, Conv) for layer in layers):
        return f"{method} needs a convolution; the network has none"
    return ""
