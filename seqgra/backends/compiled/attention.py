"""Kernels of self-attention: scores, softmax, dropout and weighted means, head by head in the nearest cache.

PyTorch keeps scores, weights and masks of all heads and examples in memory and goes through them once for
each operation, which for short sequences takes longer than the arithmetic. Here 16 query positions are one
vector, so that nothing is added up across its numbers but the gradients of keys and values.
"""

from __future__ import annotations

import numpy as np

from seqgra.backends.compiled.compiler import part
from seqgra.backends.compiled.last_layers import drop
from seqgra.backends.compiled.parts import clear, gather, scatter_rows
from seqgra.backends.compiled.vector import (
    add,
    divide,
    exponential,
    fma,
    larger,
    load16,
    multiply,
    spread16,
    store,
    subtract,
    total,
)


@part
def attend(
    heads: int,
    length: int,
    channels: int,
    random: int,
    rate: float,
    query: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    rows: np.ndarray,
    sums: np.ndarray,
    used: np.ndarray,
    weights: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the mean of all positions' values that each position attends to.

    Parameters
    ----------
    heads, length, channels
        H, L, C.
    random, rate
        64 bits that decide what is dropped, and its share.
    query, keys, values
        Flat, of (N, L, C), a head's channels side by side.
    rows, sums, used
        Scratch: 16 C / H, 16 C / H, 16 L.
    weights
        Out: softmax before dropout, (N, H, B, L, 16) for B blocks of 16 query positions.
    out
        Out: (N, L, C).
    """
    depth, blocks = channels // heads, (length + 15) // 16
    scale = np.float32(1 / np.sqrt(float(depth)))
    for n in range(query.size // (length * channels)):
        for h in range(heads):
            start = n * length * channels + h * depth
            for b in range(blocks):
                count, here = min(length - b * 16, 16), start + b * 16 * channels
                gather(query, here, channels, count, depth, scale, rows)
                place = ((n * heads + h) * blocks + b) * length * 16
                most = spread16(np.float32(-np.inf))
                for j in range(length):
                    score, at = spread16(np.float32(0)), start + j * channels
                    for c in range(depth):
                        score = fma(load16(rows, c * 16), spread16(keys[at + c]), score)
                    store(weights, place + j * 16, score)
                    most = larger(score, most)
                whole = spread16(np.float32(0))
                for j in range(length):
                    weight = exponential(subtract(load16(weights, place + j * 16), most))
                    store(weights, place + j * 16, weight)
                    whole = add(whole, weight)
                factor = divide(spread16(np.float32(1)), whole)
                clear(sums, depth * 16)
                for j in range(length):
                    weight = multiply(load16(weights, place + j * 16), factor)
                    store(weights, place + j * 16, weight)
                    store(used, j * 16, weight)
                if rate > 0:
                    drop(used, length * 16, place, random, rate)
                for j in range(length):
                    weight, at = load16(used, j * 16), start + j * channels
                    for c in range(depth):
                        old = load16(sums, c * 16)
                        store(sums, c * 16, fma(weight, spread16(values[at + c]), old))
                scatter_rows(sums, here, channels, count, depth, np.float32(1), out)


@part
def attend_backward(
    heads: int,
    length: int,
    channels: int,
    random: int,
    rate: float,
    query: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    rows: np.ndarray,
    sums: np.ndarray,
    used: np.ndarray,
    weights: np.ndarray,
    given: np.ndarray,
    turned: np.ndarray,
    inward: np.ndarray,
    of_each: np.ndarray,
    of_query: np.ndarray,
    of_keys: np.ndarray,
    of_values: np.ndarray,
) -> None:
    """Write the gradients of `attend`'s query, keys and values.

    Parameters
    ----------
    heads, length, channels, random, rate, query, keys, values, rows, sums, used, weights
        As of `attend`; `weights` as it wrote them.
    given
        The gradient of its `out`.
    turned, inward, of_each
        Scratch: 16 C / H, 16 L, 32 L C / H.
    of_query, of_keys, of_values
        Out: (N, L, C) each.
    """
    depth, blocks = channels // heads, (length + 15) // 16
    scale = np.float32(1 / np.sqrt(float(depth)))
    behind = length * depth * 16
    for n in range(query.size // (length * channels)):
        for h in range(heads):
            start = n * length * channels + h * depth
            clear(of_each, 2 * behind)
            for b in range(blocks):
                count, here = min(length - b * 16, 16), start + b * 16 * channels
                gather(query, here, channels, count, depth, scale, rows)
                gather(given, here, channels, count, depth, np.float32(1), turned)
                place = ((n * heads + h) * blocks + b) * length * 16
                for j in range(length):
                    gradient, at = spread16(np.float32(0)), start + j * channels
                    for c in range(depth):
                        gradient = fma(load16(turned, c * 16), spread16(values[at + c]), gradient)
                    store(inward, j * 16, gradient)
                    store(used, j * 16, load16(weights, place + j * 16))
                if rate > 0:
                    drop(inward, length * 16, place, random, rate)
                    drop(used, length * 16, place, random, rate)
                mean = spread16(np.float32(0))
                for j in range(length):
                    mean = fma(load16(inward, j * 16), load16(weights, place + j * 16), mean)
                    weight = load16(used, j * 16)
                    for c in range(depth):
                        i = behind + (j * depth + c) * 16
                        store(of_each, i, fma(weight, load16(turned, c * 16), load16(of_each, i)))
                clear(sums, depth * 16)
                for j in range(length):
                    weight, at = load16(weights, place + j * 16), start + j * channels
                    gradient = multiply(weight, subtract(load16(inward, j * 16), mean))
                    for c in range(depth):
                        old, i = load16(sums, c * 16), (j * depth + c) * 16
                        store(sums, c * 16, fma(gradient, spread16(keys[at + c]), old))
                        store(of_each, i, fma(gradient, load16(rows, c * 16), load16(of_each, i)))
                scatter_rows(sums, here, channels, count, depth, scale, of_query)
            for j in range(length):
                for c in range(depth):
                    i = (j * depth + c) * 16
                    of_keys[start + j * channels + c] = total(load16(of_each, i))
                    of_values[start + j * channels + c] = total(load16(of_each, behind + i))
