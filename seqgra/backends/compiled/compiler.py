"""A compiler of kernels: functions in a small part of Python become machine code through LLVM.

Kernels are loops over numbers, vectors and arrays. A general compiler for Python (numba) takes 25 seconds for
those of one network, most of them to infer types that are plain to see, and to optimise each function before
and again after it is put into its callers. Here the kinds of an entry's arguments are known, the kind of each
expression follows from those of its parts, and LLVM optimises all functions once, together.

What a kernel may hold, and what it means:

- numbers: ``int`` (64 bits), ``np.uint64``, ``np.float32`` and ``float``; of two kinds the result has the
  wider one; ``//`` and ``%`` are of integers that are not negative
- vectors, which the operations of `vector` take and give
- arrays of one or two axes, contiguous: ``x[i]``, ``x[i, j]``, rows, slices, ``x.size``, ``x.shape[k]``;
  indices count from the start, and nothing checks them
- tuples, named ones too, of numbers, arrays and tuples; they are only read
- assignments, ``if``, ``for`` over ``range`` with a step above 0, ``while``, calls of other kernels, ``min``
  and ``max`` of two, ``abs``, ``float``; of numpy ``exp``, ``log``, ``log1p``, ``sqrt``, ``inf`` and the
  types above

A name has one kind throughout a function. ``and`` and ``or`` compute both sides. Every operation rounds once,
as IEEE 754 says, in the order in which it is written.
"""

from __future__ import annotations

import ast
import ctypes
import ctypes.util
import inspect
import math
import struct
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

_INT, _SINGLE, _DOUBLE, _BIT = ir.IntType(64), ir.FloatType(), ir.DoubleType(), ir.IntType(1)
#: Types of arrays' elements: that of LLVM, and whether integers have a sign.
_ELEMENTS: dict[str, tuple[ir.Type, bool]] = {
    "float32": (_SINGLE, True),
    "float64": (_DOUBLE, True),
    "int64": (_INT, True),
    "uint64": (_INT, False),
    "int32": (ir.IntType(32), True),
    "uint16": (ir.IntType(16), False),
    "uint8": (ir.IntType(8), False),
}


class Scalar(NamedTuple):
    """A number: ``int64``, ``uint64``, ``float32``, ``float64`` or ``bool``."""

    name: str

    @property
    def code(self) -> ir.Type:
        """The type of LLVM."""
        return _BIT if self.name == "bool" else _ELEMENTS[self.name][0]

    @property
    def real(self) -> bool:
        """Whether it is a floating-point number."""
        return self.name.startswith("float")


class Vector(NamedTuple):
    """`lanes` float32 numbers, or int32 ones if `whole`."""

    lanes: int
    whole: bool = False

    @property
    def code(self) -> ir.VectorType:
        """The type of LLVM."""
        return ir.VectorType(ir.IntType(32) if self.whole else _SINGLE, self.lanes)


class Array(NamedTuple):
    """A contiguous array, of elements of a type of `_ELEMENTS`."""

    element: str
    axes: int


class Record(NamedTuple):
    """A tuple: names of its fields, numbers where it has none, and their kinds."""

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]


Kind = Scalar | Vector | Array | Record
INT, UINT, SINGLE, DOUBLE = (Scalar(n) for n in ("int64", "uint64", "float32", "float64"))
BOOL = Scalar("bool")


class Value(NamedTuple):
    """What an expression gives."""

    #: Its kind.
    kind: Kind
    #: A number or vector; an array's address and the length of each axis; a tuple's address.
    parts: tuple[ir.Value, ...]

    @property
    def code(self) -> ir.Value:
        """The value of LLVM, of a number or vector."""
        return self.parts[0]


class Unsupported(Exception):
    """A kernel holds what this compiler does not know: a fault of this package."""


@dataclass(frozen=True)
class Operation:
    """A function that kernels may call and that is not Python: it emits its own code."""

    #: From LLVM's builder and the values of the arguments to that of the result, if there is one.
    emit: Callable[..., Value | None]

    def __call__(self, *args: Any) -> Any:
        """Refuse: only kernels call it."""
        raise TypeError("operations of kernels have no meaning outside them")


class KernelPart:
    """A kernel that other kernels call: a function, or a definition in a source text.

    Attributes
    ----------
    names
        What its free names stand for.
    """

    def __init__(self, function: Callable[..., Any] | None, names: Mapping[str, Any]) -> None:
        self._function, self.names = function, names
        self._node: ast.FunctionDef | None = None

    @classmethod
    def of(cls, node: ast.FunctionDef, names: Mapping[str, Any]) -> KernelPart:
        """Return the kernel of a definition."""
        made = cls(None, names)
        made._node = node
        return made

    @property
    def node(self) -> ast.FunctionDef:
        """Its definition."""
        if self._node is None:
            assert self._function is not None
            node = ast.parse(textwrap.dedent(inspect.getsource(self._function))).body[0]
            assert isinstance(node, ast.FunctionDef)
            self._node = node
        return self._node

    def __call__(self, *args: Any) -> Any:
        """Refuse: only kernels call it."""
        raise TypeError("kernels are called by other kernels")


def part(function: Callable[..., Any]) -> Any:
    """Make a function one that kernels may call; its annotations are for readers alone."""
    return KernelPart(function, function.__globals__)


def kind_of(value: Any) -> Kind:
    """Return the kind of an entry's argument."""
    if isinstance(value, np.ndarray):
        return Array(value.dtype.name, value.ndim)
    if isinstance(value, tuple):
        names = getattr(value, "_fields", tuple(str(i) for i in range(len(value))))
        return Record(names, tuple(kind_of(item) for item in value))
    if isinstance(value, np.uint64):
        return UINT
    if isinstance(value, bool | int | np.integer):
        return INT
    if isinstance(value, float):
        return DOUBLE
    raise Unsupported(f"an argument of type {type(value).__name__}")


def pack(value: Any) -> bytes:
    """Return an argument as words of 8 bytes, the values of which must outlive their use."""
    if isinstance(value, np.ndarray):
        if not value.flags.c_contiguous:
            raise ValueError("kernels need contiguous arrays")
        address = value.__array_interface__["data"][0]
        return struct.pack(f"={1 + value.ndim}q", address, *value.shape)
    if isinstance(value, tuple):
        return b"".join(map(pack, value))
    return struct.pack("=d" if isinstance(value, float) else "=q", value)


def _words(kind: Kind) -> int:
    """Return how many words `pack` makes of a kind."""
    if isinstance(kind, Record):
        return sum(map(_words, kind.kinds))
    return 1 + kind.axes if isinstance(kind, Array) else 1


def _pointer(kind: Kind) -> ir.Type:
    """Return the type of the address of an array or tuple."""
    assert isinstance(kind, Array | Record)
    element = _ELEMENTS[kind.element][0] if isinstance(kind, Array) else _INT
    return element.as_pointer()


def _codes(kind: Kind) -> list[ir.Type]:
    """Return the types of a value's parts."""
    if isinstance(kind, Array):
        return [_pointer(kind)] + [_INT] * kind.axes
    return [_pointer(kind)] if isinstance(kind, Record) else [kind.code]


class _Compiled(NamedTuple):
    function: ir.Function
    result: Kind | None


class Unit:
    """A module of LLVM in the making: entries, and the kernels that they call."""

    def __init__(self, name: str) -> None:
        self.module = ir.Module(name)
        self.module.triple = llvm.get_process_triple()
        self._done: dict[tuple[int, tuple[Kind, ...]], _Compiled | None] = {}

    def entry(self, name: str, source: KernelPart, kinds: tuple[Kind, ...]) -> None:
        """Add a function ``int64 name(words)`` that calls a kernel with what `pack` made of its arguments."""
        called = self.kernel(source, kinds)
        function = ir.Function(self.module, ir.FunctionType(_INT, [_INT.as_pointer()]), name)
        builder = ir.IRBuilder(function.append_basic_block())
        place = 0
        parts: list[ir.Value] = []
        for kind in kinds:
            parts += read(builder, function.args[0], place, kind).parts
            place += _words(kind)
        result = builder.call(called.function, parts)
        builder.ret(result if called.result == INT else ir.Constant(_INT, 0))

    def kernel(self, source: KernelPart, kinds: tuple[Kind, ...]) -> _Compiled:
        """Return a kernel for arguments of these kinds, compiled if it has not been."""
        key = id(source), kinds
        if key not in self._done:
            self._done[key] = None
            self._done[key] = _Function(self, source, kinds).compiled
        found = self._done[key]
        if found is None:
            raise Unsupported(f"kernel {source.node.name} calls itself")
        return found


def read(builder: ir.IRBuilder, record: ir.Value, place: int, kind: Kind) -> Value:
    """Return the value that starts at a word of a tuple; tuples do not change during a call."""
    start = builder.gep(record, [ir.Constant(_INT, place)], inbounds=True)
    if isinstance(kind, Record):
        return Value(kind, (start,))
    parts = []
    for i, code in enumerate(_codes(kind)):
        word = builder.gep(start, [ir.Constant(_INT, i)], inbounds=True) if i else start
        loaded = builder.load(builder.bitcast(word, code.as_pointer()), align=8, typ=code)
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
        parts.append(loaded)
    return Value(kind, tuple(parts))


_COMPARISONS = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_INTEGER = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.BitAnd: "and_",
    ast.BitXor: "xor",
    ast.BitOr: "or_",
}
_REAL = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}
#: Of numpy's functions of a number, what computes them: of LLVM, or of the mathematical library.
_FUNCTIONS = {
    "exp": "llvm.exp.f64",
    "log": "llvm.log.f64",
    "sqrt": "llvm.sqrt.f64",
    "log1p": "log1p",
}
_TYPES = {"float32": SINGLE, "float64": DOUBLE, "int64": INT, "uint64": UINT}


#: Kinds of results by their annotation.
_RESULTS = {"None": None, "int": INT, "float": DOUBLE, "np.uint64": UINT}


class _Function:
    """A kernel in compilation, for arguments of given kinds."""

    def __init__(self, unit: Unit, source: KernelPart, kinds: tuple[Kind, ...]) -> None:
        self._unit, self._node, self._outer = unit, source.node, source.names
        names = [argument.arg for argument in self._node.args.args]
        if len(names) != len(kinds):
            raise self._unknown(self._node, f"{len(names)} parameters for {len(kinds)} arguments")
        self._result = _RESULTS[ast.unparse(self._node.returns) if self._node.returns else "None"]
        codes = [code for kind in kinds for code in _codes(kind)]
        returned = self._result.code if self._result else ir.VoidType()
        name = unit.module.get_unique_name(f"kernel.{self._node.name}")
        self._function = ir.Function(unit.module, ir.FunctionType(returned, codes), name)
        self._function.linkage = "internal"
        self._function.attributes.add("nounwind")
        self._first = ir.IRBuilder(self._function.append_basic_block("variables"))
        self._build = ir.IRBuilder(self._function.append_basic_block("start"))
        start = self._build.block
        self._slots: dict[str, Value] = {}
        self._loops: list[tuple[ir.Block, ir.Block]] = []  # where to continue, where to break to
        given = iter(self._function.args)
        for argument, kind in zip(names, kinds, strict=True):
            self._assign(argument, Value(kind, tuple(next(given) for _ in _codes(kind))))
        self._statements(self._node.body)
        if not self._build.block.is_terminated:
            if self._result is not None:
                raise self._unknown(self._node, "an end without a result")
            self._build.ret_void()
        self._first.branch(start)
        self.compiled = _Compiled(self._function, self._result)

    def _unknown(self, node: ast.AST, what: str) -> Unsupported:
        line = ast.unparse(node).partition("\n")[0]
        return Unsupported(f"kernel {self._node.name}: {what}: {line}")

    # Statements

    def _statements(self, nodes: list[ast.stmt]) -> None:
        for node in nodes:
            if self._build.block.is_terminated:
                return
            self._statement(node)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=targets, value=ast.Tuple(elts=items)):
                values = [self._value(item) for item in items]
                for target in targets:
                    if not isinstance(target, ast.Tuple) or len(target.elts) != len(values):
                        raise self._unknown(node, "an assignment of several")
                    for place, value in zip(target.elts, values, strict=True):
                        self._store(place, value)
            case ast.Assign(targets=targets, value=given):
                value = self._value(given)
                for target in targets:
                    self._store(target, value)
            case ast.AugAssign(target=ast.Name() | ast.Subscript() as target, op=op, value=given):
                self._store(target, self._binary(node, op, self._value(target), self._value(given)))
            case ast.If(test=test, body=body, orelse=other):
                self._if(self._truth(test), body, other)
            case ast.For(
                target=ast.Name(id=name),
                iter=ast.Call(func=ast.Name(id="range"), args=args),
                body=body,
                orelse=[],
            ):
                self._for(name, [self._integer(argument) for argument in args], body)
            case ast.While(test=test, body=body, orelse=[]):
                self._loop(lambda: self._truth(test), body, lambda: None)
            case ast.Continue():
                self._build.branch(self._loops[-1][0])
            case ast.Break():
                self._build.branch(self._loops[-1][1])
            case ast.Return(value=None) if self._result is None:
                self._build.ret_void()
            case ast.Return(value=given) if given and self._result is not None:
                self._build.ret(self._convert(self._value(given), self._result).code)
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass  # a docstring
            case ast.Expr(value=ast.Call() as call):
                self._call(call)
            case _:
                raise self._unknown(node, "an unknown statement")

    def _if(self, test: ir.Value, body: list[ast.stmt], other: list[ast.stmt]) -> None:
        function = self._function
        yes, no, after = (function.append_basic_block(n) for n in ("then", "else", "after"))
        self._build.cbranch(test, yes, no)
        for block, nodes in ((yes, body), (no, other)):
            self._build.position_at_end(block)
            self._statements(nodes)
            if not self._build.block.is_terminated:
                self._build.branch(after)
        self._build.position_at_end(after)

    def _for(self, name: str, bounds: list[ir.Value], body: list[ast.stmt]) -> None:
        zero, one = ir.Constant(_INT, 0), ir.Constant(_INT, 1)
        start, end, step = [[zero, *bounds, one], [*bounds, one], bounds][len(bounds) - 1]
        counter = self._first.alloca(_INT)
        self._build.store(start, counter)

        def test() -> ir.Value:
            value = self._build.load(counter)
            self._assign(name, Value(INT, (value,)))
            return self._build.icmp_signed("<", value, end)

        def advance() -> None:
            value = self._build.add(self._build.load(counter), step, flags=("nsw",))
            self._build.store(value, counter)

        self._loop(test, body, advance)

    def _loop(
        self, test: Callable[[], ir.Value], body: list[ast.stmt], advance: Callable[[], None]
    ) -> None:
        names = ("test", "body", "next", "after")
        first, inside, following, after = map(self._function.append_basic_block, names)
        self._build.branch(first)
        self._build.position_at_end(first)
        self._build.cbranch(test(), inside, after)
        self._build.position_at_end(inside)
        self._loops.append((following, after))
        self._statements(body)
        self._loops.pop()
        if not self._build.block.is_terminated:
            self._build.branch(following)
        self._build.position_at_end(following)
        advance()
        self._build.branch(first)
        self._build.position_at_end(after)

    # Names and elements

    def _assign(self, name: str, value: Value) -> None:
        if name not in self._slots:
            slots = tuple(self._first.alloca(code) for code in _codes(value.kind))
            self._slots[name] = Value(value.kind, slots)
        slot = self._slots[name]
        if slot.kind != value.kind:
            value = self._convert(value, slot.kind, name)
        for code, place in zip(value.parts, slot.parts, strict=True):
            self._build.store(code, place)

    def _store(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            self._assign(target.id, value)
        elif isinstance(target, ast.Subscript):
            address, array = self._element(target)
            code, _ = _ELEMENTS[array.element]
            if isinstance(code, ir.IntType):
                whole = self._convert(value, INT).code
                self._build.store(
                    self._build.trunc(whole, code) if code.width < 64 else whole, address
                )
            else:
                self._build.store(self._convert(value, Scalar(array.element)).code, address)
        else:
            raise self._unknown(target, "a target of an assignment")

    def _element(self, node: ast.Subscript) -> tuple[ir.Value, Array]:
        """Return the address of an element."""
        array = self._value(node.value)
        if not isinstance(array.kind, Array):
            raise self._unknown(node, "an element of what is no array")
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if len(items) != array.kind.axes:
            raise self._unknown(node, "an element of another number of axes")
        index = self._integer(items[0])
        for item, size in zip(items[1:], array.parts[2:], strict=True):
            index = self._build.mul(index, size, flags=("nsw",))
            index = self._build.add(index, self._integer(item), flags=("nsw",))
        return self._build.gep(array.code, [index], inbounds=True), array.kind

    def _part_of_array(self, array: Value, node: ast.Subscript) -> Value:
        """Return a slice of an array, or a row of one with two axes."""
        assert isinstance(array.kind, Array)
        address, length, *rest = array.parts
        if isinstance(node.slice, ast.Slice) and array.kind.axes == 1 and node.slice.step is None:
            lower, upper = node.slice.lower, node.slice.upper
            start = self._integer(lower) if lower else ir.Constant(_INT, 0)
            if upper:
                end = self._integer(upper)
                inside = self._build.icmp_signed("<", end, length)
                length = self._build.select(inside, end, length)
            address = self._build.gep(address, [start], inbounds=True)
            return Value(array.kind, (address, self._build.sub(length, start, flags=("nsw",))))
        if array.kind.axes == 2:
            start = self._build.mul(self._integer(node.slice), rest[0], flags=("nsw",))
            address = self._build.gep(address, [start], inbounds=True)
            return Value(Array(array.kind.element, 1), (address, rest[0]))
        raise self._unknown(node, "a part of an array")

    def _subscript(self, node: ast.Subscript) -> Value:
        if isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
            axis = node.slice.value if isinstance(node.slice, ast.Constant) else None
            array = self._value(node.value.value)
            if isinstance(array.kind, Array) and isinstance(axis, int):
                return Value(INT, (array.parts[1 + axis],))
        of = self._value(node.value)
        if isinstance(of.kind, Record) and isinstance(node.slice, ast.Constant):
            return self._field(of, str(node.slice.value), node)
        if not isinstance(of.kind, Array):
            raise self._unknown(node, "a part of what has none")
        items = len(node.slice.elts) if isinstance(node.slice, ast.Tuple) else 1
        if isinstance(node.slice, ast.Slice) or items < of.kind.axes:
            return self._part_of_array(of, node)
        address, kind = self._element(node)
        code, signed = _ELEMENTS[kind.element]
        value = self._build.load(address)
        if isinstance(code, ir.IntType) and code.width < 64:
            value = (self._build.sext if signed else self._build.zext)(value, _INT)
            return Value(INT, (value,))
        return Value(Scalar(kind.element), (value,))

    def _field(self, record: Value, name: str, node: ast.expr) -> Value:
        assert isinstance(record.kind, Record)
        if name not in record.kind.names:
            raise self._unknown(node, f"no field {name}")
        at = record.kind.names.index(name)
        place = sum(map(_words, record.kind.kinds[:at]))
        return read(self._build, record.code, place, record.kind.kinds[at])

    # Expressions

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=bool() | int() | float() as number):
                return _constant(number)
            case ast.Name(id=name) if name in self._slots:
                slot = self._slots[name]
                return Value(slot.kind, tuple(self._build.load(place) for place in slot.parts))
            case ast.Name(id=name) if isinstance(self._outer.get(name), int | float):
                return _constant(self._outer[name])
            case ast.Attribute(value=ast.Name(id="np"), attr="inf"):
                return _constant(math.inf)
            case ast.Attribute(value=of, attr=name):
                value = self._value(of)
                if isinstance(value.kind, Record):
                    return self._field(value, name, node)
                if isinstance(value.kind, Array) and name == "size" and value.kind.axes == 1:
                    return Value(INT, (value.parts[1],))
            case ast.Subscript():
                return self._subscript(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value = self._value(operand)
                if value.kind == INT:
                    return Value(INT, (self._build.neg(value.code),))
                if isinstance(value.kind, Scalar) and value.kind.real:
                    return Value(value.kind, (self._build.fneg(value.code),))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Value(BOOL, (self._build.not_(self._truth(operand)),))
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(node, op, self._value(left), self._value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self._compare(op, self._value(left), self._value(right))
            case ast.BoolOp(op=op, values=items):
                join = self._build.and_ if isinstance(op, ast.And) else self._build.or_
                joined = self._truth(items[0])
                for item in items[1:]:
                    joined = join(joined, self._truth(item))
                return Value(BOOL, (joined,))
            case ast.IfExp(test=test, body=one, orelse=other):
                chosen = self._alike(self._value(one), self._value(other))
                code = self._build.select(self._truth(test), *(value.code for value in chosen))
                return Value(chosen[0].kind, (code,))
            case ast.Call():
                if result := self._call(node):
                    return result
        raise self._unknown(node, "an unknown expression")

    def _integer(self, node: ast.expr) -> ir.Value:
        value = self._value(node)
        if value.kind != INT:
            raise self._unknown(node, "an index that is no integer")
        return value.code

    def _truth(self, node: ast.expr) -> ir.Value:
        value = self._value(node)
        if value.kind == BOOL:
            return value.code
        return self._compare(ast.NotEq(), value, _constant(0)).code

    def _alike(self, one: Value, other: Value) -> tuple[Value, Value]:
        """Return two numbers as of the wider of their kinds."""
        kinds = [INT if v.kind == BOOL else v.kind for v in (one, other)]
        if kinds[0] == kinds[1]:
            kind = kinds[0]
        elif not all(isinstance(kind, Scalar) for kind in kinds) or UINT in kinds:
            raise Unsupported(f"kernel {self._node.name}: {one.kind} beside {other.kind}")
        else:
            kind = DOUBLE
        return self._convert(one, kind), self._convert(other, kind)

    def _convert(self, value: Value, kind: Kind, name: str = "a value") -> Value:
        """Return a number as of another kind; of a vector, array or tuple only its own."""
        of, build = value.kind, self._build
        if of == kind:
            return value
        if isinstance(of, Scalar) and isinstance(kind, Scalar):
            if {of, kind} == {INT, UINT}:
                return Value(kind, value.parts)
            if of == BOOL:
                return self._convert(Value(INT, (build.zext(value.code, _INT),)), kind)
            if of == INT and kind.real:
                return Value(kind, (build.sitofp(value.code, kind.code),))
            if of == SINGLE and kind == DOUBLE:
                return Value(kind, (build.fpext(value.code, _DOUBLE),))
            if of == DOUBLE and kind == SINGLE:
                return Value(kind, (build.fptrunc(value.code, _SINGLE),))
        raise Unsupported(f"kernel {self._node.name}: {name} is {of}, not {kind}")

    def _binary(self, node: ast.AST, op: ast.operator, one: Value, other: Value) -> Value:
        build = self._build
        if isinstance(op, ast.LShift | ast.RShift) and one.kind == other.kind == UINT:
            shift = build.shl if isinstance(op, ast.LShift) else build.lshr
            return Value(UINT, (shift(one.code, other.code),))
        one, other = self._alike(one, other)
        kind, codes = one.kind, (one.code, other.code)
        if kind == INT and isinstance(op, ast.Div):
            one, other = self._convert(one, DOUBLE), self._convert(other, DOUBLE)
            return Value(DOUBLE, (build.fdiv(one.code, other.code),))
        if isinstance(op, ast.Pow):
            powers = [self._convert(value, DOUBLE).code for value in (one, other)]
            return Value(DOUBLE, (self._library("llvm.pow.f64", *powers),))
        if kind in (INT, UINT):
            if isinstance(op, ast.FloorDiv | ast.Mod) and kind == INT:
                divide = build.sdiv if isinstance(op, ast.FloorDiv) else build.srem
                return Value(INT, (divide(*codes),))
            if type(op) in _INTEGER:
                wraps = kind == UINT or type(op) not in _REAL
                flags = {} if wraps else {"flags": ("nsw",)}
                return Value(kind, (getattr(build, _INTEGER[type(op)])(*codes, **flags),))
        elif isinstance(kind, Scalar) and type(op) in _REAL:
            return Value(kind, (getattr(build, _REAL[type(op)])(*codes),))
        raise self._unknown(node, "an unknown operation")

    def _compare(self, op: ast.cmpop, one: Value, other: Value) -> Value:
        one, other = self._alike(one, other)
        sign, kind = _COMPARISONS[type(op)], one.kind
        if isinstance(kind, Scalar) and kind.real:
            unordered = sign == "!="
            compare = self._build.fcmp_unordered if unordered else self._build.fcmp_ordered
        else:
            compare = self._build.icmp_unsigned if kind == UINT else self._build.icmp_signed
        return Value(BOOL, (compare(sign, one.code, other.code),))

    def _library(self, name: str, *args: ir.Value) -> ir.Value:
        """Call a function of float64 numbers."""
        kind = ir.FunctionType(_DOUBLE, [_DOUBLE] * len(args))
        return self._build.call(get_function(self._build.module, kind, name), args)

    def _call(self, node: ast.Call) -> Value | None:
        if node.keywords:
            raise self._unknown(node, "arguments by name")
        args = [self._value(argument) for argument in node.args]
        match node.func:
            case ast.Attribute(value=ast.Name(id="np"), attr=name) if name in _TYPES:
                kind = _TYPES[name]
                if kind == INT and args[0].kind in (SINGLE, DOUBLE):
                    return Value(INT, (self._build.fptosi(args[0].code, _INT),))
                return self._convert(args[0], kind)
            case ast.Attribute(value=ast.Name(id="np"), attr=name) if name in _FUNCTIONS:
                number = self._convert(args[0], DOUBLE).code
                return Value(DOUBLE, (self._library(_FUNCTIONS[name], number),))
            case ast.Name(id="min" | "max" as name) if len(args) == 2:
                one, other = self._alike(*args)
                sign = ast.Lt() if name == "min" else ast.Gt()
                chosen = self._compare(sign, other, one).code
                return Value(one.kind, (self._build.select(chosen, other.code, one.code),))
            case ast.Name(id="abs"):
                number = self._convert(args[0], DOUBLE).code
                return Value(DOUBLE, (self._library("llvm.fabs.f64", number),))
            case ast.Name(id="float"):
                return self._convert(args[0], DOUBLE)
            case ast.Name(id=name):
                called = self._outer.get(name)
                if isinstance(called, Operation):
                    return called.emit(self._build, *args)
                if isinstance(called, KernelPart):
                    kernel = self._unit.kernel(called, tuple(value.kind for value in args))
                    codes = [code for value in args for code in value.parts]
                    result = self._build.call(kernel.function, codes)
                    return Value(kernel.result, (result,)) if kernel.result else None
        raise self._unknown(node, "a call of what is not known")


def _constant(number: float) -> Value:
    """Return a number of the program text."""
    if isinstance(number, float):
        return Value(DOUBLE, (ir.Constant(_DOUBLE, number),))
    return Value(INT, (ir.Constant(_INT, int(number)),))


def get_function(module: ir.Module, kind: ir.FunctionType, name: str) -> ir.Function:
    """Return a function that another library has, or LLVM itself."""
    known = module.globals.get(name)
    return known if known is not None else ir.Function(module, kind, name)


class Machine:
    """Makes machine code for this processor, and loads it."""

    def __init__(self) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.processor = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
        library = ctypes.CDLL(ctypes.util.find_library("m"))
        for name in ("exp", "log", "log1p", "pow"):
            llvm.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
        name, features = self.processor
        target = llvm.Target.from_default_triple()
        x86 = target.name.startswith("x86")
        self._target = target.create_target_machine(
            name, features, 3, "static" if x86 else "default", "jitdefault", jit=True
        )
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), self._target)

    def compile(self, unit: Unit) -> bytes:
        """Return an object file."""
        module = llvm.parse_assembly(str(unit.module))
        module.data_layout = str(self._target.target_data)
        module.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=3)
        options.loop_vectorization = options.slp_vectorization = False  # kernels hold vectors
        passes = llvm.create_pass_builder(self._target, options)
        passes.getModulePassManager().run(module, passes)
        return bytes(self._target.emit_object(module))

    def load(self, code: bytes, name: str) -> Callable[[bytes], int]:
        """Return a function of an object file; its names must be of no other that is loaded."""
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)
        return kind(self._engine.get_function_address(name))


machine = cache(Machine)
