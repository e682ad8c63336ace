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
from seqgra.ingest.examples import Encoder
from seqgra.textfile import GZIP


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
def open_genome(file: Path, encoder: Encoder) -> Iterator[Genome]:
    """Open a genome: plain, gzip or bgzip.

    A plain file's index is read from, or written to, the file of the same name with ``.fai``; where that
    cannot be written, it lives in a temporary folder, as the letters of a compressed file do.

    Raises
    ------
    InputError
        If the file cannot be read or is not FASTA.
    """
    with tempfile.TemporaryDirectory(prefix="seqgra-") as folder:
        try:
            with file.open("rb") as stream:
                packed = stream.read(2) == GZIP
            plain = _unpacked(file, Path(folder)) if packed else _plainly_named(file, Path(folder))
            with plain.open("rb") as stream:
                if not stream.read(1 << 16).lstrip().startswith(b">"):
                    raise bad_input(file, "line 1", "is not FASTA; a record begins with '>'")
        except OSError as error:
            raise bad_input(file, "", f"cannot be read ({error.strerror or error})") from None
        with _indexed(file, plain, Path(folder)) as index:
            yield Genome(file, index, encoder)


def _unpacked(file: Path, folder: Path) -> Path:
    plain = folder / "genome.fa"
    try:
        with gzip.open(file, "rb") as packed, plain.open("wb") as stream:
            shutil.copyfileobj(packed, stream, 1 << 20)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise bad_input(file, "", "is a damaged gzip file; copy it again") from None
    return plain


def _plainly_named(file: Path, folder: Path) -> Path:
    """Return the file by a name that does not say it is compressed, which pyfaidx would believe."""
    if file.suffix.lower() not in (".gz", ".bgz"):
        return file
    plain = folder / "genome.fa"
    plain.symlink_to(file.resolve())
    return plain


@contextmanager
def _indexed(file: Path, plain: Path, folder: Path) -> Iterator[Faidx]:
    beside = Path(f"{plain}.fai")
    current = beside.is_file() and beside.stat().st_mtime_ns >= plain.stat().st_mtime_ns
    try:
        name = beside if current else folder / "index.fai"
        index = Faidx(str(plain), indexname=str(name), as_raw=True)
    except (FastaIndexingError, ValueError, OSError) as error:
        said = " ".join(str(error).replace(str(plain), file.name).split())
        raise bad_input(file, "", f"cannot be indexed ({said}); mend the file") from None
    if not current and plain == file:
        _keep_index(folder / "index.fai", beside)
    try:
        yield index
    finally:
        index.close()


def _keep_index(index: Path, beside: Path) -> None:
    """Put a new index beside its genome, whole or not at all; without leave to write, do without."""
    aside = beside.with_name(f".{beside.name}-{os.getpid()}")
    try:
        shutil.copyfile(index, aside)
        aside.replace(beside)
    except OSError:
        aside.unlink(missing_ok=True)
