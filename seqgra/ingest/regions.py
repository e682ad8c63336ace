"""Regions of a genome: BED, narrowPeak and tables with a header, and the windows about their centres."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from seqgra.errors import Problem, bad_input, raise_problems
from seqgra.ingest.columns import columns_of, fields_of, split_header
from seqgra.ingest.tally import Tally
from seqgra.textfile import text_lines

_MOST_PROBLEMS = 5
_NARROW_PEAK = 10
_WHOLE = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_READ = ("chrom", "start", "end", "strand", "label", "set", "summit", "peak", "length")
#: Columns of narrowPeak beside which one called peak holds the summit, counted from the start.
_OF_NARROW_PEAK = {"signalvalue", "pvalue", "qvalue"}
#: Columns of BED that tell nothing here.
_BED = ("name", "score")
_SIGNAL = "a continuous signal is not supported; call peaks of it, and give these as BED"
#: Beginnings of lines of other formats, and what to say.
_OTHERS = {
    "fixedStep": f"is a wiggle file: {_SIGNAL}",
    "variableStep": f"is a wiggle file: {_SIGNAL}",
    "##fileformat=VCF": "is VCF, no BED: write chrom, start (counted from 0), end, parted by tabs",
    "##gff": "is GFF, no BED: write chrom, start - 1, end of the features, parted by tabs",
    "#!genome": "is GTF or GFF, no BED: write chrom, start - 1, end of the features, parted by tabs",
    "#PeakID": "is a HOMER peak file; pos2bed.pl of HOMER turns it into BED",
    "@": "is SAM or a Picard interval list, which count from 1; write BED: chrom, start - 1, end",
    ">": "is FASTA, no BED; give it with --fasta",
}


class _Row(NamedTuple):
    """A line with a region: its number, fields, and chromosome, start and end."""

    line: int
    fields: list[str]
    chrom: str
    start: int
    end: int


def read_regions(file: Path, tally: Tally | None = None) -> pd.DataFrame:
    """Return the regions of a BED or narrowPeak file, or of a table with a header.

    Comments, empty lines, ``track`` and ``browser`` lines are left out. A first line that names columns
    chrom, start and end, with or without ``#``, says where these are, and ``strand``, ``label``, ``set``,
    ``abs_summit`` too; where it names ``length`` or ``width``, these show whether starts are counted from
    1, as in the .xls of MACS. Ten columns or more are narrowPeak, the tenth the summit counted from the
    start, or -1, where every line is such a one (`_narrow_peaks`).

    Parameters
    ----------
    file
        Plain or gzip.
    tally
        Gets notes of what was recognised or not read.

    Returns
    -------
    DataFrame
        ``chrom``, ``start``, ``end``, ``summit`` (counted from the start; -1: none), ``strand``, ``label``,
        ``set`` (texts, empty where not given), ``line``.

    Raises
    ------
    InputError
        If the file cannot be read, holds no region, or lines that are none.
    """
    tally = tally or Tally()
    rows: list[_Row] = []
    problems: list[Problem] = []
    header: _Header | None = None
    track = ""
    for number, line in text_lines(file):
        if line.startswith(tuple(_OTHERS)):
            said = next(said for begin, said in _OTHERS.items() if line.startswith(begin))
            raise bad_input(file, f"line {number}", said)
        if line.startswith("#") or not rows:
            try:
                header = _header(line) or header
            except ValueError as error:
                raise bad_input(file, f"line {number}", str(error)) from None
            if header and header.line == line:
                continue
        if line.startswith("#") or not line.strip():
            continue
        if line.split(None, 1)[0] in ("track", "browser"):
            track += line.lower()
            continue
        try:
            fields = _fields(line, header)
            rows.append(_Row(number, fields, *_place(fields, header)))
        except ValueError as error:
            problems.append(Problem(str(file), f"line {number}", str(error)))
    if len(problems) > _MOST_PROBLEMS:
        rest = len(problems) - _MOST_PROBLEMS
        problems = [*problems[:_MOST_PROBLEMS], Problem(str(file), "", f"{rest} more such lines")]
    raise_problems(problems)
    if not rows:
        raise bad_input(file, "", "holds no regions; expected BED lines: chrom, start, end")
    if header is not None:
        tally.unread(file, header.unread)
        return _named_regions(file, rows, header, tally)
    _refuse_signal(file, rows, track)
    return _frame(
        rows,
        _narrow_peaks(file, rows, track, tally),
        [row.fields[5].strip() if len(row.fields) > 5 else "." for row in rows],
    )


class _Header(NamedTuple):
    """A line that names columns: the line, what parts them, which are read, how many, and others' names."""

    line: str
    delimiter: str
    at: dict[str, int]
    width: int
    unread: list[str]


def _header(line: str) -> _Header | None:
    """Return what a line names, if it names chromosome, start and end."""
    delimiter, names = split_header(line, ("chrom", "start", "end"))
    if not delimiter:
        return None
    at = columns_of(names, _READ)
    if not {name.lower() for name in names} >= _OF_NARROW_PEAK:
        at.pop("peak", None)
    others = [name for n, name in enumerate(names) if n not in at.values()]
    return _Header(line, delimiter, at, len(names), [n for n in others if n.lower() not in _BED])


def _fields(line: str, header: _Header | None) -> list[str]:
    """Return the fields of a line; a first one more than the header's, as R writes it, is left out."""
    if header is None:
        return line.split("\t") if "\t" in line else line.split()
    fields = fields_of(line, header.delimiter)
    if len(fields) not in (header.width, header.width + 1):
        raise ValueError(f"has {len(fields)} columns; the first line names {header.width}")
    return fields[len(fields) - header.width :]


def _place(fields: list[str], header: _Header | None) -> tuple[str, int, int]:
    if header is None and len(fields) < 3:
        if re.fullmatch(r"\S+:[\d,]+-[\d,]+", fields[0]):
            raise ValueError("is chrom:start-end; write chrom, start and end, parted by tabs")
        raise ValueError(f"has {len(fields)} columns; expected chrom, start, end, parted by tabs")
    gff = len(fields) in (8, 9) and _WHOLE.fullmatch(fields[3]) and _WHOLE.fullmatch(fields[4])
    if header is None and gff and not _WHOLE.fullmatch(fields[1]):
        raise ValueError("is GFF or GTF, no BED; write chrom, start - 1, end, parted by tabs")
    at = header.at if header else {"chrom": 0, "start": 1, "end": 2}
    chrom, start, end = (fields[at[what]].strip() for what in ("chrom", "start", "end"))
    if not chrom:
        raise ValueError("names no chromosome")
    first, last = _number(start, "start"), _number(end, "end")
    if last < first or (last == first and (header is None or "length" not in header.at)):
        message = f"ends at {last}, not after its start {first}; BED counts from 0, end excluded"
        raise ValueError(message)
    return chrom, first, last


def _named_regions(file: Path, rows: list[_Row], header: _Header, tally: Tally) -> pd.DataFrame:
    """Return the regions of a file whose first line names its columns."""

    def column(what: str) -> list[str]:
        none = "." if what == "strand" else ""
        return [row.fields[header.at[what]].strip() if what in header.at else none for row in rows]

    first, lengths = 0, column("length")
    if "length" in header.at:
        spans = {
            int(text) - (row.end - row.start) if _WHOLE.fullmatch(text) else None
            for text, row in zip(lengths, rows, strict=True)
        }
        if spans == {1}:
            first = 1
            tally.remark(f"{file.name}: starts are counted from 1, as its column of lengths shows")
        elif spans != {0}:
            message = "column of lengths is neither end - start nor one more; correct or remove it"
            raise bad_input(file, "", message)
    rows = [row._replace(start=row.start - first) for row in rows]
    summits = np.full(len(rows), -1, np.int64)
    for n, (row, text) in enumerate(zip(rows, column("summit"), strict=True)):
        if not text:
            continue
        summit = int(text) - first - row.start if _WHOLE.fullmatch(text) else -1
        if not 0 <= summit < row.end - row.start:
            raise bad_input(file, f"line {row.line}", f"summit {text} lies outside of its region")
        summits[n] = summit
    for n, (row, text) in enumerate(zip(rows, column("peak"), strict=True)):
        if text and text != "-1":
            if not (_WHOLE.fullmatch(text) and int(text) < row.end - row.start):
                raise bad_input(file, f"line {row.line}", f"peak {text} lies outside of its region")
            summits[n] = int(text) if summits[n] < 0 else summits[n]
    return _frame(rows, summits, column("strand"), column("label"), column("set"))


def _frame(
    rows: list[_Row],
    summits: np.ndarray,
    strands: list[str],
    labels: list[str] | None = None,
    sets: list[str] | None = None,
) -> pd.DataFrame:
    nothing = [""] * len(rows)
    return pd.DataFrame(
        {
            "chrom": [row.chrom for row in rows],
            "start": [row.start for row in rows],
            "end": [row.end for row in rows],
            "summit": summits,
            "strand": strands,
            "label": labels or nothing,
            "set": sets or nothing,
            "line": [row.line for row in rows],
        }
    )


def _refuse_signal(file: Path, rows: list[_Row], track: str) -> None:
    """Refuse bedGraph: said so, or four columns, the last a number, and lines that touch one another."""
    said = "type=bedgraph" in track.replace('"', "") or "type=wiggle" in track.replace('"', "")
    shape = all(len(row.fields) == 4 and _NUMBER.fullmatch(row.fields[3].strip()) for row in rows)
    if shape and not said and len(rows) > 1:
        pairs = pairwise(rows)
        touching = sum(a.chrom == b.chrom and a.end == b.start for a, b in pairs)
        said = 2 * touching >= len(rows) - 1
    if said or (shape and re.search(r"\.(bedgraph|bdg|bg)(\.gz|\.bgz)?$", file.name.lower())):
        raise bad_input(file, f"line {rows[0].line}", f"is bedGraph: {_SIGNAL}")


def _narrow_peaks(file: Path, rows: list[_Row], track: str, tally: Tally) -> np.ndarray:
    """Return the summits of narrowPeak, int64 (N,), -1 where there is none.

    A line is narrowPeak if it has ten columns or more (as IDR writes it), of which 5 and 7 to 9 are numbers,
    6 is a strand, and 10 is a whole number within the region, or -1. A file is if every line is, and columns
    7 and 8 are not places within the regions or 0, as in BED of nine columns. Where its name or track line
    says narrowPeak, a line that is none is an error.

    Raises
    ------
    InputError
        If the file's name or track line says narrowPeak, and a line is none.
    """
    summits = np.full(len(rows), -1, np.int64)
    said = "narrowpeak" in file.name.lower() or "type=narrowpeak" in track.replace('"', "")
    if not said and not any(len(row.fields) >= _NARROW_PEAK for row in rows):
        return summits
    most = max(len(row.fields) for row in rows)
    columns = f"{file.name}: {'ten' if most == _NARROW_PEAK else most} columns, but not narrowPeak"
    for n, row in enumerate(rows):
        reason = _no_narrow_peak(row)
        if reason and said:
            raise bad_input(file, f"line {row.line}", reason)
        if reason:
            message = (
                f"{columns} (line {row.line}: {reason}): windows are centred at the middle of "
            )
            tally.remark(message + "regions")
            return np.full(len(rows), -1, np.int64)
        summits[n] = int(row.fields[9])
    signals = [(row, float(row.fields[6]), float(row.fields[7])) for row in rows]
    thick = all(row.start <= first <= last <= row.end for row, first, last in signals)
    if not said and (thick or not any(first for _, first, _ in signals)):
        what = (
            "columns 7 and 8 are places within each region" if thick else "column 7 is 0 everywhere"
        )
        tally.remark(f"{columns} ({what}): windows are centred at the middle of regions")
        return np.full(len(rows), -1, np.int64)
    if not said:
        message = f"{file.name}: read as narrowPeak, since its first ten columns are: windows are centred at "
        tally.remark(message + "column 10; --center middle, if that is no summit")
    return summits


def _no_narrow_peak(row: _Row) -> str:
    """Return why a line is no narrowPeak; empty if it is."""
    fields = [field.strip() for field in row.fields]
    if len(fields) < _NARROW_PEAK:
        return f"has {len(fields)} columns; narrowPeak has ten"
    for column in (5, 7, 8, 9):
        if not _NUMBER.fullmatch(fields[column - 1]):
            return f"column {column} is {fields[column - 1]!r}, no number"
        if column > 5 and float(fields[column - 1]) < 0 and float(fields[column - 1]) != -1:
            return f"column {column} is {fields[column - 1]}; expected 0 or more, or -1"
    if fields[5] not in ("+", "-", "."):
        return f"column 6 is {fields[5]!r}, no strand"
    if not _WHOLE.fullmatch(fields[9]) or int(fields[9]) < -1:
        return f"summit (column 10) is {fields[9]!r}; expected a whole number, -1 or more"
    if int(fields[9]) >= row.end - row.start:
        return f"has its summit {int(fields[9])} letters from the start, beyond its end"
    return ""


def _number(text: str, what: str, least: int = 0) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{what} is {text!r}; expected a whole number")
    if int(text) < least:
        raise ValueError(f"{what} is {int(text)}; expected {least} or more")
    return int(text)


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
        return np.asarray(middle)
    summit = regions["summit"].to_numpy(np.int64)
    at_summit = regions["start"].to_numpy(np.int64) + summit
    return np.asarray(np.where(summit >= 0, at_summit, middle))


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

    Along each chromosome, strand and set the first window stays, and those that share at least `least`
    letters with it give way; the next window after these stays, and so on. The order of the windows
    does not count.
    """
    leader = np.arange(len(windows))
    for places in windows.groupby(["chrom", "strand", "set"], sort=False).indices.values():
        start = windows["start"].to_numpy(np.int64)[places]
        end = windows["end"].to_numpy(np.int64)[places]
        kept = -1
        for n in np.argsort(start, kind="stable").tolist():
            if kept >= 0 and end[kept] - start[n] >= least:
                leader[places[n]] = places[kept]
            else:
                kept = n
    return leader
