"""Drawing and saving many figures, in processes beside the one that decides what they show."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seqgra.plot.style import save

#: ``save(stem, drawn)`` draws a figure and writes it as SVG, PDF and PNG, now or later.
Save = Callable[[Path, "partial[Figure]"], None]

#: Libraries that a figure's bytes come from.
_LIBRARIES = ("matplotlib", "fonttools", "numpy", "pillow")


def draw_and_save(stem: Path, drawn: partial[Figure]) -> None:
    """Draw a figure and write it as SVG, PDF and PNG beside each other; `stem`: path without a suffix."""
    save(drawn(), stem)


@contextmanager
def saver(workers: int) -> Iterator[Save]:
    """Yield what draws and saves figures; at the end all of them are written.

    Files are the same with any number of workers.

    Parameters
    ----------
    workers
        Processes in all, this one included.
    """
    if workers == 1:
        yield draw_and_save
        return
    pending: list[Future[None]] = []

    def send(stem: Path, drawn: partial[Figure]) -> None:
        if sum(not future.done() for future in pending) < 2 * (workers - 1):
            pending.append(pool.submit(draw_and_save, stem, drawn))
        else:  # all have one to do and one to come: lend a hand
            draw_and_save(stem, drawn)

    # spawn: a fork would copy the locks of this process's threads
    with ProcessPoolExecutor(workers - 1, mp_context=get_context("spawn")) as pool:
        try:
            yield send
            for future in pending:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def figure_digest(drawn: partial[Figure]) -> str:
    """Return a hash of all that a figure's files come from: a function, its arguments, the code.

    Equal arguments give equal hashes, whatever process made them. Any change of seqgra's source or of a
    library that draws gives another one.

    Parameters
    ----------
    drawn
        A function of `seqgra.plot` and its arguments.
    """
    found = hashlib.sha256(_code().encode())
    _add(found.update, (_name(drawn.func), drawn.args, drawn.keywords))
    return found.hexdigest()


@lru_cache(maxsize=1)
def _code() -> str:
    """Return a hash of the source of seqgra and of the versions of what draws."""
    found = hashlib.sha256(sys.version.encode())
    for name in _LIBRARIES:
        found.update(f"{name} {metadata.version(name)}\n".encode())
    package = Path(__file__).parents[1]
    for file in sorted(package.rglob("*.py")):
        found.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def _name(function: Any) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _add(update: Callable[[bytes], object], value: Any) -> None:
    """Add a value to a hash: its type, then its parts, each with its length."""
    update(f"\n{_name(type(value))} ".encode())
    if isinstance(value, pd.DataFrame):
        _add(update, value.columns)
        _add(update, value.index)
        for number in range(value.shape[1]):
            _add(update, value.iloc[:, number])
    elif isinstance(value, pd.Series | pd.Index):
        update(f"{value.dtype} ".encode())
        _add(update, value.to_numpy())
    elif isinstance(value, np.ndarray) and value.dtype != object:
        update(f"{value.dtype.str} {value.shape} ".encode() + np.ascontiguousarray(value).tobytes())
    elif isinstance(value, np.ndarray | list | tuple):
        update(f"{np.shape(value) if isinstance(value, np.ndarray) else len(value)} ".encode())
        parts = value.ravel().tolist() if isinstance(value, np.ndarray) else value
        if all(type(part) is str for part in parts):  # columns of names, with thousands of rows
            update(f"{[*map(len, parts)]} {''.join(parts)}".encode())
            return
        for part in parts:
            _add(update, part)
    elif isinstance(value, Mapping):  # in its order, which figures follow
        _add(update, list(value.items()))
    elif isinstance(value, str | bool | int | float | np.generic | None):
        text = repr(value)
        update(f"{len(text)} {text}".encode())
    elif dataclasses.is_dataclass(value):
        _add(update, [getattr(value, field.name) for field in dataclasses.fields(value)])
    else:
        update(pickle.dumps(value))
