"""Tables of named columns: which column holds what, and the rows of tab, comma or blank separated text."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from seqgra.errors import bad_input
from seqgra.textfile import text_lines

#: What a column holds, and the names it may have; case does not matter.
NAMES = {
    "sequence": ("sequence", "seq", "x"),
    "label": ("label", "labels", "y"),
    "set": ("set", "split"),
    "id": ("id",),
    "name": ("name",),
    "chrom": ("chrom", "chr", "chromosome", "seqnames", "seqname"),
    "start": ("start", "chromstart", "chrom_start"),
    "end": ("end", "stop", "chromend", "chrom_end"),
    "strand": ("strand",),
    "summit": ("abs_summit",),
    "peak": ("peak",),
    "length": ("length", "width"),
}
_DELIMITERS = ("\t", ",", ";", " ")


def shown(names: Iterable[object], most: int = 5) -> str:
    """Return some names as a message may show them: short, and no more than `most`.

    >>> shown(["a", "b" * 50], 1)
    "'a' and 1 more"
    """
    listed = [str(name) for name in names]
    texts = [repr(name if len(name) <= 24 else name[:21] + "...") for name in listed[:most]]
    return ", ".join(texts) + (f" and {len(listed) - most} more" if len(listed) > most else "")


def listed(names: Sequence[str], most: int) -> str:
    """Return some names, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def columns_of(names: Sequence[str], wanted: Iterable[str]) -> dict[str, int]:
    """Return the number of each wanted column that is there.

    Raises
    ------
    ValueError
        If two columns may be the same one.
    """
    lower = [name.strip().lower() for name in names]
    at: dict[str, int] = {}
    for what in wanted:
        places = [n for n, name in enumerate(lower) if name in NAMES[what]]
        if len(places) > 1:
            several = " and ".join(names[n].strip() for n in places)
            raise ValueError(f"has columns {several}, each of which may be the {what}; rename one")
        if places:
            at[what] = places[0]
    return at


def fields_of(line: str, delimiter: str) -> list[str]:
    """Return the fields of a line, of which quotes are taken off.

    Raises
    ------
    ValueError
        If a quote is not closed.
    """
    if '"' not in line:
        return line.split(delimiter)
    try:
        [fields] = csv.reader([line], delimiter=delimiter, strict=True)
    except csv.Error as error:
        raise ValueError(f"cannot be split into quoted columns ({error})") from None
    return fields


def split_header(line: str, needed: Sequence[str]) -> tuple[str, list[str]]:
    """Return the delimiter by which a line names the needed columns, and all its names.

    The delimiter is empty, and the names are those by the likeliest, where none gives them.
    """
    best: list[str] = []
    for delimiter in _DELIMITERS:
        try:
            names = [name.strip() for name in fields_of(line.lstrip("#").strip(" "), delimiter)]
        except ValueError:
            continue
        if set(needed) <= {
            what for what in needed if set(NAMES[what]) & {n.lower() for n in names}
        }:
            return delimiter, names
        best = names if len(names) > len(best) else best
    return "", best


class TextTable:
    """A text table whose first line names its columns, by tabs, commas, semicolons or blanks.

    Fields may be quoted. Where every row has one field more than the first line, as R writes it, the first
    is the name of the row.

    Attributes
    ----------
    at
        Number of the field of each column that is read.
    unread
        Names of the other columns.
    """

    def __init__(
        self, file: Path, needed: Sequence[str], optional: Sequence[str], text: str | None = None
    ) -> None:
        """Read the first line; `text` is what the file holds, if that is known.

        Raises
        ------
        InputError
            If the file cannot be read, or does not name the needed columns.
        """
        self._file = file
        lines = ((number, line) for number, line in text_lines(file, text) if line.strip())
        number, header = next(lines, (1, ""))
        self._delimiter, self.names = split_header(header, needed)
        if not self._delimiter:
            raise bad_input(file, f"line {number}", missing(needed, optional, self.names))
        try:
            self.at = columns_of(self.names, (*needed, *optional))
        except ValueError as error:
            raise bad_input(file, f"line {number}", str(error)) from None
        read = set(self.at.values())
        self.unread = [name for n, name in enumerate(self.names) if n not in read]
        self._lines = lines

    def rows(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield place (``line 2``) and the fields of each row by what they hold.

        Raises
        ------
        InputError
            If a line has too few or too many.
        """
        extra = None
        for number, line in self._lines:
            try:
                fields = fields_of(line, self._delimiter)
            except ValueError as error:
                raise bad_input(self._file, f"line {number}", str(error)) from None
            if extra is None:
                extra = 1 if len(fields) == len(self.names) + 1 else 0
            if len(fields) != len(self.names) + extra:
                message = f"has {len(fields)} columns; the first line names {len(self.names)}"
                raise bad_input(self._file, f"line {number}", message)
            yield f"line {number}", {what: fields[n + extra] for what, n in self.at.items()}


def missing(needed: Sequence[str], optional: Sequence[str], names: Sequence[object]) -> str:
    """Return what to say of a table that lacks a needed column."""
    wanted = [
        f"{NAMES[what][0]} (or {', '.join(NAMES[what][1:])})" if NAMES[what][1:] else what
        for what in needed
    ]
    message = f"needs columns {' and '.join(wanted)}, parted by tabs or commas"
    message += f", and perhaps {', '.join(optional)}" if optional else ""
    message += f"; the file names {shown(names)}"
    have = {str(name).lower() for name in names}
    if "label" in needed and have & set(NAMES["sequence"]) and len(names) > 2:
        message += "; are classes in columns of zeros and ones? "
        message += "Write one column label with the names of an example's classes, joined by '|'"
    return message
