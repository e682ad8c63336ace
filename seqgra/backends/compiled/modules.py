"""Kernels of generated source; their machine code is kept in a cache folder, so that it is compiled once.

A file of machine code is named by the hash of all that it follows from: the source, the modules whose
kernels it calls, every module of this package, the kinds of the arguments and the processor. So an edit of
any of them makes another file, and none is ever stale.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import llvmlite

from seqgra.backends.compiled import compiler
from seqgra.backends.compiled.compiler import KernelPart, Kind, Unit, kind_of, machine, pack
from seqgra.fingerprint import replacing
from seqgra.kernel_cache import kernel_folder, say_compiling

#: One thread compiles and loads at a time, as LLVM wants.
_LOADING = Lock()


class Kernels:
    """The kernels of a source text.

    Parameters
    ----------
    source
        Definitions of functions, see `compiler`. It must follow from sizes and names of this package alone,
        never from a user's words.
    parts
        Modules whose names it uses.
    """

    def __init__(self, source: str, parts: tuple[ModuleType, ...]) -> None:
        self._source = source
        self._names = {name: value for module in parts for name, value in vars(module).items()}
        digest = hashlib.sha256(source.encode() + _package())
        for module in parts:
            digest.update(Path(str(module.__file__)).read_bytes())
        with _LOADING:
            processor = machine().processor
        digest.update(repr((processor, llvmlite.__version__)).encode())
        self._digest = digest.hexdigest()
        self._entries: dict[tuple[str, tuple[Kind, ...]], Callable[[bytes], int]] = {}

    def run(self, name: str, *args: Any) -> int:
        """Call a kernel; return its result, 0 if it has none.

        Parameters
        ----------
        name
            Of a function of the source.
        args
            Numbers, contiguous arrays, and tuples of these.
        """
        key = name, tuple(map(kind_of, args))
        if key not in self._entries:
            with _LOADING:
                if key not in self._entries:  # another thread may have loaded it meanwhile
                    self._entries[key] = self._load(*key)
        return self._entries[key](b"".join(map(pack, args)))

    def _load(self, name: str, kinds: tuple[Kind, ...]) -> Callable[[bytes], int]:
        """Return machine code from the cache folder, made if it is not there."""
        digest = hashlib.sha256(f"{self._digest}|{name}|{kinds!r}".encode()).hexdigest()[:32]
        path, entry = kernel_folder() / f"{digest}.o", f"{name}_{digest}"
        code = _read(path)
        if code is None:
            say_compiling()
            code = self._compile(name, kinds, entry)
            with replacing(path) as stream:
                stream.write(hashlib.sha256(code).digest() + code)
        return machine().load(code, entry)

    def _compile(self, name: str, kinds: tuple[Kind, ...], entry: str) -> bytes:
        names = dict(self._names)
        for node in ast.parse(self._source).body:
            assert isinstance(node, ast.FunctionDef)
            names[node.name] = KernelPart.of(node, names)
        unit = Unit(entry)
        unit.entry(entry, names[name], kinds)
        return machine().compile(unit)


@cache
def _package() -> bytes:
    """Return the hash of this package, whose modules call one another."""
    digest = hashlib.sha256()
    for file in sorted(Path(str(compiler.__file__)).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.digest()


@cache
def kernels(source: str, parts: tuple[ModuleType, ...]) -> Kernels:
    """Return the kernels of a source text, the same for the same text; see `Kernels`."""
    return Kernels(source, parts)


def _read(path: Path) -> bytes | None:
    """Return the machine code of a file, or None if there is none that is whole."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    code = content[32:]
    return code if hashlib.sha256(code).digest() == content[:32] else None
