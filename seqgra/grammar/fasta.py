"""FASTA files: plain, gzip or bgzip."""

from __future__ import annotations

from pathlib import Path

from seqgra.errors import bad_input
from seqgra.textfile import read_text


def read_fasta(path: Path) -> list[tuple[str, str]]:
    """Return name (all of the header line) and letters of each record.

    Raises
    ------
    InputError
        If the file cannot be read or is not FASTA.
    """
    text = read_text(path, "ascii")
    if not text.lstrip().startswith(">"):
        raise bad_input(path, "line 1", "is not FASTA; a record begins with '>'")
    records = text.lstrip()[1:].split("\n>")
    found = []
    for record in records:
        name, *lines = record.replace("\r", "").split("\n")
        found.append((name.strip(), "".join(lines).strip()))
    return found
