"""Pages with tables that are made: they stand between two lines, and all else is written by hand."""

import re
from collections.abc import Iterable

import numpy as np

_DECIMAL, _THOUSANDS = r"(?<![\w.,/:-])-?\d[\d,]*\.\d+", r"(?<![\w.,/:])\d{1,3}(?:,\d{3})+"


def strays_of(text: str, known: Iterable[float], thousands: bool = True) -> list[str]:
    """Return the numbers of a text that are none of those known, to the digits written.

    Decimals, and whole numbers with a comma for `thousands` if wanted, outside of code, links and pictures.
    """
    values = np.fromiter(known, float)
    plain = re.sub(r"`[^`]*`|\]\([^)]*\)|<!--.*?-->", " ", text)
    strays = []
    for number in re.findall(f"{_DECIMAL}|{_THOUSANDS}" if thousands else _DECIMAL, plain):
        value, digits = float(number.replace(",", "")), len(number.partition(".")[2])
        if not (np.abs(value - values) <= 0.5001 * 10.0**-digits).any():
            strays.append(number)
    return strays


def with_made(page: str, begin: str, end: str, made: str) -> str:
    """Return a page with `made`, which ends with a line break, between the lines `begin` and `end`."""
    before, rest = page.split(begin)
    return f"{before}{begin}\n\n{made}\n{end}{rest.split(end, 1)[1]}"
