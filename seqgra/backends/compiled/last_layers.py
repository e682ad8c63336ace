"""Compiled functions above the first layer: normalisation, the dense layers' ends, the loss, optimisers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.backends.compiled.compiler import part
from seqgra.backends.compiled.parts import ConvolutionSizes
from seqgra.backends.compiled.vector import (
    add,
    add_ints,
    choose,
    divide,
    fma,
    keep,
    lanes16,
    larger,
    load16,
    load_ints16,
    multiply,
    random_bits,
    relu,
    root,
    spread16,
    spread_ints16,
    store,
    where_equal,
)


class UpperLayers(NamedTuple):
    """What follows the first layer, and the loss."""

    #: H, of the dense layer; C, logits.
    units: int
    outputs: int
    #: 1 for a sigmoid each, 0 for a softmax.
    multi_label: int
    #: 1 where batch normalisation follows the dense layer.
    normalised: int
    #: Of the batch normalisation after the convolution, then of that after the dense layer.
    epsilon: tuple[float, float]
    momentum: tuple[float, float]
    #: Rates of the first layer's outputs and of the dense layer's.
    dropout: tuple[float, float]


class ParameterLayout(NamedTuple):
    """Where each parameter starts in the one array of all; each is padded with zeros to whole vectors."""

    #: The convolution: (F, A, K), (F,).
    weight: int
    bias: int
    #: The batch normalisation after it: (channels,) each.
    scale: int
    shift: int
    #: The dense layer: (Q, H, channels), which is another order than PyTorch's; (H,).
    dense: int
    dense_bias: int
    #: The batch normalisation after it: (H,) each.
    dense_scale: int
    dense_shift: int
    #: The output layer: (C, H), (C,).
    output: int
    output_bias: int
    #: Numbers in all.
    size: int


class Work(NamedTuple):
    """Scratch of a step for batches of N: float32 but where said; places before examples."""

    #: (P, N, channels): the convolution, where batch normalisation follows.
    convolved: np.ndarray
    #: (Q, N, channels): the first layer's outputs, after dropout; the loss's gradient for them.
    features: np.ndarray
    gradient: np.ndarray
    #: int32 (N, Q, channels): see ``features`` in `first_layer`.
    best: np.ndarray
    #: (N, H, 16): the dense layer before its sum over filters.
    partial: np.ndarray
    #: (N, H): the dense layer; normalised; after activation and dropout; the loss's gradient for it.
    hidden: np.ndarray
    normal: np.ndarray
    active: np.ndarray
    hidden_gradient: np.ndarray
    #: float64 (C,).
    logits: np.ndarray
    #: float64 (2, channels); (32,).
    sums: np.ndarray
    lanes: np.ndarray
    #: (channels,): batch normalisation as one multiplication and addition.
    factor: np.ndarray
    offset: np.ndarray
    #: (3, channels): how the gradient of what is normalised follows from that of the outcome.
    back: np.ndarray
    #: float64 (channels + H,): of a batch; 1 / standard deviation.
    mean: np.ndarray
    inverse: np.ndarray
    #: int64 (N,): examples of a batch that is predicted.
    rows: np.ndarray


class Running(NamedTuple):
    """Running mean and variance of both batch normalisations, float32: (channels,), (H,)."""

    mean: np.ndarray
    variance: np.ndarray
    dense_mean: np.ndarray
    dense_variance: np.ndarray


@part
def mix(key: np.uint64, number: int) -> np.uint64:
    """Return 64 random bits for a number of a stream.

    SplitMix64: Steele et al. 2014, doi:10.1145/2660193.2660195.
    """
    z = key + np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@part
def drop(values: np.ndarray, count: int, first: int, key: int, rate: float) -> None:
    """Set numbers to 0 at random and scale the others up; `first` is the first one's place in the stream."""
    one = spread_ints16(np.int64(key & np.uint64(0xFFFFFFFF)))
    two = spread_ints16(np.int64(key >> np.uint64(32)))
    limit = spread_ints16(np.int64(rate * 4294967296.0))
    scale = spread16(np.float32(1 / (1 - rate)))
    lanes = lanes16()
    for i in range(0, count, 16):
        bits = random_bits(add_ints(lanes, spread_ints16(first + i)), one, two)
        store(values, i, keep(multiply(load16(values, i), scale), bits, limit))


@part
def sum_products(
    one: np.ndarray,
    other: np.ndarray,
    channels: int,
    rows: int,
    sums: np.ndarray,
    lanes: np.ndarray,
) -> None:
    """Add up numbers and their products with others, both (rows, channels), over rows.

    They are added to `sums`, float64 (2, channels); `lanes` is scratch, float32 (32,).
    """
    for c in range(0, channels, 16):
        u, v = spread16(np.float32(0)), spread16(np.float32(0))
        for i in range(c, rows * channels, channels):
            x = load16(one, i)
            u, v = add(u, x), fma(x, load16(other, i), v)
        store(lanes, 0, u)
        store(lanes, 16, v)
        for f in range(16):
            sums[0, c + f] += lanes[f]
            sums[1, c + f] += lanes[16 + f]


@part
def normalise(
    shape: ConvolutionSizes,
    work: Work,
    convolved: np.ndarray,
    out: np.ndarray,
    examples: int,
    first: int,
    last: int,
) -> None:
    """Write ReLU and maximum of the normalised convolution for places `first` to `last`.

    `convolved` and `out` start at the first of these places.
    """
    channels, row = shape.channels, examples * shape.channels
    for c in range(0, channels, 16):
        factor, offset = load16(work.factor, c), load16(work.offset, c)
        for q in range(last - first):
            for i in range(q * row + c, (q + 1) * row, channels):
                if shape.pool == 1:
                    store(out, i, relu(fma(load16(convolved, i), factor, offset)))
                    continue
                most, which = spread16(np.float32(-np.inf)), spread_ints16(0)
                place = i + q * (shape.pool - 1) * row
                for k in range(shape.pool):
                    value = fma(load16(convolved, place + k * row), factor, offset)
                    which = choose(value, most, spread_ints16(k), which)
                    most = larger(value, most)
                store(work.best, first * row + i, which)
                store(out, i, relu(most))


@part
def prepare_normalisation(
    head: UpperLayers,
    layout: ParameterLayout,
    shape: ConvolutionSizes,
    work: Work,
    params: np.ndarray,
    running: Running,
    count: int,
) -> None:
    """Turn the sums of a batch of `count` numbers a channel into factor and offset; keep running means."""
    rate = head.momentum[0]
    for f in range(shape.filters * (1 + shape.shared)):
        mean = work.sums[0, f] / count
        variance = max(work.sums[1, f] / count - mean * mean, 0.0)
        work.mean[f], work.inverse[f] = mean, 1 / np.sqrt(variance + head.epsilon[0])
        work.factor[f] = params[layout.scale + f] * work.inverse[f]
        work.offset[f] = (
            params[layout.shift + f] - mean * params[layout.scale + f] * work.inverse[f]
        )
        unbiased = variance * count / max(count - 1, 1)
        running.mean[f] = (1 - rate) * running.mean[f] + rate * mean
        running.variance[f] = (1 - rate) * running.variance[f] + rate * unbiased


@part
def fixed_normalisation(
    head: UpperLayers,
    layout: ParameterLayout,
    shape: ConvolutionSizes,
    work: Work,
    params: np.ndarray,
    running: Running,
) -> None:
    """Write factor and offset of the running mean and variance."""
    for f in range(shape.filters * (1 + shape.shared)):
        factor = params[layout.scale + f] / np.sqrt(running.variance[f] + head.epsilon[0])
        work.factor[f] = factor
        work.offset[f] = params[layout.shift + f] - running.mean[f] * factor


@part
def normalisation_backward(
    layout: ParameterLayout, shape: ConvolutionSizes, work: Work, grads: np.ndarray, count: int
) -> None:
    """Write gradients of scale and shift from the sums of a gradient, and what `spread_back` needs.

    With y = scale (x - mean) / deviation + shift over n numbers, the gradient for x is
    factor (dy - mean(dy) - (x - mean) / deviation mean(dy (x - mean) / deviation)); see Ioffe & Szegedy
    2015 (https://arxiv.org/abs/1502.03167).
    """
    for f in range(shape.filters * (1 + shape.shared)):
        total = work.sums[0, f]
        product = (work.sums[1, f] - work.mean[f] * total) * work.inverse[f]
        grads[layout.scale + f], grads[layout.shift + f] = product, total
        slope = work.factor[f] * work.inverse[f] * product / count
        work.back[0, f] = work.factor[f]
        work.back[1, f] = -slope
        work.back[2, f] = slope * work.mean[f] - work.factor[f] * total / count


@part
def spread_back(
    shape: ConvolutionSizes, work: Work, out: np.ndarray, examples: int, first: int, last: int
) -> None:
    """Write the gradient for the convolution at positions `first` to `last` from that of the features."""
    channels, row = shape.channels, examples * shape.channels
    for c in range(0, channels, 16):
        one, two = load16(work.back[0], c), load16(work.back[1], c)
        three = load16(work.back[2], c)
        for p in range(first, last):
            q = p // shape.pool
            k = spread_ints16(p - q * shape.pool)
            for i in range(c, row, channels):
                value = spread16(np.float32(0))
                if q < shape.pooled:
                    value = load16(work.gradient, q * row + i)
                    if shape.pool > 1:
                        value = where_equal(value, load_ints16(work.best, q * row + i), k)
                x = load16(work.convolved, p * row + i)
                store(out, (p - first) * row + i, fma(value, one, fma(x, two, three)))


@part
def add_products(shape: ConvolutionSizes, work: Work, examples: int) -> None:
    """Add up the features' gradient, and its products with the convolution where it comes from."""
    channels, row = shape.channels, examples * shape.channels
    for q in range(shape.pooled):
        for c in range(0, channels, 16):
            u, v = spread16(np.float32(0)), spread16(np.float32(0))
            for i in range(q * row + c, (q + 1) * row, channels):
                x = load16(work.gradient, i)
                u = add(u, x)
                if shape.pool == 1:
                    v = fma(x, load16(work.convolved, i), v)
                    continue
                place = i + q * (shape.pool - 1) * row
                best = load_ints16(work.best, i)
                for k in range(shape.pool):
                    chosen = where_equal(x, best, spread_ints16(k))
                    v = fma(chosen, load16(work.convolved, place + k * row), v)
            store(work.lanes, 0, u)
            store(work.lanes, 16, v)
            for f in range(16):
                work.sums[0, c + f] += work.lanes[f]
                work.sums[1, c + f] += work.lanes[16 + f]


@part
def sum_filters(
    head: UpperLayers, layout: ParameterLayout, work: Work, params: np.ndarray, examples: int
) -> None:
    """Write the dense layer's outputs from its sums over places."""
    partial = work.partial
    for i in range(examples * head.units):
        start = i * 16
        width = 8
        while width:
            for f in range(start, start + width):
                partial[f] += partial[f + width]
            width //= 2
        work.hidden[i] = params[layout.dense_bias + i % head.units] + partial[start]


@part
def _normalise_hidden(
    head: UpperLayers,
    layout: ParameterLayout,
    work: Work,
    params: np.ndarray,
    running: Running,
    examples: int,
    training: bool,
) -> None:
    """Write `normal` and, from it, `active` before the activation."""
    units, channels = head.units, work.sums.shape[1]
    for h in range(units):
        if training:
            mean = 0.0
            for e in range(examples):
                mean += work.hidden[e * units + h]
            mean /= examples
            variance = 0.0
            for e in range(examples):
                variance += (work.hidden[e * units + h] - mean) ** 2
            unbiased = variance / max(examples - 1, 1)
            variance /= examples
            rate = head.momentum[1]
            running.dense_mean[h] = (1 - rate) * running.dense_mean[h] + rate * mean
            running.dense_variance[h] = (1 - rate) * running.dense_variance[h] + rate * unbiased
        else:
            mean, variance = float(running.dense_mean[h]), float(running.dense_variance[h])
        inverse = 1 / np.sqrt(variance + head.epsilon[1])
        work.inverse[channels + h] = inverse
        scale, shift = params[layout.dense_scale + h], params[layout.dense_shift + h]
        for e in range(examples):
            normal = (work.hidden[e * units + h] - mean) * inverse
            work.normal[e * units + h] = normal
            work.active[e * units + h] = normal * scale + shift


@part
def hidden_layer(
    head: UpperLayers,
    layout: ParameterLayout,
    work: Work,
    params: np.ndarray,
    running: Running,
    examples: int,
    training: bool,
    key: int,
) -> None:
    """Write `active` from `hidden`: [batch normalisation,] ReLU [and dropout]."""
    count = examples * head.units
    if head.normalised:
        _normalise_hidden(head, layout, work, params, running, examples, training)
    else:
        for i in range(count):
            work.active[i] = work.hidden[i]
    for i in range(count):
        if work.active[i] <= 0:
            work.active[i] = 0
    if training and head.dropout[1] > 0:
        drop(work.active, count, 0, key, head.dropout[1])


@part
def write_logits(
    head: UpperLayers, layout: ParameterLayout, work: Work, params: np.ndarray, e: int
) -> None:
    """Write the logits of an example."""
    for c in range(head.outputs):
        total = float(params[layout.output_bias + c])
        for h in range(head.units):
            total += params[layout.output + c * head.units + h] * work.active[e * head.units + h]
        work.logits[c] = total


@part
def _loss(head: UpperLayers, work: Work, y: np.ndarray, weights: np.ndarray) -> float:
    """Return the loss of an example and replace its logits by the loss's gradient."""
    logits, loss = work.logits, 0.0
    if head.multi_label:
        for c in range(head.outputs):
            z = logits[c]
            positive = np.log1p(np.exp(-abs(z))) + max(-z, 0.0)  # -log sigmoid(z)
            share = 1 / (1 + np.exp(-z))
            if y[c]:
                loss += weights[c] * positive
                logits[c] = weights[c] * (share - 1) / head.outputs
            else:
                loss += positive + z
                logits[c] = share / head.outputs
        return loss / head.outputs
    true, most = 0, logits[0]
    for c in range(head.outputs):
        if y[c] > y[true]:
            true = c
        if not logits[c] <= most:
            most = logits[c]
    total = 0.0
    for c in range(head.outputs):
        total += np.exp(logits[c] - most)
    loss = weights[true] * (np.log(total) + most - logits[true])
    for c in range(head.outputs):
        logits[c] = weights[true] * (np.exp(logits[c] - most) / total - (c == true))
    return float(loss)


@part
def last_layers(
    head: UpperLayers,
    layout: ParameterLayout,
    work: Work,
    params: np.ndarray,
    grads: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    weights: np.ndarray,
) -> float:
    """Return a batch's mean loss; write the gradients of the output layer and `hidden_gradient`.

    Parameters
    ----------
    labels
        uint8 (N, C) of the whole dataset.
    rows
        int64: the batch.
    weights
        float64 (C,): of each condition in the loss.
    """
    units, examples, mean = head.units, rows.size, 0.0
    for i in range(head.outputs * units):
        grads[layout.output + i] = 0
    for c in range(head.outputs):
        grads[layout.output_bias + c] = 0
    scale = 1 / (1 - head.dropout[1])
    for e in range(examples):
        write_logits(head, layout, work, params, e)
        mean += _loss(head, work, labels[rows[e]], weights)
        first = e * units
        for h in range(units):
            work.hidden_gradient[first + h] = 0
        for c in range(head.outputs):
            g = np.float32(work.logits[c] / examples)
            grads[layout.output_bias + c] += g
            for h in range(units):
                grads[layout.output + c * units + h] += g * work.active[first + h]
                work.hidden_gradient[first + h] += g * params[layout.output + c * units + h]
        for h in range(units):
            if work.active[first + h] > 0:
                work.hidden_gradient[first + h] *= np.float32(scale)
            else:
                work.hidden_gradient[first + h] = 0
    return mean / examples


@part
def hidden_backward(
    head: UpperLayers,
    layout: ParameterLayout,
    work: Work,
    params: np.ndarray,
    grads: np.ndarray,
    channels: int,
    examples: int,
) -> None:
    """Take `hidden_gradient` through the dense layer's normalisation; write its and the bias's gradient."""
    units, gradient = head.units, work.hidden_gradient
    for h in range(units):
        total = product = 0.0
        for i in range(h, examples * units, units):
            total += gradient[i]
            product += gradient[i] * work.normal[i]
        grads[layout.dense_bias + h] = total
        if not head.normalised:
            continue
        grads[layout.dense_scale + h], grads[layout.dense_shift + h] = product, total
        grads[layout.dense_bias + h] = 0  # a constant does not pass the normalisation
        factor = params[layout.dense_scale + h] * work.inverse[channels + h]
        for i in range(h, examples * units, units):
            back = (total + work.normal[i] * product) / examples
            gradient[i] = factor * (gradient[i] - back)


class UpdateRule(NamedTuple):
    """An optimiser's settings: `kind` 0 is SGD, 1 Adam, 2 AdamW."""

    kind: int
    #: Momentum of SGD, or the two decay rates of Adam.
    first: float
    second: float
    #: Of Adam; of the weights.
    epsilon: float
    decay: float
    #: 1 or 0.
    nesterov: int
    #: Limits of the gradients; infinite for none.
    clip_norm: float
    clip_value: float


@part
def clip(rule: UpdateRule, grads: np.ndarray, count: int, lanes: np.ndarray) -> None:
    """Limit the gradients, as PyTorch's ``clip_grad_norm_`` and ``clip_grad_value_``."""
    if rule.clip_value < np.inf:
        limit = np.float32(rule.clip_value)
        for i in range(count):
            grads[i] = min(max(grads[i], -limit), limit)
    if rule.clip_norm < np.inf:
        squares = spread16(np.float32(0))
        for i in range(0, count, 16):
            x = load16(grads, i)
            squares = fma(x, x, squares)
        store(lanes, 0, squares)
        total = 0.0
        for f in range(16):
            total += lanes[f]
        factor = rule.clip_norm / (np.sqrt(total) + 1e-6)
        if factor < 1:
            scale = spread16(np.float32(factor))
            for i in range(0, count, 16):
                store(grads, i, multiply(load16(grads, i), scale))


@part
def update(
    rule: UpdateRule,
    params: np.ndarray,
    grads: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    count: int,
    rate: float,
    step: int,
) -> None:
    """Take a step of the optimiser; `first` and `second` are what it remembers, `step` counts from 1.

    SGD as in PyTorch; Adam: Kingma & Ba 2015 (https://arxiv.org/abs/1412.6980).
    """
    decay = spread16(np.float32(rule.decay))
    if rule.kind == 0:
        back, momentum = spread16(np.float32(-rate)), spread16(np.float32(rule.first))
        for i in range(0, count, 16):
            p = load16(params, i)
            g = fma(decay, p, load16(grads, i))
            m = fma(momentum, load16(first, i), g)
            store(first, i, m)
            if rule.nesterov:
                m = fma(momentum, m, g)
            store(params, i, fma(back, m, p))
        return
    shrink = spread16(np.float32(1 - rate * rule.decay))
    b1, c1 = spread16(np.float32(rule.first)), spread16(np.float32(1 - rule.first))
    b2, c2 = spread16(np.float32(rule.second)), spread16(np.float32(1 - rule.second))
    back = spread16(np.float32(-rate / (1 - rule.first**step)))
    unbias = spread16(np.float32(1 / np.sqrt(1 - rule.second**step)))
    epsilon = spread16(np.float32(rule.epsilon))
    for i in range(0, count, 16):
        p, g = load16(params, i), load16(grads, i)
        if rule.kind == 2:
            p = multiply(p, shrink)
        else:
            g = fma(decay, p, g)
        m = fma(b1, load16(first, i), multiply(c1, g))
        v = fma(b2, load16(second, i), multiply(c2, multiply(g, g)))
        store(first, i, m)
        store(second, i, v)
        size = fma(root(v), unbias, epsilon)
        store(params, i, fma(back, divide(m, size), p))
