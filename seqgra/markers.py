"""Markers of finished batch files, which say by content, not by file times, what they were made from.

A batch file holds the arguments of one call a line. Its lines ``# after FILE`` name the markers of earlier
batches that it builds on. A marker begins with its *origin*: the hash of the batch file's text and of those
markers. So a marker is current where the text that would be written today, and the markers that stand
there today, have that hash, whatever was moved, copied or touched in the meantime.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from seqgra.errors import bad_input
from seqgra.fingerprint import read_run, write_atomically

#: What is said of an input that is not the one whose fingerprint stands in the batch file.
CHANGED = "has changed since Snakemake read it; call snakemake again: what is up to date stays"
#: The marker of a grid's report, in the folder of its results.
COMPARED = "compare.done"
_FIRST = "# made from "
#: ``# after FILE``, or for each pack that a list names: ``# after packs/*/evaluate.done of LIST``.
_AFTER = re.compile(r"# after (.+?)(?: of (.+))?")


def after(file: str, packs: str = "") -> str:
    """Return the line of a batch file that names a marker, or a pattern of markers and a list of packs.

    >>> after("packs/a/train.done")
    '# after packs/a/train.done'
    """
    return f"# after {file} of {packs}" if packs else f"# after {file}"


def earlier(text: str) -> Iterator[str]:
    """Yield the markers that a batch file's text names.

    Raises
    ------
    OSError
        If a list of packs cannot be read.
    """
    for line in text.split("\n"):
        if match := _AFTER.fullmatch(line):
            pattern, packs = match.groups()
            if packs is None:
                yield pattern
            else:
                yield from (pattern.replace("*", name) for name in read_packs(Path(packs)))


def read_packs(file: Path) -> list[str]:
    """Return the packs that a file names, one a line."""
    return file.read_text().split()


def origin(text: str) -> str:
    """Return the hash, 32 hexadecimal digits, of a batch file's text and of the markers that it names."""
    found = hashlib.sha256(text.encode())
    for file in earlier(text):
        found.update(f"\0{file}\0".encode())
        found.update(Path(file).read_bytes() if Path(file).exists() else b"absent")
    return found.hexdigest()[:32]


def made_from(marker: Path, text: str) -> bool:
    """Tell whether a marker is there and was made from a batch file of this text and its earlier markers."""
    try:
        with marker.open() as stream:
            return stream.readline() == f"{_FIRST}{origin(text)}\n"
    except (OSError, UnicodeDecodeError):  # there is none, or none of the lists that the text names
        return False


def write_marker(marker: Path, made_from: str, outputs: Iterable[Path]) -> None:
    """Write a marker: its origin, and the fingerprint of every result that was made.

    Raises
    ------
    InputError
        If there is a file of this name that is no marker.
    """
    if os.path.lexists(marker) and not _is_marker(marker):
        raise bad_input(marker, "", "lists no results; choose another file for --done")
    runs = {output: read_run(output) for output in outputs}
    lines = [f"{run['fingerprint']}  {output}\n" for output, run in runs.items() if run]
    write_atomically(marker, "".join([f"{_FIRST}{made_from}\n", *lines]))


def remove_marker(marker: Path) -> None:
    """Remove a marker, if there is one: what it vouches for is about to be made otherwise."""
    if marker.is_file() and _is_marker(marker):
        marker.unlink()


def _is_marker(file: Path) -> bool:
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return all(
        re.match(rf"{_FIRST}[0-9a-f]{{32}}$|([0-9a-f]{{32}}|None)  .", line) for line in lines
    )


def require_unchanged(file: object, found: str, expected: str | None) -> None:
    """Refuse an input whose fingerprint is not the expected one, where one is expected.

    Raises
    ------
    InputError
        If it is another.
    """
    if expected is not None and found != expected:
        raise bad_input(file, "", CHANGED)
