"""FASTA files: plain, gzip or bgzip."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

from seqgra.errors import bad_input


def read_fasta(path: Path) -> list[tuple[str, str]]:
    """Return name (all of the header line) and letters of each record.

    Raises
    ------
    InputError
        If the file cannot be read or is not FASTA.
    """
    try:
        data = path.read_bytes()
        packed = data.startswith(b"\x1f\x8b")  # gzip and bgzip
        text = (gzip.decompress(data) if packed else data).decode("ascii")
    except (OSError, UnicodeDecodeError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "it is damaged, or not text"
        raise bad_input(path, "", f"FASTA file cannot be read ({reason})") from None
    if not text.lstrip().startswith(">"):
        raise bad_input(path, "line 1", "is not FASTA; a record begins with '>'")
    records = text.lstrip()[1:].split("\n>")
    found = []
    for record in records:
        name, *lines = record.replace("\r", "").split("\n")
        found.append((name.strip(), "".join(lines).strip()))
    return found


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
