"""Integer laws (gaps, positions, copies, window lengths): one syntax for all.

    5                                          exactly 5
    [0, 10]  [500, null]  [0%, 10%]            uniform; null: to the end; shares of the window
    {8: .1, 9: .9}                             weights
    {normal: {center: 20, sd: 3}}              discretised normal within 4 sd
    {helical: {period: 10.5, range: [0, 60], tolerance: 1}}   uniform near multiples of a period
    {file: table.tsv}                          two columns: value, weight

A resolved law is (lowest, highest), uniform, or {value: weight} with ascending values.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from seqgra.errors import bad_input
from seqgra.textfile import read_text

Law = tuple[int, int] | dict[int, float]
EXPECTED = "expected a distribution such as 5, [0, 10], [500, null], [0%, 10%] or {8: .1, 9: .9}"
#: Beyond any window; bounds the tables of laws.
_LARGEST = 1_000_000
#: What a number may be off by and still count as a whole one, or as a tolerance.
_ROUNDING = 1e-9
_LARGEST_WEIGHT = 1e100
_LEAST_SD, _LARGEST_SD, _LEAST_PERIOD = 0.001, 100_000, 0.001
_NAMED = {
    "normal": ({"center", "sd"}, set()),
    "helical": ({"period", "range"}, {"tolerance", "phase"}),
}


def parse_law(given: Any) -> Any:
    """Return `given` in a uniform shape, or refuse what is no law.

    >>> parse_law(5), parse_law([0, None]), parse_law({"8": 0.1, 9: 0.9})
    ((5, 5), (0, None), {8: 0.1, 9: 0.9})

    Raises
    ------
    ValueError
        Saying what is expected.
    """
    if _is_integer(given):
        return (given, given)
    if isinstance(given, (list, tuple)) and len(given) == 2:
        low, high = given
        if _is_bound(low) and (high is None or _is_bound(high)):
            return (low, high)
    if isinstance(given, dict) and given:
        if set(given) & {"normal", "helical", "file"}:
            return _parse_named(given)
        if all(map(_is_weighted, given.items())):
            return {int(value): float(weight) for value, weight in given.items()}
    raise ValueError(f"is {given!r}; {EXPECTED}")


def _parse_named(given: dict[str, Any]) -> dict[str, Any]:
    ((name, options),) = given.items() if len(given) == 1 else (("", None),)
    if name == "file" and isinstance(options, str):
        return given
    needed, optional = _NAMED.get(name, (set(), set()))
    if not isinstance(options, dict) or not needed <= set(options) <= needed | optional:
        keys = ", ".join([*sorted(needed), *(f"[{key}]" for key in sorted(optional))])
        takes = (
            f"; {name} takes {'the name of a table' if name == 'file' else keys}" if name else ""
        )
        raise ValueError(f"is {given!r}; expected one of normal, helical, file{takes}")
    numbers = [value for key, value in options.items() if key != "range"]
    if not all(map(_is_number, numbers)):
        raise ValueError(f"is {given!r}; its values must be numbers")
    if "range" in options and not isinstance(options["range"], (list, tuple)):
        raise ValueError(f"is {given!r}; range is a pair such as [0, 60]")
    return given


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_bound(value: Any) -> bool:
    return _is_integer(value) or (isinstance(value, str) and _share(value) is not None)


def _is_weighted(item: tuple[Any, Any]) -> bool:
    value, weight = item  # keys are text where a resolved grammar was stored as JSON
    is_integer = _is_integer(value) or (
        isinstance(value, str) and value.removeprefix("-").isdecimal()
    )
    return is_integer and _is_number(weight)


def _is_number(value: Any) -> bool:
    """Return whether it is a finite number, an integer no larger than a float can be."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and abs(value) <= sys.float_info.max


def _share(text: str) -> float | None:
    try:
        share = float(text.removesuffix("%")) / 100 if text.endswith("%") else math.nan
    except ValueError:
        return None
    return share if math.isfinite(share) else None


def resolve_law(law: Any, window: int, folder: Path, position: bool = False) -> Law:
    """Return the resolved form of a parsed law.

    Parameters
    ----------
    law
        What `parse_law` returned.
    window
        Longest example: shares refer to it, and open ends stop there.
    folder
        Where tables are.
    position
        Values count letters from 1: 0 % is the first, and a normal has none before it.

    Raises
    ------
    InputError
        If a table cannot be read.
    ValueError
        If the law is empty or negative somewhere it cannot be.
    """
    if isinstance(law, tuple):
        low, high = law
        pair = _uniform(low, high, window, int(position))
        _refuse_large(pair)
        return pair
    if "normal" in law:
        law = _normal(**law["normal"])
        if position:
            law = {value: weight for value, weight in law.items() if value >= 1}
            if not law:
                raise ValueError("holds no value above 0; positions count from 1")
    elif "helical" in law:
        law = _helical(window=window, position=position, **law["helical"])
    elif "file" in law:
        law = _table(folder / law["file"])
    if not all(0 <= weight <= _LARGEST_WEIGHT for weight in law.values()) or not any(law.values()):
        raise ValueError("needs weights that are not negative and not all 0")
    _refuse_large(law)
    return {value: law[value] for value in sorted(law) if law[value] > 0}


def _refuse_large(values: Iterable[int]) -> None:
    for value in values:
        if abs(value) > _LARGEST:
            raise ValueError(f"holds {value}; its values lie within {-_LARGEST:,} to {_LARGEST:,}")


def _uniform(low: int | str, high: int | str | None, window: int, zero: int) -> Law:
    first = low if isinstance(low, int) else round((_share(low) or 0) * window) or zero
    if high is None:
        last = window
    elif isinstance(high, str):
        last = round((_share(high) or 0) * window) or zero
    else:
        last = high
    if high is not None and last < first:
        raise ValueError(f"is [{low}, {high}]; the second number must not be below the first")
    return (first, max(first, min(last, window)))


def whole_steps(low: float, high: float) -> range:
    """Return the whole numbers from `low` to `high`; an end that is one but for rounding belongs to them.

    >>> whole_steps((0.4 - 4 * 0.08) / 0.01, 9.5)  # 8.000000000000002
    range(8, 10)
    """
    return range(math.ceil(low - _ROUNDING), math.floor(high + _ROUNDING) + 1)


def _normal(center: float, sd: float) -> dict[int, float]:
    if sd <= 0:
        raise ValueError(f"has sd {sd}; give a number above 0")
    if not (_LEAST_SD <= sd <= _LARGEST_SD and abs(center) <= _LARGEST):
        raise ValueError(
            f"has center {center:g} and sd {sd:g}; give a center within a million and an sd of "
            f"{_LEAST_SD:g} to {_LARGEST_SD:,}"
        )
    reach = whole_steps(center - 4 * sd, center + 4 * sd)
    return {value: math.exp(-((value - center) ** 2) / (2 * sd**2)) for value in reach}


def _helical(
    period: float,
    range: list[Any],
    window: int,
    position: bool,
    tolerance: float = 1.0,
    phase: float = 0.0,
) -> dict[int, float]:
    low, high = resolve_law(parse_law(range), window, Path(), position)
    if period < _LEAST_PERIOD:
        raise ValueError(f"has period {period:g}; give a number of letters from {_LEAST_PERIOD}")
    law = {
        value: 1.0
        for value in _between(low, high)
        if _off(value - phase, period) <= tolerance + _ROUNDING
    }
    if not law:
        raise ValueError("holds no value; widen range or tolerance")
    return law


def _between(low: int, high: int) -> Iterator[int]:
    yield from range(low, high + 1)


def _off(value: float, period: float) -> float:
    """Return how far `value` is from the nearest multiple of `period`."""
    return abs(value - period * round(value / period))


def _table(path: Path) -> dict[int, float]:
    law: dict[int, float] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        fields = line.split()
        if not fields or line.startswith("#"):
            continue
        if number == 1 and not any(map(str.isdigit, fields[0])):  # names of the columns
            continue
        try:
            value, weight = int(fields[0]), float(fields[1])
            usable = len(fields) == 2 and math.isfinite(weight)
        except (ValueError, IndexError):
            usable = False
        if not usable:
            message = f"is {line!r}; expected a whole number and a weight"
            raise bad_input(path, f"line {number}", message)
        if value in law:
            raise bad_input(path, f"line {number}", f"gives {value} once more; add up its weights")
        law[value] = weight
    if not law:
        raise bad_input(path, "", "table holds no rows")
    return law


def lowest(law: Law) -> int:
    """Return the smallest value of a resolved law."""
    return law[0] if isinstance(law, tuple) else min(law)


def highest(law: Law) -> int:
    """Return the largest value of a resolved law."""
    return law[1] if isinstance(law, tuple) else max(law)


def table(law: Law) -> dict[int, float]:
    """Return a resolved law as ascending values with positive weights."""
    if isinstance(law, dict):
        return law
    return dict.fromkeys(range(law[0], law[1] + 1), 1.0)
