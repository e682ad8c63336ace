"""Motif files: position probability matrices in MEME minimal format.

Format: https://meme-suite.org/meme/doc/meme-format.html
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from seqgra.errors import bad_input

_MATRIX = re.compile(r"letter-probability matrix:(?P<facts>.*)", re.IGNORECASE)
_TOLERANCE = 0.02


class Motif(NamedTuple):
    """A named matrix: one row of letter probabilities a position."""

    name: str
    matrix: tuple[tuple[float, ...], ...]


def read_motifs(path: Path, letters: str) -> dict[str, Motif]:
    """Return the motifs of a MEME file by name, and by alternative name where that is unambiguous.

    Parameters
    ----------
    path
        The file.
    letters
        The letters of the alphabet, in order; the file's columns must be these.

    Raises
    ------
    InputError
        If the file is missing, empty, of another format or alphabet, or holds a bad matrix.
    """
    try:
        stamp = path.stat()
    except OSError as error:
        raise bad_input(path, "", f"motif file cannot be read ({error.strerror})") from None
    return _read(path, letters, stamp.st_mtime_ns)


@lru_cache(maxsize=32)
def _read(path: Path, letters: str, _stamp: int) -> dict[str, Motif]:
    text = path.read_text(encoding="utf-8", errors="replace")
    if not text.strip():
        raise bad_input(path, "", "motif file is empty")
    if not text.lstrip().startswith("MEME version"):
        raise bad_input(path, "line 1", "is not a MEME file; it must begin with 'MEME version 4'")
    motifs = _parse(path, text.splitlines(), letters)
    if not motifs:
        raise bad_input(path, "", "motif file holds no motif")
    return motifs


def _parse(path: Path, lines: list[str], letters: str) -> dict[str, Motif]:
    motifs: dict[str, Motif] = {}
    other_names: dict[str, list[Motif]] = {}
    names: list[str] = []
    for number, line in enumerate(lines):
        word = line.split(None, 1)
        if line.startswith("ALPHABET="):
            _check_alphabet(path, number, line, letters)
        elif word and word[0] == "MOTIF":
            if names:
                raise bad_input(path, f"line {number + 1}", f"motif {names[0]} has no matrix")
            names = line.split()[1:]
            if not names:
                raise bad_input(path, f"line {number + 1}", "MOTIF has no name")
        elif match := _MATRIX.match(line.strip()):
            if not names:
                raise bad_input(path, f"line {number + 1}", "matrix without a MOTIF line before it")
            motif = Motif(names[0], _matrix(path, lines, number, match["facts"], letters))
            if motif.name in motifs:
                raise bad_input(path, f"line {number + 1}", f"motif {motif.name} is given twice")
            motifs[motif.name] = motif
            for other in names[1:]:
                other_names.setdefault(other, []).append(motif)
            names = []
    if names:
        raise bad_input(path, f"line {len(lines)}", f"motif {names[0]} has no matrix")
    unique = {name: found[0] for name, found in other_names.items() if len(found) == 1}
    return unique | motifs


def _check_alphabet(path: Path, number: int, line: str, letters: str) -> None:
    given = line.split("=", 1)[1].strip()
    named = {"DNA": "ACGT", "RNA": "ACGU", "PROTEIN": "ACDEFGHIKLMNPQRSTVWY"}
    if named.get(given, given) != letters:
        raise bad_input(
            path, f"line {number + 1}", f"alphabet is {given}; the grammar's letters are {letters}"
        )


def _matrix(
    path: Path, lines: list[str], start: int, facts: str, letters: str
) -> tuple[tuple[float, ...], ...]:
    given = re.search(r"\bw=\s*(\d+)", facts)
    width = int(given[1]) if given else None
    rows: list[tuple[float, ...]] = []
    for number in range(start + 1, len(lines)):
        fields = lines[number].split()
        if not fields and not rows:
            continue
        try:
            row = tuple(float(field) for field in fields)
        except ValueError:
            break
        if not row or (width is not None and len(rows) == width):
            break
        where = f"line {number + 1}"
        if len(row) != len(letters):
            raise bad_input(path, where, f"has {len(row)} numbers; expected {len(letters)}")
        if min(row) < 0:
            raise bad_input(
                path,
                where,
                "has a negative number; log-odds matrices must be turned into probabilities",
            )
        if abs(sum(row) - 1) > _TOLERANCE:
            raise bad_input(
                path, where, f"sums to {sum(row):.4g}; expected probabilities that sum to 1"
            )
        rows.append(row)
    if not rows:
        raise bad_input(path, f"line {start + 1}", "matrix has no rows")
    if width is not None and len(rows) != width:
        raise bad_input(path, f"line {start + 1}", f"announces w= {width} rows but has {len(rows)}")
    return tuple(rows)
