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

from seqgra.law.jit import kernel, part

_MASK = (1 << 64) - 1
#: A 128-bit number as high and low word.
_Wide = tuple[np.uint64, np.uint64]


def _wide(number: int) -> _Wide:
    return np.uint64(number >> 64 & _MASK), np.uint64(number & _MASK)


#: What a step multiplies the state by, and what two steps do.
_MULTIPLIER = _wide(0x2360ED051FC65DA44385DF649FCCF645)
_LEAP = _wide(0x2360ED051FC65DA44385DF649FCCF645**2)


def generator_state(generator: np.random.PCG64) -> np.ndarray:
    """Return where a bit generator stands: uint64 (4,), state and increment, high word first.

    The array is a copy: drawing from it leaves `generator` where it is.
    """
    state = generator.state["state"]
    parts = [state["state"] >> 64, state["state"] & _MASK, state["inc"] >> 64, state["inc"] & _MASK]
    return np.array(parts, np.uint64)


@intrinsic
def _linear(typing_context: Any, state: Any, factor: Any, increment: Any) -> Any:
    """Return (state * factor + increment) mod 2**128 of pairs of uint64, high word first."""
    pair = numba.types.UniTuple(numba.uint64, 2)

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        wide, half = ir.IntType(128), ir.IntType(64)

        def join(value: Any) -> Any:
            high, low = (builder.zext(builder.extract_value(value, n), wide) for n in range(2))
            return builder.or_(builder.shl(high, ir.Constant(wide, 64)), low)

        start, times, plus = (join(value) for value in values)
        after = builder.add(builder.mul(start, times), plus)
        high = builder.trunc(builder.lshr(after, ir.Constant(wide, 64)), half)
        return context.make_tuple(
            builder, signature.return_type, (high, builder.trunc(after, half))
        )

    return pair(pair, pair, pair), build


@part
def _advanced(state: _Wide, factor: _Wide, increment: _Wide) -> _Wide:
    """Return state * factor + increment."""
    after: _Wide = _linear(state, factor, increment)  # type: ignore[call-arg]
    return after


@part
def _output(state: _Wide) -> np.uint64:
    """Return the word of a state: its halves XORed, rotated right by its top 6 bits."""
    mixed, turn = state[0] ^ state[1], state[0] >> np.uint64(58)
    return (mixed >> turn) | (mixed << ((np.uint64(64) - turn) & np.uint64(63)))


@part
def next_word(state: np.ndarray) -> np.uint64:
    """Return the next raw word and advance `state` (uint64 (4,), see `generator_state`) in place."""
    after = _advanced((state[0], state[1]), _MULTIPLIER, (state[2], state[3]))
    state[0], state[1] = after
    return _output(after)


@kernel
def fill_words(state: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (uint64 (M,)) with the next raw words; faster than `next_word` for each.

    Each state waits for the multiplication that makes the one before it. So two go on side by side, two
    steps at a time.
    """
    if out.size == 0:
        return
    increment = (state[2], state[3])
    even = _advanced((state[0], state[1]), _MULTIPLIER, increment)
    odd = _advanced(even, _MULTIPLIER, increment)
    leap = _advanced(increment, _MULTIPLIER, increment)  # what two steps add to state * _LEAP
    for i in range(1, out.size - 1, 2):
        out[i - 1], out[i] = _output(even), _output(odd)
        even, odd = _advanced(even, _LEAP, leap), _advanced(odd, _LEAP, leap)
    last = even
    if out.size % 2 == 0:
        out[out.size - 2] = _output(even)
        last = odd
    out[out.size - 1] = _output(last)
    state[0], state[1] = last


def words(state: np.ndarray, *shape: int) -> np.ndarray:
    """Return the next raw words (uint64 of `shape`) and advance `state` in place."""
    out = np.empty(shape, np.uint64)
    fill_words(state, out.reshape(-1))
    return out
