"""Folders of tables and figures that a command makes anew, beside which a user's own files may lie.

Such a folder is no result (see `fingerprint`): it has no identity, and may hold anything. What the command
has written stands in a list there, `.<command>.sha256` (as of sha256sum). Only a file of that list is
replaced; it is removed where it is no longer made and has not been changed since. What figures were drawn
from stands in a second list, `.<command>.figures`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from seqgra.errors import bad_input
from seqgra.fingerprint import RUN_FILE, file_sha256, locked, within, write_atomically
from seqgra.stages import FIGURE_KINDS

#: Names that may stand in a list.
_NAME = re.compile(
    r"((tables|figures)/)?[^./][^/]*\.(csv|parquet|svg|pdf|png|md|html|py|safetensors|keras)"
)
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
#: Of a file that was about to be written.
_NOT_KNOWN = "0" * 64

log = logging.getLogger(__name__)


class OwnFiles:
    """What a command may write into a folder, while it holds the folder's lock.

    Parameters
    ----------
    folder, command
        Where it writes, and what it is called.
    """

    def __init__(self, folder: Path, command: str) -> None:
        self.folder, self._command = folder, command
        self._list = folder / f".{command}.sha256"
        self._known = self._read()
        self._made: dict[str, None] = {}
        self._drawn_list = folder / f".{command}.figures"
        self._drawn = _read_list(self._drawn_list)
        self._content: dict[str, str] = {}
        self._write(self._known)  # a file of its own, to which lines may be added

    def file(self, name: str) -> Path:
        """Return where to write a file, such as ``tables/scores.csv``.

        Raises
        ------
        InputError
            If there is a file that the command has not written, or a symbolic link leads elsewhere.
        """
        assert _NAME.fullmatch(name), f"{name} cannot stand in the list of files"
        *folders, _ = name.split("/")
        path = within(self.folder, *folders) / name.rpartition("/")[2]
        if name not in self._known and name not in self._made:
            if os.path.lexists(path):
                message = f"was not written by `seqgra {self._command}`"
                advice = "move it away, or choose another folder"
                raise bad_input(path, "", f"{message}; {advice}")
            with self._list.open("a") as stream:
                stream.write(f"{_NOT_KNOWN}  {name}\n")
        self._made[name] = None
        return path

    def keep(self, name: str) -> None:
        """Leave a file of an earlier call as it is, if there is one."""
        if name in self._known and (self.folder / name).is_file():
            self._made[name] = None

    def figure(self, name: str) -> Path:
        """Return where to write a figure, without its suffix; see `file`."""
        files = [self.file(file) for file in _files_of(name)]
        return files[0].with_suffix("")

    def keeps(self, name: str, content: str) -> bool:
        """Tell whether a figure lies there as an earlier call drew it from the same content; then it stays.

        Parameters
        ----------
        name
            Of the figure, without its suffix.
        content
            A hash of all that it is drawn from. Where the files are others, or have been changed since,
            draw it and write it to `figure`.
        """
        self._content[name] = content
        files, paths = _files_of(name), []
        for file in files:
            *folders, last = file.split("/")
            path = within(self.folder, *folders) / last
            if file not in self._known or path.is_symlink() or not path.is_file():
                return False
            paths.append(path)
        if self._drawn.get(name) != _drawn_from(content, list(map(file_sha256, paths))):
            return False
        self._made.update(dict.fromkeys(files))
        return True

    def finish(self) -> None:
        """Remove what an earlier call has made and this one has not; write the lists."""
        made = {name: file_sha256(self.folder / name) for name in self._made}
        for name in self._known.keys() - self._made.keys():
            path = within(self.folder, *name.split("/"))
            if not path.is_file():
                continue
            if file_sha256(path) == self._known[name]:
                path.unlink()
            else:
                log.warning("%s: is no longer made, and stays, since it was changed", path)
        self._write(made)
        drawn = {
            name: _drawn_from(content, [made[file] for file in _files_of(name)])
            for name, content in self._content.items()
        }
        if drawn or self._drawn:
            write_atomically(self._drawn_list, _list_text(drawn))

    def _read(self) -> dict[str, str]:
        return {name: sha for name, sha in _read_list(self._list).items() if _NAME.fullmatch(name)}

    def _write(self, files: dict[str, str]) -> None:
        write_atomically(self._list, _list_text(files))


def _files_of(figure: str) -> list[str]:
    return [f"{figure}.{kind}" for kind in FIGURE_KINDS]


def _drawn_from(content: str, hashes: Sequence[str]) -> str:
    """Return a hash of what a figure was drawn from and of its files, so that neither is believed alone."""
    return hashlib.sha256(" ".join([content, *hashes]).encode()).hexdigest()


def _read_list(path: Path) -> dict[str, str]:
    """Return name -> hash; nothing where there is no list."""
    try:
        text = path.read_text()
    except (FileNotFoundError, UnicodeDecodeError):
        return {}
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return {line[2]: line[1] for line in found if line}


def _list_text(hashes: Mapping[str, str]) -> str:
    return "".join(f"{sha}  {name}\n" for name, sha in hashes.items())


@contextmanager
def own_files(folder: Path, command: str) -> Iterator[OwnFiles]:
    """Lock a folder, yield what may be written into it, and at the end remove what is no longer made.

    A second call for the same folder waits. See `OwnFiles` for the parameters.

    Raises
    ------
    InputError
        If the folder cannot be made or written, or holds the result of a stage.
    """
    if os.path.lexists(folder / RUN_FILE):
        message = "holds the result of a stage (run.json); choose another folder"
        raise bad_input(folder, "", message)
    with locked(folder, command, f".{command}.lock"):
        own = OwnFiles(folder, command)
        yield own
        own.finish()


def replace_own_file(path: Path, text: str, command: str) -> None:
    """Write a text file, replacing none but one that the same command has written and nobody has changed.

    Its first line is a comment that says so, with a checksum of what follows.

    Raises
    ------
    InputError
        If there is another file.
    """
    if os.path.lexists(path) and not _is_own_text(path, command):
        message = f"is there already, and `seqgra {command}` has not written it as it is"
        raise bad_input(path, "", f"{message}; delete it, or choose another name")
    write_atomically(path, f"{_first_line(text, command)}\n{text}")


def _first_line(text: str, command: str) -> str:
    return (
        f"# seqgra {command}; sha256 of what follows: {hashlib.sha256(text.encode()).hexdigest()}"
    )


def _is_own_text(path: Path, command: str) -> bool:
    if not path.is_file():
        return False
    try:
        first, _, rest = path.read_bytes().decode().partition("\n")
    except (OSError, UnicodeDecodeError):
        return False
    return first == _first_line(rest, command)
