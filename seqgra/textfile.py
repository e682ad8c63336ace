"""Text files, plain or gzip (bgzip is gzip)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from seqgra.errors import bad_input

#: How gzip and bgzip files begin.
GZIP = b"\x1f\x8b"


def read_text(file: Path, encoding: str = "utf-8-sig") -> str:
    """Return the text of a file, plain or gzip.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        data = file.read_bytes()
        return (gzip.decompress(data) if data.startswith(GZIP) else data).decode(encoding)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged, or not text"
        raise bad_input(file, "", f"cannot be read ({reason})") from None


def text_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of a text file, plain or gzip, with any line ends.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    yield from enumerate(read_text(file).splitlines(), 1)
