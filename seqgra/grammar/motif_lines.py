"""What the readers of motif layouts share: a motif as found, a malformed line, checks of a row."""

from __future__ import annotations

import math
from typing import NamedTuple

LOG_ODDS = (
    "has a negative number: a log-odds matrix (pwm); use the motif's file of counts (pcm) "
    "or probabilities (ppm)"
)
LOG_ODDS_MEME = "has a negative number; log-odds matrices must be turned into probabilities"
ONE_LAYOUT = "one file holds motifs of one layout"


class Malformed(Exception):
    """A line (from 1) that is not what its layout asks for, and what to do about it."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class Found(NamedTuple):
    """A motif as the file gives it.

    Attributes
    ----------
    names
        The id, then alternative names.
    line
        The line on which the motif begins.
    rows
        One row of non-negative numbers a position, in the order of the letters.
    lines
        The line of each row; empty where the file writes a position as a column.
    may_be_counts
        Whether the layout allows counts beside probabilities.
    """

    names: tuple[str, ...]
    line: int
    rows: tuple[tuple[float, ...], ...]
    lines: tuple[int, ...]
    may_be_counts: bool


def has_content(line: str) -> bool:
    """Say whether a line is neither blank nor a comment."""
    return bool(line.strip()) and not line.startswith("#")


def is_number(word: str) -> bool:
    """Say whether a word is meant as a number (nan and inf too)."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def shown(word: str) -> str:
    """Return a word of the file as a message may show it: printable and short.

    >>> shown("a" * 100 + chr(7))[-4:]
    'a...'
    """
    text = "".join(letter if letter.isprintable() else "?" for letter in word)
    return text if len(text) <= 60 else text[:57] + "..."


def numbers_of(line: int, fields: list[str], negative: str = LOG_ODDS) -> tuple[float, ...]:
    """Return the numbers of a row; `negative` is what to say of a negative one.

    Raises
    ------
    Malformed
        If a field is no number, negative, infinite or beyond use.
    """
    wrong = [field for field in fields if not is_number(field) or "_" in field]
    if wrong:
        raise Malformed(line, f"{shown(wrong[0])!r} is not a number")
    numbers = tuple(map(float, fields))
    if not all(math.isfinite(number) and number < 1e15 for number in numbers):
        raise Malformed(line, "has a number that is not finite or beyond 1e15")
    if min(numbers, default=0.0) < 0:
        raise Malformed(line, negative)
    return numbers


def check_letters(line: int, given: str, letters: str, what: str) -> None:
    """Compare the file's letters with the grammar's; `what` opens the message.

    Raises
    ------
    Malformed
        If they differ.
    """
    if given != letters:
        raise Malformed(line, f"{what} {shown(given)}; the grammar's letters are {letters}")


def check_length(line: int, row: tuple[float, ...], letters: str) -> None:
    """Compare the length of a row with the number of letters.

    Raises
    ------
    Malformed
        If they differ.
    """
    if len(row) != len(letters):
        raise Malformed(line, f"has {len(row)} numbers; expected {len(letters)}")
