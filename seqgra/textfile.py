"""Text files, plain or gzip (bgzip is gzip), what is said of files that are none, and tables as text."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from seqgra.errors import bad_input

if TYPE_CHECKING:
    import pandas as pd

#: How gzip and bgzip files begin.
GZIP = b"\x1f\x8b"
#: How a spreadsheet tells a formula.
_FORMULA = "=+-@\t\r"
_SIGNAL = "a continuous signal, which is not supported; call peaks of it, and give these as BED"
#: How files begin that hold no text: what they are, and what to do.
_NO_TEXT = {
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
    b"PK\x03\x04": "an Excel workbook or zip archive; save the sheet as tab-separated text, or unpack it",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the sheet as tab-separated text",
    b"BZh": "a bzip2 file; unpack it",
    b"\xfd7zXZ": "an xz file; unpack it",
    b"\x28\xb5\x2f\xfd": "a zstd file; unpack it",
    b"%PDF": "a PDF file",
    b"PAR1": "a Parquet file; name it .parquet",
    b"\x89HDF": "an HDF5 file; write its sequences and labels as TSV or Parquet",
    b"\x93NUMPY": "a numpy array; write sequences and labels as TSV or Parquet",
    b"BAM\x01": "a BAM file of reads; call peaks of it, and give these as BED",
    b"CRAM": "a CRAM file of reads; call peaks of it, and give these as BED",
    b"\x26\xfc\x8f\x88": f"a bigWig file: {_SIGNAL}",
    b"\x88\x8f\xfc\x26": f"a bigWig file: {_SIGNAL}",
    b"\xeb\xf2\x89\x87": "a bigBed file; turn it into BED with bigBedToBed",
    b"\x87\x89\xf2\xeb": "a bigBed file; turn it into BED with bigBedToBed",
    b"\x43\x27\x41\x1a": "a 2bit file; turn it into FASTA with twoBitToFa",
    b"\x1a\x41\x27\x43": "a 2bit file; turn it into FASTA with twoBitToFa",
}


def refuse_binary(file: Path, beginning: bytes) -> None:
    """Refuse a file that begins as one of another kind, or with zero bytes, as no text does.

    Raises
    ------
    InputError
        Saying what the file is and what to do.
    """
    for magic, what in _NO_TEXT.items():
        if beginning.startswith(magic):
            raise bad_input(file, "", f"is {what}")
    if b"\0" in beginning:
        raise bad_input(file, "", "is a binary file; expected text")


def unpacked(file: Path, data: bytes, most: int = -2) -> bytes:
    """Return the bytes of a file, unpacked where they are gzip.

    Parameters
    ----------
    file, data
        The file, and all of its bytes.
    most
        How many unpacked bytes are expected at most; one more is returned where there are more.

    Raises
    ------
    InputError
        If the gzip file is damaged.
    """
    if not data.startswith(GZIP):
        return data
    try:
        with gzip.open(BytesIO(data)) as stream:
            return stream.read(most + 1)
    except (OSError, EOFError, zlib.error):
        raise bad_input(file, "", "is a damaged gzip file; copy it again") from None


def read_text(file: Path) -> str:
    """Return the text of a UTF-8 file, plain or gzip, without byte order mark, lines ended by LF.

    Raises
    ------
    InputError
        If it cannot be read, or holds something else.
    """
    try:
        data = unpacked(file, file.read_bytes())
    except OSError as error:
        raise bad_input(file, "", f"cannot be read ({error.strerror})") from None
    refuse_binary(file, data[: 1 << 16])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        message = (
            f"holds the byte {data[error.start]:#04x}, which is no UTF-8 text; save it as UTF-8"
        )
        raise bad_input(file, f"line {before.count(10) + 1}", message) from None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def harmless(cell: object) -> object:
    """Return a cell of a table that a spreadsheet takes for text: a formula gets an apostrophe before it.

    Numbers stay as they are, in text too, and so does a lone sign such as a strand.

    >>> [harmless(cell) for cell in ("=1+1", "@a", "-0.5", "-inf", -0.5, "+", "a-b", "-a")]
    ["'=1+1", "'@a", '-0.5', '-inf', -0.5, '+', 'a-b', "'-a"]
    """
    if not isinstance(cell, str) or len(cell) < 2 or cell[0] not in _FORMULA:
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return rows, the header first, as CSV whose cells are `harmless`."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def harmless_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts are `harmless`, to be written as CSV."""
    changed = {}
    for name in table.select_dtypes(exclude=["number", "bool"]).columns:
        texts = table[name].unique()  # few, where rows are many
        if formulas := {text: harmless(text) for text in texts if harmless(text) is not text}:
            changed[name] = table[name].replace(formulas)
    return table.assign(**changed)


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Return a table as lines: the first `left` columns on the left, others on the right.

    >>> aligned([["a", "bc"], ["def", "g"]])
    ['a    bc', 'def   g']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def text_lines(file: Path, text: str | None = None) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of a text file, plain or gzip, with any line ends.

    `text` is what `read_text` gave, if the file has been read.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    lines = (read_text(file) if text is None else text).split("\n")
    yield from enumerate(lines if lines[-1] else lines[:-1], 1)
