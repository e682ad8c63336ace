"""seqgra: principled choice of neural network architectures for genomics.

The functions below load what they need when they are first used; see docs/library.md.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqgra.api import attribute as attribute
    from seqgra.api import ceiling as ceiling
    from seqgra.api import compare as compare
    from seqgra.api import deterministic as deterministic
    from seqgra.api import evaluate as evaluate
    from seqgra.api import load_dataset as load_dataset
    from seqgra.api import load_grammar as load_grammar
    from seqgra.api import load_model as load_model
    from seqgra.api import predict as predict
    from seqgra.api import probe as probe
    from seqgra.api import recovery as recovery
    from seqgra.api import report as report
    from seqgra.api import simulate as simulate
    from seqgra.api import train as train
    from seqgra.api import wrap as wrap
    from seqgra.errors import InputError as InputError

    __version__: str

#: Public names and the modules that hold them.
_PUBLIC = {
    "attribute": "seqgra.api",
    "ceiling": "seqgra.api",
    "compare": "seqgra.api",
    "deterministic": "seqgra.api",
    "evaluate": "seqgra.api",
    "load_dataset": "seqgra.api",
    "load_grammar": "seqgra.api",
    "load_model": "seqgra.api",
    "predict": "seqgra.api",
    "probe": "seqgra.api",
    "recovery": "seqgra.api",
    "report": "seqgra.api",
    "simulate": "seqgra.api",
    "train": "seqgra.api",
    "wrap": "seqgra.api",
    "InputError": "seqgra.errors",
}
__all__ = [*_PUBLIC, "__version__"]


class _Package(ModuleType):
    """Keeps ``seqgra.train`` the function when the stage's module of that name is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    """Return a public function, imported when it is asked for, or the installed version."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("seqgra")
    raise AttributeError(f"module 'seqgra' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
