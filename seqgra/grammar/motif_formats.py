"""Motif files of the layouts MEME minimal and TRANSFAC, and how to tell a layout.

References: MEME minimal (https://meme-suite.org/meme/doc/meme-format.html), TRANSFAC (Wingender et
al. 1996, doi:10.1093/nar/24.1.238).
"""

from __future__ import annotations

import re

from seqgra.grammar.motif_headed import read_headed
from seqgra.grammar.motif_lines import (
    LOG_ODDS_MEME,
    ONE_LAYOUT,
    Found,
    Malformed,
    check_length,
    check_letters,
    has_content,
    is_number,
    numbers_of,
    shown,
)

_MATRIX = re.compile(r"letter-probability matrix:(?P<facts>.*)", re.IGNORECASE)
_TRANSFAC_KEY = re.compile(r"[A-Z][A-Z0-9]|//")
_ALPHABETS = {"DNA": "ACGT", "RNA": "ACGU", "PROTEIN": "ACDEFGHIKLMNPQRSTVWY"}


def parse(lines: list[str], letters: str, name: str) -> list[Found]:
    """Return the motifs of a file, whose layout its first line tells.

    Parameters
    ----------
    lines
        The lines of the file.
    letters
        The letters of the alphabet, in order.
    name
        The name of a motif without a header.

    Raises
    ------
    Malformed
        If a line is not what its layout asks for, or the layout is unknown.
    """
    start, first = next((i, line) for i, line in enumerate(lines) if has_content(line))
    word = first.split()[0]
    if first.startswith(("MEME version", "****", "ALPHABET", "letter-prob")) or word == "MOTIF":
        return _read_meme(lines, letters)
    if word.startswith(">") or is_number(word):
        return read_headed(lines, letters, name)
    if _TRANSFAC_KEY.fullmatch(word):
        return _read_transfac(lines, letters)
    raise Malformed(
        start + 1,
        "is no motif file: expected MEME ('MEME version 4'), JASPAR, HOMER or HOCOMOCO ('>name'), "
        "or TRANSFAC ('ID name')",
    )


# MEME minimal


def _read_meme(lines: list[str], letters: str) -> list[Found]:
    motifs: list[Found] = []
    names: tuple[str, ...] = ()
    versioned, began, place = False, 0, 0
    while place < len(lines):
        line = lines[place].strip()
        place += 1  # now the number of `line`, counted from 1
        if line.startswith("MEME version"):
            versioned = _check_version(place, line)
        elif line.startswith("ALPHABET"):
            place = _meme_alphabet(lines, place, letters)
        elif line.startswith("MOTIF") and line.split()[0] == "MOTIF":
            if names:
                raise Malformed(place, f"motif {shown(names[0])} has no matrix")
            if not versioned:
                raise Malformed(place, "no 'MEME version' before it; begin with 'MEME version 4'")
            names, began = _meme_names(place, line), place
        elif match := _MATRIX.match(line):
            if not names:
                raise Malformed(place, "matrix without a MOTIF line before it")
            rows, numbers = _meme_rows(lines, place, match["facts"], letters)
            motifs.append(Found(names, began, tuple(rows), tuple(numbers), False))
            names, place = (), numbers[-1]
        elif line.startswith(">") or re.match(r"P[0O]\s", line):
            raise Malformed(place, f"does not belong in a MEME file; {ONE_LAYOUT}")
    if names:
        raise Malformed(len(lines), f"motif {shown(names[0])} has no matrix")
    return motifs


def _check_version(place: int, line: str) -> bool:
    if not re.match(r"MEME version\s+[45]\b", line):
        raise Malformed(place, f"is {shown(line)!r}; expected MEME version 4 or 5")
    return True


def _meme_names(place: int, line: str) -> tuple[str, ...]:
    names = line.split()[1:3]
    if not names:
        raise Malformed(place, "MOTIF has no name; write 'MOTIF name'")
    return tuple(names[:1] if names[1:] == ["width"] else names)


def _meme_alphabet(lines: list[str], place: int, letters: str) -> int:
    """Check an alphabet line, or a block of letters, that begins at `place`; return where it ends."""
    line = lines[place - 1].strip()
    if "=" in line:
        given = line.split("=", 1)[1].strip()
        check_letters(place, _ALPHABETS.get(given, given), letters, "alphabet is")
        return place
    named = line.split()[1:2]
    if named and named[0] in _ALPHABETS:
        check_letters(place, _ALPHABETS[named[0]], letters, "alphabet is")
        return place
    core: set[str] = set()
    for number in range(place, len(lines)):
        if lines[number].startswith("END ALPHABET"):
            check_letters(place, "".join(sorted(core)), letters, "alphabet is")
            return number + 1
        symbols = re.sub(r'"[^"]*"', "", lines[number])
        if "=" not in symbols:  # a letter, or a letter and its complement; not an ambiguity code
            core |= {part.split()[0] for part in symbols.split("~") if part.split()}
    raise Malformed(place, "alphabet has no END ALPHABET")


def _meme_rows(
    lines: list[str], place: int, facts: str, letters: str
) -> tuple[list[tuple[float, ...]], list[int]]:
    """Return the rows of the matrix announced on line `place`, and their lines."""
    width, alength = _fact("w", facts), _fact("alength", facts)
    if alength not in (None, len(letters)):
        raise Malformed(place, f"alength= {alength}; the grammar's letters are {letters}")
    rows: list[tuple[float, ...]] = []
    numbers: list[int] = []
    for number, line in enumerate(lines[place:], place + 1):
        fields = line.split()
        if not fields and not rows:
            continue
        if not fields or not is_number(fields[0]):
            break
        if len(rows) == width:
            raise Malformed(number, f"is a row too many; the matrix announces w= {width}")
        rows.append(numbers_of(number, fields, LOG_ODDS_MEME))
        numbers.append(number)
        check_length(number, rows[-1], letters)
    if not rows:
        raise Malformed(place, "matrix has no rows")
    if width not in (None, len(rows)):
        raise Malformed(place, f"announces w= {width} rows but has {len(rows)}")
    return rows, numbers


def _fact(name: str, facts: str) -> int | None:
    given = re.search(rf"\b{name}=\s*([0-9]{{1,9}})", facts)
    return int(given[1]) if given else None


# TRANSFAC


class _Record:
    """The TRANSFAC record being read."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.line = 0
        self.columns = ""
        self.rows: list[tuple[float, ...]] = []
        self.lines: list[int] = []
        self.number = -1

    def motif(self) -> Found:
        names = tuple(self.names[key] for key in ("AC", "ID", "NA", "DE") if key in self.names)
        if not names:
            raise Malformed(self.line, "matrix has no name; write an 'ID name' line before it")
        if not self.rows:
            raise Malformed(self.line, f"motif {shown(names[0])} has no matrix")
        return Found(names, self.line, tuple(self.rows), tuple(self.lines), True)


def _read_transfac(lines: list[str], letters: str) -> list[Found]:
    motifs: list[Found] = []
    record = _Record()
    for place, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        key = fields[0]
        if key == "//":
            if record.line:
                motifs.append(record.motif())
            record = _Record()
        elif key in ("AC", "ID", "NA", "DE"):
            if record.rows and key in ("AC", "ID"):
                raise Malformed(place, "'//' is missing before this line")
            record.line = record.line or place
            if len(fields) > 1:
                record.names[key] = line.strip()[2:].strip()
        elif key in ("P0", "PO"):
            if record.columns:
                raise Malformed(place, "'//' is missing before this line")
            record.line = record.line or place
            record.columns = "".join(fields[1:]).upper()
            given = "".join(sorted(record.columns))
            check_letters(place, given, letters, "columns are")
        elif key.isdecimal():
            _transfac_row(record, place, fields, letters)
        elif not _TRANSFAC_KEY.fullmatch(key):
            raise Malformed(place, f"{shown(key)!r} begins no TRANSFAC line; {ONE_LAYOUT}")
    if record.line:
        raise Malformed(len(lines), "last record does not end with '//'; is the file truncated?")
    return motifs


def _transfac_row(record: _Record, place: int, fields: list[str], letters: str) -> None:
    if not record.columns:
        raise Malformed(place, f"no column letters before it; write 'P0 {' '.join(letters)}'")
    number = int(fields[0][:9])
    if record.rows and number != record.number + 1:
        raise Malformed(place, f"row {number} follows row {record.number}; is a row missing?")
    if len(fields) == len(letters) + 2 and fields[-1].isalpha():
        fields = fields[:-1]  # the consensus letter
    row = numbers_of(place, fields[1:])
    check_length(place, row, letters)
    record.rows.append(tuple(row[record.columns.index(letter)] for letter in letters))
    record.lines.append(place)
    record.number = number
