"""Vectors of 8 or 16 numbers as values that compiled functions can hold.

numba's own vectoriser fails on the loops of `compiled`: three to five times slower than the same loops
written with vectors. So a vector is made a type of its own, ``<16 x float>`` of LLVM, with a few
operations of a line or two each; LLVM splits it where a processor has narrower registers. llvmlite comes
with numba; no C compiler is needed. Every operation rounds once, as IEEE 754 says, and `fma` always rounds
once for its two, so that the same source gives the same bits whatever the width and the processor.

Arrays are one-dimensional and contiguous, indices count elements, and nothing checks bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import extending
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import models, register_model

_FLOAT, _INT, _SHORT, _BYTE = ir.FloatType(), ir.IntType(32), ir.IntType(16), ir.IntType(8)
_INDEX = types.int64
intrinsic: Any = extending.intrinsic
Code = Callable[[Any, ir.VectorType, Any, Any], Any]


class Vector(types.Type):
    """`n` float32 numbers, or int32 ones if `whole`."""

    def __init__(self, n: int, whole: bool = False) -> None:
        self.n, self.whole = n, whole
        super().__init__(f"Vector({n}, {whole})")

    @property
    def code(self) -> ir.VectorType:
        """The type of LLVM."""
        return ir.VectorType(_INT if self.whole else _FLOAT, self.n)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, kind.code)


def _splat(builder: Any, value: Any, kind: ir.VectorType) -> Any:
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(_INT, 0))
    lanes = ir.Constant(ir.VectorType(_INT, kind.count), [0] * kind.count)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), lanes)


def _constant(value: float, kind: ir.VectorType) -> ir.Constant:
    return ir.Constant(kind, [value] * kind.count)


def _address(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Return where the element `args[1]` of the array `args[0]` lies."""
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    return builder.gep(data, [args[1]])


def _load(n: int, whole: bool) -> Any:
    kind = Vector(n, whole)

    @intrinsic
    def load(_: Any, array: Any, index: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = _address(context, builder, signature, args)
            return builder.load(builder.bitcast(place, kind.code.as_pointer()), align=4)

        return kind(array, _INDEX), code

    return load


def _spread(n: int, whole: bool) -> Any:
    kind = Vector(n, whole)

    @intrinsic
    def spread(_: Any, value: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value = builder.trunc(args[0], _INT) if whole else args[0]
            return _splat(builder, value, kind.code)

        return kind(_INDEX if whole else types.float32), code

    return spread


#: n numbers of an array from an index on: `load(array, index)`; n copies of one: `spread(value)`.
load8, load16, load_ints16 = _load(8, False), _load(16, False), _load(16, True)
spread8, spread16, spread_ints16 = _spread(8, False), _spread(16, False), _spread(16, True)


@intrinsic
def store(_: Any, array: Any, index: Any, value: Any) -> Any:
    """Put a vector's numbers into an array from an index on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _address(context, builder, signature, args)
        builder.store(args[2], builder.bitcast(place, value.code.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, _INDEX, value), code


@intrinsic
def at(_: Any, array: Any, index: Any) -> Any:
    """Return one element, integers as those without sign, without a test for negative indices."""
    unsigned = isinstance(array.dtype, types.Integer)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(_address(context, builder, signature, args))
        return builder.zext(value, ir.IntType(64)) if unsigned else value

    return (_INDEX if unsigned else array.dtype)(array, _INDEX), code


@intrinsic
def put(_: Any, array: Any, index: Any, value: Any) -> Any:
    """Set one element."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _address(context, builder, signature, args))
        return context.get_dummy_value()

    return types.void(array, _INDEX, array.dtype), code


@intrinsic
def add_to(_: Any, array: Any, index: Any, value: Any) -> Any:
    """Add a number to one element."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _address(context, builder, signature, args)
        builder.store(builder.fadd(builder.load(place), args[2]), place)
        return context.get_dummy_value()

    return types.void(array, _INDEX, array.dtype), code


@intrinsic
def load_symbols(_: Any, array: Any, index: Any, last: Any) -> Any:
    """Return 16 bytes of an array as integers, those above `last` as `last`."""
    kind = Vector(16, whole=True)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bytes16 = ir.VectorType(_BYTE, 16)
        place = _address(context, builder, signature, args)
        value = builder.load(builder.bitcast(place, bytes16.as_pointer()), align=1)
        last = _splat(builder, builder.trunc(args[2], _BYTE), bytes16)
        least = builder.select(builder.icmp_unsigned("<", value, last), value, last)
        return builder.zext(least, kind.code)

    return kind(array, _INDEX, _INDEX), code


@intrinsic
def store_shorts(_: Any, array: Any, index: Any, value: Any) -> Any:
    """Put the low 16 bits of a vector's integers into an array of uint16."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        shorts = ir.VectorType(_SHORT, value.n)
        place = _address(context, builder, signature, args)
        low = builder.trunc(args[2], shorts)
        builder.store(low, builder.bitcast(place, shorts.as_pointer()), align=2)
        return context.get_dummy_value()

    return types.void(array, _INDEX, value), code


def _elementwise(count: int, make: Code, result: int = 0) -> Any:
    """Return an operation of `count` vectors that gives a vector of the kind of argument `result`."""

    def typed(kinds: tuple[Any, ...]) -> Any:
        def code(_: Any, builder: Any, signature: Any, args: Any) -> Any:
            return make(builder, kinds[0].code, args, signature)

        return kinds[result](*kinds), code

    if count == 1:

        @intrinsic
        def operation(_: Any, a: Any) -> Any:
            return typed((a,))

    elif count == 2:

        @intrinsic
        def operation(_: Any, a: Any, b: Any) -> Any:
            return typed((a, b))

    elif count == 3:

        @intrinsic
        def operation(_: Any, a: Any, b: Any, c: Any) -> Any:
            return typed((a, b, c))

    else:

        @intrinsic
        def operation(_: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
            return typed((a, b, c, d))

    return operation


def _built_in(name: str) -> Code:
    """Return the code of an operation that LLVM has for vectors, ``llvm.<name>``."""

    def code(builder: Any, kind: ir.VectorType, args: Any, _: Any) -> Any:
        form = ir.FunctionType(kind, [kind] * len(args))
        full = f"llvm.{name}.v{kind.count}f32"
        return builder.call(get_or_insert_function(builder.module, form, full), args)

    return code


def _relu(builder: Any, kind: ir.VectorType, args: Any, _: Any) -> Any:
    zero = _constant(0.0, kind)
    return builder.select(builder.fcmp_ordered("<=", args[0], zero), zero, args[0])


def _gate(builder: Any, kind: ir.VectorType, args: Any, _: Any) -> Any:
    zero = _constant(0.0, kind)
    return builder.select(builder.fcmp_ordered(">", args[1], zero), args[0], zero)


def _larger(builder: Any, kind: ir.VectorType, args: Any, _: Any) -> Any:
    return builder.select(builder.fcmp_unordered(">", args[0], args[1]), args[0], args[1])


def _choose(builder: Any, kind: ir.VectorType, args: Any, _: Any) -> Any:
    return builder.select(builder.fcmp_unordered(">", args[0], args[1]), args[2], args[3])


def _where(builder: Any, kind: ir.VectorType, args: Any, _: Any) -> Any:
    same = builder.icmp_signed("==", args[1], args[2])
    return builder.select(same, args[0], _constant(0.0, kind))


def _keep(builder: Any, kind: ir.VectorType, args: Any, _: Any) -> Any:
    kept = builder.icmp_unsigned(">=", args[1], args[2])
    return builder.select(kept, args[0], _constant(0.0, kind))


def _random(builder: Any, kind: ir.VectorType, args: Any, _: Any) -> Any:
    shift = [_constant(n, kind) for n in (16, 15, 16)]
    x = builder.add(args[0], args[1])
    x = builder.mul(builder.xor(x, builder.lshr(x, shift[0])), _constant(0x7FEB352D, kind))
    x = builder.add(builder.xor(x, builder.lshr(x, shift[1])), args[2])
    x = builder.mul(builder.xor(x, builder.lshr(x, shift[1])), _constant(0x846CA68B, kind))
    return builder.xor(x, builder.lshr(x, shift[2]))


add = _elementwise(2, lambda b, _, x, s: b.fadd(*x))
subtract = _elementwise(2, lambda b, _, x, s: b.fsub(*x))
multiply = _elementwise(2, lambda b, _, x, s: b.fmul(*x))
divide = _elementwise(2, lambda b, _, x, s: b.fdiv(*x))
add_ints = _elementwise(2, lambda b, _, x, s: b.add(*x))
multiply_ints = _elementwise(2, lambda b, _, x, s: b.mul(*x))
#: a * b + c, rounded once.
fma = _elementwise(3, _built_in("fma"))
root = _elementwise(1, _built_in("sqrt"))
#: The larger of a and 0; a where it is not a number.
relu = _elementwise(1, _relu)
#: a where b > 0, else 0.
gate = _elementwise(2, _gate)
#: The larger of a and b; a where one is not a number.
larger = _elementwise(2, _larger)
#: c where a is the larger of a and b, else d.
choose = _elementwise(4, _choose, result=2)
#: a where the integers b and c are the same, else 0.
where_equal = _elementwise(3, _where)
#: a where b >= c as integers without sign, else 0.
keep = _elementwise(3, _keep)
#: 32 random bits from a counter and two keys: multiplications and shifts of Wellons's ``lowbias32``
#: (https://github.com/skeeto/hash-prospector), the second key added half-way.
random_bits = _elementwise(3, _random)
