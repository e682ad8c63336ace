"""The compiled loops of `pytorch_local`: convolutions of sequences in which single positions change."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.law.jit import kept


class Layers(NamedTuple):
    """Convolutions, each with an activation and a scale after it: K in all, C channels at most."""

    #: float64 (K, T, C, C): by tap, input and output channel; 0 beyond a layer's own.
    weights: np.ndarray
    #: float64 (K, C): added before the activation; applied after it.
    bias: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    #: int64 (K,): taps; positions between them; zeros put before the first position; code.
    taps: np.ndarray
    dilation: np.ndarray
    left: np.ndarray
    activation: np.ndarray
    #: int64 (K + 1,): of the input and of each layer's output.
    length: np.ndarray
    channels: np.ndarray

    @property
    def span(self) -> int:
        """Largest distance over which a letter's change depends on another letter."""
        return int((self.dilation * (self.taps - 1)).sum())


@kept(nogil=True)
def _activate(value: float, code: int) -> float:
    if code == 1:
        return max(value, 0.0)
    if code == 2:
        return float(1 / (1 + np.exp(-value)))
    if code == 3:
        return float(np.tanh(value))
    if code == 4:
        return float(value / (1 + np.exp(-value)))
    if code == 5:
        return float(np.exp(value))
    return value


@kept(nogil=True)
def compute(layers: Layers, before: np.ndarray, after: np.ndarray) -> None:
    """Fill the layers' values before and after activation, float64 (N, K + 1, L, C), from the input."""
    for e in range(len(before)):
        for k in range(layers.taps.size):
            channels, outputs = layers.channels[k], layers.channels[k + 1]
            for p in range(layers.length[k + 1]):
                row = before[e, k + 1, p]
                for f in range(outputs):
                    row[f] = layers.bias[k, f]
                for t in range(layers.taps[k]):
                    q = p - layers.left[k] + t * layers.dilation[k]
                    if q < 0 or q >= layers.length[k]:
                        continue
                    for c in range(channels):
                        value = after[e, k, q, c]
                        if value != 0:
                            for f in range(outputs):
                                row[f] += value * layers.weights[k, t, c, f]
                for f in range(outputs):
                    activated = _activate(row[f], layers.activation[k])
                    after[e, k + 1, p, f] = activated * layers.scale[k, f] + layers.shift[k, f]


@kept(nogil=True)
def _change(
    layers: Layers,
    before: np.ndarray,
    after: np.ndarray,
    position: int,
    fill: np.ndarray,
    keep: bool,
    work: np.ndarray,
) -> tuple[int, int]:
    """Mask a position of one sequence; return where the last layer changes, first and end.

    Parameters
    ----------
    before, after
        float64 (K + 1, L, C): values of the layers; changed in place if `keep`.
    work
        float64 (3, W, C): the changes; in `work[2]` then the last layer's new values.
    """
    first, end = position, position + 1
    change, raw, new = work[0], work[1], work[2]
    for c in range(layers.channels[0]):
        change[0, c] = fill[c] - after[0, position, c]
        if keep:
            after[0, position, c] = fill[c]
    for k in range(layers.taps.size):
        left, dilation, outputs = layers.left[k], layers.dilation[k], layers.channels[k + 1]
        low = max(first + left - dilation * (layers.taps[k] - 1), 0)
        high = max(min(end + left, layers.length[k + 1]), low)
        raw[: high - low, :outputs] = before[k + 1, low:high, :outputs]
        for q in range(first, end):
            for c in range(layers.channels[k]):
                value = change[q - first, c]
                if value == 0:
                    continue
                for t in range(layers.taps[k]):
                    p = q + left - t * dilation
                    if low <= p < high:
                        for f in range(outputs):
                            raw[p - low, f] += value * layers.weights[k, t, c, f]
        for p in range(low, high):
            for f in range(outputs):
                value = raw[p - low, f]
                if value == before[k + 1, p, f]:
                    value = after[k + 1, p, f]
                else:
                    value = _activate(value, layers.activation[k])
                    value = value * layers.scale[k, f] + layers.shift[k, f]
                new[p - low, f] = value
                change[p - low, f] = value - after[k + 1, p, f]
                if keep:
                    before[k + 1, p, f] = raw[p - low, f]
                    after[k + 1, p, f] = value
        first, end = low, high
    return first, end


@kept(nogil=True)
def commit(
    layers: Layers,
    before: np.ndarray,
    after: np.ndarray,
    rows: np.ndarray,
    positions: np.ndarray,
    fill: np.ndarray,
) -> None:
    """Mask a position of each of some sequences for good."""
    work = np.empty((3, before.shape[2], before.shape[3]))
    for i in range(rows.size):
        _change(layers, before[rows[i]], after[rows[i]], positions[i], fill, True, work)


@kept(nogil=True)
def pool_candidates(
    layers: Layers,
    before: np.ndarray,
    after: np.ndarray,
    local: np.ndarray,
    stale: np.ndarray,
    free: np.ndarray,
    fill: np.ndarray,
    maximum: bool,
    pooled: np.ndarray,
) -> None:
    """Fill `pooled`, float64 (N, L, C), with the pooled channels after masking each free position.

    `local` keeps, and `stale` says where it must be made anew, what the changed positions of the last
    layer give: their maximum, or the change of their sum.
    """
    last, size, channels = layers.taps.size, layers.length[-1], layers.channels[-1]
    work = np.empty((3, before.shape[2], before.shape[3]))
    ahead, behind = np.empty((size + 1, channels)), np.empty((size + 1, channels))
    for e in range(len(free)):
        outputs = after[e, last]
        _running(outputs[:size, :channels], maximum, ahead, behind)
        for j in range(free.shape[1]):
            if not free[e, j]:
                continue
            if stale[e, j]:
                first, end = _change(layers, before[e], after[e], j, fill, False, work)
                for c in range(channels):
                    value = -np.inf if maximum else 0.0
                    for p in range(end - first):
                        new = work[2, p, c]
                        value = max(value, new) if maximum else value + new - outputs[first + p, c]
                    local[e, j, c] = value
                stale[e, j] = False
            first, end = _touched(layers, j)
            for c in range(channels):
                if maximum:
                    rest = max(ahead[first, c], behind[end, c])
                    pooled[e, j, c] = max(rest, local[e, j, c])
                else:
                    pooled[e, j, c] = (ahead[size, c] + local[e, j, c]) / size


@kept(nogil=True)
def _touched(layers: Layers, position: int) -> tuple[int, int]:
    """Return which positions of the last layer a letter can change, first and end, as `_change`."""
    first, end = position, position + 1
    for k in range(layers.taps.size):
        first = max(first + layers.left[k] - layers.dilation[k] * (layers.taps[k] - 1), 0)
        end = max(min(end + layers.left[k], layers.length[k + 1]), first)
    return min(first, layers.length[-1]), end


@kept(nogil=True)
def _running(outputs: np.ndarray, maximum: bool, ahead: np.ndarray, behind: np.ndarray) -> None:
    """Fill what comes before each position, and what comes from it on: maxima, or sums (ahead only)."""
    size, channels = outputs.shape
    for c in range(channels):
        ahead[0, c] = behind[size, c] = -np.inf if maximum else 0.0
    for p in range(size):
        for c in range(channels):
            value = outputs[p, c]
            ahead[p + 1, c] = max(ahead[p, c], value) if maximum else ahead[p, c] + value
    for p in range(size - 1, -1, -1):
        for c in range(channels):
            value = outputs[p, c]
            behind[p, c] = max(behind[p + 1, c], value) if maximum else 0.0
