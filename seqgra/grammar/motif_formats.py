"""Motif files of every common layout, and how to tell a layout.

References: MEME minimal (https://meme-suite.org/meme/doc/meme-format.html), TRANSFAC (Wingender et
al. 1996, doi:10.1093/nar/24.1.238), JASPAR (https://jaspar.elixir.no/docs/), HOMER
(http://homer.ucsd.edu/homer/motif/creatingCustomMotifs.html), HOCOMOCO (Kulakovskiy et al. 2018,
doi:10.1093/nar/gkx1106), CIS-BP (Weirauch et al. 2014, doi:10.1016/j.cell.2014.08.009), UniPROBE (Hume et al.
2015, doi:10.1093/nar/gku1045).
"""

from __future__ import annotations

import math
import re
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


class Misplaced(Malformed):
    """A line that belongs into a file of another layout: nothing of the file can be trusted."""


class Faulty(NamedTuple):
    """A motif that cannot be read: its names, as far as they are known, and why."""

    names: tuple[str, ...]
    error: Malformed


class Found(NamedTuple):
    """A motif as the file gives it."""

    #: The id, then alternative names.
    names: tuple[str, ...]
    #: The line on which the motif begins.
    line: int
    #: One row of non-negative numbers a position, in the order of the letters.
    rows: tuple[tuple[float, ...], ...]
    #: The line of each row; empty where the file writes a position as a column.
    lines: tuple[int, ...]
    #: Whether the layout allows counts beside probabilities.
    may_be_counts: bool


def has_content(line: str) -> bool:
    """Return whether a line is neither blank nor a comment."""
    return bool(line.strip()) and not (line.startswith("#") and not _UNIPROBE.match(line))


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


_MATRIX = re.compile(r"letter-probability matrix:(?P<facts>.*)", re.IGNORECASE)
_TRANSFAC_KEY = re.compile(r"[A-Z][A-Z0-9]|//")
_ALPHABETS = {"DNA": "ACGT", "RNA": "ACGU", "PROTEIN": "ACDEFGHIKLMNPQRSTVWY"}


def parse(lines: list[str], letters: str, name: str) -> list[Found | Faulty]:
    """Return the motifs of a file, whose layout its first line shows, those that cannot be read among them.

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
        If a line belongs to no motif and is not what its layout asks for, or the layout is unknown.
    """
    start, first = next((i, line) for i, line in enumerate(lines) if has_content(line))
    word = first.split()[0]
    if first.startswith(("MEME version", "****", "ALPHABET", "letter-prob")) or word == "MOTIF":
        return _read_meme(lines, letters)
    if word.startswith(">") or is_number(word) or _UNIPROBE.match(first):
        return _read_headed(lines, letters, name)
    if word in ("Pos", "TF", "Motif") and "\t" in first:
        return _read_cisbp(lines, letters, name)
    if _TRANSFAC_KEY.fullmatch(word):
        return _read_transfac(lines, letters)
    raise Malformed(
        start + 1,
        "is no motif file: expected MEME ('MEME version 4'), JASPAR, HOMER or HOCOMOCO ('>name'), "
        "TRANSFAC ('ID name'), CIS-BP ('Pos A C G T') or UniPROBE ('Protein: name')",
    )


# MEME minimal


def _read_meme(lines: list[str], letters: str) -> list[Found | Faulty]:
    motifs: list[Found | Faulty] = []
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
                motifs.append(_without_matrix(names, place))
            if not versioned:
                raise Malformed(place, "no 'MEME version' before it; begin with 'MEME version 4'")
            names, began = _meme_names(place, line), place
        elif match := _MATRIX.match(line):
            if not names:
                raise Malformed(place, "matrix without a MOTIF line before it")
            try:
                rows, numbers = _meme_rows(lines, place, match["facts"], letters)
            except Malformed as error:
                motifs.append(Faulty(names, error))
            else:
                motifs.append(Found(names, began, tuple(rows), tuple(numbers), False))
                place = numbers[-1]
            names = ()
        elif line.startswith(">") or re.match(r"P[0O]\s", line):
            raise Misplaced(place, f"does not belong in a MEME file; {ONE_LAYOUT}")
    if names:
        motifs.append(_without_matrix(names, len(lines)))
    return motifs


def _without_matrix(names: tuple[str, ...], line: int) -> Faulty:
    return Faulty(names, Malformed(line, f"motif {shown(names[0])} has no matrix"))


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
        self.ended = False
        self.fault: Malformed | None = None

    def motif(self) -> Found | Faulty:
        names = tuple(self.names[key] for key in ("AC", "ID", "NA", "DE") if key in self.names)
        if self.fault is not None:
            return Faulty(names, self.fault)
        if not names:
            message = "matrix has no name; write an 'ID name' line before it"
            return Faulty((), Malformed(self.line, message))
        if not self.rows:
            return _without_matrix(names, self.line)
        return Found(names, self.line, tuple(self.rows), tuple(self.lines), True)


def _read_transfac(lines: list[str], letters: str) -> list[Found | Faulty]:
    motifs: list[Found | Faulty] = []
    record = _Record()
    for place, line in enumerate(lines, 1):
        fields = line.split()
        if not has_content(line):
            continue
        key = fields[0]
        if key == "//" or (record.rows and key in ("AC", "ID")):
            if key != "//":
                record.fault = record.fault or Malformed(place, "'//' is missing before this line")
            if record.line:
                motifs.append(record.motif())
            record = _Record()
        if not key.isdecimal() and not _TRANSFAC_KEY.fullmatch(key):
            raise Misplaced(place, f"{shown(key)!r} begins no TRANSFAC line; {ONE_LAYOUT}")
        try:
            _transfac_line(record, place, line, letters)
        except Malformed as error:
            record.line = record.line or place
            record.fault = record.fault or error
    if record.line:
        message = "last record does not end with '//'; is the file truncated?"
        record.fault = record.fault or Malformed(len(lines), message)
        motifs.append(record.motif())
    return motifs


def _transfac_line(record: _Record, place: int, line: str, letters: str) -> None:
    """Add a line to its record; numbered rows after the matrix are another table, such as sites by row."""
    fields = line.split()
    key = fields[0]
    if key in ("AC", "ID", "NA", "DE"):
        record.line = record.line or place
        if len(fields) > 1:
            record.names[key] = line.strip()[2:].strip()
    elif key in ("P0", "PO"):
        if record.columns:
            raise Malformed(place, "'//' is missing before this line")
        record.line = record.line or place
        record.columns = "".join(fields[1:]).upper()
        check_letters(place, "".join(sorted(record.columns)), letters, "columns are")
    elif not key.isdecimal():
        record.ended = bool(record.rows)
    elif record.fault is None and not record.ended:
        _transfac_row(record, place, fields, letters)
    elif record.ended and int(key[:9]) == record.number + 1 and len(fields) > len(letters):
        raise Malformed(place, f"row {int(key[:9])} stands apart from its matrix")


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


# CIS-BP: facts and rows parted by tabs, a motif alone in its file or one after another


def _read_cisbp(lines: list[str], letters: str, name: str) -> list[Found | Faulty]:
    motifs: list[Found | Faulty] = []
    facts: dict[str, str] = {}
    place = 0
    while place < len(lines):
        fields = [field.strip() for field in lines[place].split("\t")]
        place += 1  # now the number of the line, counted from 1
        if not has_content(lines[place - 1]):
            continue
        if fields[0] != "Pos":
            if fields[0] == "TF":
                facts = {}
            if len(fields) > 1:
                facts[fields[0]] = fields[1]
            elif fields[0]:
                raise Misplaced(place, f"{shown(fields[0])!r} begins no CIS-BP line; {ONE_LAYOUT}")
            continue
        names = tuple(facts[key] for key in ("Motif", "TF Name", "TF") if facts.get(key)) or (name,)
        facts, began = {}, place
        rows: list[tuple[float, ...]] = []
        try:
            check_letters(place, "".join(fields[1:]).upper(), letters, "columns are")
            while place < len(lines) and (fields := lines[place].split()) and fields[0].isdecimal():
                place += 1
                if int(fields[0][:9]) != len(rows) + 1:
                    message = f"row {shown(fields[0])} follows row {len(rows)}; is a row missing?"
                    raise Malformed(place, message)
                rows.append(numbers_of(place, fields[1:]))
                check_length(place, rows[-1], letters)
            if not rows:
                raise Malformed(began, f"motif {shown(names[0])} has no matrix")
        except Malformed as error:
            motifs.append(Faulty(names, error))
            while place < len(lines) and is_number((lines[place].split() or [""])[0]):
                place += 1
            continue
        numbers = tuple(range(began + 1, began + 1 + len(rows)))
        motifs.append(Found(names, began, tuple(rows), numbers, True))
    return motifs


# JASPAR (a row is a letter), HOMER and HOCOMOCO (a row is a position), UniPROBE

_LETTER_ROW = re.compile(r"(?P<letter>[A-Za-z])(?:\s*(?P<bracket>\[)|\s*[:|]|\s)(?P<numbers>.*)")
_UNIPROBE = re.compile(r"#?\s*(?:Protein|Gene):\s*(?P<name>\S+)")
_LETTERED = "rows such as 'A [ 1 2 ]'"
_BY_LETTER = "one row a letter"
_BY_POSITION = "one row a position"
_EITHER = "either"


class _Section(NamedTuple):
    """A header, the rows of numbers below it, their lines and, where given, their letters; or a fault."""

    line: int
    header: str
    rows: list[tuple[float, ...]]
    lines: list[int]
    row_letters: str = ""
    fault: Malformed | None = None


def _read_headed(lines: list[str], letters: str, name: str) -> list[Found | Faulty]:
    """Return the motifs of a file of '>' headers; `name` is that of a motif without a header."""
    motifs: list[Found | Faulty] = []
    read: list[tuple[_Section, str, int]] = []
    for section in _sections(lines, name):
        try:
            if section.fault is not None:
                raise section.fault
            read.append((section, _layout(section, letters), len(motifs)))
            motifs.append(Faulty((), Malformed(section.line, "")))  # its place
        except Malformed as error:
            motifs.append(Faulty(_header_names(section), error))
    known = next((layout for _, layout, _ in read if layout != _EITHER), _EITHER)
    for section, layout, place in read:
        try:
            if layout == _EITHER:
                layout = _squared(section) if known == _EITHER else known
            if layout != known and known != _EITHER:
                message = f"motif {shown(section.header)} has {layout}, those before it {known}"
                raise Misplaced(section.line, f"{message}; {ONE_LAYOUT}")
            motifs[place] = _headed(section, layout, letters)
        except Misplaced:
            raise
        except Malformed as error:
            motifs[place] = Faulty(_header_names(section), error)
    return motifs


def _header_names(section: _Section) -> tuple[str, ...]:
    """Return the names that a header may give, whatever its layout."""
    fields = section.header.split("\t") if "\t" in section.header else section.header.split(None, 1)
    return tuple(field.strip() for field in fields[:2] if field.strip())


def _sections(lines: list[str], name: str) -> list[_Section]:
    sections: list[_Section] = []
    for place, line in enumerate(lines, 1):
        text = line.strip()
        if not has_content(line):
            continue
        match = _UNIPROBE.match(text)
        if match or text.startswith(">"):
            header = text[1:].rstrip() if "\t" in text else text[1:].strip()
            header = match["name"] if match else header
            section = _Section(place, header, [], [])
            if not header.strip():
                section = section._replace(fault=Malformed(place, "'>' has no name after it"))
            sections.append(section)
            continue
        section = sections[-1] if sections else _Section(place, name, [], [])
        if section.fault is not None:
            continue
        try:
            letter, row = _headed_row(place, text)
            if section.rows and bool(letter) != bool(section.row_letters):
                raise Malformed(place, f"rows with and without letters; {ONE_LAYOUT}")
            section = section._replace(row_letters=section.row_letters + letter)
            section.rows.append(row)
            section.lines.append(place)
        except Misplaced:
            raise
        except Malformed as error:
            section = section._replace(fault=error)
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
        raise Misplaced(place, "is no row of numbers; is this a FASTA file of sequences?")
    if not is_number(text.split()[0]):
        raise Misplaced(place, f"is no row of numbers; {ONE_LAYOUT}")
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
        raise Misplaced(section.line, message)
    names = homer[1::-1] if homer else section.header.split(None, 1)
    names = [name.strip() for name in names if name.strip()]
    if not names:
        raise Malformed(section.line, "'>' has no name after it")
    return Found(tuple(names), section.line, tuple(rows), lines, True)
