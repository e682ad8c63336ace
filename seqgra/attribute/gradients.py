"""Attribution methods over gradients of the explained logit, or what takes their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from seqgra.streams import stream

#: (inputs float32 (N, A, L), target int64 (N,)) -> float32 (N, A, L), gradient of the explained
#: logit of the target with respect to the input: the model knows whether it is the centred one
#: (multi-class) or the label's own (multi-label).
Gradients = Callable[[np.ndarray, np.ndarray], np.ndarray]
#: (inputs, starts, both float32 (N, A, L), target int64 (N,), shares float32 (K,) or (N, K)) -> float64
#: (N, A, L): the mean gradient over points of the paths between them; see `AbstractModel.path_gradients`.
Paths = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
#: (inputs, starts, both float32 (N, A, L), target int64 (N,)) -> float32 (N, A, L): DeepLIFT's
#: multipliers of the explained logit between each input and its reference.
Multipliers = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
#: (inputs, target) -> float (N, L): Grad-CAM's map of each example.
Maps = Callable[[np.ndarray, np.ndarray], np.ndarray]
#: Paths of expected gradients that are followed at once.
_TOGETHER = 256


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
    result: np.ndarray = gradients(inputs, target) * _has_letter(inputs)
    return result


def saliency(gradients: Gradients, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return |df / dx_la| (doi:10.48550/arXiv.1312.6034); arguments as in `gradient`."""
    result: np.ndarray = np.abs(gradient(gradients, inputs, target))
    return result


def gradient_x_input(gradients: Gradients, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return x_la df / dx_la (doi:10.48550/arXiv.1605.01713); arguments as in `gradient`."""
    result: np.ndarray = gradients(inputs, target) * inputs
    return result


def integrated_gradients(
    paths: Paths,
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
    paths
        Mean gradients along paths.
    inputs, target
        As in `gradient`.
    baseline
        float32 (A,) or (A, L), or (R, N, A, L): then the mean over R baselines of each.
    steps
        Points on the path, at least 1.
    batch
        Inputs in one call of `paths`, at most. It does not change the order of any sum.

    Returns
    -------
    ndarray
        float32 (N, A, L).
    """
    values = np.empty(inputs.shape, np.float32)
    shares = ((np.arange(steps) + 0.5) / steps).astype(np.float32)
    for first in range(0, len(inputs), batch):
        part = slice(first, first + batch)
        whole, count = np.zeros(inputs[part].shape), 0
        for start in starts(_part(baseline, part), inputs[part]):
            path = inputs[part] - start
            whole += path * paths(inputs[part], start, target[part], shares)
            count += 1
        values[part] = whole / count
    return values


def starts(baseline: np.ndarray, inputs: np.ndarray) -> Iterator[np.ndarray]:
    """Yield each reference of the inputs: float32 (N, A, L), without letters where they have none.

    Parameters
    ----------
    baseline
        float (A,) or (A, L), the same for all, or (R, N, A, L), R references for each.
    inputs
        float32 (N, A, L).
    """
    baseline = baseline.astype(np.float32, copy=False)
    there = _has_letter(inputs).astype(np.float32)
    for reference in baseline if baseline.ndim == 4 else [baseline.reshape(inputs.shape[1], -1)]:
        yield reference * there


def _part(baseline: np.ndarray, part: slice) -> np.ndarray:
    return baseline[:, part] if baseline.ndim == 4 else baseline


def expected_gradients(
    paths: Paths, inputs: np.ndarray, target: np.ndarray, *, references: np.ndarray
) -> np.ndarray:
    """Return the expectation of (x - r) df/dx at r + t (x - r) (doi:10.1038/s42256-021-00343-w).

    The mean over R references r, the k-th at t = (k + u) / R with u uniform in [0, 1). The values of an
    example sum up to f(x) - mean f(r) but for the error of a mean of R draws.

    Parameters
    ----------
    paths, inputs, target
        As in `integrated_gradients`.
    references
        float32 (R, N, A, L).
    """
    total, count, examples = np.zeros(inputs.shape), len(references), len(inputs)
    shares = np.stack([_uniform(row, "expected-gradients", count) for row in inputs])
    shares = ((np.arange(count) + shares) / count).astype(np.float32)
    together, each = max(1, _TOGETHER // examples), starts(references, inputs)
    ends, targets = np.tile(inputs, (together, 1, 1)), np.tile(target, together)
    for first in range(0, count, together):
        start = np.concatenate(list(islice(each, together)))
        end, own = ends[: len(start)], shares[:, first : first + together].T.reshape(-1, 1)
        values = paths(end, start, targets[: len(start)], own)
        values *= end - start
        for k in range(0, len(start), examples):
            total += values[k : k + examples]
    return (total / count).astype(np.float32)


def smooth_gradient(
    gradients: Gradients,
    inputs: np.ndarray,
    target: np.ndarray,
    *,
    samples: int = 50,
    noise: float = 0.15,
) -> np.ndarray:
    """Return the mean gradient at x + e, e normal, 0 where there is no letter (SmoothGrad).

    doi:10.48550/arXiv.1706.03825. The noise of an example follows from its letters.

    Parameters
    ----------
    gradients, inputs, target
        As in `gradient`.
    samples
        Draws of e.
    noise
        Standard deviation of e; letters are 0 or 1.
    """
    letter, total = _has_letter(inputs), np.zeros(inputs.shape)
    generators = [np.random.Generator(_stream(row, "smooth-gradient")) for row in inputs]
    for _ in range(samples):
        drawn = [g.standard_normal(inputs.shape[1:], np.float32) for g in generators]
        points = inputs + np.float32(noise) * np.array(drawn).reshape(inputs.shape) * letter
        total += gradients(points, target)
    result: np.ndarray = (total / samples * letter).astype(np.float32)
    return result


def deep_lift(
    multipliers: Multipliers, inputs: np.ndarray, target: np.ndarray, *, baseline: np.ndarray
) -> np.ndarray:
    """Return DeepLIFT's contributions, rescale rule (doi:10.48550/arXiv.1704.02685).

    (x_la - b_la) times the multiplier, which replaces the slope of each activation by its change
    between reference and input. The values of an example sum up to f(x) - f(b), exactly but for
    rounding; over several references (DeepSHAP, doi:10.48550/arXiv.1705.07874) to f(x) - mean f(b).

    Parameters
    ----------
    multipliers
        See `Multipliers`.
    inputs, target
        As in `gradient`.
    baseline
        See `starts`.
    """
    total, count = np.zeros(inputs.shape), 0
    for start in starts(baseline, inputs):
        total += (inputs - start) * multipliers(inputs, start, target)
        count += 1
    return (total / count).astype(np.float32)


def class_activation(maps: Maps, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return Grad-CAM's map at the observed letters (doi:10.1109/ICCV.2017.74)."""
    result: np.ndarray = (maps(inputs, target)[:, None, :] * inputs).astype(np.float32)
    return result


def _stream(row: np.ndarray, purpose: str) -> np.random.PCG64:
    """Return random numbers of an example that follow from its letters, float32 (A, L), alone."""
    codes = np.where(row.any(axis=0), row.argmax(axis=0), 255).astype(np.uint8)
    return stream(0, purpose, codes.tobytes().hex(), 0)


def _uniform(row: np.ndarray, purpose: str, count: int) -> np.ndarray:
    return np.random.Generator(_stream(row, purpose)).random(count)


def correct(values: np.ndarray) -> np.ndarray:
    """Return gradients (N, A, L) less their mean over letters (doi:10.1186/s13059-023-02956-3).

    One-hot data do not determine a network off the simplex; this removes the gradient's part that
    points there. Apply it to gradients, before they are multiplied by anything.
    """
    result: np.ndarray = values - values.mean(axis=1, keepdims=True, dtype=values.dtype)
    return result


def corrected(gradients: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Return the function of gradients, or multipliers, whose values went through `correct`."""
    return lambda *arrays: correct(gradients(*arrays))


def _has_letter(inputs: np.ndarray) -> np.ndarray:
    """Return which positions hold a letter: bool (N, 1, L)."""
    return np.asarray(inputs.any(axis=1, keepdims=True))
