"""Kernels of a gated recurrent unit (Cho et al. 2014, doi:10.3115/v1/D14-1179), as PyTorch defines it.

With some dozens of units a step of the recurrence is little arithmetic, and PyTorch makes a dozen calls for
each. Here 16 examples are one vector, and what a step needs stays in the nearest cache. Reset gate r, update
gate z, candidate n and state h of a unit:

    r = sigmoid(x_r + W_r h + b_r)        z = sigmoid(x_z + W_z h + b_z)
    n = tanh(x_n + r (W_n h + b_n))       h' = (1 - z) n + z h
"""

from __future__ import annotations

import numpy as np

from seqgra.backends.compiled.compiler import part
from seqgra.backends.compiled.parts import clear, gather, scatter_rows
from seqgra.backends.compiled.vector import (
    add,
    fma,
    load16,
    multiply,
    sigmoid,
    spread16,
    store,
    subtract,
)


@part
def recur(
    units: int,
    length: int,
    backward: int,
    inputs: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    inward: np.ndarray,
    state: np.ndarray,
    after: np.ndarray,
    gates: np.ndarray,
    states: np.ndarray,
) -> None:
    """Write the states of a layer in one direction.

    Parameters
    ----------
    units, length
        U, L.
    backward
        1: from the last position to the first.
    inputs
        What gates get from the input: (N, L, 3 U), flat, r before z before n.
    weight, bias
        Of the states: (3 U, U), (3 U,).
    inward, state, after
        Scratch: 48 U, 16 U, 16 U.
    gates
        Out: r, z, n and W_n h + b_n, (blocks of 16 examples, L, U, 4, 16).
    states
        Out: (N, L, U).
    """
    one, two, zero = spread16(np.float32(1)), spread16(np.float32(2)), spread16(np.float32(0))
    count = states.size // (length * units)
    for block in range((count + 15) // 16):
        here = min(count - block * 16, 16)
        for u in range(units):
            store(state, u * 16, zero)
        for step in range(length):
            place = step
            if backward > 0:
                place = length - 1 - step
            first = block * 16 * length + place
            row = length * 3 * units
            gather(inputs, first * 3 * units, row, here, 3 * units, np.float32(1), inward)
            for u in range(units):
                r, z = spread16(bias[u]), spread16(bias[units + u])
                n = spread16(bias[2 * units + u])
                for k in range(units):
                    h = load16(state, k * 16)
                    r = fma(spread16(weight[u * units + k]), h, r)
                    z = fma(spread16(weight[(units + u) * units + k]), h, z)
                    n = fma(spread16(weight[(2 * units + u) * units + k]), h, n)
                r = sigmoid(add(r, load16(inward, u * 16)))
                z = sigmoid(add(z, load16(inward, (units + u) * 16)))
                c = multiply(two, fma(r, n, load16(inward, (2 * units + u) * 16)))
                c = subtract(multiply(two, sigmoid(c)), one)
                new = fma(z, subtract(load16(state, u * 16), c), c)
                store(after, u * 16, new)
                to = (((block * length + place) * units + u) * 4) * 16
                store(gates, to, r)
                store(gates, to + 16, z)
                store(gates, to + 32, c)
                store(gates, to + 48, n)
            row = length * units
            scatter_rows(after, first * units, row, here, units, np.float32(1), states)
            for u in range(units):
                store(state, u * 16, load16(after, u * 16))


@part
def recur_backward(
    units: int,
    length: int,
    backward: int,
    turned: np.ndarray,
    gates: np.ndarray,
    states: np.ndarray,
    given: np.ndarray,
    inward: np.ndarray,
    state: np.ndarray,
    after: np.ndarray,
    outward: np.ndarray,
    earlier: np.ndarray,
    candidate: np.ndarray,
    of_inputs: np.ndarray,
    of_states: np.ndarray,
) -> None:
    """Write the gradients of what `recur`'s gates get from the input and from the states.

    Parameters
    ----------
    units, length, backward, gates, states
        As of `recur`, as it wrote them.
    turned
        The weights of the states as (U, 3 U).
    given
        The gradient of `states`.
    inward, state, after, outward, earlier, candidate
        Scratch: 48 U, then 16 U each.
    of_inputs, of_states
        Out: (N, L, 3 U) each, with respect to the gates' inputs and to W h + b.
    """
    one, zero = spread16(np.float32(1)), spread16(np.float32(0))
    count = states.size // (length * units)
    for block in range((count + 15) // 16):
        here = min(count - block * 16, 16)
        for u in range(units):
            store(state, u * 16, zero)
        for step in range(length):
            place, before = length - 1 - step, length - 2 - step
            if backward > 0:
                place, before = step, step + 1
            first, row = block * 16 * length + place, length * units
            gather(given, first * units, row, here, units, np.float32(1), outward)
            clear(earlier, units * 16)
            if step < length - 1:
                at = (block * 16 * length + before) * units
                gather(states, at, row, here, units, np.float32(1), earlier)
            for u in range(units):
                gradient = add(load16(outward, u * 16), load16(state, u * 16))
                h = load16(earlier, u * 16)
                to = (((block * length + place) * units + u) * 4) * 16
                r, z = load16(gates, to), load16(gates, to + 16)
                c, n = load16(gates, to + 32), load16(gates, to + 48)
                update = multiply(multiply(gradient, subtract(h, c)), multiply(z, subtract(one, z)))
                new = multiply(gradient, subtract(one, z))
                new = multiply(new, subtract(one, multiply(c, c)))
                reset = multiply(multiply(new, n), multiply(r, subtract(one, r)))
                store(after, u * 16, multiply(gradient, z))
                store(inward, u * 16, reset)
                store(inward, (units + u) * 16, update)
                store(inward, (2 * units + u) * 16, multiply(new, r))
                store(candidate, u * 16, new)
            at, row = first * 3 * units, length * 3 * units
            scatter_rows(inward, at, row, here, 3 * units, np.float32(1), of_states)
            scatter_rows(inward, at, row, here, 2 * units, np.float32(1), of_inputs)
            scatter_rows(candidate, at + 2 * units, row, here, units, np.float32(1), of_inputs)
            for k in range(units):
                reset, update, new = load16(after, k * 16), zero, zero
                for u in range(units):
                    at = k * 3 * units + u
                    reset = fma(spread16(turned[at]), load16(inward, u * 16), reset)
                    update = fma(
                        spread16(turned[at + units]), load16(inward, (units + u) * 16), update
                    )
                    new = fma(
                        spread16(turned[at + 2 * units]), load16(inward, (2 * units + u) * 16), new
                    )
                store(state, k * 16, add(add(reset, update), new))
