"""Errors that a user sees: one clear line a problem, naming the file, the place and what to do."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

_NO_MEMORY = re.compile(
    "not enough memory|can't allocate memory|cannot allocate memory|out of memory|ALLOC_FAILED",
    re.I,
)


class Problem(NamedTuple):
    """One thing wrong with one place of one file.

    >>> str(Problem("g.yaml", "window", "is -5; give a positive number of letters"))
    'g.yaml: window: is -5; give a positive number of letters'
    >>> str(Problem("g.yaml", "", "is empty"))
    'g.yaml: is empty'
    """

    file: str
    path: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in self if part)


class SeqgraError(Exception):
    """Base of every error this package raises on purpose; the command line prints it as it is."""

    exit_code = 1


class InputError(SeqgraError, ValueError):
    """The user's input is wrong (exit code 2); holds every problem found, not only the first."""

    exit_code = 2

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def bad_argument(name: str, message: str) -> InputError:
    """Return (not raise) the error of an argument, with what to give instead."""
    return InputError(Problem(name, "", message))


def whole_number(name: str, value: object, least: int = 0) -> int:
    """Return an argument that is a whole number.

    Raises
    ------
    InputError
        If it is none, or below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise bad_argument(name, f"is {value!r}; give a whole number from {least}")
    return int(value)


def path_of(name: str, value: object) -> Path:
    """Return an argument that names a file or folder.

    Raises
    ------
    InputError
        If it is neither a text nor a path.
    """
    if not isinstance(value, str | Path) or not str(value):
        kind = type(value).__name__
        raise bad_argument(name, f"is {value!r} ({kind}); give a path, as text or pathlib.Path")
    return Path(value)


def bad_input(file: object, path: str, message: str) -> InputError:
    """Return (not raise) the error of a single problem."""
    return InputError(Problem(str(file), path, message))


def in_a_line(error: BaseException) -> str:
    """Return what an exception of another library says, as the start of one line."""
    return " ".join(str(error).split())[:200]


def out_of_memory(error: BaseException) -> bool:
    """Return whether an exception, of any library, says that memory was not enough."""
    if isinstance(error, MemoryError):  # numpy's and pyarrow's too
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    known = ("OutOfMemoryError", "ResourceExhaustedError")  # of torch and TensorFlow
    said = isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error))
    return type(error).__name__ in known or bool(said)


def raise_problems(problems: Iterable[Problem]) -> None:
    """Raise one `InputError` for all of `problems`, or return when there are none.

    Raises
    ------
    InputError
        If there is at least one problem.
    """
    if found := tuple(problems):
        raise InputError(*found)
