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
from seqgra.backends.compiled.vector import (
    add,
    choose,
    divide,
    exponential,
    fma,
    larger,
    load16,
    multiply,
    spread16,
    store,
    subtract,
)


@part
def scatter_unit(values: np.ndarray, at: int, step: int, count: int, lanes: np.ndarray) -> None:
    """Write the first `count` numbers of a vector that lies in `lanes`, `step` apart."""
    for e in range(count):
        values[at + e * step] = lanes[e]


@part
def gather_unit(values: np.ndarray, at: int, step: int, count: int, lanes: np.ndarray) -> None:
    """Read what `scatter_unit` writes into `lanes`; what is behind them stays."""
    for e in range(count):
        lanes[e] = values[at + e * step]


@part
def recur(
    units: int,
    length: int,
    backward: int,
    inputs: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    lanes: np.ndarray,
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
    lanes, state, after
        Scratch: 16, 16 U, 16 U.
    gates
        Out: r, z, n and W_n h + b_n, (blocks of 16 examples, L, U, 4, 16).
    states
        Out: (N, L, U).
    """
    one, two, zero = spread16(np.float32(1)), spread16(np.float32(2)), spread16(np.float32(0))
    count = states.size // (length * units)
    store(lanes, 0, zero)
    for block in range((count + 15) // 16):
        here = min(count - block * 16, 16)
        for u in range(units):
            store(state, u * 16, zero)
        for step in range(length):
            place = step
            if backward > 0:
                place = length - 1 - step
            first = block * 16 * length + place
            for u in range(units):
                r, z = spread16(bias[u]), spread16(bias[units + u])
                n = spread16(bias[2 * units + u])
                for k in range(units):
                    h = load16(state, k * 16)
                    r = fma(spread16(weight[u * units + k]), h, r)
                    z = fma(spread16(weight[(units + u) * units + k]), h, z)
                    n = fma(spread16(weight[(2 * units + u) * units + k]), h, n)
                at, row = first * 3 * units + u, length * 3 * units
                gather_unit(inputs, at, row, here, lanes)
                r = add(r, load16(lanes, 0))
                power = exponential(subtract(zero, larger(r, subtract(zero, r))))
                share = divide(one, add(one, power))
                r = choose(r, zero, share, multiply(power, share))
                gather_unit(inputs, at + units, row, here, lanes)
                z = add(z, load16(lanes, 0))
                power = exponential(subtract(zero, larger(z, subtract(zero, z))))
                share = divide(one, add(one, power))
                z = choose(z, zero, share, multiply(power, share))
                gather_unit(inputs, at + 2 * units, row, here, lanes)
                c = multiply(two, fma(r, n, load16(lanes, 0)))
                power = exponential(subtract(zero, larger(c, subtract(zero, c))))
                share = divide(two, add(one, power))
                c = subtract(choose(c, zero, share, multiply(power, share)), one)
                new = fma(z, subtract(load16(state, u * 16), c), c)
                store(after, u * 16, new)
                to = (((block * length + place) * units + u) * 4) * 16
                store(gates, to, r)
                store(gates, to + 16, z)
                store(gates, to + 32, c)
                store(gates, to + 48, n)
                store(lanes, 0, new)
                scatter_unit(states, first * units + u, length * units, here, lanes)
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
    lanes: np.ndarray,
    state: np.ndarray,
    after: np.ndarray,
    inward: np.ndarray,
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
    lanes, state, after, inward
        Scratch: 16, 16 U, 16 U, 48 U.
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
            first = block * 16 * length + place
            for u in range(units):
                at = first * units + u
                store(lanes, 0, zero)
                gather_unit(given, at, length * units, here, lanes)
                gradient = add(load16(lanes, 0), load16(state, u * 16))
                store(lanes, 0, zero)
                if step < length - 1:
                    gather_unit(states, at + (before - place) * units, length * units, here, lanes)
                h = load16(lanes, 0)
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
                at, row = first * 3 * units + u, length * 3 * units
                store(lanes, 0, reset)
                scatter_unit(of_inputs, at, row, here, lanes)
                scatter_unit(of_states, at, row, here, lanes)
                store(lanes, 0, update)
                scatter_unit(of_inputs, at + units, row, here, lanes)
                scatter_unit(of_states, at + units, row, here, lanes)
                store(lanes, 0, new)
                scatter_unit(of_inputs, at + 2 * units, row, here, lanes)
                store(lanes, 0, multiply(new, r))
                scatter_unit(of_states, at + 2 * units, row, here, lanes)
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
