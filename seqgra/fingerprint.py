"""Identity of results on disk: fingerprints, locks, atomic files and `run.json`.

A result is a folder. It exists once its `run.json` does, which is always written last. Its fingerprint
says what it was made from, so that a stage can tell "up to date" from "make it again" in milliseconds.

A folder may be damaged, edited, or a stranger's. What stands in it is therefore checked before it is
believed: `run.json` carries a checksum of itself (files of earlier versions have none), and its fingerprint
is computed again. And nothing that stands in it decides which files are written, replaced or deleted: those
are plain names that the stage declares (`seqgra.stages`), and a symbolic link there is replaced, never
followed. Reading follows links, so that large files may lie elsewhere.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import platform
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

from seqgra.digest import digest
from seqgra.errors import bad_input
from seqgra.stages import FIGURE_KINDS, MOST_THREADS, SUMMARIES, find_stage

RUN_FILE = "run.json"
#: Of `run.json`: from 2 on it ends with a checksum of what stands before.
_FORMAT = 2
_CHECKSUM = ',\n "checksum": '
_ASIDE = ".aside-"
_CHECKPOINT = ".checkpoint-"
#: The next run.json, while files are being put in place: who finds it finishes the job.
_JOURNAL = ".publish.json"
#: A process that writes a result holds the lock of this file in its folder.
LOCK = ".lock"
_PATIENCE = 40
#: What is no fault of a folder but of the machine or the process at this moment.
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE, errno.EINTR)
_LIBRARIES = (
    "numpy",
    "numba",
    "pandas",
    "pyarrow",
    "sklearn",
    "torch",
    "tensorflow",
    "keras",
    "matplotlib",
)

log = logging.getLogger(__name__)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb", buffering=0) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Identity:
    """What a result is made from: everything that can change its bits, and nothing else."""

    #: The stage and the version of its results (raised when the same inputs give other results).
    verb: str
    version: int
    #: Fingerprint of each result that it is made from, by its role. Never a path.
    inputs: Mapping[str, str] = field(default_factory=dict)
    #: Options that can change bits, JSON-like.
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """The hash of all of it."""
        return digest([self.verb, self.version, dict(self.inputs), dict(self.options)])


def identity_of(verb: str, inputs: Mapping[str, str], options: Mapping[str, Any]) -> Identity:
    """Return the identity of what a stage makes with the version that its results have now."""
    return Identity(verb, find_stage(verb).version, inputs, options)


def seal(run: Mapping[str, Any]) -> str:
    """Return the text of a `run.json`: its content, and at the end a checksum of all that stands before."""
    content = {key: value for key, value in run.items() if key != "checksum"}
    text = json.dumps({"format": _FORMAT} | content, indent=1).removesuffix("\n}")
    return f'{text}{_CHECKSUM}"{_checksum(text.encode())}"\n}}\n'


def _checksum(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:32]


class _NoResult(Exception):
    """A folder holds no whole result; the message says why, to follow the folder's name."""


def read_run(folder: Path) -> dict[str, Any] | None:
    """Return the `run.json` of a result, or None where there is no whole one.

    Sizes of the files are compared, so that a truncated file never passes for a whole one.

    Raises
    ------
    OSError
        If the machine, not the folder, is at fault (too many open files, an error of the disk).
    """
    try:
        return _read(folder)
    except _NoResult:
        return None


def why_no_result(folder: Path) -> str:
    """Return why `read_run` finds no result: not finished, damaged or edited, or files are not whole."""
    try:
        _read(folder)
    except _NoResult as reason:
        return str(reason)
    return "was not whole a moment ago"


def _read(folder: Path) -> dict[str, Any]:
    place = os.fspath(folder)  # joined as text: a comparison reads tens of thousands of these
    try:
        text = _read_regular(f"{place}/{RUN_FILE}")
    except (FileNotFoundError, NotADirectoryError):
        raise _NoResult("is not finished") from None
    except OSError as error:
        if error.errno in _PASSING:
            raise
        raise _NoResult(f"has a {RUN_FILE} that cannot be read ({error.strerror})") from None
    run = _parse(text, RUN_FILE)
    files = run["files"].items()
    if lost := [name for name, facts in files if _length(f"{place}/{name}") != facts["bytes"]]:
        raise _NoResult(f"has lost or truncated files ({', '.join(lost)})")
    return run


def _read_regular(path: str | Path) -> bytes:
    """Return the bytes of a file, which is no pipe or device: those might never end."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(path))
        parts = []
        while part := os.read(file, found.st_size + 1):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(file)


def _length(path: str | Path) -> int:
    """Return the size of a file in bytes, -1 where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 (no Path is made)
    except OSError as error:
        if error.errno in _PASSING:
            raise
        return -1
    return found.st_size if stat.S_ISREG(found.st_mode) else -1


def _parse(text: bytes, name: str) -> dict[str, Any]:
    """Return the content of a `run.json` that can be believed, `name` being what to call it."""
    try:
        run = json.loads(text)
    except (ValueError, RecursionError):
        raise _NoResult(f"has a damaged {name}") from None
    if not isinstance(run, dict) or not run.keys() >= {"verb", "fingerprint", "status", "files"}:
        raise _NoResult(f"has a damaged {name}")
    if ("format" in run or "checksum" in run) and not _is_sealed(text, run):
        raise _NoResult(f"has a {name} that does not match its checksum (damaged or edited)")
    if wrong := _wrong_fact(run):
        raise _NoResult(f"has a damaged {name} ({wrong})")
    parts = [run["verb"], run.get("results_version"), run.get("inputs"), run.get("options")]
    try:
        same = digest(parts) == run["fingerprint"]
    except (ValueError, RecursionError):  # infinite, or nested too deep
        same = False
    if not same:
        message = "does not fit its stage, version, inputs and options (damaged or edited)"
        raise _NoResult(f"has a {name} whose fingerprint {message}")
    return run


def _is_sealed(text: bytes, run: Mapping[str, Any]) -> bool:
    content, _, rest = text.rpartition(_CHECKSUM.encode())
    expected = f'"{_checksum(content)}"\n}}\n'.encode()
    return rest == expected and run.get("format") == _FORMAT and "checksum" in run


#: Options that results of before version 3 of training do not say.
_NOT_ALWAYS = ("seeds",)

_NUMBER, _ANY = (int, float), (str, int, float, bool, dict, list, type(None))
#: Types of the facts of a `run.json` that are used, where it has them.
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("verb", "fingerprint", "status"), (str,)),
    **dict.fromkeys(("inputs", "options", "files"), (dict,)),
    **dict.fromkeys(("versions", "counts", "tuned"), (dict, type(None))),
    "results_version": (int,),
    **dict.fromkeys(("epochs", "best_epoch", "parameters", "threads"), (int, type(None))),
    **dict.fromkeys(("seconds", "cpu_seconds"), _NUMBER),
    **dict.fromkeys(
        ("best_validation_loss", "constant_loss", "temperature"), (*_NUMBER, type(None))
    ),
    **dict.fromkeys(("reason", "device", "host", "started", "kind", "found"), (str, type(None))),
    "restricted": (list, type(None)),
}


def _wrong_fact(run: Mapping[str, Any]) -> str:
    """Return what of a `run.json` cannot be used as it is, or nothing."""
    for name, value in run.items():
        if type(value) not in _TYPES.get(name, _ANY):
            return f"{name} is {_short(value)}"
    for name, facts in run["files"].items():
        if not name or name.startswith(".") or "/" in name or "\0" in name:
            return f"{_short(name)} is no name of a file of its own"
        if type(facts) is not dict or type(facts.get("bytes")) is not int:
            return f"files: {name}"
        if type(facts.get("sha256", "")) is not str:
            return f"files: {name}"
    for name in ("epochs", "parameters", "threads"):
        value = run.get(name)
        most = MOST_THREADS if name == "threads" else 1 << 62
        if value is not None and not 0 <= value <= most:
            return f"{name} is {_short(value)}"
    return "" if all(type(value) is str for value in run.get("inputs", {}).values()) else "inputs"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def require_run(folder: Path, *verbs: str) -> dict[str, Any]:
    """Return the `run.json` of a finished result that one of the stages `verbs` made.

    Raises
    ------
    InputError
        If there is no whole result, or another stage made it.
    """
    run = read_run(folder) or _read_while_published(folder)
    if run is None:
        raise bad_input(folder, "", f"{why_no_result(folder)}; {make_again(folder, *verbs)}")
    if run["verb"] not in verbs:
        expected = " or ".join(f"`seqgra {verb}`" for verb in verbs)
        raise bad_input(folder, "", f"was made by `seqgra {run['verb']}`; expected {expected}")
    return run


def make_again(folder: Path, *verbs: str) -> str:
    """Return advice on how to make a result that is not whole: by which stage, or by Snakemake.

    Parameters
    ----------
    folder
        Where it is, or is to be.
    verbs
        The stages that make results of its kind; that which has worked in the folder is named alone.
    """
    if (top := _grid_of(folder)) is not None:
        marker = _marker_of(folder, top)
        return f"delete {marker}, then run snakemake again" if marker else "run snakemake again"
    known = [verb for verb in verbs if _lock_text(verb) == _text_of_lock(folder)]
    stages = " or ".join(f"`seqgra {verb}`" for verb in known or verbs)
    return f"make it (again) with {stages}"


def delete_and_make_again(folder: Path) -> str:
    """Return advice on a whole result with a damaged file, which the same command would find up to date."""
    if (top := _grid_of(folder)) is not None and (marker := _marker_of(folder, top)):
        return f"delete {folder} and {marker}, then run snakemake again"
    return f"delete {folder} and run the same command again"


def _grid_of(folder: Path) -> Path | None:
    """Return the results folder of the grid, made by Snakemake, that a folder belongs to."""
    return next((parent for parent in folder.parents if (parent / "packs").is_dir()), None)


def _marker_of(folder: Path, top: Path) -> Path | None:
    """Return the marker that lists a result of a grid, and so keeps Snakemake from making it again."""
    place = f"/{top.resolve().name}/{folder.relative_to(top)}"
    for marker in sorted((top / "packs").rglob("*.done")):
        with suppress(OSError, UnicodeDecodeError):
            if any(f"/{line}".endswith(place) for line in marker.read_text().splitlines()):
                return marker
    return None


def _read_while_published(folder: Path) -> dict[str, Any] | None:
    """Look again for a moment: another process may just be putting the files in place."""
    for _ in range(_PATIENCE):
        if not (folder / _JOURNAL).exists():
            break
        time.sleep(0.05)
    return read_run(folder)


def verify_file(folder: Path, name: str, run: Mapping[str, Any]) -> Path:
    """Return the path of a result's file after comparing its SHA-256 with `run.json`.

    Raises
    ------
    InputError
        If the file is missing, truncated or changed.
    """
    path = folder / name
    facts = run["files"].get(name)
    if facts is None or not path.is_file():
        raise bad_input(path, "", f"is missing; {delete_and_make_again(folder)}")
    if file_sha256(path) != facts.get("sha256"):
        message = "does not match its checksum (damaged or edited)"
        raise bad_input(path, "", f"{message}; {delete_and_make_again(folder)}")
    return path


def versions() -> dict[str, str]:
    """Return the versions of seqgra, Python and those libraries that this process has loaded."""
    from importlib import metadata

    found = {"python": platform.python_version(), "seqgra": metadata.version("seqgra")}
    for name in _LIBRARIES:
        if name in sys.modules:
            found[name] = str(getattr(sys.modules[name], "__version__", "unknown"))
    return found


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a new file that takes the place of `path` at the end: readers see the old or the new one.

    It has a name of its own, so that two processes may write the same file, and no link is followed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{_ASIDE}{os.getpid()}-{os.urandom(6).hex()}")
    try:
        with os.fdopen(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666), "wb") as stream:
            yield stream
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def within(folder: Path, *parts: str) -> Path:
    """Return a path below a folder, none of whose parts below it is a symbolic link.

    Raises
    ------
    InputError
        If one is: what it points to may be anything of the user's.
    """
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            message = "is a symbolic link; nothing is written through it: delete it"
            raise bad_input(path, "", message)
    return path


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that readers see the old or the new one, never a part."""
    with replacing(path) as stream:
        stream.write(text.encode())


def other_option(made_with: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Return the first option, by name, that a result was not made with as it is asked for; empty: none."""
    asked = {n: value for n, value in asked.items() if n not in _NOT_ALWAYS or n in made_with}
    names = sorted(made_with.keys() | asked.keys())
    return next((name for name in names if made_with.get(name) != asked.get(name)), "")


class Draft:
    """A locked folder of a result between `claim` and `publish`.

    Attributes
    ----------
    previous
        The `run.json` of a whole result of this same identity, else None.
    """

    def __init__(self, folder: Path, identity: Identity) -> None:
        self.folder = folder
        self.identity = identity
        self.fingerprint = identity.fingerprint
        self.checkpoint = folder / f"{_CHECKPOINT}{self.fingerprint[:12]}"
        self._finish_publishing()
        run = read_run(folder)
        self.previous = run if run and run["fingerprint"] == self.fingerprint else None
        self._names: list[str] = []
        self._kept: dict[str, dict[str, Any]] = {}
        self._started = (time.time(), time.perf_counter(), time.process_time())

    def aside(self, name: str) -> Path:
        """Return where to write the file that becomes `name` when the result is published."""
        assert self._is_own(name), f"{name} is none of the files of {self.identity.verb}"
        self._names.append(name)
        return self.folder / f"{_ASIDE}{name}"

    def aside_figure(self, name: str) -> Path:
        """Return the stem of where to write the SVG, PDF and PNG files of a figure."""
        for kind in FIGURE_KINDS:
            self.aside(f"{name}.{kind}")
        return self.folder / f"{_ASIDE}{name}"

    def keep(self, name: str) -> None:
        """Keep a file of the previous result of this identity as it is.

        Raises
        ------
        InputError
            If it is no file of such a result.
        """
        assert self.previous is not None, "only a result of the same identity has files to keep"
        if name not in self.previous["files"] or not self._is_own(name):
            message = f"lists {name!r}, which is no file of `seqgra {self.identity.verb}`"
            raise bad_input(self.folder, "", f"{message}; {delete_and_make_again(self.folder)}")
        self._kept[name] = self.previous["files"][name]

    def publish(
        self, status: str = "done", large: tuple[str, ...] = (), **facts: Any
    ) -> dict[str, Any]:
        """Put the files in place and write `run.json`, which is returned; from here on the result exists.

        Parameters
        ----------
        status
            The outcome, such as ``done``, ``diverged`` or ``collapsed``.
        large
            Files whose checksums stand elsewhere in the result; only their size is recorded.
        facts
            What else is worth knowing (device, threads, seeds ...), JSON-like.
        """
        files = dict(self._kept)
        for name in self._names:
            path = self.folder / f"{_ASIDE}{name}"
            files[name] = {"bytes": path.stat().st_size}
            if name not in large:
                files[name]["sha256"] = file_sha256(path)
        started, wall, cpu = self._started
        run = {
            "verb": self.identity.verb,
            "fingerprint": self.fingerprint,
            "results_version": self.identity.version,
            "inputs": dict(self.identity.inputs),
            "options": dict(self.identity.options),
            "status": status,
            "files": files,
            "versions": versions(),
            "host": platform.node(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            "seconds": round(time.perf_counter() - wall, 3),
            "cpu_seconds": round(time.process_time() - cpu, 3),
            **facts,
        }
        write_atomically(self.folder / _JOURNAL, seal(run))
        self._put_in_place(run["files"])
        self.checkpoint.unlink(missing_ok=True)
        return run

    def clean(self) -> None:
        """Remove what interrupted or outdated writers left, but for a checkpoint of this identity."""
        for entry in _entries(self.folder).values():
            outdated = entry.name.startswith(_CHECKPOINT) and (
                entry.name != self.checkpoint.name
                or self.previous is not None
                or not entry.is_file(follow_symlinks=False)
            )
            if entry.name.startswith(_ASIDE) or outdated:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    Path(entry.path).unlink(missing_ok=True)

    def _is_own(self, name: str) -> bool:
        return find_stage(self.identity.verb).owns(name)

    def _put_in_place(self, files: Mapping[str, Any]) -> None:
        """Replace the old result's files by the new ones; doing it twice does no harm."""
        for name in files:
            with suppress(FileNotFoundError):  # it is in place, or is kept
                (self.folder / f"{_ASIDE}{name}").replace(self.folder / name)
        for name in _entries(self.folder):
            if name not in files and self._is_own(name):
                (self.folder / name).unlink()
        (self.folder / _JOURNAL).replace(self.folder / RUN_FILE)

    def _finish_publishing(self) -> None:
        """Finish what a killed writer of this identity had begun to put in place.

        The journal of another identity, or one that cannot be believed, leaves files of which nobody knows
        what they are: then there is no result.
        """
        journal = self.folder / _JOURNAL
        if not os.path.lexists(journal):
            return
        if (files := self._files_of(journal)) is not None:
            self._put_in_place(files)
        else:
            log.warning("%s: was left half published; it is made again", self.folder)
            (self.folder / RUN_FILE).unlink(missing_ok=True)
            journal.unlink()

    def _files_of(self, journal: Path) -> Mapping[str, Any] | None:
        """Return the files of a journal of this identity if they all lie there, whole."""
        try:
            run = _parse(_read_regular(journal), _JOURNAL)
        except (OSError, _NoResult) as error:
            if isinstance(error, OSError) and error.errno in _PASSING:
                raise
            return None
        if run["fingerprint"] != self.fingerprint or "checksum" not in run:
            return None
        whole = all(self._is_own(name) and self._is_there(name, run) for name in run["files"])
        return run["files"] if whole else None

    def _is_there(self, name: str, run: Mapping[str, Any]) -> bool:
        """Tell whether the file that is to be `name`, aside or in place, is that of a `run.json`."""
        aside, facts = self.folder / f"{_ASIDE}{name}", run["files"][name]
        path = aside if os.path.lexists(aside) else self.folder / name
        if path.is_symlink() or _length(path) != facts["bytes"]:
            return False
        return "sha256" not in facts or file_sha256(path) == facts["sha256"]


def _entries(folder: Path) -> dict[str, os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return {entry.name: entry for entry in entries}


def _lock_text(verb: str = "") -> str:
    """Return what stands in the lock of a folder; those of earlier versions name no stage."""
    return f"seqgra{f' {verb}' if verb else ''} locks this folder while it writes\n"


_LOCK_TEXTS = {"", *map(_lock_text, ("", *SUMMARIES))}


def _text_of_lock(folder: Path) -> str | None:
    """Return what stands in the lock of a folder, None without a lock of ours."""
    lock = folder / LOCK
    try:
        text = None if lock.is_symlink() else _read_regular(lock).decode(errors="replace")
    except OSError as error:
        if error.errno in _PASSING:
            raise
        return None
    return text if text in _LOCK_TEXTS else None


def _refuse_foreign(folder: Path, verb: str) -> None:
    """Refuse to write into a folder that holds another stage's result, or files that are not ours."""
    entries = _entries(folder)
    if entries and _text_of_lock(folder) is None:
        raise bad_input(folder, "", "holds other files; choose a new or empty folder")
    for name, entry in entries.items():
        own = name in (RUN_FILE, _JOURNAL) or find_stage(verb).owns(name)
        if own and entry.is_dir(follow_symlinks=False):
            message = f"holds a folder {name}, where a file goes; choose another folder"
            raise bad_input(folder, "", message)
    run = read_run(folder) if entries else None
    if run and run["verb"] != verb:
        message = f"holds what `seqgra {run['verb']}` made; choose another folder"
        raise bad_input(folder, "", message)


@contextmanager
def locked(
    folder: Path, verb: str, name: str = LOCK, check: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Make a folder where there is none, and hold its lock; another process that wants it waits.

    The lock says which stage has made it. One that is there is not written to, whatever it is. A folder
    that was made here goes again when the block fails and has left nothing in it.

    Parameters
    ----------
    folder, verb
        What is written, and by which stage.
    name
        Of the lock.
    check
        Called before the lock is taken; raises where the folder must be left alone.

    Raises
    ------
    InputError
        If the folder cannot be made, or the lock cannot be had.
    """
    lock, made = _take_lock(folder, verb, name, check)
    try:
        yield
    except BaseException:
        if made and [entry.name for entry in os.scandir(folder)] == [name]:
            (folder / name).unlink()
            with suppress(OSError):  # somebody else has put something in at this moment
                folder.rmdir()
        raise
    finally:
        os.close(lock)


def _take_lock(folder: Path, verb: str, name: str, check: Callable[[], None]) -> tuple[int, bool]:
    """Return the open lock of a folder, and whether the folder was made here."""
    path, flags = folder / name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK
    tries = 0
    while True:
        tries += 1
        try:
            made = not folder.exists()
            folder.mkdir(parents=True, exist_ok=True)
            check()
            try:
                lock = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
                os.write(lock, _lock_text(verb).encode())
            except FileExistsError:
                lock = os.open(path, flags)
        except FileNotFoundError as error:  # who made the folder has taken it away at this moment
            if tries < _PATIENCE:
                continue
            raise _not_writable(folder, error) from None
        except OSError as error:
            raise _not_writable(folder, error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("waiting for %s, which another process is writing", folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            os.close(lock)
            message = f"cannot be locked ({error.strerror}); use a file system with flock"
            raise bad_input(folder, "", message) from None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), path.stat(follow_symlinks=False)):
                return lock, made
        os.close(lock)  # the lock went with the folder of a call that failed


def _not_writable(folder: Path, error: OSError) -> Exception:
    if error.errno in (*_PASSING, errno.ENOSPC, errno.EDQUOT):
        return error
    return bad_input(folder, "", f"cannot be written ({error.strerror}); choose another folder")


@contextmanager
def claim(folder: Path, identity: Identity) -> Iterator[Draft]:
    """Lock a result's folder for writing and yield its `Draft`.

    A second process that wants the same result waits here and then finds it up to date. What a failed
    writer leaves aside is removed; a finished result in the folder stays until `Draft.publish`.

    Raises
    ------
    InputError
        If the folder cannot be made or written, or holds what is not this stage's.
    """
    with locked(folder, identity.verb, check=lambda: _refuse_foreign(folder, identity.verb)):
        draft = Draft(folder, identity)
        draft.clean()
        try:
            yield draft
        finally:
            draft.clean()


class Outcome(NamedTuple):
    """What a stage has computed, beside the files that it has written; see `Draft.publish`."""

    facts: Mapping[str, Any] = MappingProxyType({})
    status: str = "done"
    large: tuple[str, ...] = ()


class Made(NamedTuple):
    """A result in its folder: ``up to date`` or the outcome's status, and its `run.json`."""

    status: str
    run: Mapping[str, Any]


def make(
    identity: Identity,
    folder: Path,
    compute: Callable[[Draft], Outcome],
    suffices: Callable[[Mapping[str, Any]], bool] = lambda run: True,
) -> Made:
    """Make a result where there is none of this identity: claim its folder, compute, publish.

    Parameters
    ----------
    identity
        Stage, inputs and options.
    folder
        Where the result lies or is to lie.
    compute
        Writes the files to where `Draft.aside` says.
    suffices
        Whether the result that is there, given its `run.json`, is enough; else it is made again.

    Raises
    ------
    InputError
        If the folder cannot be made or written, or holds what is not this stage's.
    """
    with claim(folder, identity) as draft:
        if draft.previous and suffices(draft.previous):
            return Made("up to date", draft.previous)
        outcome = compute(draft)
        return Made(outcome.status, draft.publish(outcome.status, outcome.large, **outcome.facts))
