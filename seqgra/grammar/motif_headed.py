"""Motif files of '>' headers: JASPAR (a row is a letter), HOMER and HOCOMOCO (a row is a position).

References: JASPAR (https://jaspar.elixir.no/docs/), HOMER
(http://homer.ucsd.edu/homer/motif/creatingCustomMotifs.html), HOCOMOCO (Kulakovskiy et al. 2018,
doi:10.1093/nar/gkx1106).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from seqgra.grammar.motif_lines import (
    ONE_LAYOUT,
    Found,
    Malformed,
    check_letters,
    has_content,
    is_number,
    numbers_of,
    shown,
)

_LETTER_ROW = re.compile(r"(?P<letter>[A-Za-z])(?:\s*(?P<bracket>\[)|\s*[:|]|\s)(?P<numbers>.*)")
_LETTERED = "rows such as 'A [ 1 2 ]'"
_BY_LETTER = "one row a letter"
_BY_POSITION = "one row a position"
_EITHER = "either"


class _Section(NamedTuple):
    """A header, the rows of numbers below it, their lines and, where given, their letters."""

    line: int
    header: str
    rows: list[tuple[float, ...]]
    lines: list[int]
    row_letters: str


def read_headed(lines: list[str], letters: str, name: str) -> list[Found]:
    """Return the motifs of a file of '>' headers; `name` is that of a motif without a header.

    Raises
    ------
    Malformed
        If a line is not what its layout asks for, or motifs differ in their layout.
    """
    sections = _sections(lines, name)
    layouts = [_layout(section, letters) for section in sections]
    known = next((layout for layout in layouts if layout != _EITHER), _EITHER)
    motifs = []
    for section, layout in zip(sections, layouts, strict=True):
        if layout == _EITHER:
            layout = _squared(section) if known == _EITHER else known
        if layout != known and known != _EITHER:
            names = f"motif {shown(section.header)} has {layout}, those before it {known}"
            raise Malformed(section.line, f"{names}; {ONE_LAYOUT}")
        motifs.append(_headed(section, layout, letters))
    return motifs


def _sections(lines: list[str], name: str) -> list[_Section]:
    sections: list[_Section] = []
    for place, line in enumerate(lines, 1):
        text = line.strip()
        if not has_content(line):
            continue
        if text.startswith(">"):
            header = text[1:].rstrip() if "\t" in text else text[1:].strip()
            if not header.strip():
                raise Malformed(place, "'>' has no name after it")
            sections.append(_Section(place, header, [], [], ""))
            continue
        section = sections[-1] if sections else _Section(place, name, [], [], "")
        letter, row = _headed_row(place, text)
        if section.rows and bool(letter) != bool(section.row_letters):
            raise Malformed(place, f"rows with and without letters; {ONE_LAYOUT}")
        section = section._replace(row_letters=section.row_letters + letter)
        section.rows.append(row)
        section.lines.append(place)
        sections[-1:] = [section]
    return sections


def _headed_row(place: int, text: str) -> tuple[str, tuple[float, ...]]:
    """Return the letter ('' if none) and the numbers of a row."""
    if match := _LETTER_ROW.fullmatch(text):
        numbers = match["numbers"].strip()
        if match["bracket"]:
            if not numbers.endswith("]"):
                raise Malformed(place, "bracket is not closed; is the file truncated?")
            numbers = numbers[:-1]
        return match["letter"].upper(), numbers_of(place, numbers.split())
    if text.isalpha():
        raise Malformed(place, "is no row of numbers; is this a FASTA file of sequences?")
    if not is_number(text.split()[0]):
        raise Malformed(place, f"is no row of numbers; {ONE_LAYOUT}")
    return "", numbers_of(place, text.split())


def _layout(section: _Section, letters: str) -> str:
    """Return how the section's rows are to be read."""
    if not section.rows:
        raise Malformed(section.line, f"motif {shown(section.header)} has no matrix")
    widths = [len(row) for row in section.rows]
    if section.row_letters:
        _check_row_letters(section, letters)
        _check_even(section)
        return _LETTERED
    by_position = set(widths) == {len(letters)}
    by_letter = len(widths) == len(letters) and len(set(widths)) == 1
    if by_position and by_letter:
        return _BY_POSITION if _homer_fields(section.header) else _EITHER
    if by_position or by_letter:
        return _BY_POSITION if by_position else _BY_LETTER
    if len(widths) == len(letters) and len(letters) not in widths:
        _check_even(section)
    wrong = next(i for i, width in enumerate(widths) if width != len(letters))
    message = f"has {widths[wrong]} numbers; expected {len(letters)}, one a letter ({letters})"
    raise Malformed(section.lines[wrong], message)


def _check_row_letters(section: _Section, letters: str) -> None:
    given = section.row_letters
    name = shown(section.header)
    for row, letter in enumerate(given):
        if letter in given[:row]:
            raise Malformed(section.lines[row], f"row {letter} of motif {name} is given twice")
    missing = [letter for letter in letters if letter not in given]
    if set(given) < set(letters):
        raise Malformed(section.lines[-1], f"motif {name} has no row {missing[0]} after this line")
    check_letters(section.lines[0], "".join(sorted(given)), letters, "rows are")


def _check_even(section: _Section) -> None:
    first = len(section.rows[0])
    for line, row in zip(section.lines, section.rows, strict=True):
        if len(row) != first or not row:
            raise Malformed(line, f"has {len(row)} numbers; the first row has {first}")


def _squared(section: _Section) -> str:
    """Return the layout of a matrix as wide as the alphabet: its positions have equal sums."""
    by_position = _is_constant([sum(row) for row in section.rows])
    by_letter = _is_constant([sum(column) for column in zip(*section.rows, strict=True)])
    if by_position == by_letter:
        message = "can be read by rows or by columns; write the rows of letters as 'A [ 1 2 ]'"
        raise Malformed(section.line, f"matrix of motif {shown(section.header)} {message}")
    return _BY_POSITION if by_position else _BY_LETTER


def _is_constant(sums: list[float]) -> bool:
    return max(sums) - min(sums) <= 0.02 * max(sums)


def _homer_fields(header: str) -> list[str]:
    """Return the fields of a HOMER header (consensus, name, threshold, ...), or none."""
    fields = header.split("\t") if "\t" in header else header.split()
    return [f.strip() for f in fields] if len(fields) > 2 and is_number(fields[2]) else []


def _headed(section: _Section, layout: str, letters: str) -> Found:
    lines: tuple[int, ...] = ()
    if layout == _BY_POSITION:
        rows, lines = section.rows, tuple(section.lines)
    else:
        order = section.row_letters or letters
        by_letter = [section.rows[order.index(letter)] for letter in letters]
        rows = list(zip(*by_letter, strict=True))
    homer = _homer_fields(section.header) if layout == _BY_POSITION else []
    if homer and "U" in letters and re.fullmatch("[ACGTRYSWKMBDHVN]*T[ACGTRYSWKMBDHVN]*", homer[0]):
        message = f"consensus {shown(homer[0])} is DNA; the grammar's letters are {letters}"
        raise Malformed(section.line, message)
    names = homer[1::-1] if homer else section.header.split(None, 1)
    names = [name.strip() for name in names if name.strip()]
    if not names:
        raise Malformed(section.line, "'>' has no name after it")
    return Found(tuple(names), section.line, tuple(rows), lines, True)
