"""How the kernels of the law are compiled.

numba counts references to every array that a function touches, also to those of its arguments, and that
costs ten times the work of placing an element. Functions that allocate nothing need no counts: what they
write to is allocated by their callers, and numba refuses to compile them if they allocate all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(**options: Any) -> Callable[[_Function], _Function]:
    options["_nrt"] = False  # no reference counts
    decorator: Callable[[_Function], _Function] = numba.njit(**options)
    return decorator


#: A kernel that Python calls; it allocates nothing and releases the GIL.
kernel = _compiled(cache=True, nogil=True)
#: A part of such kernels, compiled into its callers.
part = _compiled(forceinline=True)
