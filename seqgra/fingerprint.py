"""Identity of nouns on disk: fingerprints, locks, atomic files and `run.json`.

A noun is a folder. It exists once its `run.json` does, which is always written last. Its fingerprint
says what it was made from, so that a verb can tell "up to date" from "make it again" in milliseconds.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from seqgra.errors import bad_input

RUN_FILE = "run.json"
#: Version of each verb's results: raised when the same inputs and options give other results, so
#: that old nouns are made again.
RESULTS_VERSIONS = {
    "simulate": 3,
    "ingest": 1,
    "subsample": 1,
    "tune": 1,
    "train": 3,
    "evaluate": 4,
    "attribute": 6,
    "export": 1,
    "fit": 4,
    "filters": 1,
}
_ASIDE = ".aside-"
_CHECKPOINT = ".checkpoint-"
#: The next run.json, while files are being put in place: whoever finds it finishes the job.
_JOURNAL = ".publish.json"
_LOCK, _LOCK_TEXT = ".lock", "seqgra locks this folder while it writes\n"
_REMAKE = "delete its folder and run the same command again"
_PATIENCE = 40
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


def canonical(value: object) -> str:
    """Return `value` as the one JSON text that all equal values share.

    >>> canonical({"b": 1, "a": (1.0, None)})
    '{"a":[1.0,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: object) -> str:
    """Return 32 hexadecimal digits that identify a JSON-like `value`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:32]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb", buffering=0) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Identity:
    """What a noun is made from: everything that can change its bits, and nothing else.

    Attributes
    ----------
    verb, version
        The verb and the version of its results (raised when the same inputs give other results).
    inputs
        Fingerprint of each input noun, by its role. Never a path.
    options
        Options that can change bits, JSON-like.
    """

    verb: str
    version: int
    inputs: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """The hash of all of it."""
        return digest([self.verb, self.version, dict(self.inputs), dict(self.options)])


def identity_of(verb: str, inputs: Mapping[str, str], options: Mapping[str, Any]) -> Identity:
    """Return the identity of what a verb makes with the version that its results have now."""
    return Identity(verb, RESULTS_VERSIONS[verb], inputs, options)


def read_run(folder: Path) -> dict[str, Any] | None:
    """Return the `run.json` of a noun, or None where no whole noun is.

    Sizes of the files are compared, so that a truncated file never passes for a whole one.
    """
    try:
        run: dict[str, Any] = json.loads((folder / RUN_FILE).read_bytes())
        whole = {"verb", "fingerprint", "status"} <= run.keys() and all(
            (folder / name).stat().st_size == facts["bytes"] for name, facts in run["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return run if whole else None


def require_run(folder: Path, *verbs: str) -> dict[str, Any]:
    """Return the `run.json` of a finished noun that one of `verbs` made.

    Raises
    ------
    InputError
        If there is no whole noun, or another verb made it.
    """
    run = read_run(folder) or _read_while_published(folder)
    if run is None:
        advice = f"make it (again) with `seqgra {verbs[0]}`"
        raise bad_input(folder, "", f"{why_no_noun(folder)}; {advice}")
    if run["verb"] not in verbs:
        message = f"was made by `seqgra {run['verb']}`; expected `seqgra {verbs[0]}`"
        raise bad_input(folder, "", message)
    return run


def why_no_noun(folder: Path) -> str:
    """Return why `read_run` finds no noun in a folder: it is not finished, or which files are not whole."""
    try:
        files = json.loads((folder / RUN_FILE).read_text())["files"]
        lost = [name for name, facts in files.items() if _length(folder / name) != facts["bytes"]]
    except FileNotFoundError:
        return "is not finished"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        lost = [RUN_FILE]
    return f"has lost or truncated files ({', '.join(lost) or RUN_FILE})"


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1


def _read_while_published(folder: Path) -> dict[str, Any] | None:
    """Look again for a moment: another process may just be putting the files in place."""
    for _ in range(_PATIENCE):
        if not (folder / _JOURNAL).exists():
            break
        time.sleep(0.05)
    return read_run(folder)


def verify_file(folder: Path, name: str, run: Mapping[str, Any]) -> Path:
    """Return the path of a noun's file after comparing its SHA-256 with `run.json`.

    Raises
    ------
    InputError
        If the file is missing, truncated or changed.
    """
    path = folder / name
    facts = run["files"].get(name)
    if facts is None or not path.exists():
        raise bad_input(path, "", "is missing; make it again")
    if file_sha256(path) != facts["sha256"]:
        raise bad_input(path, "", f"does not match its checksum (damaged or edited); {_REMAKE}")
    return path


def versions() -> dict[str, str]:
    """Return the versions of seqgra, Python and those libraries that this process has loaded."""
    found = {"python": platform.python_version(), "seqgra": metadata.version("seqgra")}
    for name in _LIBRARIES:
        if name in sys.modules:
            found[name] = str(getattr(sys.modules[name], "__version__", "unknown"))
    return found


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that readers see the old or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{_ASIDE}{os.getpid()}-{path.name}")
    try:
        aside.write_text(text)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


class Draft:
    """A locked noun folder between `claim` and `publish`.

    Attributes
    ----------
    previous
        The `run.json` of a whole noun of this same identity, else None.
    """

    def __init__(self, folder: Path, identity: Identity) -> None:
        self.folder = folder
        self.identity = identity
        self.fingerprint = identity.fingerprint
        run = read_run(folder)
        self.previous = run if run and run["fingerprint"] == self.fingerprint else None
        self.checkpoint = folder / f"{_CHECKPOINT}{self.fingerprint[:12]}"
        self._names: list[str] = []
        self._kept: dict[str, dict[str, Any]] = {}
        self._started = (time.time(), time.perf_counter(), time.process_time())

    def aside(self, name: str) -> Path:
        """Return where to write the file that becomes `name` when the noun is published."""
        self._names.append(name)
        return self.folder / f"{_ASIDE}{name}"

    def aside_figure(self, name: str) -> Path:
        """Return the stem of where to write the SVG, PDF and PNG files of a figure."""
        for kind in ("svg", "pdf", "png"):
            self.aside(f"{name}.{kind}")
        return self.folder / f"{_ASIDE}{name}"

    def keep(self, name: str) -> None:
        """Keep a file of the previous noun of this identity as it is."""
        assert self.previous is not None, "only a noun of the same identity has files to keep"
        self._kept[name] = self.previous["files"][name]

    def publish(self, status: str = "done", large: tuple[str, ...] = (), **facts: Any) -> None:
        """Put the files in place and write `run.json`; from here on the noun exists.

        Parameters
        ----------
        status
            The outcome as a result, such as ``done``, ``diverged`` or ``collapsed``.
        large
            Files whose checksums stand elsewhere in the noun; only their size is recorded.
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
        write_atomically(self.folder / _JOURNAL, json.dumps(run, indent=1) + "\n")
        _put_in_place(self.folder, run)
        self.checkpoint.unlink(missing_ok=True)

    def clean(self) -> None:
        """Remove what interrupted or outdated writers left, but for a checkpoint of this identity."""
        for leftover in self.folder.glob(f"{_ASIDE}*"):
            leftover.unlink(missing_ok=True)
        for checkpoint in self.folder.glob(f"{_CHECKPOINT}*"):
            if checkpoint != self.checkpoint or self.previous:
                checkpoint.unlink(missing_ok=True)


def _put_in_place(folder: Path, run: Mapping[str, Any]) -> None:
    """Replace the old noun's files by the new ones; doing it twice does no harm."""
    old = _listed_files(folder, run["verb"])
    for name in run["files"]:
        if (aside := folder / f"{_ASIDE}{name}").exists():
            aside.replace(folder / name)
    for name in old - run["files"].keys():
        (folder / name).unlink(missing_ok=True)
    (folder / _JOURNAL).replace(folder / RUN_FILE)


def _finish_publishing(folder: Path, verb: str) -> None:
    """Finish what a killed writer had begun to put in place (its files were all written)."""
    try:
        run = json.loads((folder / _JOURNAL).read_text())
    except (OSError, ValueError):
        return
    if run["verb"] == verb:
        _put_in_place(folder, run)


def _listed_files(folder: Path, verb: str) -> set[str]:
    """Return the plain file names of the noun of this verb in a folder."""
    try:
        run = json.loads((folder / RUN_FILE).read_text())
        names = set(run["files"]) if run["verb"] == verb else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in names if "/" not in name and not name.startswith(".")}


def _refuse_foreign(folder: Path, verb: str) -> None:
    """Refuse to write into a folder that holds another verb's noun, or files that are not ours."""
    lock = folder / _LOCK
    ours = lock.is_file() and lock.read_text(errors="replace") in ("", _LOCK_TEXT)
    if not ours and any(folder.iterdir()):
        raise bad_input(folder, "", "holds other files; choose a new or empty folder")
    run = read_run(folder)
    if run and run["verb"] != verb:
        message = f"holds what `seqgra {run['verb']}` made; choose another folder"
        raise bad_input(folder, "", message)


@contextmanager
def claim(folder: Path, identity: Identity) -> Iterator[Draft]:
    """Lock a noun's folder for writing and yield its `Draft`.

    A second process that wants the same noun waits here and then finds it up to date. What a failed
    writer leaves aside is removed; a finished noun in the folder stays until `Draft.publish`.

    Raises
    ------
    InputError
        If the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(folder, identity.verb)
        lock = (folder / _LOCK).open("a")
    except OSError as error:
        raise bad_input(
            folder, "", f"cannot be written ({error.strerror}); choose another folder"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("waiting for %s, which another process is writing", folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            message = f"cannot be locked ({error.strerror}); use a file system with flock"
            raise bad_input(folder, "", message) from None
        if lock.tell() == 0:
            lock.write(_LOCK_TEXT)
            lock.flush()
        _finish_publishing(folder, identity.verb)
        draft = Draft(folder, identity)
        draft.clean()
        try:
            yield draft
        finally:
            draft.clean()
