"""Motif files: position probability matrices by name, from every common layout.

MEME minimal, JASPAR, TRANSFAC, HOMER, HOCOMOCO (pcm, ppm), CIS-BP and UniPROBE are recognised by their
content (`motif_formats`); counts become probabilities.
"""

from __future__ import annotations

import math
import re
import stat
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from statistics import median

from seqgra.errors import InputError, bad_input
from seqgra.grammar.motif_formats import Faulty, Found, Malformed, parse, shown
from seqgra.motif import Motif
from seqgra.textfile import GZIP, unpacked

_TOLERANCE = 0.02
_LARGEST = 100_000_000


class Motifs(dict[str, Motif]):
    """The motifs of a file by name, and why others of it cannot be read.

    Attributes
    ----------
    faults
        By name, what is wrong with it and on which line.
    """

    def __init__(self, motifs: Mapping[str, Motif], faults: Mapping[str, InputError]) -> None:
        super().__init__(motifs)
        self.faults = dict(faults)

    def __missing__(self, name: str) -> Motif:
        if name in self.faults:
            raise self.faults[name]
        raise KeyError(name)

    def refuse_faulty(self, name: str) -> None:
        """Raise `InputError` if a motif is in the file and cannot be read."""
        if name in self.faults and name not in self:
            raise self.faults[name]

    def refuse_any_faulty(self) -> None:
        """Raise `InputError` if a motif of the file cannot be read: where all of them are wanted."""
        for fault in self.faults.values():
            raise fault


def read_motifs(path: Path, letters: str, pseudocount: float = 0.0) -> Motifs:
    """Return the motifs of a file by name, and by other names where those are unambiguous.

    A motif that cannot be read does not refuse the others: it is in `Motifs.faults`. If none can be read, the
    first is refused.

    Other names are alternative names and accessions, and the part before the first '/' of HOMER's
    long names.

    Parameters
    ----------
    path
        The file.
    letters
        The letters of the alphabet, in order; the file's columns must be these.
    pseudocount
        c in p = (n + c / A) / (sum of n + c), for n the counts of A letters at a position, or their
        probabilities (whose sum is 1).

    Raises
    ------
    InputError
        If the file is missing, empty, of another format or alphabet, or no motif of it can be read.
    """
    if not 0 <= pseudocount < math.inf:
        raise bad_input(path, "", f"pseudocount is {pseudocount}; expected 0 or more")
    try:
        facts = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise bad_input(path, "", f"motif file cannot be read ({reason})") from None
    if not stat.S_ISREG(facts.st_mode):
        raise bad_input(path, "", "is a folder or device; expected a motif file")
    if facts.st_size > _LARGEST:
        raise bad_input(path, "", "is larger than 100 MB; expected a motif file")
    return _read(path, letters, pseudocount, (facts.st_mtime_ns, facts.st_size, facts.st_ino))


@lru_cache(maxsize=32)
def _read(path: Path, letters: str, pseudocount: float, _stamp: tuple[int, ...]) -> Motifs:
    lines = re.split(r"\r\n|\n|\r", _text(path))
    if not any(line.strip() and not line.startswith("#") for line in lines):
        raise bad_input(path, "", "motif file is empty")
    try:
        motifs, faults = _by_name(parse(lines, letters, _stem(path)), letters, pseudocount)
    except Malformed as error:
        raise bad_input(path, f"line {error.line}", str(error)) from None
    faulty = {
        name: bad_input(path, f"line {error.line}", str(error)) for name, error in faults.items()
    }
    if not motifs and faulty:
        raise faulty[min(faults, key=lambda name: faults[name].line)]
    if not motifs:
        raise bad_input(path, "", "motif file holds no motif")
    return Motifs(motifs, faulty)


def _stem(path: Path) -> str:
    """Return a file's name without its ends, of which gzip's is one."""
    return Path(path.stem).stem if path.suffix in (".gz", ".bgz") else path.stem


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise bad_input(path, "", f"motif file cannot be read ({error.strerror})") from None
    content = unpacked(path, content, _LARGEST)
    if len(content) > _LARGEST:
        raise bad_input(path, "", "is larger than 100 MB unpacked; expected a motif file")
    if content.startswith((GZIP, b"BZh", b"PK\x03\x04", b"\xfd7zXZ")):
        raise bad_input(path, "", "is a compressed file; unpack it first")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise bad_input(path, "", "is UTF-16 text; save it as UTF-8 or plain text")
    if re.search(rb"[\x00-\x08\x0e-\x1f]", content):
        raise bad_input(path, "", "is a binary file; expected a motif file, which is text")
    return content.decode("utf-8-sig", "replace")


def _by_name(
    found: list[Found | Faulty], letters: str, pseudocount: float
) -> tuple[dict[str, Motif], dict[str, Malformed]]:
    """Return the motifs by name and by other names, and what is wrong with others by name."""
    motifs: dict[str, Motif] = {}
    faults: dict[str, Malformed] = {}
    others: dict[str, set[str]] = {}
    for motif in found:
        if isinstance(motif, Faulty):
            for name in motif.names or (f"line {motif.error.line}",):
                faults.setdefault(name, motif.error)
            continue
        name = motif.names[0]
        if name in motifs or name in faults:
            faults.setdefault(name, Malformed(motif.line, f"motif {shown(name)} is given twice"))
            continue
        try:
            motifs[name] = Motif(name, _matrix(motif, letters, pseudocount), letters)
        except Malformed as error:
            for other in motif.names:
                faults.setdefault(other, error)
            continue
        for other in (*motif.names[1:], *(n.split("/", 1)[0] for n in motif.names)):
            others.setdefault(other, set()).add(name)
    good = {name: motif for name, motif in motifs.items() if name not in faults}
    unique = {
        other: good[min(names)]
        for other, names in others.items()
        if len(names) == 1 and names <= set(good) and other not in faults
    }
    return unique | good, {name: error for name, error in faults.items() if name not in good}


def _matrix(motif: Found, letters: str, pseudocount: float) -> tuple[tuple[float, ...], ...]:
    sums = [math.fsum(row) for row in motif.rows]
    are_counts = motif.may_be_counts and not _are_probabilities(motif.rows, sums)
    for position, total in enumerate(sums):
        line = motif.lines[position] if motif.lines else motif.line
        place = "" if motif.lines else f"position {position + 1} "
        if are_counts and total + pseudocount <= 0:
            message = f"{place}sums to 0; expected counts of letters, or a pseudocount"
            raise Malformed(line, message)
        if not are_counts and abs(total - 1) > _TOLERANCE:
            message = f"{place}sums to {total:.4g}; expected probabilities that sum to 1"
            raise Malformed(line, message)
    if not are_counts and not pseudocount:
        return motif.rows
    share = pseudocount / len(letters)
    rows = zip(motif.rows, sums, strict=True)
    return tuple(tuple((n + share) / (total + pseudocount) for n in row) for row, total in rows)


def _are_probabilities(rows: tuple[tuple[float, ...], ...], sums: list[float]) -> bool:
    """Say whether numbers are meant as probabilities: most sum to 1, or they are parts of 1."""
    numbers = [number for row in rows for number in row]
    parts = max(numbers) <= 1 and any(number % 1 for number in numbers)
    return parts or abs(median(sums) - 1) <= _TOLERANCE
