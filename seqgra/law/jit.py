"""How kernels are compiled, and when the machine code of an earlier process may be used again.

numba counts references to every array that a function touches, also to those of its arguments, and that
costs ten times the work of placing an element. Functions that allocate nothing need no counts: what they
write to is allocated by their callers, and numba refuses to compile them if they allocate all the same.

numba keeps machine code beside the file that a function stands in, by that file's time: it would use it again
after an edit of another file whose functions were compiled into it, and compiles all anew in each checkout.
Here it is kept in the user's cache folder, by the code and the constants of all that a function calls.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import EnumMeta
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core import caching, options

from seqgra.kernel_cache import kernel_folder, say_compiling

_Function = TypeVar("_Function", bound=Callable[..., Any])

#: numba's private option: no reference counts. Where it is gone, kernels count, and are slower.
_UNCOUNTED: dict[str, bool] = {"_nrt": False} if hasattr(options.DefaultOptions, "_nrt") else {}
#: Packages whose versions are in the key.
_VERSIONED = ("math", "numba", "numpy")
_CONSTANTS = (bool, int, float, complex, str, bytes, type(None), np.generic)


class _Cache(caching.FunctionCache):
    """Machine code of earlier processes, by the function's own code and by that of all it calls.

    Each signature has files of its own in `kernel_folder`, so that processes that compile at once write
    the same. numba adds the processor and its own version to the key.
    """

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._options = options

    def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        key: tuple[Any, ...] = super()._index_key(signature, codegen)  # type: ignore[no-untyped-call]
        made_from = (key, sorted(self._options.items()), sys.version_info, np.__version__)
        digest = hashlib.sha256(f"{code_digest(self._py_func)}{made_from}".encode()).hexdigest()
        name = f"{self._py_func.__name__}-{digest[:32]}"
        self._cache_file = caching.IndexDataCacheFile(str(kernel_folder()), name, "")
        return key

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the machine code of an earlier process, or None: it is compiled next."""
        found = super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        if found is None:
            say_compiling()
        return found


def code_digest(function: Callable[..., Any]) -> str:
    """Return a hash of the code and the constants of a compiled function and of all that it calls."""
    digest = hashlib.sha256()
    for content in _parts(function, set()):
        digest.update(content + b"\0")
    return digest.hexdigest()


def _parts(function: Any, seen: set[int]) -> Iterator[bytes]:
    """Yield code and constants of a function, and of what it names; of each function once."""
    yield repr(sorted(getattr(function, "targetoptions", {}).items())).encode()
    function = getattr(function, "py_func", None) or getattr(function, "_defn", None) or function
    if id(function) in seen or not isinstance(function, FunctionType):
        return
    seen.add(id(function))
    used = [cell.cell_contents for cell in function.__closure__ or ()]
    used += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    codes, modules = [function.__code__], []
    for code in codes:
        yield code.co_code + repr(code.co_names).encode()
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        used += [constant for constant in code.co_consts if not isinstance(constant, CodeType)]
        used += [function.__globals__[n] for n in code.co_names if n in function.__globals__]
    for value in used:
        if isinstance(value, np.ndarray):
            yield repr((value.dtype.str, value.shape)).encode() + value.tobytes()
        elif isinstance(value, (tuple, frozenset)):
            yield str(len(value)).encode()
            used += sorted(value, key=repr) if isinstance(value, frozenset) else value
        elif isinstance(value, EnumMeta):
            members: Iterable[tuple[str, Any]] = value.__members__.items()
            yield repr([(name, member.value) for name, member in members]).encode()
        elif isinstance(value, ModuleType):  # what is called by ``module.function``
            if value.__name__.partition(".")[0] not in _VERSIONED and value not in modules:
                modules.append(value)
                names = (name for code in codes for name in code.co_names)
                used += [vars(value)[name] for name in names if name in vars(value)]
        elif isinstance(value, _CONSTANTS):
            yield repr(value).encode()
        else:
            yield from _parts(value, seen)


def _compiled(cache: bool = False, **options: Any) -> Callable[[_Function], _Function]:
    def decorate(function: _Function) -> _Function:
        compiled: Any = numba.njit(**options)(function)
        if cache and compiled is not function:  # NUMBA_DISABLE_JIT compiles nothing
            compiled._cache = _Cache(function, options)
        made: _Function = compiled
        return made

    return decorate


#: A function that Python calls, its machine code kept: ``@kept(nogil=True)`` with numba's other options.
kept = partial(_compiled, cache=True)
#: A kernel that Python calls; it allocates nothing and releases the GIL.
kernel = _compiled(cache=True, nogil=True, **_UNCOUNTED)
#: A part of such kernels, compiled into its callers.
part = _compiled(forceinline=True, **_UNCOUNTED)
