"""FASTA files: plain, gzip or bgzip."""

from __future__ import annotations

from pathlib import Path

from seqgra.errors import bad_input
from seqgra.textfile import read_text

NOT_FASTA = "is not FASTA; a record begins with '>'"
_OTHERS = {"@": "FASTQ", ";": "FASTA with comments", "#": "a table or BED", "LOCUS": "GenBank"}


def read_fasta(path: Path) -> list[tuple[str, str]]:
    """Return name (all of the header line) and letters of each record.

    Line ends are of any kind; blanks about a line are dropped, blanks within are kept.

    Raises
    ------
    InputError
        If the file cannot be read or is not FASTA.
    """
    text = read_text(path).lstrip()
    if not text:
        raise bad_input(path, "", "is empty; expected FASTA")
    if not text.startswith(">"):
        other = next((what for begin, what in _OTHERS.items() if text.startswith(begin)), "")
        advice = f" (this looks like {other})" if other else ""
        raise bad_input(path, "line 1", f"{NOT_FASTA}{advice}")
    found = []
    for record in text[1:].split("\n>"):
        name, *lines = record.split("\n")
        found.append((name.strip(), "".join(map(str.strip, lines))))
    return found
