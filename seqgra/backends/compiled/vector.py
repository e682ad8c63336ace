"""Vectors of 8 or 16 numbers in kernels, as LLVM has them.

LLVM's own vectoriser fails on the loops of `compiled`: three to five times slower than the same loops written
with vectors, which LLVM splits where a processor has narrower registers. Every operation rounds once, as IEEE
754 says, and `fma` always rounds once for its two, so that the same source gives the same bits whatever the
width and the processor. Indices count elements, and nothing checks bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from seqgra.backends.compiled.compiler import SINGLE, Array, Operation, Value, Vector, get_function

_WORD, _SHORT, _BYTE = ir.IntType(32), ir.IntType(16), ir.IntType(8)
Code = Callable[[Any, ir.VectorType, Any], Any]
#: 1.5 * 2^23: a number added to it is rounded to a whole one. log(2) as a number of few bits, and its rest.
_WHOLE, _LOG_2 = 12582912.0, 0.693359375
_LOG_2_REST = _LOG_2 - math.log(2)


def _splat(builder: Any, value: Any, kind: ir.VectorType) -> Any:
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(_WORD, 0))
    lanes = ir.Constant(ir.VectorType(_WORD, kind.count), [0] * kind.count)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), lanes)


def _constant(value: float, kind: ir.VectorType) -> ir.Constant:
    return ir.Constant(kind, [value] * kind.count)


def _address(builder: Any, array: Value, index: Value, kind: ir.VectorType) -> Any:
    """Return where a vector lies that starts at an element."""
    assert isinstance(array.kind, Array)
    place = builder.gep(array.code, [index.code], inbounds=True)
    return builder.bitcast(place, kind.as_pointer())


def _load(count: int, whole: bool) -> Operation:
    kind = Vector(count, whole)

    def emit(builder: Any, array: Value, index: Value) -> Value:
        place = _address(builder, array, index, kind.code)
        return Value(kind, (builder.load(place, align=4, typ=kind.code),))

    return Operation(emit)


def _spread(count: int, whole: bool) -> Operation:
    kind = Vector(count, whole)

    def emit(builder: Any, value: Value) -> Value:
        code = builder.trunc(value.code, _WORD) if whole else value.code
        return Value(kind, (_splat(builder, code, kind.code),))

    return Operation(emit)


#: n numbers of an array from an index on: `load(array, index)`; n copies of one: `spread(value)`.
load8, load16, load_ints16 = _load(8, False), _load(16, False), _load(16, True)
spread8, spread16, spread_ints16 = _spread(8, False), _spread(16, False), _spread(16, True)


def _store(builder: Any, array: Value, index: Value, value: Value) -> None:
    builder.store(value.code, _address(builder, array, index, value.code.type), align=4)


def _store_shorts(builder: Any, array: Value, index: Value, value: Value) -> None:
    shorts = ir.VectorType(_SHORT, 16)
    low = builder.trunc(value.code, shorts)
    builder.store(low, _address(builder, array, index, shorts), align=2)


def _load_symbols(builder: Any, array: Value, index: Value, last: Value) -> Value:
    kind, bytes16 = Vector(16, whole=True), ir.VectorType(_BYTE, 16)
    value = builder.load(_address(builder, array, index, bytes16), align=1, typ=bytes16)
    most = _splat(builder, builder.trunc(last.code, _BYTE), bytes16)
    least = builder.select(builder.icmp_unsigned("<", value, most), value, most)
    return Value(kind, (builder.zext(least, kind.code),))


def _lanes(builder: Any) -> Value:
    kind = Vector(16, whole=True)
    return Value(kind, (ir.Constant(kind.code, list(range(16))),))


#: Put a vector into an array from an index on: `store(array, index, vector)`.
store = Operation(_store)
#: Put the low 16 bits of a vector's integers into an array of uint16, as `store`.
store_shorts = Operation(_store_shorts)
#: 16 bytes of an array as integers, those above a last one as that: `load_symbols(array, index, last)`.
load_symbols = Operation(_load_symbols)
#: 0 to 15.
lanes16 = Operation(_lanes)


def _elementwise(make: Code, result: int = 0) -> Operation:
    """Return an operation that gives a vector of the kind of argument `result`."""

    def emit(builder: Any, *args: Value) -> Value:
        kind = args[0].kind
        assert isinstance(kind, Vector)
        return Value(args[result].kind, (make(builder, kind.code, [a.code for a in args]),))

    return Operation(emit)


def _built_in(name: str) -> Code:
    """Return the code of an operation that LLVM has for vectors, ``llvm.<name>``."""

    def code(builder: Any, kind: ir.VectorType, args: Any) -> Any:
        form = ir.FunctionType(kind, [kind] * len(args))
        full = f"llvm.{name}.v{kind.count}f32"
        return builder.call(get_function(builder.module, form, full), args)

    return code


def _relu(builder: Any, kind: ir.VectorType, args: Any) -> Any:
    zero = _constant(0.0, kind)
    return builder.select(builder.fcmp_ordered("<=", args[0], zero), zero, args[0])


def _gate(builder: Any, kind: ir.VectorType, args: Any) -> Any:
    zero = _constant(0.0, kind)
    return builder.select(builder.fcmp_ordered(">", args[1], zero), args[0], zero)


def _larger(builder: Any, kind: ir.VectorType, args: Any) -> Any:
    return builder.select(builder.fcmp_unordered(">", args[0], args[1]), args[0], args[1])


def _choose(builder: Any, kind: ir.VectorType, args: Any) -> Any:
    return builder.select(builder.fcmp_unordered(">", args[0], args[1]), args[2], args[3])


def _where(builder: Any, kind: ir.VectorType, args: Any) -> Any:
    same = builder.icmp_signed("==", args[1], args[2])
    return builder.select(same, args[0], _constant(0.0, kind))


def _keep(builder: Any, kind: ir.VectorType, args: Any) -> Any:
    kept = builder.icmp_unsigned(">=", args[1], args[2])
    return builder.select(kept, args[0], _constant(0.0, kind))


def _random(builder: Any, kind: ir.VectorType, args: Any) -> Any:
    shift = [_constant(n, kind) for n in (16, 15, 16)]
    x = builder.add(args[0], args[1])
    x = builder.mul(builder.xor(x, builder.lshr(x, shift[0])), _constant(0x7FEB352D, kind))
    x = builder.add(builder.xor(x, builder.lshr(x, shift[1])), args[2])
    x = builder.mul(builder.xor(x, builder.lshr(x, shift[1])), _constant(0x846CA68B, kind))
    return builder.xor(x, builder.lshr(x, shift[2]))


def _exponential(builder: Any, kind: ir.VectorType, args: Any) -> Any:
    """exp(x) = 2^n exp(r), n whole and r at most log(2) / 2: a sum of seven powers of r, then n's bits."""
    whole, product = ir.VectorType(_WORD, kind.count), _built_in("fma")

    def fused(a: Any, b: float, c: Any) -> Any:
        return product(builder, kind, [a, _constant(b, kind), c])

    x = _larger(builder, kind, [args[0], _constant(-87.0, kind)])
    shifted = fused(x, 1 / math.log(2), _constant(_WHOLE, kind))  # its last bits are n
    n = builder.fsub(shifted, _constant(_WHOLE, kind))
    rest = fused(n, _LOG_2_REST, fused(n, -_LOG_2, x))
    power = _constant(1 / math.factorial(7), kind)
    for k in range(6, -1, -1):
        power = product(builder, kind, [power, rest, _constant(1 / math.factorial(k), kind)])
    exponent = builder.shl(builder.bitcast(shifted, whole), _constant(23, whole))
    return builder.bitcast(builder.add(builder.bitcast(power, whole), exponent), kind)


def _sigmoid(builder: Any, kind: ir.VectorType, args: Any) -> Any:
    """1 / (1 + exp(-x)), from the exponential of a number up to 0 on either side."""
    x, one, zero = args[0], _constant(1.0, kind), _constant(0.0, kind)
    size = _larger(builder, kind, [x, builder.fsub(zero, x)])
    power = _exponential(builder, kind, [builder.fsub(zero, size)])
    share = builder.fdiv(one, builder.fadd(one, power))
    return _choose(builder, kind, [x, zero, share, builder.fmul(power, share)])


def _total(builder: Any, value: Value) -> Value:
    assert isinstance(value.kind, Vector)
    code, count = value.code, value.kind.lanes
    while count > 1:
        count //= 2
        halves = (
            builder.shuffle_vector(
                code,
                ir.Constant(code.type, ir.Undefined),
                ir.Constant(ir.VectorType(_WORD, count), list(range(first, first + count))),
            )
            for first in (0, count)
        )
        code = builder.fadd(*halves)
    return Value(SINGLE, (builder.extract_element(code, ir.Constant(_WORD, 0)),))


add = _elementwise(lambda b, _, x: b.fadd(*x))
subtract = _elementwise(lambda b, _, x: b.fsub(*x))
multiply = _elementwise(lambda b, _, x: b.fmul(*x))
divide = _elementwise(lambda b, _, x: b.fdiv(*x))
add_ints = _elementwise(lambda b, _, x: b.add(*x))
multiply_ints = _elementwise(lambda b, _, x: b.mul(*x))
#: a * b + c, rounded once.
fma = _elementwise(_built_in("fma"))
#: exp, to two units in the last place, of numbers up to 0; below -87 exp(-87).
exponential = _elementwise(_exponential)
#: 1 / (1 + exp(-a)).
sigmoid = _elementwise(_sigmoid)
#: The sum of a vector's numbers, half added to half until one is left.
total = Operation(_total)
root = _elementwise(_built_in("sqrt"))
#: The larger of a and 0; a where it is not a number.
relu = _elementwise(_relu)
#: a where b > 0, else 0.
gate = _elementwise(_gate)
#: The larger of a and b; a where one is not a number.
larger = _elementwise(_larger)
#: c where a is the larger of a and b, else d.
choose = _elementwise(_choose, result=2)
#: a where the integers b and c are the same, else 0.
where_equal = _elementwise(_where)
#: a where b >= c as integers without sign, else 0.
keep = _elementwise(_keep)
#: 32 random bits from a counter and two keys: multiplications and shifts of Wellons's ``lowbias32``
#: (https://github.com/skeeto/hash-prospector), the second key added half-way.
random_bits = _elementwise(_random)
