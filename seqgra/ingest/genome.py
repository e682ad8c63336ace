"""A genome: a FASTA file with an index, one chromosome in memory at a time."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pyfaidx import Faidx, FastaIndexingError

from seqgra.errors import bad_input
from seqgra.grammar.fasta import NOT_FASTA, Encoder
from seqgra.ingest.tally import Tally
from seqgra.textfile import GZIP, refuse_binary

#: The byte order mark of UTF-8, and letters of a message of pyfaidx that are shown at most.
_MARK = b"\xef\xbb\xbf"
_LONGEST = 200


class Genome:
    """An open genome; keeps the letters of the last chromosome that was asked for.

    Attributes
    ----------
    file
        Where it was read from, for messages.
    lengths
        Letters of each chromosome by the first word of its name, in the file's order.
    """

    def __init__(self, file: Path, index: Faidx, encoder: Encoder) -> None:
        self.file = file
        self.lengths = {str(name): int(facts.rlen) for name, facts in index.index.items()}
        self._index, self._encoder = index, encoder
        self._last: tuple[str, np.ndarray, np.ndarray] | None = None

    def letters(self, chrom: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the letter codes of a chromosome, uint8 (M,), and which are soft-masked, bool (M,).

        Raises
        ------
        InputError
            If it holds foreign letters.
        """
        if self._last is None or self._last[0] != chrom:
            text = self._index.fetch(chrom, 1, self.lengths[chrom]) if self.lengths[chrom] else ""
            self._last = (chrom, *self._encoder(str(text), self.file, chrom))
        return self._last[1:]


@contextmanager
def open_genome(file: Path, encoder: Encoder, tally: Tally) -> Iterator[Genome]:
    """Open a genome: plain, gzip or bgzip.

    A plain file's index is the file of the same name with ``.fai``, where that fits the genome (`fits`);
    else it is made, and written there. Where that cannot be written, it lives in a temporary folder, as the
    letters of a compressed file do, or of one with a byte order mark or line ends CR.

    Raises
    ------
    InputError
        If the file cannot be read or is not FASTA.
    """
    with tempfile.TemporaryDirectory(prefix="seqgra-") as folder:
        try:
            with file.open("rb") as stream:
                beginning = stream.read(1 << 16)
            plain = _plain(file, beginning, Path(folder))
            with plain.open("rb") as stream:
                beginning = stream.read(1 << 16)
        except OSError as error:
            raise bad_input(file, "", f"cannot be read ({error.strerror or error})") from None
        refuse_binary(file, beginning)
        if not beginning.lstrip().startswith(b">"):
            raise bad_input(file, "line 1", NOT_FASTA)
        with _indexed(file, plain, Path(folder), tally) as index:
            yield Genome(file, index, encoder)


def _plain(file: Path, beginning: bytes, folder: Path) -> Path:
    """Return the file itself, or a temporary one that pyfaidx can index, unpacked or with other line ends."""
    packed = beginning.startswith(GZIP)
    odd = beginning.startswith(_MARK) or (b"\r" in beginning and b"\n" not in beginning)
    plain = folder / "genome.fa"
    if not packed and not odd:
        if file.suffix.lower() not in (".gz", ".bgz"):
            return file
        plain.symlink_to(file.resolve())  # pyfaidx would believe the name
        return plain
    try:
        with (
            gzip.open(file, "rb") if packed else file.open("rb") as source,
            plain.open("wb") as stream,
        ):
            part = source.read(1 << 20)
            part = part.removeprefix(_MARK)
            old_ends = b"\r" in part and b"\n" not in part
            while part:
                stream.write(part.replace(b"\r", b"\n") if old_ends else part)
                part = source.read(1 << 20)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise bad_input(file, "", "is a damaged gzip file; copy it again") from None
    return plain


@contextmanager
def _indexed(file: Path, plain: Path, folder: Path, tally: Tally) -> Iterator[Faidx]:
    beside = Path(f"{plain}.fai")
    current = beside.is_file() and beside.stat().st_mtime_ns >= plain.stat().st_mtime_ns
    if current and not fits(beside, plain):
        current = False
        tally.remark(f"{beside.name} was the index of another file, and is made again")
    try:
        name = beside if current else folder / "index.fai"
        index = Faidx(str(plain), indexname=str(name), as_raw=True)
    except (FastaIndexingError, ValueError, OSError) as error:
        said = " ".join(str(error).replace(str(plain), file.name).split())
        said = said if len(said) <= _LONGEST else said[:_LONGEST] + " ..."
        raise bad_input(file, "", f"cannot be indexed ({said}); correct the file") from None
    if not current and plain == file:
        _keep_index(folder / "index.fai", beside)
    try:
        yield index
    finally:
        index.close()


def fits(index: Path, genome: Path) -> bool:
    """Return whether an index (``.fai``) is that of a genome: every record begins and ends where it says.

    The byte before a record's letters ends the line ``>NAME``, its lines are as long as it says, and after
    its last letter comes the next record, or the end; no record is left over.
    """
    try:
        rows = [line.split("\t") for line in index.read_text(encoding="utf-8").splitlines()]
        records = sorted((int(o), name, int(n), int(w), int(b)) for name, n, o, w, b in rows)
    except (OSError, ValueError):
        return False
    place = 0
    with genome.open("rb") as stream:
        for offset, name, length, width, line in records:
            stream.seek(place)
            header = stream.readline()
            while not header.strip() and header:
                header = stream.readline()
            words = header[1:].split()
            if header[:1] != b">" or stream.tell() != offset or not words:
                return False
            if words[0].decode("utf-8", "replace") != name or (length and not 0 < width < line):
                return False
            first = stream.readline(line + 1) if length and line <= 1 << 16 else b""
            if first and len(first.rstrip(b"\r\n")) != min(width, length):
                return False
            place = offset + (
                (length - 1) // width * line + (length - 1) % width + 1 if length else 0
            )
            stream.seek(place)
            if length and stream.read(1) not in (b"\r", b"\n", b""):
                return False
        stream.seek(place)
        return bool(records) and not stream.read(1 << 16).strip()


def _keep_index(index: Path, beside: Path) -> None:
    """Put a new index beside its genome, whole or not at all; without leave to write, do without."""
    aside = beside.with_name(f".{beside.name}-{os.getpid()}")
    try:
        shutil.copyfile(index, aside)
        aside.replace(beside)
    except OSError:
        aside.unlink(missing_ok=True)
