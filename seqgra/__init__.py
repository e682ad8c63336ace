"""seqgra: principled choice of neural network architectures for genomics."""

from __future__ import annotations


def __getattr__(name: str) -> object:
    """Return `__version__`, looked up in the installed package when it is asked for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("seqgra")
    raise AttributeError(f"module 'seqgra' has no attribute {name!r}")
