"""PCG64 compiled: numpy's raw words drawn inside a kernel, where their number is not known before.

The generator is PCG XSL-RR 128/64 (O'Neill 2014, https://www.pcg-random.org/paper.html). Its state lives
in an array of the caller, so there is no global state and any kernel may be cached and release the GIL.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

_MULTIPLIER_HIGH = np.uint64(0x2360ED051FC65DA4)
_MULTIPLIER_LOW = np.uint64(0x4385DF649FCCF645)
_MASK = (1 << 64) - 1


def generator_state(generator: np.random.PCG64) -> np.ndarray:
    """Return where a bit generator stands: uint64 (4,), state and increment, high word first.

    The array is a copy: drawing from it leaves `generator` where it is.
    """
    state = generator.state["state"]
    parts = [state["state"] >> 64, state["state"] & _MASK, state["inc"] >> 64, state["inc"] & _MASK]
    return np.array(parts, np.uint64)


@intrinsic
def multiply_high(typing_context: Any, a: Any, b: Any) -> Any:
    """Return floor(a * b / 2**64) of two uint64: one instruction, which numba cannot write itself."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(value, wide) for value in values))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return numba.uint64(numba.uint64, numba.uint64), build


@numba.njit(inline="always")
def _advanced(
    high: np.uint64, low: np.uint64, increment_high: np.uint64, increment_low: np.uint64
) -> tuple[np.uint64, np.uint64]:
    """Return the next state, (state * multiplier + increment) mod 2**128, as high and low word."""
    product_low = low * _MULTIPLIER_LOW
    carried: np.uint64 = multiply_high(low, _MULTIPLIER_LOW)  # type: ignore[call-arg]
    product_high = carried + high * _MULTIPLIER_LOW + low * _MULTIPLIER_HIGH
    next_low = product_low + increment_low
    return product_high + increment_high + np.uint64(next_low < product_low), next_low


@numba.njit(inline="always")
def _output(high: np.uint64, low: np.uint64) -> np.uint64:
    """Return the word of a state: its halves XORed, rotated right by its top 6 bits."""
    mixed, turn = high ^ low, high >> np.uint64(58)
    return (mixed >> turn) | (mixed << ((np.uint64(64) - turn) & np.uint64(63)))


@numba.njit(cache=True, nogil=True)
def next_word(state: np.ndarray) -> np.uint64:
    """Return the next raw word and advance `state` (uint64 (4,), see `generator_state`) in place."""
    state[0], state[1] = _advanced(state[0], state[1], state[2], state[3])
    return _output(state[0], state[1])


@numba.njit(cache=True, nogil=True)
def fill_words(state: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (uint64 (M,)) with the next raw words; faster than `next_word` for each."""
    high, low, increment_high, increment_low = state[0], state[1], state[2], state[3]
    for i in range(out.size):
        high, low = _advanced(high, low, increment_high, increment_low)
        out[i] = _output(high, low)
    state[0], state[1] = high, low
