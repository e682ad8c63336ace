"""FASTA files, plain, gzip or bgzip, and letter codes of the texts of files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seqgra.alphabet import DNA, PADDING, PROTEIN, RNA, UNKNOWN, Alphabet
from seqgra.errors import bad_input
from seqgra.textfile import read_text

NOT_FASTA = "is not FASTA; a record begins with '>'"
#: Letters that stand for several or for none; they become unknown ones.
_AMBIGUOUS = {DNA.name: "NRYSWKMBDHV", RNA.name: "NRYSWKMBDHV", PROTEIN.name: "XBZJUO*"}
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
    return fasta_records(text)


def fasta_records(text: str) -> list[tuple[str, str]]:
    """Return name and letters of each record of a text that begins with one; see `read_fasta`."""
    found = []
    for record in text.lstrip()[1:].split("\n>"):
        name, *lines = record.split("\n")
        found.append((name.strip(), "".join(map(str.strip, lines))))
    return found


def read_codes(path: Path, alphabet: Alphabet) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and letter codes, uint8 (L,), of each record; see `Encoder`.

    Raises
    ------
    InputError
        If the file cannot be read, is not FASTA, or a letter is foreign.
    """
    encode = Encoder(alphabet)
    for name, sequence in read_fasta(path):
        yield name, encode(sequence, path, f"record {name!r}")[0]


class Encoder:
    """Turns text into letter codes and refuses letters that are none of the alphabet's.

    Case is ignored, T and U are one letter, and ambiguity codes (IUPAC) become `UNKNOWN`. The ``*`` that ends
    a protein, its stop, is left out, and counted in `stops`. `proteins` is what to say of those read as
    something else.
    """

    def __init__(self, alphabet: Alphabet, proteins: str = "these look like proteins") -> None:
        self.alphabet, self._proteins = alphabet, proteins
        self.stops = 0
        self._codes = np.full(256, PADDING, np.uint8)
        same = {"RNA": "T", "DNA": "U"}.get(alphabet.name, "")
        for letters, codes in (
            (_AMBIGUOUS[alphabet.name], [UNKNOWN] * 99),
            (alphabet.letters, range(99)),
            (same, [3]),
        ):
            for letter, code in zip(letters, codes, strict=False):
                self._codes[ord(letter)] = self._codes[ord(letter.lower())] = code

    def __call__(self, text: str, file: object, place: str) -> tuple[np.ndarray, np.ndarray]:
        """Return letter codes, uint8 (L,), and which letters are in lower case, bool (L,).

        Raises
        ------
        InputError
            If a letter is foreign.
        """
        if self.alphabet is PROTEIN and text.endswith("*") and len(text) > 1:
            text = text[:-1]
            self.stops += 1
        data = np.frombuffer(text.encode("latin-1", "replace"), np.uint8)
        codes = self._codes[data]
        if (codes == PADDING).any():
            letter = text[int(np.argmax(codes == PADDING))]
            advice = "mend it"
            if self.alphabet is not PROTEIN and letter.upper() in PROTEIN.letters:
                advice = self._proteins
            message = f"holds {letter!r}, which is no letter of {self.alphabet.name}; {advice}"
            raise bad_input(file, place, message)
        return codes, data >= ord("a")
