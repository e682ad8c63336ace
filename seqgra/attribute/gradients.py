"""Attribution methods that need only the gradient of the explained logit."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

#: (inputs float32 (N, A, L), target int64 (N,)) -> float32 (N, A, L), gradient of the explained
#: logit of the target with respect to the input: the model knows whether it is the centred one
#: (multi-class) or the label's own (multi-label).
Gradients = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Method(NamedTuple):
    """An attribution method.

    Attributes
    ----------
    function
        ``function(gradients, inputs, target, **settings)``, values float32 (N, A, L).
    signed
        True for contributions to the logit (a position's score is the sum over letters), False for
        sensitivities (the norm over letters).
    description, doi
        What it is and where it was published.
    settings
        Keyword arguments that change its values.
    """

    function: Callable[..., np.ndarray]
    signed: bool
    description: str
    doi: str
    settings: tuple[str, ...] = ()


def one_hot(x: np.ndarray, letters: int) -> np.ndarray:
    """Return letter codes as one-hot columns; padding and unknown letters are all zero.

    Parameters
    ----------
    x
        uint8 (N, L): letter codes.
    letters
        Size A of the alphabet.

    Returns
    -------
    ndarray
        float32 (N, A, L).

    >>> one_hot(np.array([[1, 0, 255]], np.uint8), 2)[0].tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    codes = np.arange(letters, dtype=np.uint8)[:, None]
    return (x[:, None, :] == codes).astype(np.float32)


def gradient(gradients: Gradients, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return df / dx_la (doi:10.48550/arXiv.0912.1128), 0 at positions without a letter.

    Parameters
    ----------
    gradients
        The gradient of the explained logit f.
    inputs
        float32 (N, A, L), one-hot; all-zero columns hold no letter.
    target
        int64 (N,): the condition explained.

    Returns
    -------
    ndarray
        float32 (N, A, L).
    """
    return gradients(inputs, target) * _has_letter(inputs)


def saliency(gradients: Gradients, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return |df / dx_la| (doi:10.48550/arXiv.1312.6034); arguments as in `gradient`."""
    return np.abs(gradient(gradients, inputs, target))


def gradient_x_input(gradients: Gradients, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return x_la df / dx_la (doi:10.48550/arXiv.1605.01713); arguments as in `gradient`."""
    return gradients(inputs, target) * inputs


def integrated_gradients(
    gradients: Gradients,
    inputs: np.ndarray,
    target: np.ndarray,
    *,
    baseline: np.ndarray,
    steps: int = 100,
    batch: int = 256,
) -> np.ndarray:
    """Return the gradient integrated from a baseline b (doi:10.48550/arXiv.1703.01365).

    (x_la - b_la) times the mean of df / dx_la at b + t (x - b), t = (k + 1/2) / steps: the
    midpoint rule. The values of an example sum up to f(x) - f(b). The baseline has no letter
    where x has none.

    Parameters
    ----------
    gradients, inputs, target
        As in `gradient`.
    baseline
        float32 (A,) or (A, L).
    steps
        Points on the path, at least 1.
    batch
        Inputs in one call of `gradients`, at most. It does not change the order of any sum.

    Returns
    -------
    ndarray
        float32 (N, A, L).
    """
    baseline = baseline.astype(np.float32).reshape(inputs.shape[1], -1)
    values = np.empty(inputs.shape, np.float32)
    for first in range(0, len(inputs), batch):
        part = slice(first, first + batch)
        start = baseline * _has_letter(inputs[part])
        path = inputs[part] - start
        total = np.zeros(path.shape)
        for step in range(steps):
            share = np.float32((step + 0.5) / steps)
            total += gradients(start + share * path, target[part])
        values[part] = path * (total / steps)
    return values


def correct(values: np.ndarray) -> np.ndarray:
    """Return gradients (N, A, L) less their mean over letters (doi:10.1186/s13059-023-02956-3).

    One-hot data do not determine a network off the simplex; this removes the gradient's part that
    points there. Apply it to gradients, before they are multiplied by anything.
    """
    return values - values.mean(axis=1, keepdims=True, dtype=values.dtype)


def corrected(gradients: Gradients) -> Gradients:
    """Return the gradient function whose values went through `correct`."""
    return lambda inputs, target: correct(gradients(inputs, target))


def _has_letter(inputs: np.ndarray) -> np.ndarray:
    """Return which positions hold a letter: bool (N, 1, L)."""
    return np.asarray(inputs.any(axis=1, keepdims=True))


METHODS: dict[str, Method] = {
    "gradient": Method(gradient, False, "gradient of the logit", "10.48550/arXiv.0912.1128"),
    "saliency": Method(
        saliency, False, "absolute gradient of the logit", "10.48550/arXiv.1312.6034"
    ),
    "gradient-x-input": Method(
        gradient_x_input, True, "gradient at the observed letters", "10.48550/arXiv.1605.01713"
    ),
    "integrated-gradients": Method(
        integrated_gradients,
        True,
        "gradient integrated along the path from a baseline",
        "10.48550/arXiv.1703.01365",
        ("baseline", "steps"),
    ),
}
