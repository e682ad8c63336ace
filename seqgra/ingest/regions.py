"""Regions of a genome: BED and narrowPeak files, and the windows about their centres."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from seqgra.errors import Problem, bad_input, raise_problems
from seqgra.textfile import text_lines

_MOST_PROBLEMS = 5
_NARROW_PEAK = 10


def read_regions(file: Path) -> pd.DataFrame:
    """Return the regions of a BED or narrowPeak file.

    Comments, empty lines, ``track`` and ``browser`` lines are left out. A comment that begins with
    ``#chrom`` names the columns; of these, ``label`` and ``set`` are read. A line of exactly ten columns
    is narrowPeak: the last is the summit, counted from the start, or -1.

    Returns
    -------
    DataFrame
        ``chrom``, ``start``, ``end``, ``summit`` (-1: none), ``strand``, ``label``, ``set`` (texts,
        empty where not given), ``line``.

    Raises
    ------
    InputError
        If the file cannot be read, holds no region, or lines that are none.
    """
    found, problems = [], []
    named: list[str] = []
    for number, line in text_lines(file):
        if line.startswith("#"):
            columns = line[1:].lower().split("\t")
            named = columns if columns[0].strip() in ("chrom", "chr") else named
            continue
        if not line.strip() or line.split(None, 1)[0] in ("track", "browser"):
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        try:
            found.append((*_region(fields, named), number))
        except ValueError as error:
            problems.append(Problem(str(file), f"line {number}", str(error)))
    if len(problems) > _MOST_PROBLEMS:
        rest = len(problems) - _MOST_PROBLEMS
        problems = [*problems[:_MOST_PROBLEMS], Problem(str(file), "", f"{rest} more such lines")]
    raise_problems(problems)
    if not found:
        raise bad_input(file, "", "holds no regions; expected BED lines: chrom, start, end")
    names = ["chrom", "start", "end", "summit", "strand", "label", "set", "line"]
    return pd.DataFrame(found, columns=names)


def _region(fields: list[str], named: list[str]) -> tuple[str, int, int, int, str, str, str]:
    if len(fields) < 3:
        raise ValueError(f"has {len(fields)} columns; expected chrom, start, end, parted by tabs")
    chrom, start, end = fields[0].strip(), _number(fields[1], "start"), _number(fields[2], "end")
    if end <= start:
        raise ValueError(
            f"ends at {end}, not after its start {start}; BED counts from 0, end excluded"
        )
    summit = -1
    if len(fields) == _NARROW_PEAK and not named:
        summit = _number(fields[9], "summit (column 10)", -1)
        if summit >= end - start:
            raise ValueError(f"has its summit {summit} letters from the start, beyond its end")
    by_name = dict(zip(named, fields, strict=False))
    strand = fields[5].strip() if len(fields) > 5 else "."
    return chrom, start, end, summit, strand, by_name.get("label", ""), by_name.get("set", "")


def _number(text: str, what: str, least: int = 0) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"{what} is {text!r}; expected a whole number") from None
    if value < least:
        raise ValueError(f"{what} is {value}; expected {least} or more")
    return value


def refuse_foreign_names(file: Path, regions: pd.DataFrame, genome: Path, known: list[str]) -> None:
    """Refuse regions none of which lies on a chromosome of the genome.

    Raises
    ------
    InputError
        Naming some chromosomes of both.
    """
    names = regions["chrom"].unique().tolist()
    if set(names) & set(known):
        return
    message = f"no region lies on a sequence of {genome.name}: the regions name {_some(names)}, "
    message += f"the genome {_some(known)}; rename one of them"
    raise bad_input(file, "", message)


def refuse_no_summit(file: Path, regions: pd.DataFrame) -> None:
    """Refuse regions some of which have no summit.

    Raises
    ------
    InputError
        Naming the first line without one.
    """
    without = regions[regions["summit"] < 0]
    if len(without):
        message = (
            "has no summit (column 10 of narrowPeak); leave --center out to take the middle there"
        )
        raise bad_input(file, f"line {without['line'].iloc[0]}", message)


def _some(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    return shown if len(names) <= 3 else f"{shown} ... ({len(names)} in all)"


def centres(regions: pd.DataFrame, center: str | None) -> np.ndarray:
    """Return where windows are centred, int64 (N,): at the summit where there is one, or the middle."""
    middle = (regions["start"].to_numpy(np.int64) + regions["end"].to_numpy(np.int64)) // 2
    if center == "middle":
        return middle
    summit = regions["summit"].to_numpy(np.int64)
    return np.where(summit >= 0, regions["start"].to_numpy(np.int64) + summit, middle)


class Intervals:
    """Intervals of chromosomes, joined where they touch, to be asked what they overlap."""

    def __init__(self, regions: pd.DataFrame) -> None:
        self._of: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for chrom, part in regions.groupby("chrom", sort=False):
            start, end = (part[name].to_numpy(np.int64) for name in ("start", "end"))
            order = np.argsort(start, kind="stable")
            start, reach = start[order], np.maximum.accumulate(end[order])
            first = np.concatenate([[True], start[1:] > reach[:-1]])
            last = np.concatenate([np.flatnonzero(first)[1:] - 1, [len(start) - 1]])
            self._of[str(chrom)] = start[first], reach[last]

    def overlap(self, chrom: str, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Say of stretches of a chromosome, int64 (N,), whether they overlap any: bool (N,)."""
        if chrom not in self._of:
            return np.zeros(len(start), bool)
        firsts, ends = self._of[chrom]
        before = np.searchsorted(firsts, end) - 1  # the last that begins before the end
        return np.asarray((before >= 0) & (ends[np.maximum(before, 0)] > start))

    def overlap_rows(self, rows: pd.DataFrame) -> np.ndarray:
        """Say of rows with ``chrom``, ``start`` and ``end`` whether they overlap any: bool (N,)."""
        found = np.zeros(len(rows), bool)
        for chrom, places in rows.groupby("chrom", sort=False).indices.items():
            part = rows.iloc[places]
            found[places] = self.overlap(
                str(chrom), part["start"].to_numpy(np.int64), part["end"].to_numpy(np.int64)
            )
        return found


def close_windows(windows: pd.DataFrame, least: int) -> np.ndarray:
    """Return for each window the one that stays in its place: int64 (N,).

    Along each chromosome and strand the first window stays, and those that share at least `least`
    letters with it give way; the next window after these stays, and so on. The order of the windows
    does not count.
    """
    leader = np.arange(len(windows))
    for places in windows.groupby(["chrom", "strand"], sort=False).indices.values():
        start = windows["start"].to_numpy(np.int64)[places]
        end = windows["end"].to_numpy(np.int64)[places]
        kept = -1
        for n in np.argsort(start, kind="stable").tolist():
            if kept >= 0 and end[kept] - start[n] >= least:
                leader[places[n]] = places[kept]
            else:
                kept = n
    return leader
